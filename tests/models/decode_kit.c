/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode_kit.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WATCH 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define WATCH 0
#else
#define WATCH 1
#endif
#elif defined(__GLIBC__)
#define WATCH 1
#else
#define WATCH 0
#endif

static guint64 allocations;

guint64
kit_allocations (void)
{
  return allocations;
}

#if WATCH
/* The C library's own entries: the program's malloc counts, then calls them. */
extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t n, size_t size);
extern void *__libc_realloc (void *old, size_t size);

void *
malloc (size_t size)
{
  allocations++;
  return __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
  allocations++;
  return __libc_calloc (n, size);
}

void *
realloc (void *old, size_t size)
{
  allocations++;
  return __libc_realloc (old, size);
}
#endif

void
kit_init (Kit *kit, const char *decoder, const char *groups, guint net_w,
    guint net_h)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf (
      "[modelinfo]\nversion=1.0\n[deltacnn]\nname=planted\ndecoder=%s\n%s\n",
      decoder, groups);

  memset (kit, 0, sizeof *kit);
  kit->info = dcnn_modelinfo_load_data (text, strlen (text), "planted",
      &error);
  g_assert_no_error (error);
  kit->net_w = net_w;
  kit->net_h = net_h;
  kit_frame (kit, net_w, net_h, DCNN_FIT_STRETCH);
}

gpointer
kit_add_typed (Kit *kit, const char *name, DcnnDtype dtype, const gint *dims)
{
  DcnnTensor *tensor = &kit->tensors[kit->n];

  g_assert_cmpuint (kit->n, <, KIT_MAX_OUTPUTS);
  tensor->dtype = dtype;
  while (dims[tensor->rank] != 0) {
    tensor->dims[tensor->rank] = dims[tensor->rank];
    tensor->rank++;
  }
  tensor->data = g_malloc0 ((gsize) dcnn_tensor_count (tensor)
      * dcnn_dtype_bytes (dtype));
  kit->names[kit->n] = name;
  kit->list[kit->n] = tensor;
  kit->n++;
  return tensor->data;
}

gfloat *
kit_add (Kit *kit, const char *name, const gint *dims)
{
  return kit_add_typed (kit, name, DCNN_DTYPE_F32, dims);
}

void
kit_frame (Kit *kit, guint width, guint height, DcnnFit fit)
{
  fit_transform (fit, width, height, kit->net_w, kit->net_h,
      &kit->transform);
}

const DcnnResults *
kit_run (Kit *kit, gfloat threshold)
{
  g_autoptr (GError) error = NULL;
  const DcnnResults *results;

  if (kit->decoder == NULL)
    kit->decoder = dcnn_decoder_new_for_tensors (kit->info, kit->n,
        kit->names, kit->list, kit->net_w, kit->net_h, &error);
  g_assert_no_error (error);
  g_assert_nonnull (kit->decoder);
  results = dcnn_decoder_run_tensors (kit->decoder, kit->list, kit->n,
      &kit->transform, threshold);
  g_assert_nonnull (results);
  return results;
}

GError *
kit_error (Kit *kit)
{
  GError *error = NULL;

  kit->decoder = dcnn_decoder_new_for_tensors (kit->info, kit->n, kit->names,
      kit->list, kit->net_w, kit->net_h, &error);
  g_assert_null (kit->decoder);
  g_assert_nonnull (error);
  return error;
}

void
kit_expect_misfits (const Misfit *misfits, guint n)
{
  for (guint i = 0; i < n; i++) {
    const Misfit *m = &misfits[i];
    g_autoptr (GError) error = NULL;
    Kit kit;

    kit_init (&kit, m->decoder, m->groups, 64, 32);
    for (guint o = 0; o < 2 && m->names[o] != NULL; o++)
      (void) kit_add (&kit, m->names[o], m->dims[o]);
    error = kit_error (&kit);
    g_assert_true (error->domain == DCNN_ERROR);
    if (strstr (error->message, m->says) == NULL)
      g_error ("case %u: \"%s\" does not say \"%s\"", i, error->message,
          m->says);
    kit_clear (&kit);
  }
}

void
kit_clear (Kit *kit)
{
  for (guint i = 0; i < kit->n; i++)
    g_free (kit->tensors[i].data);
  dcnn_decoder_free (kit->decoder);
  dcnn_modelinfo_free (kit->info);
}
