/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decoder_init.c - what a decoder's init reads and checks: parameters of the
 * descriptor, shapes of outputs, labels. See dcnn_decoder.h.
 */
#include "dcnn_decoder.h"

#include <string.h>

static gboolean
check_param (const DcnnParamSpec *spec, const DcnnKeys *keys, GError **error)
{
  gdouble list[DCNN_KEYS_MAX_LIST], number;
  gint integer = 0;
  gboolean boolean = FALSE;
  guint n = 0;

  switch (spec->kind) {
    case DCNN_PARAM_NUMBER:
      return dcnn_keys_number (keys, "decoder", spec->key, spec->lo, spec->hi,
          &number, error);
    case DCNN_PARAM_INTEGER:
      return dcnn_keys_integer (keys, "decoder", spec->key, (gint) spec->lo,
          (gint) spec->hi, &integer, error);
    case DCNN_PARAM_BOOLEAN:
      return dcnn_keys_boolean (keys, "decoder", spec->key, &boolean, error);
    case DCNN_PARAM_CHOICE:
      return dcnn_keys_choice (keys, "decoder", spec->key, spec->choices,
          &integer, error);
    case DCNN_PARAM_LIST:
    default:
      return dcnn_keys_numbers (keys, "decoder", spec->key, spec->lo,
          spec->hi, list, DCNN_KEYS_MAX_LIST, &n, error);
  }
}

gboolean
dcnn_decoder_class_check (const DcnnDecoderClass *class,
    const DcnnKeys *keys, GError **error)
{
  GString *names = g_string_new (NULL);
  gboolean ok;

  for (const DcnnParamSpec *spec = class->params; spec->key != NULL; spec++)
    g_string_append_printf (names, "%s%s", names->len > 0 ? "|" : "",
        spec->key);
  ok = dcnn_keys_only (keys, "decoder", names->str, error);
  g_string_free (names, TRUE);
  for (const DcnnParamSpec *spec = class->params; ok && spec->key != NULL;
      spec++)
    ok = check_param (spec, keys, error);
  return ok;
}

static const DcnnParamSpec *
find_param (const DcnnDecoder *decoder, const char *key)
{
  const DcnnParamSpec *spec = decoder->class->params;

  while (spec->key != NULL && strcmp (spec->key, key) != 0)
    spec++;
  return spec->key != NULL ? spec : NULL;
}

gdouble
dcnn_decoder_param (const DcnnDecoder *decoder, const char *key)
{
  const DcnnParamSpec *spec = find_param (decoder, key);
  DcnnKeys keys = { decoder->info->keys, NULL, 0, "" };
  gdouble number;
  gint integer;
  gboolean boolean;

  /* checked when the descriptor was read: readers cannot fail any more */
  if (spec == NULL)
    return 0;
  number = spec->value;
  integer = (gint) spec->value;
  boolean = spec->value != 0;
  if (keys.file == NULL)
    return spec->value;
  switch (spec->kind) {
    case DCNN_PARAM_NUMBER:
      (void) dcnn_keys_number (&keys, "decoder", key, spec->lo, spec->hi,
          &number, NULL);
      return number;
    case DCNN_PARAM_INTEGER:
      (void) dcnn_keys_integer (&keys, "decoder", key, (gint) spec->lo,
          (gint) spec->hi, &integer, NULL);
      return integer;
    case DCNN_PARAM_BOOLEAN:
      (void) dcnn_keys_boolean (&keys, "decoder", key, &boolean, NULL);
      return boolean;
    case DCNN_PARAM_CHOICE:
      (void) dcnn_keys_choice (&keys, "decoder", key, spec->choices, &integer,
          NULL);
      return integer;
    case DCNN_PARAM_LIST:
    default:
      return spec->value;
  }
}

guint
dcnn_decoder_param_list (const DcnnDecoder *decoder, const char *key,
    gdouble *values)
{
  const DcnnParamSpec *spec = find_param (decoder, key);
  DcnnKeys keys = { decoder->info->keys, NULL, 0, "" };
  guint n = 0;

  if (spec == NULL || keys.file == NULL)
    return 0;
  if (!dcnn_keys_numbers (&keys, "decoder", key, spec->lo, spec->hi, values,
          DCNN_KEYS_MAX_LIST, &n, NULL))
    return 0;
  return n;
}

gboolean
dcnn_decoder_fail (const DcnnDecoder *decoder, guint role, GError **error,
    const char *format, ...)
{
  const DcnnView *view = &decoder->roles[role].view;
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
      "%s: decoder %s, output %s (%u channels of %ux%u): %s", decoder->name,
      decoder->class->name, decoder->class->roles[role].name, view->channels,
      view->width, view->height, text);
  return FALSE;
}

gboolean
dcnn_decoder_want_channels (const DcnnDecoder *decoder, guint role,
    guint want, GError **error)
{
  if (decoder->roles[role].view.channels == want)
    return TRUE;
  return dcnn_decoder_fail (decoder, role, error,
      "wants %u channels; check semantics and layout of this output in the "
      "descriptor", want);
}

gboolean
dcnn_decoder_want_same_grid (const DcnnDecoder *decoder, guint role,
    GError **error)
{
  const DcnnView *first = &decoder->roles[0].view;
  const DcnnView *view = &decoder->roles[role].view;

  if (first->width == view->width && first->height == view->height)
    return TRUE;
  return dcnn_decoder_fail (decoder, role, error,
      "wants the size of %s, %ux%u", decoder->class->roles[0].name,
      first->width, first->height);
}

gboolean
dcnn_decoder_want_labels (const DcnnDecoder *decoder, guint n,
    const char *what, GError **error)
{
  if (decoder->n_labels == 0 || decoder->n_labels == n)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
      "%s: %u labels in the descriptor, but the model has %u %s; give as many "
      "labels, or leave [labels] out", decoder->name, decoder->n_labels, n,
      what);
  return FALSE;
}
