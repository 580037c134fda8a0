/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_kernels.h - the CPU kernels' contract: one fused node on a list of
 * pixels, or on rows of the whole map.
 *
 * A fused node is a primary operator (convolution, pooling, resize, copy ...)
 * followed by a chain of point-wise steps and the judgement of the change.
 * For every pixel p of the work:
 *    row = primary (inputs)(p)            [channels floats]
 *    row = step_n (... step_1 (row))
 *    d   = row - out(p)
 *    significant or forced:  out(p) = row, verdict JOINED
 *    otherwise:              out(p) untouched, verdict KEPT (some d != 0) or
 *                            SAME
 * (DeltaCNN, CVPR 2022, eq. 3 to 6, reformulated on stored values.)
 *
 * Rules that hold for every kernel and every instruction set level:
 *  - a pixel's row is a function of its inputs alone: the same bits whatever
 *    the list, the range, the thread or the path (sparse or dense);
 *  - nothing is read outside the maps and the DCNN_OVERREAD floats after
 *    them; taps outside the window read zeros (pooling skips them);
 *  - nothing is written but out(p) of joined pixels and their verdicts;
 *  - kernels cannot fail, do not allocate, take no locks.
 * Thread safety: several threads may run one job on ranges that do not
 * overlap, each with its own scratch.
 */
#ifndef DCNN_KERNELS_H
#define DCNN_KERNELS_H

#include "dcnn_fused.h"
#include "dcnn_map.h"
#include "dcnn_params.h"

/* ---- point-wise steps ------------------------------------------------- */

/* A step with its operand in place. vector: padded to DCNN_LANES. */
typedef struct DcnnStep {
  DcnnStepKind kind;
  DcnnOperandKind operand;
  float a, b;
  DcnnMap map;
  const float *vector;
} DcnnStep;

/* ---- judgement -------------------------------------------------------- */

typedef struct DcnnSignificance {
  DcnnSignificanceKind kind;
  float limit;
  const float *inv_spread; /* [channels padded to DCNN_LANES], pads 0 */
} DcnnSignificance;

/* ---- primary operators ------------------------------------------------ */

/* What a primary operator needs at run time; made once by a
 * dcnn_k_<op>_prepare(), immutable and shared by sessions afterwards. The
 * fields are the kernels' own business. */
typedef struct DcnnPrepared DcnnPrepared;

void dcnn_prepared_free (DcnnPrepared *prepared); /* NULL is allowed */

/* All prepare functions return new, or NULL when out of memory (the only way
 * to fail: arguments are the planner's, already checked).
 *
 * in_span: floats of a pixel of the input map that are read.
 * in_position: [in channels] position inside the pixel of each logical input
 *   channel, NULL for 0, 1, 2 ...; positions not named have zero weights (a
 *   concatenation in place leaves such holes).
 * weights: ONNX order, [out][in/groups][kh][kw] ([in][out/groups][kh][kw]
 *   for transposed). bias: [out] or NULL. Both borrowed during the call.
 * Output channel c goes to position c of the out map. */
DcnnPrepared *dcnn_k_conv_prepare (const DcnnConvParams *params,
    uint32_t out_channels, uint32_t in_channels, uint32_t in_span,
    const uint32_t *in_position, const float *weights, const float *bias);
/* groups > 1, not depthwise; input positions are the identity. */
DcnnPrepared *dcnn_k_group_conv_prepare (const DcnnConvParams *params,
    uint32_t out_channels, uint32_t in_channels, const float *weights,
    const float *bias);
/* groups = in channels, one output a group (channel multiplier 1). channels
 * is the span: a hole has zero weights and zero bias. weights:
 * [channels][kh][kw]. */
DcnnPrepared *dcnn_k_depthwise_prepare (const DcnnConvParams *params,
    uint32_t channels, const float *weights, const float *bias);
DcnnPrepared *dcnn_k_conv_transpose_prepare (const DcnnConvParams *params,
    uint32_t out_channels, uint32_t in_channels, uint32_t in_span,
    const uint32_t *in_position, const float *weights, const float *bias);
/* Of maps of bytes; low is the input's. Weights and bias are whole numbers, no
 * sum leaves int32. The bits are those of the float kernels while these are
 * exact (sums below 2^24). With groups > 1 input positions are the identity,
 * and a group has a multiple of 4 input and of DCNN_LANES output channels;
 * transposed: one of each. */
DcnnPrepared *dcnn_k_bytes_conv_prepare (const DcnnConvParams *params,
    uint32_t out_channels, uint32_t in_channels, uint32_t in_span,
    const uint32_t *in_position, const float *weights, const float *bias,
    int32_t low);
DcnnPrepared *dcnn_k_bytes_conv_transpose_prepare (
    const DcnnConvParams *params, uint32_t out_channels, uint32_t in_channels,
    uint32_t in_span, const uint32_t *in_position, const float *weights,
    const float *bias, int32_t low);
DcnnPrepared *dcnn_k_bytes_depthwise_prepare (const DcnnConvParams *params,
    uint32_t channels, const float *weights, const float *bias, int32_t low);
DcnnPrepared *dcnn_k_pool_prepare (const DcnnPoolParams *params,
    uint32_t channels);
/* row[c] = in[source[c]]; source NULL: identity. A source of UINT32_MAX gives
 * `value`. */
DcnnPrepared *dcnn_k_copy_prepare (uint32_t channels, const uint32_t *source,
    float value);
/* Output pixel (y, x) copies input pixel (source_y[y], source_x[x]); UINT32_MAX
 * in either gives `value` in every channel. Tables: [height], [width], copied.
 * Serves Slice and Pad over H and W and nearest Resize. */
DcnnPrepared *dcnn_k_resample_prepare (uint32_t channels, uint32_t height,
    const uint32_t *source_y, uint32_t width, const uint32_t *source_x,
    float value);
/* Separable interpolation: output row y is the sum over k < taps_y of
 * weight_y[y * taps_y + k] * input row index_y[y * taps_y + k], columns
 * likewise; horizontal first, in order of k. Serves linear (2 taps) and cubic
 * (4 taps) Resize in every coordinate mode. Tables are copied. */
DcnnPrepared *dcnn_k_resize_prepare (uint32_t channels, uint32_t height,
    uint32_t taps_y, const uint32_t *index_y, const float *weight_y,
    uint32_t width, uint32_t taps_x, const uint32_t *index_x,
    const float *weight_x);
/* SpaceToDepth: out channel (by * block + bx) * in_channels + c is
 * in(y * block + by, x * block + bx, c). */
DcnnPrepared *dcnn_k_space_to_depth_prepare (uint32_t block,
    uint32_t in_channels);
DcnnPrepared *dcnn_k_depth_to_space_prepare (const DcnnDepthParams *params,
    uint32_t out_channels);
DcnnPrepared *dcnn_k_softmax_prepare (uint32_t channels, bool log_form);
DcnnPrepared *dcnn_k_arg_max_prepare (uint32_t channels, bool select_last);
DcnnPrepared *dcnn_k_channel_reduce_prepare (uint32_t channels,
    DcnnChannelReduce kind);
/* scale, bias: [channels], NULL for 1 and 0. Copied. */
DcnnPrepared *dcnn_k_layer_norm_prepare (uint32_t channels, float epsilon,
    const float *scale, const float *bias);

/* ---- a job ------------------------------------------------------------ */

/* What leading steps make of each byte of a map. */
typedef struct DcnnBytesTable {
  uint32_t n_steps;
  bool same;               /* all steps, and byte[i] is i */
  float value[256];        /* after these steps */
  uint8_t byte[256];       /* when they are all: the byte of the out map */
} DcnnBytesTable;

typedef struct DcnnJob {
  DcnnPrimary primary;
  const DcnnPrepared *prepared;
  DcnnMap in, out;
  uint32_t n_steps;
  const DcnnStep *steps;   /* [n_steps] */
  DcnnSignificance significance;
  /* Sparse: the pixels to work on, each once, in the order of lists
   * (DCNN_LIST_TILE); work units are list indices. NULL: dense, work units
   * are rows of the out map. */
  const uint32_t *pixels;
  /* COPY, RESAMPLE, MAX_POOL, SPACE_TO_DEPTH and DEPTH_TO_SPACE of bytes: NULL,
   * or what takes their first steps' place */
  const DcnnBytesTable *table;
  /* One byte per list entry; dense: per pixel, row-major, [height * width].
   * May be NULL when significance is ALWAYS. */
  uint8_t *verdicts;
} DcnnJob;

/* Works on units begin .. end-1. scratch: 64-byte aligned, of at least
 * DcnnCpuKernels.scratch_bytes (job) bytes, this thread's own. */
typedef void (*DcnnKernelFn) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch);

/* Partial sums for global operators: for each 8x8 block index in blocks[0 ..
 * n-1] (row-major block number, blocks_x a row) writes to sums + block *
 * channels_padded the sum (maximum) over the block's pixels inside the map of
 * each channel. channels_padded = channels rounded up to DCNN_LANES. The map
 * may be of bytes. */
typedef void (*DcnnBlockReduceFn) (const DcnnMap *map, bool maximum,
    const uint32_t *blocks, size_t n, uint32_t blocks_x, float *sums);

/* Partial moments, for normalisations: to moments + block * 2 *
 * channels_padded the sum of each channel over the block's pixels, and to as
 * many doubles behind them the sum of its squared differences from the block's
 * own mean. Zeros past the channels. The same bits at every level. */
typedef void (*DcnnBlockMomentsFn) (const DcnnMap *map,
    const uint32_t *blocks, size_t n, uint32_t blocks_x, double *moments);

/* A product of matrices, out [m][n] = a [m][k] times b [k][n], by rows of the
 * out matrix. */
#define DCNN_MATMUL_PANEL 16 /* columns */
typedef struct DcnnMatmul {
  size_t k, n;
  const float *a;          /* element (r, p) at r * a_row + p * a_column */
  ptrdiff_t a_row, a_column;
  const float *packed;     /* b: [panels][k][DCNN_MATMUL_PANEL], zeros past n */
  float *out;
  size_t out_row;          /* floats from row to row of out, at least n */
} DcnnMatmul;

/* Rows rows[begin] .. rows[end - 1]. A row has the same bits whatever rows are
 * computed with it: its sums run over k in order. */
typedef void (*DcnnMatmulFn) (const DcnnMatmul *mm, const uint32_t *rows,
    size_t begin, size_t end);

/* A group of a convolution of one image, [channels, depth, height, width], with
 * the zeros around it that it reads. Sums run over channels and taps in order. */
#define DCNN_TENSOR_CONV_TILE 64 /* pixels at once, at most */
typedef struct DcnnTensorConv {
  size_t in_channels, out_channels, k; /* k: products for a pixel */
  size_t pixels, size[3];  /* of out; depth, height, width */
  size_t kernel[3];
  size_t plane;            /* floats from channel to channel of in */
  size_t step[3], reach[3]; /* floats from pixel to pixel, from tap to tap */
  const float *in, *weights; /* weights [out_channels][k] */
  const float *bias;       /* or NULL */
  const uint32_t *rows;    /* 0, 1 ... out_channels - 1 */
  float *out;
} DcnnTensorConv;

/* n pixels from `first` on, of all out channels; scratch: k numbers a pixel, for
 * a multiple of DCNN_MATMUL_PANEL pixels. A pixel has the same bits whatever
 * others are computed with it. */
typedef void (*DcnnTensorConvFn) (const DcnnTensorConv *conv, size_t first,
    size_t n, float *scratch);

/* GridSample of one image: maps [channels][size[0]][size[1]] read at places
 * grid [pixels][x, y]. */
#define DCNN_GRID_TILE 64 /* pixels at once, at most */
typedef struct DcnnGrid {
  const DcnnGridParams *params;
  int64_t size[2];         /* height, width; a plane has less than 2^31 */
  size_t channels, pixels;
  const float *in, *grid;
  float *out;              /* [channels][pixels] */
} DcnnGrid;

/* n pixels from `first` on. A pixel has the same bits whatever others are
 * computed with it. */
typedef void (*DcnnGridFn) (const DcnnGrid *grid, size_t first, size_t n);

/* A cell of a recurrent layer, and its gates in their order: RNN one (tanh);
 * GRU update, reset, fresh, with the reset before the product or (AFTER)
 * behind it; LSTM input, output, forget, cell. */
typedef enum DcnnCellKind {
  DCNN_CELL_RNN,
  DCNN_CELL_GRU,
  DCNN_CELL_GRU_AFTER,
  DCNN_CELL_LSTM,
} DcnnCellKind;

/* A recurrent layer in one direction, for one of its batch. */
typedef struct DcnnRecurrent {
  DcnnCellKind kind;
  size_t steps, hidden;
  const float *in;         /* of a step: gates * hidden numbers, what the
                              sequence gives, biases included */
  ptrdiff_t in_step, out_step; /* floats from step to step; may be negative */
  const float *packed;     /* dcnn_recurrent_pack() */
  const float *late_bias;  /* AFTER: of the product; NULL: 0 */
  const float *state;      /* before the first step; not out; NULL: zeros */
  float *work;             /* hidden numbers. LSTM: what cells hold, before the
                              first step and after the last; GRU: scratch */
  float *out;              /* hidden numbers a step */
} DcnnRecurrent;

/* All steps. Sums run over the state in order. */
typedef void (*DcnnRecurrentFn) (const DcnnRecurrent *layer);

/* How often a step goes over all cells. */
#define DCNN_RECURRENT_PASSES(kind) ((kind) == DCNN_CELL_GRU ? 2u : 1u)
/* The gates that a pass computes; returns how many panels of cells it does at
 * once. */
uint32_t dcnn_recurrent_pass (DcnnCellKind kind, uint32_t pass,
    uint32_t *first, uint32_t *gates);
/* weights [gates * hidden, hidden], packed: floats, and the packing. */
size_t dcnn_recurrent_floats (DcnnCellKind kind, size_t hidden);
void dcnn_recurrent_pack (DcnnCellKind kind, size_t hidden,
    const float *weights, float *to);

/* Softmax (log_form: its logarithm) of n numbers; in may be out. */
typedef void (*DcnnSoftmaxRowFn) (const float *in, float *out, size_t n,
    bool log_form);

/* Softmax of each of `lines` lines side by side: its n numbers lie `stride`
 * apart. A line has the same bits whatever lines are computed with it; in may be
 * out. */
typedef void (*DcnnSoftmaxLinesFn) (const float *in, float *out, size_t n,
    size_t stride, size_t lines);

/* n numbers less their mean, over their deviation, times scale, plus bias (NULL:
 * 0); in may be out. */
typedef void (*DcnnLayerNormRowFn) (const float *in, const float *scale,
    const float *bias, float *out, size_t n, float epsilon);

/* A point-wise step on n numbers, with n of an operand, or (NULL) step->a; in
 * may be out. The same bits for a number wherever it lies. */
typedef void (*DcnnStepRowFn) (const DcnnStep *step, const float *in,
    const float *operand, float *out, size_t n);

/* A level of the instruction set: one table of functions. */
typedef struct DcnnCpuKernels {
  const char *isa;                          /* "c", "avx2", "avx512" */
  DcnnKernelFn run[DCNN_PRIMARY_COUNT];
  /* Jobs whose in map is of bytes, and COPY where any map is
   * (dcnn_job_on_bytes()): CONV, GROUP_CONV, CONV_TRANSPOSE and DEPTHWISE,
   * prepared by dcnn_k_bytes_..._prepare(); COPY; RESIZE; AVERAGE_POOL;
   * SPACE_TO_DEPTH; DEPTH_TO_SPACE; RESAMPLE without a fill; MAX_POOL without empty windows. Of both tables: the out map and
   * operands that are a MAP may be of bytes; the steps' result is whole
   * numbers in range where out is. */
  DcnnKernelFn run_bytes;
  DcnnBlockReduceFn block_reduce;
  DcnnBlockMomentsFn block_moments;
  DcnnMatmulFn matmul;
  DcnnTensorConvFn tensor_conv;
  DcnnGridFn grid;
  DcnnRecurrentFn recurrent;
  DcnnSoftmaxRowFn softmax_row;
  DcnnSoftmaxLinesFn softmax_lines;
  DcnnLayerNormRowFn layer_norm_row;
  DcnnStepRowFn step_row;
  /* Scratch a job needs per thread, whatever its range. */
  size_t (*scratch_bytes) (const DcnnJob *job);
} DcnnCpuKernels;

static inline bool
dcnn_job_on_bytes (const DcnnJob *job)
{
  bool any = job->in.bytes || (job->out.bytes &&
      job->primary == DCNN_PRIMARY_COPY);

  for (uint32_t s = 0; s < job->n_steps; s++)
    any |= job->primary == DCNN_PRIMARY_COPY && job->steps[s].map.bytes;
  return any;
}

/* The kernel of a job. */
static inline DcnnKernelFn
dcnn_job_kernel (const DcnnCpuKernels *kernels, const DcnnJob *job)
{
  return dcnn_job_on_bytes (job) ? kernels->run_bytes
      : kernels->run[job->primary];
}

/* The first n_tabled of the steps, which have no operand but scalars and the
 * byte itself (MAP), as a table; by the kernels of the level that runs them. */
void dcnn_bytes_table_fill (DcnnBytesTable *table,
    const DcnnCpuKernels *kernels, const DcnnStep *steps, uint32_t n_steps,
    uint32_t n_tabled, int32_t low, int32_t out_low);

/* ---- gradients ----------------------------------------------------------- */

/* For measuring what bears on the outputs; plain C, not for the frame path.
 *
 * Adds to in_gradient (a map like job->in) what a gradient of the primary's
 * rows, before the steps, sends back. job->in holds the input. Arg max sends
 * nothing. */
void dcnn_k_adjoint (const DcnnJob *job, const DcnnMap *row_gradient,
    const DcnnMap *in_gradient);
/* Slopes of a step at element r with operand e. At a kink: one side's, or
 * between. */
void dcnn_k_step_slope (const DcnnStep *step, float r, float e, float *of_row,
    float *of_operand);

/* The best table this machine can run, unless the environment variable
 * DELTACNN_ISA names a lower one ("c", "avx2", "avx512"). Read once. */
const DcnnCpuKernels *dcnn_cpu_kernels (void);
/* Table i in order "c", "avx2", ... or NULL: past the last, or not runnable
 * on this machine. For tests and benchmarks. */
const DcnnCpuKernels *dcnn_cpu_kernels_at (unsigned i);

/* Prepared operators hold what the level of dcnn_cpu_kernels () needs, and
 * what level "c" needs. To run a job on other tables (tests, benchmarks), call
 * this before preparing: every runnable level is then packed for.
 * Not for the frame path; affects later prepare calls of every thread. */
void dcnn_cpu_prepare_all_levels (void);

#endif
