/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * adjoint.c - how a primary operator's output row sends a gradient back to its
 * input, and the slopes of steps. Plain loops; for measuring, never for a
 * frame. Level "c" only.
 */
#include "conv.h"
#include "cpu_table.h"
#include "depthwise.h"
#include "epilogue_steps.h"
#include "local.h"

/* What every adjoint works on: one output pixel (y, x). */
typedef struct Adjoint {
  const DcnnJob *job;
  const DcnnMap *to;        /* gradient of the input, added to */
  uint32_t y, x;
  const float *g;           /* gradient of the row */
} Adjoint;

static float *
input_gradient (const Adjoint *a, uint32_t y, uint32_t x)
{
  return y < a->to->height && x < a->to->width ? dcnn_map_pixel (a->to, y, x)
      : NULL;
}

/* ---- convolutions ---------------------------------------------------------- */

/* The base pixel of the window, and its phase. */
static const DcnnPhase *
window_of (const DcnnWindowPlan *w, const Adjoint *a, int32_t *y, int32_t *x,
    uint32_t *index)
{
  uint32_t phase_y, phase_x;

  *y = dcnn_window_base (w->transposed, w->stride_y, w->pad_y, a->y, &phase_y);
  *x = dcnn_window_base (w->transposed, w->stride_x, w->pad_x, a->x, &phase_x);
  *index = phase_y * w->stride_x + phase_x;
  return &w->phases[*index];
}

/* One tap of one panel: input channel k gets the sum over the panel's outputs
 * of weight times gradient, in eight partial sums. */
static void
panel_tap (const DcnnPanel *panel, const float *weight, const float *g,
    float *to)
{
  for (uint32_t k = 0; k < panel->in_count; k++, weight += panel->lanes) {
    float part[8] = { 0 };
    for (uint32_t o = 0; o < panel->lanes; o += 8)
      for (uint32_t i = 0; i < 8; i++)
        part[i] += weight[o + i] * g[o + i];
    to[k] += part[0] + part[1] + part[2] + part[3] + part[4] + part[5] +
        part[6] + part[7];
  }
}

static void
conv_adjoint (const Adjoint *a)
{
  const DcnnConv *conv = (const DcnnConv *) (const void *) a->job->prepared;
  const DcnnPacking *packing = dcnn_conv_packing (conv, DCNN_LEVEL_C);
  int32_t y, x;
  uint32_t f;
  const DcnnPhase *phase = window_of (&conv->window, a, &y, &x, &f);

  for (uint32_t p = 0; p < packing->n_panels; p++) {
    const DcnnPanel *panel = &packing->panels[p];
    const float *weight = packing->weights +
        packing->offsets[f * packing->n_panels + p];
    float g[DCNN_PANEL_MAX + 8] = { 0 };
    memcpy (g, a->g + panel->out_begin, panel->out_count * sizeof *g);
    for (uint32_t t = 0; t < phase->n_taps; t++) {
      const DcnnTap *tap = &conv->window.taps[phase->first_tap + t];
      float *to = input_gradient (a, (uint32_t) (y + tap->dy),
          (uint32_t) (x + tap->dx));
      if (to)
        panel_tap (panel, weight, g, to + panel->in_begin);
      weight += (size_t) panel->in_count * panel->lanes;
    }
  }
}

static void
depthwise_adjoint (const Adjoint *a)
{
  const DcnnDepthwise *depthwise =
      (const DcnnDepthwise *) (const void *) a->job->prepared;
  int32_t y, x;
  uint32_t f;
  const DcnnPhase *phase = window_of (&depthwise->window, a, &y, &x, &f);

  for (uint32_t t = phase->first_tap; t < phase->first_tap + phase->n_taps;
      t++) {
    const DcnnTap *tap = &depthwise->window.taps[t];
    const float *weight = depthwise->weights + (size_t) t * depthwise->stride;
    float *to = input_gradient (a, (uint32_t) (y + tap->dy),
        (uint32_t) (x + tap->dx));
    for (uint32_t c = 0; to && c < depthwise->channels; c++)
      to[c] += a->g[c] * weight[c];
  }
}

/* ---- pools ------------------------------------------------------------------- */

/* Calls f (a, local, y, x) for each tap inside the map. */
#define FOR_TAPS(a, l, ty, tx)                                                 \
  for (int32_t ky = 0; ky < (l)->kernel[0]; ky++)                              \
    for (int32_t kx = 0; kx < (l)->kernel[1]; kx++)                            \
      for (uint32_t once = 1, ty = (uint32_t) ((int32_t) (a)->y *              \
                   (l)->stride[0] - (l)->pad_begin[0] + ky *                   \
                   (l)->dilation[0]),                                          \
               tx = (uint32_t) ((int32_t) (a)->x * (l)->stride[1] -            \
                   (l)->pad_begin[1] + kx * (l)->dilation[1]);                 \
           once && ty < (a)->to->height && tx < (a)->to->width; once = 0)

static void
max_pool_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  for (uint32_t c = 0; c < l->channels; c++) {
    const float *most = NULL;
    float *to = NULL;
    FOR_TAPS (a, l, y, x) {
      const float *v = dcnn_map_pixel (&a->job->in, y, x) + c;
      if (most == NULL || *v > *most) {
        most = v;
        to = dcnn_map_pixel (a->to, y, x) + c;
      }
    }
    if (to)
      *to += a->g[c];
  }
}

/* Taps on one axis up to the end of the padded map. */
static uint32_t
padded_taps (const DcnnLocal *l, int d, uint32_t out, uint32_t size)
{
  int32_t base = (int32_t) out * l->stride[d] - l->pad_begin[d];
  int32_t room = (int32_t) size + l->pad_end[d] - base, n = 0;

  while (n < l->kernel[d] && n * l->dilation[d] < room)
    n++;
  return (uint32_t) n;
}

static void
average_pool_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  uint32_t n = 0;

  FOR_TAPS (a, l, y, x)
    n++;
  if (l->count_pad)
    n = padded_taps (l, 0, a->y, a->to->height) *
        padded_taps (l, 1, a->x, a->to->width);
  FOR_TAPS (a, l, y, x) {
    float *to = dcnn_map_pixel (a->to, y, x);
    for (uint32_t c = 0; c < l->channels; c++)
      to[c] += a->g[c] / (float) n;
  }
}

/* ---- moving data -------------------------------------------------------------- */

static void
add_row (float *to, const float *g, uint32_t n)
{
  for (uint32_t c = 0; to && c < n; c++)
    to[c] += g[c];
}

static void
copy_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  float *to = input_gradient (a, a->y, a->x);

  for (uint32_t i = 0; i < l->n_runs; i++)
    if (l->runs[i].from != UINT32_MAX)
      add_row (to + l->runs[i].from, a->g + l->runs[i].to, l->runs[i].n);
}

static void
resize_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  for (uint32_t i = 0; i < l->taps_y; i++)
    for (uint32_t j = 0; j < l->taps_x; j++) {
      size_t ky = (size_t) a->y * l->taps_y + i;
      size_t kx = (size_t) a->x * l->taps_x + j;
      float *to = input_gradient (a, l->index_y[ky], l->index_x[kx]);
      for (uint32_t c = 0; to && c < l->channels; c++)
        to[c] += a->g[c] * l->weight_y[ky] * l->weight_x[kx];
    }
}

static void
space_to_depth_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  for (uint32_t by = 0; by < l->block; by++)
    for (uint32_t bx = 0; bx < l->block; bx++)
      add_row (input_gradient (a, a->y * l->block + by, a->x * l->block + bx),
          a->g + (by * l->block + bx) * l->channels, l->channels);
}

static void
depth_to_space_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  uint32_t b = l->block, part = a->y % b * b + a->x % b;
  float *to = input_gradient (a, a->y / b, a->x / b);

  for (uint32_t c = 0; to && c < l->channels; c++)
    to[l->crd ? c * b * b + part : part * l->channels + c] += a->g[c];
}

/* ---- over channels -------------------------------------------------------------- */

/* s_c (g_c - sum g s); of the logarithm: g_c - s_c sum g. */
static void
softmax_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  const float *in = dcnn_map_pixel (&a->job->in, a->y, a->x);
  float *to = dcnn_map_pixel (a->to, a->y, a->x), most = in[0];
  float total = 0, dot = 0;

  for (uint32_t c = 1; c < l->channels; c++)
    most = in[c] > most ? in[c] : most;
  for (uint32_t c = 0; c < l->channels; c++)
    total += expf (in[c] - most);
  for (uint32_t c = 0; c < l->channels; c++)
    dot += a->g[c] * (l->flag ? 1 : expf (in[c] - most) / total);
  for (uint32_t c = 0; c < l->channels; c++) {
    float s = expf (in[c] - most) / total;
    to[c] += l->flag ? a->g[c] - s * dot : s * (a->g[c] - dot);
  }
}

static void
channel_reduce_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  const float *in = dcnn_map_pixel (&a->job->in, a->y, a->x);
  float *to = dcnn_map_pixel (a->to, a->y, a->x);
  uint32_t most = 0;

  for (uint32_t c = 0; c < l->channels; c++) {
    most = in[c] > in[most] ? c : most;
    if (l->kind != DCNN_CHANNEL_MAX)
      to[c] += a->g[0] / (l->kind == DCNN_CHANNEL_MEAN
              ? (float) l->channels : 1.0f);
  }
  if (l->kind == DCNN_CHANNEL_MAX)
    to[most] += a->g[0];
}

static void
layer_norm_adjoint (const Adjoint *a, const DcnnLocal *l)
{
  const float *in = dcnn_map_pixel (&a->job->in, a->y, a->x);
  float *to = dcnn_map_pixel (a->to, a->y, a->x);
  float n = (float) l->channels, mean = 0, variance = 0, sum = 0, along = 0;

  for (uint32_t c = 0; c < l->channels; c++)
    mean += in[c] / n;
  for (uint32_t c = 0; c < l->channels; c++)
    variance += (in[c] - mean) * (in[c] - mean) / n;
  float inverse = 1.0f / sqrtf (variance + l->epsilon);
  for (uint32_t c = 0; c < l->channels; c++) {
    float g = a->g[c] * l->scale[c];
    sum += g / n;
    along += g * (in[c] - mean) * inverse / n;
  }
  for (uint32_t c = 0; c < l->channels; c++)
    to[c] += inverse * (a->g[c] * l->scale[c] - sum -
        (in[c] - mean) * inverse * along);
}

/* ---- all of them ------------------------------------------------------------------ */

static void
pixel_adjoint (const Adjoint *a)
{
  const DcnnLocal *l = (const DcnnLocal *) (const void *) a->job->prepared;

  switch (a->job->primary) {
    case DCNN_PRIMARY_CONV:
    case DCNN_PRIMARY_GROUP_CONV:
    case DCNN_PRIMARY_DEPTHWISE:
    case DCNN_PRIMARY_CONV_TRANSPOSE:
      if (a->job->primary == DCNN_PRIMARY_DEPTHWISE ||
          a->job->prepared->depthwise)
        depthwise_adjoint (a);
      else
        conv_adjoint (a);
      break;
    case DCNN_PRIMARY_MAX_POOL: max_pool_adjoint (a, l); break;
    case DCNN_PRIMARY_AVERAGE_POOL: average_pool_adjoint (a, l); break;
    case DCNN_PRIMARY_COPY: copy_adjoint (a, l); break;
    case DCNN_PRIMARY_RESAMPLE:
      add_row (input_gradient (a, l->index_y[a->y], l->index_x[a->x]), a->g,
          l->channels);
      break;
    case DCNN_PRIMARY_RESIZE: resize_adjoint (a, l); break;
    case DCNN_PRIMARY_SPACE_TO_DEPTH: space_to_depth_adjoint (a, l); break;
    case DCNN_PRIMARY_DEPTH_TO_SPACE: depth_to_space_adjoint (a, l); break;
    case DCNN_PRIMARY_SOFTMAX: softmax_adjoint (a, l); break;
    case DCNN_PRIMARY_CHANNEL_REDUCE: channel_reduce_adjoint (a, l); break;
    case DCNN_PRIMARY_LAYER_NORM: layer_norm_adjoint (a, l); break;
    case DCNN_PRIMARY_ARG_MAX: /* has no slope */
    case DCNN_PRIMARY_COUNT:
      break;
  }
}

void
dcnn_k_adjoint (const DcnnJob *job, const DcnnMap *row_gradient,
    const DcnnMap *in_gradient)
{
  Adjoint a = { .job = job, .to = in_gradient };

  for (a.y = 0; a.y < row_gradient->height; a.y++)
    for (a.x = 0; a.x < row_gradient->width; a.x++) {
      a.g = dcnn_map_pixel (row_gradient, a.y, a.x);
      pixel_adjoint (&a);
    }
}

static float
step_value (const DcnnStep *step, float r, float e)
{
  switch (step->kind) {
#define DCNN_X(kind, name)                                                     \
    case DCNN_STEP_##kind:                                                     \
      return dcnn_step_lanes (DCNN_STEP_##kind, r, e, step->a, step->b);
    DCNN_STEPS (DCNN_X)
#undef DCNN_X
    case DCNN_STEP_COUNT:
      break;
  }
  return r;
}

void
dcnn_k_step_slope (const DcnnStep *step, float r, float e, float *of_row,
    float *of_operand)
{
  *of_operand = 1;
  switch (step->kind) {
    case DCNN_STEP_RELU: *of_row = r > 0; return;
    case DCNN_STEP_CLIP:
    case DCNN_STEP_ROUND: /* what is rounded passes straight through */
      *of_row = r > step->a && r < step->b;
      return;
    case DCNN_STEP_THRESHOLDED_RELU: *of_row = r > step->a; return;
    case DCNN_STEP_ADD: *of_row = 1; return;
    case DCNN_STEP_MUL: *of_row = e; *of_operand = r; return;
    default: break;
  }
  float hr = 1e-3f * (fabsf (r) > 1 ? fabsf (r) : 1);
  float he = 1e-3f * (fabsf (e) > 1 ? fabsf (e) : 1);

  *of_row = (step_value (step, r + hr, e) - step_value (step, r - hr, e)) /
      (2 * hr);
  *of_operand = (step_value (step, r, e + he) - step_value (step, r, e - he)) /
      (2 * he);
}
