/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_wgmma.cuh - single instructions of compute capability 9.0a: products
 * of a warp group, bulk copies that a barrier in shared memory counts.
 */
#ifndef DCNN_CUDA_WGMMA_CUH
#define DCNN_CUDA_WGMMA_CUH

#include <cuda_bf16.h>
#include <stdint.h>

#include <type_traits>

/* d = d + a b of 64 rows and 128 (64) columns, 16 steps of k. T: what a and b
 * hold. */
template<typename T>
__device__ __forceinline__ void
group_multiply (float (&d)[64], uint64_t a, uint64_t b)
{
#define DCNN_GROUP_MULTIPLY(type)                                              \
  asm volatile ("wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " {"\
      "%0, %1, %2, %3, %4, %5, %6, %7, "                                       \
      "%8, %9, %10, %11, %12, %13, %14, %15, "                                 \
      "%16, %17, %18, %19, %20, %21, %22, %23, "                               \
      "%24, %25, %26, %27, %28, %29, %30, %31, "                               \
      "%32, %33, %34, %35, %36, %37, %38, %39, "                               \
      "%40, %41, %42, %43, %44, %45, %46, %47, "                               \
      "%48, %49, %50, %51, %52, %53, %54, %55, "                               \
      "%56, %57, %58, %59, %60, %61, %62, %63}, "                              \
      "%64, %65, 1, 1, 1, 0, 0;"                                               \
      :                                                                        \
      "+f" (d[0]), "+f" (d[1]), "+f" (d[2]), "+f" (d[3]),                      \
      "+f" (d[4]), "+f" (d[5]), "+f" (d[6]), "+f" (d[7]),                      \
      "+f" (d[8]), "+f" (d[9]), "+f" (d[10]), "+f" (d[11]),                    \
      "+f" (d[12]), "+f" (d[13]), "+f" (d[14]), "+f" (d[15]),                  \
      "+f" (d[16]), "+f" (d[17]), "+f" (d[18]), "+f" (d[19]),                  \
      "+f" (d[20]), "+f" (d[21]), "+f" (d[22]), "+f" (d[23]),                  \
      "+f" (d[24]), "+f" (d[25]), "+f" (d[26]), "+f" (d[27]),                  \
      "+f" (d[28]), "+f" (d[29]), "+f" (d[30]), "+f" (d[31]),                  \
      "+f" (d[32]), "+f" (d[33]), "+f" (d[34]), "+f" (d[35]),                  \
      "+f" (d[36]), "+f" (d[37]), "+f" (d[38]), "+f" (d[39]),                  \
      "+f" (d[40]), "+f" (d[41]), "+f" (d[42]), "+f" (d[43]),                  \
      "+f" (d[44]), "+f" (d[45]), "+f" (d[46]), "+f" (d[47]),                  \
      "+f" (d[48]), "+f" (d[49]), "+f" (d[50]), "+f" (d[51]),                  \
      "+f" (d[52]), "+f" (d[53]), "+f" (d[54]), "+f" (d[55]),                  \
      "+f" (d[56]), "+f" (d[57]), "+f" (d[58]), "+f" (d[59]),                  \
      "+f" (d[60]), "+f" (d[61]), "+f" (d[62]), "+f" (d[63])                   \
      : "l" (a), "l" (b))
  if constexpr (std::is_same<T, __nv_bfloat16>::value)
    DCNN_GROUP_MULTIPLY ("bf16");
  else
    DCNN_GROUP_MULTIPLY ("f16");
#undef DCNN_GROUP_MULTIPLY
}

template<typename T>
__device__ __forceinline__ void
group_multiply (float (&d)[32], uint64_t a, uint64_t b)
{
#define DCNN_GROUP_MULTIPLY(type)                                              \
  asm volatile ("wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " {"\
      "%0, %1, %2, %3, %4, %5, %6, %7, "                                       \
      "%8, %9, %10, %11, %12, %13, %14, %15, "                                 \
      "%16, %17, %18, %19, %20, %21, %22, %23, "                               \
      "%24, %25, %26, %27, %28, %29, %30, %31}, "                              \
      "%32, %33, 1, 1, 1, 0, 0;"                                               \
      :                                                                        \
      "+f" (d[0]), "+f" (d[1]), "+f" (d[2]), "+f" (d[3]),                      \
      "+f" (d[4]), "+f" (d[5]), "+f" (d[6]), "+f" (d[7]),                      \
      "+f" (d[8]), "+f" (d[9]), "+f" (d[10]), "+f" (d[11]),                    \
      "+f" (d[12]), "+f" (d[13]), "+f" (d[14]), "+f" (d[15]),                  \
      "+f" (d[16]), "+f" (d[17]), "+f" (d[18]), "+f" (d[19]),                  \
      "+f" (d[20]), "+f" (d[21]), "+f" (d[22]), "+f" (d[23]),                  \
      "+f" (d[24]), "+f" (d[25]), "+f" (d[26]), "+f" (d[27]),                  \
      "+f" (d[28]), "+f" (d[29]), "+f" (d[30]), "+f" (d[31])                   \
      : "l" (a), "l" (b))
  if constexpr (std::is_same<T, __nv_bfloat16>::value)
    DCNN_GROUP_MULTIPLY ("bf16");
  else
    DCNN_GROUP_MULTIPLY ("f16");
#undef DCNN_GROUP_MULTIPLY
}

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

/* 64 rows and 32 columns. */
template<typename T>
__device__ __forceinline__ void
group_multiply (float (&d)[16], uint64_t a, uint64_t b)
{
#define DCNN_GROUP_MULTIPLY(type)                                              \
  asm volatile ("wgmma.mma_async.sync.aligned.m64n32k16.f32." type "." type " {"\
      "%0, %1, %2, %3, %4, %5, %6, %7, "                                       \
      "%8, %9, %10, %11, %12, %13, %14, %15}, "                                \
      "%16, %17, 1, 1, 1, 0, 0;"                                               \
      :                                                                        \
      "+f" (d[0]), "+f" (d[1]), "+f" (d[2]), "+f" (d[3]),                      \
      "+f" (d[4]), "+f" (d[5]), "+f" (d[6]), "+f" (d[7]),                      \
      "+f" (d[8]), "+f" (d[9]), "+f" (d[10]), "+f" (d[11]),                    \
      "+f" (d[12]), "+f" (d[13]), "+f" (d[14]), "+f" (d[15])                   \
      : "l" (a), "l" (b))
  if constexpr (std::is_same<T, __nv_bfloat16>::value)
    DCNN_GROUP_MULTIPLY ("bf16");
  else
    DCNN_GROUP_MULTIPLY ("f16");
#undef DCNN_GROUP_MULTIPLY
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
barrier_arrive (uint32_t at)
{
  asm volatile ("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r" (at) :
      "memory");
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

__device__ __forceinline__ void
copy_bulk (uint32_t to, const void *from, uint32_t bytes, uint32_t barrier)
{
  asm volatile ("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::"
      "bytes [%0], [%1], %2, [%3];"
      :: "r" (to), "l" (from), "r" (bytes), "r" (barrier) : "memory");
}

#endif
