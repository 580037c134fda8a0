/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnsettings.c - see gstdeltacnnsettings.h.
 */
#include "gstdeltacnnsettings.h"

#include <math.h>

void
gst_delta_cnn_settings_init (GstDeltaCnnSettings * settings)
{
  DcnnSessionOptions options;

  dcnn_session_options_init (&options);
  *settings = (GstDeltaCnnSettings) {
    .device = g_strdup ("auto"),
    .gpu_index = -1,
    .placed_gpu = -1,
    .batch_timeout = -1,
    .tuning = options.tuning,
    .score_threshold = -1,
    .attach = GST_DELTA_CNN_ATTACH_DEFAULT,
    .qos = TRUE,
    .stand_aside = TRUE,
    .region_margin = 16,
  };
}

void
gst_delta_cnn_settings_clear (GstDeltaCnnSettings * settings)
{
#define CLEAR(name) g_clear_pointer (&settings->name, g_free);
  GST_DELTA_CNN_SETTINGS_STRINGS (CLEAR)
#undef CLEAR
}

void
gst_delta_cnn_settings_copy (const GstDeltaCnnSettings * from,
    GstDeltaCnnSettings * to)
{
  *to = *from;
#define COPY(name) to->name = g_strdup (from->name);
  GST_DELTA_CNN_SETTINGS_STRINGS (COPY)
#undef COPY
}

void
gst_delta_cnn_settings_apply_tuning (const GstDeltaCnnSettings * settings,
    DcnnTuning * tuning)
{
  const DcnnTuning base = *tuning;

  *tuning = settings->tuning;
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++)
    if (dcnn_tuning_info (i)->told && !(settings->set & 1u << i))
      dcnn_tuning_set (tuning, i, dcnn_tuning_get (&base, i));
}

/* What the property names, or the environment in place of "auto". */
static const gchar *
gst_delta_cnn_settings_wish (const GstDeltaCnnSettings * settings)
{
  const gchar *device = settings->device, *wish = g_getenv ("DELTACNN_DEVICE");

  if (!device || !*device || g_str_equal (device, "auto"))
    return wish && *wish ? wish : "auto";
  return device;
}

/* Is device "auto", or a kind of GPU without a number? */
static gboolean
gst_delta_cnn_settings_takes_index (const gchar * device)
{
  const DcnnDeviceKind *kind = dcnn_device_named (device);

  return g_str_equal (device, "auto") || (kind && kind->gpu
      && !strchr (device, ':'));
}

/* The first kind of GPU of which one can be used here: the number of one that
 * cannot may come before. */
static const DcnnDeviceKind *
gst_delta_cnn_settings_best_gpu (void)
{
  const DcnnDeviceKind *kind;

  for (guint i = 0; (kind = dcnn_device_kind (i)); i++)
    if (kind->automatic && kind->gpu)
      for (guint g = 0; g < 3; g++) {
        g_autofree gchar *name = g_strdup_printf ("%s:%u", kind->name, g);
        if (dcnn_device_check (name, NULL))
          return kind;
      }
  return NULL;
}

const DcnnDeviceKind *
gst_delta_cnn_settings_any_gpu (const GstDeltaCnnSettings * settings)
{
  const gchar *wish = gst_delta_cnn_settings_wish (settings);

  if (settings->gpu_index >= 0 || !gst_delta_cnn_settings_takes_index (wish))
    return NULL;
  return g_str_equal (wish, "auto") ? gst_delta_cnn_settings_best_gpu () :
      dcnn_device_named (wish);
}

gchar *
gst_delta_cnn_settings_get_device (const GstDeltaCnnSettings * settings)
{
  const gchar *device = settings->device && *settings->device ?
      settings->device : "auto";

  if (settings->placed_gpu >= 0 && gst_delta_cnn_settings_any_gpu (settings))
    return g_strdup_printf ("%s:%d", gst_delta_cnn_settings_wish (settings),
        settings->placed_gpu);
  if (settings->gpu_index < 0 || !gst_delta_cnn_settings_takes_index (device))
    return g_strdup (device);
  return g_strdup_printf ("%s:%d", device, settings->gpu_index);
}

gchar *
gst_delta_cnn_settings_get_key (const GstDeltaCnnSettings * settings)
{
  const GstDeltaCnnSettings *s = settings;
  GString *key = g_string_new (NULL);

  g_string_append_printf (key, "%s|%s|%s|%s|%d|%d|%d|%d|%d|%u|%d|%x",
      s->device ? s->device : "", s->model ? s->model : "", s->mean ? s->mean : "", s->scale ? s->scale : "", s->input_width,
      s->input_height, s->resize, s->order, s->precision, s->threads,
      s->batch_timeout, s->set);
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++)
    g_string_append_printf (key, "|%.9g", dcnn_tuning_get (&s->tuning, i));
  return g_string_free (key, FALSE);
}

/* Reads "a" or "a,b,c" into values; values stay when text is NULL or "". */
static gboolean
gst_delta_cnn_settings_parse (const gchar * property, const gchar * text,
    gfloat * values, GError ** error)
{
  g_auto (GStrv) parts = NULL;
  guint n;

  if (!text || !*text)
    return TRUE;
  parts = g_strsplit (text, ",", -1);
  n = g_strv_length (parts);
  for (guint i = 0; i < 3 && (n == 1 || n == 3); i++) {
    const gchar *part = g_strstrip (parts[n == 1 ? 0 : i]);
    gchar *end;
    const gdouble value = g_ascii_strtod (part, &end);
    if (end == part || *end || !isfinite (value) || fabs (value) > 1e6)
      n = 0;
    values[i] = value;
  }
  if (n == 1 || n == 3)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "Property %s is \"%s\"; give one number or three with commas between", property, text);
  return FALSE;
}

gboolean
gst_delta_cnn_settings_apply_input (const GstDeltaCnnSettings * settings,
    DcnnSessionOptions * options, GError ** error)
{
  const gboolean has_mean = settings->mean && *settings->mean;
  const gboolean has_scale = settings->scale && *settings->scale;
  gfloat mean[3];

  if (settings->resize != GST_DELTA_CNN_RESIZE_AUTO)
    options->fit = (DcnnFit) (settings->resize - GST_DELTA_CNN_RESIZE_STRETCH);
  if (settings->order != GST_DELTA_CNN_ORDER_AUTO)
    options->bgr = settings->order == GST_DELTA_CNN_ORDER_BGR;
  if (!has_mean && !has_scale)
    return TRUE;
  for (guint i = 0; i < 3; i++)
    mean[i] = options->scale[i] != 0 ? -options->bias[i] / options->scale[i] :
        0;
  if (!gst_delta_cnn_settings_parse ("mean", settings->mean, mean, error)
      || !gst_delta_cnn_settings_parse ("scale", settings->scale,
          options->scale, error))
    return FALSE;
  for (guint i = 0; i < 3; i++)
    options->bias[i] = -mean[i] * options->scale[i];
  return TRUE;
}

#define DEFINE_ENUM(function, TypeName, ...)                                   \
  GType                                                                        \
  function (void)                                                              \
  {                                                                            \
    static const GEnumValue values[] = { __VA_ARGS__ {0, NULL, NULL} };       \
    static gsize type = 0;                                                     \
    if (g_once_init_enter (&type))                                             \
      g_once_init_leave (&type,                                                \
          (gsize) g_enum_register_static (TypeName, values));                  \
    return (GType) type;                                                       \
  }

/* *INDENT-OFF* */
#define DCNN_X(e, name, what) {GST_DELTA_CNN_RESIZE_##e, what, name},
DEFINE_ENUM (gst_delta_cnn_resize_get_type, "GstDeltaCnnResize",
  {GST_DELTA_CNN_RESIZE_AUTO, "As the descriptor says, else letterbox", "auto"},
  DCNN_FITS (DCNN_X))
#undef DCNN_X

DEFINE_ENUM (gst_delta_cnn_order_get_type, "GstDeltaCnnOrder",
  {GST_DELTA_CNN_ORDER_AUTO, "As the descriptor says, else RGB", "auto"},
  {GST_DELTA_CNN_ORDER_RGB, "Red first", "rgb"},
  {GST_DELTA_CNN_ORDER_BGR, "Blue first", "bgr"},)

#define DCNN_X(e, name, what) {DCNN_PRECISION_##e, what, name},
DEFINE_ENUM (gst_delta_cnn_precision_get_type, "GstDeltaCnnPrecision",
  DCNN_PRECISIONS (DCNN_X))
#undef DCNN_X

#define DCNN_X(e, name, what) {DCNN_MODE_##e, what, name},
DEFINE_ENUM (gst_delta_cnn_mode_get_type, "GstDeltaCnnMode",
  DCNN_MODES (DCNN_X))
#undef DCNN_X

#define DCNN_X(e, name, what) {DCNN_SAMPLING_##e, what, name},
DEFINE_ENUM (gst_delta_cnn_sampling_get_type, "GstDeltaCnnSampling",
  DCNN_SAMPLINGS (DCNN_X))
#undef DCNN_X

#define DCNN_X(e, name, what) {DCNN_CRITERION_##e, what, name},
DEFINE_ENUM (gst_delta_cnn_criterion_get_type, "GstDeltaCnnCriterion",
  DCNN_CRITERIA (DCNN_X))
#undef DCNN_X
/* *INDENT-ON* */

GType
gst_delta_cnn_attach_get_type (void)
{
  static const GFlagsValue values[] = {
    {GST_DELTA_CNN_ATTACH_TENSORS, "Output tensors (copies)", "tensors"},
    {GST_DELTA_CNN_ATTACH_SEGMENTATION, "Masks", "segmentation"},
    {GST_DELTA_CNN_ATTACH_POSES, "Key points and skeletons", "poses"},
    {GST_DELTA_CNN_ATTACH_DETECTIONS, "Boxes", "detections"},
    {GST_DELTA_CNN_ATTACH_ROI, "Boxes as GstVideoRegionOfInterestMeta", "roi"},
    {GST_DELTA_CNN_ATTACH_ANALYTICS, "Boxes, classes, masks (and tensors) as "
          "GStreamer's own analytics metas, where built", "analytics"},
    {GST_DELTA_CNN_ATTACH_UPDATES, "Which pixels were recomputed", "updates"},
    {GST_DELTA_CNN_ATTACH_STATS, "What the frame cost", "stats"},
    {GST_DELTA_CNN_ATTACH_CLASSES, "Classes of the whole frame", "classes"},
    {GST_DELTA_CNN_ATTACH_PICTURE, "Pictures made of the frame", "picture"},
    {GST_DELTA_CNN_ATTACH_VALUES, "Numbers, embeddings and text", "values"},
    {0, NULL, NULL}
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        (gsize) g_flags_register_static ("GstDeltaCnnAttach", values));
  return (GType) type;
}
