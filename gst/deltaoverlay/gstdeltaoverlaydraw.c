/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaydraw.c - see gstdeltaoverlaydraw.h. Here: style, colours,
 * skeletons and boxes.
 */
#include "gstdeltaoverlaydraw.h"

#include <math.h>

void
gst_delta_overlay_style_init (GstDeltaOverlayStyle * style)
{
  *style = (GstDeltaOverlayStyle) {
    .masks = TRUE,
    .skeletons = TRUE,
    .boxes = TRUE,
    .classes = TRUE,
    .labels = TRUE,
    .scores = TRUE,
    .updates = FALSE,
    .stats = TRUE,
    .mask_alpha = 0.4,
    .update_alpha = 0.5,
    .keypoint_threshold = 0.3,
    .update_color = 0xff3d9a,
    .background_color = 0x2b5d4a,
  };
}

GstDeltaOverlayColor
gst_delta_overlay_color (guint index)
{
  /* Bright on video, neighbours far apart in hue. */
  static const guint palette[] = {
    0x3da5ff, 0xffb020, 0x38d97c, 0xff5a5f, 0xb07cff, 0x1fd6d0, 0xff7ac2,
    0xd7e03c, 0xff8a3d, 0x6f8cff, 0x8be04e, 0xe85bff, 0x4de3a4, 0xffd84d,
    0xff6f8f, 0x5cc8ff, 0xc0a060, 0x9fb4ff, 0x72c08a, 0xf2a0ff
  };
  const guint rgb = palette[index % G_N_ELEMENTS (palette)];

  return (GstDeltaOverlayColor) {
  (rgb >> 16) / 255.0, ((rgb >> 8) & 0xff) / 255.0, (rgb & 0xff) / 255.0};
}

/* 1 for a frame of 480 lines. */
static gdouble
canvas_unit (const GstDeltaOverlayCanvas * canvas)
{
  return MIN (canvas->width, canvas->height) / 480.0;
}

gdouble
gst_delta_overlay_line_width (const GstDeltaOverlayStyle * style,
    const GstDeltaOverlayCanvas * canvas)
{
  return style->line_width > 0 ? style->line_width :
      MAX (2.2 * canvas_unit (canvas), 1.2);
}

gdouble
gst_delta_overlay_font_size (const GstDeltaOverlayStyle * style,
    const GstDeltaOverlayCanvas * canvas)
{
  return style->font_size > 0 ? style->font_size :
      MAX (13 * canvas_unit (canvas), 9);
}

static void
set_color (cairo_t * cr, GstDeltaOverlayColor color, gdouble alpha)
{
  cairo_set_source_rgba (cr, color.red, color.green, color.blue, alpha);
}

/* Hues around the circle, for the limbs of one person. */
static GstDeltaOverlayColor
limb_color (guint index, guint count)
{
  const gdouble hue = 6.0 * index / MAX (count, 1);
  GstDeltaOverlayColor color;

  color.red = CLAMP (fabs (hue - 3) - 1, 0, 1);
  color.green = CLAMP (2 - fabs (hue - 2), 0, 1);
  color.blue = CLAMP (2 - fabs (hue - 4), 0, 1);
  color.red = 0.25 + 0.75 * color.red;
  color.green = 0.25 + 0.75 * color.green;
  color.blue = 0.25 + 0.75 * color.blue;
  return color;
}

static gboolean
get_joint (const GstDeltaOverlayStyle * style, const GstDeltaCnnPoseMeta * meta,
    guint pose, guint index, GstDeltaCnnKeypoint * joint)
{
  return gst_delta_cnn_pose_meta_get_keypoint (meta, pose, index, joint)
      && joint->score >= style->keypoint_threshold && isfinite (joint->x)
      && isfinite (joint->y);
}

static void
draw_limbs (GstDeltaOverlayCanvas * canvas, const GstDeltaOverlayStyle * style,
    const GstDeltaCnnPoseMeta * meta, guint pose, gdouble width)
{
  const guint n_edges = gst_delta_cnn_pose_meta_get_n_edges (meta);
  const gboolean alone = gst_delta_cnn_pose_meta_get_n_poses (meta) == 1;
  cairo_t *cr = canvas->cr;

  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < n_edges; i++) {
      GstDeltaCnnKeypoint a, b;
      guint from, to;

      gst_delta_cnn_pose_meta_get_edge (meta, i, &from, &to);
      if (!get_joint (style, meta, pose, from, &a)
          || !get_joint (style, meta, pose, to, &b))
        continue;
      cairo_move_to (cr, a.x, a.y);
      cairo_line_to (cr, b.x, b.y);
      if (pass == 0) {
        cairo_set_source_rgba (cr, 0, 0, 0, 0.45);
        cairo_set_line_width (cr, 2.4 * width);
      } else {
        set_color (cr, alone ? limb_color (i, n_edges) :
            gst_delta_overlay_color (pose), 0.95);
        cairo_set_line_width (cr, 1.4 * width);
      }
      cairo_stroke (cr);
      gst_delta_overlay_canvas_mark (canvas, MIN (a.x, b.x) - 3 * width,
          MIN (a.y, b.y) - 3 * width, fabsf (a.x - b.x) + 6 * width,
          fabsf (a.y - b.y) + 6 * width);
    }
  }
}

static void
draw_joints (GstDeltaOverlayCanvas * canvas, const GstDeltaOverlayStyle * style,
    const GstDeltaCnnPoseMeta * meta, guint pose, gdouble width)
{
  const guint n = gst_delta_cnn_pose_meta_get_n_keypoints (meta, pose);
  const gdouble radius = 1.3 * width;
  cairo_t *cr = canvas->cr;

  cairo_set_line_width (cr, 0.8 * width);
  for (guint i = 0; i < n; i++) {
    GstDeltaCnnKeypoint joint;

    if (!get_joint (style, meta, pose, i, &joint))
      continue;
    cairo_arc (cr, joint.x, joint.y, radius, 0, 2 * G_PI);
    cairo_set_source_rgba (cr, 1, 1, 1, 0.95);
    cairo_fill_preserve (cr);
    set_color (cr, gst_delta_overlay_color (pose), 1);
    cairo_stroke (cr);
    gst_delta_overlay_canvas_mark (canvas, joint.x - 2 * width - 1,
        joint.y - 2 * width - 1, 4 * width + 2, 4 * width + 2);
  }
}

void
gst_delta_overlay_draw_poses (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnPoseMeta * meta)
{
  const gdouble width = gst_delta_overlay_line_width (style, canvas);

  for (guint i = 0; i < gst_delta_cnn_pose_meta_get_n_poses (meta); i++) {
    draw_limbs (canvas, style, meta, i, width);
    draw_joints (canvas, style, meta, i, width);
  }
}

void
gst_delta_overlay_rounded_rectangle (cairo_t * cr, gdouble x, gdouble y,
    gdouble w, gdouble h, gdouble radius)
{
  const gdouble r = MAX (MIN (radius, MIN (w, h) / 2), 0);

  cairo_new_sub_path (cr);
  cairo_arc (cr, x + w - r, y + r, r, -G_PI / 2, 0);
  cairo_arc (cr, x + w - r, y + h - r, r, 0, G_PI / 2);
  cairo_arc (cr, x + r, y + h - r, r, G_PI / 2, G_PI);
  cairo_arc (cr, x + r, y + r, r, G_PI, 3 * G_PI / 2);
  cairo_close_path (cr);
}

gboolean
gst_delta_overlay_legend_row (GstDeltaOverlayCanvas * canvas, gdouble size,
    guint row, const gchar * text, gdouble * left, gdouble * top)
{
  cairo_t *cr = canvas->cr;
  cairo_text_extents_t extents;
  gdouble width;

  cairo_select_font_face (cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
      CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, 0.9 * size);
  cairo_text_extents (cr, text, &extents);
  width = extents.x_advance + 3.4 * size;
  *left = canvas->width - width - 0.6 * size;
  *top = canvas->height - 2.4 * size - 2 * size * row;
  if (*left < 0 || *top < 0)
    return FALSE;
  gst_delta_overlay_rounded_rectangle (cr, *left, *top, width, 1.8 * size,
      0.4 * size);
  cairo_set_source_rgba (cr, 0.03, 0.05, 0.08, 0.7);
  cairo_fill (cr);
  cairo_set_source_rgba (cr, 1, 1, 1, 0.9);
  cairo_move_to (cr, *left + 2.8 * size, *top + 1.2 * size);
  cairo_show_text (cr, text);
  gst_delta_overlay_canvas_mark (canvas, *left - 1, *top - 1, width + 2,
      1.8 * size + 2);
  return TRUE;
}

/* "person 87 %", as far as the style wants it; new text or NULL. */
static gchar *
label_text (const GstDeltaOverlayStyle * style, GQuark quark, gint class_id,
    gfloat score)
{
  const gchar *label = g_quark_to_string (quark);
  g_autofree gchar *number = NULL;
  const gint percent = lround (100.0 * CLAMP (score, 0, 1));

  if (!label)
    label = number = g_strdup_printf ("class %d", class_id);
  if (style->labels && style->scores)
    return g_strdup_printf ("%s %d %%", label, percent);
  if (style->labels)
    return g_strdup (label);
  return style->scores ? g_strdup_printf ("%d %%", percent) : NULL;
}

/* A filled tag over the box's top edge, or below it at the frame's top; farther away
 * where another tag is in its way. */
static void
draw_tag (GstDeltaOverlayCanvas * canvas, GstDeltaOverlayColor color,
    const gchar * text, gdouble x, gdouble y, gdouble line, gdouble size)
{
  /* after a text that is no UTF-8 cairo would draw nothing any more */
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);
  cairo_t *cr = canvas->cr;
  cairo_text_extents_t extents;
  const gdouble pad = 0.35 * size;
  GstDeltaOverlayTag tag = {.height = 1.4 * size };
  gboolean below;

  cairo_select_font_face (cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
      CAIRO_FONT_WEIGHT_BOLD);
  cairo_set_font_size (cr, size);
  cairo_text_extents (cr, valid, &extents);
  tag.width = extents.x_advance + 2 * pad;
  tag.left = CLAMP (x - line / 2, 0, MAX (canvas->width - tag.width, 0));
  below = y - tag.height - line / 2 < 0;
  tag.top = below ? y + line / 2 : y - tag.height;
  gst_delta_overlay_canvas_place_tag (canvas, &tag, below);
  gst_delta_overlay_rounded_rectangle (cr, tag.left, tag.top, tag.width,
      tag.height, 0.25 * size);
  set_color (cr, color, 0.9);
  cairo_fill (cr);
  if (0.299 * color.red + 0.587 * color.green + 0.114 * color.blue > 0.55)
    cairo_set_source_rgb (cr, 0.05, 0.07, 0.1);
  else
    cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_move_to (cr, tag.left + pad, tag.top + 1.03 * size);
  cairo_show_text (cr, valid);
  gst_delta_overlay_canvas_mark (canvas, tag.left - 1, tag.top - 1,
      tag.width + 2, tag.height + 2);
}

static gboolean
can_be_drawn (const GstDeltaCnnDetection * box)
{
  return isfinite (box->x) && isfinite (box->y) && box->width > 0
      && box->height > 0 && isfinite (box->width) && isfinite (box->height);
}

void
gst_delta_overlay_draw_box_tag (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnDetection * box)
{
  g_autofree gchar *text = label_text (style, box->label, box->class_id,
      box->score);

  if (text && can_be_drawn (box))
    draw_tag (canvas, gst_delta_overlay_color (MAX (box->class_id, 0)), text,
        box->x, box->y, gst_delta_overlay_line_width (style, canvas),
        gst_delta_overlay_font_size (style, canvas));
}

void
gst_delta_overlay_draw_box (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnDetection * box)
{
  const gdouble line = gst_delta_overlay_line_width (style, canvas);
  const GstDeltaOverlayColor color =
      gst_delta_overlay_color (MAX (box->class_id, 0));
  cairo_t *cr = canvas->cr;
  gdouble outer;

  if (!can_be_drawn (box))
    return;
  outer = box->angle != 0 ? hypotf (box->width, box->height) : 0;
  cairo_save (cr);
  if (box->angle != 0 && isfinite (box->angle)) {
    cairo_translate (cr, box->x + box->width / 2, box->y + box->height / 2);
    cairo_rotate (cr, box->angle);
    cairo_translate (cr, -box->x - box->width / 2, -box->y - box->height / 2);
  }
  gst_delta_overlay_rounded_rectangle (cr, box->x, box->y, box->width,
      box->height, 2 * line);
  cairo_restore (cr);
  set_color (cr, color, 0.08);
  cairo_fill_preserve (cr);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.4);
  cairo_set_line_width (cr, 1.9 * line);
  cairo_stroke_preserve (cr);
  set_color (cr, color, 0.95);
  cairo_set_line_width (cr, line);
  cairo_stroke (cr);
  gst_delta_overlay_canvas_mark (canvas,
      box->x + (box->width - MAX (outer, box->width)) / 2 - line,
      box->y + (box->height - MAX (outer, box->height)) / 2 - line,
      MAX (outer, box->width) + 2 * line, MAX (outer, box->height) + 2 * line);
}

/* The best so many classes are drawn. */
#define MAX_CLASSES_DRAWN 5

void
gst_delta_overlay_draw_classes (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnClassMeta * meta,
    guint * row)
{
  const gdouble size = 1.1 * gst_delta_overlay_font_size (style, canvas);
  const gdouble line = gst_delta_overlay_line_width (style, canvas);
  const guint n = MIN (meta->classes->len, MAX_CLASSES_DRAWN);

  for (guint i = n; i-- > 0;) {
    const GstDeltaCnnLabel *item =
        &g_array_index (meta->classes, GstDeltaCnnLabel, i);
    g_autofree gchar *text = label_text (style, item->label, item->class_id,
        item->score);

    if (text)
      draw_tag (canvas, gst_delta_overlay_color (MAX (item->class_id, 0)),
          text, 0.6 * size + line / 2, canvas->height - 0.4 * size
          - 1.6 * size * (*row)++, line, size);
  }
}

/* More numbers than these are counted, not written. */
#define MAX_VALUES_DRAWN 8

void
gst_delta_overlay_draw_values (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnValueMeta * meta,
    guint * row)
{
  const gdouble size = 1.1 * gst_delta_overlay_font_size (style, canvas);
  const gdouble line = gst_delta_overlay_line_width (style, canvas);
  const guint n = meta->values->len > MAX_VALUES_DRAWN ? 1 : meta->values->len;
  const guint rows = n + (meta->text && *meta->text ? 1 : 0);
  const gdouble step = 1.6 * size;
  gdouble x = 0.6 * size + line / 2, y;

  if (meta->w > 0 && isfinite (meta->x) && isfinite (meta->y + meta->h)) {
    /* below what they are about, as far as the frame goes */
    x = meta->x;
    y = CLAMP (meta->y + meta->h, 0, canvas->height - rows * step)
        + rows * step;
  } else {
    y = canvas->height - 0.4 * size - step * *row;
    *row += rows;
  }
  for (guint i = 0; i < rows; i++) {
    g_autofree gchar *text = NULL;
    const gchar *name = NULL;
    gfloat value = 0;

    if (i == n)
      text = g_strdup (meta->text);
    else if (meta->values->len > MAX_VALUES_DRAWN)
      text = g_strdup_printf ("%u numbers", meta->values->len);
    else if (gst_delta_cnn_value_meta_get_value (meta, i, &value, &name))
      text = g_strdup_printf ("%s%s%.3g", name ? name : "", name ? " " : "",
          value);
    if (text)
      draw_tag (canvas, gst_delta_overlay_color (i), text, x, y - step * i,
          line, size);
  }
}
