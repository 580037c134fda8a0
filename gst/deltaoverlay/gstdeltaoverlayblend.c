/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlayblend.c - the canvas onto a frame, in the frame's format.
 *
 * "Over" on premultiplied colours: out = canvas + (1 - alpha) * frame, which
 * being linear holds for luma and chroma too, where the canvas's share of an
 * offset is alpha * offset.
 */
#include "gstdeltaoverlaycanvas.h"

/* x / 255, rounded, for x up to 255 * 255. */
#define DIV255(x) ((((x) + 128) + (((x) + 128) >> 8)) >> 8)

#define ALPHA(p) ((p) >> 24)
#define RED(p) (((p) >> 16) & 0xff)
#define GREEN(p) (((p) >> 8) & 0xff)
#define BLUE(p) ((p) & 0xff)

/* RGB to Y, Cb, Cr in 1/65536: rows of the matrix, then the offset that full
 * alpha (255) brings. */
typedef struct
{
  gint y[4], u[4], v[4];
} YuvMatrix;

static void
set_row (gint * row, gdouble r, gdouble g, gdouble b, gdouble offset)
{
  row[0] = r * 65536;
  row[1] = g * 65536;
  row[2] = b * 65536;
  row[3] = offset / 255 * 65536;
}

static void
yuv_matrix_init (YuvMatrix * m, const GstVideoColorimetry * colorimetry)
{
  gdouble kr = 0.299, kb = 0.114, kg;
  const gboolean full = colorimetry->range == GST_VIDEO_COLOR_RANGE_0_255;
  const gdouble luma = full ? 1 : 219.0 / 255;
  const gdouble chroma = full ? 1 : 224.0 / 255;

  if (!gst_video_color_matrix_get_Kr_Kb (colorimetry->matrix, &kr, &kb)) {
    kr = 0.299;
    kb = 0.114;
  }
  kg = 1 - kr - kb;
  set_row (m->y, luma * kr, luma * kg, luma * kb, full ? 0 : 16);
  set_row (m->u, -chroma * kr / (2 - 2 * kb), -chroma * kg / (2 - 2 * kb),
      chroma / 2, 128);
  set_row (m->v, chroma / 2, -chroma * kg / (2 - 2 * kr),
      -chroma * kb / (2 - 2 * kr), 128);
}

static inline guint8
yuv_over (const gint * row, gint r, gint g, gint b, gint alpha, guint8 under)
{
  const gint value = (row[0] * r + row[1] * g + row[2] * b + row[3] * alpha
      + 32768) >> 16;
  const gint out = value + DIV255 ((255 - alpha) * under);

  return CLAMP (out, 0, 255);
}

static void
blend_rgb_row (const guint32 * canvas, gint count, guint8 * out, gint pixel,
    const gint * offset, gint alpha_offset)
{
  for (gint x = 0; x < count; x++, out += pixel) {
    const guint32 p = canvas[x];
    const guint rest = 255 - ALPHA (p);

    if (rest == 255)
      continue;
    out[offset[0]] = RED (p) + DIV255 (rest * out[offset[0]]);
    out[offset[1]] = GREEN (p) + DIV255 (rest * out[offset[1]]);
    out[offset[2]] = BLUE (p) + DIV255 (rest * out[offset[2]]);
    if (alpha_offset >= 0)
      out[alpha_offset] = ALPHA (p) + DIV255 (rest * out[alpha_offset]);
  }
}

static void
blend_rgb (GstDeltaOverlayCanvas * canvas, GstVideoFrame * frame)
{
  const gint pixel = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, 0);
  const gint offset[3] = {
    GST_VIDEO_FRAME_COMP_POFFSET (frame, 0),
    GST_VIDEO_FRAME_COMP_POFFSET (frame, 1),
    GST_VIDEO_FRAME_COMP_POFFSET (frame, 2)
  };
  const gint alpha_offset = GST_VIDEO_INFO_HAS_ALPHA (&frame->info) ?
      GST_VIDEO_FRAME_COMP_POFFSET (frame, 3) : -1;
  guint8 *out = GST_VIDEO_FRAME_PLANE_DATA (frame, 0);
  const gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);

  for (gint y = 0; y < canvas->height; y++) {
    const gint left = canvas->left[y];
    if (left < canvas->right[y])
      blend_rgb_row (canvas->pixels + (gsize) y * canvas->stride_px + left,
          canvas->right[y] - left, out + (gssize) y * stride + left * pixel,
          pixel, offset, alpha_offset);
  }
}

static void
blend_luma (GstDeltaOverlayCanvas * canvas, GstVideoFrame * frame,
    const YuvMatrix * m)
{
  const gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);

  for (gint y = 0; y < canvas->height; y++) {
    const guint32 *from = canvas->pixels + (gsize) y * canvas->stride_px;
    guint8 *out = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0)
        + (gssize) y * stride;

    for (gint x = canvas->left[y]; x < canvas->right[y]; x++) {
      const guint32 p = from[x];
      if (ALPHA (p))
        out[x] = yuv_over (m->y, RED (p), GREEN (p), BLUE (p), ALPHA (p),
            out[x]);
    }
  }
}

/* One row of chroma: the mean of 2 x 2 canvas pixels (fewer at odd edges). */
static void
blend_chroma_row (const guint32 * top, const guint32 * bottom, gint width,
    gint left, gint right, guint8 * u, guint8 * v, gint pixel,
    const YuvMatrix * m)
{
  for (gint cx = left / 2; cx < (right + 1) / 2; cx++) {
    const gint x0 = 2 * cx, x1 = MIN (2 * cx + 1, width - 1);
    const guint32 p[4] = { top[x0], top[x1], bottom[x0], bottom[x1] };
    gint a = 2, r = 2, g = 2, b = 2;

    for (guint i = 0; i < 4; i++) {
      a += ALPHA (p[i]);
      r += RED (p[i]);
      g += GREEN (p[i]);
      b += BLUE (p[i]);
    }
    if (a >= 4) {
      u[cx * pixel] = yuv_over (m->u, r / 4, g / 4, b / 4, a / 4,
          u[cx * pixel]);
      v[cx * pixel] = yuv_over (m->v, r / 4, g / 4, b / 4, a / 4,
          v[cx * pixel]);
    }
  }
}

static void
blend_chroma (GstDeltaOverlayCanvas * canvas, GstVideoFrame * frame,
    const YuvMatrix * m)
{
  const gint pixel = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, 1);

  for (gint y = 0; y < canvas->height; y += 2) {
    const gint next = MIN (y + 1, canvas->height - 1);
    const gint left = MIN (canvas->left[y], canvas->left[next]);
    const gint right = MAX (canvas->right[y], canvas->right[next]);
    guint8 *u = (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, 1)
        + (gssize) (y / 2) * GST_VIDEO_FRAME_COMP_STRIDE (frame, 1);
    guint8 *v = (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, 2)
        + (gssize) (y / 2) * GST_VIDEO_FRAME_COMP_STRIDE (frame, 2);

    if (left < right)
      blend_chroma_row (canvas->pixels + (gsize) y * canvas->stride_px,
          canvas->pixels + (gsize) next * canvas->stride_px, canvas->width,
          left, right, u, v, pixel, m);
  }
}

void
gst_delta_overlay_canvas_blend (GstDeltaOverlayCanvas * canvas,
    GstVideoFrame * frame)
{
  YuvMatrix matrix;

  g_return_if_fail (GST_VIDEO_FRAME_WIDTH (frame) == canvas->width);
  g_return_if_fail (GST_VIDEO_FRAME_HEIGHT (frame) == canvas->height);

  cairo_surface_flush (canvas->surface);
  if (GST_VIDEO_INFO_IS_RGB (&frame->info)) {
    blend_rgb (canvas, frame);
    return;
  }
  yuv_matrix_init (&matrix, &frame->info.colorimetry);
  blend_luma (canvas, frame, &matrix);
  if (GST_VIDEO_FRAME_N_COMPONENTS (frame) >= 3)
    blend_chroma (canvas, frame, &matrix);
}
