/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which values of a net become bytes: what convolutions and matrices read and
 * write, and what joins, pools or moves such values on the way to the next of
 * them. What lies behind the last layers stays float32, and so does what is
 * computed element by element from one value of bytes. */
#include "quantise.h"

#include <string.h>

#define FLOAT32 1

typedef enum Kind {
  KIND_OTHER,
  KIND_LAYER,     /* a convolution, or a product with a constant matrix */
  KIND_JOIN,      /* its outputs have a range of their own */
  KIND_SAME,      /* hands on values that it reads */
  KIND_POINTWISE, /* each element made of elements of one value */
} Kind;

/* While a plan is made. Keys are names. */
typedef struct Search {
  const QuantNet *net;
  QuantPlan *plan;
  GHashTable *live;    /* depends on the picture */
  GHashTable *roots;   /* the value that a pointwise chain begins at */
  GHashTable *needed;  /* a layer depends on it */
  GHashTable *wanted;
  char **keep;
  gboolean apart;
  GHashTable *kept;    /* of those names, found */
} Search;

guint
quant_layer_axis (const Onnx__NodeProto *node)
{
  if (quant_is (node, "Conv"))
    return 0;
  if (quant_is (node, "Gemm"))
    return quant_int (node, "transB", 0) ? 0 : 1;
  return 1; /* ConvTranspose; a matrix of two dimensions */
}

static gboolean
is_any (const Onnx__NodeProto *node, const char *const *names)
{
  for (; *names; names++)
    if (quant_is (node, *names))
      return TRUE;
  return FALSE;
}

/* ---- layers --------------------------------------------------------------- */

static gboolean
scales_by (const Onnx__NodeProto *node, const char *name)
{
  for (gsize i = 0; i < node->n_attribute; i++)
    if (g_strcmp0 (node->attribute[i]->name, name) == 0)
      return node->attribute[i]->f != 1;
  return FALSE;
}

/* Why a convolution or matrix is no layer that works on bytes; NULL: it is. */
static const char *
why_not (const QuantNet *net, const Onnx__NodeProto *node)
{
  const Onnx__TensorProto *w = node->n_input < 2 ? NULL
      : g_hash_table_lookup (net->constants, node->input[1]);
  const Onnx__TensorProto *b = NULL;
  gboolean biased = node->n_input > 2 && *node->input[2];
  gboolean matrix = quant_is (node, "Gemm") || quant_is (node, "MatMul");
  if (!w)
    return "its weights are computed";
  g_autoptr (GArray) numbers = quant_floats (net, node->input[1]);
  if (!numbers)
    return "its weights are not float32";
  if (w->n_dims < 2 || (matrix && w->n_dims != 2))
    return "its weights are no matrix";
  if (quant_is (node, "Gemm") && (quant_int (node, "transA", 0)
          || scales_by (node, "alpha")
          || scales_by (node, "beta")))
    return "it transposes or scales what it reads";
  if (!biased)
    return NULL;
  b = g_hash_table_lookup (net->constants, node->input[2]);
  if (!b)
    return "its bias is computed";
  if (b->n_dims != 1 || b->data_type != FLOAT32)
    return "its bias is no float32 number a channel";
  return NULL;
}

static gboolean
is_kept (Search *search, const Onnx__NodeProto *node)
{
  for (guint i = 0; search->keep && search->keep[i]; i++)
    if (g_strcmp0 (node->name, search->keep[i]) == 0
        || g_strcmp0 (node->output[0], search->keep[i]) == 0) {
      g_hash_table_add (search->kept, search->keep[i]);
      return TRUE;
    }
  return FALSE;
}

static void
find_layer (Search *search, Onnx__NodeProto *node)
{
  static const char *const names[] = { "Conv", "ConvTranspose", "Gemm",
    "MatMul", NULL };
  const char *why;
  if (!is_any (node, names) || node->n_input < 2 || !node->n_output
      || !g_hash_table_contains (search->live, node->input[0]))
    return;
  why = is_kept (search, node) ? "as asked for" : why_not (search->net, node);
  if (why)
    g_ptr_array_add (search->plan->left, g_strdup_printf ("%s: %s",
            quant_layer_name (node), why));
  else
    g_hash_table_add (search->plan->layers, node);
}

/* ---- kinds ------------------------------------------------------------------ */

/* Values that a node computes with, not sizes, axes or weights. */
static guint
n_data (const Onnx__NodeProto *node)
{
  static const char *const first[] = { "Resize", "Upsample", "Reshape",
    "Slice", "Split", "Gather", "Pad", "Squeeze", "Unsqueeze", "Expand",
    "Tile", "Conv", "ConvTranspose", "Gemm", "MatMul", "ReduceMean", "Clip",
    "PRelu", "BatchNormalization", NULL };
  return is_any (node, first) ? MIN (1, (guint) node->n_input)
      : (guint) node->n_input;
}

static gboolean
is_pointwise (const Search *search, const Onnx__NodeProto *node)
{
  static const char *const names[] = { "Relu", "Clip", "LeakyRelu", "PRelu",
    "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Selu", "Celu",
    "Softplus", "Softsign", "Exp", "Log", "Abs", "Neg", "Sqrt", "Reciprocal",
    "Mish", "Gelu", "Erf", "BatchNormalization", "Add", "Sub", "Mul", "Div",
    "Min", "Max", "Pow", NULL };
  const char *root = NULL;
  if (!is_any (node, names))
    return FALSE;
  for (guint i = 0; i < n_data (node); i++) {
    if (!g_hash_table_contains (search->live, node->input[i]))
      continue;
    const char *own = g_hash_table_lookup (search->roots, node->input[i]);
    if (root && strcmp (root, own) != 0)
      return FALSE;
    root = own;
  }
  return root != NULL;
}

static gboolean
pads_zero (const QuantNet *net, const Onnx__NodeProto *pad)
{
  for (gsize i = 0; i < pad->n_attribute; i++)
    if (g_strcmp0 (pad->attribute[i]->name, "value") == 0
        && pad->attribute[i]->f != 0)
      return FALSE;
  if (pad->n_input < 3 || !*pad->input[2])
    return TRUE;
  g_autoptr (GArray) value = quant_floats (net, pad->input[2]);
  return value && value->len == 1 && g_array_index (value, gfloat, 0) == 0;
}

static Kind
kind_of (const Search *search, Onnx__NodeProto *node)
{
  static const char *const joins[] = { "Add", "Mul", "Concat", "AveragePool",
    "GlobalAveragePool", "ReduceMean", NULL };
  static const char *const same[] = { "MaxPool", "GlobalMaxPool", "Resize",
    "Upsample", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze",
    "Slice", "Split", "Gather", "DepthToSpace", "SpaceToDepth", "Identity",
    "Dropout", "Expand", "Tile", NULL };
  if (g_hash_table_contains (search->plan->layers, node))
    return KIND_LAYER;
  if (is_pointwise (search, node))
    return KIND_POINTWISE;
  if (is_any (node, joins))
    return KIND_JOIN;
  if (quant_is (node, "Pad"))
    return pads_zero (search->net, node) ? KIND_SAME : KIND_JOIN;
  return is_any (node, same) ? KIND_SAME : KIND_OTHER;
}

/* ---- what depends on what ----------------------------------------------------- */

static gboolean
asks_for_shape (const Onnx__NodeProto *node)
{
  return quant_is (node, "Shape") || quant_is (node, "Size");
}

/* Values that depend on the picture, and where their pointwise chains begin. */
static void
find_live (Search *search)
{
  const Onnx__GraphProto *graph = search->net->graph;
  for (gsize i = 0; i < graph->n_input; i++) {
    g_hash_table_add (search->live, graph->input[i]->name);
    g_hash_table_insert (search->roots, graph->input[i]->name,
        graph->input[i]->name);
  }
  for (gsize n = 0; n < graph->n_node; n++) {
    const Onnx__NodeProto *node = graph->node[n];
    gboolean lives = FALSE;
    const char *root = NULL;
    for (gsize i = 0; i < node->n_input && !asks_for_shape (node); i++)
      if (g_hash_table_contains (search->live, node->input[i])) {
        lives = TRUE;
        root = root ? root
            : g_hash_table_lookup (search->roots, node->input[i]);
      }
    if (!lives)
      continue;
    gboolean pointwise = is_pointwise (search, node);
    for (gsize i = 0; i < node->n_output; i++) {
      g_hash_table_add (search->live, node->output[i]);
      g_hash_table_insert (search->roots, node->output[i],
          (gpointer) (pointwise ? root : node->output[i]));
    }
  }
}

/* Values that layers depend on. */
static void
find_needed (Search *search)
{
  const Onnx__GraphProto *graph = search->net->graph;
  for (gsize n = graph->n_node; n-- > 0;) {
    Onnx__NodeProto *node = graph->node[n];
    gboolean needed = g_hash_table_contains (search->plan->layers, node);
    for (gsize i = 0; i < node->n_output && !needed; i++)
      needed = g_hash_table_contains (search->needed, node->output[i]);
    for (gsize i = 0; needed && i < node->n_input && !asks_for_shape (node);
        i++)
      g_hash_table_add (search->needed, node->input[i]);
  }
}

/* ---- what becomes bytes ---------------------------------------------------------- */

/* The value behind a Relu or Clip that is a value's only reader: runtimes take
 * it for the quantiser's own bound. */
static const char *
behind_clamp (const Search *search, const char *value)
{
  for (;;) {
    const GPtrArray *readers = g_hash_table_lookup (search->net->readers,
        value);
    const Onnx__NodeProto *reader = readers && readers->len == 1
        ? g_ptr_array_index (readers, 0) : NULL;
    if (!reader || (!quant_is (reader, "Relu") && !quant_is (reader, "Clip")))
      return value;
    value = reader->output[0];
  }
}

/* Whether functions of one value read it, and nothing else: what they end in
 * becomes bytes, with one rounding instead of two. */
static gboolean
only_for_functions (const Search *search, const char *value)
{
  const GPtrArray *readers = g_hash_table_lookup (search->net->readers, value);
  const char *root = g_hash_table_lookup (search->roots, value);
  for (guint i = 0; readers && i < readers->len; i++) {
    const Onnx__NodeProto *reader = g_ptr_array_index (readers, i);
    const char *own = reader && reader->n_output
        ? g_hash_table_lookup (search->roots, reader->output[0]) : NULL;
    if (!own || g_strcmp0 (root, own) != 0)
      return FALSE;
  }
  return readers != NULL;
}

static void
want (Search *search, const char *value)
{
  if (*value && g_hash_table_contains (search->live, value)
      && g_hash_table_contains (search->needed, value))
    g_hash_table_add (search->wanted, (gpointer) value);
}

static void
want_of (Search *search, Onnx__NodeProto *node)
{
  Kind kind = kind_of (search, node);
  if (kind != KIND_LAYER && kind != KIND_JOIN && kind != KIND_SAME)
    return;
  for (gsize i = 0; i < n_data (node); i++)
    want (search, node->input[i]);
  for (gsize i = 0; i < node->n_output; i++) {
    const char *value = behind_clamp (search, node->output[i]);
    if (search->apart || !only_for_functions (search, value))
      want (search, value);
  }
}

static void
list_value (Search *search, const char *value)
{
  if (g_hash_table_contains (search->wanted, value))
    g_ptr_array_add (search->plan->values, g_strdup (value));
}

/* The value whose scale a value has. */
static const char *
scale_of (const Search *search, const char *value)
{
  const char *from;
  while ((from = g_hash_table_lookup (search->plan->same, value)))
    value = from;
  return value;
}

/* Whether a node only hands on values of one scale, all of which become
 * bytes. */
static gboolean
hands_on (const Search *search, Onnx__NodeProto *node)
{
  gboolean concat = quant_is (node, "Concat");
  if (node->n_input == 0 || (!concat && kind_of (search, node) != KIND_SAME))
    return FALSE;
  for (gsize i = 0; i < (concat ? node->n_input : 1); i++)
    if (!g_hash_table_contains (search->wanted, node->input[i])
        || strcmp (scale_of (search, node->input[i]),
            scale_of (search, node->input[0])) != 0)
      return FALSE;
  return TRUE;
}

/* The values in the graph's order, and whose scale follows whose. */
static void
list_values (Search *search)
{
  const Onnx__GraphProto *graph = search->net->graph;
  for (gsize i = 0; i < graph->n_input; i++)
    list_value (search, graph->input[i]->name);
  for (gsize n = 0; n < graph->n_node; n++) {
    Onnx__NodeProto *node = graph->node[n];
    for (gsize i = 0; i < node->n_output; i++) {
      list_value (search, node->output[i]);
      if (g_hash_table_contains (search->wanted, node->output[i])
          && kind_of (search, node) == KIND_POINTWISE
          && !quant_is (node, "Relu") && !quant_is (node, "Clip"))
        g_hash_table_add (search->plan->functions,
            g_strdup (node->output[i]));
      if (g_hash_table_contains (search->wanted, node->output[i])
          && hands_on (search, node))
        g_hash_table_insert (search->plan->same, g_strdup (node->output[i]),
            g_strdup (node->input[0]));
    }
  }
}

static void
free_table (gpointer table)
{
  if (table)
    g_hash_table_unref (table);
}

static gboolean
check_found (const Search *search, GError **error)
{
  const QuantPlan *plan = search->plan;
  for (guint i = 0; search->keep && search->keep[i]; i++)
    if (!g_hash_table_contains (search->kept, search->keep[i])) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, "--keep %s: no "
          "convolution or matrix has this name, nor an output of it",
          search->keep[i]);
      return FALSE;
    }
  if (g_hash_table_size (plan->layers) > 0 && plan->values->len > 0)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
      "nothing to quantise: no Conv, ConvTranspose, Gemm or MatMul with "
      "constant float32 weights works on the picture%s%s",
      plan->left->len ? "; " : "",
      plan->left->len ? (const char *) g_ptr_array_index (plan->left, 0) : "");
  return FALSE;
}

QuantPlan *
quant_plan_new (const QuantNet *net, char **keep, gboolean apart,
    GError **error)
{
  g_autoptr (QuantPlan) plan = g_new0 (QuantPlan, 1);
  Search search = { .net = net, .plan = plan, .keep = keep,
    .apart = apart };
  GHashTable **tables[] = { &search.live, &search.roots, &search.needed,
    &search.wanted, &search.kept };
  plan->layers = g_hash_table_new (NULL, NULL);
  plan->left = g_ptr_array_new_with_free_func (g_free);
  plan->values = g_ptr_array_new_with_free_func (g_free);
  plan->functions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      NULL);
  plan->same = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    *tables[i] = g_hash_table_new (g_str_hash, g_str_equal);
  find_live (&search);
  for (gsize n = 0; n < net->graph->n_node; n++)
    find_layer (&search, net->graph->node[n]);
  find_needed (&search);
  for (gsize n = 0; n < net->graph->n_node; n++)
    want_of (&search, net->graph->node[n]);
  list_values (&search);
  gboolean good = check_found (&search, error);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    free_table (*tables[i]);
  return good ? g_steal_pointer (&plan) : NULL;
}

void
quant_plan_free (QuantPlan *plan)
{
  free_table (plan->layers);
  free_table (plan->same);
  free_table (plan->functions);
  if (plan->left)
    g_ptr_array_unref (plan->left);
  if (plan->values)
    g_ptr_array_unref (plan->values);
  g_free (plan);
}
