/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * emulated.cc - the GPU's convolution kernels, run here without a GPU: their
 * own source, compiled for the processor. A block's threads are contexts that
 * take turns at its barriers; what is an instruction of the GPU (copies,
 * ldmatrix, mma, wgmma, bulk copies and their barriers) is written anew from
 * the PTX ISA. Clusters are not emulated: blocks run one after the other.
 *
 * Whole numbers, so that any difference is a wrong index: maps, masks and
 * what must not be touched are compared with a plain convolution.
 *
 *   emulated [SEED]     0: sixty of them
 *
 * It shows that a kernel reads and writes the right things, not that it is
 * free of races between what the hardware does at the same time.
 */
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <vector>

#include <cuda_fp16.h>
#include <cuda_runtime.h>

/* ---- a block ----------------------------------------------------------------------- */

#define N_THREADS 256

static struct Block {
  ucontext_t scheduler, thread[N_THREADS];
  std::vector<char> stack[N_THREADS];
  bool ended[N_THREADS];
  unsigned now, running;
  /* barriers: of the block (8) and of each warp */
  unsigned waiting[9], generation[9];
  bool all[2];
  void (*entry) ();
} block;

static uint3 emulated_thread, emulated_block;
static dim3 emulated_grid;
#define threadIdx emulated_thread
#define blockIdx emulated_block
#define gridDim emulated_grid

alignas (1024) static char emulated_shared[256 * 1024];

static void
give_way ()
{
  unsigned self = block.now;

  swapcontext (&block.thread[self], &block.scheduler);
}

static void
meet (unsigned barrier, unsigned n)
{
  unsigned generation = block.generation[barrier];

  if (++block.waiting[barrier] == n) {
    block.waiting[barrier] = 0;
    block.generation[barrier]++;
    return;
  }
  while (block.generation[barrier] == generation)
    give_way ();
}

static void
run_thread ()
{
  block.entry ();
  block.ended[block.now] = true;
  block.running--;
  swapcontext (&block.thread[block.now], &block.scheduler);
}

static void
run_block (void (*entry) ())
{
  block.entry = entry;
  block.running = N_THREADS;
  memset (block.waiting, 0, sizeof block.waiting);
  for (unsigned i = 0; i < N_THREADS; i++) {
    block.stack[i].resize (128 * 1024);
    block.ended[i] = false;
    getcontext (&block.thread[i]);
    block.thread[i].uc_stack.ss_sp = block.stack[i].data ();
    block.thread[i].uc_stack.ss_size = block.stack[i].size ();
    makecontext (&block.thread[i], run_thread, 0);
  }
  while (block.running > 0)
    for (unsigned i = 0; i < N_THREADS; i++)
      if (!block.ended[i]) {
        block.now = i;
        emulated_thread = make_uint3 (i, 0, 0);
        swapcontext (&block.scheduler, &block.thread[i]);
      }
}

static unsigned
lane_of ()
{
  return block.now % 32;
}

static void
warp_meet ()
{
  meet (block.now / 32, 32);
}

static void
__syncthreads ()
{
  meet (8, N_THREADS);
}

static int
__syncthreads_and (int good)
{
  static unsigned turn;
  unsigned own;

  __syncthreads ();
  own = turn & 1;
  block.all[own] = true;
  __syncthreads ();
  if (!good)
    block.all[own] = false;
  __syncthreads ();
  return block.all[own];
}

template<typename T>
static T
__shfl_xor_sync (unsigned, T v, unsigned mask)
{
  static T values[N_THREADS];
  T found;

  values[block.now] = v;
  warp_meet ();
  found = values[block.now ^ mask];
  warp_meet ();
  return found;
}

static unsigned long long
atomicOr (unsigned long long *at, unsigned long long bits)
{
  unsigned long long before = *at;
  *at |= bits;
  return before;
}

#undef __shared__
#define __shared__ static
#undef __launch_bounds__
#define __launch_bounds__(...)
#undef __grid_constant__
#define __grid_constant__
#define DCNN_CUDA_DYNAMIC(name, alignment) char *name = emulated_shared
#define __CUDA_ARCH_FEAT_SM90_ALL
#undef __noinline__
#define __noinline__ __attribute__ ((noinline))

static uint32_t
__float_as_uint (float f)
{
  uint32_t u;
  memcpy (&u, &f, 4);
  return u;
}

#include <math_constants.h>
#undef CUDART_NAN_F
#define CUDART_NAN_F NAN
template<typename A, typename B>
static typename std::common_type<A, B>::type
min (A a, B b)
{
  typename std::common_type<A, B>::type x = a, y = b;
  return x < y ? x : y;
}

template<typename A, typename B>
static typename std::common_type<A, B>::type
max (A a, B b)
{
  typename std::common_type<A, B>::type x = a, y = b;
  return x > y ? x : y;
}

#define cudaFuncGetAttributes(a, ...) ((a)->ptxVersion = 90, cudaSuccess)
#define cudaGetDevice(p) (*(p) = 0, cudaSuccess)
#define cudaDeviceGetAttribute(p, ...) (*(p) = 4, cudaSuccess)
using std::isnan;

/* ---- instructions (in place of dcnn_cuda_mma.cuh) --------------------------------------- */

#define DCNN_CUDA_MMA_CUH
/* Dynamic memory is at 0; what is static, far behind. */
static uint32_t
shared_address (const void *p)
{
  return (uint32_t) ((const char *) p - emulated_shared);
}

static char *
at_shared (uint32_t address)
{
  return emulated_shared + (int32_t) address;
}

static void
copy_async (uint32_t to, const void *from, bool there)
{
  if (there)
    memcpy (at_shared (to), from, 16);
  else
    memset (at_shared (to), 0, 16);
}

static void copy_commit () {}
template<int most> static void copy_wait () {}
static void prefetch (const void *) {}
static uint32_t cluster_rank () { return 0; }
static void cluster_sync () { __syncthreads (); }
static void cluster_arrive () {}
static void cluster_await () {}
static uint32_t cluster_address (const void *p, uint32_t) { return shared_address (p); }

static float
cluster_read (uint32_t at)
{
  float v;
  memcpy (&v, at_shared (at), 4);
  return v;
}

static float4
cluster_read4 (uint32_t at)
{
  float4 v;
  memcpy (&v, at_shared (at), 16);
  return v;
}

static uint32_t warp_addresses[N_THREADS];

/* Matrix m's rows are at the addresses of lanes 8 m .. 8 m + 7; a lane gets two
 * halves of row lane / 4. */
static void
load_some_matrices (uint32_t at, uint32_t *r, unsigned n)
{
  warp_addresses[block.now] = at;
  warp_meet ();
  for (unsigned m = 0; m < n; m++)
    memcpy (&r[m], at_shared (warp_addresses[block.now / 32 * 32 + m * 8 +
            lane_of () / 4]) + lane_of () % 4 * 4, 4);
  warp_meet ();
}

static void load_matrices (uint32_t at, uint32_t *r) { load_some_matrices (at, r, 4); }
static void load_two_matrices (uint32_t at, uint32_t *r) { load_some_matrices (at, r, 2); }

static float
half_of (uint32_t pair, unsigned i)
{
  __half_raw h;
  h.x = (unsigned short) (pair >> 16 * i);
  return __half2float (__half (h));
}

/* m16n8k16: a[i] is row lane / 4 + 8 (i & 1), columns lane % 4 * 2 + 8 (i / 2);
 * b rows lane % 4 * 2 + 8 i of column lane / 4; d as a, with columns of n. */
static void
multiply (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
  static uint32_t as[N_THREADS][4], bs[N_THREADS][2];
  unsigned warp = block.now / 32 * 32, lane = lane_of ();

  memcpy (as[block.now], a, 16);
  bs[block.now][0] = b0, bs[block.now][1] = b1;
  warp_meet ();
  for (unsigned i = 0; i < 4; i++) {
    unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 16; k++)
      d[i] += half_of (as[warp + row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2],
              k % 2) * half_of (bs[warp + column * 4 + k % 8 / 2][k / 8],
              k % 2);
  }
  warp_meet ();
}

static uint32_t
to_tf32 (float v)
{
  return __float_as_uint (v); /* whole numbers are what they were */
}

/* m16n8k8: a[i] is row lane / 4 + 8 (i & 1), column lane % 4 + 4 (i / 2). */
static void
multiply_floats (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
  static float as[N_THREADS][4], bs[N_THREADS][2];
  unsigned warp = block.now / 32 * 32, lane = lane_of ();

  memcpy (as[block.now], a, 16);
  memcpy (&bs[block.now][0], &b0, 4);
  memcpy (&bs[block.now][1], &b1, 4);
  warp_meet ();
  for (unsigned i = 0; i < 4; i++) {
    unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 8; k++)
      d[i] += as[warp + row % 8 * 4 + k % 4][row / 8 + k / 4 * 2] *
          bs[warp + column * 4 + k % 4][k / 4];
  }
  warp_meet ();
}

/* ---- instructions (in place of dcnn_cuda_wgmma.cuh) ------------------------------------- */

#define DCNN_CUDA_WGMMA_CUH
static float
matrix_half (uint64_t descriptor, uint32_t row, uint32_t column)
{
  uint32_t at = (uint32_t) (descriptor & 0x3fff) * 16 + row / 8 *
      ((uint32_t) (descriptor >> 32 & 0x3fff) * 16) + row % 8 * 128 + column * 2;
  __half_raw h;

  if (descriptor >> 62 != 1)
    abort ();
  at ^= (at >> 7 & 7) << 4;
  memcpy (&h.x, at_shared (at), 2);
  return __half2float (__half (h));
}

/* Products are asked for and made when waited for, as late as may be: what is
 * written over meanwhile shows. */
static struct Group {
  uint64_t a[4], b[4];
  unsigned n;
} groups[N_THREADS];

template<int N>
static void
group_multiply (float (&)[N], uint64_t a, uint64_t b)
{
  Group &g = groups[block.now];

  if (g.n >= 4)
    abort ();
  g.a[g.n] = a;
  g.b[g.n++] = b;
}

template<int N>
static void
group_wait (float (&d)[N])
{
  Group &g = groups[block.now];
  unsigned thread = block.now % 128;

  for (unsigned p = 0; p < g.n; p++)
    for (unsigned i = 0; i < N; i++) {
      unsigned row = thread / 32 * 16 + thread % 32 / 4 + (i / 2 & 1) * 8;
      unsigned column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      for (unsigned k = 0; k < 16; k++)
        d[i] += matrix_half (g.a[p], row, k) * matrix_half (g.b[p], column, k);
    }
  g.n = 0;
}

static void group_begin () {}
static void group_commit () {}
static void fence_bulk () {}

/* Phases passed, bytes expected; one a barrier, found by its address. */
static struct Phase {
  uint32_t at, phases;
  int64_t bytes;
} phases[32];

static Phase &
phase_at (uint32_t at)
{
  for (Phase &p : phases)
    if (p.at == at || p.at == 0) {
      p.at = at;
      return p;
    }
  abort ();
}

static void
barrier_init (uint32_t at)
{
  phase_at (at).phases = 0;
  phase_at (at).bytes = 0;
}

static void
barrier_expect (uint32_t at, uint32_t bytes)
{
  phase_at (at).bytes = bytes;
}

static void
copy_bulk (uint32_t to, const void *from, uint32_t bytes, uint32_t barrier)
{
  Phase &p = phase_at (barrier);

  if (to % 16 || bytes % 16 || p.bytes < bytes)
    abort ();
  memcpy (at_shared (to), from, bytes);
  p.bytes -= bytes;
  if (p.bytes == 0)
    p.phases++;
}

static void
barrier_wait (uint32_t at, uint32_t parity)
{
  while ((phase_at (at).phases & 1) == parity)
    give_way ();
}

/* ---- the kernels --------------------------------------------------------------------------- */

#include "cuda/dcnn_cuda_conv.cu"
#undef POOL
namespace groups_of_warps {
#include "cuda/dcnn_cuda_wgmma.cu"
}
namespace floats_only {
#undef THREADS
#include "cuda/dcnn_cuda_floats.cu"
#undef ROWS
}

static void (*launched) (DcnnCudaConv);
static DcnnCudaConv argument;

static void
enter ()
{
  launched (argument);
}

cudaError_t
dcnn_cuda_launch (const void *kernel, dim3 grid, uint32_t, size_t shared,
    uint32_t cluster, void **arguments, DcnnCudaQueue)
{
  if (cluster != 1)
    abort ();
  launched = (void (*) (DcnnCudaConv)) kernel;
  argument = *static_cast<DcnnCudaConv *> (arguments[0]);
  emulated_grid = grid;
  for (unsigned b = 0; b < grid.x; b++) {
    emulated_block = make_uint3 (b, 0, 0);
    memset (emulated_shared, 0xff, shared); /* NaN: nothing is there yet */
    run_block (enter);
  }
  return cudaSuccess;
}

/* ---- a case -------------------------------------------------------------------------------- */

#define STREAMS 2

static uint64_t random_state;
static int failures;

static unsigned
any (unsigned n)
{
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned) (random_state >> 33) % n;
}

/* A map on the host and, as the kernels have it, halves or floats. */
struct Map {
  DcnnCudaMap map;
  std::vector<float> values;
  std::vector<__half> halves;
};

static Map
new_map (unsigned width, unsigned height, unsigned span, unsigned extra,
    bool f32)
{
  Map m;
  unsigned pixel = (span + 7) / 8 * 8 + extra;
  size_t n = (size_t) STREAMS * width * height * pixel;

  m.map = DcnnCudaMap { NULL, (uint64_t) width * height * pixel, width, height,
    span, pixel, f32 };
  m.values.resize (n + 8);
  m.halves.resize (n + 8);
  for (size_t i = 0; i < n; i++) {
    m.values[i] = i % pixel < span ? (float) any (5) - 2 : 0;
    m.halves[i] = __float2half_rn (m.values[i]);
  }
  return m;
}

/* The vectors do not move any more. */
static DcnnCudaMap
map_of (Map &m)
{
  m.map.data = m.map.f32 ? (void *) m.values.data () :
      (void *) m.halves.data ();
  return m.map;
}

static float
value_of (const Map &m, size_t i)
{
  return m.map.f32 ? m.values[i] : __half2float (m.halves[i]);
}

enum Way { NARROW_TILES, WIDE_TILES, WARP_GROUPS, FLOATS, ROUNDED, WAYS };
static const char *const way_names[] = { "narrow", "wide", "wgmma", "floats",
  "tf32" };

struct Case {
  DcnnCudaConv conv;
  Map in, out, added;
  std::vector<float> weights, bias, ones;
  std::vector<__half> half_weights, tiles, room;
  std::vector<float> float_room;
  std::vector<DcnnCudaPixel> list;
  std::vector<uint64_t> updated, exact, pending;
  DcnnCudaStream streams[STREAMS];
  DcnnCudaJudge judge;
  uint32_t count;
};

static void
make_weights (Case &c, unsigned channels, unsigned out_channels)
{
  DcnnCudaConv &p = c.conv;
  unsigned taps = (unsigned) (p.kernel[0] * p.kernel[1]);

  p.span8 = (channels + 7) / 8;
  p.n_padded = out_channels <= 96 ? (out_channels + 31) / 32 * 32 :
      (out_channels + 63) / 64 * 64;
  p.k_padded = (taps * p.span8 * 8 + 63) / 64 * 64;
  c.weights.assign ((size_t) p.n_padded * p.k_padded + 64, 0);
  c.half_weights.resize (c.weights.size ());
  c.tiles.resize ((size_t) (p.n_padded + 63) / 64 * 64 * p.k_padded);
  memset ((void *) c.tiles.data (), 0, c.tiles.size () * 2);
  c.bias.assign ((p.n_padded + 63) / 64 * 64, 0);
  for (unsigned n = 0; n < out_channels; n++) {
    c.bias[n] = (float) any (5) - 2;
    for (unsigned t = 0; t < taps; t++)
      for (unsigned i = 0; i < channels; i++)
        c.weights[(size_t) n * p.k_padded + t * p.span8 * 8 + i] =
            (float) any (3) - 1;
  }
  for (unsigned n = 0; n < p.n_padded; n++)
    for (unsigned k = 0; k < p.k_padded; k++) {
      __half h = __float2half_rn (c.weights[(size_t) n * p.k_padded + k]);
      c.half_weights[(size_t) n * p.k_padded + k] = h;
      c.tiles[dcnn_tile_at (n, k, p.k_padded)] = h;
    }
}

/* force: of every pixel; else of some. */
static void
make_list (Case &c, unsigned share, bool force)
{
  for (unsigned s = 0; s < STREAMS; s++)
    for (unsigned y = 0; y < c.out.map.height; y++)
      for (unsigned x = 0; x < c.out.map.width; x++)
        if (any (100) < share)
          c.list.push_back (DcnnCudaPixel { y << 16 | x, s |
            (force || any (8) == 0 ? DCNN_CUDA_FORCE : DCNN_CUDA_CHANGE) });
  c.count = (uint32_t) c.list.size ();
  c.list.resize (c.count + DCNN_CUDA_OVERREAD);
}

static void
make_case (Case &c, uint64_t seed, Way way)
{
  static const unsigned in_channels[] = { 8, 3, 16, 24, 40, 64 };
  static const unsigned out_channels[] = { 8, 20, 33, 64, 72, 96, 128, 130 };
  bool f32 = way >= FLOATS;
  unsigned channels, outs, width, height;
  DcnnCudaConv &p = c.conv;

  random_state = seed * 77 + 1;
  memset (&p, 0, sizeof p);
  channels = in_channels[any (6)], outs = out_channels[any (8)];
  /* without clusters a block judges a whole row */
  if (way == WARP_GROUPS && outs > 128)
    outs = 128;
  p.transposed = any (4) == 0;
  for (int a = 0; a < 2; a++) {
    p.kernel[a] = any (3) ? 3 : 1 + (int) any (2);
    p.stride[a] = 1 + (int) any (2);
    p.dilation[a] = 1 + (int) (any (3) == 0);
    p.pad[a] = (int) any (3);
  }
  width = 12 + any (9), height = 10 + any (9);
  c.in = new_map (width, height, channels, any (2) * 8, f32);
  c.out = new_map (p.transposed ? width * 2 : width, height, outs, any (2) * 8,
      f32);
  c.added = new_map (c.out.map.width, height, outs, 0, f32);
  make_weights (c, channels, outs);
  p.node.passes = any (3) == 0;
  make_list (c, seed % 3 == 0 ? 100 : 20 + any (60), any (3) == 0);
  c.ones.assign (outs + 64, 1);
  c.judge = DcnnCudaJudge { DCNN_SIGNIFICANT_ANY, 0, 0 };
  p.node.masks.blocks_x = (c.out.map.width + 7) / 8;
  p.node.masks.words = p.node.masks.blocks_x * ((height + 7) / 8);
  c.updated.assign (p.node.masks.words * STREAMS, 0);
  c.exact = c.pending = c.updated;
  memset (c.streams, 0, sizeof c.streams);
  if (any (2))
    p.node.steps[p.node.n_steps++] = DcnnCudaStep { DCNN_STEP_ADD,
      DCNN_OPERAND_MAP, 0, 0, map_of (c.added), NULL };
  if (any (2))
    p.node.steps[p.node.n_steps++].kind = DCNN_STEP_RELU;
  p.node.in = map_of (c.in);
  p.node.out = map_of (c.out);
  p.node.list = c.list.data ();
  p.node.count = &c.count;
  p.node.masks.updated = c.updated.data ();
  p.node.masks.exact = c.exact.data ();
  p.node.masks.pending = c.pending.data ();
  p.node.streams = c.streams;
  p.node.judge = &c.judge;
  p.node.weight = c.ones.data ();
  p.weights = f32 ? (void *) c.weights.data () : (void *) c.half_weights.data ();
  p.bias = c.bias.data ();
  p.tiles = c.tiles.data ();
}

static void
run_case (Case &c, uint64_t seed, Way way)
{
  DcnnCudaConv &p = c.conv;
  DcnnCudaDevice device = { 4, (uint32_t) (seed % 2 ? 227 : 99) * 1024, false,
    way == WARP_GROUPS };
  DcnnCudaQueue queue = { NULL, 0 };
  size_t room;

  if (way >= FLOATS) {
    room = floats_only::dcnn_cuda_floats_shape (&p, c.count, &device);
    c.float_room.assign (room / 4 + 8, NAN);
    p.room = c.float_room.data ();
    (void) floats_only::dcnn_cuda_floats (&p, way == ROUNDED, queue);
    return;
  }
  room = dcnn_cuda_conv_shape (&p, 100000, c.count / 2, &device);
  c.room.resize (room / 2 + 8);
  if (room)
    p.room = c.room.data ();
  if (way == NARROW_TILES)
    p.wide_from = UINT32_MAX;
  else if (p.wide_from != UINT32_MAX)
    p.wide_from = 0;
  if (groups_of_warps::dcnn_cuda_wgmma_shape (&p, &device))
    p.long_from = 0;
  if (way == WARP_GROUPS && seed % 4 == 0)
    p.splits = 2; /* parts of k, which short ones have not */
  if (way == WARP_GROUPS && p.k_padded < 2 * 64)
    p.splits = 1;
  if (way != WARP_GROUPS)
    (void) dcnn_cuda_conv (&p, queue);
  else
    (void) groups_of_warps::dcnn_cuda_wgmma (&p, queue);
}

/* ---- what it should be --------------------------------------------------------------------- */

static bool
tap_of (const DcnnCudaConv &p, int o, int k, int axis, int size, int *at)
{
  if (!p.transposed) {
    *at = o * p.stride[axis] - p.pad[axis] + k * p.dilation[axis];
    return *at >= 0 && *at < size;
  }
  int n = o + p.pad[axis] - k * p.dilation[axis];
  *at = n / p.stride[axis];
  return n >= 0 && n % p.stride[axis] == 0 && *at < size;
}

static float
plain (const Case &c, const DcnnCudaPixel &e, unsigned channel)
{
  const DcnnCudaConv &p = c.conv;
  int y = (int) (e.at >> 16), x = (int) (e.at & 0x7fff);
  uint32_t s = e.stream & 0xffff;
  float v = c.bias[channel];

  for (int ky = 0; ky < p.kernel[0]; ky++)
    for (int kx = 0; kx < p.kernel[1]; kx++) {
      int iy, ix;
      if (!tap_of (p, y, ky, 0, (int) c.in.map.height, &iy) ||
          !tap_of (p, x, kx, 1, (int) c.in.map.width, &ix))
        continue;
      for (unsigned i = 0; i < c.in.map.span; i++)
        v += value_of (c.in, dcnn_cuda_at (c.in.map, s, (uint32_t) iy,
                (uint32_t) ix) + i) * c.weights[(size_t) channel * p.k_padded +
            (size_t) (ky * p.kernel[1] + kx) * p.span8 * 8 + i];
    }
  for (uint32_t i = 0; i < p.node.n_steps; i++)
    v = p.node.steps[i].kind == DCNN_STEP_RELU ? (v < 0 ? 0 : v) :
        v + value_of (c.added, dcnn_cuda_at (c.added.map, s, (uint32_t) y,
                (uint32_t) x) + channel);
  return v;
}

/* Some listed pixels hold already what they come to. */
static void
settle_some (Case &c)
{
  for (uint32_t i = 0; i < c.count; i++) {
    const DcnnCudaPixel &e = c.list[i];
    size_t at = dcnn_cuda_at (c.out.map, e.stream & 0xffff, e.at >> 16,
        e.at & 0x7fff);
    for (unsigned n = 0; n < c.out.map.span && i % 3 == 0; n++) {
      c.out.values[at + n] = plain (c, e, n);
      c.out.halves[at + n] = __float2half_rn (c.out.values[at + n]);
    }
  }
}

static void
check (const Case &c, const Map &before, uint64_t seed, Way way)
{
  const DcnnCudaConv &p = c.conv;
  Map want = before;
  std::vector<uint64_t> updated (c.updated.size (), 0);
  unsigned wrong = 0;

  for (uint32_t i = 0; i < c.count; i++) {
    const DcnnCudaPixel &e = c.list[i];
    uint32_t y = e.at >> 16, x = e.at & 0x7fff, s = e.stream & 0xffff;
    size_t at = dcnn_cuda_at (c.out.map, s, y, x);
    bool joins = (e.stream & DCNN_CUDA_FORCE) != 0;
    for (unsigned n = 0; n < c.out.map.span; n++) {
      float v = plain (c, e, n);
      joins |= v != value_of (before, at + n);
      want.values[at + n] = v;
      want.halves[at + n] = __float2half_rn (v);
    }
    if (joins && !p.node.passes)
      updated[s * p.node.masks.words + y / 8 * p.node.masks.blocks_x + x / 8] |=
          1ull << (y % 8 * 8 + x % 8);
  }
  for (size_t i = 0; i < want.values.size (); i++)
    wrong += !(value_of (c.out, i) == value_of (want, i));
  if (wrong || updated != c.updated) {
    failures++;
    printf ("FAIL seed %llu %s: %u values%s; %ux%ux%u to %u, kernel %dx%d, %u "
        "entries%s\n", (unsigned long long) seed, way_names[way], wrong,
        updated != c.updated ? ", another mask" : "", c.in.map.height,
        c.in.map.width, c.in.map.span, c.out.map.span, p.kernel[0], p.kernel[1],
        c.count, p.node.passes ? ", passes" : "");
  }
}

int
main (int argc, char **argv)
{
  uint64_t only = argc > 1 ? strtoull (argv[1], NULL, 10) : 0;

  for (uint64_t seed = 1; seed <= (argc > 1 ? 60 : 4); seed++)
    for (int way = 0; way < WAYS && (!only || only == seed); way++) {
      Case c;
      make_case (c, seed, (Way) way);
      settle_some (c);
      Map before = c.out;
      run_case (c, seed, (Way) way);
      check (c, before, seed, (Way) way);
    }
  printf ("%d failures\n", failures);
  return failures != 0;
}
