/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * agree.h - how far sparse results are from dense ones: masks, key points,
 * boxes, and the outputs themselves.
 */
#ifndef DCNN_TOOLS_AGREE_H
#define DCNN_TOOLS_AGREE_H

#include <json-glib/json-glib.h>

#include "deltacnn/decode.h"

G_BEGIN_DECLS

/* Sums over frames, all 0 to begin with; bench_agreement_value() gives the
 * means. */
typedef struct BenchAgreement {
  /* Pixels of each class over all frames: seen by both, by either. */
  guint64 mask_both[256], mask_either[256];
  gboolean binary;           /* one class: its background does not count */
  /* Of people that both sides see: points that both are sure of, and those
   * that only one is. */
  double keypoint_net_sum, keypoint_frame_sum; /* px of network, of frame */
  guint64 keypoints, keypoints_one;
  guint64 poses_both, poses_one; /* matched; seen by one side only */
  guint64 boxes_both, boxes_one;
  guint64 near_both, near_one;
  guint64 labels_both, labels_one; /* frames: the same first class, another */
  guint64 texts_both, texts_one;
  /* Outputs of all frames: sum of their relative squared differences. */
  double relative_squares, max_abs;
  guint64 tensors;
} BenchAgreement;

/* A side is sure of a key point from here on. */
#define BENCH_KEYPOINT_SCORE 0.3f

/* A box whose score is on the limit comes and goes with the camera's noise,
 * dense or not. So boxes are also compared with this much tolerance: one that
 * only one side has counts as found when the other gives it a score that is
 * lower by no more. The same holds for key points. */
#define BENCH_NEAR_SCORE 0.05f

/* Adds a frame's masks, poses, first class and text; transform: of the
 * network's input in the frame. A pose is matched to one of the other side at
 * most, the nearest first; one without a match counts once, on whichever side
 * it is. Points count by their scores, too: one that a side has lost is not
 * near. */
void bench_agreement_add_results (BenchAgreement *agreement,
    const DcnnResults *sparse, const DcnnResults *dense,
    const DcnnTransform *transform);

/* Adds a frame's boxes from `score` on. Both lists hold DcnnDetection, best
 * first, down to score - BENCH_NEAR_SCORE. */
void bench_agreement_add_boxes (BenchAgreement *agreement,
    const GArray *sparse, const GArray *dense, float score);

/* Adds an output of a frame, whatever its type; both of one shape and type.
 * Floats by the rms of their differences to that of the dense ones (1 where
 * those are all 0 and the sparse ones are not); other types by the share of
 * the elements that differ. Each tensor counts alike. */
void bench_agreement_add_tensor (BenchAgreement *agreement,
    const DcnnTensor *sparse, const DcnnTensor *dense);

/* All outputs of a frame. */
void bench_agreement_add_outputs (BenchAgreement *agreement,
    DcnnModel *model, DcnnSession *sparse, DcnnSession *dense);

/* Writes the members of the object "agreement" (only those that apply). */
void bench_agreement_json (const BenchAgreement *agreement,
    JsonBuilder *builder);

/* "IoU 0.998, key points 0.3 px" for people; new text. */
char *bench_agreement_text (const BenchAgreement *agreement);

typedef enum BenchMeasure {
  BENCH_IOU,       /* of masks, mean over the classes seen */
  BENCH_F1_NEAR,   /* of boxes, their scores with a tolerance */
  BENCH_RELATIVE,  /* root of the mean relative square of outputs */
} BenchMeasure;

/* -1: does not apply, or nothing was seen. */
double bench_agreement_value (const BenchAgreement *agreement,
    BenchMeasure measure);

G_END_DECLS

#endif
