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

/* Sums over frames; bench_agreement_value() gives the means. */
typedef struct BenchAgreement {
  guint64 frames;
  /* Pixels of each class over all frames: seen by both, by either. */
  guint64 mask_both[256], mask_either[256];
  gboolean binary;           /* one class: its background does not count */
  double keypoint_net_sum, keypoint_frame_sum; /* px of network, of frame */
  guint64 keypoints;
  guint64 poses_both, poses_one;
  guint64 boxes_both, boxes_one; /* matched; seen by one side only */
  guint64 near_both, near_one;
  double max_abs, squares, reference_squares;
} BenchAgreement;

/* A box whose score is on the limit comes and goes with the camera's noise,
 * dense or not. So boxes are also compared with this much tolerance: one that
 * only one side has counts as found when the other gives it a score that is
 * lower by no more. */
#define BENCH_NEAR_SCORE 0.05f

/* Adds a frame's masks and poses; transform: of the network's input in the
 * frame. */
void bench_agreement_add_results (BenchAgreement *agreement,
    const DcnnResults *sparse, const DcnnResults *dense,
    const DcnnTransform *transform);

/* Adds a frame's boxes from `score` on. Both lists hold DcnnDetection, best
 * first, down to score - BENCH_NEAR_SCORE. */
void bench_agreement_add_boxes (BenchAgreement *agreement,
    const GArray *sparse, const GArray *dense, float score);

/* The outputs themselves: the largest difference and the sums for a relative
 * one. */
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
  BENCH_RELATIVE,  /* rms of the outputs' differences to that of the outputs */
} BenchMeasure;

/* -1: does not apply, or nothing was seen. */
double bench_agreement_value (const BenchAgreement *agreement,
    BenchMeasure measure);

G_END_DECLS

#endif
