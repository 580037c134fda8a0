/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnprops.c - the properties of deltacnn.
 *
 * All are kept in GstDeltaCnnSettings under the object lock. Those that may
 * change while PLAYING are taken over before the next frame.
 */
#include "gstdeltacnn.h"

#include "deltacnn/decode.h"

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_DEVICE,
  PROP_CUDA_DEVICE_ID,
  PROP_BATCH_TIMEOUT,
  PROP_MODE,
  PROP_THRESHOLD,
  PROP_INPUT_THRESHOLD,
  PROP_GATE_THRESHOLD,
  PROP_CRITERION,
  PROP_DILATION,
  PROP_NOISE_SUPPRESSION,
  PROP_INTEREST,
  PROP_SETTLE,
  PROP_SETTLE_BUDGET,
  PROP_REFRESH,
  PROP_FORGIVE,
  PROP_STAND_ASIDE,
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
};

#define LIVE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE)
#define SWAP (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_PLAYING)
#define READY (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_READY)

/* For the blurb, from the one list. */
#define DECODER_NAME(suffix, name, reads) name ", "

static void
replace_string (gchar ** place, const GValue * value)
{
  g_free (*place);
  *place = g_value_dup_string (value);
}

/* Properties that say what a model is loaded from and how. TRUE: it was one.
 * With the object lock held. */
static gboolean
set_loading_property (GstDeltaCnnSettings * s, guint id, const GValue * value)
{
  switch (id) {
    case PROP_MODEL:
      replace_string (&s->model, value);
      return TRUE;
    case PROP_DEVICE:
      replace_string (&s->device, value);
      return TRUE;
    case PROP_CUDA_DEVICE_ID:
      s->cuda_device_id = g_value_get_int (value);
      return TRUE;
    case PROP_BATCH_TIMEOUT:
      s->batch_timeout = g_value_get_int (value);
      return TRUE;
    case PROP_INPUT_WIDTH:
      s->input_width = g_value_get_int (value);
      return TRUE;
    case PROP_INPUT_HEIGHT:
      s->input_height = g_value_get_int (value);
      return TRUE;
    case PROP_RESIZE:
      s->resize = g_value_get_enum (value);
      return TRUE;
    case PROP_CHANNEL_ORDER:
      s->order = g_value_get_enum (value);
      return TRUE;
    case PROP_MEAN:
      replace_string (&s->mean, value);
      return TRUE;
    case PROP_SCALE:
      replace_string (&s->scale, value);
      return TRUE;
    case PROP_LABELS:
      replace_string (&s->labels, value);
      return TRUE;
    case PROP_DECODER:
      replace_string (&s->decoder, value);
      return TRUE;
    case PROP_THREADS:
      s->threads = g_value_get_uint (value);
      return TRUE;
    case PROP_RESULTS_LOCATION:
      replace_string (&s->results_location, value);
      return TRUE;
    default:
      return FALSE;
  }
}

/* Properties of the engine's tuning; all live. */
static gboolean
set_tuning_property (GstDeltaCnnSettings * s, guint id, const GValue * value)
{
  switch (id) {
    case PROP_MODE:
      s->tuning.mode = g_value_get_enum (value);
      return TRUE;
    case PROP_THRESHOLD:
      s->tuning.threshold = g_value_get_float (value);
      s->set |= GST_DELTA_CNN_SET_THRESHOLD;
      return TRUE;
    case PROP_INPUT_THRESHOLD:
      s->tuning.input_threshold = g_value_get_float (value);
      s->set |= GST_DELTA_CNN_SET_INPUT_THRESHOLD;
      return TRUE;
    case PROP_GATE_THRESHOLD:
      s->tuning.gate_threshold = g_value_get_float (value);
      s->set |= GST_DELTA_CNN_SET_GATE_THRESHOLD;
      return TRUE;
    case PROP_CRITERION:
      s->tuning.criterion = g_value_get_enum (value);
      s->set |= GST_DELTA_CNN_SET_CRITERION;
      return TRUE;
    case PROP_DILATION:
      s->tuning.dilation = g_value_get_uint (value);
      s->set |= GST_DELTA_CNN_SET_DILATION;
      return TRUE;
    case PROP_NOISE_SUPPRESSION:
      s->tuning.noise_suppression = g_value_get_boolean (value);
      return TRUE;
    case PROP_INTEREST:
      s->tuning.interest = g_value_get_boolean (value);
      return TRUE;
    case PROP_SETTLE:
      s->tuning.settle = g_value_get_boolean (value);
      return TRUE;
    case PROP_SETTLE_BUDGET:
      s->tuning.settle_budget = g_value_get_float (value);
      return TRUE;
    case PROP_REFRESH:
      s->tuning.refresh = g_value_get_float (value);
      s->set |= GST_DELTA_CNN_SET_REFRESH;
      return TRUE;
    case PROP_FORGIVE:
      s->tuning.forgive = g_value_get_float (value);
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
set_result_property (GstDeltaCnnSettings * s, guint id, const GValue * value)
{
  switch (id) {
    case PROP_SCORE_THRESHOLD:
      s->score_threshold = g_value_get_float (value);
      return TRUE;
    case PROP_ATTACH:
      s->attach = g_value_get_flags (value);
      return TRUE;
    case PROP_QOS:
      s->qos = g_value_get_boolean (value);
      return TRUE;
    case PROP_STAND_ASIDE:
      s->stand_aside = g_value_get_boolean (value);
      return TRUE;
    case PROP_STATS_INTERVAL:
      s->stats_interval_ms = g_value_get_uint (value);
      return TRUE;
    default:
      return FALSE;
  }
}

static void
gst_delta_cnn_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * pspec)
{
  GstDeltaCnn *self = (GstDeltaCnn *) object;
  GstDeltaCnnSettings *settings = &self->settings;
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = set_tuning_property (settings, id, value)
      || set_result_property (settings, id, value)
      || set_loading_property (settings, id, value);
  self->settings_changed = TRUE;
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  if (id == PROP_MODEL)
    gst_delta_cnn_swap_request (self);
}

static gboolean
get_loading_property (const GstDeltaCnnSettings * s, guint id, GValue * value)
{
  switch (id) {
    case PROP_MODEL:
      g_value_set_string (value, s->model);
      return TRUE;
    case PROP_DEVICE:
      g_value_set_string (value, s->device);
      return TRUE;
    case PROP_CUDA_DEVICE_ID:
      g_value_set_int (value, s->cuda_device_id);
      return TRUE;
    case PROP_BATCH_TIMEOUT:
      g_value_set_int (value, (gint) s->batch_timeout);
      return TRUE;
    case PROP_INPUT_WIDTH:
      g_value_set_int (value, s->input_width);
      return TRUE;
    case PROP_INPUT_HEIGHT:
      g_value_set_int (value, s->input_height);
      return TRUE;
    case PROP_RESIZE:
      g_value_set_enum (value, s->resize);
      return TRUE;
    case PROP_CHANNEL_ORDER:
      g_value_set_enum (value, s->order);
      return TRUE;
    case PROP_MEAN:
      g_value_set_string (value, s->mean);
      return TRUE;
    case PROP_SCALE:
      g_value_set_string (value, s->scale);
      return TRUE;
    case PROP_LABELS:
      g_value_set_string (value, s->labels);
      return TRUE;
    case PROP_DECODER:
      g_value_set_string (value, s->decoder);
      return TRUE;
    case PROP_THREADS:
      g_value_set_uint (value, s->threads);
      return TRUE;
    case PROP_RESULTS_LOCATION:
      g_value_set_string (value, s->results_location);
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
get_tuning_property (const GstDeltaCnnSettings * s, guint id, GValue * value)
{
  switch (id) {
    case PROP_MODE:
      g_value_set_enum (value, s->tuning.mode);
      return TRUE;
    case PROP_THRESHOLD:
      g_value_set_float (value, s->tuning.threshold);
      return TRUE;
    case PROP_INPUT_THRESHOLD:
      g_value_set_float (value, s->tuning.input_threshold);
      return TRUE;
    case PROP_GATE_THRESHOLD:
      g_value_set_float (value, s->tuning.gate_threshold);
      return TRUE;
    case PROP_CRITERION:
      g_value_set_enum (value, s->tuning.criterion);
      return TRUE;
    case PROP_DILATION:
      g_value_set_uint (value, s->tuning.dilation);
      return TRUE;
    case PROP_NOISE_SUPPRESSION:
      g_value_set_boolean (value, s->tuning.noise_suppression);
      return TRUE;
    case PROP_INTEREST:
      g_value_set_boolean (value, s->tuning.interest);
      return TRUE;
    case PROP_SETTLE:
      g_value_set_boolean (value, s->tuning.settle);
      return TRUE;
    case PROP_SETTLE_BUDGET:
      g_value_set_float (value, s->tuning.settle_budget);
      return TRUE;
    case PROP_REFRESH:
      g_value_set_float (value, s->tuning.refresh);
      return TRUE;
    case PROP_FORGIVE:
      g_value_set_float (value, s->tuning.forgive);
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
get_result_property (const GstDeltaCnnSettings * s, guint id, GValue * value)
{
  switch (id) {
    case PROP_SCORE_THRESHOLD:
      g_value_set_float (value, s->score_threshold);
      return TRUE;
    case PROP_ATTACH:
      g_value_set_flags (value, s->attach);
      return TRUE;
    case PROP_QOS:
      g_value_set_boolean (value, s->qos);
      return TRUE;
    case PROP_STAND_ASIDE:
      g_value_set_boolean (value, s->stand_aside);
      return TRUE;
    case PROP_STATS_INTERVAL:
      g_value_set_uint (value, s->stats_interval_ms);
      return TRUE;
    default:
      return FALSE;
  }
}

static void
gst_delta_cnn_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstDeltaCnn *self = (GstDeltaCnn *) object;
  const GstDeltaCnnSettings *settings = &self->settings;
  gboolean known;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, gst_delta_cnn_timing_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  known = get_tuning_property (settings, id, value)
      || get_result_property (settings, id, value)
      || get_loading_property (settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
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
      g_param_spec_string ("device", "Device",
          "What the network runs on: auto (the best that is there, or what the "
          "environment variable DELTACNN_DEVICE names), cpu, cuda, or cuda:1 "
          "and so on for one GPU of several", "auto", READY));
  g_object_class_install_property (klass, PROP_CUDA_DEVICE_ID,
      g_param_spec_int ("cuda-device-id", "CUDA device ID",
          "Which GPU device=cuda and device=auto mean (-1 = the first)", -1,
          255, -1, READY));
  g_object_class_install_property (klass, PROP_BATCH_TIMEOUT,
      g_param_spec_int ("batch-timeout", "Batch timeout",
          "Microseconds that a frame waits for those of other elements of this "
          "process that run the same model by the same settings, to be run "
          "with them as one batch (0 = each by itself, -1 = 2000 on a GPU, "
          "else 0)", -1, 1000000, -1, READY));
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

static void
install_threshold_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_MODE,
      g_param_spec_enum ("mode", "Mode", "What is recomputed",
          gst_delta_cnn_mode_get_type (), DCNN_MODE_AUTO, LIVE));
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_float ("threshold", "Threshold",
          "A change inside the network below this is not passed on (0 = every "
          "change is; unset = the descriptor's)", 0, 1000, 0.05f, LIVE));
  g_object_class_install_property (klass, PROP_INPUT_THRESHOLD,
      g_param_spec_float ("input-threshold", "Input threshold",
          "A pixel whose channels all changed by less, on a scale of 0 to 1, "
          "has not changed (unset = the descriptor's)", 0, 1, 0.05f, LIVE));
  g_object_class_install_property (klass, PROP_GATE_THRESHOLD,
      g_param_spec_float ("gate-threshold", "Gate threshold",
          "The same for gates (squeeze and excite), relative to their own "
          "strength (unset = the descriptor's)", 0, 1000, 0.2f, LIVE));
  g_object_class_install_property (klass, PROP_CRITERION,
      g_param_spec_enum ("criterion", "Criterion",
          "How a change inside the network is measured (unset = the "
          "descriptor's)", gst_delta_cnn_criterion_get_type (),
          DCNN_CRITERION_NRMS, LIVE));
  g_object_class_install_property (klass, PROP_DILATION,
      g_param_spec_uint ("dilation", "Dilation",
          "Pixels of the network's input by which what changed is widened "
          "(unset = the descriptor's)", 0, 64, 3, LIVE));
  g_object_class_install_property (klass, PROP_NOISE_SUPPRESSION,
      g_param_spec_boolean ("noise-suppression", "Noise suppression",
          "Drop changes of single pixels (noisy cameras with a low "
          "input-threshold)", FALSE, LIVE));
  g_object_class_install_property (klass, PROP_INTEREST,
      g_param_spec_boolean ("interest", "Interest",
          "Weigh changes by how near they are to the previous results", FALSE,
          LIVE));
  g_object_class_install_property (klass, PROP_SETTLE,
      g_param_spec_boolean ("settle", "Settle",
          "When the scene is still, recompute what the thresholds left until "
          "the result equals the dense one", TRUE, LIVE));
  g_object_class_install_property (klass, PROP_SETTLE_BUDGET,
      g_param_spec_float ("settle-budget", "Settle budget",
          "Share of a dense frame's work that settling may take a frame", 0, 1,
          0.1f, LIVE));
  g_object_class_install_property (klass, PROP_REFRESH,
      g_param_spec_float ("refresh", "Refresh",
          "While the scene is busy, settle one band of the picture after the "
          "other, for at most this much of the work that changes cost (0 = "
          "not; needs settle; unset = the descriptor's)", 0, 1, 0.2f, LIVE));
  g_object_class_install_property (klass, PROP_FORGIVE,
      g_param_spec_float ("forgive", "Forgive",
          "With a moving camera: what a shift by so many pixels of the "
          "network's input would change at an edge has not changed", 0, 1,
          0.5f, LIVE));
  g_object_class_install_property (klass, PROP_STAND_ASIDE,
      g_param_spec_boolean ("stand-aside", "Stand aside",
          "Where following the camera (framealign) saves next to nothing, take "
          "frames as they lie for a while", TRUE, LIVE));
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
  install_threshold_properties (klass);
  install_result_properties (klass);
}
