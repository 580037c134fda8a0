/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * emulated.cc - the GPU's convolution kernels, run here without a GPU: their
 * own source, compiled for the processor (../emulated).
 *
 * Whole numbers, so that any difference is a wrong index: maps, masks and
 * what must not be touched are compared with a plain convolution.
 *
 *   emulated [SEED]     0: sixty of them
 */
#include <algorithm>
#include <vector>

#include "../emulated/instructions.h"

#define cudaFuncGetAttributes(a, ...) ((a)->ptxVersion = 90, cudaSuccess)
#define cudaGetDevice(p) (*(p) = 0, cudaSuccess)
#define cudaDeviceGetAttribute(p, ...) (*(p) = 4, cudaSuccess)

/* ---- the kernels --------------------------------------------------------------------------- */

#include "cuda/dcnn_cuda_conv.cu"
#undef POOL
#include "cuda/dcnn_cuda_groups.cuh"
namespace whole_maps {
#define TOGETHER_TAKES(parts) 0 /* in some cases of short k, too */
#include "cuda/dcnn_cuda_dense.cu"
}
namespace listed_squares {
#undef ALL_THREADS
#include "cuda/dcnn_cuda_squares.cu"
}
namespace long_lists {
#undef RESIDENT_TILES
#include "cuda/dcnn_cuda_long.cu"
#undef MOST_CHUNKS
#include "cuda/dcnn_cuda_slim.cu"
#undef ROWS
}
namespace whole_pictures {
#undef THREADS
#undef TILE
#include "cuda/dcnn_cuda_dense_few.cu"
#undef TILE
}
namespace floats_only {
#undef THREADS
#include "cuda/dcnn_cuda_floats.cu"
#undef ROWS
}

/* What the kernel takes. */
static enum { CONV, DENSE, FEW, LISTED, LONG, SLIM } takes;
static unsigned n_slim;      /* launches of that */

cudaError_t
dcnn_cuda_launch (const void *kernel, dim3 grid, uint32_t threads,
    size_t shared, uint32_t cluster, void **arguments, DcnnCudaQueue)
{
  EmulatedLaunch launch = { grid, dim3 (threads), shared, cluster, {} };

  if (takes == FEW) {
    whole_pictures::Few d = *static_cast<whole_pictures::Few *> (arguments[0]);
    launch.entry = [=] { ((void (*) (whole_pictures::Few)) kernel) (d); };
  } else if (takes == LISTED) {
    listed_squares::Squares d =
        *static_cast<listed_squares::Squares *> (arguments[0]);
    launch.entry = [=] { ((void (*) (listed_squares::Squares)) kernel) (d); };
  } else if (takes == LONG) {
    long_lists::LongWork d =
        *static_cast<long_lists::LongWork *> (arguments[0]);
    launch.entry = [=] { ((void (*) (long_lists::LongWork)) kernel) (d); };
  } else if (takes == SLIM) {
    long_lists::Slim d = *static_cast<long_lists::Slim *> (arguments[0]);
    launch.entry = [=] { ((void (*) (long_lists::Slim)) kernel) (d); };
    n_slim++;
  } else if (takes == DENSE) {
    whole_maps::Dense d = *static_cast<whole_maps::Dense *> (arguments[0]);
    launch.entry = [=] { ((void (*) (whole_maps::Dense)) kernel) (d); };
  } else {
    DcnnCudaConv conv = *static_cast<DcnnCudaConv *> (arguments[0]);
    launch.entry = [=] { ((void (*) (DcnnCudaConv)) kernel) (conv); };
  }
  emulated_run (launch);
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

/* A map on the host and, as the kernels have it, of two bytes or floats. */
struct Map {
  DcnnCudaMap map;
  std::vector<float> values;
  std::vector<uint16_t> words;
};

/* A number as the map's kernels have it, unless they have floats. */
static uint16_t
word_of (float v, bool bf16)
{
  __half h = dcnn_cuda_narrow<__half> (v);
  __nv_bfloat16 b = dcnn_cuda_narrow<__nv_bfloat16> (v);
  uint16_t word;

  memcpy (&word, bf16 ? (void *) &b : (void *) &h, 2);
  return word;
}

static Map
new_map (unsigned width, unsigned height, unsigned span, unsigned extra,
    bool f32, bool bf16)
{
  Map m;
  unsigned pixel = (span + 7) / 8 * 8 + extra;
  size_t n = (size_t) STREAMS * width * height * pixel;

  m.map = DcnnCudaMap { NULL, (uint64_t) width * height * pixel, width, height,
    span, pixel, f32, bf16 };
  m.values.resize (n + 8);
  m.words.resize (n + 8);
  for (size_t i = 0; i < n; i++) {
    m.values[i] = i % pixel < span ? (float) any (5) - 2 : 0;
    m.words[i] = word_of (m.values[i], bf16);
  }
  return m;
}

/* The vectors do not move any more. */
static DcnnCudaMap
map_of (Map &m)
{
  m.map.data = m.map.f32 ? (void *) m.values.data () :
      (void *) m.words.data ();
  return m.map;
}

static float
value_of (const Map &m, size_t i)
{
  DcnnCudaMap map = m.map;

  map.data = m.map.f32 ? (void *) m.values.data () : (void *) m.words.data ();
  return dcnn_cuda_element (map, i);
}

enum Way { NARROW_TILES, WIDE_TILES, LONG_LISTS, SQUARES, WHOLE, FLOATS, ROUNDED };
static const struct {
  const char *name;
  Way way;
  bool bf16;
} ways[] = { { "narrow", NARROW_TILES, false }, { "wide", WIDE_TILES, false },
  { "whole", WHOLE, false },
  { "long", LONG_LISTS, false }, { "long bf16", LONG_LISTS, true },
  { "squares", SQUARES, false }, { "squares bf16", SQUARES, true },
  { "narrow bf16", NARROW_TILES, true }, { "wide bf16", WIDE_TILES, true },
  { "whole bf16", WHOLE, true }, { "floats", FLOATS, false },
  { "tf32", ROUNDED, false } };
#define WAYS ((int) (sizeof ways / sizeof *ways))

struct Case {
  DcnnCudaConv conv;
  Map in, out, added;
  std::vector<float> weights, bias, ones;
  std::vector<uint16_t> word_weights, room;
  std::vector<float> float_room;
  std::vector<DcnnCudaPixel> list;
  std::vector<DcnnCudaSquare> squares;
  uint32_t n_squares;
  std::vector<uint64_t> updated, exact, pending;
  DcnnCudaStream streams[STREAMS];
  DcnnCudaJudge judge;
  uint32_t count;
};

static void
make_weights (Case &c, unsigned channels, unsigned out_channels, bool bf16)
{
  DcnnCudaConv &p = c.conv;
  unsigned taps = (unsigned) (p.kernel[0] * p.kernel[1]);

  p.span8 = (channels + 7) / 8;
  p.n_padded = out_channels <= 96 ? (out_channels + 31) / 32 * 32 :
      (out_channels + 63) / 64 * 64;
  p.k_padded = (taps * p.span8 * 8 + 63) / 64 * 64;
  c.weights.assign ((size_t) p.n_padded * p.k_padded + 64, 0);
  c.word_weights.resize (c.weights.size ());
  c.bias.assign ((p.n_padded + 63) / 64 * 64, 0);
  for (unsigned n = 0; n < out_channels; n++) {
    c.bias[n] = (float) any (5) - 2;
    for (unsigned t = 0; t < taps; t++)
      for (unsigned i = 0; i < channels; i++)
        c.weights[(size_t) n * p.k_padded + t * p.span8 * 8 + i] =
            (float) any (3) - 1;
  }
  for (unsigned n = 0; n < p.n_padded; n++)
    for (unsigned k = 0; k < p.k_padded; k++)
      c.word_weights[(size_t) n * p.k_padded + k] =
          word_of (c.weights[(size_t) n * p.k_padded + k], bf16);
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

/* The same list by squares, in any order. */
static void
make_squares (Case &c)
{
  for (uint32_t i = 0; i < c.count; i++) {
    const DcnnCudaPixel &e = c.list[i];
    uint32_t at = e.at & 0xfff8fff8, s = e.stream & 0xffff, k = 0;
    uint64_t bit = 1ull << ((e.at >> 16 & 7) * 8 + (e.at & 7));
    while (k < c.squares.size () && (c.squares[k].at != at ||
            c.squares[k].stream != s))
      k++;
    if (k == c.squares.size ())
      c.squares.push_back (DcnnCudaSquare { at, s, 0, 0, 0, 0 });
    c.squares[k].listed |= bit;
    c.squares[k].change |= e.stream & DCNN_CUDA_CHANGE ? bit : 0;
    c.squares[k].force |= e.stream & DCNN_CUDA_FORCE ? bit : 0;
  }
  for (uint32_t k = 1; k < c.squares.size (); k++)
    std::swap (c.squares[k], c.squares[any (k + 1)]);
  c.n_squares = (uint32_t) c.squares.size ();
}

static unsigned wanted_outs; /* 0: any */
static bool wanted_slim;     /* a node that dcnn_cuda_slim_accepts() */

static void
make_case (Case &c, uint64_t seed, Way way, bool bf16)
{
  static const unsigned in_channels[] = { 8, 3, 16, 24, 40, 64, 32, 96 };
  static const unsigned out_channels[] = { 8, 20, 33, 64, 72, 96, 128, 130 };
  bool f32 = way >= FLOATS;
  unsigned channels, outs, width, height;
  DcnnCudaConv &p = c.conv;

  /* of seeds next to each other, first draws are not */
  random_state = seed * 0x9e3779b97f4a7c15ull;
  memset (&p, 0, sizeof p);
  bool groups = way == WHOLE || way == SQUARES;
  channels = in_channels[any (groups ? 8 : 6)], outs = out_channels[any (8)];
  if (wanted_outs)
    channels = 32, outs = wanted_outs;
  p.transposed = any (4) == 0 && !groups && way != LONG_LISTS;
  for (int a = 0; a < 2; a++) {
    p.kernel[a] = any (3) ? 3 : 1 + (int) any (2);
    p.stride[a] = 1 + (int) any (2);
    p.dilation[a] = 1 + (int) (any (3) == 0);
    p.pad[a] = (int) any (3);
  }
  for (int a = 0; a < 2 && wanted_slim; a++)
    p.kernel[a] = p.stride[a] = 1, p.pad[a] = 0;
  width = 12 + any (9), height = 10 + any (9);
  c.in = new_map (width, height, channels, any (2) * 8, f32, bf16);
  c.out = new_map (p.transposed ? width * 2 : width, height, outs, any (2) * 8,
      f32, bf16);
  c.added = new_map (c.out.map.width, height, outs, 0, f32, bf16);
  make_weights (c, channels, outs, bf16);
  p.node.passes = any (3) == 0 || wanted_slim;
  make_list (c, seed % 3 == 0 || way == WHOLE ? 100 : 20 + any (60),
      any (3) == 0 || way == WHOLE);
  make_squares (c);
  c.ones.assign (outs + 64, 1);
  c.judge = DcnnCudaJudge { DCNN_SIGNIFICANT_ANY, 0, 0 };
  p.node.masks.blocks_x = (c.out.map.width + 7) / 8;
  p.node.masks.words = p.node.masks.blocks_x * ((height + 7) / 8);
  c.updated.assign (p.node.masks.words * STREAMS, 0);
  c.exact = c.pending = c.updated;
  memset (c.streams, 0, sizeof c.streams);
  p.node.plain = DCNN_CUDA_PLAIN;
  p.node.least = -INFINITY, p.node.most = INFINITY;
  if (any (2) && !wanted_slim) {
    p.node.steps[p.node.n_steps++] = DcnnCudaStep { DCNN_STEP_ADD,
      DCNN_OPERAND_MAP, 0, 0, map_of (c.added), NULL };
    p.node.plain |= DCNN_CUDA_PLAIN_ADD;
  }
  if (any (2)) {
    p.node.steps[p.node.n_steps++].kind = DCNN_STEP_RELU;
    p.node.plain |= DCNN_CUDA_PLAIN_CLIP;
    p.node.least = 0;
  }
  if (f32 || (any (2) && way != LONG_LISTS && !wanted_outs)) /* step by step */
    p.node.plain = 0;
  p.node.in = map_of (c.in);
  p.node.out = map_of (c.out);
  p.node.list = c.list.data ();
  p.node.count = &c.count;
  p.node.squares = c.squares.data ();
  p.node.n_squares = &c.n_squares;
  p.node.masks.updated = c.updated.data ();
  p.node.masks.exact = c.exact.data ();
  p.node.masks.pending = c.pending.data ();
  p.node.streams = c.streams;
  p.node.judge = &c.judge;
  p.node.weight = c.ones.data ();
  p.weights = f32 ? (void *) c.weights.data () : (void *) c.word_weights.data ();
  p.bias = c.bias.data ();
}

static void
run_case (Case &c, uint64_t seed, Way way)
{
  DcnnCudaConv &p = c.conv;
  /* parts of k side by side take clusters */
  DcnnCudaDevice device = { 4, (uint32_t) (seed % 2 || way == WHOLE || way == LONG_LISTS ? 227 : 99) *
    1024, way == WHOLE && seed % 8 == 0, way == WHOLE ||
    way == SQUARES || way == LONG_LISTS };
  DcnnCudaQueue queue = {};
  size_t room;

  if (way >= FLOATS) {
    room = floats_only::dcnn_cuda_floats_shape (&p, c.count, &device);
    c.float_room.assign (room / 4 + 8, NAN);
    p.room = c.float_room.data ();
    (void) floats_only::dcnn_cuda_floats (&p, way == ROUNDED, queue);
    return;
  }
  room = dcnn_cuda_conv_shape (&p, 100000, c.count / 2,
      way == NARROW_TILES ? c.count : UINT32_MAX, &device);
  c.room.resize (room / 2 + 8);
  if (room)
    p.room = c.room.data ();
  if (way == NARROW_TILES)
    p.wide_from = UINT32_MAX;
  else if (p.wide_from != UINT32_MAX)
    p.wide_from = 0;
  bool groups = way == WHOLE || way == SQUARES || way == LONG_LISTS;
  if (groups && seed % 4 == 0)
    p.splits = 2; /* parts of k, which short ones have not */
  if (groups && p.k_padded < 2 * 64)
    p.splits = 1;
  takes = way == SQUARES ? LISTED : way == LONG_LISTS ? LONG : way != WHOLE ? CONV : whole_maps::dcnn_cuda_dense_accepts (&p,
          &device) ? DENSE : FEW;
  if (takes == LONG && long_lists::dcnn_cuda_slim_accepts (&p))
    takes = SLIM;
  if (takes == DENSE)
    (void) whole_maps::dcnn_cuda_dense (&p, STREAMS, &device, queue);
  else if (takes == LONG || takes == SLIM)
    (void) long_lists::dcnn_cuda_long (&p, c.count / 2 * (seed % 3), STREAMS,
        &device, queue);
  else if (takes == LISTED)
    (void) listed_squares::dcnn_cuda_squares (&p, STREAMS, &device, queue);
  else if (takes == FEW)
    (void) whole_pictures::dcnn_cuda_few (&p, STREAMS, &device, queue);
  else
    (void) dcnn_cuda_conv (&p, queue);
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
      c.out.words[at + n] = word_of (c.out.values[at + n], c.out.map.bf16);
    }
  }
}

static void
check (const Case &c, const Map &before, uint64_t seed, const char *way)
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
      want.values[at + n] = v;
      want.words[at + n] = word_of (v, want.map.bf16);
      joins |= value_of (want, at + n) != value_of (before, at + n);
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
        "entries%s\n", (unsigned long long) seed, way, wrong,
        updated != c.updated ? ", another mask" : "", c.in.map.height,
        c.in.map.width, c.in.map.span, c.out.map.span, p.kernel[0], p.kernel[1],
        c.count, p.node.passes ? ", passes" : "");
  }
}

/* ---- what a pixel's change adds up to ------------------------------------------------------- */

/* Whether entry 0 joins under that limit, by that kernel. */
static bool
joins (Case &c, const Map &before, const DcnnCudaDevice &device, float limit,
    Way way)
{
  const DcnnCudaPixel e = c.list[0];
  const DcnnCudaMasks &m = c.conv.node.masks;
  uint32_t y = e.at >> 16, x = e.at & 0x7fff;
  DcnnCudaQueue queue = {};

  c.out.values = before.values;
  std::copy (before.words.begin (), before.words.end (), c.out.words.begin ());
  std::fill (c.updated.begin (), c.updated.end (), 0);
  c.judge.limit = limit;
  takes = way == SQUARES ? LISTED : way == LONG_LISTS ? LONG : CONV;
  if (way == LONG_LISTS)
    (void) long_lists::dcnn_cuda_long (&c.conv, 3, STREAMS, &device, queue);
  else if (way == SQUARES)
    (void) listed_squares::dcnn_cuda_squares (&c.conv, STREAMS, &device, queue);
  else
    (void) dcnn_cuda_conv (&c.conv, queue);
  return c.updated[(e.stream & 0xffff) * m.words + y / 8 * m.blocks_x + x / 8] >>
      (y % 8 * 8 + x % 8) & 1;
}

/* The last limit under which a pixel joins by its list is the last one by squares, and
 * on longer lists: all add up its channels in one order, whose sum is another one in any
 * other. */
static void
check_order (uint64_t seed, unsigned outs, int kind)
{
  DcnnCudaDevice device = { 4, 227 * 1024, seed % 2 == 0, true };
  uint32_t lo = 0, hi = 0x7f000000;
  Case c;
  float limit[2];

  wanted_outs = outs;
  make_case (c, seed, SQUARES, false);
  wanted_outs = 0;
  c.conv.node.passes = 0;
  c.count = 3;
  c.squares.clear ();
  for (uint32_t i = 0; i < c.count; i++)
    c.list[i].stream = (c.list[i].stream & 0xffff) | DCNN_CUDA_CHANGE;
  make_squares (c);
  c.conv.node.squares = c.squares.data ();
  for (float &w : c.ones)
    w = 0.5f + (float) any (1 << 20) / (1 << 20);
  c.judge = DcnnCudaJudge { kind, 0, 1 };
  (void) dcnn_cuda_conv_shape (&c.conv, 100000, seed % 4 < 2 ? 1 : 4096,
      UINT32_MAX, &device);
  c.conv.wide_from = UINT32_MAX;
  if ((outs <= 512 && !listed_squares::dcnn_cuda_squares_accepts (&c.conv,
              &device)) || !long_lists::dcnn_cuda_long_accepts (&c.conv, STREAMS,
          &device)) {
    failures++;
    printf ("FAIL seed %llu: squares or long lists do not take %u channels\n",
        (unsigned long long) seed, outs);
    return;
  }
  Map before = c.out;
  while (hi - lo > 1) {
    uint32_t middle = lo + (hi - lo) / 2;
    float at;
    memcpy (&at, &middle, 4);
    if (joins (c, before, device, at, NARROW_TILES))
      lo = middle;
    else
      hi = middle;
  }
  memcpy (&limit[0], &lo, 4);
  memcpy (&limit[1], &hi, 4);
  for (Way way : { SQUARES, LONG_LISTS })
    if (lo == 0 || (way == SQUARES && outs > 512 ? false :
            !joins (c, before, device, limit[0], way) ||
            joins (c, before, device, limit[1], way))) {
      failures++;
      printf ("FAIL seed %llu: %u channels of kind %d are added up in another order "
          "by %s (%.9g)\n", (unsigned long long) seed, outs, kind, way == SQUARES ?
          "squares" : "long lists", limit[0]);
    }
}

int
main (int argc, char **argv)
{
  const DcnnCudaDevice groups_there = { 4, 227 * 1024, false, true };
  unsigned ran[WAYS] = { 0 };
  uint64_t only = argc > 1 ? strtoull (argv[1], NULL, 10) : 0;

  for (uint64_t seed = 1; seed <= (argc > 1 ? 60 : 6); seed++)
    for (int way = 0; way < WAYS && (!only || only == seed); way++) {
      Case c;
      make_case (c, seed, ways[way].way, ways[way].bf16);
      /* windows that transpose, too large a patch */
      if (ways[way].way == WHOLE && !whole_maps::dcnn_cuda_dense_accepts (
              &c.conv, &groups_there) && !whole_pictures::dcnn_cuda_few_accepts (
              &c.conv, &groups_there))
        continue;
      if (ways[way].way == SQUARES && (dcnn_cuda_conv_shape (&c.conv,
                100000, c.count / 2, UINT32_MAX, &groups_there), !listed_squares::dcnn_cuda_squares_accepts (&c.conv,
                &groups_there)))
        continue;
      if (ways[way].way == LONG_LISTS && (dcnn_cuda_conv_shape (&c.conv, 100000,
                c.count / 2, UINT32_MAX, &groups_there),
              !long_lists::dcnn_cuda_long_accepts (&c.conv, STREAMS, &groups_there)))
        continue;
      settle_some (c);
      Map before = c.out;
      ran[way]++;
      run_case (c, seed, ways[way].way);
      check (c, before, seed, ways[way].name);
    }
  wanted_slim = true;
  for (uint64_t seed = 1; seed <= 24 && !only; seed++) {
    Case c;
    make_case (c, seed, LONG_LISTS, seed % 2);
    Map before = c.out;
    run_case (c, seed, LONG_LISTS);
    check (c, before, seed, "slim");
  }
  wanted_slim = false;
  for (uint64_t seed = 1; seed <= 4 && !only; seed++)
    for (unsigned outs : { 64u, 96u, 128u, 256u, 512u, 1024u })
      check_order (seed, outs, seed % 3 ? DCNN_SIGNIFICANT_SQUARE :
          DCNN_CUDA_SIGNIFICANT_RELATIVE);
  for (int way = 0; way < WAYS && !only; way++)
    if (ran[way] < 2)
      failures++, printf ("only %u cases of %s\n", ran[way], ways[way].name);
  if (n_slim < 24 && !only)
    failures++, printf ("only %u slim cases\n", n_slim);
  printf ("%d failures\n", failures);
  return failures != 0;
}
