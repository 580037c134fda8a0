/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_copy.c - numbers of two bytes on the host, and maps between it and the
 * device.
 */
#include "cuda.h"

#include <string.h>

static guint16
half_of (float value)
{
  union { float f; guint32 u; } v = { value };
  guint32 sign = v.u >> 16 & 0x8000, u = v.u & 0x7fffffff, shift, m;

  if (u >= 0x7f800000)
    return (guint16) (sign | 0x7c00 | (u > 0x7f800000 ? 0x200 : 0));
  if (u >= 0x477ff000)
    return (guint16) (sign | 0x7c00);
  if (u >= 0x38800000) {
    u += 0xfff + (u >> 13 & 1);
    return (guint16) (sign | (u - 0x38000000) >> 13);
  }
  if (u < 0x33000000)
    return (guint16) sign;
  shift = 126 - (u >> 23);
  m = (u & 0x7fffff) | 0x800000;
  u = m >> shift;
  m <<= 32 - shift;
  return (guint16) (sign |
      (u + (m > 0x80000000u || (m == 0x80000000u && (u & 1)))));
}

/* The upper half of a float. */
static guint16
bf16_of (float value)
{
  union { float f; guint32 u; } v = { value };

  if ((v.u & 0x7fffffff) > 0x7f800000)
    return (guint16) (v.u >> 16 | 0x40); /* a NaN stays one */
  return (guint16) ((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
}

guint16
dcnn_cuda_narrow (gfloat value, gboolean bf16)
{
  return bf16 ? bf16_of (value) : half_of (value);
}

/* Without a branch, so that many are done at once; and without denormals, which
 * threads of the engine take for 0. */
static inline float
float_of_half (guint16 h)
{
  guint32 sign = (guint32) (h & 0x8000) << 16, all = h & 0x7fff;
  guint32 normal = (all << 13) + (112u << 23);
  guint32 is_small = -(guint32) (all < 0x400);
  union { float f; guint32 u; } small = { (float) (gint32) all * 0x1p-24f }, v;

  /* infinite, or no number */
  normal += -(guint32) (all >= 0x7c00) & 112u << 23;
  v.u = sign | (small.u & is_small) | (normal & ~is_small);
  return v.f;
}

static inline float
float_of_bf16 (guint16 word)
{
  union { guint32 u; float f; } v = { (guint32) word << 16 };

  return v.f;
}

gfloat
dcnn_cuda_widen (guint16 word, gboolean bf16)
{
  return bf16 ? float_of_bf16 (word) : float_of_half (word);
}

static void
widen_all (const guint16 *restrict from, gfloat *restrict to, guint n,
    gboolean bf16)
{
  if (bf16)
    for (guint i = 0; i < n; i++)
      to[i] = float_of_bf16 (from[i]);
  else
    for (guint i = 0; i < n; i++)
      to[i] = float_of_half (from[i]);
}

/* Elements of a pixel that both sides have. */
static guint
shared_elements (const CudaState *state, const PlanBuffer *b, gint buffer)
{
  return MIN (state->pixels[buffer], b->pixel_elements);
}

/* Where the host has the i-th pixel of a stream's buffer. */
static gfloat *
host_pixel (const CpuStream *cpu, const PlanBuffer *b, gint buffer, gsize i)
{
  return cpu->buffers[buffer] + cpu->row_offset[b->geometry][i / b->width] +
      cpu->col_offset[b->geometry][i % b->width];
}

cudaError_t
dcnn_cuda_upload_buffer (const DcnnSession *session, guint stream,
    gint buffer)
{
  const CudaState *state = cuda_state (session);
  const PlanBuffer *b =
      &g_array_index (session->plan->buffers, PlanBuffer, buffer);
  gsize pixels = (gsize) b->width * b->height, pixel = state->pixels[buffer];
  const gfloat *from = session->streams[stream].cpu->buffers[buffer];
  gsize size = state->floats[buffer] ? 4 : 2, bytes = pixels * pixel * size;
  g_autofree guint8 *host = g_malloc0 (bytes);

  for (gsize i = 0; i < pixels; i++)
    for (guint c = 0; c < shared_elements (state, b, buffer); c++) {
      gfloat v = from[i * b->pixel_elements + c];
      if (size == 4)
        ((gfloat *) (gpointer) host)[i * pixel + c] = v;
      else
        ((guint16 *) (gpointer) host)[i * pixel + c] =
            dcnn_cuda_narrow (v, state->bf16);
    }
  return cudaMemcpy ((guint8 *) state->buffers[buffer] + stream * bytes, host,
      bytes, cudaMemcpyHostToDevice);
}

cudaError_t
dcnn_cuda_download_buffer (const DcnnSession *session, guint stream,
    gint buffer)
{
  const CudaState *state = cuda_state (session);
  const PlanBuffer *b =
      &g_array_index (session->plan->buffers, PlanBuffer, buffer);
  gsize pixels = (gsize) b->width * b->height, pixel = state->pixels[buffer];
  const CpuStream *cpu = session->streams[stream].cpu;
  gsize size = state->floats[buffer] ? 4 : 2, bytes = pixels * pixel * size;
  g_autofree guint8 *host = g_malloc (bytes);
  cudaError_t e = cudaMemcpy (host, (guint8 *) state->buffers[buffer] +
      stream * bytes, bytes, cudaMemcpyDeviceToHost);

  for (gsize i = 0; i < pixels && e == cudaSuccess; i++) {
    gfloat *to = host_pixel (cpu, b, buffer, i);
    guint n = shared_elements (state, b, buffer);
    if (size == 4)
      memcpy (to, (gfloat *) (gpointer) host + i * pixel, n * size);
    else
      widen_all ((guint16 *) (gpointer) host + i * pixel, to, n, state->bf16);
  }
  return e;
}

/* Between the host's buffer and packed pixels. */
static void
copy_host (const DcnnSession *session, guint stream, gint buffer,
    gfloat *packed, gboolean back)
{
  const PlanBuffer *b =
      &g_array_index (session->plan->buffers, PlanBuffer, buffer);
  guint n = shared_elements (cuda_state (session), b, buffer);

  for (gsize i = 0; i < (gsize) b->width * b->height; i++, packed += n) {
    gfloat *pixel = host_pixel (session->streams[stream].cpu, b, buffer, i);
    memcpy (back ? pixel : packed, back ? packed : pixel, n * sizeof *pixel);
  }
}

gfloat *
dcnn_cuda_keep_input (const DcnnSession *session, guint stream, gint buffer)
{
  const DcnnPlan *plan = session->plan;
  const PlanBuffer *b = &g_array_index (plan->buffers, PlanBuffer, buffer);
  gboolean comes_in = FALSE;
  gfloat *kept;

  for (guint m = 0; m < plan->maps->len; m++)
    comes_in |= plan_map (plan, m)->buffer == buffer &&
        plan_map_comes_in (plan, (gint) m);
  if (!comes_in)
    return NULL;
  kept = g_new (gfloat, (gsize) b->width * b->height *
      shared_elements (cuda_state (session), b, buffer));
  copy_host (session, stream, buffer, kept, FALSE);
  return kept;
}

void
dcnn_cuda_put_back (const DcnnSession *session, guint stream, gint buffer,
    gfloat *kept)
{
  if (kept)
    copy_host (session, stream, buffer, kept, TRUE);
}
