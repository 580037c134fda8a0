/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaybackground.c - what lies around the objects of a mask made a
 * blur, a colour or a picture; see gstdeltaoverlaybackground.h.
 */
#include "gstdeltaoverlaybackground.h"

#include <math.h>
#include <string.h>

/* Three box filters of five pixels are a Gaussian of this sigma: the picture
 * is made so small that it is the one asked for. */
#define BOX 2
#define BOX_PASSES 3
#define BOX_SIGMA 2.45
/* Sigma for a frame of 480 lines. */
#define DEFAULT_SIGMA 18

struct GstDeltaOverlayBackground
{
  gint width, height;
  guint8 *keep;                 /* [height][width]: 255: object */
  cairo_surface_t *full;        /* what is put around, of the frame's size */
  GstDeltaOverlayBackgroundKind kind; /* that full holds */
  guint color;
  gchar *picture;
  /* Blur. */
  GstVideoConverter *converter;
  GstVideoInfo small_info;
  GstBuffer *small;
  guint32 *line;                /* a row or column of it */
};

GType
gst_delta_overlay_background_get_type (void)
{
  static const GEnumValue values[] = {
    {GST_DELTA_OVERLAY_BACKGROUND_KEEP, "As it is", "keep"},
    {GST_DELTA_OVERLAY_BACKGROUND_BLUR, "Blurred", "blur"},
    {GST_DELTA_OVERLAY_BACKGROUND_COLOR, "One colour", "colour"},
    {GST_DELTA_OVERLAY_BACKGROUND_PICTURE, "A picture", "picture"},
    {0, NULL, NULL}
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        (gsize) g_enum_register_static ("GstDeltaOverlayBackground", values));
  return (GType) type;
}

GstDeltaOverlayBackground *
gst_delta_overlay_background_new (gint width, gint height)
{
  g_autoptr (GstDeltaOverlayBackground) self =
      g_new0 (GstDeltaOverlayBackground, 1);

  self->width = width;
  self->height = height;
  self->keep = g_try_malloc ((gsize) width * height);
  self->full = cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height);
  if (!self->keep
      || cairo_surface_status (self->full) != CAIRO_STATUS_SUCCESS)
    return NULL;
  return g_steal_pointer (&self);
}

void
gst_delta_overlay_background_free (GstDeltaOverlayBackground * self)
{
  if (!self)
    return;
  g_clear_pointer (&self->full, cairo_surface_destroy);
  g_clear_pointer (&self->converter, gst_video_converter_free);
  gst_clear_buffer (&self->small);
  g_free (self->picture);
  g_free (self->keep);
  g_free (self->line);
  g_free (self);
}

/* ---- blur ---------------------------------------------------------------- */

static void
box_line (guint32 * line, guint8 * out, gint count, gint step)
{
  for (gint i = 0; i < count; i++)
    memcpy (&line[i], out + (gsize) i * step, 4);
  for (gint i = 0; i < count; i++) {
    guint sum[3] = { 0, 0, 0 };

    for (gint k = -BOX; k <= BOX; k++) {
      const guint32 p = line[CLAMP (i + k, 0, count - 1)];
      sum[0] += p & 0xff;
      sum[1] += (p >> 8) & 0xff;
      sum[2] += (p >> 16) & 0xff;
    }
    {
      const guint n = 2 * BOX + 1;
      const guint32 mean = (sum[0] + BOX) / n | (sum[1] + BOX) / n << 8
          | (sum[2] + BOX) / n << 16;
      memcpy (out + (gsize) i * step, &mean, 4);
    }
  }
}

/* Makes the frame small and soft in self->small. FALSE: it cannot be. */
static gboolean
make_small (GstDeltaOverlayBackground * self, GstVideoFrame * frame,
    gdouble sigma)
{
  const gdouble factor = MAX (sigma / BOX_SIGMA, 1);
  const gint width = MAX (self->width / factor, 1);
  const gint height = MAX (self->height / factor, 1);
  GstVideoFrame small;
  guint8 *data;
  gint stride;

  if (!self->converter || GST_VIDEO_INFO_WIDTH (&self->small_info) != width
      || GST_VIDEO_INFO_HEIGHT (&self->small_info) != height) {
    GstVideoInfo in = frame->info;

    g_clear_pointer (&self->converter, gst_video_converter_free);
    gst_clear_buffer (&self->small);
    g_free (self->line);
    self->line = g_new (guint32, MAX (width, height));
    /* cairo's pixels: native-endian 32 bits. */
    gst_video_info_set_format (&self->small_info,
        G_BYTE_ORDER == G_LITTLE_ENDIAN ? GST_VIDEO_FORMAT_BGRx :
        GST_VIDEO_FORMAT_xRGB, width, height);
    /* The converter wants these to be equal. */
    in.fps_n = self->small_info.fps_n;
    in.fps_d = self->small_info.fps_d;
    in.interlace_mode = self->small_info.interlace_mode;
    self->small = gst_buffer_new_allocate (NULL, self->small_info.size, NULL);
    self->converter = gst_video_converter_new (&in, &self->small_info, NULL);
  }
  if (!self->converter || !self->small
      || !gst_video_frame_map (&small, &self->small_info, self->small,
          GST_MAP_READWRITE))
    return FALSE;
  gst_video_converter_frame (self->converter, frame, &small);
  data = GST_VIDEO_FRAME_PLANE_DATA (&small, 0);
  stride = GST_VIDEO_FRAME_PLANE_STRIDE (&small, 0);
  for (guint pass = 0; pass < BOX_PASSES; pass++) {
    for (gint y = 0; y < height; y++)
      box_line (self->line, data + (gsize) y * stride, width, 4);
    for (gint x = 0; x < width; x++)
      box_line (self->line, data + 4 * (gsize) x, height, stride);
  }
  gst_video_frame_unmap (&small);
  return TRUE;
}

/* Paints source, of that size, over all of full, keeping its shape or not. */
static void
paint_full (GstDeltaOverlayBackground * self, cairo_surface_t * source,
    gint width, gint height, gboolean keep_shape)
{
  cairo_t *cr = cairo_create (self->full);
  gdouble scale_x = (gdouble) self->width / width;
  gdouble scale_y = (gdouble) self->height / height;

  if (keep_shape)
    scale_x = scale_y = MAX (scale_x, scale_y);
  cairo_translate (cr, (self->width - scale_x * width) / 2,
      (self->height - scale_y * height) / 2);
  cairo_scale (cr, scale_x, scale_y);
  cairo_set_source_surface (cr, source, 0, 0);
  cairo_pattern_set_extend (cairo_get_source (cr), CAIRO_EXTEND_PAD);
  cairo_pattern_set_filter (cairo_get_source (cr), CAIRO_FILTER_BILINEAR);
  cairo_paint (cr);
  cairo_destroy (cr);
}

static void
make_blur (GstDeltaOverlayBackground * self, GstVideoFrame * frame,
    const GstDeltaOverlayStyle * style)
{
  const gdouble unit = MIN (self->width, self->height) / 480.0;
  GstMapInfo map;
  cairo_surface_t *small;

  if (!make_small (self, frame, style->background_blur > 0 ?
          style->background_blur : DEFAULT_SIGMA * unit)
      || !gst_buffer_map (self->small, &map, GST_MAP_READ))
    return;
  small = cairo_image_surface_create_for_data (map.data, CAIRO_FORMAT_RGB24,
      GST_VIDEO_INFO_WIDTH (&self->small_info),
      GST_VIDEO_INFO_HEIGHT (&self->small_info),
      GST_VIDEO_INFO_PLANE_STRIDE (&self->small_info, 0));
  paint_full (self, small, GST_VIDEO_INFO_WIDTH (&self->small_info),
      GST_VIDEO_INFO_HEIGHT (&self->small_info), FALSE);
  cairo_surface_destroy (small);
  gst_buffer_unmap (self->small, &map);
}

/* ---- colour, picture ----------------------------------------------------- */

static void
make_color (GstDeltaOverlayBackground * self, guint color)
{
  cairo_t *cr;

  if (self->kind == GST_DELTA_OVERLAY_BACKGROUND_COLOR && self->color == color)
    return;
  cr = cairo_create (self->full);
  cairo_set_source_rgb (cr, ((color >> 16) & 0xff) / 255.0,
      ((color >> 8) & 0xff) / 255.0, (color & 0xff) / 255.0);
  cairo_paint (cr);
  cairo_destroy (cr);
  self->kind = GST_DELTA_OVERLAY_BACKGROUND_COLOR;
  self->color = color;
}

/* FALSE with error set: the picture cannot be read. */
static gboolean
make_picture (GstDeltaOverlayBackground * self, const gchar * path,
    GError ** error)
{
  cairo_surface_t *picture;
  cairo_status_t status;

  if (self->kind == GST_DELTA_OVERLAY_BACKGROUND_PICTURE
      && g_strcmp0 (path, self->picture) == 0)
    return TRUE;
  picture = cairo_image_surface_create_from_png (path ? path : "");
  status = cairo_surface_status (picture);
  if (status == CAIRO_STATUS_SUCCESS) {
    paint_full (self, picture, cairo_image_surface_get_width (picture),
        cairo_image_surface_get_height (picture), TRUE);
    self->kind = GST_DELTA_OVERLAY_BACKGROUND_PICTURE;
    g_free (self->picture);
    self->picture = g_strdup (path);
  } else if (path) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
        "background-picture %s cannot be read: %s. Give a PNG file.", path,
        cairo_status_to_string (status));
  } else {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
        "background=picture has no picture. Give a PNG file by "
        "background-picture.");
  }
  cairo_surface_destroy (picture);
  return status == CAIRO_STATUS_SUCCESS;
}

/* ---- all ----------------------------------------------------------------- */

static gboolean
collect_masks (GstDeltaOverlayBackground * self, GstBuffer * buffer)
{
  gpointer state = NULL;
  gboolean any = FALSE;
  GstMeta *meta;

  memset (self->keep, 0, (gsize) self->width * self->height);
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_DELTA_CNN_SEGMENTATION_META_API_TYPE))) {
    gst_delta_overlay_mask_cover ((GstDeltaCnnSegmentationMeta *) meta,
        self->keep, self->width, self->height);
    any = TRUE;
  }
  return any;
}

/* full onto the canvas, but for what is kept. */
static void
put_around (GstDeltaOverlayBackground * self, GstDeltaOverlayCanvas * canvas)
{
  const guint8 *data;
  const gint stride = cairo_image_surface_get_stride (self->full);

  cairo_surface_flush (self->full);
  cairo_surface_flush (canvas->surface);
  data = cairo_image_surface_get_data (self->full);
  for (gint y = 0; y < self->height; y++) {
    const guint32 *from = (const guint32 *) (const void *) (data
        + (gsize) y * stride);
    const guint8 *keep = self->keep + (gsize) y * self->width;
    guint32 *to = canvas->pixels + (gsize) y * canvas->stride_px;

    for (gint x = 0; x < self->width; x++) {
      const guint alpha = 255 - keep[x];
      const guint32 p = from[x];

      if (alpha == 0)
        continue;
      to[x] = alpha << 24 | ((p >> 16 & 0xff) * alpha + 127) / 255 << 16
          | ((p >> 8 & 0xff) * alpha + 127) / 255 << 8
          | ((p & 0xff) * alpha + 127) / 255;
    }
  }
  cairo_surface_mark_dirty (canvas->surface);
  gst_delta_overlay_canvas_mark (canvas, 0, 0, self->width, self->height);
}

gboolean
gst_delta_overlay_background_draw (GstDeltaOverlayBackground * self,
    GstDeltaOverlayCanvas * canvas, const GstDeltaOverlayStyle * style,
    const gchar * picture, GstVideoFrame * frame, GError ** error)
{
  const gboolean masked = collect_masks (self, frame->buffer);
  gboolean ok = TRUE;

  if (style->background == GST_DELTA_OVERLAY_BACKGROUND_BLUR) {
    self->kind = GST_DELTA_OVERLAY_BACKGROUND_BLUR;
    make_blur (self, frame, style);
  } else if (style->background == GST_DELTA_OVERLAY_BACKGROUND_COLOR
      || !make_picture (self, picture, error)) {
    ok = style->background == GST_DELTA_OVERLAY_BACKGROUND_COLOR;
    make_color (self, style->background_color);
  }
  put_around (self, canvas);
  if (!masked && ok) {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
        "There is no mask on the frames, so all of them is background. Put "
        "deltacnn with a segmentation model before, model=people-seg say, and "
        "leave \"segmentation\" in its attach.");
    return FALSE;
  }
  return ok;
}
