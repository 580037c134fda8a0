/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cpu_table.h - the tables of all levels, and the types of what is in them.
 * Internal: everybody else asks dcnn_cpu_kernels ().
 */
#ifndef DCNN_CPU_TABLE_H
#define DCNN_CPU_TABLE_H

#include "dcnn_kernels.h"
#include "isa.h"

/* Function types, to declare kernels by: see DcnnKernelFn and so on. */
typedef void DcnnKernelFnType (const DcnnJob *job, size_t begin, size_t end,
    void *scratch);
typedef size_t DcnnScratchFnType (const DcnnJob *job);
typedef void DcnnBlockReduceFnType (const DcnnMap *map, bool maximum,
    const uint32_t *blocks, size_t n, uint32_t blocks_x, float *sums);
typedef void DcnnBlockMomentsFnType (const DcnnMap *map,
    const uint32_t *blocks, size_t n, uint32_t blocks_x, double *moments);
typedef void DcnnMatmulFnType (const DcnnMatmul *mm, const uint32_t *rows,
    size_t begin, size_t end);
typedef void DcnnTensorConvFnType (const DcnnTensorConv *conv, size_t first,
    size_t n, float *scratch);
typedef void DcnnGridFnType (const DcnnGrid *grid, size_t first, size_t n);
typedef void DcnnRecurrentFnType (const DcnnRecurrent *layer);
typedef void DcnnSoftmaxRowFnType (const float *in, float *out, size_t n,
    bool log_form);
typedef void DcnnSoftmaxLinesFnType (const float *in, float *out, size_t n,
    size_t stride, size_t lines);
typedef void DcnnLayerNormRowFnType (const float *in, const float *scale,
    const float *bias, float *out, size_t n, float epsilon);
typedef void DcnnStepRowFnType (const DcnnStep *step, const float *in,
    const float *operand, float *out, size_t n);

#define DCNN_X(s, e) extern const DcnnCpuKernels dcnn_cpu_table__##s;
DCNN_ISAS (DCNN_X)
#undef DCNN_X

#endif
