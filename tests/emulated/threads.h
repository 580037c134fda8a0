/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * threads.h - blocks of the GPU's threads on the processor, and what CUDA C has
 * of functions and words: to be included before a kernel's source. A block's
 * threads are contexts that take turns at its barriers.
 *
 * The blocks of a cluster are threads of the processor, whose thread-local
 * memory is the block's shared memory: it lies alike in all of them, so that an
 * address and a rank name a place in another block. Blocks that are in no
 * cluster run one after the other.
 *
 * It shows that kernels read and write the right things; of speed, and of races
 * between what the hardware does at the same time, nothing.
 */
#ifndef DCNN_EMULATED_THREADS_H
#define DCNN_EMULATED_THREADS_H

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

/* ---- contexts ---------------------------------------------------------------------- */

#if defined (__x86_64__) && !defined (__SANITIZE_ADDRESS__) &&                 \
    !defined (__SANITIZE_THREAD__)
/* What a function call keeps goes to the stack, whose pointer is exchanged. */
typedef void *EmulatedContext;
extern "C" void emulated_switch (EmulatedContext *from, EmulatedContext to);
asm (".weak emulated_switch\n"
    ".type emulated_switch, @function\n"
    "emulated_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n"
    "  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n"
    "  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size emulated_switch, . - emulated_switch\n");

static inline void
emulated_prepare (EmulatedContext *c, char *stack, size_t bytes,
    void (*entry) ())
{
  uintptr_t *top = (uintptr_t *) (((uintptr_t) stack + bytes) & ~(uintptr_t) 15);

  *--top = 0; /* as behind a call: 8 modulo 16 */
  *--top = (uintptr_t) entry;
  for (int i = 0; i < 6; i++)
    *--top = 0;
  *c = top;
}
#define EMULATED_SWITCH(from, to) emulated_switch (&(from), (to))
#else
#include <ucontext.h>
typedef ucontext_t EmulatedContext;
static inline void
emulated_prepare (EmulatedContext *c, char *stack, size_t bytes,
    void (*entry) ())
{
  getcontext (c);
  c->uc_stack.ss_sp = stack;
  c->uc_stack.ss_size = bytes;
  makecontext (c, entry, 0);
}
#define EMULATED_SWITCH(from, to) swapcontext (&(from), &(to))
#endif

/* ---- a block ----------------------------------------------------------------------- */

#define EMULATED_THREADS 512
#define EMULATED_STACK (96 * 1024)
#define EMULATED_CLUSTER 16

struct EmulatedBlock {
  EmulatedContext scheduler, thread[EMULATED_THREADS];
  char *stacks;
  bool ended[EMULATED_THREADS];
  /* what a thread waits for: a barrier's next generation; nothing, where it asks
   * by itself whenever it is its turn */
  int waits[EMULATED_THREADS];
  unsigned generation_then[EMULATED_THREADS];
  unsigned now, n, running;
  /* barriers: of each warp, and the last one the block's */
  unsigned waiting[17], generation[17], alive[17];
  bool all[2];
  unsigned turn;
  bool spins;
  unsigned rank, phase[EMULATED_THREADS];
  const std::function<void ()> *entry;
};

/* What the blocks of a cluster share. */
struct EmulatedCluster {
  unsigned size, threads;
  unsigned long arrived;
  const char *shared[EMULATED_CLUSTER];
};

inline thread_local EmulatedBlock emulated_block;
inline thread_local EmulatedCluster *emulated_cluster;
inline thread_local uint3 threadIdx, blockIdx;
inline thread_local dim3 gridDim, blockDim;
alignas (1024) inline thread_local char emulated_shared[256 * 1024];

#define EMULATED_BLOCK 16    /* the block's barrier */

static inline void
emulated_give_way ()
{
  EmulatedBlock &b = emulated_block;

  EMULATED_SWITCH (b.thread[b.now], b.scheduler);
}

/* Nobody of those that are left is missing. */
static inline void
emulated_open (unsigned barrier)
{
  EmulatedBlock &b = emulated_block;

  if (b.waiting[barrier] == 0 || b.waiting[barrier] < b.alive[barrier])
    return;
  b.waiting[barrier] = 0;
  b.generation[barrier]++;
}

static inline void
emulated_meet (unsigned barrier)
{
  EmulatedBlock &b = emulated_block;
  unsigned generation = b.generation[barrier], self = b.now;

  b.waiting[barrier]++;
  emulated_open (barrier);
  if (b.generation[barrier] != generation)
    return;
  b.waits[self] = (int) barrier;
  b.generation_then[self] = generation;
  emulated_give_way ();
  b.waits[self] = -1;
}

/* To be called in a loop by who waits for something else. */
static inline void
emulated_spin ()
{
  emulated_block.spins = true;
  emulated_give_way ();
}

static inline void
emulated_thread_runs ()
{
  EmulatedBlock &b = emulated_block;

  (*b.entry) ();
  b.ended[b.now] = true;
  b.running--;
  for (unsigned barrier : { b.now / 32, (unsigned) EMULATED_BLOCK }) {
    b.alive[barrier]--;
    emulated_open (barrier);
  }
  emulated_give_way ();
  abort ();
}

static inline void
emulated_block_runs (const std::function<void ()> &entry)
{
  EmulatedBlock &b = emulated_block;

  b.entry = &entry;
  b.n = b.running = blockDim.x;
  memset (b.waiting, 0, sizeof b.waiting);
  memset (b.alive, 0, sizeof b.alive);
  memset (b.phase, 0, sizeof b.phase);
  for (unsigned i = 0; i < b.n; i++) {
    b.ended[i] = false;
    b.waits[i] = -1;
    b.alive[i / 32]++;
    b.alive[EMULATED_BLOCK]++;
    emulated_prepare (&b.thread[i], b.stacks + (size_t) i * EMULATED_STACK,
        EMULATED_STACK, emulated_thread_runs);
  }
  while (b.running > 0) {
    bool moved = false;
    b.spins = false;
    for (unsigned i = 0; i < b.n; i++) {
      if (b.ended[i] || (b.waits[i] >= 0 &&
              b.generation[b.waits[i]] == b.generation_then[i]))
        continue;
      moved = true;
      b.now = i;
      threadIdx = make_uint3 (i, 0, 0);
      EMULATED_SWITCH (b.scheduler, b.thread[i]);
    }
    if (!moved) {
      fprintf (stderr, "emulated: threads wait for each other\n");
      abort ();
    }
    if (b.spins)
      sched_yield ();
  }
}

/* ---- a grid ------------------------------------------------------------------------ */

struct EmulatedLaunch {
  dim3 grid, block;
  size_t shared;
  unsigned cluster;
  std::function<void ()> entry;
};

static inline char *
emulated_stacks (unsigned rank)
{
  static char *stacks[EMULATED_CLUSTER];

  if (stacks[rank] == NULL)
    stacks[rank] = (char *) malloc ((size_t) EMULATED_THREADS * EMULATED_STACK);
  return stacks[rank];
}

struct EmulatedRank {
  const EmulatedLaunch *launch;
  EmulatedCluster *cluster;
  pthread_barrier_t *meet;
  unsigned rank;
  char *stacks;
};

inline thread_local unsigned emulated_blocks_begun;

/* One block of each cluster, or all blocks where there are none. */
static inline void *
emulated_rank_runs (void *data)
{
  const EmulatedRank *r = (const EmulatedRank *) data;
  const EmulatedLaunch &l = *r->launch;
  unsigned all = l.grid.x * l.grid.y * l.grid.z;

  emulated_block.rank = r->rank;
  emulated_block.stacks = r->stacks;
  emulated_cluster = r->cluster;
  gridDim = l.grid;
  blockDim = l.block;
  r->cluster->shared[r->rank] = emulated_shared;
  for (unsigned i = r->rank; i < all; i += l.cluster) {
    blockIdx = make_uint3 (i % l.grid.x, i / l.grid.x % l.grid.y,
        i / l.grid.x / l.grid.y);
    memset (emulated_shared, 0xff, l.shared); /* NaN: nothing is there yet */
    if (r->meet) {
      pthread_barrier_wait (r->meet);
      if (r->rank == 0)
        r->cluster->arrived = 0;
      pthread_barrier_wait (r->meet);
    }
    emulated_blocks_begun++;
    emulated_block_runs (l.entry);
    if (r->meet)
      pthread_barrier_wait (r->meet);
  }
  return NULL;
}

static inline void
emulated_run (const EmulatedLaunch &l)
{
  EmulatedCluster cluster = { l.cluster, l.block.x, 0, {} };
  EmulatedRank ranks[EMULATED_CLUSTER];
  pthread_t threads[EMULATED_CLUSTER];
  pthread_barrier_t meet;

  if (l.cluster > EMULATED_CLUSTER || l.grid.x % l.cluster ||
      l.block.x > EMULATED_THREADS || l.shared > sizeof emulated_shared)
    abort ();
  if (l.cluster > 1)
    pthread_barrier_init (&meet, NULL, l.cluster);
  for (unsigned r = 0; r < l.cluster; r++)
    ranks[r] = EmulatedRank { &l, &cluster, l.cluster > 1 ? &meet : NULL, r,
      emulated_stacks (r) };
  if (l.cluster == 1) {
    emulated_rank_runs (&ranks[0]);
    return;
  }
  for (unsigned r = 0; r < l.cluster; r++)
    if (pthread_create (&threads[r], NULL, emulated_rank_runs, &ranks[r]))
      abort ();
  for (unsigned r = 0; r < l.cluster; r++)
    pthread_join (threads[r], NULL);
  pthread_barrier_destroy (&meet);
}

/* ---- what CUDA C has ---------------------------------------------------------------- */

static inline unsigned
emulated_lane ()
{
  return emulated_block.now % 32;
}

static inline void
emulated_warp_meets ()
{
  emulated_meet (emulated_block.now / 32);
}

static inline void __syncwarp () { emulated_warp_meets (); }
static inline void __syncthreads () { emulated_meet (EMULATED_BLOCK); }

static inline int
__syncthreads_and (int good)
{
  EmulatedBlock &b = emulated_block;
  unsigned own;

  __syncthreads ();
  own = b.turn & 1;
  b.all[own] = true;
  __syncthreads ();
  if (!good)
    b.all[own] = false;
  __syncthreads ();
  return b.all[own];
}

static inline int
__syncthreads_or (int any)
{
  return !__syncthreads_and (!any);
}

template<typename T>
static inline T
emulated_exchange (T v, unsigned from)
{
  static thread_local T values[EMULATED_THREADS];
  unsigned self = emulated_block.now;
  T found;

  values[self] = v;
  emulated_warp_meets ();
  found = values[self / 32 * 32 + from % 32];
  emulated_warp_meets ();
  return found;
}

template<typename T>
static inline T
__shfl_xor_sync (unsigned, T v, unsigned mask)
{
  return emulated_exchange (v, emulated_lane () ^ mask);
}

template<typename T>
static inline T
__shfl_sync (unsigned, T v, unsigned lane)
{
  return emulated_exchange (v, lane);
}

static inline unsigned
__ballot_sync (unsigned, int yes)
{
  static thread_local unsigned char said[EMULATED_THREADS];
  unsigned self = emulated_block.now, word = 0;

  said[self] = yes != 0;
  emulated_warp_meets ();
  for (unsigned i = 0; i < 32; i++)
    word |= (unsigned) said[self / 32 * 32 + i] << i;
  emulated_warp_meets ();
  return word;
}

static inline int
__any_sync (unsigned mask, int yes)
{
  return __ballot_sync (mask, yes) != 0;
}

static inline unsigned long long
atomicOr (unsigned long long *at, unsigned long long bits)
{
  return __atomic_fetch_or (at, bits, __ATOMIC_SEQ_CST);
}

static inline uint32_t
atomicExch (uint32_t *at, uint32_t v)
{
  return __atomic_exchange_n (at, v, __ATOMIC_RELAXED);
}

extern "C" void cudaGraphSetConditional (cudaGraphConditionalHandle handle,
    unsigned value);

static inline uint32_t
atomicAdd (uint32_t *at, uint32_t n)
{
  return __atomic_fetch_add (at, n, __ATOMIC_SEQ_CST);
}

static inline int
__popcll (unsigned long long word)
{
  return __builtin_popcountll (word);
}

static inline int __popc (unsigned int word) { return __builtin_popcount (word); }
static inline int __ffs (int word) { return __builtin_ffs (word); }

static inline float __fadd_rn (float a, float b) { return a + b; }
static inline float __fmul_rn (float a, float b) { return a * b; }

#undef __shared__
#define __shared__ static thread_local
#undef __launch_bounds__
#define __launch_bounds__(...)
#undef __grid_constant__
#define __grid_constant__
#define DCNN_CUDA_DYNAMIC(name, alignment) char *name = emulated_shared
#define __CUDA_ARCH_FEAT_SM90_ALL
#undef __noinline__
#define __noinline__ __attribute__ ((noinline))

static inline uint32_t
__float_as_uint (float f)
{
  uint32_t u;
  memcpy (&u, &f, 4);
  return u;
}

#include <math_constants.h>
#undef CUDART_NAN_F
#define CUDART_NAN_F NAN
#undef CUDART_INF_F
#define CUDART_INF_F INFINITY
#undef CUDART_INF
#define CUDART_INF ((double) INFINITY)
template<typename A, typename B>
static inline typename std::common_type<A, B>::type
min (A a, B b)
{
  typename std::common_type<A, B>::type x = a, y = b;
  return x < y ? x : y;
}

template<typename A, typename B>
static inline typename std::common_type<A, B>::type
max (A a, B b)
{
  typename std::common_type<A, B>::type x = a, y = b;
  return x > y ? x : y;
}

static inline float
rsqrtf (float v)
{
  return 1 / sqrtf (v);
}

using std::isnan;

#endif
