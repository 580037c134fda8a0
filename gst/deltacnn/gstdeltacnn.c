/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnn.c - see gstdeltacnn.h. Here: the class, negotiation, start and
 * stop, events and queries.
 */
/**
 * SECTION:element-deltacnn
 * @title: deltacnn
 * @see_also: deltaoverlay
 *
 * Runs a convolutional ONNX model on video, recomputing only what changed
 * from frame to frame, and attaches the results to the buffers.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! videoconvert !
 *     deltacnn model=people-seg ! deltaoverlay ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
#include "gstdeltacnn.h"

#include "gstdeltacnncuda.h"
#include "gstdeltacnnerror.h"
#include "gstdeltacnnframe.h"
#include "gstdeltacnnpass.h"

#define GST_CAT_DEFAULT gst_delta_cnn_debug

G_DEFINE_TYPE (GstDeltaCnn, gst_delta_cnn, GST_TYPE_BASE_TRANSFORM);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (deltacnn, "deltacnn", GST_RANK_NONE,
    GST_TYPE_DELTA_CNN, GST_DEBUG_CATEGORY_INIT (gst_delta_cnn_debug,
        "deltacnn", 0, "CNN inference on what changed"));

/* The width of a frame in pixels as high as its own, but square. */
static gint
seen_width (const GstVideoInfo * info)
{
  const gint n = GST_VIDEO_INFO_PAR_N (info), d = GST_VIDEO_INFO_PAR_D (info);

  if (n <= 0 || d <= 0)
    return GST_VIDEO_INFO_WIDTH (info);
  return CLAMP (gst_util_uint64_scale_int_round (GST_VIDEO_INFO_WIDTH (info),
          n, d), 1, 32767);
}

/* Loads by the active settings. On failure posts one error. */
static gboolean
gst_delta_cnn_load (GstDeltaCnn * self)
{
  g_autoptr (GError) error = NULL;
  GstDeltaCnnRunner *runner = gst_delta_cnn_runner_new (&self->active,
      seen_width (&self->info), GST_VIDEO_INFO_HEIGHT (&self->info), &error);

  if (!runner) {
    gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_ERROR, error,
        "loading the model");
    return FALSE;
  }
  gst_delta_cnn_swap_install (self, runner);
  return TRUE;
}

static gboolean
gst_delta_cnn_open_lines (GstDeltaCnn * self)
{
  const gchar *location = self->active.results_location;
  g_autoptr (GError) error = NULL;

  if (!location || !*location)
    return TRUE;
  self->lines = gst_delta_cnn_lines_open (location, &error);
  if (!self->lines)
    gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_ERROR, error,
        "opening results-location");
  return self->lines != NULL;
}

static void
gst_delta_cnn_close_lines (GstDeltaCnn * self)
{
  g_autoptr (GError) error = NULL;

  if (self->lines && !gst_delta_cnn_lines_close (self->lines, &error))
    gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_WARNING, error,
        "closing results-location");
  self->lines = NULL;
}

static void
gst_delta_cnn_clear (GstDeltaCnn * self)
{
  gst_delta_cnn_run_drain (self, FALSE);
  g_clear_pointer (&self->ahead, gst_delta_cnn_ahead_free);
  gst_delta_cnn_swap_stop (self);
  gst_delta_cnn_swap_install (self, NULL);
  gst_delta_cnn_close_lines (self);
  g_clear_pointer (&self->stream_id, g_free);
  g_clear_pointer (&self->orientation, g_free);
  self->negotiated = FALSE;
  gst_video_info_init (&self->info);
}

static gboolean
gst_delta_cnn_start_ahead (GstDeltaCnn * self)
{
  g_autoptr (GError) error = NULL;

  self->last_pts = GST_CLOCK_TIME_NONE;
  if (!self->active.pipelined)
    return TRUE;
  self->ahead = gst_delta_cnn_ahead_new (gst_delta_cnn_run_job, self, &error);
  if (!self->ahead)
    GST_ELEMENT_ERROR (self, RESOURCE, FAILED,
        ("No thread for pipelined=true: %s.", error->message), (NULL));
  return self->ahead != NULL;
}

static gboolean
gst_delta_cnn_start (GstBaseTransform * trans)
{
  GstDeltaCnn *self = GST_DELTA_CNN (trans);
  GstDeltaCnnSettings fresh;
  guint64 wanted;
  gboolean outdated;

  GST_OBJECT_LOCK (self);
  gst_delta_cnn_settings_copy (&self->settings, &fresh);
  wanted = self->wanted_model;
  self->settings_changed = FALSE;
  self->totals = (GstDeltaCnnTotals) {0};
  self->latency = self->pace = 0;
  self->frame_width = self->frame_height = 0;
  self->source = g_quark_from_string (GST_OBJECT_NAME (self));
  GST_OBJECT_UNLOCK (self);

  gst_delta_cnn_settings_clear (&self->active);
  self->active = fresh;
  self->told_regions = FALSE;
  self->interval = (GstDeltaCnnTotals) {0};
  self->interval_start_us = g_get_monotonic_time ();
  self->peaks = self->peaks_before = (GstDeltaCnnPeaks) {0};
  gst_delta_cnn_timing_reset (self);
  if (!gst_delta_cnn_regions_take_settings (self, GST_MESSAGE_ERROR)
      || !gst_delta_cnn_open_lines (self)
      || !gst_delta_cnn_start_ahead (self)) {
    gst_delta_cnn_clear (self);
    return FALSE;
  }
  if (!gst_delta_cnn_runner_needs_size (&self->active)
      && !gst_delta_cnn_load (self)) {
    gst_delta_cnn_clear (self);
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->started = TRUE;
  outdated = self->wanted_model != wanted;
  GST_OBJECT_UNLOCK (self);
  if (outdated)                 /* another one was set while this one loaded */
    gst_delta_cnn_swap_request (self);
  return TRUE;
}

static gboolean
gst_delta_cnn_stop (GstBaseTransform * trans)
{
  gst_delta_cnn_clear (GST_DELTA_CNN (trans));
  return TRUE;
}

static gboolean
gst_delta_cnn_set_caps (GstBaseTransform * trans, GstCaps * incaps,
    GstCaps * outcaps)
{
  GstDeltaCnn *self = GST_DELTA_CNN (trans);
  GstVideoInfo info;
  gboolean resized;

  if (!gst_video_info_from_caps (&info, incaps)) {
    GST_ERROR_OBJECT (self, "cannot parse caps %" GST_PTR_FORMAT, incaps);
    return FALSE;
  }
  resized = !self->negotiated
      || GST_VIDEO_INFO_WIDTH (&info) != GST_VIDEO_INFO_WIDTH (&self->info)
      || GST_VIDEO_INFO_HEIGHT (&info) != GST_VIDEO_INFO_HEIGHT (&self->info)
      || seen_width (&info) != seen_width (&self->info);
  self->info = info;
  self->negotiated = TRUE;
  GST_OBJECT_LOCK (self);
  self->frame_width = seen_width (&info);
  self->frame_height = GST_VIDEO_INFO_HEIGHT (&info);
  GST_OBJECT_UNLOCK (self);

  if (resized && gst_delta_cnn_runner_needs_size (&self->active)) {
    GST_DEBUG_OBJECT (self, "loading for frames of %dx%d",
        GST_VIDEO_INFO_WIDTH (&info), GST_VIDEO_INFO_HEIGHT (&info));
    gst_delta_cnn_take_settings (self);
    gst_delta_cnn_swap_supersede (self);
    return gst_delta_cnn_load (self);
  }
  gst_delta_cnn_forget (self, "new caps");
  return TRUE;
}

static GstFlowReturn
gst_delta_cnn_transform_ip (GstBaseTransform * trans, GstBuffer * buffer)
{
  gst_delta_cnn_pass_sync (trans, buffer);
  return gst_delta_cnn_run_buffer (GST_DELTA_CNN (trans), buffer);
}

/* One frame late: the parent asks until there is none. It marks the next buffer
 * that it gets DISCONT where the one that came is: that is to be the same one,
 * so those before are pushed here. */
static GstFlowReturn
gst_delta_cnn_generate_output (GstBaseTransform * trans, GstBuffer ** outbuf)
{
  GstDeltaCnn *self = GST_DELTA_CNN (trans);
  GstBuffer *buffer = trans->queued_buf;
  GstFlowReturn flow = GST_FLOW_OK;
  gboolean discont;

  if (!self->ahead)
    return GST_BASE_TRANSFORM_CLASS
        (gst_delta_cnn_parent_class)->generate_output (trans, outbuf);
  trans->queued_buf = NULL;
  discont = buffer && GST_BUFFER_IS_DISCONT (buffer);
  if (buffer) {
    buffer = gst_buffer_make_writable (buffer);
    gst_delta_cnn_pass_sync (trans, buffer);
    flow = gst_delta_cnn_run_ahead (self, buffer);
  }
  while (discont && flow == GST_FLOW_OK
      && self->leaving.length > (self->job.buffer ? 0 : 1))
    flow = gst_pad_push (GST_BASE_TRANSFORM_SRC_PAD (trans),
        g_queue_pop_head (&self->leaving));
  *outbuf = g_queue_pop_head (&self->leaving);
  return flow;
}

static void
gst_delta_cnn_take_stream_start (GstDeltaCnn * self, GstEvent * event)
{
  const gchar *id;

  gst_event_parse_stream_start (event, &id);
  if (self->stream_id && g_strcmp0 (id, self->stream_id) != 0)
    gst_delta_cnn_forget (self, "another stream");
  if (g_strcmp0 (id, self->stream_id) != 0)
    g_clear_pointer (&self->orientation, g_free);
  g_free (self->stream_id);
  self->stream_id = g_strdup (id);
}

/* A picture that is tagged as turned is not turned: the hint says so. */
static void
gst_delta_cnn_take_tags (GstDeltaCnn * self, GstEvent * event)
{
  GstTagList *tags;
  gchar *orientation = NULL;

  gst_event_parse_tag (event, &tags);
  if (!gst_tag_list_get_string (tags, GST_TAG_IMAGE_ORIENTATION, &orientation))
    return;
  g_free (self->orientation);
  self->orientation = orientation;
  if (!g_str_equal (orientation, "rotate-0"))
    GST_INFO_OBJECT (self, "the stream is tagged %s; videoflip "
        "video-direction=auto before turns it", orientation);
}

/* The rules of what keeps state and what drops it; gst/README.md says why. */
static gboolean
gst_delta_cnn_sink_event (GstBaseTransform * trans, GstEvent * event)
{
  GstDeltaCnn *self = GST_DELTA_CNN (trans);

  /* nothing overtakes the frame on its way */
  if (GST_EVENT_IS_SERIALIZED (event))
    gst_delta_cnn_run_drain (self, GST_EVENT_TYPE (event) !=
        GST_EVENT_FLUSH_STOP);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      gst_delta_cnn_take_stream_start (self, event);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_delta_cnn_forget (self, "flush");
      gst_delta_cnn_timing_reset (self);
      break;
    case GST_EVENT_SEGMENT:
      gst_delta_cnn_timing_reset (self);
      break;
    case GST_EVENT_TAG:
      gst_delta_cnn_take_tags (self, event);
      break;
    case GST_EVENT_EOS:
      gst_delta_cnn_timing_post_stats (self, TRUE);
      break;
    default:
      break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_delta_cnn_parent_class)->sink_event
      (trans, event);
}

static gboolean
gst_delta_cnn_src_event (GstBaseTransform * trans, GstEvent * event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS)
    gst_delta_cnn_timing_take_qos (GST_DELTA_CNN (trans), event);
  return GST_BASE_TRANSFORM_CLASS (gst_delta_cnn_parent_class)->src_event
      (trans, event);
}

static gboolean
gst_delta_cnn_query (GstBaseTransform * trans, GstPadDirection direction,
    GstQuery * query)
{
  if (GST_QUERY_IS_SERIALIZED (query) && direction == GST_PAD_SINK)
    gst_delta_cnn_run_drain (GST_DELTA_CNN (trans), TRUE);
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY && direction == GST_PAD_SRC)
    return gst_delta_cnn_timing_answer_latency (GST_DELTA_CNN (trans), query);
  if (GST_QUERY_TYPE (query) == GST_QUERY_CONTEXT
      && gst_delta_cnn_cuda_answer (GST_ELEMENT (trans), query,
          GST_DELTA_CNN (trans)->gpu))
    return TRUE;
  return GST_BASE_TRANSFORM_CLASS (gst_delta_cnn_parent_class)->query (trans,
      direction, query);
}

/* Crops are ours to read where downstream knows them. */
static gboolean
gst_delta_cnn_propose_allocation (GstBaseTransform * trans,
    GstQuery * decide_query, GstQuery * query)
{
  const gboolean known = gst_delta_cnn_pass_allocation (trans, decide_query,
      query);

  /* one buffer more is on its way */
  for (guint i = 0; GST_DELTA_CNN (trans)->ahead
      && i < gst_query_get_n_allocation_pools (query); i++) {
    GstBufferPool *pool;
    guint size, min, max;
    gst_query_parse_nth_allocation_pool (query, i, &pool, &size, &min, &max);
    gst_query_set_nth_allocation_pool (query, i, pool, size, min + 1,
        max ? max + 1 : 0);
    gst_clear_object (&pool);
  }
  return known;
}

/* Where the user names none of several GPUs, one is chosen. */
static void
gst_delta_cnn_take_place (GstDeltaCnn * self)
{
  guint gpus[GST_DELTA_CNN_PLACE_MOST], n = 0;
  g_autofree gchar *key = NULL;
  guint weight, refused = 0;
  const DcnnDeviceKind *any;

  GST_OBJECT_LOCK (self);
  any = gst_delta_cnn_settings_any_gpu (&self->settings);
  key = gst_delta_cnn_settings_get_key (&self->settings);
  weight = self->settings.windows;
  GST_OBJECT_UNLOCK (self);
  /* one that cannot be used may come before others; after two, none */
  for (guint i = 0; any && refused < 2 && i < GST_DELTA_CNN_PLACE_MOST; i++) {
    g_autofree gchar *name = g_strdup_printf ("%s:%u", any->name, i);
    if (dcnn_device_check (name, NULL))
      gpus[n++] = i;
    else
      refused++;
  }
  if (n == 0 || (n == 1 && gpus[0] == 0))
    return;
  self->place = gst_delta_cnn_place_new (key, weight, gpus, n);
  GST_OBJECT_LOCK (self);
  self->settings.placed_gpu = (gint) gst_delta_cnn_place_gpu (self->place);
  GST_OBJECT_UNLOCK (self);
  GST_INFO_OBJECT (self, "placed on GPU %u of %u",
      gst_delta_cnn_place_gpu (self->place), n);
}

static void
gst_delta_cnn_leave_place (GstDeltaCnn * self)
{
  g_clear_pointer (&self->place, gst_delta_cnn_place_free);
  GST_OBJECT_LOCK (self);
  self->settings.placed_gpu = -1;
  GST_OBJECT_UNLOCK (self);
}

/* The context is offered from READY on: decoders ask for one then. */
static GstStateChangeReturn
gst_delta_cnn_change_state (GstElement * element, GstStateChange transition)
{
  GstDeltaCnn *self = GST_DELTA_CNN (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    g_autofree gchar *device = NULL;
    gst_delta_cnn_take_place (self);
    GST_OBJECT_LOCK (self);
    device = gst_delta_cnn_settings_get_device (&self->settings);
    GST_OBJECT_UNLOCK (self);
    self->gpu = gst_delta_cnn_cuda_open (device);
  }
  result = GST_ELEMENT_CLASS (gst_delta_cnn_parent_class)->change_state
      (element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) {
    gst_clear_object (&self->gpu);
    gst_delta_cnn_leave_place (self);
  }
  return result;
}

static void
add_pad_templates (GstElementClass * klass)
{
  GstCaps *caps = gst_delta_cnn_cuda_template_caps
      (GST_VIDEO_CAPS_MAKE (GST_DELTA_CNN_FORMATS));

  gst_element_class_add_pad_template (klass, gst_pad_template_new ("sink",
          GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (klass, gst_pad_template_new ("src",
          GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref (caps);
}

static void
gst_delta_cnn_finalize (GObject * object)
{
  GstDeltaCnn *self = GST_DELTA_CNN (object);

  gst_delta_cnn_clear (self);
  gst_delta_cnn_regions_clear (self);
  gst_delta_cnn_windows_free (self->windows);
  gst_clear_object (&self->gpu);
  gst_delta_cnn_place_free (self->place);
  gst_delta_cnn_settings_clear (&self->settings);
  gst_delta_cnn_settings_clear (&self->active);
  g_cond_clear (&self->loading_done);
  G_OBJECT_CLASS (gst_delta_cnn_parent_class)->finalize (object);
}

static void
gst_delta_cnn_class_init (GstDeltaCnnClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  object_class->finalize = gst_delta_cnn_finalize;
  gst_delta_cnn_install_properties (object_class);

  gst_element_class_set_static_metadata (element_class,
      "DeltaCNN inference", "Filter/Analyzer/Video",
      "Runs a convolutional ONNX model on video, recomputing only what "
      "changed, and attaches masks, poses and boxes",
      "The DeltaCNN plugin's authors");
  element_class->change_state = gst_delta_cnn_change_state;
  add_pad_templates (element_class);
  gst_type_mark_as_plugin_api (gst_delta_cnn_resize_get_type (), 0);
  gst_type_mark_as_plugin_api (gst_delta_cnn_order_get_type (), 0);
  gst_type_mark_as_plugin_api (gst_delta_cnn_mode_get_type (), 0);
  gst_type_mark_as_plugin_api (gst_delta_cnn_criterion_get_type (), 0);
  gst_type_mark_as_plugin_api (gst_delta_cnn_attach_get_type (), 0);

  trans_class->start = gst_delta_cnn_start;
  trans_class->stop = gst_delta_cnn_stop;
  trans_class->set_caps = gst_delta_cnn_set_caps;
  trans_class->prepare_output_buffer = gst_delta_cnn_pass_buffer;
  trans_class->transform_ip = gst_delta_cnn_transform_ip;
  trans_class->generate_output = gst_delta_cnn_generate_output;
  trans_class->sink_event = gst_delta_cnn_sink_event;
  trans_class->src_event = gst_delta_cnn_src_event;
  trans_class->query = gst_delta_cnn_query;
  trans_class->propose_allocation = gst_delta_cnn_propose_allocation;
}

static void
gst_delta_cnn_init (GstDeltaCnn * self)
{
  gst_delta_cnn_settings_init (&self->settings);
  gst_delta_cnn_settings_init (&self->active);
  self->windows = gst_delta_cnn_windows_new ();
  gst_video_info_init (&self->info);
  dcnn_anchor_init (&self->anchor);
  g_cond_init (&self->loading_done);
  g_queue_init (&self->leaving);
  self->earliest = GST_CLOCK_TIME_NONE;
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}
