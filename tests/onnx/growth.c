/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * growth.c - large and hostile models: the time to load, plan and open a
 * session grows about linearly with the number of nodes, whatever they are;
 * and planning touches no memory out of proportion to the model.
 *
 *   growth [KIND]    prints seconds at 1000, 4000 and 16000 nodes
 */
#include "deltacnn/session.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dcnn_onnx.h"
#include "proto_kit.h"

#define FLOAT 1
#define INT64 7

/* Four times as many nodes may take this many times as long: linear is 4,
 * quadratic 16. Times below the floor are not judged. */
#define MOST_GROWTH 9
#define FLOOR_SECONDS 0.1

typedef struct Maker {
  Pk *graph;
  char last[32];           /* name of the chain's last value */
  guint n;                 /* nodes so far */
} Maker;

/* The next node of the chain: reads the last value and what `more` names. */
static void
chain_node (Maker *m, Pk *(*change) (Pk *node), const char *op,
    const char *more)
{
  g_autofree char *inputs = more ? g_strdup_printf ("%s %s", m->last, more) :
      g_strdup (m->last);
  Pk *node;

  g_snprintf (m->last, sizeof m->last, "v%u", m->n);
  node = pk_node (m->last, op, inputs, m->last);
  pk_message (m->graph, 1, change ? change (node) : node);
  m->n++;
}

static void
add_floats (Pk *graph, const char *name, int rank, const gint64 *dims)
{
  float data[256];
  gsize n = 1;

  for (int i = 0; i < rank; i++)
    n *= (gsize) dims[i];
  for (gsize i = 0; i < n; i++)
    data[i] = 0.25f + 0.01f * (float) i;
  pk_message (graph, 5, pk_tensor (name, FLOAT, rank, dims, data,
          n * sizeof (float)));
}

static void
add_ints (Pk *graph, const char *name, int n, const gint64 *values)
{
  gint64 dims[1] = { n };

  pk_message (graph, 5, pk_tensor (name, INT64, 1, dims, values,
          (gsize) n * sizeof *values));
}

static const gint64 image[4] = { 1, 4, 8, 8 };
static const gint64 weight_dims[4] = { 4, 4, 1, 1 };

static void
begin (Maker *m, const gint64 *dims)
{
  m->graph = pk_new ();
  m->n = 0;
  g_strlcpy (m->last, "x", sizeof m->last);
  pk_message (m->graph, 11, pk_value ("x", FLOAT, 4, dims));
  add_floats (m->graph, "w", 4, weight_dims);
}

static Pk *
end (Maker *m)
{
  pk_message (m->graph, 12, pk_value (m->last, FLOAT, 0, NULL));
  return pk_model (m->graph, 13);
}

/* ---- kinds of large models ------------------------------------------------------ */

/* Convolutions, each followed by what folds into it and what does not. */
static Pk *
make_convs (guint n)
{
  static const gint64 channels[4] = { 1, 4, 1, 1 };
  Maker m;

  begin (&m, image);
  add_floats (m.graph, "c", 4, channels);
  while (m.n < n) {
    chain_node (&m, NULL, "Conv", "w");
    chain_node (&m, NULL, "Mul", "c");
    chain_node (&m, NULL, "Add", "c");
    chain_node (&m, NULL, "Relu", NULL);
    chain_node (&m, NULL, "Identity", NULL);
  }
  return end (&m);
}

/* One convolution and all else to be folded into it. */
static Pk *
make_affine (guint n)
{
  static const gint64 channels[4] = { 1, 4, 1, 1 };
  Maker m;

  begin (&m, image);
  add_floats (m.graph, "c", 4, channels);
  chain_node (&m, NULL, "Conv", "w");
  while (m.n < n)
    chain_node (&m, NULL, m.n % 2 ? "Mul" : "Sub", "c");
  return end (&m);
}

static Pk *
make_identities (guint n)
{
  Maker m;

  begin (&m, image);
  while (m.n < n)
    chain_node (&m, NULL, "Identity", NULL);
  chain_node (&m, NULL, "Conv", "w");
  return end (&m);
}

static Pk *
swap_sides (Pk *node)
{
  static const gint64 perm[4] = { 0, 1, 3, 2 };

  pk_attr_ints (node, "perm", 4, perm);
  return node;
}

static Pk *
make_transposes (guint n)
{
  Maker m;

  begin (&m, image);
  while (m.n < n)
    chain_node (&m, swap_sides, "Transpose", NULL);
  return end (&m);
}

/* Movement that no scatter of whole maps is, so that all of it is a tail. */
static Pk *
make_cuts (guint n)
{
  static const gint64 from[1] = { 0 }, to[1] = { 3 }, axis[1] = { 1 };
  Maker m;

  begin (&m, image);
  add_ints (m.graph, "from", 1, from);
  add_ints (m.graph, "to", 1, to);
  add_ints (m.graph, "axis", 1, axis);
  chain_node (&m, NULL, "Relu", NULL);
  chain_node (&m, NULL, "Slice", "from to axis");
  while (m.n < n)
    chain_node (&m, swap_sides, "Transpose", NULL);
  return end (&m);
}

/* Pads, some merged into convolutions, with another fill each time. */
static Pk *
make_pads (guint n)
{
  static const gint64 pads[8] = { 0, 0, 1, 1, 0, 0, -1, -1 };
  static const gint64 zero[8] = { 0 };
  static const gint64 none[1] = { 1 };
  Maker m;

  begin (&m, image);
  add_ints (m.graph, "pads", 8, pads);
  add_ints (m.graph, "zero", 8, zero);
  add_floats (m.graph, "fill", 0, none);
  while (m.n < n) {
    chain_node (&m, NULL, "Pad", "pads fill");
    chain_node (&m, NULL, "Pad", "pads");
    chain_node (&m, NULL, "Pad", "zero");
    chain_node (&m, NULL, "Conv", "w");
  }
  return end (&m);
}

/* Everything reads the input, and everything is an output. */
static Pk *
make_fan (guint n)
{
  Maker m;

  begin (&m, image);
  while (m.n < n) {
    chain_node (&m, NULL, m.n % 2 ? "Relu" : "Tanh", NULL);
    pk_message (m.graph, 12, pk_value (m.last, FLOAT, 0, NULL));
    g_strlcpy (m.last, "x", sizeof m.last);
  }
  chain_node (&m, NULL, "Conv", "w");
  return end (&m);
}

/* Residual sums: every value has two readers. */
static Pk *
make_sums (guint n)
{
  char before[32] = "x";
  Maker m;

  begin (&m, image);
  while (m.n < n) {
    chain_node (&m, NULL, "Conv", "w");
    chain_node (&m, NULL, "Add", before);
    chain_node (&m, NULL, "Sigmoid", NULL);
    g_strlcpy (before, m.last, sizeof before);
  }
  return end (&m);
}

static Pk *
first_axis (Pk *node)
{
  pk_attr_int (node, "axis", 1);
  return node;
}

/* Tensors that never were maps. */
static Pk *
make_tails (guint n)
{
  static const gint64 flat[2] = { 16, 16 };
  Maker m;

  begin (&m, image);
  add_ints (m.graph, "flat", 2, flat);
  chain_node (&m, NULL, "Reshape", "flat");
  while (m.n < n) {
    chain_node (&m, NULL, "Erf", NULL);
    chain_node (&m, first_axis, "Softmax", NULL);
  }
  return end (&m);
}

/* Maps joined in place and read by convolutions. */
static Pk *
make_concats (guint n)
{
  static const gint64 wide[4] = { 4, 8, 1, 1 };
  char before[32];
  Maker m;

  begin (&m, image);
  add_floats (m.graph, "wide", 4, wide);
  while (m.n < n) {
    chain_node (&m, NULL, "Conv", "w");
    g_strlcpy (before, m.last, sizeof before);
    chain_node (&m, NULL, "Conv", "w");
    chain_node (&m, first_axis, "Concat", before);
    chain_node (&m, NULL, "Conv", "wide");
  }
  return end (&m);
}

static const struct {
  const char *name;
  Pk *(*make) (guint n);
} kinds[] = {
  { "convs", make_convs }, { "affine", make_affine },
  { "identities", make_identities }, { "transposes", make_transposes },
  { "cuts", make_cuts }, { "pads", make_pads }, { "fan", make_fan },
  { "sums", make_sums }, { "tails", make_tails },
  { "concats", make_concats },
};

/* ---- time ------------------------------------------------------------------------ */

/* Thresholds and influence for every node, as a tuned descriptor has them. */
static void
name_all (DcnnModel *model, GHashTable *thresholds, GHashTable *influence)
{
  static gdouble threshold = 0.1;
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint n = 0; n < summary.n_nodes; n++) {
    DcnnNodeInfo info;
    GArray *values;
    dcnn_model_get_node (model, n, &info);
    g_hash_table_insert (thresholds, (gpointer) info.name, &threshold);
    if (info.channels == 0 || strcmp (info.kernel, "conv") != 0)
      continue;
    values = g_array_new (FALSE, TRUE, sizeof (gfloat));
    g_array_set_size (values, info.channels);
    g_hash_table_insert (influence, (gpointer) info.name, values);
  }
}

static double
seconds (clock_t since)
{
  return (double) (clock () - since) / CLOCKS_PER_SEC;
}

/* CPU seconds to load, plan and open a session; took: of each. */
static double
open_model (const Pk *bytes, double took[3])
{
  g_autoptr (GHashTable) thresholds = g_hash_table_new (g_str_hash,
      g_str_equal);
  g_autoptr (GHashTable) influence = g_hash_table_new_full (g_str_hash,
      g_str_equal, NULL, (GDestroyNotify) g_array_unref);
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  DcnnGraph *graph;
  clock_t start = clock ();

  graph = dcnn_onnx_load_bytes (bytes->data, bytes->len, NULL, NULL, &error);
  g_assert_no_error (error);
  took[0] = seconds (start);
  start = clock ();
  model = dcnn_model_new (graph, &error);
  g_assert_no_error (error);
  took[1] = seconds (start);
  dcnn_session_options_init (&options);
  name_all (model, thresholds, influence);
  options.threads = 1;
  options.thresholds = thresholds;
  options.influence = influence;
  start = clock ();
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  took[2] = seconds (start);
  return took[0] + took[1] + took[2];
}

static gboolean
check_kind (guint kind)
{
  static const guint sizes[] = { 1000, 4000, 16000 };
  double total[G_N_ELEMENTS (sizes)];
  gboolean ok = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    Pk *bytes = kinds[kind].make (sizes[i]);
    double took[3];
    total[i] = open_model (bytes, took);
    g_byte_array_unref (bytes);
    printf ("# %s, %u nodes: load %.3f s, plan %.3f s, session %.3f s\n",
        kinds[kind].name, sizes[i], took[0], took[1], took[2]);
    fflush (stdout);
    if (i > 0 && total[i] > FLOOR_SECONDS &&
        total[i] > MOST_GROWTH * MAX (total[i - 1], FLOOR_SECONDS / 8)) {
      printf ("# %s grow too fast: %.3f s to %.3f s\n", kinds[kind].name,
          total[i - 1], total[i]);
      ok = FALSE;
      break;
    }
  }
  return ok;
}

/* Processor time, too, is longer beside others (caches, pages). What is
 * quadratic is so three times in a row. */
static void
test_time (gconstpointer kind)
{
  gboolean linear = FALSE;

  for (guint attempt = 0; attempt < 3 && !linear; attempt++)
    linear = check_kind (GPOINTER_TO_UINT (kind));
  g_assert_true (linear);
}

/* ---- memory ---------------------------------------------------------------------- */

/* 60 Transposes of a large picture, whose map alone would take 2 GiB. */
static Pk *
make_huge (void)
{
  static const gint64 dims[4] = { 1, 1, 8191, 8191 };
  Maker m;

  begin (&m, dims);
  while (m.n < 60)
    chain_node (&m, swap_sides, "Transpose", NULL);
  return end (&m);
}

static Pk *
cubic (Pk *node)
{
  pk_attr_text (node, "mode", "cubic");
  return node;
}

/* Tables as large as a map's side, one a node. */
static Pk *
make_tables (void)
{
  static const gint64 dims[4] = { 1, 1, 1, 32000 };
  static const gint64 less[4] = { 1, 1, 1, 31999 };
  Maker m;

  begin (&m, dims);
  add_ints (m.graph, "more", 4, dims);
  add_ints (m.graph, "less", 4, less);
  while (m.n < 4000)
    chain_node (&m, cubic, "Resize", m.n % 2 ? "- - more" : "- - less");
  return end (&m);
}

/* One large weight that many nodes read, all of whose taps meet the map: each packs
 * it, and each writes it anew when it is all zeros, as a dilated one. */
static Pk *
make_shared (guint n_nodes, float value)
{
  static const gint64 dims[4] = { 1, 256, 5, 5 };
  static const gint64 weights[4] = { 256, 256, 5, 5 };
  static const gint64 pads[4] = { 2, 2, 2, 2 };
  gsize n = 256 * 256 * 25;
  g_autofree float *values = g_new0 (float, n);
  Maker m;

  for (gsize i = 0; i < n; i++)
    values[i] = value;
  begin (&m, dims);
  pk_message (m.graph, 5, pk_tensor ("large", FLOAT, 4, weights, values,
          n * sizeof (float)));
  while (m.n < n_nodes) {
    g_autofree char *inputs = g_strconcat (m.last, " large", NULL);
    Pk *node;
    g_snprintf (m.last, sizeof m.last, "v%u", m.n++);
    node = pk_node (m.last, "Conv", inputs, m.last);
    pk_attr_ints (node, "pads", 4, pads);
    pk_message (m.graph, 1, node);
  }
  return end (&m);
}

/* MiB touched at most while a model is loaded and planned, in a process of its
 * own. says: the refusal that is expected, or NULL. */
static long
touched (Pk *bytes, const char *says)
{
  struct rusage usage;
  int status = 0;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    g_autoptr (GError) error = NULL;
    DcnnGraph *graph = dcnn_onnx_load_bytes (bytes->data, bytes->len, NULL,
        NULL, &error);
    DcnnModel *model = graph ? dcnn_model_new (graph, &error) : NULL;
    printf ("# %s\n", error ? error->message : "planned");
    fflush (stdout);
    _exit (says ? model != NULL || !strstr (error->message, says) :
        model == NULL);
  }
  g_assert_cmpint (wait4 (child, &status, 0, &usage), ==, child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_byte_array_unref (bytes);
  return usage.ru_maxrss / 1024;
}

static void
test_memory (void)
{
  long huge = touched (make_huge (), NULL);
  long tables = touched (make_tables (), "weights and tables");
  long shared = touched (make_shared (150, 1), "weights and tables");
  long dilated = touched (make_shared (700, 0), "shared ones");

  g_test_message ("60 transposes: %ld MiB; tables: %ld MiB; one shared weight:"
      " %ld MiB, dilated: %ld MiB", huge, tables, shared, dilated);
  g_assert_cmpint (huge, <, 256);
  g_assert_cmpint (tables, <, 1024);
  g_assert_cmpint (shared, <, 256);
  g_assert_cmpint (dilated, <, 1024);
}

int
main (int argc, char **argv)
{
  if (argc > 1 && argv[1][0] != '-') {
    for (guint k = 0; k < G_N_ELEMENTS (kinds); k++)
      if (strcmp (argv[1], kinds[k].name) == 0 || strcmp (argv[1], "all") == 0)
        check_kind (k);
    return 0;
  }
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onnx/growth/memory", test_memory);
  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++) {
    g_autofree char *path = g_strdup_printf ("/onnx/growth/%s",
        kinds[k].name);
    g_test_add_data_func (path, GUINT_TO_POINTER (k), test_time);
  }
  return g_test_run ();
}
