/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstframealign.c - see gstframealign.h.
 */
/**
 * SECTION:element-framealign
 * @title: framealign
 * @see_also: deltacnn
 *
 * Tells how the camera moved. Pictures pass untouched; each buffer gets a
 * GstDeltaCnnMotionMeta with the matrix that takes it to the reference's
 * picture, so that deltacnn behind it keeps its results while the camera pans,
 * tilts or shakes. A buffer that has such a meta already keeps it.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=handheld.mp4 ! decodebin ! videoconvert !
 *     framealign ! deltacnn model=people-seg ! deltaoverlay !
 *     videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
#include "gstframealign.h"

#include <string.h>

#include "gstdeltacnnerror.h"
#include "gstdeltacnnframe.h"
#include "gstdeltacnnmotionmeta.h"
#include "gstdeltacnnpass.h"
#include "gstframealigncuda.h"

GST_DEBUG_CATEGORY_STATIC (gst_frame_align_debug);
#define GST_CAT_DEFAULT gst_frame_align_debug

#define CAPS GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)

GST_ELEMENT_REGISTER_DECLARE (framealign);
G_DEFINE_TYPE (GstFrameAlign, gst_frame_align, GST_TYPE_BASE_TRANSFORM);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (framealign, "framealign",
    GST_RANK_NONE, GST_TYPE_FRAME_ALIGN,
    GST_DEBUG_CATEGORY_INIT (gst_frame_align_debug, "framealign", 0,
        "the camera's own motion"));

/* ---- state ------------------------------------------------------------- */

/* The next frame is a new reference. */
static void
forget (GstFrameAlign * self, const gchar * why)
{
  GST_DEBUG_OBJECT (self, "%s: the next frame is a new reference", why);
  if (self->stabilizer)
    dcnn_stabilizer_reset (self->stabilizer);
  self->has_last = FALSE;
}

static void
take_settings (GstFrameAlign * self)
{
  DcnnStabilizerOptions options;
  gboolean changed, reset, was_enabled = self->active.enabled;

  GST_OBJECT_LOCK (self);
  changed = self->settings_changed;
  reset = self->reset;
  self->settings_changed = self->reset = FALSE;
  if (changed)
    self->active = self->settings;
  GST_OBJECT_UNLOCK (self);
  if (changed) {
    gst_frame_align_settings_to_options (&self->active, &options);
    dcnn_stabilizer_set_options (self->stabilizer, &options);
  }
  if (reset)
    forget (self, "re-anchor");
  else if (changed && self->active.enabled && !was_enabled)
    forget (self, "enabled");
}

static gboolean
gst_frame_align_start (GstBaseTransform * trans)
{
  GstFrameAlign *self = GST_FRAME_ALIGN (trans);
  DcnnStabilizerOptions options;
  const char *remedy = NULL;

  if (!dcnn_stabilizer_available (&remedy)) {
    GST_ELEMENT_ERROR (self, LIBRARY, INIT,
        ("framealign cannot find motion: this plugin was %s. Or leave "
            "framealign out: deltacnn runs without it.", remedy), (NULL));
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->active = self->settings;
  self->settings_changed = self->reset = FALSE;
  self->totals = (GstFrameAlignTotals) {0};
  GST_OBJECT_UNLOCK (self);
  gst_frame_align_settings_to_options (&self->active, &options);
  self->stabilizer = dcnn_stabilizer_new (&options);
  self->has_last = FALSE;
  if (self->stabilizer)
    return TRUE;
  GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
      ("No memory to find motion with."), (NULL));
  return FALSE;
}

static gboolean
gst_frame_align_stop (GstBaseTransform * trans)
{
  GstFrameAlign *self = GST_FRAME_ALIGN (trans);

  g_clear_pointer (&self->stabilizer, dcnn_stabilizer_free);
  g_clear_pointer (&self->reader, gst_frame_align_reader_free);
  g_clear_pointer (&self->stream_id, g_free);
  return TRUE;
}

static gboolean
gst_frame_align_set_caps (GstBaseTransform * trans, GstCaps * incaps,
    GstCaps * outcaps)
{
  GstFrameAlign *self = GST_FRAME_ALIGN (trans);

  g_clear_pointer (&self->reader, gst_frame_align_reader_free);
  if (!gst_video_info_from_caps (&self->info, incaps)) {
    GST_ERROR_OBJECT (self, "cannot parse caps %" GST_PTR_FORMAT, incaps);
    return FALSE;
  }
  self->reader = gst_frame_align_reader_new (&self->info);
  if (!self->reader) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("The luma of %s cannot be read. Put videoconvert before framealign.",
            GST_VIDEO_INFO_NAME (&self->info)), (NULL));
    return FALSE;
  }
  forget (self, "new caps");
  return TRUE;
}

/* ---- a frame ----------------------------------------------------------- */

static void
add_tracks (GstDeltaCnnMotionMeta * meta, const DcnnAlignment * alignment)
{
  for (guint i = 0; i < alignment->n_tracks; i++) {
    const DcnnAlignTrack *t = &alignment->tracks[i];
    const GstDeltaCnnMotionTrack track = { t->from_x, t->from_y, t->x, t->y,
      t->inlier
    };

    gst_delta_cnn_motion_meta_append_track (meta, &track);
  }
}

static void
attach (GstFrameAlign * self, GstBuffer * buffer, DcnnAlignState state,
    const DcnnAlignment * alignment)
{
  static const GstDeltaCnnMotionState states[] = {
    [DCNN_ALIGN_ALIGNED] = GST_DELTA_CNN_MOTION_ALIGNED,
    [DCNN_ALIGN_REANCHORED] = GST_DELTA_CNN_MOTION_REANCHORED,
    [DCNN_ALIGN_LOST] = GST_DELTA_CNN_MOTION_LOST,
  };
  GstDeltaCnnMotionMeta *meta = gst_buffer_add_delta_cnn_motion_meta_matrix
      (buffer, states[state], self->number, alignment->matrix.m);

  if (!meta)
    return;
  meta->inliers = alignment->inliers;
  meta->error = alignment->error_px;
  if (self->active.tracks)
    add_tracks (meta, alignment);
}

/* What is said of a frame of which nothing is known. */
static void
attach_lost (GstFrameAlign * self, GstBuffer * buffer)
{
  const DcnnAlignment nothing = {.matrix = dcnn_homography_identity () };

  attach (self, buffer, DCNN_ALIGN_LOST, self->has_last ? &self->last :
      &nothing);
}

static void
count (GstFrameAlign * self, const DcnnAlignment * a, GstClockTime time)
{
  GstFrameAlignTotals *t = &self->totals;

  GST_OBJECT_LOCK (self);
  t->aligned += a->state == DCNN_ALIGN_ALIGNED;
  t->reanchored += a->state == DCNN_ALIGN_REANCHORED;
  t->lost += a->state == DCNN_ALIGN_LOST;
  t->keys += a->new_key || a->state == DCNN_ALIGN_REANCHORED;
  t->returns += a->old_key;
  if (a->state == DCNN_ALIGN_ALIGNED) {
    t->inliers += a->inliers;
    t->error += a->error_px;
  }
  t->time += time;
  t->max_time = MAX (t->max_time, time);
  GST_OBJECT_UNLOCK (self);
}

static void
count_one (GstFrameAlign * self, guint64 * counter)
{
  GST_OBJECT_LOCK (self);
  (*counter)++;
  GST_OBJECT_UNLOCK (self);
}

static gboolean
look (GstFrameAlign * self, GstBuffer * buffer, DcnnAlignment * alignment,
    GError ** error)
{
  GstFrameAlignLuma luma;
  gboolean good;

  if (!gst_frame_align_reader_map (self->reader, buffer, &luma, error))
    return FALSE;
  good = dcnn_stabilizer_push (self->stabilizer, luma.data, luma.stride,
      luma.step, GST_VIDEO_INFO_WIDTH (&self->info),
      GST_VIDEO_INFO_HEIGHT (&self->info), alignment);
  gst_frame_align_reader_unmap (self->reader);
  if (!good)
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
        "No memory to find the motion of a picture of %dx%d. Scale the video "
        "down before framealign.", GST_VIDEO_INFO_WIDTH (&self->info),
        GST_VIDEO_INFO_HEIGHT (&self->info));
  return good;
}

static void
align (GstFrameAlign * self, GstBuffer * buffer)
{
  const GstClockTime start = gst_util_get_timestamp ();
  g_autoptr (GError) error = NULL;
  DcnnAlignment alignment;

  if (!look (self, buffer, &alignment, &error)) {
    count_one (self, &self->totals.damaged);
    attach_lost (self, buffer);
    if (gst_delta_cnn_frame_tell (self->totals.damaged))
      gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_WARNING, error,
          "finding the motion of a frame, which is passed on as lost");
    return;
  }
  if (alignment.state == DCNN_ALIGN_REANCHORED)
    self->number++;
  count (self, &alignment, gst_util_get_timestamp () - start);
  GST_LOG_OBJECT (self, "state %d, %.0f %% inliers, %.2f px", alignment.state,
      100 * alignment.inliers, alignment.error_px);
  attach (self, buffer, alignment.state, &alignment);
  self->last = alignment;
  self->last.n_tracks = 0;      /* they are the stabilizer's */
  self->has_last = TRUE;
}

/* A GAP buffer repeats the picture before, and so its motion. */
static gboolean
repeats_last (GstFrameAlign * self, GstBuffer * buffer)
{
  return self->has_last && GST_BUFFER_FLAG_IS_SET (buffer,
      GST_BUFFER_FLAG_GAP) && !GST_BUFFER_FLAG_IS_SET (buffer,
      GST_BUFFER_FLAG_DISCONT);
}

static GstFlowReturn
gst_frame_align_transform_ip (GstBaseTransform * trans, GstBuffer * buffer)
{
  GstFrameAlign *self = GST_FRAME_ALIGN (trans);

  if (!self->reader)
    return GST_FLOW_NOT_NEGOTIATED;
  gst_delta_cnn_pass_sync (trans, buffer);
  take_settings (self);
  count_one (self, &self->totals.frames);
  if (gst_buffer_get_delta_cnn_motion_meta (buffer)) {
    count_one (self, &self->totals.given);
  } else if (!self->active.enabled) {
    count_one (self, &self->totals.passed);
  } else if (repeats_last (self, buffer)) {
    count_one (self, &self->totals.repeated);
    attach (self, buffer, self->last.state == DCNN_ALIGN_LOST ?
        DCNN_ALIGN_LOST : DCNN_ALIGN_ALIGNED, &self->last);
  } else {
    align (self, buffer);
  }
  return GST_FLOW_OK;
}

/* ---- events ------------------------------------------------------------ */

static void
take_stream_start (GstFrameAlign * self, GstEvent * event)
{
  const gchar *id;

  gst_event_parse_stream_start (event, &id);
  if (self->stream_id && g_strcmp0 (id, self->stream_id) != 0)
    forget (self, "another stream");
  g_free (self->stream_id);
  self->stream_id = g_strdup (id);
}

static gboolean
gst_frame_align_sink_event (GstBaseTransform * trans, GstEvent * event)
{
  GstFrameAlign *self = GST_FRAME_ALIGN (trans);

  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    take_stream_start (self, event);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    forget (self, "flush");
  return GST_BASE_TRANSFORM_CLASS (gst_frame_align_parent_class)->sink_event
      (trans, event);
}

static void
gst_frame_align_re_anchor (GstFrameAlign * self)
{
  GST_OBJECT_LOCK (self);
  self->reset = TRUE;
  GST_OBJECT_UNLOCK (self);
}

/* ---- class ------------------------------------------------------------- */

static void
gst_frame_align_finalize (GObject * object)
{
  gst_frame_align_stop (GST_BASE_TRANSFORM (object));
  G_OBJECT_CLASS (gst_frame_align_parent_class)->finalize (object);
}

static void
gst_frame_align_class_init (GstFrameAlignClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);
  GstCaps *caps;

  object_class->finalize = gst_frame_align_finalize;
  gst_frame_align_install_properties (object_class);
  /**
   * GstFrameAlign::re-anchor:
   * @framealign: the element
   *
   * Makes the next frame the reference, say after the camera's head was sent
   * to another place.
   */
  g_signal_new_class_handler ("re-anchor", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION,
      G_CALLBACK (gst_frame_align_re_anchor), NULL, NULL, NULL, G_TYPE_NONE,
      0);

  gst_element_class_set_static_metadata (element_class,
      "DeltaCNN frame alignment", "Filter/Analyzer/Video",
      "Finds how the camera moved and attaches it to the buffers, so that "
      "deltacnn keeps its results while it pans, tilts or shakes",
      "The DeltaCNN plugin's authors");
  /* pictures on a GPU: their luma is copied down; they pass untouched, too */
  caps = gst_frame_align_cuda_template_caps (CAPS);
  gst_element_class_add_pad_template (element_class,
      gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (element_class,
      gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref (caps);

  trans_class->start = gst_frame_align_start;
  trans_class->stop = gst_frame_align_stop;
  trans_class->set_caps = gst_frame_align_set_caps;
  trans_class->prepare_output_buffer = gst_delta_cnn_pass_buffer;
  trans_class->transform_ip = gst_frame_align_transform_ip;
  trans_class->sink_event = gst_frame_align_sink_event;
  trans_class->propose_allocation = gst_delta_cnn_pass_allocation;
  trans_class->transform_ip_on_passthrough = FALSE;
}

static void
gst_frame_align_init (GstFrameAlign * self)
{
  gst_frame_align_settings_init (&self->settings);
  gst_video_info_init (&self->info);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}
