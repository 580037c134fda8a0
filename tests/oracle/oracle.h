/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * oracle.h - the papers' delta form, in double precision.
 *
 * DeltaCNN (CVPR 2022, sections 3.2 and 3.3) and MotionDeltaCNN pass deltas
 * from layer to layer: a linear layer maps a masked delta to a delta; a
 * non-linear one keeps the sum of the deltas that it has received (its
 * accumulated values A) and sends f(A + delta) - f(A); truncation keeps what
 * was not sent (T). A pixel is sent when f(A + T + delta) - f(A) is
 * significant: then A += T + delta and T = 0. Otherwise T += delta.
 *
 * That is computed here as it stands, with its buffers, and compared with the
 * engine, which keeps neither A nor T. From the engine come only: which graph
 * nodes are fused (they truncate once, at their end), the channel spreads of
 * the nrms criterion, what a pixel costs downstream, and its verdict where a
 * significance is a tie.
 *
 * For: nets of convolutions of every kind, pooling, resizing, concatenation
 * and point-wise steps. Not for: global operators and dense tails.
 */
#ifndef DCNN_TEST_ORACLE_H
#define DCNN_TEST_ORACLE_H

#include "cpu.h"

#define ORACLE_MAX_OPERANDS 4

/* A feature map: the last frame's masked delta, and the sum of all. */
typedef struct OracleMap {
  guint width, height, channels;
  double *delta, *sum;     /* [height * width][channels] */
  guint8 *mask;            /* [height * width] */
  gint *leaf_map;          /* by channel: the map that holds it; NULL: this */
  guint *leaf_channel;
} OracleMap;

/* A fused node. Row 0 is the primary operator's output, the others are maps
 * that its steps read. */
typedef struct OracleNode {
  gint index;              /* plan node */
  gint in, out;            /* maps */
  const DcnnNode *op;      /* primary; NULL: a copy */
  DcnnValueId value, root; /* what it makes; what row 0 is */
  guint n_operands;
  DcnnValueId operand[ORACLE_MAX_OPERANDS];
  gint operand_map[ORACLE_MAX_OPERANDS];
  double *acc[1 + ORACLE_MAX_OPERANDS], *trunc[1 + ORACLE_MAX_OPERANDS];
  guint row_channels[1 + ORACLE_MAX_OPERANDS];
  double *pool_input;      /* max pooling: accumulated input */
} OracleNode;

typedef struct Oracle {
  const DcnnPlan *plan;
  OracleMap *maps;         /* by plan map */
  GArray *nodes;           /* of OracleNode */
  gboolean first;
  guint64 judged, kept, ties; /* pixels */
  double worst;            /* largest difference to the engine so far */
} Oracle;

/* NULL when the plan holds what the oracle does not do; *why says what.
 * Borrows the plan. */
Oracle *oracle_new (const DcnnPlan *plan, const char **why);
void oracle_free (Oracle *oracle);

/* What the engine judges by, taken before it runs a frame. */
typedef struct OracleRules {
  DcnnTuning tuning;
  float *threshold;        /* by plan node */
  gboolean *spread_valid;
  float **inv_spread;      /* by plan node: copies */
  const float **influence; /* by plan node: one a channel; NULL: not known */
  double *limits;          /* by plan node: of influence at t = 1 */
} OracleRules;
/* influence: as the session's options had it; NULL, or borrowed while the
 * rules are used. */
void oracle_rules_take (OracleRules *rules, const DcnnSession *session,
    GHashTable *influence);
void oracle_rules_clear (OracleRules *rules, const DcnnPlan *plan);

/* One frame [1,C,H,W] after the engine has run it; compares masks and values
 * of every node with the session's stream 0. Returns new text that says what
 * differs, or NULL. */
char *oracle_frame (Oracle *oracle, const OracleRules *rules,
    const DcnnTensor *frame, float input_threshold,
    const DcnnSession *session);

/* ---- oracle_ops.c ------------------------------------------------------- */

/* Whether output pixel (y, x) has a tap in the input's mask. */
gboolean oracle_reaches (const Oracle *oracle, const OracleNode *node, guint y,
    guint x);
/* The primary operator on the input's masked delta, at one output pixel. For
 * max pooling: new maximum less (before: the previous output). */
void oracle_row_delta (const Oracle *oracle, const OracleNode *node, guint y,
    guint x, const double *before, double *row);
/* The node's point-wise steps on rows of values, one channel. */
double oracle_evaluate (const Oracle *oracle, const OracleNode *node,
    DcnnValueId value, const double *const *rows, guint channel, guint y,
    guint x);
gboolean oracle_is_pointwise (DcnnOp op);
gboolean oracle_is_primary (DcnnOp op);

/* Masked delta of a map's channel, through concatenations and views. */
double oracle_delta (const Oracle *oracle, gint map, guint y, guint x,
    guint c);
gboolean oracle_mask (const Oracle *oracle, gint map, guint y, guint x);

#endif
