/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_params.h - what an operator needs besides its input tensors.
 *
 * The importer turns ONNX attributes, and those inputs that ONNX moved from
 * attributes to constant inputs (axes, starts, sizes, pads ...), into these
 * structs: after import every parameter is a number and every axis is
 * non-negative, whatever the opset was. A node's inputs are data only.
 * Plain values: copyable, nothing owned.
 */
#ifndef DCNN_PARAMS_H
#define DCNN_PARAMS_H

#include "deltacnn/tensor.h"

/* Most spatial dimensions of a windowed op (maps have 2; the dense reference
 * also does 1 and 3). */
#define DCNN_MAX_SPATIAL 3

/* Sliding window over the spatial dimensions. Index 0 is the outermost
 * spatial dimension: H of a map; index 1 is W. auto_pad is already resolved
 * into pads. Units: elements. */
typedef struct DcnnWindow {
  int rank; /* number of spatial dimensions, 1..3 */
  int64_t kernel[DCNN_MAX_SPATIAL];
  int64_t stride[DCNN_MAX_SPATIAL];
  int64_t dilation[DCNN_MAX_SPATIAL];
  int64_t pad_begin[DCNN_MAX_SPATIAL];
  int64_t pad_end[DCNN_MAX_SPATIAL];
} DcnnWindow;

/* Conv, ConvTranspose. Weights are an input: [out, in/groups, kh, kw] for
 * Conv, [in, out/groups, kh, kw] for ConvTranspose, as in ONNX. */
typedef struct DcnnConvParams {
  DcnnWindow window;
  int64_t groups;
  int64_t output_padding[DCNN_MAX_SPATIAL]; /* ConvTranspose only */
  bool whole_numbers; /* Conv: so are its input and its weights, and sums are
                         exact: nothing is folded into the weights */
} DcnnConvParams;

/* MaxPool, AveragePool. ceil_mode only matters for shapes. */
typedef struct DcnnPoolParams {
  DcnnWindow window;
  bool ceil_mode;
  bool count_include_pad; /* AveragePool: pads count in the divisor */
  bool column_major;      /* MaxPool's Indices output: storage_order = 1 */
} DcnnPoolParams;

/* Element-wise functions of one tensor. What alpha, beta, lo and hi mean is
 * as in ONNX: LeakyRelu, Elu, Celu, ThresholdedRelu, Swish: alpha; Selu: alpha
 * and beta = gamma; HardSigmoid: alpha and beta; Shrink: alpha = lambd, beta =
 * bias; Clip: lo and hi (-inf and +inf when absent); Gelu: exact unless
 * tanh_form; IsInf: alpha, beta != 0: +inf, -inf count. */
typedef struct DcnnActParams {
  double alpha, beta;
  double lo, hi;
  bool tanh_form;
} DcnnActParams;

/* Ops with one axis: Concat, Split, Gather, GatherElements, Softmax,
 * LogSoftmax, Hardmax, ArgMax, ArgMin, OneHot (axis of the output), CumSum;
 * GatherND: axis is batch_dims. Split's sizes are those of its outputs. */
typedef struct DcnnAxisParams {
  int64_t axis;    /* 0 .. rank-1 */
  bool coerce_2d;  /* Softmax before opset 13: everything from axis on */
  bool keepdims;   /* ArgMax, ArgMin */
  bool select_last;/* ArgMax, ArgMin: last of equal values, not the first */
  bool exclusive, reverse; /* CumSum */
} DcnnAxisParams;

/* Reductions over several axes: bit i of axes set = dimension i reduced. */
typedef struct DcnnReduceParams {
  uint32_t axes;
  bool keepdims;
} DcnnReduceParams;

/* Slice: for each dimension, start index (already clamped), step (never 0,
 * may be negative), and the number of elements taken. */
typedef struct DcnnSliceParams {
  int64_t start[DCNN_MAX_RANK];
  int64_t step[DCNN_MAX_RANK];
  int64_t count[DCNN_MAX_RANK];
} DcnnSliceParams;

typedef enum DcnnPadMode {
  DCNN_PAD_CONSTANT,
  DCNN_PAD_REFLECT,
  DCNN_PAD_EDGE,
  DCNN_PAD_WRAP,
} DcnnPadMode;

/* Pad; negative amounts crop. */
typedef struct DcnnPadParams {
  DcnnPadMode mode;
  int64_t begin[DCNN_MAX_RANK];
  int64_t end[DCNN_MAX_RANK];
  double value;
} DcnnPadParams;

/* Transpose: output dimension i is input dimension perm[i]. */
typedef struct DcnnTransposeParams {
  int perm[DCNN_MAX_RANK];
} DcnnTransposeParams;

/* Reshape, Squeeze, Unsqueeze, Expand, Tile: the output's shape is in the
 * output value; Tile also needs nothing more (repeats = out / in). */

typedef enum DcnnResizeMode {
  DCNN_RESIZE_NEAREST,
  DCNN_RESIZE_LINEAR,
  DCNN_RESIZE_CUBIC,
} DcnnResizeMode;

typedef enum DcnnResizeCoord {
  DCNN_COORD_HALF_PIXEL,
  DCNN_COORD_HALF_PIXEL_SYMMETRIC,
  DCNN_COORD_PYTORCH_HALF_PIXEL,
  DCNN_COORD_ALIGN_CORNERS,
  DCNN_COORD_ASYMMETRIC,
  DCNN_COORD_TF_HALF_PIXEL_FOR_NN,
  DCNN_COORD_TF_CROP_AND_RESIZE,
} DcnnResizeCoord;

typedef enum DcnnResizeNearest {
  DCNN_NEAREST_ROUND_PREFER_FLOOR,
  DCNN_NEAREST_ROUND_PREFER_CEIL,
  DCNN_NEAREST_FLOOR,
  DCNN_NEAREST_CEIL,
} DcnnResizeNearest;

/* Resize and Upsample. scale[i] is the scale the coordinate formula uses (as
 * given, or out/in when sizes were given). roi is for TF_CROP_AND_RESIZE. */
typedef struct DcnnResizeParams {
  DcnnResizeMode mode;
  DcnnResizeCoord coord;
  DcnnResizeNearest nearest;
  double cubic_a;
  bool exclude_outside;
  double extrapolation;
  double scale[DCNN_MAX_RANK];
  double roi_begin[DCNN_MAX_RANK], roi_end[DCNN_MAX_RANK];
} DcnnResizeParams;

/* BatchNormalization (inference), InstanceNormalization, GroupNormalization,
 * LayerNormalization (axis: first normalised dimension). */
typedef struct DcnnNormParams {
  double epsilon;
  int64_t groups; /* GroupNormalization */
  int64_t axis;   /* LayerNormalization */
} DcnnNormParams;

/* Gemm: alpha * op(A) op(B) + beta * C. */
typedef struct DcnnGemmParams {
  double alpha, beta;
  bool trans_a, trans_b;
} DcnnGemmParams;

/* DepthToSpace (crd = column-row-depth order), SpaceToDepth. */
typedef struct DcnnDepthParams {
  int64_t block;
  bool crd;
} DcnnDepthParams;

typedef struct DcnnCastParams {
  DcnnDtype to;
} DcnnCastParams;

/* LRN */
typedef struct DcnnLrnParams {
  double alpha, beta, bias;
  int64_t size;
} DcnnLrnParams;

/* Mod: C's fmod (sign of the dividend), else the sign of the divisor. */
typedef struct DcnnModParams {
  bool fmod;
} DcnnModParams;

/* Trilu: keeps the upper (column - row >= k) or lower (<= k) triangle. */
typedef struct DcnnTriluParams {
  int64_t k;
  bool upper;
} DcnnTriluParams;

/* TopK: outputs values and indices, sorted. */
typedef struct DcnnTopKParams {
  int64_t axis, k;
  bool largest;
} DcnnTopKParams;

typedef enum DcnnScatterReduction {
  DCNN_SCATTER_NONE,
  DCNN_SCATTER_ADD,
  DCNN_SCATTER_MUL,
  DCNN_SCATTER_MIN,
  DCNN_SCATTER_MAX,
} DcnnScatterReduction;

/* ScatterElements (axis), ScatterND. */
typedef struct DcnnScatterParams {
  int64_t axis;
  DcnnScatterReduction reduction;
} DcnnScatterParams;

typedef enum DcnnGridMode {
  DCNN_GRID_LINEAR,
  DCNN_GRID_NEAREST,
  DCNN_GRID_CUBIC,
} DcnnGridMode;

/* What lies outside of the map. */
typedef enum DcnnGridPadding {
  DCNN_GRID_ZEROS,
  DCNN_GRID_BORDER,
  DCNN_GRID_REFLECTION,
} DcnnGridPadding;

/* GridSample; align_corners: -1 and 1 are the centres of the outer pixels, not
 * their edges. */
typedef struct DcnnGridParams {
  DcnnGridMode mode;
  DcnnGridPadding padding;
  bool align_corners;
} DcnnGridParams;

/* A direction of LSTM (gates 4), GRU (3) or RNN (1), the sequence's products
 * already made. Inputs: those [steps, batch, gates * hidden]; weights of the
 * state [gates * hidden, hidden]; the first state [batch, hidden]; what LSTM's
 * cells hold first, likewise; GRU's late bias [hidden]; the last three may be
 * absent, which is zeros. Outputs: states [steps, batch, hidden]; [batch,
 * hidden], what LSTM's cells hold in the end (of others: undefined). Gates
 * lie in ONNX's order. */
typedef struct DcnnRecurrentParams {
  int gates;
  bool after;    /* GRU: reset behind the product, with the late bias */
  bool backward; /* from the last step to the first */
} DcnnRecurrentParams;

typedef union DcnnParams {
  DcnnConvParams conv;
  DcnnPoolParams pool;
  DcnnActParams act;
  DcnnAxisParams axis;
  DcnnReduceParams reduce;
  DcnnSliceParams slice;
  DcnnPadParams pad;
  DcnnTransposeParams transpose;
  DcnnResizeParams resize;
  DcnnNormParams norm;
  DcnnGemmParams gemm;
  DcnnDepthParams depth;
  DcnnCastParams cast;
  DcnnLrnParams lrn;
  DcnnModParams mod;
  DcnnTriluParams trilu;
  DcnnTopKParams top_k;
  DcnnScatterParams scatter;
  DcnnGridParams grid;
  DcnnRecurrentParams recurrent;
} DcnnParams;

#endif
