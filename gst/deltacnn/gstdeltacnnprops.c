/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnprops.c - the properties of deltacnn.
 *
 * All are kept in GstDeltaCnnSettings under the object lock. Those that may
 * change while PLAYING are taken over before the next frame.
 */
#include "gstdeltacnn.h"

#include <stddef.h>

#include "deltacnn/decode.h"
#include "gstdeltacnnfield.h"

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_DEVICE,
  PROP_CUDA_DEVICE_ID,
  PROP_PRECISION,
  PROP_BATCH_TIMEOUT,
  PROP_STAND_ASIDE,
  PROP_PIPELINED,
  PROP_REGIONS,
  PROP_ROI_METAS,
  PROP_ROI_TYPE,
  PROP_REGION_MARGIN,
  PROP_WINDOWS,
  PROP_INPUT_WIDTH,
  PROP_INPUT_HEIGHT,
  PROP_RESIZE,
  PROP_CHANNEL_ORDER,
  PROP_MEAN,
  PROP_SCALE,
  PROP_LABELS,
  PROP_DECODER,
  PROP_SCORE_THRESHOLD,
  PROP_ATTACH,
  PROP_THREADS,
  PROP_QOS,
  PROP_STATS,
  PROP_STATS_INTERVAL,
  PROP_RESULTS_LOCATION,
  PROP_TUNING, /* one for each of DcnnTunes from here on */
};

#define LIVE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE)
#define SWAP (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_PLAYING)
#define READY (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_READY)

/* For the blurb, from the one list. */
#define DECODER_NAME(suffix, name, finds, reads) name ", "

#define FIELD(name) offsetof (GstDeltaCnnSettings, name)

/* Where each is kept; the statistics are not. */
static const gsize places[PROP_TUNING] = {
  [PROP_MODEL] = FIELD (model),
  [PROP_DEVICE] = FIELD (device),
  [PROP_CUDA_DEVICE_ID] = FIELD (gpu_index),
  [PROP_PRECISION] = FIELD (precision),
  [PROP_BATCH_TIMEOUT] = FIELD (batch_timeout),
  [PROP_STAND_ASIDE] = FIELD (stand_aside),
  [PROP_PIPELINED] = FIELD (pipelined),
  [PROP_REGIONS] = FIELD (regions),
  [PROP_ROI_METAS] = FIELD (roi_metas),
  [PROP_ROI_TYPE] = FIELD (roi_type),
  [PROP_REGION_MARGIN] = FIELD (region_margin),
  [PROP_WINDOWS] = FIELD (windows),
  [PROP_INPUT_WIDTH] = FIELD (input_width),
  [PROP_INPUT_HEIGHT] = FIELD (input_height),
  [PROP_RESIZE] = FIELD (resize),
  [PROP_CHANNEL_ORDER] = FIELD (order),
  [PROP_MEAN] = FIELD (mean),
  [PROP_SCALE] = FIELD (scale),
  [PROP_LABELS] = FIELD (labels),
  [PROP_DECODER] = FIELD (decoder),
  [PROP_SCORE_THRESHOLD] = FIELD (score_threshold),
  [PROP_ATTACH] = FIELD (attach),
  [PROP_THREADS] = FIELD (threads),
  [PROP_QOS] = FIELD (qos),
  [PROP_STATS_INTERVAL] = FIELD (stats_interval_ms),
  [PROP_RESULTS_LOCATION] = FIELD (results_location),
};

/* Properties of the engine's tuning; all live. */
static void
set_tuning_property (GstDeltaCnnSettings * s, guint tunes, const GValue * value)
{
  gdouble number;

  switch (dcnn_tuning_info (tunes)->kind) {
    case DCNN_TUNING_KIND_FLOAT:
      number = g_value_get_float (value);
      break;
    case DCNN_TUNING_KIND_UINT:
      number = g_value_get_uint (value);
      break;
    case DCNN_TUNING_KIND_BOOL:
      number = g_value_get_boolean (value);
      break;
    default:
      number = g_value_get_enum (value);
  }
  dcnn_tuning_set (&s->tuning, tunes, number);
  s->set |= 1u << tunes;
}

static void
gst_delta_cnn_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * pspec)
{
  GstDeltaCnn *self = (GstDeltaCnn *) object;
  GstDeltaCnnSettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  if (id >= PROP_TUNING)
    set_tuning_property (settings, id - PROP_TUNING, value);
  else
    gst_delta_cnn_field_set ((guint8 *) settings + places[id], value);
  self->settings_changed = TRUE;
  GST_OBJECT_UNLOCK (self);
  if (id == PROP_MODEL)
    gst_delta_cnn_swap_request (self);
}

static void
get_tuning_property (const GstDeltaCnnSettings * s, guint tunes, GValue * value)
{
  gdouble number;

  number = dcnn_tuning_get (&s->tuning, tunes);
  switch (dcnn_tuning_info (tunes)->kind) {
    case DCNN_TUNING_KIND_FLOAT:
      g_value_set_float (value, (gfloat) number);
      break;
    case DCNN_TUNING_KIND_UINT:
      g_value_set_uint (value, (guint) number);
      break;
    case DCNN_TUNING_KIND_BOOL:
      g_value_set_boolean (value, number != 0);
      break;
    default:
      g_value_set_enum (value, (gint) number);
  }
}

static void
gst_delta_cnn_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstDeltaCnn *self = (GstDeltaCnn *) object;
  const GstDeltaCnnSettings *settings = &self->settings;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, gst_delta_cnn_timing_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  if (id >= PROP_TUNING)
    get_tuning_property (settings, id - PROP_TUNING, value);
  else
    gst_delta_cnn_field_get ((const guint8 *) settings + places[id], value);
  GST_OBJECT_UNLOCK (self);
}

/* Static storage. */
static const gchar *
device_blurb (void)
{
  g_autoptr (GString) blurb = g_string_new ("What the network runs on: auto (the "
      "best that is there, or what the environment variable DELTACNN_DEVICE "
      "names)");
  const DcnnDeviceKind *kind;

  for (guint i = 0; (kind = dcnn_device_kind (i)); i++)
    if (kind->automatic)
      g_string_append_printf (blurb, ", %s", kind->name);
  for (guint i = 0; (kind = dcnn_device_kind (i)); i++)
    if (kind->automatic && kind->gpu)
      g_string_append_printf (blurb, ", or %s:1", kind->name);
  g_string_append (blurb, " and so on for one GPU of several, which are shared "
      "out among the process's elements otherwise");
  return g_intern_string (blurb->str);
}

static void
install_model_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "ONNX file, or name of an installed model. Set while PLAYING, the "
          "new model is loaded in the background, frames go on with the old "
          "one meanwhile, and a \"deltacnn-model\" message says when it is in "
          "use", NULL, SWAP));
  g_object_class_install_property (klass, PROP_DEVICE,
      g_param_spec_string ("device", "Device", device_blurb (), "auto", READY));
  g_object_class_install_property (klass, PROP_CUDA_DEVICE_ID,
      g_param_spec_int ("cuda-device-id", "CUDA device ID",
          "Which GPU device means where it names none (-1 = the least loaded)", -1,
          255, -1, READY));
  g_object_class_install_property (klass, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "How feature maps are stored. On a GPU bf16 is for networks that exceed "
          "f16's 65504; a device that has not what is asked for is not used",
          gst_delta_cnn_precision_get_type (), DCNN_PRECISION_AUTO, READY));
  g_object_class_install_property (klass, PROP_BATCH_TIMEOUT,
      g_param_spec_int ("batch-timeout", "Batch timeout",
          "Microseconds that a frame waits for those of other elements of this "
          "process that run the same model by the same settings, to be run "
          "with them as one batch (0 = each by itself, -1 = 2000 on a GPU, "
          "else 0)", -1, 1000000, -1, READY));
  g_object_class_install_property (klass, PROP_PIPELINED,
      g_param_spec_boolean ("pipelined", "Pipelined",
          "Run a frame while the pipeline goes on: each buffer leaves, with its "
          "results, when the next one comes, or whatever else follows it; the "
          "latency is longer by a frame", FALSE, READY));
  g_object_class_install_property (klass, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Processor threads (0 = one a core)", 0, 256, 0, READY));
  g_object_class_install_property (klass, PROP_LABELS,
      g_param_spec_string ("labels", "Labels",
          "Text file with one class name a line, in place of the descriptor's",
          NULL, READY));
  g_object_class_install_property (klass, PROP_DECODER,
      g_param_spec_string ("decoder", "Decoder",
          "What the outputs mean, in place of the descriptor's: "
          DCNN_DECODERS (DECODER_NAME) "or none for tensors only", NULL,
          READY));
}

static void
install_input_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_INPUT_WIDTH,
      g_param_spec_int ("input-width", "Input width",
          "Width of the network's input in pixels (0 = the descriptor's or "
          "the model's, -1 = the frame's, rounded to what the model allows)",
          -1, 8192, 0, READY));
  g_object_class_install_property (klass, PROP_INPUT_HEIGHT,
      g_param_spec_int ("input-height", "Input height",
          "Height of the network's input in pixels (0 = the descriptor's or "
          "the model's, -1 = the frame's, rounded to what the model allows)",
          -1, 8192, 0, READY));
  g_object_class_install_property (klass, PROP_RESIZE,
      g_param_spec_enum ("resize", "Resize",
          "How the frame is fitted into the network's input",
          gst_delta_cnn_resize_get_type (), GST_DELTA_CNN_RESIZE_AUTO, READY));
  g_object_class_install_property (klass, PROP_CHANNEL_ORDER,
      g_param_spec_enum ("channel-order", "Channel order",
          "Order of the colours in the network's input",
          gst_delta_cnn_order_get_type (), GST_DELTA_CNN_ORDER_AUTO, READY));
  g_object_class_install_property (klass, PROP_MEAN,
      g_param_spec_string ("mean", "Mean",
          "Taken from a pixel (0..255) before it is multiplied by scale: one "
          "number or three with commas, in the network's channel order "
          "(unset = the descriptor's, else 0)", NULL, READY));
  g_object_class_install_property (klass, PROP_SCALE,
      g_param_spec_string ("scale", "Scale",
          "What a pixel (0..255) less mean is multiplied by: one number or "
          "three with commas, in the network's channel order (unset = the "
          "descriptor's, else 1/255)", NULL, READY));
}

/* A property of a line of the engine's list; its nick and blurb are interned. */
static GParamSpec *
tuning_spec (const DcnnTuningInfo * info)
{
  g_autofree gchar *nick = g_strdelimit (g_strdup (info->name), "-", ' ');
  g_autofree gchar *blurb = g_strconcat (info->what, info->told ?
      " (unset = the descriptor's)" : NULL, NULL);
  const gchar *title, *what = g_intern_string (blurb);

  nick[0] = g_ascii_toupper (nick[0]);
  title = g_intern_string (nick);
  switch (info->kind) {
    case DCNN_TUNING_KIND_FLOAT:
      return g_param_spec_float (info->name, title, what,
          (gfloat) info->least, (gfloat) info->most, (gfloat) info->value,
          LIVE);
    case DCNN_TUNING_KIND_UINT:
      return g_param_spec_uint (info->name, title, what, (guint) info->least,
          (guint) info->most, (guint) info->value, LIVE);
    case DCNN_TUNING_KIND_BOOL:
      return g_param_spec_boolean (info->name, title, what, info->value != 0,
          LIVE);
    case DCNN_TUNING_KIND_CRITERION:
      return g_param_spec_enum (info->name, title, what,
          gst_delta_cnn_criterion_get_type (), (gint) info->value, LIVE);
    case DCNN_TUNING_KIND_SAMPLING:
      return g_param_spec_enum (info->name, title, what,
          gst_delta_cnn_sampling_get_type (), (gint) info->value, LIVE);
    default:
      return g_param_spec_enum (info->name, title, what,
          gst_delta_cnn_mode_get_type (), (gint) info->value, LIVE);
  }
}

static void
install_tuning_properties (GObjectClass * klass)
{
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++)
    g_object_class_install_property (klass, PROP_TUNING + i,
        tuning_spec (dcnn_tuning_info (i)));
}

static void
install_region_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_REGIONS,
      g_param_spec_string ("regions", "Regions",
          "Infer only in these rectangles of the frame, "
          "\"x,y,width,height;...\", pixels; the rest keeps the results that it "
          "has (unset = everywhere; a device that knows no regions says so)",
          NULL, SWAP));
  g_object_class_install_property (klass, PROP_ROI_METAS,
      g_param_spec_boolean ("roi-metas", "ROI metas",
          "Infer only in the regions of interest that are on the buffer "
          "(GstVideoRegionOfInterestMeta, of a detector before, say), and in "
          "those of the property regions; without any, nowhere (a device that "
          "knows no regions says so)", FALSE, LIVE));
  g_object_class_install_property (klass, PROP_ROI_TYPE,
      g_param_spec_string ("roi-type", "ROI type",
          "Of the regions of interest, only those of this type, such as "
          "\"person\" (unset = all)", NULL, SWAP));
  g_object_class_install_property (klass, PROP_REGION_MARGIN,
      g_param_spec_uint ("region-margin", "Region margin",
          "Pixels of the network's input by which regions are widened, before "
          "they are rounded out to whole tiles", 0, 4096, 16, LIVE));
  g_object_class_install_property (klass, PROP_WINDOWS,
      g_param_spec_uint ("windows", "Windows",
          "In place of the whole frame, see a window on each of up to so many "
          "regions, which follows it and has a state of its own: a pose model "
          "after a detector of people, say (classes become labelled boxes; "
          "tensors, values and pictures are one meta a window; 0 = the "
          "whole frame)", 0, 64, 0, LIVE));
}

static void
install_result_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_SCORE_THRESHOLD,
      g_param_spec_float ("score-threshold", "Score threshold",
          "Boxes, poses and key points below this are dropped (-1 = the "
          "descriptor's)", -1, 1, -1, LIVE));
  g_object_class_install_property (klass, PROP_ATTACH,
      g_param_spec_flags ("attach", "Attach", "Metas to put on the buffers",
          gst_delta_cnn_attach_get_type (), GST_DELTA_CNN_ATTACH_DEFAULT,
          LIVE));
  g_object_class_install_property (klass, PROP_STAND_ASIDE,
      g_param_spec_boolean ("stand-aside", "Stand aside",
          "While following the camera (framealign) saves next to nothing, run "
          "frames without it", TRUE, LIVE));
  /* In place of GstBaseTransform's, which drops late frames. */
  g_object_class_install_property (klass, PROP_QOS,
      g_param_spec_boolean ("qos", "QoS",
          "Pass late frames on without inference, with the last results "
          "marked stale; one in 31 is run however late", TRUE, LIVE));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Frames, shares and times since start, and facts about the model",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (klass, PROP_STATS_INTERVAL,
      g_param_spec_uint ("stats-interval", "Statistics interval",
          "Milliseconds between \"deltacnn-stats\" messages, which tell of "
          "the frames since the last one (0 = none)", 0, 3600000, 0, LIVE));
  g_object_class_install_property (klass, PROP_RESULTS_LOCATION,
      g_param_spec_string ("results-location", "Results location",
          "File that the results are appended to as JSON, one object a frame "
          "and line, or a named pipe (unset = none)", NULL, READY));
}

void
gst_delta_cnn_install_properties (GObjectClass * klass)
{
  klass->set_property = gst_delta_cnn_set_property;
  klass->get_property = gst_delta_cnn_get_property;
  install_model_properties (klass);
  install_input_properties (klass);
  install_tuning_properties (klass);
  install_region_properties (klass);
  install_result_properties (klass);
}
