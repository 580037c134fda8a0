/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaydraw.h - what is drawn, and how it looks.
 *
 * Each function draws one meta on the canvas and marks what it touched. Sizes
 * follow the frame: `unit` is 1 for a frame of 480 lines.
 */
#ifndef GST_DELTA_OVERLAY_DRAW_H
#define GST_DELTA_OVERLAY_DRAW_H

#include "gstdeltacnnmetas.h"
#include "gstdeltaoverlaycanvas.h"

G_BEGIN_DECLS

/* What is done with what no mask covers. */
typedef enum
{
  GST_DELTA_OVERLAY_BACKGROUND_KEEP,
  GST_DELTA_OVERLAY_BACKGROUND_BLUR,
  GST_DELTA_OVERLAY_BACKGROUND_COLOR,
  GST_DELTA_OVERLAY_BACKGROUND_PICTURE,
} GstDeltaOverlayBackgroundKind;
GType gst_delta_overlay_background_get_type (void);

/* The properties, as plain data. */
typedef struct
{
  gboolean masks, skeletons, boxes, labels, scores, updates, stats, classes,
      motion;
  gdouble mask_alpha, update_alpha; /* 0..1 */
  gdouble line_width;          /* px; 0: by the frame's size */
  gdouble font_size;           /* px; 0: by the frame's size */
  gdouble keypoint_threshold;  /* score from which a key point is drawn */
  gboolean background_class;   /* class 0 of a mask of many is coloured too */
  gint background;             /* GstDeltaOverlayBackgroundKind */
  guint background_color;      /* 0xRRGGBB */
  gdouble background_blur;     /* sigma, px; 0: by the frame's size */
  guint update_color;          /* 0xRRGGBB */
} GstDeltaOverlayStyle;

/* Defaults. */
void gst_delta_overlay_style_init (GstDeltaOverlayStyle * style);

/* The share of the work that the last frames took, for the bars. */
#define GST_DELTA_OVERLAY_HISTORY 96
typedef struct
{
  gdouble mac_share[GST_DELTA_OVERLAY_HISTORY]; /* ring */
  guint64 count;               /* ever added */
} GstDeltaOverlayHistory;

/* Where the panel of statistics lies: the corner that lately had the least
 * drawn in it. Goes by what was drawn frame after frame, never by time. */
typedef struct
{
  guint corner;                /* bit 0: right; bit 1: bottom */
  gdouble covered[4];          /* share of each, a running mean */
  guint waited;                /* frames that another was better by far */
  gboolean placed;             /* it was drawn before */
} GstDeltaOverlayPanel;

typedef struct
{
  gdouble red, green, blue;
} GstDeltaOverlayColor;

/* The colour of a class (or person) by index; repeats after 20. */
GstDeltaOverlayColor gst_delta_overlay_color (guint index);

/* Line width and font size for a frame, pixels. */
gdouble gst_delta_overlay_line_width (const GstDeltaOverlayStyle * style,
    const GstDeltaOverlayCanvas * canvas);
gdouble gst_delta_overlay_font_size (const GstDeltaOverlayStyle * style,
    const GstDeltaOverlayCanvas * canvas);

/* gstdeltaoverlaymask.c */
void gst_delta_overlay_draw_updates (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnUpdateMeta * meta);
void gst_delta_overlay_draw_legend (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style);
void gst_delta_overlay_draw_mask (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style,
    const GstDeltaCnnSegmentationMeta * meta);

/* Raises cover, one byte a pixel of the frame, to how surely the mask holds an
 * object there: 0 no, 255 yes, soft at the edges. */
void gst_delta_overlay_mask_cover (const GstDeltaCnnSegmentationMeta * meta,
    guint8 * cover, gint width, gint height);

/* gstdeltaoverlaydraw.c */
/* Adds a rectangle with round corners to the path. */
void gst_delta_overlay_rounded_rectangle (cairo_t * cr, gdouble x, gdouble y,
    gdouble w, gdouble h, gdouble radius);
/* A row of the legend at the bottom right, with room for a sign of 1.9 x size
 * before its text; row 0 is the lowest. left, top: its corner. FALSE: there is
 * no room. */
gboolean gst_delta_overlay_legend_row (GstDeltaOverlayCanvas * canvas,
    gdouble size, guint row, const gchar * text, gdouble * left, gdouble * top);
void gst_delta_overlay_draw_poses (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnPoseMeta * meta);
/* Text, and numbers by name; of many without names, how many. Below the region
 * that they are about; else row counts as below. */
void gst_delta_overlay_draw_values (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnValueMeta * meta,
    guint * row);
void gst_delta_overlay_draw_box (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnDetection * box);
/* What it is: after all boxes, so that no box crosses it. */
void gst_delta_overlay_draw_box_tag (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnDetection * box);

/* Classes of the whole frame at the bottom left; `row` lines are taken there
 * already, those that this one takes are added. */
void gst_delta_overlay_draw_classes (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnClassMeta * meta,
    guint * row);

/* gstdeltaoverlaymotion.c */
/* Points that were followed, the view window, and what they mean; row: of the
 * legend's rows at the bottom right, the first that is free. */
void gst_delta_overlay_draw_motion (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnMotionMeta * meta,
    guint row);

/* gstdeltaoverlaystats.c */
void gst_delta_overlay_history_add (GstDeltaOverlayHistory * history,
    const GstDeltaCnnStatsMeta * meta);
/* Last of all: the panel makes way for what is drawn. */
void gst_delta_overlay_draw_stats (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style,
    const GstDeltaOverlayHistory * history, GstDeltaOverlayPanel * panel,
    const GstDeltaCnnStatsMeta * meta);

G_END_DECLS

#endif
