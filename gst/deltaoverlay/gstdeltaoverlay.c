/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlay.c - see gstdeltaoverlay.h.
 */
/**
 * SECTION:element-deltaoverlay
 * @title: deltaoverlay
 * @see_also: deltacnn
 *
 * Draws what deltacnn found: masks, skeletons, boxes with labels and scores,
 * the map of what was recomputed, and how much work that took.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! videoconvert !
 *     deltacnn model=people-seg ! deltaoverlay updates=true ! videoconvert !
 *     autovideosink
 * ]|
 *
 * Since: 0.1
 */
#include "gstdeltaoverlay.h"

#include "gstdeltacnnerror.h"
#include "gstdeltacnnframe.h"
#include "gstdeltacnnpass.h"

GST_DEBUG_CATEGORY_STATIC (gst_delta_overlay_debug);
#define GST_CAT_DEFAULT gst_delta_overlay_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_DELTA_CNN_FORMATS)));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_DELTA_CNN_FORMATS)));

GST_ELEMENT_REGISTER_DECLARE (deltaoverlay);
G_DEFINE_TYPE (GstDeltaOverlay, gst_delta_overlay, GST_TYPE_VIDEO_FILTER);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (deltaoverlay, "deltaoverlay",
    GST_RANK_NONE, GST_TYPE_DELTA_OVERLAY,
    GST_DEBUG_CATEGORY_INIT (gst_delta_overlay_debug, "deltaoverlay", 0,
        "drawing of CNN results"));

static gboolean
gst_delta_overlay_set_info (GstVideoFilter * filter, GstCaps * incaps,
    GstVideoInfo * in_info, GstCaps * outcaps, GstVideoInfo * out_info)
{
  GstDeltaOverlay *self = GST_DELTA_OVERLAY (filter);

  g_clear_pointer (&self->background, gst_delta_overlay_background_free);
  g_clear_pointer (&self->canvas, gst_delta_overlay_canvas_free);
  self->canvas = gst_delta_overlay_canvas_new (GST_VIDEO_INFO_WIDTH (in_info),
      GST_VIDEO_INFO_HEIGHT (in_info));
  if (self->canvas)
    return TRUE;
  GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
      ("Cannot make a picture of %dx%d pixels to draw on. Scale the video "
          "down before deltaoverlay.", GST_VIDEO_INFO_WIDTH (in_info),
          GST_VIDEO_INFO_HEIGHT (in_info)), (NULL));
  return FALSE;
}

static gboolean
gst_delta_overlay_stop (GstBaseTransform * trans)
{
  GstDeltaOverlay *self = GST_DELTA_OVERLAY (trans);

  g_clear_pointer (&self->canvas, gst_delta_overlay_canvas_free);
  g_clear_pointer (&self->background, gst_delta_overlay_background_free);
  self->background_told = FALSE;
  self->history = (GstDeltaOverlayHistory) {0};
  self->panel = (GstDeltaOverlayPanel) {0};
  self->damaged = 0;
  return TRUE;
}

/* Boxes that another element found, where there are none of ours. */
static void
draw_foreign_region (GstDeltaOverlay * self, const GstDeltaOverlayStyle * style,
    const GstVideoRegionOfInterestMeta * region, gboolean tag)
{
  GstStructure *detection = gst_video_region_of_interest_meta_get_param (
      (GstVideoRegionOfInterestMeta *) region, "detection");
  gdouble score = 1;
  GstDeltaOverlayStyle plain = *style;
  /* signed: as deltacnn reads them (gstdeltacnnregions.c) */
  GstDeltaCnnDetection box = {
    .x = (gint) region->x,.y = (gint) region->y,.width = region->w,
    .height = region->h,.label = region->roi_type,
  };

  if (detection) {
    gst_structure_get_double (detection, "confidence", &score);
    gst_structure_get_int (detection, "label_id", &box.class_id);
  } else {
    plain.scores = FALSE;
  }
  box.score = score;
  if (tag)
    gst_delta_overlay_draw_box_tag (self->canvas, &plain, &box);
  else
    gst_delta_overlay_draw_box (self->canvas, &plain, &box);
}

/* The boxes, or their tags. */
static void
draw_boxes (GstDeltaOverlay * self, const GstDeltaOverlayStyle * style,
    GstBuffer * buffer, gboolean tags)
{
  gpointer state = NULL;
  GstMeta *meta;
  gboolean ours = FALSE;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_DELTA_CNN_DETECTION_META_API_TYPE))) {
    const GstDeltaCnnDetectionMeta *boxes = (GstDeltaCnnDetectionMeta *) meta;
    const guint n = boxes->detections->len;
    ours = TRUE;
    /* The best box on top; the best one's tag has its place first. */
    for (guint i = 0; i < n; i++)
      if (tags)
        gst_delta_overlay_draw_box_tag (self->canvas, style,
            &g_array_index (boxes->detections, GstDeltaCnnDetection, i));
      else
        gst_delta_overlay_draw_box (self->canvas, style,
            &g_array_index (boxes->detections, GstDeltaCnnDetection,
                n - 1 - i));
  }
  state = NULL;
  while (!ours && (meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    draw_foreign_region (self, style, (GstVideoRegionOfInterestMeta *) meta,
        tags);
}

static void
draw_grids (GstDeltaOverlay * self, const GstDeltaOverlayStyle * style,
    GstBuffer * buffer)
{
  gpointer state = NULL;
  GstMeta *meta;

  while (style->updates && (meta = gst_buffer_iterate_meta_filtered (buffer,
              &state, GST_DELTA_CNN_UPDATE_META_API_TYPE)))
    gst_delta_overlay_draw_updates (self->canvas, style,
        (GstDeltaCnnUpdateMeta *) meta);
  state = NULL;
  while (style->masks && (meta = gst_buffer_iterate_meta_filtered (buffer,
              &state, GST_DELTA_CNN_SEGMENTATION_META_API_TYPE)))
    gst_delta_overlay_draw_mask (self->canvas, style,
        (GstDeltaCnnSegmentationMeta *) meta);
}

static void
draw_buffer (GstDeltaOverlay * self, const GstDeltaOverlayStyle * style,
    GstBuffer * buffer)
{
  const GstDeltaCnnStatsMeta *stats =
      gst_buffer_get_delta_cnn_stats_meta (buffer);
  const GstDeltaCnnMotionMeta *motion;
  gpointer state = NULL;
  GstMeta *meta;
  guint row = 0;

  draw_grids (self, style, buffer);
  while (style->skeletons && (meta = gst_buffer_iterate_meta_filtered (buffer,
              &state, GST_DELTA_CNN_POSE_META_API_TYPE)))
    gst_delta_overlay_draw_poses (self->canvas, style,
        (GstDeltaCnnPoseMeta *) meta);
  for (guint tags = 0; style->boxes && tags < 2; tags++)
    draw_boxes (self, style, buffer, tags);
  state = NULL;
  while (style->classes && (meta = gst_buffer_iterate_meta_filtered (buffer,
              &state, GST_DELTA_CNN_CLASS_META_API_TYPE)))
    gst_delta_overlay_draw_classes (self->canvas, style,
        (GstDeltaCnnClassMeta *) meta, &row);
  state = NULL;
  while (style->classes && (meta = gst_buffer_iterate_meta_filtered (buffer,
              &state, GST_DELTA_CNN_VALUE_META_API_TYPE)))
    gst_delta_overlay_draw_values (self->canvas, style,
        (GstDeltaCnnValueMeta *) meta, &row);
  if (style->updates
      && gst_buffer_get_delta_cnn_update_meta (buffer))
    gst_delta_overlay_draw_legend (self->canvas, style);
  if (style->motion && (motion = gst_buffer_get_delta_cnn_motion_meta (buffer)))
    gst_delta_overlay_draw_motion (self->canvas, style, motion,
        style->updates && gst_buffer_get_delta_cnn_update_meta (buffer) ? 1 :
        0);
  if (!stats)
    return;
  gst_delta_overlay_history_add (&self->history, stats);
  if (style->stats)
    gst_delta_overlay_draw_stats (self->canvas, style, &self->history,
        &self->panel, stats);
}

static void
draw_background (GstDeltaOverlay * self, const GstDeltaOverlayStyle * style,
    const gchar * picture, GstVideoFrame * frame)
{
  g_autoptr (GError) error = NULL;

  if (!self->background)
    self->background = gst_delta_overlay_background_new (self->canvas->width,
        self->canvas->height);
  if (!self->background) {
    g_set_error (&error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
        "No memory for the background. Scale the video down before "
        "deltaoverlay.");
  } else if (gst_delta_overlay_background_draw (self->background, self->canvas,
          style, picture, frame, &error)) {
    self->background_told = FALSE;
    return;
  }
  if (!self->background_told)
    gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_WARNING, error,
        "drawing the background");
  self->background_told = TRUE;
}

static void
draw_frame (GstDeltaOverlay * self, GstVideoFrame * frame)
{
  GstDeltaOverlayStyle style;
  g_autofree gchar *picture = NULL;

  GST_OBJECT_LOCK (self);
  style = self->style;
  if (style.background == GST_DELTA_OVERLAY_BACKGROUND_PICTURE)
    picture = g_strdup (self->picture);
  GST_OBJECT_UNLOCK (self);

  if (style.background != GST_DELTA_OVERLAY_BACKGROUND_KEEP)
    draw_background (self, &style, picture, frame);
  draw_buffer (self, &style, frame->buffer);
  gst_delta_overlay_canvas_blend (self->canvas, frame);
  gst_delta_overlay_canvas_clear (self->canvas);
}

/* In place of GstVideoFilter's, which trusts the buffer's metas. A damaged
 * buffer passes as it is. */
static GstFlowReturn
gst_delta_overlay_transform_ip (GstBaseTransform * trans, GstBuffer * buffer)
{
  GstDeltaOverlay *self = GST_DELTA_OVERLAY (trans);
  g_autoptr (GError) error = NULL;
  GstVideoFrame frame;

  if (!GST_VIDEO_FILTER (trans)->negotiated || !self->canvas)
    return GST_FLOW_NOT_NEGOTIATED;
  if (gst_delta_cnn_frame_map (&frame, &GST_VIDEO_FILTER (trans)->in_info,
          buffer, GST_MAP_READWRITE, &error)) {
    draw_frame (self, &frame);
    gst_delta_cnn_frame_unmap (&frame);
  } else if (gst_delta_cnn_frame_tell (++self->damaged)) {
    gst_delta_cnn_error_post (GST_ELEMENT (trans), GST_MESSAGE_WARNING, error,
        "drawing on a frame, which is passed on as it is");
  }
  return GST_FLOW_OK;
}

static void
gst_delta_overlay_finalize (GObject * object)
{
  GstDeltaOverlay *self = GST_DELTA_OVERLAY (object);

  g_clear_pointer (&self->canvas, gst_delta_overlay_canvas_free);
  g_clear_pointer (&self->background, gst_delta_overlay_background_free);
  g_free (self->picture);
  G_OBJECT_CLASS (gst_delta_overlay_parent_class)->finalize (object);
}

static void
gst_delta_overlay_class_init (GstDeltaOverlayClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);
  GstVideoFilterClass *filter_class = GST_VIDEO_FILTER_CLASS (klass);

  object_class->finalize = gst_delta_overlay_finalize;
  gst_delta_overlay_install_properties (object_class);

  gst_element_class_set_static_metadata (element_class,
      "DeltaCNN overlay", "Filter/Editor/Video",
      "Draws masks, skeletons, boxes, the map of what was recomputed and "
      "statistics from deltacnn's metas", "The DeltaCNN plugin's authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_type_mark_as_plugin_api (gst_delta_overlay_background_get_type (), 0);

  trans_class->stop = gst_delta_overlay_stop;
  trans_class->before_transform = gst_delta_cnn_pass_sync;
  trans_class->transform_ip = gst_delta_overlay_transform_ip;
  filter_class->set_info = gst_delta_overlay_set_info;
}

static void
gst_delta_overlay_init (GstDeltaOverlay * self)
{
  gst_delta_overlay_style_init (&self->style);
}
