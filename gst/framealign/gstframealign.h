/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstframealign.h - the element framealign: tells how the camera moved.
 *
 * The picture passes untouched; the buffer gets a GstDeltaCnnMotionMeta with
 * the matrix that takes it to the reference's picture, which deltacnn samples
 * through. The motion itself is found by stabilizer/.
 *
 * Split: gstframealign.c (class, state, events, a frame's way),
 * gstframealignprops.c (properties, statistics), gstframealignluma.c (luma of
 * any format).
 */
#ifndef GST_FRAME_ALIGN_H
#define GST_FRAME_ALIGN_H

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include "dcnn_stabilizer.h"
#include "gstframealignluma.h"

G_BEGIN_DECLS

#define GST_TYPE_FRAME_ALIGN (gst_frame_align_get_type ())
G_DECLARE_FINAL_TYPE (GstFrameAlign, gst_frame_align, GST, FRAME_ALIGN,
    GstBaseTransform)

/* When there is a new reference. */
typedef enum
{
  GST_FRAME_ALIGN_REFERENCE_AUTO,  /* past a limit, or lost for long */
  GST_FRAME_ALIGN_REFERENCE_FIXED, /* never by itself */
} GstFrameAlignReference;

/* The properties, as plain data. */
typedef struct
{
  gboolean enabled, tracks;
  gint method;                 /* DcnnAlignMethod */
  gint reference;              /* GstFrameAlignReference */
  guint points, patience;
  gdouble min_inliers, max_zoom, max_roll, max_stretch; /* roll: degrees */
  gdouble dead_zone, smoothing; /* frame pixels */
} GstFrameAlignSettings;

/* Since start. */
typedef struct
{
  guint64 frames;              /* that came in */
  guint64 aligned, reanchored, lost; /* of those that were looked at */
  guint64 repeated, damaged, given, passed; /* GAP; unreadable; had a motion
                                  already; not enabled */
  guint64 keys, returns;       /* new key frames; old ones taken again */
  gdouble inliers, error;      /* sums over aligned frames */
  GstClockTime time, max_time; /* of those that were looked at */
} GstFrameAlignTotals;

struct _GstFrameAlign
{
  GstBaseTransform parent;

  /* Object lock. */
  GstFrameAlignSettings settings;
  gboolean settings_changed;   /* the streaming thread has not seen them */
  gboolean reset;              /* the next frame is a new reference */
  GstFrameAlignTotals totals;

  /* Streaming thread. */
  GstVideoInfo info;
  GstFrameAlignReader *reader; /* NULL before caps */
  DcnnStabilizer *stabilizer;  /* NULL before start */
  GstFrameAlignSettings active;
  guint64 number;              /* of the reference; 0: none yet */
  DcnnAlignment last;          /* tracks: not valid */
  gboolean has_last;           /* since the last reset */
  gchar *stream_id;
};

/* gstframealignprops.c */
void gst_frame_align_settings_init (GstFrameAlignSettings * settings);
void gst_frame_align_settings_to_options (const GstFrameAlignSettings *
    settings, DcnnStabilizerOptions * options);
void gst_frame_align_install_properties (GObjectClass * klass);

G_END_DECLS

#endif
