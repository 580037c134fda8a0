/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tail_conv.c - convolutions in tails: of three dimensions, or with
 * computed weights. What is padded is copied once into zeros; then tiles of
 * pixels are shared out.
 */
#include "dcnn_tail.h"

#include <string.h>

#define TILE DCNN_TENSOR_CONV_TILE

/* A convolution with all expanded to three dimensions. */
typedef struct Shape {
  gsize groups, channels;  /* channels of the in tensor */
  gsize in[3], padded[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
  gboolean pads;
  gsize floats;            /* of a padded image */
} Shape;

static void
take_shape (const DcnnConvParams *p, const DcnnTensor *in,
    const DcnnTensor *out, Shape *s)
{
  const int n = p->window.rank;

  *s = (Shape) { .groups = (gsize) p->groups, .channels = (gsize)
        in->dims[1] };
  s->floats = s->channels;
  for (int i = 0; i < 3; i++) {
    const int j = i - (3 - n);
    s->in[i] = j < 0 ? 1 : (gsize) in->dims[2 + j];
    s->out[i] = j < 0 ? 1 : (gsize) out->dims[2 + j];
    s->kernel[i] = j < 0 ? 1 : (gsize) p->window.kernel[j];
    s->stride[i] = j < 0 ? 1 : (gsize) p->window.stride[j];
    s->dilation[i] = j < 0 ? 1 : (gsize) p->window.dilation[j];
    s->pad[i] = j < 0 ? 0 : (gsize) p->window.pad_begin[j];
    s->padded[i] = s->in[i] + s->pad[i] + (j < 0 ? 0 : (gsize)
        p->window.pad_end[j]);
    s->pads |= s->padded[i] != s->in[i];
    s->floats *= s->padded[i];
  }
}

/* Products for a pixel of one out channel. */
static gsize
products_of (const Shape *s)
{
  return s->channels / s->groups * s->kernel[0] * s->kernel[1] * s->kernel[2];
}

/* Whether the kernel takes it: files can ask for more pads than map. */
static gboolean
suits (const DcnnConvParams *p, const DcnnTensor *in, const DcnnTensor *out,
    Shape *s)
{
  const DcnnWindow *w = &p->window;
  gdouble more = 1;

  for (int i = 0; i < w->rank; i++)
    more *= (gdouble) (in->dims[2 + i] + w->pad_begin[i] + w->pad_end[i]) /
        (gdouble) MAX (1, in->dims[2 + i]);
  if (more > 64 || dcnn_tensor_count (in) == 0)
    return FALSE;
  take_shape (p, in, out, s);
  return TRUE;
}

gsize
dcnn_tail_conv_floats (const DcnnGraph *graph, const DcnnNode *gn,
    guint threads)
{
  Shape s;

  if (gn->outputs[0] < 0 || !suits (&gn->params.conv, &dcnn_graph_value (graph,
              gn->inputs[0])->tensor, &dcnn_graph_value (graph,
              gn->outputs[0])->tensor, &s))
    return 0;
  return (s.pads ? s.floats : 0) + threads * TILE * products_of (&s);
}

/* One image with zeros around it. */
static void
pad (const Shape *s, const float *in, float *to)
{
  memset (to, 0, s->floats * sizeof (float));
  for (gsize c = 0; c < s->channels; c++)
    for (gsize z = 0; z < s->in[0]; z++)
      for (gsize y = 0; y < s->in[1]; y++, in += s->in[2])
        memcpy (to + ((c * s->padded[0] + z + s->pad[0]) * s->padded[1] + y +
                s->pad[1]) * s->padded[2] + s->pad[2], in, s->in[2] *
            sizeof (float));
}

/* An image's groups, and their tiles, which are the units of work. */
typedef struct Work {
  DcnnTensorConv conv;     /* of the first group */
  const DcnnCpuKernels *kernels;
  gsize tiles;             /* in a group */
  gsize in_group, out_group; /* floats from group to group */
  float *scratch;          /* by thread */
} Work;

static void
run_tiles (gpointer data, gsize begin, gsize end, guint thread)
{
  const Work *work = data;

  for (gsize i = begin; i < end; i++) {
    const gsize group = i / work->tiles, first = i % work->tiles * TILE;
    DcnnTensorConv conv = work->conv;
    conv.in += group * work->in_group;
    conv.out += group * work->out_group;
    conv.weights += group * conv.out_channels * conv.k;
    if (conv.bias)
      conv.bias += group * conv.out_channels;
    work->kernels->tensor_conv (&conv, first, MIN (TILE, conv.pixels - first),
        work->scratch + thread * TILE * conv.k);
  }
}

static void
describe (const TailRun *run, const Shape *s, Work *work)
{
  DcnnTensorConv *conv = &work->conv;
  gsize step = 1;

  conv->in_channels = s->channels / s->groups;
  conv->out_channels = (gsize) run->out->dims[1] / s->groups;
  conv->pixels = s->out[0] * s->out[1] * s->out[2];
  conv->k = products_of (s);
  for (int i = 2; i >= 0; i--) {
    conv->size[i] = s->out[i];
    conv->kernel[i] = s->kernel[i];
    conv->step[i] = step * s->stride[i];
    conv->reach[i] = step * s->dilation[i];
    step *= s->padded[i];
  }
  conv->plane = step;
  conv->weights = run->in[1]->data;
  conv->bias = run->gn->n_inputs > 2 && run->in[2] ? run->in[2]->data : NULL;
  conv->rows = run->rows;
  work->kernels = run->session->cpu->kernels;
  work->tiles = (conv->pixels + TILE - 1) / TILE;
  work->in_group = conv->in_channels * conv->plane;
  work->out_group = conv->out_channels * conv->pixels;
  work->scratch = run->session->cpu->tail_pack + (s->pads ? s->floats : 0);
}

gboolean
dcnn_tail_conv (TailRun *run)
{
  const DcnnTensor *in = run->in[0];
  Work work = { 0 };
  Shape s;

  if (!dcnn_tail_is_floats (in) || !dcnn_tail_is_floats (run->in[1]) ||
      (run->gn->n_inputs > 2 && run->in[2] && !dcnn_tail_is_floats (
              run->in[2])) || !suits (&run->gn->params.conv, in, run->out, &s))
    return FALSE;
  dcnn_tail_list_rows (run, 0, TRUE); /* as many rows as channels, or more */
  describe (run, &s, &work);
  for (gint64 image = 0; image < in->dims[0]; image++) {
    const gsize units = s.groups * work.tiles;
    work.conv.in = (const float *) in->data + (gsize) image * s.channels *
        s.in[0] * s.in[1] * s.in[2];
    work.conv.out = (float *) run->out->data + (gsize) image * s.groups *
        work.out_group;
    if (s.pads) {
      pad (&s, work.conv.in, run->session->cpu->tail_pack);
      work.conv.in = run->session->cpu->tail_pack;
    }
    dcnn_run_parallel (run->session, units, 1, units * TILE * work.conv.k *
        work.conv.out_channels, run_tiles, &work);
  }
  return TRUE;
}
