/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_dots.h - sums of products of bytes, by one instruction where the
 * processor has it. Included by bytes_conv_simd.c.
 */
#ifndef DCNN_BYTES_DOTS_H
#define DCNN_BYTES_DOTS_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "simd.h"

/* Sums of products in one instruction: AVX512_VNNI, or AVX-VNNI, whose
 * encoding is another. */
#ifdef DCNN_ISA_AVX512
#define DOTS ""
#define DOTS_IN "v" /* any of 32 registers */
#define HAS_DOTS __builtin_cpu_supports ("avx512vnni")
#define HAS_PERMUTES __builtin_cpu_supports ("avx512vbmi")
#else
#define DOTS "%{vex%} "
#define DOTS_IN "x"
#define HAS_PERMUTES 0
#if defined __clang__ && __clang_major__ < 18
#define HAS_DOTS 0 /* that compiler cannot ask */
#else
#define HAS_DOTS __builtin_cpu_supports ("avxvnni")
#endif
#endif

DCNN_INLINE __m256i
four_bytes (uintptr_t p)
{
  int32_t four;

  memcpy (&four, (const void *) p, 4);
  return _mm256_set1_epi32 (four);
}

/* sum plus four products of bytes, or two of int16, in each lane: by one
 * instruction where the processor has it (dots), which is exact, as the others
 * are for weights packed so. Assembler: an intrinsic would want a function of
 * its own target around all of this. */
DCNN_INLINE __m256i
add_bytes (__m256i sum, __m256i bytes, __m256i weights, bool dots)
{
  if (dots)
    __asm__ (DOTS "vpdpbusd %2, %1, %0" : "+" DOTS_IN (sum) : DOTS_IN (bytes),
        DOTS_IN "m" (weights));
  else
    sum = _mm256_add_epi32 (sum, _mm256_madd_epi16 (_mm256_maddubs_epi16 (
                bytes, weights), _mm256_set1_epi16 (1)));
  return sum;
}

DCNN_INLINE __m256i
add_shorts (__m256i sum, __m256i shorts, __m256i weights, bool dots)
{
  if (dots)
    __asm__ (DOTS "vpdpwssd %2, %1, %0" : "+" DOTS_IN (sum) : DOTS_IN (shorts),
        DOTS_IN "m" (weights));
  else
    sum = _mm256_add_epi32 (sum, _mm256_madd_epi16 (shorts, weights));
  return sum;
}

/* 0: nothing of it; 1: sums of products; 2: and permutations of bytes
 * (AVX512_VBMI). What the processor has, or less by DELTACNN_VNNI, by which
 * tests and timings ask for the other ways. */
static int
dots_level (void)
{
  static int known = -1;
  int level = __atomic_load_n (&known, __ATOMIC_RELAXED);

  if (level < 0) {
    const char *wish = getenv ("DELTACNN_VNNI");
    const int most = wish && *wish >= '0' && *wish <= '2' ? *wish - '0' : 2;
    level = !HAS_DOTS ? 0 : HAS_PERMUTES ? 2 : 1;
    level = level < most ? level : most;
    __atomic_store_n (&known, level, __ATOMIC_RELAXED);
  }
  return level;
}

static bool
uses_dots (void)
{
  return dots_level () > 0;
}

#ifdef DCNN_ISA_AVX512
static bool
uses_permutes (void)
{
  return dots_level () > 1;
}
#endif

#endif
