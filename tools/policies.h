/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * policies.h - what published methods would have to compute, move and keep for
 * a frame, counted from masks: nothing of them runs.
 *
 * Each is written from its paper's description. All are given the same
 * decisions, pixel by pixel, on what a frame changed of each map (a session's
 * update masks), so that their results are as good as that session's; what
 * differs is what follows from a change. Where a method decides in another way
 * than by pixels, it gets what is best for it; the docstrings say so.
 *
 * With, for one convolution: M its multiply-accumulates of a dense frame, I and
 * O the pixels of its input and output maps, i and o their channels, U the
 * changed pixels of the input, T(U) the output pixels whose window holds one of
 * them, J the output pixels that did change, k its taps, W the bytes of its
 * weights; values are 4 bytes.
 */
#ifndef DCNN_TOOLS_POLICIES_H
#define DCNN_TOOLS_POLICIES_H

#include <glib.h>

#include "deltacnn/mask.h"
#include "deltacnn/model.h"

G_BEGIN_DECLS

typedef enum Policy {
  /* Recurrent Residual Module (Pan et al., CVPR 2018): y_t = y_(t-1) + w *
   * (x_t - x_(t-1)), the difference sparse. Work M |U| / I: each changed pixel
   * is multiplied by all taps that see it (values that stayed the same within a
   * changed pixel would be left out; counted as changed). Bytes 4 (3 I i + 2
   * |T(U)| o + 2 O o) + W: the difference is made of whole maps, sums are added
   * up where it lands, and the activation runs on the whole map. State 4 (I i +
   * O o). */
  POLICY_RRM,
  /* CBInfer (Cavigelli et al., 2017): pixels of the input that changed since
   * they were last taken are found on the whole map, every output pixel that
   * sees one is computed anew. Work M |T(U)| / O. Bytes 4 (2 I i + |U| i + k i
   * |T(U)| + |T(U)| o + 2 O o) + W: comparison, what is taken over, a matrix of
   * the windows, results, activation. State 4 (I i + O o). */
  POLICY_CBINFER,
  /* Skip-Convolutions (Habibian et al., CVPR 2021): y_t = y_(t-1) + g (w * r_t),
   * r_t = x_t - x_(t-1), with a gate g a pixel of the output. Work M |J| / O: the
   * gate is taken as one that knows which pixels will matter. Bytes 4 (3 I i +
   * k i |J| + 2 |J| o + 2 O o) + W. State 4 (I i + O o). */
  POLICY_SKIP_CONVOLUTION,
  /* DeltaCNN (Parger et al., CVPR 2022): differences and one mask a pixel go
   * from layer to layer; a tile of 8 x 8 outputs is computed when one of its
   * pixels is seen by a change, else skipped. Work M |tiles (T(U))| / O. Bytes
   * 4 (|tiles (T(U))| (i s^2 + o) + 4 |T(U)| o) + W: the tile's inputs at stride
   * s and its results; at the activation the sums so far and what truncation
   * kept back are read and written where something came. W only when a tile is
   * computed. State 4 (2 O o). */
  POLICY_DELTACNN,
  /* The same by pixels, and nothing but values: what this project does with
   * those decisions. Work M |T(U)| / O. Bytes 4 (|T(U)| (i s^2 + 2 o)) + W. State 4
   * O o. */
  POLICY_STORED_VALUES,
  POLICY_COUNT
} Policy;

typedef struct PolicyNode {
  DcnnNodeInfo info;
  DcnnNodeWindow window;
} PolicyNode;

typedef struct PolicyCount {
  double macs, bytes, state_bytes;
} PolicyCount;

/* Outputs of node that see a pixel of `in`, into touched (words of its size,
 * cleared here). in NULL: none. */
void policy_touch (const PolicyNode *node, const DcnnMask *in,
    DcnnMask *touched);

guint64 policy_pixels (const DcnnMask *mask);

/* Adds a convolution's work of a frame. changed: pixels of its input; joined:
 * what changed of its output (NULL: nothing). */
void policy_count (Policy policy, const PolicyNode *node, guint64 changed,
    const DcnnMask *touched, const DcnnMask *joined, PolicyCount *count);

/* What a frame that runs dense takes. State is not added to. */
void policy_count_dense (Policy policy, const PolicyNode *node,
    PolicyCount *count);

G_END_DECLS

#endif
