/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda.h - the CUDA kernels' contract: one fused node on a list of pixels
 * of several streams at once. Plain C structures that the host fills and
 * kernels take by value, and functions that launch.
 *
 * As on the CPU (dcnn_kernels.h): row = steps (primary (inputs)(p)), rounded to
 * the map's type; d = row - out(p); significant: out(p) = row and the pixel
 * joins the update mask. The reference of every step and judgement is there.
 *
 * Differences: streams are the batch; lists, counts and masks live on the
 * device; a kernel is launched with a grid that does not depend on how long
 * the list is, and walks it with a stride. Order of a list does not matter:
 * a pixel's bits are a function of its inputs alone.
 *
 * Every kernel lets the next one of its queue begin at once, and waits itself
 * for what is ahead of it by dcnn_cuda_wait () (programmatic dependent
 * launch): before it nothing may be read that a kernel of the frame writes.
 * What the host uploaded before the frame may be.
 * Launch functions return the launch's cudaError_t, which must be used.
 */
#ifndef DCNN_CUDA_H
#define DCNN_CUDA_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dcnn_params.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What there is to launch on. */
typedef struct DcnnCudaDevice {
  uint32_t multiprocessors;
  uint32_t shared_bytes;   /* most of a block */
  bool clusters;           /* blocks can form clusters, and launches overlap
                              (sm_90, and code for it) */
  bool whole_maps;         /* dcnn_cuda_dense() is there (9.0 alone) */
} DcnnCudaDevice;

/* The compute capability (75, 90 ...) of the code that runs on the current
 * device; less than its own where it was compiled from PTX for an older one.
 * What the device can beyond that must not be asked of it: code for less than 90
 * knows neither clusters nor launches that overlap, less than 80 no tf32. */
cudaError_t dcnn_cuda_compiled_for (int *capability);

/* A graph to which kernels are added: the next one behind `after`, which then is
 * that kernel alone. */
typedef struct DcnnCudaBuild {
  cudaGraph_t graph;
  cudaGraphNode_t *after; /* room for one at least */
  size_t n_after;
} DcnnCudaBuild;

/* Where a kernel is launched: on the stream, unless it is added to a graph. */
typedef struct DcnnCudaQueue {
  cudaStream_t stream;
  DcnnCudaBuild *build;  /* NULL: launched */
  bool overlaps;         /* of a graph: may begin while what is ahead of it,
                            kernels alone, is running */
} DcnnCudaQueue;

/* Elements of a vector: 16 bytes of two each. Pixels and views begin and
 * end on whole vectors. */
#define DCNN_CUDA_LANES 8
#define DCNN_CUDA_MAX_STEPS 12

/* A feature map (or a channel slice of one) of all streams. Element c of pixel
 * (y, x) of stream s is data[s * stream + (y * width + x) * pixel + c]. */
typedef struct DcnnCudaMap {
  void *data;            /* __half, or float when f32, or __nv_bfloat16; 16-byte
                            aligned */
  uint64_t stream;       /* elements from stream to stream */
  uint32_t width, height;
  uint32_t span;         /* elements of a pixel that mean something */
  uint32_t pixel;        /* elements from pixel to pixel */
  uint32_t f32;          /* float elements (moments, small vectors) */
  uint32_t bf16;         /* what is no float is bfloat16, not half: in all maps of a
                            session, those of floats too */
} DcnnCudaMap;

typedef struct DcnnCudaStep {
  int32_t kind;          /* DcnnStepKind */
  int32_t operand;       /* DcnnOperandKind */
  float a, b;
  DcnnCudaMap map;       /* MAP, PIXEL; VECTOR of a 1x1 map (a gate) */
  const float *vector;   /* VECTOR that is constant: device, [span padded] */
} DcnnCudaStep;

/* All steps are those of the next two bits, in this order. */
#define DCNN_CUDA_PLAIN 1
#define DCNN_CUDA_PLAIN_ADD 2  /* the first adds a map, not of floats */
#define DCNN_CUDA_PLAIN_CLIP 4 /* Clip or Relu */

/* Kinds of DcnnSignificanceKind, and: */
#define DCNN_CUDA_SIGNIFICANT_RELATIVE 4 /* sum d^2 > limit * sum out(p)^2 */

/* In device memory, one a node, so that thresholds may change between frames
 * without a new graph. */
typedef struct DcnnCudaJudge {
  int32_t kind;
  float limit;
  uint32_t weighted;     /* d is multiplied by weight first */
} DcnnCudaJudge;

/* What a stream does this frame; device, one a stream, uploaded with it. */
typedef struct DcnnCudaStream {
  uint32_t dense;        /* every pixel is a candidate and joins */
  uint32_t settling;     /* 0 nothing, 1 band, 2 all, as StreamSettling */
  uint32_t record;       /* what is kept back is recorded as pending */
  double band_from, band_to; /* of the height; band_to may exceed 1: wraps */
  uint64_t places;       /* of the band: cells of 8 by 8 over the map that are
                            its; bit 0 is the first of the first row */
  uint32_t turn, turns;  /* settling all: blocks whose number is turn modulo
                            turns */
  int32_t move[2];       /* network pixels (y, x) that the window has moved; what
                            has come into view is a candidate and joins */
  uint32_t taken;        /* bits: what the host has of the last frame's, see
                            DcnnCudaGather */
} DcnnCudaStream;

/* One entry of a list. */
typedef struct DcnnCudaPixel {
  uint32_t at;           /* DCNN_PIXEL (y, x): y in bits 16..30, x in 0..14 */
  uint32_t stream;       /* in bits 0..15, flags above */
} DcnnCudaPixel;
#define DCNN_CUDA_FORCE 0x80000000u  /* invalid before, or a dense frame:
                                        always joins */
#define DCNN_CUDA_CHANGE 0x40000000u /* a candidate: judged by the node's
                                        threshold */
#define DCNN_CUDA_EXACT 0x20000000u  /* its turn to be settled: any difference
                                        is stored, into the mask `exact` */

/* The listed pixels of 8 by 8, bits as in a mask's word, for the same reasons: those
 * of CHANGE, EXACT and FORCE, and all of them. */
typedef struct DcnnCudaSquare {
  uint32_t at, stream;     /* as of a pixel: of the first one; without flags */
  uint64_t listed, change, exact, force;
} DcnnCudaSquare;

/* Where a node's verdicts go: one bit a pixel, 8x8 blocks (dcnn_mask.h). Words
 * of stream s begin at s * words. */
typedef struct DcnnCudaMasks {
  uint64_t *updated, *exact, *pending;
  uint32_t words, blocks_x;
} DcnnCudaMasks;

/* What every fused node has. */
typedef struct DcnnCudaNode {
  DcnnCudaMap in, out;
  uint32_t n_steps;
  uint32_t plain;            /* DCNN_CUDA_PLAIN and what there is; 0: steps are
                                other ones, too */
  float least, most;         /* of plain steps: they clip to these */
  DcnnCudaStep steps[DCNN_CUDA_MAX_STEPS];
  const DcnnCudaPixel *list; /* device; DCNN_CUDA_OVERREAD more may be read */
  const uint32_t *count;     /* device: entries of the list */
  const DcnnCudaSquare *squares; /* device: the same by squares, and how many */
  const uint32_t *n_squares;
  uint32_t passes;           /* all that is listed is stored; its masks are
                                its list's */
  DcnnCudaMasks masks;
  const DcnnCudaStream *streams;
  const DcnnCudaJudge *judge; /* of stream 0 */
  uint32_t judge_stride;     /* from stream to stream */
  const float *weight;       /* device, [streams][span padded]: 1 / spread or
                                influence */
  uint32_t weight_stride;
  uint32_t blocks;           /* of the grid */
} DcnnCudaNode;

/* ---- lists ------------------------------------------------------------------ */

typedef enum DcnnCudaReach {
  DCNN_CUDA_REACH_SAME,
  DCNN_CUDA_REACH_WINDOW,
  DCNN_CUDA_REACH_TRANSPOSED,
  DCNN_CUDA_REACH_TABLE,
  DCNN_CUDA_REACH_ALL,     /* any change: every pixel (a gate's reader) */
} DcnnCudaReach;

/* A mask that a node's candidates come from. */
typedef struct DcnnCudaSource {
  DcnnCudaReach reach;
  uint32_t width, height, words, blocks_x;
  const uint64_t *updated, *exact;
  int32_t kernel[2], stride[2], dilation[2], pad[2];
  const uint32_t *index_y, *index_x; /* device, TABLE */
  uint32_t taps_y, taps_x;
  uint32_t around;         /* WINDOW that is the pixel and the eight around it, of a
                              map of the list's size */
  uint32_t late;           /* the mask is made anew behind the frame's exit; only
                              gathers ask, see dcnn_cuda_look() */
  uint32_t follows;        /* reaches as the source before it does, a WINDOW of a few
                              words: what changes in either is looked at once */
} DcnnCudaSource;

#define DCNN_CUDA_MAX_SOURCES 32
#define DCNN_CUDA_NEAR 64 /* words of a source that a word's pixels are seen to reach */
#define DCNN_CUDA_OVERREAD 128 /* entries past the end of a list */

/* A list of pixels, which several nodes may share: those that pass all of it
 * on, and at most one that judges. */
typedef struct DcnnCudaList {
  uint32_t n_sources, width, height, words, blocks_x;
  uint32_t stride[2];        /* network pixels (y, x) a pixel; 0: it does not
                                move with the window */
  uint32_t by_words;         /* all sources are SAME, or `around`, or ALL of a
                                mask of one word: candidates follow from whole
                                words */
  DcnnCudaSource sources[DCNN_CUDA_MAX_SOURCES];
  /* of the node that judges: its masks are cleared, and pixels whose turn it
   * is to be settled are taken off `pending`; all NULL: there is none */
  uint64_t *updated, *exact, *pending;
  /* of those that pass on: candidates and corrections; NULL: there are none */
  uint64_t *passed, *passed_exact;
  DcnnCudaPixel *list;       /* NULL: what is passed is all that is asked for, and
                                count, candidates and corrections are unused */
  uint32_t *count;
  DcnnCudaSquare *squares;   /* the same by squares; NULL: not asked for */
  uint32_t *n_squares;
  uint32_t *candidates;      /* [streams]: adds how many each has */
  uint32_t *corrections;     /* [streams]: of those, adds what settling alone
                                has to do with */
} DcnnCudaList;
/* Makes n lists, described in device memory; most_words: of the largest. */
cudaError_t dcnn_cuda_lists (const DcnnCudaList *lists, uint32_t n,
    uint32_t most_words, uint32_t n_streams, const DcnnCudaStream *streams,
    DcnnCudaQueue queue);
/* What n lists' masks and counts become in a frame that is dense in every stream;
 * nothing is listed, and a node that judges notes by itself that all joins. */
cudaError_t dcnn_cuda_dense_lists (const DcnnCudaList *lists, uint32_t n,
    uint32_t n_streams, DcnnCudaQueue queue);

/* ---- nodes ------------------------------------------------------------------- */

/* Convolution as an implicit GEMM on the list's rows. weights: device, as
 * the maps, [n_padded][k_padded], k = tap * span8 * 8 + position; zeros elsewhere.
 * bias: device, [n_padded]. Writes whole vectors: positions past the channels
 * get what zero weights give.
 *
 * A cluster of ranks * splits blocks computes some rows: each rank its part of
 * the channels, each split of a rank its part of k. Where the node passes on,
 * `groups` clusters share out the channels instead. The order of sums follows
 * from `splits` alone, which therefore must not depend on the work at hand. */
typedef struct DcnnCudaConv {
  DcnnCudaNode node;
  const void *weights;
  const float *bias;
  uint32_t n_padded, k_padded; /* multiples of 32 (64) and of 64 */
  uint32_t span8;              /* vectors of an input pixel */
  int32_t kernel[2], stride[2], dilation[2], pad[2];
  uint32_t transposed;
  uint32_t channels;           /* of a chunk: 32 or 64 */
  uint32_t splits, ranks, groups;
  uint32_t wide_from;          /* entries from which on blocks take 128 */
  uint32_t narrow;             /* they never do, and three fit a multiprocessor */
  uint32_t parts;              /* of k, whose sums kernels of 9.0 add in turn: `splits` */
  uint32_t pool;               /* bytes of shared memory for copies */
  void *room;                  /* device: see dcnn_cuda_conv_shape() */
  /* Of a 1x1 kernel alone: what it reads is a normalisation of `in` that nobody stores,
   * clip (in * scale + shift), rounded to the map's type. Device, scale and shift, each
   * [k_padded] with 0 past the last channel; NULL: it is `in` itself. */
  const float *norm;
  float norm_least, norm_most;
} DcnnCudaConv;
/* Of more a block has no room for scale and shift, and a device of less shared memory
 * never has. */
#define DCNN_CUDA_NORM_CHANNELS 1024
#define DCNN_CUDA_NORM_SHARED (96 * 1024)
/* How to share out a node: splits by its shape alone, everything else for
 * `expected` entries; up to `most` have a block each, where there are processors
 * for them: a block that begins anew takes as long again, one too many little.
 * Returns the bytes of `room` that the node needs beside shared memory, or 0. */
size_t dcnn_cuda_conv_shape (DcnnCudaConv *conv, uint64_t pixels,
    uint64_t expected, uint64_t most, const DcnnCudaDevice *device);
cudaError_t dcnn_cuda_conv (const DcnnCudaConv *conv, DcnnCudaQueue queue);

/* The same of whole maps, where every pixel of all streams is on the list and
 * joins: no list is read. Bits are those of dcnn_cuda_conv(). Accepted are
 * 9.0, maps of two bytes an element, windows that do not transpose, of channels of which
 * 32 are a whole part or which a 1x1 kernel reads. */
bool dcnn_cuda_dense_accepts (const DcnnCudaConv *conv,
    const DcnnCudaDevice *device);
cudaError_t dcnn_cuda_dense (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue);
/* The same of fewer channels, such as a picture's. */
bool dcnn_cuda_few_accepts (const DcnnCudaConv *conv,
    const DcnnCudaDevice *device);
cudaError_t dcnn_cuda_few (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue);
/* dcnn_cuda_conv() by squares of 8 by 8 pixels that hold any listed one: all of a
 * square's pixels are computed, and what is listed is judged and stored. For longer
 * lists: of whole squares it is as fast as dcnn_cuda_dense(). Bits are the same.
 * Accepted are 9.0, maps of two bytes an element, windows that do not transpose,
 * channels as above; of a node that judges, 512 at most. To be asked after
 * dcnn_cuda_conv_shape(). */
bool dcnn_cuda_squares_accepts (const DcnnCudaConv *conv,
    const DcnnCudaDevice *device);
cudaError_t dcnn_cuda_squares (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue);
/* dcnn_cuda_conv() on longer lists, those of many streams: by blocks that go on from
 * tile to tile, with what these read on its way. Bits are the same. Accepted are 9.0,
 * maps of two bytes an element, windows that do not transpose, of up to 14 by 14 taps,
 * plain steps; of a node that judges, as many channels as a block has room for (1024);
 * maps of all streams of up to 32 GiB. expected: entries. To be asked after dcnn_cuda_conv_shape(). */
bool dcnn_cuda_long_accepts (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device);
cudaError_t dcnn_cuda_long (const DcnnCudaConv *conv, uint64_t expected,
    uint32_t n_streams, const DcnnCudaDevice *device, DcnnCudaQueue queue);
/* Lists that the launch of a convolution makes beside it: whose sources are all
 * written before it. */
typedef struct DcnnCudaBeside {
  const DcnnCudaList *lists;   /* device */
  const DcnnCudaStream *streams;
  uint32_t n, n_streams;
  uint32_t per;                /* words of a mask that a warp takes */
  uint32_t blocks_x, blocks;   /* of the grid: see dcnn_cuda_beside_shape() */
} DcnnCudaBeside;
/* To be asked after dcnn_cuda_conv_shape(); sets per and blocks. most_words: of
 * the largest list. false: lists are better launched by themselves, since there
 * are more of them than fit beside it. */
bool dcnn_cuda_beside_shape (const DcnnCudaConv *conv, uint32_t most_words,
    DcnnCudaBeside *lists, const DcnnCudaDevice *device);
cudaError_t dcnn_cuda_beside (const DcnnCudaConv *conv,
    const DcnnCudaBeside *lists, DcnnCudaQueue queue);

/* Convolution where in, out and weights ([n_padded][k_padded]) are floats. The
 * shape function returns the bytes of `room` that are needed, or 0. */
size_t dcnn_cuda_floats_shape (DcnnCudaConv *conv, uint64_t expected,
    const DcnnCudaDevice *device);
cudaError_t dcnn_cuda_floats (const DcnnCudaConv *conv, bool tf32,
    DcnnCudaQueue queue);

/* Every other primary operator. Tables are device memory. */
typedef struct DcnnCudaRows {
  DcnnCudaNode node;
  int32_t primary;             /* DcnnPrimary */
  int32_t kernel[2], stride[2], dilation[2], pad[2];
  const float *weights, *bias; /* DEPTHWISE: [taps][span padded]; GROUP_CONV:
                                  [out][in / groups][taps]; LAYER_NORM: scale */
  uint32_t group_in, group_out;
  const uint32_t *source;      /* by out position: the in position, UINT32_MAX:
                                  fill; SPACE_TO_DEPTH: offset of the pixel in
                                  the block << 16 | position; DEPTH_TO_SPACE:
                                  [block^2][out span padded] */
  const uint32_t *index_y, *index_x;
  const float *weight_y, *weight_x;
  uint32_t taps_y, taps_x, block;
  float fill, epsilon;
  uint32_t channels;           /* logical, of reductions over them */
  uint32_t flag;               /* count_include_pad, log_form, select_last,
                                  DcnnChannelReduce */
} DcnnCudaRows;
cudaError_t dcnn_cuda_rows (const DcnnCudaRows *rows, DcnnCudaQueue queue);
/* The same of whole maps, as dcnn_cuda_dense(). */
bool dcnn_cuda_dense_rows_accepts (const DcnnCudaRows *rows,
    uint32_t n_streams, const DcnnCudaDevice *device);
cudaError_t dcnn_cuda_dense_rows (const DcnnCudaRows *rows,
    uint32_t n_streams, const DcnnCudaDevice *device, DcnnCudaQueue queue);

/* A map to one pixel: poolings and moments, anew where anything changed. */
typedef struct DcnnCudaGlobal {
  DcnnCudaNode node;           /* list and steps unused */
  uint32_t n_sources, n_streams;
  DcnnCudaSource sources[DCNN_CUDA_MAX_SOURCES]; /* reach unused */
  uint32_t maximum, norm;
  const uint32_t *group;       /* norm: [span padded], UINT32_MAX: no channel */
  const float *scale, *bias;
  uint32_t n_groups, group_channels;
  double epsilon;
  double *room;                /* [streams][2 * span padded + 2 * n_groups] */
} DcnnCudaGlobal;
cudaError_t dcnn_cuda_global (const DcnnCudaGlobal *global,
    DcnnCudaQueue queue);

/* Changed pixels of a map for the host: entries of 1 + channels words, which are
 * y in bits 16..30, x in bits 0..14, DCNN_CUDA_NEWS; then the channels as
 * floats. */
#define DCNN_CUDA_NEWS 0x80000000u /* changed in this frame; else before, and
                                      not taken since */
typedef struct DcnnCudaGather {
  DcnnCudaMap map;
  uint32_t n_sources, n_streams, channels;
  DcnnCudaSource sources[DCNN_CUDA_MAX_SOURCES]; /* reach unused */
  const DcnnCudaStream *streams;
  const uint32_t *position;    /* [channels] */
  uint64_t *owed;              /* [streams][words]: packed by the last frame */
  uint32_t bit;                /* of DcnnCudaStream.taken: that was taken */
  uint32_t *entries;           /* of stream 0; in any order */
  uint64_t entries_stream;     /* words */
  uint32_t *count;             /* [streams]: adds how many */
  const uint32_t *ran;         /* device; 0: masks that are late are those of an
                                  earlier frame. NULL: none is */
} DcnnCudaGather;
cudaError_t dcnn_cuda_gather (const DcnnCudaGather *gather,
    DcnnCudaQueue queue);

/* The input's changed pixels, as the host has listed them. */
typedef struct DcnnCudaInput {
  DcnnCudaMap map;
  const DcnnCudaPixel *list;   /* device or mapped */
  const float *values;         /* [entries][channels rounded up to 4] */
  const uint32_t *count;
  uint32_t values_stride;
} DcnnCudaInput;
cudaError_t dcnn_cuda_input (const DcnnCudaInput *input, DcnnCudaQueue queue);

/* ---- a window that moves ------------------------------------------------------ */

/* What is stored by place: pixel (y, x) of the window becomes what pixel (y, x)
 * + d was, where that was in view, and keeps what it holds elsewhere (bits of a
 * mask: are 0). */
typedef struct DcnnCudaShift {
  void *data;                /* of stream 0; on whole units */
  uint64_t stream;           /* bytes from stream to stream */
  uint32_t width, height;    /* pixels */
  uint32_t pixel;            /* bytes from pixel to pixel */
  uint32_t unit;             /* bytes that are moved at once: 16 or 1; 0: a mask
                                of 8x8 blocks */
  uint32_t stride[2];        /* as DcnnCudaList.stride */
} DcnnCudaShift;
/* things: device, [n]. moves: device, [streams][2]: as DcnnCudaStream.move. Not
 * part of a frame's graph. */
cudaError_t dcnn_cuda_shift (const DcnnCudaShift *things, uint32_t n,
    uint32_t n_streams, const int32_t *moves, cudaStream_t queue);

/* Pixels in each node's update mask, and whether anything is pending. */
typedef struct DcnnCudaCounted {
  const uint64_t *updated, *pending;
  uint32_t words;
} DcnnCudaCounted;
/* ran: as DcnnCudaGather has it; late: device, by node. */
cudaError_t dcnn_cuda_count (const DcnnCudaCounted *nodes, uint32_t n_nodes,
    uint32_t n_streams, const uint32_t *ran, const uint32_t *late,
    uint32_t *joined, uint32_t *pending, DcnnCudaQueue queue);

/* Whether a gate is taken as it is now, whatever it is judged by: where at least
 * `from` of its reader's pixels are candidates without it, of a stream that is
 * neither dense nor moves. */
typedef struct DcnnCudaTake {
  const uint64_t *candidates;  /* device: [streams][words] */
  uint32_t words, from;
  const DcnnCudaStream *streams;
  const DcnnCudaJudge *judges; /* the gate's, of stream 0 */
  uint32_t judge_stride;       /* from stream to stream */
  uint64_t *taken;             /* [streams]: is 1, or 0 */
  DcnnCudaJudge *judge;        /* [streams]: is its own, or any difference */
} DcnnCudaTake;
cudaError_t dcnn_cuda_take_gate (const DcnnCudaTake *take, uint32_t n_streams,
    DcnnCudaQueue queue);

/* ---- a frame that ends -------------------------------------------------------------- */

/* Conditional nodes of graphs, as CUDA 13 has them. */
#if CUDART_VERSION >= 13000
#define DCNN_CUDA_PARTS 1
#else
#define DCNN_CUDA_PARTS 0
#endif

/* A mask that is read behind the exit and written before. */
typedef struct DcnnCudaLive {
  const uint64_t *updated, *exact;
  uint32_t words;              /* of a stream */
} DcnnCudaLive;
#if DCNN_CUDA_PARTS
/* Lets the conditional node run, and *ran be 1, if there is anything in these
 * masks (live: device), or anything that a stream does of itself. */
cudaError_t dcnn_cuda_look (const DcnnCudaLive *live, uint32_t n,
    uint32_t n_streams, const DcnnCudaStream *streams, uint32_t *ran,
    cudaGraphConditionalHandle handle, DcnnCudaQueue queue);
#endif

#ifdef __cplusplus
}
#endif

#endif
