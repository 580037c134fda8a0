/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_wgmma.cuh - single instructions of compute capability 9.0a: products
 * of a warp group, and barriers in shared memory, which count copies too.
 */
#ifndef DCNN_CUDA_WGMMA_CUH
#define DCNN_CUDA_WGMMA_CUH

#include <cuda_bf16.h>
#include <stdint.h>

#include <type_traits>

/* d = d + a b of 64 rows and 128 (64, 32) columns, 16 steps of k. T: what a and b
 * hold. Operands of the instruction: a thread's part of d, then a and b. */
#define OUTPUTS_0                                                              \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define OUTPUTS_16                                                             \
  ", %16, %17, %18, %19, %20, %21, %22, %23"                                   \
  ", %24, %25, %26, %27, %28, %29, %30, %31"
#define OUTPUTS_32                                                             \
  ", %32, %33, %34, %35, %36, %37, %38, %39"                                   \
  ", %40, %41, %42, %43, %44, %45, %46, %47"                                   \
  ", %48, %49, %50, %51, %52, %53, %54, %55"                                   \
  ", %56, %57, %58, %59, %60, %61, %62, %63"
#define FOUR(d, i) "+f" (d[i]), "+f" (d[i + 1]), "+f" (d[i + 2]), "+f" (d[i + 3])
#define SIXTEEN(d, i)                                                          \
  FOUR (d, i), FOUR (d, i + 4), FOUR (d, i + 8), FOUR (d, i + 12)
#define MULTIPLY(type, columns, outputs, operands, ...)                        \
  asm volatile ("wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "."\
      type " {" outputs "}, " operands ", 1, 1, 1, 0, 0;" : __VA_ARGS__        \
      : "l" (a), "l" (b))

template<typename T>
__device__ __forceinline__ void
group_multiply (float (&d)[64], uint64_t a, uint64_t b)
{
  if constexpr (std::is_same<T, __nv_bfloat16>::value)
    MULTIPLY ("bf16", "128", OUTPUTS_0 OUTPUTS_16 OUTPUTS_32, "%64, %65",
        SIXTEEN (d, 0), SIXTEEN (d, 16), SIXTEEN (d, 32), SIXTEEN (d, 48));
  else
    MULTIPLY ("f16", "128", OUTPUTS_0 OUTPUTS_16 OUTPUTS_32, "%64, %65",
        SIXTEEN (d, 0), SIXTEEN (d, 16), SIXTEEN (d, 32), SIXTEEN (d, 48));
}

template<typename T>
__device__ __forceinline__ void
group_multiply (float (&d)[32], uint64_t a, uint64_t b)
{
  if constexpr (std::is_same<T, __nv_bfloat16>::value)
    MULTIPLY ("bf16", "64", OUTPUTS_0 OUTPUTS_16, "%32, %33",
        SIXTEEN (d, 0), SIXTEEN (d, 16));
  else
    MULTIPLY ("f16", "64", OUTPUTS_0 OUTPUTS_16, "%32, %33",
        SIXTEEN (d, 0), SIXTEEN (d, 16));
}

template<typename T>
__device__ __forceinline__ void
group_multiply (float (&d)[16], uint64_t a, uint64_t b)
{
  if constexpr (std::is_same<T, __nv_bfloat16>::value)
    MULTIPLY ("bf16", "32", OUTPUTS_0, "%16, %17",
        SIXTEEN (d, 0));
  else
    MULTIPLY ("f16", "32", OUTPUTS_0, "%16, %17",
        SIXTEEN (d, 0));
}

#undef OUTPUTS_0
#undef OUTPUTS_16
#undef OUTPUTS_32
#undef FOUR
#undef SIXTEEN
#undef MULTIPLY

/* The group's registers are as its products will find them. */
__device__ __forceinline__ void
group_begin ()
{
  asm volatile ("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void
group_commit ()
{
  asm volatile ("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* All products have been added; d is named so that nothing of it is moved
 * across. */
template<int N>
__device__ __forceinline__ void
group_wait (float (&d)[N])
{
  asm volatile ("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
  for (int i = 0; i < N; i++)
    asm volatile ("" : "+f" (d[i]) :: "memory");
}

/* What the thread has written to (read from) shared memory is before what bulk
 * copies and groups' products do there next. */
__device__ __forceinline__ void
fence_bulk ()
{
  asm volatile ("fence.proxy.async.shared::cta;" ::: "memory");
}

/* All products but those that were committed last have been added, and what
 * they read may be written over. */
__device__ __forceinline__ void
group_wait_others ()
{
  asm volatile ("wgmma.wait_group.sync.aligned 1;" ::: "memory");
}

/* A phase ends when so many have arrived, and all bytes that they expect. */
__device__ __forceinline__ void
barrier_init (uint32_t at, uint32_t arrivals)
{
  asm volatile ("mbarrier.init.shared::cta.b64 [%0], %1;"
      :: "r" (at), "r" (arrivals) : "memory");
}

/* Barriers that were made are there for copies too. */
__device__ __forceinline__ void
fence_barriers ()
{
  asm volatile ("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile ("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void
barrier_arrive (uint32_t at, uint32_t arrivals = 1)
{
  asm volatile ("mbarrier.arrive.shared::cta.b64 _, [%0], %1;" :: "r" (at),
      "r" (arrivals) : "memory");
}

/* So many threads of the block meet, whole warps of it; which: of 15 such meetings that
 * may go on at one time, from 1 on. */
__device__ __forceinline__ void
group_meet (uint32_t threads, uint32_t which = 1)
{
  asm volatile ("bar.sync %0, %1;" :: "r" (which), "r" (threads) : "memory");
}

/* Arrives once all that the thread has asked of copy_async() is there. */
__device__ __forceinline__ void
copy_arrive (uint32_t at)
{
  asm volatile ("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];"
      :: "r" (at) : "memory");
}

/* The phase ends when so many bytes have come. */
__device__ __forceinline__ void
barrier_expect (uint32_t at, uint32_t bytes)
{
  asm volatile ("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
      :: "r" (at), "r" (bytes) : "memory");
}

__device__ __forceinline__ void
barrier_wait (uint32_t at, uint32_t parity)
{
  asm volatile ("{\n"
      ".reg .pred there;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 there, [%0], %1;\n"
      "@!there bra again;\n"
      "}" :: "r" (at), "r" (parity) : "memory");
}

#endif
