/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnresults.c - see gstdeltacnnresults.h.
 */
#include "gstdeltacnnresults.h"

#include <gst/video/video.h>
#include <math.h>

#include "gstdeltacnnanalytics.h"

GstDeltaCnnResults *
gst_delta_cnn_results_new (void)
{
  GstDeltaCnnResults *results = g_new0 (GstDeltaCnnResults, 1);

  g_ref_count_init (&results->refs);
  results->detections = g_array_new (FALSE, FALSE,
      sizeof (GstDeltaCnnDetection));
  results->poses = g_array_new (FALSE, FALSE, sizeof (GstDeltaCnnPose));
  results->keypoints = g_array_new (FALSE, FALSE,
      sizeof (GstDeltaCnnKeypoint));
  results->classes = g_array_new (FALSE, FALSE, sizeof (GstDeltaCnnLabel));
  results->values = g_array_new (FALSE, FALSE, sizeof (gfloat));
  results->names = g_array_new (FALSE, FALSE, sizeof (GQuark));
  return results;
}

GstDeltaCnnResults *
gst_delta_cnn_results_ref (GstDeltaCnnResults * results)
{
  g_ref_count_inc (&results->refs);
  return results;
}

void
gst_delta_cnn_results_unref (GstDeltaCnnResults * results)
{
  if (!g_ref_count_dec (&results->refs))
    return;
  g_array_unref (results->detections);
  g_array_unref (results->poses);
  g_array_unref (results->keypoints);
  g_array_unref (results->classes);
  g_array_unref (results->values);
  g_array_unref (results->names);
  g_free (results->text);
  g_clear_pointer (&results->picture, g_bytes_unref);
  g_clear_pointer (&results->edges, g_bytes_unref);
  g_clear_pointer (&results->mask, g_bytes_unref);
  g_clear_pointer (&results->updates, g_bytes_unref);
  g_clear_pointer (&results->tensors, g_array_unref);
  g_clear_pointer (&results->tensor_ids, g_array_unref);
  g_clear_pointer (&results->parts, g_array_unref);
  g_free (results);
}

static void
clear_part (gpointer data)
{
  gst_delta_cnn_results_unref (((GstDeltaCnnPart *) data)->results);
}

void
gst_delta_cnn_results_add_part (GstDeltaCnnResults * results,
    const GstDeltaCnnPart * part)
{
  if (!results->parts) {
    results->parts = g_array_new (FALSE, FALSE, sizeof (GstDeltaCnnPart));
    g_array_set_clear_func (results->parts, clear_part);
  }
  g_array_append_vals (results->parts, part, 1);
}

/* part: whose they are; NULL: all of the frame's. */
static void
attach_tensors (const GstDeltaCnnResults * results,
    const GstDeltaCnnPart * part, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  GstDeltaCnnTensorMeta *meta =
      gst_buffer_add_delta_cnn_tensor_meta (buffer, occasion->source);

  meta->stale = occasion->stale;
  for (guint i = 0; i < results->tensors->len; i++) {
    const GstDeltaCnnTensor *tensor =
        &g_array_index (results->tensors, GstDeltaCnnTensor, i);
    gst_delta_cnn_tensor_meta_append (meta, g_quark_to_string (tensor->name),
        tensor->type, tensor->n_dims, tensor->dims, tensor->data);
  }
  if (part) {
    meta->x = part->window.x;
    meta->y = part->window.y;
    meta->w = part->window.w;
    meta->h = part->window.h;
  }
}

static void
attach_segmentation (const GstDeltaCnnResults * results, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  const GstDeltaCnnRectangle *r = &results->mask_rectangle;
  GstDeltaCnnSegmentationMeta *meta =
      gst_buffer_add_delta_cnn_segmentation_meta (buffer, occasion->source,
      results->mask_width, results->mask_height, results->mask_classes,
      results->mask);

  if (!meta)
    return;
  meta->stale = occasion->stale;
  gst_delta_cnn_segmentation_meta_set_rectangle (meta, r->x, r->y, r->w, r->h);
}

static void
attach_poses (const GstDeltaCnnResults * results, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  GstDeltaCnnPoseMeta *meta =
      gst_buffer_add_delta_cnn_pose_meta (buffer, occasion->source, results->edges);

  meta->stale = occasion->stale;
  g_array_append_vals (meta->poses, results->poses->data, results->poses->len);
  g_array_append_vals (meta->keypoints, results->keypoints->data,
      results->keypoints->len);
}

static void
attach_detections (const GstDeltaCnnResults * results, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  GstDeltaCnnDetectionMeta *meta =
      gst_buffer_add_delta_cnn_detection_meta (buffer, occasion->source);

  meta->stale = occasion->stale;
  g_array_append_vals (meta->detections, results->detections->data,
      results->detections->len);
}

static void
attach_picture (const GstDeltaCnnResults * results, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  const GstDeltaCnnRectangle *r = &results->picture_rectangle;
  GstDeltaCnnPictureMeta *meta = gst_buffer_add_delta_cnn_picture_meta (buffer,
      occasion->source, results->picture_width, results->picture_height,
      results->picture_channels, results->picture);

  if (!meta)
    return;
  meta->stale = occasion->stale;
  meta->x = r->x;
  meta->y = r->y;
  meta->w = r->w;
  meta->h = r->h;
}

static void
attach_values (const GstDeltaCnnResults * results,
    const GstDeltaCnnPart * part, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  GstDeltaCnnValueMeta *meta =
      gst_buffer_add_delta_cnn_value_meta (buffer, occasion->source);

  meta->stale = occasion->stale;
  g_array_append_vals (meta->values, results->values->data,
      results->values->len);
  g_array_append_vals (meta->names, results->names->data, results->names->len);
  meta->text = g_strdup (results->text);
  meta->text_score = results->text_score;
  if (part) {
    meta->x = part->region.x;
    meta->y = part->region.y;
    meta->w = part->region.w;
    meta->h = part->region.h;
  }
}

static void
attach_classes (const GstDeltaCnnResults * results, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  GstDeltaCnnClassMeta *meta =
      gst_buffer_add_delta_cnn_class_meta (buffer, occasion->source);

  meta->stale = occasion->stale;
  g_array_append_vals (meta->classes, results->classes->data,
      results->classes->len);
}

/* One GstVideoRegionOfInterestMeta a box: roi_type is the label, a structure
 * "detection" holds what the meta has no field for. */
static void
attach_regions (const GstDeltaCnnResults * results, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  for (guint i = 0; i < results->detections->len; i++) {
    const GstDeltaCnnDetection *box =
        &g_array_index (results->detections, GstDeltaCnnDetection, i);
    /* of a turned box, the upright one around it */
    const gfloat c = fabsf (cosf (box->angle)), s = fabsf (sinf (box->angle));
    const gfloat more_x =
        (box->width * c + box->height * s - box->width) / 2;
    const gfloat more_y =
        (box->width * s + box->height * c - box->height) / 2;
    const gfloat left = MAX (box->x - more_x, 0);
    const gfloat top = MAX (box->y - more_y, 0);
    const gchar *label = g_quark_to_string (box->label);
    GstVideoRegionOfInterestMeta *region =
        gst_buffer_add_video_region_of_interest_meta (buffer,
        label ? label : "object", lroundf (left), lroundf (top),
        lroundf (MAX (box->x + box->width + more_x - left, 0)),
        lroundf (MAX (box->y + box->height + more_y - top, 0)));

    gst_video_region_of_interest_meta_add_param (region,
        gst_structure_new ("detection",
            "confidence", G_TYPE_DOUBLE, (gdouble) box->score,
            "label_id", G_TYPE_INT, box->class_id,
            "source", G_TYPE_STRING, g_quark_to_string (occasion->source),
            "stale", G_TYPE_BOOLEAN, occasion->stale, NULL));
  }
}

/* The upright boxes around what was seen of each pose: upstream has no meta
 * for key points. New; of GstDeltaCnnDetection. */
static GArray *
boxes_of_poses (const GstDeltaCnnResults * results)
{
  GArray *boxes = g_array_new (FALSE, FALSE, sizeof (GstDeltaCnnDetection));

  for (guint i = 0; i < results->poses->len; i++) {
    const GstDeltaCnnPose *pose =
        &g_array_index (results->poses, GstDeltaCnnPose, i);
    gfloat left = G_MAXFLOAT, top = G_MAXFLOAT;
    gfloat right = -G_MAXFLOAT, bottom = -G_MAXFLOAT;

    for (guint k = 0; k < pose->n_keypoints; k++) {
      const GstDeltaCnnKeypoint *point = &g_array_index (results->keypoints,
          GstDeltaCnnKeypoint, pose->first + k);

      if (point->score <= 0)
        continue;
      left = MIN (left, point->x);
      right = MAX (right, point->x);
      top = MIN (top, point->y);
      bottom = MAX (bottom, point->y);
    }
    if (left <= right) {
      const GstDeltaCnnDetection box = {
        .x = left,.y = top,.width = right - left,.height = bottom - top,
        .score = pose->score,.label = results->pose_label,
      };

      g_array_append_val (boxes, box);
    }
  }
  return boxes;
}

/* As upstream's elements look for it. These metas have no field that says how
 * old they are: nothing stale. */
static void
attach_analytics (const GstDeltaCnnResults * results, GstBuffer * buffer,
    guint attach)
{
  const gboolean boxes = results->looks_for_boxes
      || results->detections->len > 0;

  if (boxes || results->looks_for_poses || results->looks_for_classes) {
    g_autoptr (GArray) around = boxes ? g_array_ref (results->detections)
        : boxes_of_poses (results);

    gst_delta_cnn_analytics_attach (buffer, around, results->classes);
  }
  if (results->mask)
    gst_delta_cnn_analytics_attach_mask (buffer, results->mask,
        results->mask_width, results->mask_height, results->mask_classes,
        &results->mask_rectangle, results->frame_width,
        results->frame_height);
  if ((attach & GST_DELTA_CNN_ATTACH_TENSORS) && results->tensors)
    gst_delta_cnn_analytics_attach_tensors (buffer, results->tensors,
        results->tensor_ids);
}

static void
attach_updates (const GstDeltaCnnResults * results, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  const GstDeltaCnnRectangle *r = &results->updates_rectangle;
  GstDeltaCnnUpdateMeta *meta = gst_buffer_add_delta_cnn_update_meta (buffer,
      occasion->source, results->updates_width, results->updates_height,
      results->updates);

  if (!meta)
    return;
  meta->stale = occasion->stale;
  gst_delta_cnn_update_meta_set_rectangle (meta, r->x, r->y, r->w, r->h);
}

static void
attach_stats (const GstDeltaCnnResults * results, GstBuffer * buffer,
    const GstDeltaCnnOccasion * occasion)
{
  GstDeltaCnnStatsMeta *meta =
      gst_buffer_add_delta_cnn_stats_meta (buffer, occasion->source);

  meta->stale = occasion->stale;
  meta->age = occasion->age;
  meta->frames = results->cost.frames;
  meta->changed_share = results->cost.changed_share;
  meta->mac_share = results->cost.mac_share;
  meta->input_time = results->cost.input_time;
  meta->run_time = results->cost.run_time;
  meta->total_time = results->cost.total_time;
  meta->dense = results->cost.dense;
  meta->settled = results->cost.settled;
}

/* What each window has for itself. */
static void
attach_single (const GstDeltaCnnResults * results,
    const GstDeltaCnnPart * part, GstBuffer * buffer, guint attach,
    const GstDeltaCnnOccasion * occasion)
{
  if ((attach & GST_DELTA_CNN_ATTACH_TENSORS) && results->tensors)
    attach_tensors (results, part, buffer, occasion);
  if ((attach & GST_DELTA_CNN_ATTACH_PICTURE) && results->picture)
    attach_picture (results, buffer, occasion);
  if ((attach & GST_DELTA_CNN_ATTACH_VALUES)
      && (results->has_values || results->text))
    attach_values (results, part, buffer, occasion);
}

void
gst_delta_cnn_results_attach (const GstDeltaCnnResults * results,
    GstBuffer * buffer, guint attach, const GstDeltaCnnOccasion * occasion)
{
  const gboolean boxes = results->looks_for_boxes
      || results->detections->len > 0;

  attach_single (results, NULL, buffer, attach, occasion);
  for (guint i = 0; results->parts && i < results->parts->len; i++) {
    const GstDeltaCnnPart *part =
        &g_array_index (results->parts, GstDeltaCnnPart, i);
    attach_single (part->results, part, buffer, attach, occasion);
  }
  if ((attach & GST_DELTA_CNN_ATTACH_SEGMENTATION) && results->mask)
    attach_segmentation (results, buffer, occasion);
  if ((attach & GST_DELTA_CNN_ATTACH_POSES)
      && (results->looks_for_poses || results->poses->len > 0))
    attach_poses (results, buffer, occasion);
  if ((attach & GST_DELTA_CNN_ATTACH_DETECTIONS) && boxes)
    attach_detections (results, buffer, occasion);
  if ((attach & GST_DELTA_CNN_ATTACH_CLASSES) && results->looks_for_classes)
    attach_classes (results, buffer, occasion);
  if (attach & GST_DELTA_CNN_ATTACH_ROI)
    attach_regions (results, buffer, occasion);
  if ((attach & GST_DELTA_CNN_ATTACH_ANALYTICS) && !occasion->stale)
    attach_analytics (results, buffer, attach);
  if ((attach & GST_DELTA_CNN_ATTACH_UPDATES) && results->updates)
    attach_updates (results, buffer, occasion);
  if (attach & GST_DELTA_CNN_ATTACH_STATS)
    attach_stats (results, buffer, occasion);
}

/* Is any cell of the mask more than background? */
static gboolean
mask_found (const GstDeltaCnnResults * results)
{
  const guint8 *data = g_bytes_get_data (results->mask, NULL);
  const gsize count = (gsize) results->mask_width * results->mask_height;
  const guint8 least = results->mask_classes == 1 ? 128 : 1;

  for (gsize i = 0; i < count; i++)
    if (data[i] >= least)
      return TRUE;
  return FALSE;
}

gboolean
gst_delta_cnn_results_found (const GstDeltaCnnResults * results)
{
  for (guint i = 0; results->parts && i < results->parts->len; i++)
    if (gst_delta_cnn_results_found (g_array_index (results->parts,
                GstDeltaCnnPart, i).results))
      return TRUE;
  return results->detections->len > 0 || results->poses->len > 0
      || results->classes->len > 0 || results->picture || results->has_values
      || (results->text && *results->text)
      || (results->mask && mask_found (results));
}
