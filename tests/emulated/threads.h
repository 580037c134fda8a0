/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * threads.h - a block of the GPU's threads on the processor: contexts that take
 * turns at the block's and the warps' barriers. To be included before a kernel's
 * source, once in a program's file: everything here is that file's own. Blocks
 * run one after the other; clusters are not emulated.
 */
#ifndef DCNN_EMULATED_THREADS_H
#define DCNN_EMULATED_THREADS_H

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define EMULATED_MOST_THREADS 1024
#define EMULATED_STACK_BYTES ((size_t) 128 * 1024)

/* Where a thread is: its stack, on which the rest lies. */
struct EmulatedContext {
  void *stack;
  ucontext_t slow;
};

static struct Block {
  EmulatedContext scheduler, thread[EMULATED_MOST_THREADS];
  char *memory[EMULATED_MOST_THREADS];
  bool ended[EMULATED_MOST_THREADS];
  unsigned n, now, running;
  /* barriers: of each warp, and of the block (the last) */
  unsigned waiting[EMULATED_MOST_THREADS / 32 + 1];
  unsigned generation[EMULATED_MOST_THREADS / 32 + 1];
  /* what lanes show each other, in turn: see show() */
  alignas (16) char shown[2][EMULATED_MOST_THREADS][16];
  unsigned turn[EMULATED_MOST_THREADS];
  int all[3], any[3];
  unsigned vote[EMULATED_MOST_THREADS];
  void (*entry) ();
} block;

static uint3 emulated_thread, emulated_block;
static dim3 emulated_grid, emulated_threads;
#define threadIdx emulated_thread
#define blockIdx emulated_block
#define gridDim emulated_grid
#define blockDim emulated_threads

alignas (1024) static char emulated_shared[256 * 1024];

/* ---- contexts -------------------------------------------------------------------- */

#ifdef __x86_64__
/* Without the system calls of swapcontext(). */
__attribute__ ((naked, noinline)) static void
emulated_switch (void **, void *)
{
  __asm__ ("pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n"
      "pushq %r14\n pushq %r15\n movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n"
      "popq %rbp\n ret");
}

static void
go_to (EmulatedContext &from, EmulatedContext &to)
{
  emulated_switch (&from.stack, to.stack);
}

static void
new_context (EmulatedContext &c, char *memory, void (*run) ())
{
  void **top = (void **) (memory + EMULATED_STACK_BYTES) - 3; /* as after a call */

  *--top = (void *) run;
  for (int i = 0; i < 6; i++)
    *--top = NULL;
  c.stack = top;
}
#else
static void
go_to (EmulatedContext &from, EmulatedContext &to)
{
  swapcontext (&from.slow, &to.slow);
}

static void
new_context (EmulatedContext &c, char *memory, void (*run) ())
{
  getcontext (&c.slow);
  c.slow.uc_stack.ss_sp = memory;
  c.slow.uc_stack.ss_size = EMULATED_STACK_BYTES;
  makecontext (&c.slow, run, 0);
}
#endif

/* On to the next thread that has not ended. */
static void
give_way ()
{
  unsigned self = block.now, next = self;

  do
    next = next + 1 == block.n ? 0 : next + 1;
  while (block.ended[next] && next != self);
  if (next == self) {
    fprintf (stderr, "a thread waits, and all others have ended\n");
    abort ();
  }
  block.now = next;
  emulated_thread = make_uint3 (next, 0, 0);
  go_to (block.thread[self], block.thread[next]);
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
  unsigned self = block.now;

  block.entry ();
  block.ended[self] = true;
  if (--block.running > 0)
    give_way ();
  go_to (block.thread[self], block.scheduler);
  abort ();
}

static void
run_block (void (*entry) (), unsigned n)
{
  if (n > EMULATED_MOST_THREADS || n % 32)
    abort ();
  block.entry = entry;
  block.n = block.running = n;
  emulated_threads = dim3 (n);
  memset (block.waiting, 0, sizeof block.waiting);
  memset (block.turn, 0, sizeof block.turn);
  memset (block.vote, 0, sizeof block.vote);
  for (unsigned i = 0; i < 3; i++)
    block.all[i] = 1, block.any[i] = 0;
  for (unsigned i = 0; i < n; i++) {
    if (block.memory[i] == NULL)
      block.memory[i] = (char *) malloc (EMULATED_STACK_BYTES);
    block.ended[i] = false;
    new_context (block.thread[i], block.memory[i], run_thread);
  }
  block.now = 0;
  emulated_thread = make_uint3 (0, 0, 0);
  go_to (block.scheduler, block.thread[0]);
}

/* All blocks of a grid, whose dynamic memory begins as NaN: nothing is there
 * yet. */
static void
run_grid (void (*entry) (), dim3 grid, unsigned threads, size_t shared)
{
  if (shared > sizeof emulated_shared)
    abort ();
  emulated_grid = grid;
  for (unsigned z = 0; z < grid.z; z++)
    for (unsigned y = 0; y < grid.y; y++)
      for (unsigned x = 0; x < grid.x; x++) {
        emulated_block = make_uint3 (x, y, z);
        memset (emulated_shared, 0xff, shared);
        run_block (entry, threads);
      }
}

/* ---- what threads do together ------------------------------------------------------ */

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
__syncwarp (unsigned = 0xffffffff)
{
  warp_meet ();
}

static void
__syncthreads ()
{
  meet (EMULATED_MOST_THREADS / 32, block.n);
}

/* Votes take turns among three cells, so that none is cleared before all have
 * read it. */
static int
__syncthreads_and (int good)
{
  unsigned turn = block.vote[block.now]++ % 3, old = (turn + 2) % 3;
  int all;

  block.all[turn] &= good != 0;
  __syncthreads ();
  all = block.all[turn];
  block.all[old] = 1, block.any[old] = 0;
  return all;
}

static int
__syncthreads_or (int good)
{
  unsigned turn = block.vote[block.now]++ % 3, old = (turn + 2) % 3;
  int any;

  block.any[turn] |= good != 0;
  __syncthreads ();
  any = block.any[turn];
  block.all[old] = 1, block.any[old] = 0;
  return any;
}

/* What each lane of the warp shows: [thread], until the warp meets twice more. */
template<typename T>
static const char (*
show (T v))[16]
{
  unsigned turn = block.turn[block.now]++ & 1;

  static_assert (sizeof (T) <= 16, "a lane shows 16 bytes at most");
  memcpy (block.shown[turn][block.now], &v, sizeof v);
  warp_meet ();
  return block.shown[turn] + block.now / 32 * 32;
}

template<typename T>
static T
shown_by (const char (*all)[16], unsigned lane)
{
  T v;

  memcpy (&v, all[lane], sizeof v);
  return v;
}

template<typename T>
static T
__shfl_xor_sync (unsigned, T v, unsigned mask)
{
  unsigned lane = lane_of () ^ mask;

  return shown_by<T> (show (v), lane);
}

template<typename T>
static T
__shfl_sync (unsigned, T v, unsigned lane)
{
  return shown_by<T> (show (v), lane % 32);
}

static unsigned
__ballot_sync (unsigned, int yes)
{
  const char (*all)[16] = show (yes);
  unsigned bits = 0;

  for (unsigned i = 0; i < 32; i++)
    bits |= (unsigned) (shown_by<int> (all, i) != 0) << i;
  return bits;
}

static int
__any_sync (unsigned mask, int yes)
{
  return __ballot_sync (mask, yes) != 0;
}

static unsigned
__reduce_or_sync (unsigned, unsigned v)
{
  const char (*all)[16] = show (v);
  unsigned bits = 0;

  for (unsigned i = 0; i < 32; i++)
    bits |= shown_by<unsigned> (all, i);
  return bits;
}

static int
__reduce_min_sync (unsigned, int v)
{
  const char (*all)[16] = show (v);
  int least = v;

  for (unsigned i = 0; i < 32; i++)
    least = shown_by<int> (all, i) < least ? shown_by<int> (all, i) : least;
  return least;
}

static int
__reduce_max_sync (unsigned, int v)
{
  const char (*all)[16] = show (v);
  int most = v;

  for (unsigned i = 0; i < 32; i++)
    most = shown_by<int> (all, i) > most ? shown_by<int> (all, i) : most;
  return most;
}

static unsigned long long
atomicOr (unsigned long long *at, unsigned long long bits)
{
  unsigned long long before = *at;
  *at |= bits;
  return before;
}

static uint32_t
atomicAdd (uint32_t *at, uint32_t n)
{
  uint32_t before = *at;
  *at += n;
  return before;
}

/* ---- words of the language ----------------------------------------------------------- */

#undef __shared__
#define __shared__ static
#undef __launch_bounds__
#define __launch_bounds__(...)
#undef __grid_constant__
#define __grid_constant__
#define DCNN_CUDA_DYNAMIC(name, alignment) char *name = emulated_shared
#undef __noinline__
#define __noinline__ __attribute__ ((noinline))

static uint32_t
__float_as_uint (float f)
{
  uint32_t u;
  memcpy (&u, &f, 4);
  return u;
}

static float rsqrtf (float v) { return 1 / sqrtf (v); }
static float __fmul_rn (float a, float b) { return a * b; }
static float __fadd_rn (float a, float b) { return a + b; }
static int __popcll (unsigned long long v) { return __builtin_popcountll (v); }

#include <math_constants.h>
#undef CUDART_NAN_F
#define CUDART_NAN_F NAN
#undef CUDART_INF_F
#define CUDART_INF_F INFINITY
#undef CUDART_INF
#define CUDART_INF ((double) INFINITY)
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

using std::isnan;

#endif
