/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * isa.h - what a source that is compiled once for each instruction set level
 * needs: the level it is being compiled for and the names it must use.
 *
 * The build defines exactly one of DCNN_ISA_C, DCNN_ISA_AVX2 and
 * DCNN_ISA_AVX512. DCNN_FN (dcnn_k_conv) becomes dcnn_k_conv__avx2 and so on;
 * cpu_table.c gathers these names into the level's table.
 */
#ifndef DCNN_ISA_H
#define DCNN_ISA_H

/* X(suffix, ENUM): the levels, lowest first. */
#define DCNN_ISAS(X)                                                           \
  X (c, C)                                                                     \
  X (avx2, AVX2)                                                               \
  X (avx512, AVX512)

typedef enum DcnnIsa {
#define DCNN_X(s, e) DCNN_LEVEL_##e,
  DCNN_ISAS (DCNN_X)
#undef DCNN_X
  DCNN_LEVEL_COUNT
} DcnnIsa;

#if defined DCNN_ISA_AVX512
#define DCNN_ISA_LEVEL DCNN_LEVEL_AVX512
#define DCNN_ISA_NAME "avx512"
#define DCNN_FN(name) name##__avx512
#elif defined DCNN_ISA_AVX2
#define DCNN_ISA_LEVEL DCNN_LEVEL_AVX2
#define DCNN_ISA_NAME "avx2"
#define DCNN_FN(name) name##__avx2
#elif defined DCNN_ISA_C
#define DCNN_ISA_LEVEL DCNN_LEVEL_C
#define DCNN_ISA_NAME "c"
#define DCNN_FN(name) name##__c
#endif

#define DCNN_INLINE static inline __attribute__ ((always_inline))

#endif
