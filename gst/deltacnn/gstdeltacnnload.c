/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnload.c - see gstdeltacnnload.h.
 */
#include "gstdeltacnnload.h"

#include <string.h>

#include "deltacnn/decode.h"

/* A label file past this is no label file. */
#define MAX_LABEL_BYTES (1 << 20)
/* Without an input-multiple in the descriptor: what nearly all nets divide. */
#define DEFAULT_MULTIPLE 32

gchar *
gst_delta_cnn_load_find (const GstDeltaCnnSettings * settings, GError ** error)
{
  g_autofree gchar *device = gst_delta_cnn_settings_get_device (settings);

  if (!dcnn_device_check (device, error))
    return NULL;
  if (!settings->model || !*settings->model) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "No model was given: set the property model to an ONNX file or to "
        "the name of an installed model");
    return NULL;
  }
  return dcnn_model_find_file (settings->model, error);
}

/* One label a line; blank lines at the end do not count. */
static gchar **
load_labels (const gchar * path, GError ** error)
{
  g_autofree gchar *text = NULL;
  g_autoptr (GError) local = NULL;
  gsize length;
  gchar **lines;
  guint n;

  if (!g_file_get_contents (path, &text, &length, &local)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "Label file cannot be read: %s", local->message);
    return NULL;
  }
  if (length == 0 || length > MAX_LABEL_BYTES
      || !g_utf8_validate (text, length, NULL)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "Label file %s is not a UTF-8 text of one label a line", path);
    return NULL;
  }
  lines = g_strsplit (text, "\n", -1);
  for (n = 0; lines[n]; n++)
    g_strstrip (lines[n]);
  while (n > 0 && !*lines[n - 1])
    g_clear_pointer (&lines[--n], g_free);
  return lines;
}

static gboolean
override_decoder (DcnnModelInfo * info, const gchar * decoder, GError ** error)
{
  const gchar *const *names = dcnn_decoder_names ();
  g_autofree gchar *list = NULL;

  g_clear_pointer (&info->decoder, g_free);
  if (g_str_equal (decoder, "none"))
    return TRUE;
  if (g_strv_contains (names, decoder)) {
    info->decoder = g_strdup (decoder);
    return TRUE;
  }
  list = g_strjoinv (", ", (gchar **) names);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "There is no decoder \"%s\"; there are none (tensors only), %s",
      decoder, list);
  return FALSE;
}

DcnnModelInfo *
gst_delta_cnn_load_info (const GstDeltaCnnSettings * settings,
    const gchar * path, GError ** error)
{
  g_autoptr (DcnnModelInfo) info = dcnn_modelinfo_find (path, error);

  if (!info)
    return NULL;
  if (settings->labels && *settings->labels) {
    gchar **labels = load_labels (settings->labels, error);
    if (!labels)
      return NULL;
    g_clear_pointer (&info->labels, g_strfreev);
    info->labels = labels;
    info->n_labels = g_strv_length (labels);
  }
  if (settings->decoder && *settings->decoder
      && !override_decoder (info, settings->decoder, error))
    return NULL;
  return g_steal_pointer (&info);
}

/* The nearest size that the model allows, from the frame's. */
static guint
follow_frame (const DcnnModelInfo * info, guint frame)
{
  const guint multiple = info->multiple > 1 ? info->multiple : DEFAULT_MULTIPLE;
  const guint rest = info->multiple > 1 ? info->multiple_rest : 0;
  const guint steps = frame > rest ?
      (frame - rest + multiple / 2) / multiple : 0;

  return MAX (steps, 1) * multiple + rest;
}

void
gst_delta_cnn_load_size (const GstDeltaCnnSettings * settings,
    const DcnnModelInfo * info, guint frame_width, guint frame_height,
    guint * width, guint * height)
{
  *width = settings->input_width < 0 ? follow_frame (info, frame_width) :
      (guint) settings->input_width;
  *height = settings->input_height < 0 ? follow_frame (info, frame_height) :
      (guint) settings->input_height;
}

gboolean
gst_delta_cnn_load_check_input (const gchar * path,
    const DcnnModelSummary * summary, GError ** error)
{
  if (summary->n_inputs == 1 && summary->input_width > 0
      && (summary->input_channels == 1 || summary->input_channels == 3))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
      "%s has %u inputs, the image one with %u channels; deltacnn feeds "
      "models with one image input of 1 or 3 channels", path,
      summary->n_inputs, summary->input_channels);
  return FALSE;
}

void
gst_delta_cnn_load_name_file (GError ** error, const gchar * path)
{
  const gchar *slash = strrchr (path, G_DIR_SEPARATOR);

  if (*error && !strstr ((*error)->message, slash ? slash + 1 : path))
    g_prefix_error (error, "%s: ", path);
}
