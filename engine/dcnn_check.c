/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_check.c - what callers give a session, before anything uses it.
 */
#include "dcnn_engine.h"

#include <math.h>
#include <string.h>

/* ---- numbers ----------------------------------------------------------------- */

/* NaN is in no range. */
static gboolean
check_range (const char *name, gdouble value, gdouble low, gdouble high,
    GError **error)
{
  if (value >= low && value <= high)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "%s is %g; %g to %g are possible", name, value, low, high);
  return FALSE;
}

static gboolean
check_choice (const char *name, gint value, gint count, GError **error)
{
  if (value >= 0 && value < count)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "%s %d does not exist; 0 to %d do", name, value, count - 1);
  return FALSE;
}

static gboolean
check_finite (const char *name, gdouble value, GError **error)
{
  if (isfinite (value))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "%s is %g; a finite number is needed", name, value);
  return FALSE;
}

/* ---- tuning and options -------------------------------------------------------- */

gboolean
dcnn_check_tuning (const DcnnTuning *t, GError **error)
{
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++) {
    const DcnnTuningInfo *info = dcnn_tuning_info (i);
    gdouble value = dcnn_tuning_get (t, i);
    if (info->kind == DCNN_TUNING_KIND_BOOL)
      continue; /* whatever is not 0 is true */
    if (info->names ? !check_choice (info->field, (gint) value,
            (gint) info->most + 1, error) :
        !check_range (info->field, value, info->least, info->most, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
dcnn_check_options (const DcnnSessionOptions *options, GError **error)
{
  if (options->streams < 1 || options->streams > 1024) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%u streams; 1 to 1024 are possible", options->streams);
    return FALSE;
  }
  if (options->threads > 256) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%u threads; 0 (one a core) to 256 are possible", options->threads);
    return FALSE;
  }
  for (guint c = 0; c < 3; c++)
    if (!check_finite ("an input's scale", options->scale[c], error) ||
        !check_finite ("an input's bias", options->bias[c], error))
      return FALSE;
  return check_choice ("precision", (gint) options->precision,
      DCNN_PRECISION_COUNT, error) &&
      check_choice ("fit", (gint) options->fit,
      DCNN_FIT_COUNT, error) &&
      check_choice ("scaling", (gint) options->scaling,
      DCNN_SCALING_NEAREST + 1, error) &&
      dcnn_check_tuning (&options->tuning, error);
}

gboolean
dcnn_check_threshold (const char *node, gdouble threshold, GError **error)
{
  g_autofree char *name = NULL;

  if (isfinite (threshold))
    return TRUE;
  name = g_strdup_printf ("the threshold of '%.200s'", node);
  return check_finite (name, threshold, error);
}

/* ---- frames ------------------------------------------------------------------------ */

static const struct {
  const char *name;
  guint planes, bytes;
} formats[DCNN_FORMAT_COUNT] = {
#define DCNN_X(e, n, p, b) { n, p, b },
  DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
};

/* Bytes of a row of a plane. */
static gint64
row_bytes (const DcnnFrame *frame, guint plane)
{
  gint64 chroma = ((gint64) frame->width + 1) / 2;

  if (plane == 0)
    return (gint64) frame->width * formats[frame->format].bytes;
  return frame->format == DCNN_FORMAT_NV12 ? 2 * chroma : chroma;
}

static gboolean
check_planes (const DcnnFrame *frame, GError **error)
{
  for (guint p = 0; p < formats[frame->format].planes; p++) {
    if (frame->planes[p] == NULL) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "plane %u of a %s frame is NULL; %u are needed", p,
          formats[frame->format].name, formats[frame->format].planes);
      return FALSE;
    }
    if (frame->height > 1 && ABS ((gint64) frame->strides[p]) <
        row_bytes (frame, p)) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "the stride of plane %u is %d, but a row of %u pixels in %s has %"
          G_GINT64_FORMAT " bytes", p, (gint) frame->strides[p], frame->width,
          formats[frame->format].name, row_bytes (frame, p));
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_colours (const DcnnFrame *frame, GError **error)
{
  if (!(frame->pixel_aspect >= 0) || !isfinite (frame->pixel_aspect)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "a frame's pixel aspect ratio is %g; it is positive, or 0 for 1",
        frame->pixel_aspect);
    return FALSE;
  }
  if (formats[frame->format].planes > 1 && !(frame->kr >= 0 &&
          frame->kb >= 0 && frame->kr + frame->kb < 1)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "the YUV matrix of a frame is kr=%g, kb=%g; both are at least 0 and "
        "their sum is below 1", frame->kr, frame->kb);
    return FALSE;
  }
  return TRUE;
}

gboolean
dcnn_check_frame (const DcnnSession *session, const DcnnFrame *frame,
    GError **error)
{
  const DcnnPlan *plan = session->plan;

  if (plan->image_input < 0 || dcnn_graph_fed_inputs (plan->graph) != 1) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "this model has no single image input of 1 or 3 channels; push "
        "tensors instead of frames");
    return FALSE;
  }
  if (frame == NULL) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "there is no frame (NULL)");
    return FALSE;
  }
  if (frame->width < 1 || frame->height < 1 || frame->width > 32767 ||
      frame->height > 32767 || (guint) frame->format >= DCNN_FORMAT_COUNT) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "a frame of %ux%u, format %d; sizes 1 to 32767 are possible",
        frame->width, frame->height, (int) frame->format);
    return FALSE;
  }
  if ((guint) frame->memory >= DCNN_MEMORY_COUNT ||
      (frame->memory != DCNN_MEMORY_HOST &&
          !(session->backend->memories & 1u << frame->memory))) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "the frame is in memory of kind %d, which device=%s does not take; "
        "download it to host memory first", (int) frame->memory,
        session->backend->name);
    return FALSE;
  }
  return check_planes (frame, error) && check_colours (frame, error);
}

/* ---- tensors --------------------------------------------------------------------- */

static gboolean
check_tensor (const DcnnSession *session, guint i, const DcnnTensor *t,
    GError **error)
{
  const DcnnTensor *want = dcnn_model_input (session->model, i);

  if (t->dtype == want->dtype && t->rank == want->rank &&
      memcmp (t->dims, want->dims, sizeof (int64_t) * (gsize) t->rank) == 0 &&
      t->data != NULL)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "the tensor for input '%s' has another type or shape than the model's, "
      "or no data", dcnn_model_input_name (session->model, i));
  return FALSE;
}

gboolean
dcnn_check_tensors (const DcnnSession *session, const DcnnTensor *inputs,
    gfloat threshold, GError **error)
{
  if (inputs == NULL) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "there are no tensors (NULL); %u are needed",
        dcnn_graph_fed_inputs (session->plan->graph));
    return FALSE;
  }
  if (!(threshold >= 0) || !isfinite (threshold))
    return check_range ("a tensor's threshold", threshold, 0, G_MAXFLOAT,
        error);
  for (guint i = 0; i < dcnn_graph_fed_inputs (session->plan->graph); i++)
    if (!check_tensor (session, i, &inputs[i], error))
      return FALSE;
  return TRUE;
}
