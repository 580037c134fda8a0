/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_fused.h - what a fused node is made of, whatever it runs on: primary
 * operators and the point-wise steps behind them. How a device holds and runs
 * them is its own business (kernels/cpu/dcnn_kernels.h).
 *
 * Plain enumerations, also for C++.
 */
#ifndef DCNN_FUSED_H
#define DCNN_FUSED_H

/* ---- point-wise steps ------------------------------------------------- */

/* X(ENUM, "name"): what a step does to each element r of the row, with
 * operand e (binary steps) or parameters a, b (unary steps). */
#define DCNN_STEPS(X)                                                          \
  X (RELU, "Relu")              /* max (r, 0) */                               \
  X (CLIP, "Clip")              /* min (max (r, a), b) */                      \
  X (LEAKY_RELU, "LeakyRelu")   /* r < 0 ? a r : r */                          \
  X (THRESHOLDED_RELU, "ThresholdedRelu") /* r > a ? r : 0 */                  \
  X (SIGMOID, "Sigmoid")                                                       \
  X (HARD_SIGMOID, "HardSigmoid") /* clamp (a r + b, 0, 1) */                  \
  X (HARD_SWISH, "HardSwish")   /* r clamp (r / 6 + 0.5, 0, 1) */              \
  X (SILU, "SiLU")              /* r sigmoid (r) */                            \
  X (TANH, "Tanh")                                                             \
  X (ELU, "Elu")                /* r < 0 ? a (exp (r) - 1) : r */              \
  X (SELU, "Selu")              /* b (r < 0 ? a (exp (r) - 1) : r) */          \
  X (GELU, "Gelu")              /* r/2 (1 + erf (r / sqrt 2)) */               \
  X (GELU_TANH, "GeluTanh")                                                    \
  X (ERF, "Erf")                                                               \
  X (SOFTPLUS, "Softplus")                                                     \
  X (MISH, "Mish")                                                             \
  X (EXP, "Exp")                                                               \
  X (LOG, "Log")                                                               \
  X (SQRT, "Sqrt")                                                             \
  X (ABS, "Abs")                                                               \
  X (NEG, "Neg")                                                               \
  X (ROUND, "Round")            /* of min (max (r, a), b), halves to even */   \
  X (ADD, "Add")                /* r + e */                                    \
  X (SUB, "Sub")                /* r - e */                                    \
  X (RSUB, "RSub")              /* e - r */                                    \
  X (MUL, "Mul")                /* r e */                                      \
  X (DIV, "Div")                /* r / e */                                    \
  X (RDIV, "RDiv")              /* e / r */                                    \
  X (POW, "Pow")                /* r to the e */                               \
  X (RPOW, "RPow")              /* e to the r */                               \
  X (MIN, "Min")                                                               \
  X (MAX, "Max")                                                               \
  X (PRELU, "PRelu")            /* r < 0 ? e r : r */

typedef enum DcnnStepKind {
#define DCNN_X(e, n) DCNN_STEP_##e,
  DCNN_STEPS (DCNN_X)
#undef DCNN_X
  DCNN_STEP_COUNT
} DcnnStepKind;

typedef enum DcnnOperandKind {
  DCNN_OPERAND_NONE,   /* unary step */
  DCNN_OPERAND_MAP,    /* e = map(y, x, c): same size and channels as out */
  DCNN_OPERAND_PIXEL,  /* e = map(y, x, 0): one channel, same for all c */
  DCNN_OPERAND_VECTOR, /* e = vector[c]: constants, or a gate (the single
                          pixel of a 1x1 map) */
  DCNN_OPERAND_SCALAR, /* e = a */
} DcnnOperandKind;

/* Most steps of a node. */
#define DCNN_MAX_STEPS 12

/* ---- primary operators ------------------------------------------------ */

/* X(ENUM, function suffix, "name"): every primary operator. Each line makes
 * dcnn_k_<suffix> for every instruction set level of the processor. */
#define DCNN_PRIMARIES(X)                                                      \
  X (CONV, conv, "conv")                /* groups = 1 */                       \
  X (GROUP_CONV, group_conv, "group-conv")                                     \
  X (DEPTHWISE, depthwise, "depthwise") /* one filter a channel */             \
  X (CONV_TRANSPOSE, conv_transpose, "conv-transpose") /* any groups */        \
  X (MAX_POOL, max_pool, "max-pool")                                           \
  X (AVERAGE_POOL, average_pool, "average-pool")                               \
  X (COPY, copy, "copy")                /* point-wise chains; channel gather */\
  X (RESAMPLE, resample, "resample")    /* slice, pad, nearest: one source     \
                                           pixel an output pixel, or none */   \
  X (RESIZE, resize, "resize")          /* linear, cubic: separable weights */ \
  X (SPACE_TO_DEPTH, space_to_depth, "space-to-depth")                         \
  X (DEPTH_TO_SPACE, depth_to_space, "depth-to-space")                         \
  X (SOFTMAX, softmax, "softmax")       /* over channels */                    \
  X (ARG_MAX, arg_max, "arg-max")       /* over channels, to one float */      \
  X (CHANNEL_REDUCE, channel_reduce, "channel-reduce") /* mean, max, sum */    \
  X (LAYER_NORM, layer_norm, "layer-norm") /* over channels */

typedef enum DcnnPrimary {
#define DCNN_X(e, f, n) DCNN_PRIMARY_##e,
  DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
  DCNN_PRIMARY_COUNT
} DcnnPrimary;

typedef enum DcnnChannelReduce {
  DCNN_CHANNEL_MEAN,
  DCNN_CHANNEL_MAX,
  DCNN_CHANNEL_SUM,
} DcnnChannelReduce;

/* ---- judgement -------------------------------------------------------- */

typedef enum DcnnSignificanceKind {
  DCNN_SIGNIFICANT_ALWAYS, /* store everything, verdict JOINED; d not formed */
  DCNN_SIGNIFICANT_ANY,    /* threshold 0: some d_c != 0 */
  DCNN_SIGNIFICANT_MAX,    /* max_c |d_c inv_spread_c| > limit */
  DCNN_SIGNIFICANT_SQUARE, /* sum_c (d_c inv_spread_c)^2 > limit: rms and nrms
                              with limit = t^2 channels */
} DcnnSignificanceKind;
/* A NaN anywhere in d is significant, whatever the kind. */

#endif
