/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_chain.cu - a 1x1 convolution with the node before it, which computes
 * its input pixel by pixel on the same list: a copy with steps (a normalisation
 * and what follows it) or a depthwise convolution. A block computes all inputs
 * of its 32 rows and its part of k into shared memory, as the node alone would
 * have stored them, and multiplies them from there: one launch less in series,
 * the same bits. What a launch costs is what it saves; each block of a pixel's
 * channels computes the inputs anew.
 */
#include "dcnn_cuda_list.cuh"
#include "dcnn_cuda_rows.cuh"
#include "dcnn_cuda_tile.cuh"

/* Vectors of a copy that a thread has asked for before it uses any. */
#define AHEAD 4

/* Where vector i of the tile's inputs is, and of what. */
struct Input {
  bool there;
  uint32_t s, y, x, c;     /* c: first channel */
  uint32_t at;             /* byte in the inputs */
};

__device__ __forceinline__ Input
input_of (const DcnnCudaRows &q, const Rows &rows, const Part &part,
    uint32_t n_rows, uint32_t i)
{
  uint32_t vectors = part.n_k * 8, row = i / vectors, v = i % vectors;
  Input in = { row < n_rows, 0, 0, 0, (part.k0 * 8 + v) * 8,
    v / 8 * (NARROW * BK * 2) + dcnn_piece_at (row % NARROW, v % 8) };

  in.there &= in.c < q.node.out.span;
  if (in.there) {
    const DcnnCudaPixel &e = rows.pixel[row];
    in.s = dcnn_cuda_stream_of (e);
    in.y = (e.at >> 16) & 0x7fff;
    in.x = e.at & 0x7fff;
  }
  return in;
}

/* What the node makes of its primary's eight channels: to shared memory, and
 * where keeps is set to its map. */
__device__ __forceinline__ void
put_input (const DcnnCudaRows &q, const Input &in, float *v, bool keeps,
    char *inputs)
{
  uint4 u = make_uint4 (0, 0, 0, 0);

  if (in.there) {
    dcnn_cuda_steps (q.node, in.s, in.y, in.x, in.c, v, q.node.n_steps,
        uint4 {});
    u = dcnn_cuda_pack (v);
    if (keeps)
      *reinterpret_cast<uint4 *> (static_cast<__half *> (q.node.out.data) +
          dcnn_cuda_at (q.node.out, in.s, in.y, in.x) + in.c) = u;
  }
  *reinterpret_cast<uint4 *> (inputs + in.at) = u;
}

/* The inputs of a tile's rows, [steps of k][NARROW][BK] as products read them. */
__device__ __forceinline__ void
make_inputs (const DcnnCudaRows &q, const Rows &rows, const Part &part,
    uint32_t n_rows, char *inputs)
{
  uint32_t n = NARROW * part.n_k * 8;
  bool keeps = part.chunk0 == 0;

  if (q.primary == DCNN_PRIMARY_DEPTHWISE) {
    for (uint32_t i = threadIdx.x; i < n; i += THREADS) {
      Input in = input_of (q, rows, part, n_rows, i);
      float v[8];
      if (in.there)
        depthwise (q, in.s, (int) in.y, (int) in.x, in.c, v);
      put_input (q, in, v, keeps, inputs);
    }
    return;
  }
  for (uint32_t first = threadIdx.x; first < n; first += AHEAD * THREADS) {
    uint4 u[AHEAD];
#pragma unroll
    for (uint32_t i = 0; i < AHEAD; i++) {
      Input in = input_of (q, rows, part, n_rows, first + i * THREADS);
      if (in.there)
        u[i] = *reinterpret_cast<const uint4 *> (
            static_cast<const __half *> (q.node.in.data) +
            dcnn_cuda_at (q.node.in, in.s, in.y, in.x) + in.c);
    }
#pragma unroll
    for (uint32_t i = 0; i < AHEAD; i++) {
      Input in = input_of (q, rows, part, n_rows, first + i * THREADS);
      float v[8];
      if (first + i * THREADS >= n)
        continue;
      if (in.there)
        dcnn_cuda_unpack (u[i], v);
      put_input (q, in, v, keeps, inputs);
    }
  }
}

/* The list's rows of q and, from them, of p: by block `block` of `blocks`. */
template<int BN>
__device__ __forceinline__ void
run_chain (const DcnnCudaConv &p, const DcnnCudaRows &q, Rows &rows,
    char *shared, uint32_t block, uint32_t blocks)
{
  uint32_t tile, tiles;
  Part part = part_of_block<BN> (p, block, blocks, tile, tiles);
  bool early_weights = true;

  ask_weights<BN, STAGES_THERE - 1> (p, part, shared_address (shared),
      tile == 0);
  dcnn_cuda_wait ();
  DcnnCudaPixel e = { 0, 0 };
  if (threadIdx.x < NARROW)
    e = p.node.list[tile * NARROW + threadIdx.x];
  uint32_t count = *p.node.count;
  for (; tile * NARROW < count; tile += tiles) {
    uint32_t n_rows = min ((uint32_t) NARROW, count - tile * NARROW);
    __syncthreads ();
    if (threadIdx.x < NARROW) {
      if (!early_weights && threadIdx.x < n_rows)
        e = p.node.list[tile * NARROW + threadIdx.x];
      take_row (p, rows, threadIdx.x, threadIdx.x < n_rows ? e :
          DcnnCudaPixel { 0, 0 });
    }
    __syncthreads ();
    make_inputs (q, rows, part, n_rows, shared + STAGES_THERE * BN * BK * 2);
    run_tile<NARROW, BN, 0, true> (p, rows, part, n_rows, {}, shared,
        early_weights, p.node.passes || threadIdx.x >= n_rows ||
        (e.stream & DCNN_CUDA_FORCE));
    early_weights = false;
  }
  copy_wait<0> ();
}

/* Computes: the list's rows of q and, from them, of p; in blocks 0 ..
 * lists.blocks - 1 other lists. Writes q's rows, p's rows that are significant,
 * and p's bits: q passes all on. p.pool: the bytes of STAGES_THERE stages of
 * weights and of all inputs of a part. */
template<int BN>
__global__ void __launch_bounds__ (THREADS, 2)
chain_kernel (const __grid_constant__ DcnnCudaConv p,
    const __grid_constant__ DcnnCudaRows q,
    const __grid_constant__ DcnnCudaBeside lists)
{
  DCNN_CUDA_DYNAMIC (shared, 128);
  __shared__ Rows rows;

  if (blockIdx.x >= lists.blocks)
    run_chain<BN> (p, q, rows, shared, blockIdx.x - lists.blocks,
        gridDim.x - lists.blocks);
  else
    make_lists_beside (lists, blockIdx.x, shared);
}

/* ---- launching ---------------------------------------------------------------------- */

bool
dcnn_cuda_chain_shape (DcnnCudaConv *p, const DcnnCudaRows *q)
{
  uint32_t n_k = (p->k_padded / BK + p->splits - 1) / p->splits;
  uint32_t pool = (STAGES_THERE * p->channels + n_k * NARROW) * BK * 2;

  if (p->transposed || p->kernel[0] != 1 || p->kernel[1] != 1 ||
      p->stride[0] != 1 || p->stride[1] != 1 || p->pad[0] || p->pad[1] ||
      q->node.in.f32 || q->node.out.f32 || pool > p->pool ||
      q->node.out.width != p->node.out.width ||
      q->node.out.height != p->node.out.height)
    return false;
  if (q->primary != DCNN_PRIMARY_DEPTHWISE &&
      (q->primary != DCNN_PRIMARY_COPY || q->source != NULL))
    return false;
  p->pool = pool;
  p->wide_from = p->long_from = UINT32_MAX;
  return true;
}

template<int BN>
static cudaError_t
launch (const DcnnCudaConv *p, const DcnnCudaRows *q, DcnnCudaBeside lists,
    DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<DcnnCudaConv *> (p),
    const_cast<DcnnCudaRows *> (q), &lists };
  size_t bytes = p->pool + other_bytes (p, p->room != NULL) - sizeof (Rows);

  static_assert (sizeof (DcnnCudaConv) + sizeof (DcnnCudaRows) +
      sizeof (DcnnCudaBeside) < 4096, "arguments");
  static_assert (sizeof (ListRoom) <= STAGES_THERE * BN * BK * 2 &&
      THREADS == WARPS * 32, "lists are made by such blocks");
  return dcnn_cuda_launch ((const void *) chain_kernel<BN>,
      dim3 (p->node.blocks + lists.blocks), THREADS, bytes,
      p->ranks * p->splits, arguments, queue);
}

cudaError_t
dcnn_cuda_chain (const DcnnCudaConv *conv, const DcnnCudaRows *rows,
    const DcnnCudaBeside *lists, DcnnCudaQueue queue)
{
  DcnnCudaBeside beside = {};

  if (lists)
    beside = *lists;
  return conv->channels == 32 ? launch<32> (conv, rows, beside, queue) :
      launch<64> (conv, rows, beside, queue);
}
