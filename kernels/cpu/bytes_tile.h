/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_tile.h - what kernels of maps of bytes do with the rows that they have
 * computed: steps on floats, the way back to bytes, judgement and store.
 */
#ifndef DCNN_BYTES_TILE_H
#define DCNN_BYTES_TILE_H

#include "cpu_table.h"
#include "epilogue.h"

/* A call of a kernel. */
typedef struct DcnnBytesRun {
  const DcnnJob *job;
  DcnnJob part;            /* the same, to run some of the steps */
  size_t stride;           /* of scratch rows, floats */
} DcnnBytesRun;

typedef struct DcnnBytesTile {
  uint32_t n;
  const uint32_t *pixels;  /* [n] list entries with their flags */
  const uint32_t *places;  /* [n] relative to `first`; NULL: 0, 1, 2 ... */
  size_t first;            /* place in the work: epilogue.h */
  float *const *rows;      /* [n] floats, stride apart */
  uint8_t *const *bytes;   /* [n] out of bytes: rows, or the out pixels
                              themselves */
  void *const *out;        /* [n] the out pixels, of floats or bytes */
} DcnnBytesTile;

/* n bytes as the floats they stand for. */
DCNN_INLINE void
dcnn_bytes_to_floats (const uint8_t *from, int32_t low, uint32_t n, float *to)
{
  for (uint32_t c = 0; c < n; c++)
    to[c] = (float) (from[c] + low);
}

#if V_LANES > 1

/* V_LANES bytes of a map as the floats they stand for. */
DCNN_INLINE v_t
dcnn_lanes_of_bytes (const uint8_t *from, int32_t low)
{
#ifdef DCNN_ISA_AVX512
  return _mm512_cvtepi32_ps (_mm512_add_epi32 (_mm512_cvtepu8_epi32 (
              _mm_loadu_si128 ((const void *) from)), _mm512_set1_epi32 (low)));
#else
  return _mm256_cvtepi32_ps (_mm256_add_epi32 (_mm256_cvtepu8_epi32 (
              _mm_loadl_epi64 ((const void *) from)), _mm256_set1_epi32 (low)));
#endif
}

#else

DCNN_INLINE v_t
dcnn_lanes_of_bytes (const uint8_t *from, int32_t low)
{
  return (float) (*from + low);
}

#endif

/* Floats from one scratch row to the next. */
DCNN_INLINE size_t
dcnn_bytes_stride (const DcnnJob *job)
{
  return job->out.channels <= 4 ? 4 : dcnn_tile_stride (job->out.channels);
}

/* Steps from first_step on, on floats; what they make goes to the out map, as
 * dcnn_judge_tile() has it. */
void DCNN_FN (dcnn_bytes_end) (DcnnBytesRun *run, uint32_t first_step,
    const DcnnBytesTile *tile);
/* The rows are bytes, and final. */
void DCNN_FN (dcnn_bytes_judge) (const DcnnJob *job,
    const DcnnBytesTile *tile);
/* The same for rows of floats that are whole numbers in range: they become
 * bytes where they lie. */
void DCNN_FN (dcnn_bytes_judge_floats) (const DcnnJob *job,
    const DcnnTile *tile);

/* Asks for the n out pixels of a job that is judged. */
DCNN_INLINE void
dcnn_bytes_prefetch_out (const DcnnJob *job, uint32_t n, void *const *out)
{
  const size_t bytes = job->out.channels * (job->out.bytes ? 1
      : sizeof (float));

  for (uint32_t i = 0; i < n && !dcnn_job_stores_all (job); i++)
    dcnn_prefetch_bytes (out[i], bytes);
}

/* Addresses of the out pixels of n entries; asks for them likewise. */
DCNN_INLINE void
dcnn_bytes_locate_out (const DcnnJob *job, const uint32_t *pixels, uint32_t n,
    void **out)
{
  const uintptr_t unit = dcnn_map_unit (&job->out);
  const uintptr_t start = dcnn_map_start (&job->out);
  const uint32_t *rows = job->out.row_offset, *columns = job->out.col_offset;

  for (uint32_t i = 0; i < n; i++)
    out[i] = (void *) (start + unit * ((uintptr_t) rows[
                DCNN_PIXEL_Y (pixels[i])] + columns[DCNN_PIXEL_X (pixels[i])]));
  dcnn_bytes_prefetch_out (job, n, out);
}

/* Step *s of the job, if it is of that kind and by one number: that number, and the
 * next step. */
static inline bool
dcnn_takes_scalar (const DcnnJob *job, uint32_t *s, DcnnStepKind kind,
    float *value)
{
  const DcnnStep *step = &job->steps[*s];

  if (*s >= job->n_steps || step->kind != kind ||
      step->operand != DCNN_OPERAND_SCALAR)
    return false;
  *value = step->a;
  (*s)++;
  return true;
}

DcnnKernelFnType DCNN_FN (dcnn_k_bytes_conv);
DcnnScratchFnType DCNN_FN (dcnn_k_bytes_conv_scratch);
DcnnKernelFnType DCNN_FN (dcnn_k_bytes);
DcnnScratchFnType DCNN_FN (dcnn_k_bytes_scratch);

#endif
