/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decode.h - from output tensors to results: boxes, key points, masks,
 * in the frame's own pixels.
 *
 * A decoder is one file and one line of DCNN_DECODERS. It reads its
 * parameters from the descriptor once, checks the model's outputs against
 * what it expects, and then decodes frames without allocating after warm-up.
 */
#ifndef DCNN_DECODE_H
#define DCNN_DECODE_H

#include <glib.h>

#include "deltacnn/modelinfo.h"
#include "deltacnn/session.h"

G_BEGIN_DECLS
#pragma GCC visibility push(default)

/* What a decoder looks for: an empty answer is one too. */
typedef enum DcnnFinds {
  DCNN_FINDS_BOXES = 1 << 0,
  DCNN_FINDS_POSES = 1 << 1,   /* of people */
  DCNN_FINDS_POINTS = 1 << 2,  /* poses of something else */
  DCNN_FINDS_LINES = 1 << 3,   /* poses of two points */
  DCNN_FINDS_CLASSES = 1 << 4, /* of the whole frame */
  DCNN_FINDS_MASK = 1 << 5,
  DCNN_FINDS_PICTURE = 1 << 6,
  DCNN_FINDS_VALUES = 1 << 7,
  DCNN_FINDS_TEXT = 1 << 8,
} DcnnFinds;

/* DCNN_DECODER (function suffix, "name in descriptors", what it looks for on
 * every model, "what it reads") */
#define DCNN_DECODERS(X)                                                       \
  X (segmentation, "segmentation", DCNN_FINDS_MASK,                            \
      "[1,C,H,W] or [1,H,W,C] masks or scores")                                \
  X (heatmap_pose, "heatmap-pose", DCNN_FINDS_POSES,                           \
      "[1,K,H,W] heatmaps, one person")                                        \
  X (movenet, "movenet", DCNN_FINDS_POSES,                                     \
      "heatmap, center, regress, offset")                                      \
  X (posenet, "posenet", DCNN_FINDS_POSES,                                     \
      "heatmap, offset, displacement_fwd, _bwd")                               \
  X (people_pose, "people-pose", DCNN_FINDS_POSES,                             \
      "heatmaps and offsets to the centre")                                    \
  X (yolox, "yolox", DCNN_FINDS_BOXES, "[1,N,5+classes] undecoded")            \
  X (centernet, "centernet", DCNN_FINDS_BOXES,                                 \
      "heatmap and l,t,r,b distances")                                         \
  X (fastestdet, "fastestdet", DCNN_FINDS_BOXES, "[1,5+classes,H,W]")          \
  X (yolo, "yolo", DCNN_FINDS_BOXES, "[1,N,V] or [1,V,N] decoded, protos")     \
  X (yolo_anchors, "yolo-anchors", DCNN_FINDS_BOXES,                           \
      "raw heads with anchors")                                                \
  X (yolo_dfl, "yolo-dfl", DCNN_FINDS_BOXES,                                   \
      "raw heads of distances as distributions")                               \
  X (end_to_end, "end-to-end", DCNN_FINDS_BOXES,                               \
      "boxes that the graph chose itself")                                     \
  X (detr, "detr", DCNN_FINDS_BOXES, "logits and boxes of queries")            \
  X (nanodet, "nanodet", DCNN_FINDS_BOXES,                                     \
      "rows, or scores and boxes by stride")                                   \
  X (picodet, "picodet", DCNN_FINDS_BOXES, "scores and boxes by stride")       \
  X (scrfd, "scrfd", DCNN_FINDS_BOXES, "scores, boxes, points by stride")      \
  X (yunet, "yunet", DCNN_FINDS_BOXES,                                         \
      "scores, objects, boxes, points by stride")                              \
  X (ssd, "ssd", DCNN_FINDS_BOXES, "scores and boxes of anchors")              \
  X (ultraface, "ultraface", DCNN_FINDS_BOXES,                                 \
      "scores and boxes, decoded in the graph")                                \
  X (retinaface, "retinaface", DCNN_FINDS_BOXES,                               \
      "scores, boxes, points of anchors")                                      \
  X (blazeface, "blazeface", DCNN_FINDS_BOXES,                                 \
      "scores and boxes with points of anchors")                               \
  X (landmarks, "landmarks", DCNN_FINDS_POINTS,                                \
      "[1,K*values] regressed points, one person")                             \
  X (classification, "classification", DCNN_FINDS_CLASSES, "[1,classes]")      \
  X (picture, "picture", DCNN_FINDS_PICTURE,                                   \
      "[1,1,H,W] or [1,3,H,W] the frame again")                                \
  X (values, "values", DCNN_FINDS_VALUES, "[1,N] numbers with names")          \
  X (embedding, "embedding", DCNN_FINDS_VALUES,                                \
      "[1,N] to compare with others")                                          \
  X (ctc, "ctc", DCNN_FINDS_TEXT, "[1,steps,characters+blank]")                \
  X (lines, "lines", DCNN_FINDS_LINES,                                         \
      "[1,5+,H,W] centres and ends of segments")                               \
  X (flow, "flow", DCNN_FINDS_PICTURE,                                         \
      "[1,2,H,W] where pixels moved, as colours")                              \
  X (mask_queries, "mask-queries", DCNN_FINDS_MASK,                            \
      "logits and masks of queries")

typedef struct DcnnDetection {
  gfloat x, y, width, height; /* frame pixels; inside the frame */
  gfloat score;               /* 0..1 */
  gint class_id;
  gfloat angle; /* radians clockwise about the box's centre; an oriented box
                   (angle not 0) may reach over the frame's border */
} DcnnDetection;

typedef struct DcnnKeypoint {
  gfloat x, y;  /* frame pixels */
  gfloat score; /* 0..1; 0: not seen */
} DcnnKeypoint;

typedef struct DcnnPose {
  gfloat score;
  guint n_keypoints;
  guint first;  /* index of its first key point in DcnnResults.keypoints */
} DcnnPose;

/* A mask on a grid; (0,0)..(width,height) of the grid is the rectangle
 * x, y, w, h of the frame (frame pixels; may reach over its border). */
typedef struct DcnnSegmentation {
  guint width, height;
  guint n_classes;   /* 1: value is a probability 0..255; else class index */
  const guint8 *data;/* [height][width] */
  gfloat x, y, w, h;
} DcnnSegmentation;

/* A class of the whole frame. */
typedef struct DcnnLabel {
  gint class_id;
  gfloat score; /* 0..1 */
} DcnnLabel;

/* A picture; (0,0)..(width,height) of it is the rectangle x, y, w, h of the
 * frame (frame pixels; may reach over its border). */
typedef struct DcnnPicture {
  guint width, height;
  guint channels;      /* 3: R, G, B; 1: luma */
  const guint8 *data;  /* [height][width][channels] */
  gfloat x, y, w, h;
} DcnnPicture;

/* What a frame holds. Arrays belong to the decoder and stay valid until its
 * next run. */
typedef struct DcnnResults {
  GArray *detections; /* of DcnnDetection, best first */
  GArray *poses;      /* of DcnnPose, best first */
  GArray *keypoints;  /* of DcnnKeypoint; may lie outside the frame */
  GArray *labels;     /* of DcnnLabel, best first */
  gboolean finds_boxes; /* no box is an answer, whatever else there is */
  gboolean has_segmentation;
  DcnnSegmentation segmentation;
  gboolean has_picture;
  DcnnPicture picture;
  gboolean has_values;
  GArray *values;     /* of gfloat, finite; the labels name them */
  const char *text;   /* what was read, "" if nothing; NULL: reads no text */
  gfloat text_score;  /* 0..1 */
  /* The skeleton's edges as pairs of key point indices; the decoder's, or
   * NULL. */
  const guint8 (*edges)[2];
  guint n_edges;
  guint finds;        /* DcnnFinds bits: of the decoder, and what the model has
                         besides (boxes with key points, or with masks) */
} DcnnResults;

typedef struct DcnnDecoder DcnnDecoder;

/* The decoder that info names. Returns NULL without error when info names
 * none; NULL with error (which names the key or the tensor, and what would
 * do) when the model does not fit. */
DcnnDecoder *dcnn_decoder_new (const DcnnModelInfo *info,
    const DcnnModel *model, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dcnn_decoder_free (DcnnDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcnnDecoder, dcnn_decoder_free)

/* The same for tensors that come from elsewhere (tests, other engines):
 * names and headers (data unused) of all n outputs, size of the network's
 * input. All borrowed during the call. */
DcnnDecoder *dcnn_decoder_new_for_tensors (const DcnnModelInfo *info,
    guint n, const char *const *names, const DcnnTensor *const *headers,
    guint net_width, guint net_height, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Decodes the session's current outputs of a stream. Returns the decoder's
 * results. score_threshold < 0: the descriptor's. Costs next to nothing when
 * no output changed since the last run on that stream, and masks are redone
 * only where it did: keep one decoder a stream. */
const DcnnResults *dcnn_decoder_run (DcnnDecoder *decoder,
    DcnnSession *session, guint stream, gfloat score_threshold);
/* What it reads of a frame, as dcnn_session_wait() takes it: of a model's other
 * outputs nothing need be there when it runs. */
guint dcnn_decoder_get_wants (const DcnnDecoder *decoder);
/* The descriptor's, or the decoder's default. */
gfloat dcnn_decoder_get_score_threshold (const DcnnDecoder *decoder);

/* How much each element of the outputs matters to the results of the last run
 * (which found some): a box's place where nothing is, say, does not. weights[i]
 * has an element for each of output i's; what the decoder does not read gets
 * 1. For dcnn_session_measure_influence(). */
void dcnn_decoder_weigh (const DcnnDecoder *decoder, DcnnSession *session,
    gfloat *const *weights);

/* The same on plain tensors: outputs[i] in the order of the model's outputs,
 * shapes and types as at creation. NULL when they are not. */
const DcnnResults *dcnn_decoder_run_tensors (DcnnDecoder *decoder,
    const DcnnTensor *const *outputs, guint n_outputs,
    const DcnnTransform *transform, gfloat score_threshold);

/* ---- a window that looks at its frame through a matrix (DcnnMotion) ------ */

/* What holds results that were led back; keep one a stream. */
typedef struct DcnnLedBack DcnnLedBack;
DcnnLedBack *dcnn_led_back_new (void);
void dcnn_led_back_free (DcnnLedBack *back);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcnnLedBack, dcnn_led_back_free)

/* A decoder's results where they are on the frame. view: of
 * dcnn_session_get_view(). Key points and boxes go to where they were sampled
 * from; boxes are clipped to the frame, and dropped when less than a tenth of
 * them is on it; masks and pictures become grids of the whole frame, as fine as
 * they were: 0 in a mask, the nearest in a picture, where the window did not
 * reach. The rest is passed on. Valid until the next call, and no longer than
 * results. */
const DcnnResults *dcnn_led_back_results (DcnnLedBack *back,
    const DcnnResults *results, const gdouble *view, guint frame_width,
    guint frame_height);
/* The same for a mask of the network's input, as dcnn_session_get_transform()
 * places it, into one of any size that covers the frame. */
void dcnn_led_back_mask (const DcnnMask *mask, const DcnnTransform *transform,
    const gdouble *view, guint frame_width, guint frame_height, DcnnMask *to);

/* Where results lie, as weights for dcnn_session_set_interest(): 1 on what they
 * cover of the network's input, 0 from 40 px around on, thirds between. */
typedef struct DcnnInterest DcnnInterest;

/* For a network input of width x height pixels; new. */
DcnnInterest *dcnn_interest_new (guint width, guint height);
void dcnn_interest_free (DcnnInterest *interest);
/* The weights after results on the frame, whose pixels inward leads into the
 * network's input (dcnn_session_get_inward()): boxes, poses' points, masks.
 * Borrowed until the next call. Without results (or NULL), 1 everywhere, so that
 * new things are seen. */
const gfloat *dcnn_interest_update (DcnnInterest *interest,
    const DcnnResults *results, const gdouble *inward);

/* Forgets the last results: after a session was reset or replaced. */
void dcnn_decoder_reset (DcnnDecoder *decoder);

/* Names of the decoders, NULL-terminated, static. */
const char *const *dcnn_decoder_names (void);
/* What that decoder looks for on every model, DcnnFinds bits; 0: there is none
 * of that name (or NULL). */
guint dcnn_decoder_finds (const char *name);

#pragma GCC visibility pop
G_END_DECLS

#endif
