/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_mma.cuh - single instructions: asynchronous copies, tensor cores,
 * clusters. One block is a cluster of one where there are none (before sm_90);
 * before sm_80 copies are done when they are asked for, and a product of 16
 * steps of k is two of 8.
 */
#ifndef DCNN_CUDA_MMA_CUH
#define DCNN_CUDA_MMA_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

#include <type_traits>

__device__ __forceinline__ uint32_t
shared_address (const void *p)
{
  return (uint32_t) __cvta_generic_to_shared (p);
}

/* 16 bytes, or zeros. */
__device__ __forceinline__ void
copy_async (uint32_t to, const void *from, bool there)
{
#if __CUDA_ARCH__ >= 800
  int bytes = there ? 16 : 0;
  asm volatile ("cp.async.cg.shared.global [%0], [%1], 16, %2;"
      :: "r" (to), "l" (from), "r" (bytes) : "memory");
#else
  uint4 v = make_uint4 (0, 0, 0, 0);
  if (there)
    asm volatile ("ld.global.v4.u32 {%0,%1,%2,%3}, [%4];"
        : "=r" (v.x), "=r" (v.y), "=r" (v.z), "=r" (v.w) : "l" (from)
        : "memory");
  asm volatile ("st.shared.v4.u32 [%0], {%1,%2,%3,%4};"
      :: "r" (to), "r" (v.x), "r" (v.y), "r" (v.z), "r" (v.w) : "memory");
#endif
}

/* The same of what others of the multiprocessor read too (sm_80 on). */
__device__ __forceinline__ void
copy_async_near (uint32_t to, const void *from, bool there)
{
#if __CUDA_ARCH__ >= 800
  int bytes = there ? 16 : 0;
  asm volatile ("cp.async.ca.shared.global [%0], [%1], 16, %2;"
      :: "r" (to), "l" (from), "r" (bytes) : "memory");
#endif
}

__device__ __forceinline__ void
copy_commit ()
{
#if __CUDA_ARCH__ >= 800
  asm volatile ("cp.async.commit_group;" ::: "memory");
#endif
}

/* All but the last `most` groups have arrived. */
template<int most>
__device__ __forceinline__ void
copy_wait ()
{
#if __CUDA_ARCH__ >= 800
  asm volatile ("cp.async.wait_group %0;" :: "n" (most) : "memory");
#endif
}

__device__ __forceinline__ void
load_matrices (uint32_t at, uint32_t *r)
{
  asm volatile ("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
      : "=r" (r[0]), "=r" (r[1]), "=r" (r[2]), "=r" (r[3]) : "r" (at)
      : "memory");
}

__device__ __forceinline__ void
load_two_matrices (uint32_t at, uint32_t *r)
{
  asm volatile ("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
      : "=r" (r[0]), "=r" (r[1]) : "r" (at) : "memory");
}

/* T: what a and b hold. __nv_bfloat16 is there from sm_80 on, and no kernel has
 * it before: see dcnn_cuda_compiled_for(). */
template<typename T>
__device__ __forceinline__ void
multiply (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
#if __CUDA_ARCH__ >= 800
#define DCNN_MULTIPLY(type)                                                    \
  asm ("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 "          \
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                  \
      : "+f" (d[0]), "+f" (d[1]), "+f" (d[2]), "+f" (d[3])                     \
      : "r" (a[0]), "r" (a[1]), "r" (a[2]), "r" (a[3]), "r" (b0), "r" (b1))
  if constexpr (std::is_same<T, __nv_bfloat16>::value)
    DCNN_MULTIPLY ("bf16");
  else
    DCNN_MULTIPLY ("f16");
#undef DCNN_MULTIPLY
#else
  asm ("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
      : "+f" (d[0]), "+f" (d[1]), "+f" (d[2]), "+f" (d[3])
      : "r" (a[0]), "r" (a[1]), "r" (b0));
  asm ("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
      : "+f" (d[0]), "+f" (d[1]), "+f" (d[2]), "+f" (d[3])
      : "r" (a[2]), "r" (a[3]), "r" (b1));
#endif
}

/* tf32 is there from sm_80 on: see dcnn_cuda_compiled_for(). */
__device__ __forceinline__ uint32_t
to_tf32 (float v)
{
  uint32_t u = 0;
#if __CUDA_ARCH__ >= 800
  asm ("cvt.rna.tf32.f32 %0, %1;" : "=r" (u) : "f" (v));
#else
  __trap ();
#endif
  return u;
}

/* The same on numbers rounded so, 8 steps of k. */
__device__ __forceinline__ void
multiply_floats (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
#if __CUDA_ARCH__ >= 800
  asm ("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f" (d[0]), "+f" (d[1]), "+f" (d[2]), "+f" (d[3])
      : "r" (a[0]), "r" (a[1]), "r" (a[2]), "r" (a[3]), "r" (b0), "r" (b1));
#endif
}

__device__ __forceinline__ uint32_t
cluster_rank ()
{
  uint32_t r = 0;
#if __CUDA_ARCH__ >= 900
  asm volatile ("mov.u32 %0, %%cluster_ctarank;" : "=r" (r));
#endif
  return r;
}

/* Two halves, between which a block may do what does not concern others. They
 * tell nobody of what was written: for those who are done with reading. */
__device__ __forceinline__ void
cluster_arrive ()
{
#if __CUDA_ARCH__ >= 900
  asm volatile ("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
#endif
}

__device__ __forceinline__ void
cluster_await ()
{
#if __CUDA_ARCH__ >= 900
  asm volatile ("barrier.cluster.wait.aligned;" ::: "memory");
#endif
}

/* The cluster meets, and what its blocks wrote to shared memory is there. Not so
 * of global memory: waiting for that (before CUDA 12.8 it cannot be left out)
 * takes as long as a store, and nobody in a cluster reads it. */
__device__ __forceinline__ void
cluster_sync ()
{
#if __CUDA_ARCH__ >= 900
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1208
  asm volatile ("fence.release.sync_restrict::shared::cta.cluster;\n"
      "barrier.cluster.arrive.relaxed.aligned;\n"
      "barrier.cluster.wait.aligned;" ::: "memory");
#else
  asm volatile ("barrier.cluster.arrive.aligned;\n"
      "barrier.cluster.wait.aligned;" ::: "memory");
#endif
#else
  __syncthreads ();
#endif
}

__device__ __forceinline__ void
prefetch (const void *p)
{
  asm volatile ("prefetch.global.L2 [%0];" :: "l" (p));
}

/* The shared address of what lies at p in another block of the cluster. */
__device__ __forceinline__ uint32_t
cluster_address (const void *p, uint32_t rank)
{
  uint32_t at = shared_address (p);
#if __CUDA_ARCH__ >= 900
  asm volatile ("mapa.shared::cluster.u32 %0, %0, %1;" : "+r" (at)
      : "r" (rank));
#endif
  return at;
}

__device__ __forceinline__ float
cluster_read (uint32_t at)
{
  float v;
#if __CUDA_ARCH__ >= 900
  asm volatile ("ld.shared::cluster.f32 %0, [%1];" : "=f" (v) : "r" (at)
      : "memory");
#else
  asm volatile ("ld.shared.f32 %0, [%1];" : "=f" (v) : "r" (at) : "memory");
#endif
  return v;
}

__device__ __forceinline__ float4
cluster_read4 (uint32_t at)
{
  float4 v;
#if __CUDA_ARCH__ >= 900
  asm volatile ("ld.shared::cluster.v4.f32 {%0,%1,%2,%3}, [%4];"
      : "=f" (v.x), "=f" (v.y), "=f" (v.z), "=f" (v.w) : "r" (at) : "memory");
#else
  asm volatile ("ld.shared.v4.f32 {%0,%1,%2,%3}, [%4];"
      : "=f" (v.x), "=f" (v.y), "=f" (v.z), "=f" (v.w) : "r" (at) : "memory");
#endif
  return v;
}

#endif
