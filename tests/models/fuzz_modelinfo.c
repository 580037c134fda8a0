/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Descriptors from any bytes: none may crash, and one that is read must give a
 * decoder on outputs of the shapes that it states, or an error.
 *
 * With libFuzzer: fuzz_modelinfo -max_total_time=60 tests/models/corpus
 * Without (DCNN_FUZZ_REPLAY): runs the files and folders that are named.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "deltacnn/decode.h"

#define MAX_OUTPUTS 8
#define MAX_VALUES 65536

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Names of decoders that some descriptor's outputs fit; NULL: not asked. */
static GHashTable *decoders_run;

static void
note_decoder (const char *name, const DcnnDecoder *decoder)
{
  if (decoders_run != NULL && decoder != NULL)
    g_hash_table_add (decoders_run, g_strdup (name));
}

static gboolean
make_tensor (const DcnnTensorInfo *info, DcnnTensor *tensor)
{
  gint64 count = 1;

  memset (tensor, 0, sizeof *tensor);
  if (info->is_input || info->rank == 0)
    return FALSE;
  tensor->dtype = DCNN_DTYPE_F32;
  tensor->rank = (int) info->rank;
  for (guint i = 0; i < info->rank; i++) {
    tensor->dims[i] = info->dims[i] > 0 ? info->dims[i] : 4;
    count *= tensor->dims[i];
    if (count > MAX_VALUES)
      return FALSE;
  }
  tensor->data = g_malloc ((gsize) count * sizeof (gfloat));
  for (gint64 i = 0; i < count; i++)
    ((gfloat *) tensor->data)[i] = (gfloat) (i * 37 % 101) / 50 - 0.5f;
  return TRUE;
}

static void
decode (const DcnnModelInfo *info)
{
  DcnnTensor tensors[MAX_OUTPUTS];
  const DcnnTensor *list[MAX_OUTPUTS] = { NULL };
  const char *names[MAX_OUTPUTS] = { NULL };
  DcnnTransform transform = { 0.5f, 0.5f, 0, 0, 128, 128, 64, 64 };
  g_autoptr (DcnnDecoder) decoder = NULL;
  guint n = 0;

  for (guint i = 0; i < info->tensors->len && n < MAX_OUTPUTS; i++) {
    const DcnnTensorInfo *tensor = g_ptr_array_index (info->tensors, i);

    if (!make_tensor (tensor, &tensors[n]))
      continue;
    names[n] = tensor->name;
    list[n] = &tensors[n];
    n++;
  }
  decoder = dcnn_decoder_new_for_tensors (info, n, names, list, 64, 64, NULL);
  note_decoder (info->decoder, decoder);
  if (decoder != NULL)
    (void) dcnn_decoder_run_tensors (decoder, list, n, &transform, -1);
  for (guint i = 0; i < n; i++)
    g_free (tensors[i].data);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = dcnn_modelinfo_load_data (
      (const char *) data, size, "fuzz.modelinfo", &error);

  if ((info == NULL) != (error != NULL))
    __builtin_trap ();
  if (info != NULL)
    decode (info);
  return 0;
}

#ifdef DCNN_FUZZ_REPLAY
static guint
replay (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autofree char *text = NULL;
  const char *name;
  gsize length = 0;
  guint n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *file = g_build_filename (path, name, NULL);
    n += replay (file);
  }
  if (dir == NULL && g_file_get_contents (path, &text, &length, NULL)) {
    (void) LLVMFuzzerTestOneInput ((const uint8_t *) text, length);
    n++;
  }
  return n;
}

int
main (int argc, char **argv)
{
  const char *const *names = dcnn_decoder_names ();
  guint n = 0, lacking = 0;

  decoders_run = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (int i = 1; i < argc; i++)
    n += replay (argv[i]);
  printf ("%u descriptors replayed\n", n);
  for (guint i = 0; names[i] != NULL; i++)
    if (!g_hash_table_contains (decoders_run, names[i])) {
      printf ("no descriptor runs decoder %s: add one to the corpus\n",
          names[i]);
      lacking++;
    }
  g_hash_table_unref (decoders_run);
  return n > 0 && lacking == 0 ? 0 : 1;
}
#endif
