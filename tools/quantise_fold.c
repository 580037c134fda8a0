/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What follows a convolution and only scales or shifts its channels becomes
 * part of it, so that it costs no rounding of its own. */
#include "quantise.h"

#include <math.h>
#include <string.h>

#define FLOAT32 1

static gboolean
is_convolution (const Onnx__NodeProto *node)
{
  return quant_is (node, "Conv") || quant_is (node, "ConvTranspose");
}

/* The convolution that makes a value which nobody else reads; NULL. */
static Onnx__NodeProto *
only_source (const QuantNet *net, const char *name)
{
  Onnx__NodeProto *node = g_hash_table_lookup (net->producers, name);
  const GPtrArray *readers = g_hash_table_lookup (net->readers, name);
  return node && is_convolution (node) && node->n_input >= 2 && readers
      && readers->len == 1 ? node : NULL;
}

/* Output channels of a convolution; 0: its weights are no constant. */
static guint
channels_of (const QuantNet *net, const Onnx__NodeProto *conv)
{
  const Onnx__TensorProto *w =
      g_hash_table_lookup (net->constants, conv->input[1]);
  if (!w || w->n_dims < 3)
    return 0;
  return (guint) (quant_is (conv, "Conv") ? w->dims[0]
      : w->dims[1] * quant_int (conv, "group", 1));
}

/* The output channel of element i of the weights. */
static guint
channel_at (const QuantNet *net, const Onnx__NodeProto *conv, gsize i)
{
  const Onnx__TensorProto *w =
      g_hash_table_lookup (net->constants, conv->input[1]);
  gsize taps = 1;
  for (gsize d = 2; d < w->n_dims; d++)
    taps *= (gsize) w->dims[d];
  if (quant_is (conv, "Conv"))
    return (guint) (i / (taps * (gsize) w->dims[1]));
  gsize in = i / (taps * (gsize) w->dims[1]);
  gsize a_group = (gsize) w->dims[0] / (gsize) quant_int (conv, "group", 1);
  return (guint) (in / a_group * (gsize) w->dims[1]
      + i / taps % (gsize) w->dims[1]);
}

static void
set_input (Onnx__NodeProto *node, guint i, char *name)
{
  while (node->n_input <= i) {
    node->input = g_renew (char *, node->input, node->n_input + 1);
    node->input[node->n_input++] = g_strdup ("");
  }
  g_free (node->input[i]);
  node->input[i] = name;
}

/* conv (x) * scale + shift, each a number a channel; scale NULL: 1. */
static gboolean
scale_channels (QuantNet *net, Onnx__NodeProto *conv, const gfloat *scale,
    const gfloat *shift, guint n)
{
  const gint64 dims[] = { n };
  gboolean had = conv->n_input > 2 && *conv->input[2];
  g_autoptr (GArray) w = quant_floats (net, conv->input[1]);
  g_autoptr (GArray) bias = had ? quant_floats (net, conv->input[2])
      : g_array_sized_new (FALSE, TRUE, sizeof (gfloat), n);
  if (!had)
    g_array_set_size (bias, n);
  if (!w || !bias || bias->len != n)
    return FALSE;
  for (guint c = 0; c < n; c++) {
    gfloat *b = &g_array_index (bias, gfloat, c);
    *b = (gfloat) ((double) *b * (scale ? (double) scale[c] : 1)
        + (double) shift[c]);
  }
  if (scale) {
    const Onnx__TensorProto *old =
        g_hash_table_lookup (net->constants, conv->input[1]);
    for (guint i = 0; i < w->len; i++)
      g_array_index (w, gfloat, i) *= scale[channel_at (net, conv, i)];
    char *name = g_strconcat (conv->output[0], ":folded_weights", NULL);
    quant_net_store (net, name, FLOAT32, (guint) old->n_dims, old->dims,
        w->data, w->len * sizeof (gfloat));
    set_input (conv, 1, g_strdup (name));
  }
  char *name = g_strconcat (conv->output[0], scale ? ":folded_bias"
      : ":summed_bias", NULL);
  quant_net_store (net, name, FLOAT32, 1, dims, bias->data,
      n * sizeof (gfloat));
  set_input (conv, 2, g_strdup (name));
  return TRUE;
}

static double
epsilon_of (const Onnx__NodeProto *node)
{
  for (gsize i = 0; i < node->n_attribute; i++)
    if (g_strcmp0 (node->attribute[i]->name, "epsilon") == 0)
      return (double) node->attribute[i]->f;
  return 1e-5;
}

static gboolean
fold_norm (QuantNet *net, const Onnx__NodeProto *norm)
{
  Onnx__NodeProto *conv;
  GArray *p[4] = { NULL };
  gboolean good;
  if (!quant_is (norm, "BatchNormalization") || norm->n_input != 5
      || quant_int (norm, "training_mode", 0)
      || !(conv = only_source (net, norm->input[0])))
    return FALSE;
  guint n = channels_of (net, conv);
  good = n > 0;
  for (guint i = 0; i < 4; i++) {
    p[i] = quant_floats (net, norm->input[i + 1]);
    good = good && p[i] && p[i]->len == n;
  }
  g_autofree gfloat *scale = g_new (gfloat, n + 1);
  g_autofree gfloat *shift = g_new (gfloat, n + 1);
  for (guint c = 0; good && c < n; c++) {
    double s = (double) g_array_index (p[0], gfloat, c)
        / sqrt ((double) g_array_index (p[3], gfloat, c) + epsilon_of (norm));
    scale[c] = (gfloat) s;
    shift[c] = (gfloat) ((double) g_array_index (p[1], gfloat, c)
        - s * (double) g_array_index (p[2], gfloat, c));
    good = isfinite (s);
  }
  good = good && scale_channels (net, conv, scale, shift, n);
  for (guint i = 0; i < 4; i++)
    g_clear_pointer (&p[i], g_array_unref);
  return good;
}

/* Whether a constant is one number, or one a channel of a map of rank dims. */
static gboolean
is_a_channel (const Onnx__TensorProto *t, guint n, gsize rank)
{
  gsize at = t->n_dims + 1 - MIN (t->n_dims + 1, rank);
  for (gsize i = 0; i < t->n_dims; i++)
    if (t->dims[i] != 1 && !(i == at && t->n_dims + 1 >= rank
            && t->dims[i] == n))
      return FALSE;
  return t->n_dims <= rank;
}

static gboolean
fold_sum (QuantNet *net, const Onnx__NodeProto *sum)
{
  if (!quant_is (sum, "Add") || sum->n_input != 2)
    return FALSE;
  guint at = g_hash_table_contains (net->constants, sum->input[0]) ? 0 : 1;
  const Onnx__TensorProto *t =
      g_hash_table_lookup (net->constants, sum->input[at]);
  Onnx__NodeProto *conv = only_source (net, sum->input[1 - at]);
  guint n = conv ? channels_of (net, conv) : 0;
  const Onnx__TensorProto *w = conv
      ? g_hash_table_lookup (net->constants, conv->input[1]) : NULL;
  g_autoptr (GArray) values = quant_floats (net, sum->input[at]);
  if (!t || !values || n == 0 || !is_a_channel (t, n, w->n_dims)
      || (values->len != 1 && values->len != n))
    return FALSE;
  g_autofree gfloat *shift = g_new (gfloat, n);
  for (guint c = 0; c < n; c++)
    shift[c] = g_array_index (values, gfloat, values->len == n ? c : 0);
  return scale_channels (net, conv, NULL, shift, n);
}

void
quant_net_fold (QuantNet *net)
{
  Onnx__GraphProto *graph = net->graph;
  for (gsize n = 0; n < graph->n_node; n++) {
    Onnx__NodeProto *node = graph->node[n];
    if (!fold_norm (net, node) && !fold_sum (net, node))
      continue;
    guint data = quant_is (node, "Add")
        && g_hash_table_contains (net->constants, node->input[0]) ? 1 : 0;
    Onnx__NodeProto *conv =
        g_hash_table_lookup (net->producers, node->input[data]);
    /* the convolution makes what the node made */
    char *name = conv->output[0];
    conv->output[0] = node->output[0];
    node->output[0] = name;
    memmove (&graph->node[n], &graph->node[n + 1],
        (graph->n_node - n - 1) * sizeof *graph->node);
    graph->n_node--;
    n--;
    quant_net_index (net);
    onnx__node_proto__free_unpacked (node, NULL);
  }
}
