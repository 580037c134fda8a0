/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Channels of one value that differ much in size, brought nearer to each other:
 * the value is multiplied by a number a channel behind the function that makes
 * it, where it is float32 still, and the weights of the convolutions that read
 * it are divided by the same. In float32 the net is what it was; in bytes small
 * channels keep their digits. Between the two kinds of rounding the numbers are
 * chosen as by Xiao et al., SmoothQuant, 2023, section 4. */
#include "quantise.h"

#include <math.h>

#define FLOAT32 1
#define LEAST_RATIO 4.0  /* of the largest channel to the middle one */
#define MOST_FACTOR 64.0

/* Input channels of a convolution's weights that element i takes: its first is
 * the group's. */
static guint
channel_of (const Onnx__NodeProto *conv, const Onnx__TensorProto *w, gsize i)
{
  gsize taps = 1, groups = (gsize) quant_int (conv, "group", 1);
  for (gsize d = 2; d < w->n_dims; d++)
    taps *= (gsize) w->dims[d];
  gsize out = i / (taps * (gsize) w->dims[1]);
  return (guint) (out / ((gsize) w->dims[0] / groups) * (gsize) w->dims[1]
      + i / taps % (gsize) w->dims[1]);
}

static const Onnx__TensorProto *
weights_of (const QuantNet *net, const Onnx__NodeProto *conv)
{
  return g_hash_table_lookup (net->constants, conv->input[1]);
}

/* Whether all that read a value are convolutions of bytes, of n channels of
 * it. */
static gboolean
only_for_convolutions (const QuantNet *net, const QuantPlan *plan,
    const char *value, guint n)
{
  const GPtrArray *readers = g_hash_table_lookup (net->readers, value);
  for (guint i = 0; readers && i < readers->len; i++) {
    const Onnx__NodeProto *node = g_ptr_array_index (readers, i);
    if (!node || !quant_is (node, "Conv")
        || !g_hash_table_contains (plan->layers, node)
        || g_strcmp0 (node->input[0], value) != 0)
      return FALSE;
    const Onnx__TensorProto *w = weights_of (net, node);
    if (!w || w->dims[1] * quant_int (node, "group", 1) != n)
      return FALSE;
  }
  return readers && readers->len > 0;
}

/* The largest weight of each of n channels, of all readers; TRUE: each output
 * channel of these, which has a scale of its own, reads one channel alone. */
static gboolean
largest_weights (const QuantNet *net, const char *value, gdouble *largest,
    guint n)
{
  const GPtrArray *readers = g_hash_table_lookup (net->readers, value);
  gboolean alone = TRUE;
  for (guint c = 0; c < n; c++)
    largest[c] = 0;
  for (guint r = 0; r < readers->len; r++) {
    const Onnx__NodeProto *conv = g_ptr_array_index (readers, r);
    const Onnx__TensorProto *w = weights_of (net, conv);
    g_autoptr (GArray) numbers = quant_floats (net, conv->input[1]);
    for (guint i = 0; i < numbers->len; i++) {
      gdouble *most = &largest[channel_of (conv, w, i)];
      *most = MAX (*most, fabs ((double) g_array_index (numbers, gfloat, i)));
    }
    alone = alone && w->dims[1] == 1;
  }
  return alone;
}

static gint
by_size (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* A number a channel by which to multiply the value, new; NULL: its channels
 * are alike. */
static GArray *
factors_of (const QuantNet *net, const char *value, const GArray *most)
{
  const guint n = most->len;
  g_autofree gdouble *sorted = g_memdup2 (most->data, n * sizeof (gdouble));
  g_autofree gdouble *weight = g_new (gdouble, n);
  qsort (sorted, n, sizeof *sorted, by_size);
  const double top = sorted[n - 1];
  if (!(top > LEAST_RATIO * sorted[n / 2]) || !isfinite (top))
    return NULL;
  const gboolean alone = largest_weights (net, value, weight, n);
  double heaviest = 0;
  for (guint c = 0; c < n; c++)
    heaviest = MAX (heaviest, weight[c]);
  GArray *factors = g_array_sized_new (FALSE, FALSE, sizeof (gfloat), n);
  for (guint c = 0; c < n; c++) {
    double size = MAX (g_array_index (most, gdouble, c), top / MOST_FACTOR);
    double heavy = MAX (weight[c], heaviest / MOST_FACTOR);
    gfloat factor = (gfloat) (alone ? top / size
        : sqrt (top / size * (heavy / MAX (heaviest, 1e-30))));
    if (!(factor > 0))
      factor = 1;
    g_array_append_val (factors, factor);
  }
  return factors;
}

static void
free_factors (gpointer factors)
{
  g_array_unref (factors);
}

GHashTable *
quant_level_find (const QuantNet *net, const QuantPlan *plan,
    GHashTable *means)
{
  GHashTable *found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      free_factors);
  for (guint i = 0; i < plan->values->len; i++) {
    const char *value = g_ptr_array_index (plan->values, i);
    const QuantMeans *of = g_hash_table_lookup (means, value);
    if (!of || !of->n || of->most->len < 2
        || !g_hash_table_contains (plan->functions, value)
        || !only_for_convolutions (net, plan, value, of->most->len))
      continue;
    GArray *factors = factors_of (net, value, of->most);
    if (factors)
      g_hash_table_insert (found, g_strdup (value), factors);
  }
  return found;
}

/* ---- the graph -------------------------------------------------------------- */

/* A convolution reads the multiplied value. */
static void
divide_weights (QuantNet *net, Onnx__NodeProto *conv, const char *value,
    const GArray *factors)
{
  const Onnx__TensorProto *w = weights_of (net, conv);
  g_autoptr (GArray) numbers = quant_floats (net, conv->input[1]);
  char *name = g_strconcat (conv->output[0], ":levelled_weights", NULL);
  for (guint i = 0; i < numbers->len; i++)
    g_array_index (numbers, gfloat, i) /=
        g_array_index (factors, gfloat, channel_of (conv, w, i));
  quant_net_store (net, name, FLOAT32, (guint) w->n_dims, w->dims,
      numbers->data, numbers->len * sizeof (gfloat));
  g_free (conv->input[1]);
  conv->input[1] = g_strdup (name);
  g_free (conv->input[0]);
  conv->input[0] = g_strconcat (value, ":levelled", NULL);
}

static Onnx__NodeProto *
new_product (QuantNet *net, const char *value, const GArray *factors)
{
  Onnx__NodeProto *node = g_new (Onnx__NodeProto, 1);
  char *name = g_strconcat (value, ":levels", NULL);
  quant_net_store (net, name, FLOAT32, 4,
      (gint64[]) { 1, factors->len, 1, 1 }, factors->data,
      factors->len * sizeof (gfloat));
  onnx__node_proto__init (node);
  node->op_type = g_strdup ("Mul");
  node->name = g_strconcat (value, ":levelled", NULL);
  node->n_input = 2;
  node->input = g_new (char *, 2);
  node->input[0] = g_strdup (value);
  node->input[1] = g_strdup (name);
  node->n_output = 1;
  node->output = g_new (char *, 1);
  node->output[0] = g_strdup (node->name);
  return node;
}

void
quant_net_level (QuantNet *net, GHashTable *found)
{
  Onnx__GraphProto *graph = net->graph;
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();
  for (gsize n = 0; n < graph->n_node; n++) {
    g_ptr_array_add (nodes, graph->node[n]);
    for (gsize o = 0; o < graph->node[n]->n_output; o++) {
      const char *value = graph->node[n]->output[o];
      const GArray *factors = g_hash_table_lookup (found, value);
      if (!factors)
        continue;
      const GPtrArray *readers = g_hash_table_lookup (net->readers, value);
      for (guint i = 0; i < readers->len; i++)
        divide_weights (net, g_ptr_array_index (readers, i), value, factors);
      g_ptr_array_add (nodes, new_product (net, value, factors));
    }
  }
  graph->n_node = nodes->len;
  g_free (graph->node);
  graph->node = g_memdup2 (nodes->pdata, nodes->len * sizeof (gpointer));
  quant_net_index (net);
}
