/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * chains.c - long chains of data movement, on small maps against the reference
 * operators, and on large ones for what they take: time and memory grow with
 * the chain as with any net, whatever its links are.
 */
#include "deltacnn/session.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dcnn_onnx.h"
#include "proto_kit.h"

#define FLOAT 1
#define INT64 7

/* Links keep the shape. */
typedef struct Chain {
  Pk *graph;
  gint64 c, h, w;
  char last[32];           /* name of its last value */
  guint n;                 /* values so far */
  guint n_lists;
  GRand *random;
} Chain;

static void
change_node (Chain *chain, Pk *node)
{
  pk_message (chain->graph, 1, node);
}

/* The next node; reads the last value and what `more` names. The caller hands
 * it to change_node(). */
static Pk *
next_node (Chain *chain, const char *op, const char *more)
{
  g_autofree char *inputs = more ? g_strdup_printf ("%s %s", chain->last,
      more) : g_strdup (chain->last);

  g_snprintf (chain->last, sizeof chain->last, "v%u", chain->n++);
  return pk_node (chain->last, op, inputs, chain->last);
}

/* A constant of its own. Returns its name. */
static char *
add_list (Chain *chain, int rank, const gint64 *dims, const gint64 *values)
{
  char *name = g_strdup_printf ("list%u", chain->n_lists++);
  gsize n = 1;

  for (int i = 0; i < rank; i++)
    n *= (gsize) dims[i];
  pk_message (chain->graph, 5, pk_tensor (name, INT64, rank, dims, values,
          n * sizeof *values));
  return name;
}

static char *
add_row (Chain *chain, gint64 n, const gint64 *values)
{
  return add_list (chain, 1, &n, values);
}

/* ---- links ------------------------------------------------------------------------ */

static gint64
side (const Chain *chain, int axis)
{
  return axis == 1 ? chain->c : axis == 2 ? chain->h : chain->w;
}

/* Elements of an axis in some order: reversed or by chance; rank 2: the list has
 * two dimensions, which the next node takes out again. */
static void
gather (Chain *chain, int axis, gboolean by_chance, int rank)
{
  gint64 n = side (chain, axis), dims[2] = { n / 2, 2 };
  gint64 shape[4] = { 1, chain->c, chain->h, chain->w };
  g_autofree gint64 *order = g_new (gint64, n);
  g_autofree char *list = NULL, *back = NULL;
  Pk *node;

  for (gint64 i = 0; i < n; i++)
    order[i] = n - 1 - i;
  for (gint64 i = n - 1; by_chance && i > 0; i--) {
    gint64 k = g_rand_int_range (chain->random, 0, (gint32) i + 1);
    gint64 swap = order[i];
    order[i] = order[k];
    order[k] = swap;
  }
  order[0] -= order[0] == n - 1 ? n : 0; /* from the end, too */
  list = rank == 1 ? add_row (chain, n, order) :
      add_list (chain, 2, dims, order);
  node = next_node (chain, "Gather", list);
  pk_attr_int (node, "axis", axis);
  change_node (chain, node);
  if (rank == 1)
    return;
  back = add_row (chain, 4, shape);
  change_node (chain, next_node (chain, "Reshape", back));
}

static void
link_reverse (Chain *chain, guint i)
{
  gather (chain, 2 + (int) (i % 2), FALSE, 1);
}

static void
link_channels (Chain *chain, guint i)
{
  gather (chain, 1, i % 3 == 0, 1);
}

static void
link_scramble (Chain *chain, guint i)
{
  gather (chain, 2 + (int) (i % 2), TRUE, 1);
}

static void
link_table (Chain *chain, guint i)
{
  gather (chain, 3, i % 2, 2);
}

/* Two halves, the second before the first. */
static void
halves (Chain *chain, int axis)
{
  g_autofree char *parts = g_strdup_printf ("p%u q%u", chain->n, chain->n);
  g_autofree char *turned = g_strdup_printf ("q%u p%u", chain->n, chain->n);
  Pk *node = pk_node (parts, "Split", chain->last, parts);

  pk_attr_int (node, "axis", axis);
  change_node (chain, node);
  g_snprintf (chain->last, sizeof chain->last, "v%u", chain->n++);
  node = pk_node (chain->last, "Concat", turned, chain->last);
  pk_attr_int (node, "axis", axis);
  change_node (chain, node);
}

static void
link_shuffle (Chain *chain, guint i)
{
  halves (chain, 1);
}

static void
link_halves (Chain *chain, guint i)
{
  halves (chain, 2 + (int) (i % 2));
}

static void
link_blocks (Chain *chain, guint i)
{
  Pk *node = next_node (chain, "SpaceToDepth", NULL);

  pk_attr_int (node, "blocksize", 2);
  change_node (chain, node);
  node = next_node (chain, "DepthToSpace", NULL);
  pk_attr_int (node, "blocksize", 2);
  if (i % 2)
    pk_attr_text (node, "mode", "CRD");
  change_node (chain, node);
}

static void
transpose (Chain *chain, gint64 a, gint64 b, gint64 c)
{
  const gint64 perm[4] = { 0, a, b, c };
  Pk *node = next_node (chain, "Transpose", NULL);

  pk_attr_ints (node, "perm", 4, perm);
  change_node (chain, node);
}

static void
slice (Chain *chain, gint64 axis, gint64 first, gint64 last, gint64 step)
{
  g_autofree char *a = add_row (chain, 1, &first), *b =
      add_row (chain, 1, &last);
  g_autofree char *c = add_row (chain, 1, &axis), *d =
      add_row (chain, 1, &step);
  g_autofree char *lists = g_strjoin (" ", a, b, c, d, NULL);

  change_node (chain, next_node (chain, "Slice", lists));
}

/* To channels last, a slice there, and back. */
static void
link_turn (Chain *chain, guint i)
{
  transpose (chain, 2, 3, 1);
  slice (chain, i % 2 ? 3 : 1, -1, G_MININT64, -1);
  transpose (chain, 3, 1, 2);
}

static void
link_slice (Chain *chain, guint i)
{
  slice (chain, 1 + i % 3, -1, G_MININT64, -1);
}

static void
link_reshape (Chain *chain, guint i)
{
  gint64 flat[3] = { 1, chain->c * chain->h / 2, 2 * chain->w };
  gint64 shape[4] = { 1, chain->c, chain->h, chain->w };
  g_autofree char *a = add_row (chain, 3, flat), *b =
      add_row (chain, 4, shape);
  static const gint64 perm[3] = { 0, 2, 1 };
  Pk *node;

  change_node (chain, next_node (chain, "Reshape", a));
  if (i % 2) {
    node = next_node (chain, "Transpose", NULL);
    pk_attr_ints (node, "perm", 3, perm);
    change_node (chain, node);
  } else {
    slice (chain, 1, -1, G_MININT64, -1);
  }
  change_node (chain, next_node (chain, "Reshape", b));
}

/* What goes in on one side comes out on the other. */
static void
link_pad (Chain *chain, guint i)
{
  static const char *const modes[] = { "constant", "reflect", "edge" };
  const gint64 both[2][8] = { { 0, 0, 0, 1, 0, 0, 0, -1 },
    { 0, 0, -1, 0, 0, 0, 1, 0 } };
  g_autofree char *pads = add_row (chain, 8, both[i / 3 % 2]);
  Pk *node = next_node (chain, "Pad", pads);

  pk_attr_text (node, "mode", modes[i % 3]);
  change_node (chain, node);
}

static void
link_expand (Chain *chain, guint i)
{
  const gint64 twice[4] = { 2, 1, 1, 1 };
  g_autofree char *to = add_row (chain, 4, twice);

  change_node (chain, next_node (chain, "Expand", to));
  slice (chain, 0, 0, 1, 1);
}

static void
link_tile (Chain *chain, guint i)
{
  const gint64 repeats[4] = { 1, 1, 1, 2 };
  g_autofree char *by = add_row (chain, 4, repeats);

  change_node (chain, next_node (chain, "Tile", by));
  slice (chain, 3, chain->w / 2, chain->w / 2 + chain->w, 1);
}

static const struct {
  const char *name;
  void (*link) (Chain *chain, guint i);
  enum { FREE, TAILS, MAPS, INDICES } takes; /* nothing, however many; tails
                              that share memory; a map each; some are no views,
                              and take indices up to their budget */
} kinds[] = {
  { "reverse", link_reverse }, { "channels", link_channels },
  { "scramble", link_scramble, TAILS }, { "table", link_table, INDICES },
  { "shuffle", link_shuffle }, { "halves", link_halves },
  { "blocks", link_blocks, MAPS }, { "turn", link_turn }, { "slice", link_slice },
  { "reshape", link_reshape, INDICES }, { "pad", link_pad, TAILS },
  { "expand", link_expand, TAILS }, { "tile", link_tile, TAILS },
};

/* Rows and columns in any order, then rows turned around where both are one
 * dimension: its list falls apart into rows and columns again. */
static void
turn_rows (Chain *chain)
{
  gint64 n = chain->h * chain->w, flat[3] = { 1, chain->c, n };
  gint64 shape[4] = { 1, chain->c, chain->h, chain->w };
  g_autofree gint64 *order = g_new (gint64, n);
  g_autofree char *a = add_row (chain, 3, flat), *b =
      add_row (chain, 4, shape), *list = NULL;
  Pk *node;

  for (gint64 i = 0; i < n; i++)
    order[i] = (i + chain->w) % n;
  list = add_row (chain, n, order);
  gather (chain, 2, TRUE, 1);
  gather (chain, 3, TRUE, 1);
  change_node (chain, next_node (chain, "Reshape", a));
  node = next_node (chain, "Gather", list);
  pk_attr_int (node, "axis", 2);
  change_node (chain, node);
  change_node (chain, next_node (chain, "Reshape", b));
}

#define ANY -1
#define TURNED -2
#define BLOCKS 6               /* in kinds */

/* kind: all links are of it; or of any, by chance. relu: ends on a map. */
static Pk *
make_chain (gint kind, guint links, const gint64 *dims, gboolean relu,
    guint32 seed)
{
  Chain chain = { .graph = pk_new (), .c = dims[1], .h = dims[2],
    .w = dims[3], .last = "x", .random = g_rand_new_with_seed (seed) };

  pk_message (chain.graph, 11, pk_value ("x", FLOAT, 4, dims));
  for (guint i = 0; i < links; i++) {
    if (kind == TURNED) {
      turn_rows (&chain);
      continue;
    }
    gint k = kind >= 0 ? kind : g_rand_int_range (chain.random, 0,
        G_N_ELEMENTS (kinds));
    kinds[k].link (&chain, kind >= 0 ? i : g_rand_int (chain.random) % 6);
  }
  if (relu)
    change_node (&chain, next_node (&chain, "Relu", NULL));
  pk_message (chain.graph, 12, pk_value (chain.last, FLOAT, 0, NULL));
  g_rand_free (chain.random);
  return pk_model (chain.graph, 13);
}

#define POOL 12

/* What of a tensor that is no map computes the rows alone that changed. */
static void
negate_rows (Chain *chain)
{
  gint64 flat[3] = { 1, chain->c * chain->h, chain->w };
  gint64 shape[4] = { 1, chain->c, chain->h, chain->w };
  g_autofree char *a = add_row (chain, 3, flat), *b =
      add_row (chain, 4, shape);

  change_node (chain, next_node (chain, "Reshape", a));
  change_node (chain, next_node (chain, "Neg", NULL));
  change_node (chain, next_node (chain, "Reshape", b));
}

/* Two inputs, links on any value so far, and pairs, one on the other, of which
 * one is taken again. Everything that is made may be read later; the last and
 * another are outputs. */
static Pk *
make_web (const gint64 *dims, guint32 seed)
{
  Chain chain = { .graph = pk_new (), .c = dims[1], .h = dims[2],
    .w = dims[3], .random = g_rand_new_with_seed (seed) };
  char values[POOL][32] = { "x", "z" };
  guint n = 2;

  pk_message (chain.graph, 11, pk_value ("x", FLOAT, 4, dims));
  pk_message (chain.graph, 11, pk_value ("z", FLOAT, 4, dims));
  while (n < POOL) {
    const char *other = values[g_rand_int_range (chain.random, 0, (gint32) n)];
    guint kind = (guint) g_rand_int_range (chain.random, 0,
        G_N_ELEMENTS (kinds) + 8);
    g_strlcpy (chain.last, values[g_rand_int_range (chain.random, MAX (0,
                    (gint) n - 4), (gint32) n)], sizeof chain.last);
    if (kind < G_N_ELEMENTS (kinds)) {
      kinds[kind].link (&chain, g_rand_int (chain.random) % 6);
    } else if (kind < G_N_ELEMENTS (kinds) + 3) {
      negate_rows (&chain);
    } else {
      gint64 first = kind % 2;
      Pk *node = next_node (&chain, "Concat", other);
      pk_attr_int (node, "axis", 0);
      change_node (&chain, node);
      slice (&chain, 0, first, first + 1, 1);
    }
    g_strlcpy (values[n++], chain.last, sizeof values[0]);
  }
  pk_message (chain.graph, 12, pk_value (chain.last, FLOAT, 0, NULL));
  pk_message (chain.graph, 12, pk_value (values[POOL - 4], FLOAT, 0, NULL));
  g_rand_free (chain.random);
  return pk_model (chain.graph, 13);
}

static DcnnGraph *
load (const Pk *bytes)
{
  g_autoptr (GError) error = NULL;
  DcnnGraph *graph = dcnn_onnx_load_bytes (bytes->data, bytes->len, NULL,
      NULL, &error);

  g_assert_no_error (error);
  return graph;
}

/* ---- right ------------------------------------------------------------------------ */

/* Three frames, of which the second changes little and the third nothing. */
static void
compare (const Pk *bytes, const gint64 *dims)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) again = load (bytes);
  g_autoptr (DcnnModel) model = dcnn_model_new (load (bytes), &error);
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  DcnnTensor frame = { .dtype = DCNN_DTYPE_F32, .rank = 4 };
  gsize n = (gsize) (dims[1] * dims[2] * dims[3]);
  g_autofree float *values = g_new (float, n);

  g_assert_no_error (error);
  memcpy (frame.dims, dims, 4 * sizeof *dims);
  frame.data = values;
  for (gsize i = 0; i < n; i++)
    values[i] = 1 + (float) i;
  dcnn_session_options_init (&options);
  options.threads = 1;
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  for (guint f = 0; f < 3; f++) {
    DcnnTensor want = { 0 };
    const DcnnTensor *have = &dcnn_session_get_output (session, 0, 0)->tensor;
    if (f == 1)
      values[n / 3] = -5, values[n - 1] = -7;
    g_assert_true (dcnn_session_push_tensors (session, 0, &frame, 0, NULL,
            &error));
    g_assert_true (dcnn_graph_run_reference (again, &frame, &want, &error));
    g_assert_cmpmem (have->data, n * sizeof (float), want.data,
        (gsize) dcnn_tensor_count (&want) * sizeof (float));
    dcnn_tensor_free (&want);
  }
}

static void
test_right (void)
{
  static const gint64 dims[4] = { 1, 4, 6, 10 };

  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++)
    for (guint links = 1; links < 8; links++)
      for (guint relu = 0; relu < 2; relu++) {
        Pk *bytes = make_chain ((gint) k, links, dims, relu, links);
        g_test_message ("%s, %u links%s", kinds[k].name, links, relu ?
            ", Relu" : "");
        compare (bytes, dims);
        g_byte_array_unref (bytes);
      }
}

static void
test_turned (void)
{
  static const gint64 dims[4] = { 1, 4, 6, 10 };

  for (guint32 seed = 0; seed < 20; seed++) {
    Pk *bytes = make_chain (TURNED, 1 + seed % 3, dims, seed % 2, seed);
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (load (bytes), &error);
    DcnnModelSummary summary;
    dcnn_model_get_summary (model, &summary);
    if (seed % 2) /* a resampling, a step, an output */
      g_assert_cmpuint (summary.n_nodes, ==, 3);
    compare (bytes, dims);
    g_byte_array_unref (bytes);
  }
}

static void
test_mixed (void)
{
  static const gint64 dims[4] = { 1, 4, 6, 10 };

  for (guint32 seed = 0; seed < 600; seed++) {
    Pk *bytes = make_chain (ANY, 2 + seed % 6, dims, seed % 4 == 0, seed);
    g_test_message ("seed %u", seed);
    compare (bytes, dims);
    g_byte_array_unref (bytes);
  }
}

/* Frames in which one input changes, the other, both or none. */
static void
compare_web (const Pk *bytes, const gint64 *dims)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) again = load (bytes);
  g_autoptr (DcnnModel) model = dcnn_model_new (load (bytes), &error);
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  DcnnTensor in[2] = { 0 };
  gsize n = (gsize) (dims[1] * dims[2] * dims[3]);
  g_autofree float *values = g_new (float, 2 * n);

  g_assert_no_error (error);
  for (guint k = 0; k < 2; k++) {
    in[k].dtype = DCNN_DTYPE_F32;
    in[k].rank = 4;
    memcpy (in[k].dims, dims, 4 * sizeof *dims);
    in[k].data = values + k * n;
  }
  for (gsize i = 0; i < 2 * n; i++)
    values[i] = 1 + (float) i;
  dcnn_session_options_init (&options);
  options.threads = 1;
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  for (guint f = 0; f < 6; f++) {
    DcnnTensor want[2] = { 0 };
    for (guint k = 0; k < 2 && f > 0; k++)
      if (f >> k & 1)
        values[k * n + f * 17] = -(float) f;
    g_assert_true (dcnn_session_push_tensors (session, 0, in, 0, NULL,
            &error));
    g_assert_true (dcnn_graph_run_reference (again, in, want, &error));
    for (guint o = 0; o < 2; o++) {
      const DcnnTensor *have = &dcnn_session_get_output (session, 0,
          o)->tensor;
      g_assert_cmpmem (have->data, n * sizeof (float), want[o].data,
          (gsize) dcnn_tensor_count (&want[o]) * sizeof (float));
      dcnn_tensor_free (&want[o]);
    }
  }
}

static void
test_web (void)
{
  static const gint64 dims[4] = { 1, 4, 6, 10 };

  for (guint32 seed = 0; seed < 400; seed++) {
    Pk *bytes = make_web (dims, seed);
    g_test_message ("seed %u", seed);
    compare_web (bytes, dims);
    g_byte_array_unref (bytes);
  }
}

/* ---- what they take ------------------------------------------------------------------ */

typedef struct Taken {
  double seconds;          /* of a core */
  double mib;              /* touched at most */
  double state_mib;        /* of a stream */
  double nodes;
} Taken;

/* To plan it, and to open a session, in a process of its own. */
static Taken
take (Pk *bytes, gboolean session)
{
  struct rusage usage;
  Taken taken = { 0 };
  int ends[2], status = 0;
  pid_t child;

  g_assert_cmpint (pipe (ends), ==, 0);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    DcnnGraph *graph = load (bytes);
    DcnnModel *model = dcnn_model_new (graph, NULL);
    DcnnModelSummary summary = { 0 };
    DcnnSessionOptions options;
    gboolean ok = model != NULL;
    if (ok)
      dcnn_model_get_summary (model, &summary);
    dcnn_session_options_init (&options);
    options.threads = 1;
    taken.state_mib = summary.state_bytes / 1048576.0;
    taken.nodes = summary.n_nodes;
    ok &= write (ends[1], &taken, sizeof taken) > 0;
    ok &= !session || dcnn_session_new (model, &options, NULL) != NULL;
    _exit (!ok);
  }
  g_assert_cmpint (read (ends[0], &taken, sizeof taken), >, 0);
  g_assert_cmpint (wait4 (child, &status, 0, &usage), ==, child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  close (ends[0]);
  close (ends[1]);
  g_byte_array_unref (bytes);
  taken.seconds = (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
      (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
  taken.mib = usage.ru_maxrss / 1024.0;
  return taken;
}

/* MiB that are kept after they were freed: the address sanitizer does. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined (__SANITIZE_ADDRESS__) || __has_feature (address_sanitizer)
#define KEPT 512
#else
#define KEPT 0
#endif

/* A map of 8 MiB (2 for nodes on maps): links that are views are free, of tails
 * two results are kept, of nodes on maps each. */
static void
check_growth (guint kind)
{
  static const guint links[3] = { 16, 64, 256 };
  gboolean maps = kinds[kind].takes == MAPS;
  const gint64 dims[4] = { 1, 8, 512, maps ? 128 : 512 };
  Taken taken[3];

  for (guint i = 0; i < (maps ? 2 : 3); i++) {
    taken[i] = take (make_chain ((gint) kind, links[i], dims, i % 2 == 0, 1),
        TRUE);
    g_test_message ("%s, %u links: %.3f s, %.0f MiB", kinds[kind].name,
        links[i], taken[i].seconds, taken[i].mib);
  }
  if (kinds[kind].takes == INDICES)
    g_assert_cmpfloat (taken[1].mib, <, KEPT + 700);
  else
    g_assert_cmpfloat (taken[1].mib, <, KEPT + (maps ? 5 * taken[0].mib : 128));
  if (maps)
    return;
  g_assert_cmpfloat (taken[2].mib, <, KEPT + (kinds[kind].takes == INDICES ?
          700 : 192));
  g_assert_cmpfloat (taken[2].seconds, <, 9 * MAX (taken[1].seconds, 0.15));
}

static void
test_growth (gconstpointer kind)
{
  check_growth (GPOINTER_TO_UINT (kind));
}

/* A picture whose map alone would take 1 GiB, and 268 MB as a tensor: planned
 * only. */
static void
test_huge (void)
{
  static const gint64 picture[4] = { 1, 1, 8190, 8190 };
  static const gint64 wide[4] = { 1, 4, 4096, 4096 };

  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++) {
    gboolean maps = kinds[k].takes == MAPS;
    gboolean split = kinds[k].link == link_shuffle;
    Taken taken = take (make_chain ((gint) k, 60, split || maps ? wide :
            picture, TRUE, 1), FALSE);
    g_test_message ("60 links of %s: %.2f s, %.0f MiB planned, a stream of "
        "%.0f MiB", kinds[k].name, taken.seconds, taken.mib, taken.state_mib);
    g_assert_cmpfloat (taken.mib, <, KEPT + (kinds[k].takes == INDICES ? 700 :
            128));
    g_assert_cmpfloat (taken.seconds, <, 10);
    if (!maps)
      g_assert_cmpfloat (taken.state_mib, <, 6500);
    if (kinds[k].takes == FREE)
      g_assert_cmpfloat (taken.nodes, <=, 4);
  }
}

/* Links of nodes on maps, whose streams together want more than twice what the
 * machine has: no session, nothing of it touched, and the error says which node
 * wants the most and what to do. */
static void
refuse (guint links, const gint64 *dims, guint many, const char *remedy)
{
  Pk *bytes = make_chain (BLOCKS, links, dims, TRUE, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (load (bytes), &error);
  struct rusage before, after;
  DcnnSessionOptions options;
  char want[96];

  g_assert_no_error (error);
  dcnn_session_options_init (&options);
  options.threads = 1;
  options.streams = many;
  getrusage (RUSAGE_SELF, &before);
  g_assert_null (dcnn_session_new (model, &options, &error));
  getrusage (RUSAGE_SELF, &after);
  g_test_message ("%s", error->message);
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY);
  g_snprintf (want, sizeof want, "%u stream%s of ", many, many > 1 ? "s" : "");
  g_assert_nonnull (strstr (error->message, want));
  /* a map of 4 channels takes 8, one of 16 a quarter of the pixels */
  g_snprintf (want, sizeof want, "(DepthToSpace) keeps the most, "
      "%.1f MiB; use a smaller input size%s",
      (double) (8 * 4 * dims[2] * dims[3]) / 1048576.0, remedy);
  g_assert_nonnull (strstr (error->message, want));
  g_assert_cmpint (after.ru_maxrss - before.ru_maxrss, <, 64 << 10);
  g_byte_array_unref (bytes);
}

static void
test_refused (void)
{
  static const gint64 wide[4] = { 1, 4, 4096, 4096 };
  const double machine = (double) sysconf (_SC_PHYS_PAGES) *
      (double) sysconf (_SC_PAGESIZE);
  guint links = 2 + (guint) (2 * machine / (768 << 20));
  gint64 dims[4] = { 1, 4, 1024, 64 };

  refuse (links, wide, 1, "");
  /* 1024 streams, each 1/512 of the machine, in 4 pairs of 12 bytes a value */
  dims[3] = MAX (64, (gint64) (machine / 512 / (4 * 12 * 4 * 1024)) / 2 * 2);
  refuse (4, dims, 1024, " or fewer streams");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onnx/chains/right", test_right);
  g_test_add_func ("/onnx/chains/turned", test_turned);
  g_test_add_func ("/onnx/chains/mixed", test_mixed);
  g_test_add_func ("/onnx/chains/web", test_web);
  g_test_add_func ("/onnx/chains/huge", test_huge);
  g_test_add_func ("/onnx/chains/refused", test_refused);
  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++) {
    g_autofree char *path = g_strdup_printf ("/onnx/chains/growth/%s",
        kinds[k].name);
    g_test_add_data_func (path, GUINT_TO_POINTER (k), test_growth);
  }
  return g_test_run ();
}
