/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnresults.h - everything one frame's run gave, kept so that it can
 * be attached to that frame, to later ones that are not run, and written as
 * JSON.
 *
 * Immutable once made and reference-counted; bulk data are GBytes that metas
 * share.
 */
#ifndef GST_DELTA_CNN_RESULTS_H
#define GST_DELTA_CNN_RESULTS_H

#include <gst/gst.h>

#include "gstdeltacnnmetas.h"
#include "gstdeltacnnsettings.h"

G_BEGIN_DECLS

/* What the frame cost; as GstDeltaCnnStatsMeta. */
typedef struct
{
  guint64 frames;
  gdouble changed_share, mac_share;
  GstClockTime input_time, run_time, total_time;
  gboolean dense, settled;
  guint batch;                 /* frames of all streams that ran together */
  gboolean aligned;            /* sampled through a motion's matrix */
  gboolean lost, restarted, aside; /* see DcnnAnchor */
  gdouble aligned_share, unaligned_share; /* of changed pixels, recent frames;
                                  negative: not known */
} GstDeltaCnnCost;

/* A rectangle of the frame, pixels. */
typedef struct
{
  gfloat x, y, w, h;
} GstDeltaCnnRectangle;

typedef struct
{
  grefcount refs;
  gboolean looks_for_boxes;    /* an empty list of boxes is an answer */
  GArray *detections;          /* of GstDeltaCnnDetection */
  gboolean looks_for_poses;
  GQuark pose_label;           /* what has these key points; 0: not known */
  GArray *poses;               /* of GstDeltaCnnPose */
  GArray *keypoints;           /* of GstDeltaCnnKeypoint */
  gboolean looks_for_classes;
  GArray *classes;             /* of GstDeltaCnnLabel */
  GBytes *picture;             /* NULL: makes none */
  guint picture_width, picture_height, picture_channels;
  GstDeltaCnnRectangle picture_rectangle;
  gboolean has_values;
  GArray *values;              /* of gfloat */
  GArray *names;               /* of GQuark; empty: no names */
  gchar *text;                 /* NULL: reads none */
  gfloat text_score;
  GBytes *edges;               /* NULL: none */
  GBytes *mask;                /* NULL: no segmentation */
  guint mask_width, mask_height, mask_classes;
  GstDeltaCnnRectangle mask_rectangle;
  GBytes *updates;             /* NULL: not asked for */
  guint updates_width, updates_height;
  GstDeltaCnnRectangle updates_rectangle;
  GArray *tensors;             /* of GstDeltaCnnTensor; NULL: not asked for */
  GArray *tensor_ids;          /* of GQuark, one a tensor: the descriptor's id,
                                  or the tensor's name */
  GArray *parts;               /* of GstDeltaCnnPart; NULL: about all of the
                                  frame */
  guint frame_width, frame_height; /* of the frame run, pixels */
  GstDeltaCnnCost cost;
} GstDeltaCnnResults;

/* What a window on a region of the frame gave, as far as that cannot be put
 * together with what others gave: tensors, values, text and picture. */
typedef struct
{
  GstDeltaCnnRectangle region; /* that it follows, pixels of the frame */
  GstDeltaCnnRectangle window; /* the part of the frame that was seen */
  GstDeltaCnnResults *results; /* owned; its picture lies in frame pixels */
} GstDeltaCnnPart;

/* All empty. */
GstDeltaCnnResults *gst_delta_cnn_results_new (void);
GstDeltaCnnResults *gst_delta_cnn_results_ref (GstDeltaCnnResults * results);
void gst_delta_cnn_results_unref (GstDeltaCnnResults * results);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDeltaCnnResults, gst_delta_cnn_results_unref)

/* One more part. Takes part->results. */
void gst_delta_cnn_results_add_part (GstDeltaCnnResults * results,
    const GstDeltaCnnPart * part);

/* Who tells of results, and on which frame. */
typedef struct
{
  GQuark source;               /* the element's name */
  GstClockTime pts;            /* the frame's */
  gboolean stale;              /* these are an earlier frame's */
  GstClockTime age;            /* how much earlier; 0: not stale; NONE: no
                                  time stamps */
} GstDeltaCnnOccasion;

/* Attaches what `attach` asks for to a writable buffer. */
void gst_delta_cnn_results_attach (const GstDeltaCnnResults * results,
    GstBuffer * buffer, guint attach, const GstDeltaCnnOccasion * occasion);

/* Did the model find anything at all? */
gboolean gst_delta_cnn_results_found (const GstDeltaCnnResults * results);

G_END_DECLS

#endif
