/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnregions.c - where on the frame is inferred: the rectangles of a
 * property, and those that others have put on the buffer.
 */
#include "gstdeltacnn.h"

#include <math.h>

#include "gstdeltacnnerror.h"

#define GST_CAT_DEFAULT gst_delta_cnn_debug

/* "x,y,w,h;..." as an array of DcnnRegion, new; NULL with error. */
static GArray *
parse_regions (const gchar * text, GError ** error)
{
  g_autoptr (GArray) regions = g_array_new (FALSE, FALSE, sizeof (DcnnRegion));
  g_auto (GStrv) parts = g_strsplit (text ? text : "", ";", -1);

  for (guint i = 0; parts[i]; i++) {
    g_auto (GStrv) numbers = g_strsplit (parts[i], ",", -1);
    gfloat v[4];
    gboolean good = g_strv_length (numbers) == 4;

    if (!*g_strstrip (parts[i]) && !parts[i + 1])
      break;
    for (guint k = 0; good && k < 4; k++) {
      gchar *end;
      v[k] = (gfloat) g_ascii_strtod (numbers[k], &end);
      good = end != numbers[k] && !*g_strchug (end) && isfinite (v[k])
          && fabsf (v[k]) < 1e6f && (k < 2 || v[k] >= 0);
    }
    if (!good || regions->len == DCNN_REGIONS_MOST) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "Property regions is \"%.200s\"; give up to %d rectangles of the "
          "frame as \"x,y,width,height;x,y,width,height\", pixels", text,
          DCNN_REGIONS_MOST);
      return NULL;
    }
    g_array_append_vals (regions, &(DcnnRegion) {
        v[0], v[1], v[2], v[3]}, 1);
  }
  return g_steal_pointer (&regions);
}

/* One more rectangle; what is too many widens the last. */
static void
add_region (GArray * regions, const DcnnRegion * r)
{
  DcnnRegion *last;
  gfloat right, bottom;

  if (regions->len < DCNN_REGIONS_MOST) {
    g_array_append_vals (regions, r, 1);
    return;
  }
  last = &g_array_index (regions, DcnnRegion, regions->len - 1);
  right = MAX (last->x + last->width, r->x + r->width);
  bottom = MAX (last->y + last->height, r->y + r->height);
  last->x = MIN (last->x, r->x);
  last->y = MIN (last->y, r->y);
  last->width = right - last->x;
  last->height = bottom - last->y;
}

/* A rectangle without size, where all of them say that there is nothing: else
 * none would mean everywhere. */
static void
add_metas (GstDeltaCnn * self, GstBuffer * buffer)
{
  const gchar *type = self->active.roi_type;
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    const GstVideoRegionOfInterestMeta *roi =
        (const GstVideoRegionOfInterestMeta *) meta;
    /* signed: who writes -6 into the meta's unsigned x means left of the frame */
    if (!type || !*type
        || g_strcmp0 (type, g_quark_to_string (roi->roi_type)) == 0)
      add_region (self->regions, &(DcnnRegion) {
          (gint) roi->x, (gint) roi->y, roi->w, roi->h});
  }
  if (self->regions->len == 0)
    add_region (self->regions, &(DcnnRegion) {
        0, 0, 0, 0});
}

gboolean
gst_delta_cnn_regions_take_settings (GstDeltaCnn * self, GstMessageType type)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->fixed_regions, g_array_unref);
  self->fixed_regions = parse_regions (self->active.regions,
      &error);
  if (error)
    gst_delta_cnn_error_post (GST_ELEMENT (self), type, error,
        type == GST_MESSAGE_ERROR ? "reading regions" :
        "reading regions; frames are inferred everywhere");
  return error == NULL;
}

const GArray *
gst_delta_cnn_regions_of (GstDeltaCnn * self, GstBuffer * buffer)
{
  const gboolean fixed = self->fixed_regions && self->fixed_regions->len > 0;
  const DcnnDeviceKind *kind =
      dcnn_device_named (gst_delta_cnn_runner_get_device (self->runner));

  if (!fixed && !self->active.roi_metas)
    return NULL;
  if (self->active.windows == 0 && !kind->regions) {
    if (!self->told_regions)
      GST_ELEMENT_WARNING (self, STREAM, FAILED,
          ("Frames are inferred everywhere: device=%s knows no regions; use "
              "device=cpu for them.", kind->name), (NULL));
    self->told_regions = TRUE;
    return NULL;
  }
  if (!self->regions)
    self->regions = g_array_sized_new (FALSE, FALSE, sizeof (DcnnRegion),
        DCNN_REGIONS_MOST);
  g_array_set_size (self->regions, 0);
  if (fixed)
    g_array_append_vals (self->regions, self->fixed_regions->data,
        self->fixed_regions->len);
  if (self->active.roi_metas)
    add_metas (self, buffer);
  return self->regions;
}

void
gst_delta_cnn_regions_clear (GstDeltaCnn * self)
{
  g_clear_pointer (&self->fixed_regions, g_array_unref);
  g_clear_pointer (&self->regions, g_array_unref);
}
