/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_onnx.c - any bytes as a model: the import may refuse them, and what it
 * loads runs when it is small, by the reference operators and in a session, two
 * frames. Each is loaded at its own size, at another, and with what a
 * descriptor may say: an output fed back, frames stacked, another end. With
 * libFuzzer:
 *
 *   fuzz_onnx CORPUS [-max_total_time=600]
 *
 * Built with DCNN_FUZZ_REPLAY it runs every file of the folders given, as an
 * ordinary test; what a fuzzer once found is kept there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dcnn_onnx.h"
#include "deltacnn/session.h"

/* Graphs with larger tensors are loaded, not run. */
#define MAX_RUN_ELEMENTS 4096
#define MAX_RUN_NODES 64
#define MAX_TENSORS 64

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Runs in a session, four a file at most: a replay without any tests nothing. */
static guint sessions;

static gboolean
is_small (const DcnnGraph *graph)
{
  for (guint i = 0; i < graph->values->len; i++)
    if (dcnn_tensor_count (&dcnn_graph_value (graph, (int) i)->tensor)
        > MAX_RUN_ELEMENTS)
      return FALSE;
  return graph->nodes->len <= MAX_RUN_NODES
      && graph->inputs->len <= MAX_TENSORS
      && graph->outputs->len <= MAX_TENSORS;
}

/* Not zeros: bytes that make indices and floats of every kind; 0 or 1 where the
 * type is bool. */
static void
fill (DcnnTensor *tensor, guint seed)
{
  gsize n = (gsize) dcnn_tensor_count (tensor)
      * dcnn_dtype_bytes (tensor->dtype);
  for (gsize k = 0; k < n; k++)
    ((guint8 *) tensor->data)[k] = tensor->dtype == DCNN_DTYPE_BOOL
        ? k & 1 : (guint8) (k * 37 + 11 + seed);
}

/* Two frames of which the second differs in a part. Takes graph. */
static void
run_session (DcnnGraph *graph, DcnnTensor *inputs, guint n_inputs)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (graph, &error);
  DcnnSessionOptions options;

  if ((model == NULL) != (error != NULL))
    abort ();
  if (!model)
    return;
  dcnn_session_options_init (&options);
  options.threads = 1;
  g_autoptr (DcnnSession) session = dcnn_session_new (model, &options, &error);
  if ((session == NULL) != (error != NULL))
    abort ();
  for (guint frame = 0; session && frame < 2; frame++) {
    for (guint i = 0; i < n_inputs; i++)
      if (dcnn_tensor_count (&inputs[i]) > 0)
        ((guint8 *) inputs[i].data)[0] ^= (guint8) frame;
    if (!dcnn_session_push_tensors (session, 0, inputs, 0, NULL, &error))
      return;
  }
  sessions += session != NULL;
}

/* Takes graph. */
static void
run_graph (DcnnGraph *graph)
{
  DcnnTensor inputs[MAX_TENSORS] = { { 0 } }, outputs[MAX_TENSORS] = { { 0 } };
  guint n_inputs = graph->inputs->len;
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < n_inputs; i++) {
    inputs[i] = dcnn_graph_value (graph,
        g_array_index (graph->inputs, DcnnValueId, i))->tensor;
    ok = dcnn_tensor_alloc (&inputs[i], NULL);
    if (ok)
      fill (&inputs[i], i);
  }
  if (ok && dcnn_graph_run_reference (graph, inputs, outputs, NULL))
    for (guint i = 0; i < graph->outputs->len; i++)
      dcnn_tensor_free (&outputs[i]);
  if (ok)
    run_session (graph, inputs, n_inputs);
  else
    dcnn_graph_free (graph);
  for (guint i = 0; i < n_inputs; i++)
    dcnn_tensor_free (&inputs[i]);
}

/* Loads and runs. names: filled with those of its last input, of its first
 * output and of a value within, new; NULL where there is none. */
static void
try (const uint8_t *data, size_t size, const DcnnOnnxOptions *options,
    char **names)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) graph = dcnn_onnx_load_bytes (data, size, NULL,
      options, &error);

  if (!graph && (!error || !g_utf8_validate (error->message, -1, NULL)))
    abort ();
  if (!graph)
    return;
  if (names && graph->inputs->len > 0 && graph->nodes->len > 0) {
    DcnnValueId middle = dcnn_graph_node (graph,
        (int) graph->nodes->len / 2)->outputs[0];
    names[0] = g_strdup (dcnn_graph_value (graph, g_array_index (
            graph->inputs, DcnnValueId, graph->inputs->len - 1))->name);
    names[1] = g_strdup (dcnn_graph_value (graph, g_array_index (
            graph->outputs, DcnnValueId, 0))->name);
    names[2] = g_strdup (middle < 0 ? "" : dcnn_graph_value (graph,
            middle)->name);
  }
  if (is_small (graph)) {
    g_free (dcnn_graph_dump (graph));
    run_graph (g_steal_pointer (&graph));
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const DcnnOnnxOptions sized = { .width = 24, .height = 16 };
  const gdouble half = 0.5;
  char *names[4] = { NULL };

  try (data, size, NULL, names);
  try (data, size, &sized, NULL);
  if (names[0]) {
    const DcnnOnnxInput inputs[] = {
      { .frames = 2, .newest_first = size & 1 },
      { .name = names[0], .n_values = 1, .values = &half,
        .state = size & 2 ? names[1] : NULL },
    };
    const DcnnOnnxOptions told = { .inputs = inputs, .n_inputs = 2 };
    const DcnnOnnxOptions cut = { .inputs = inputs, .n_inputs = 1,
      .outputs = (const char *const *) names + 2 };
    try (data, size, &told, NULL);
    try (data, size, &cut, NULL);
  }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_free (names[i]);
  return 0;
}

#ifdef DCNN_FUZZ_REPLAY
/* Operators of the import that no file of the corpus has; the fuzzer would
 * have to guess their names. */
static GHashTable *missing;

static void
tick_off (const char *bytes, gsize length)
{
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, missing);
  while (g_hash_table_iter_next (&iter, &name, NULL)) {
    /* a node's op_type is field 4, a string */
    g_autofree char *field = g_strdup_printf ("\x22%c%s",
        (int) strlen (name), (const char *) name);
    if (memmem (bytes, length, field, strlen (field)) != NULL)
      g_hash_table_iter_remove (&iter);
  }
}

static int
replay_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  int count = 0;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *bytes = NULL;
    gsize length;
    if (!g_file_get_contents (path, &bytes, &length, NULL))
      continue;
    tick_off (bytes, length);
    LLVMFuzzerTestOneInput ((const uint8_t *) bytes, length);
    count++;
  }
  return count;
}

int
main (int argc, char **argv)
{
  g_autofree const char **names = dcnn_onnx_list_ops ();
  GHashTableIter iter;
  gpointer name;
  guint left;
  int count = 0;

  missing = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; names[i]; i++)
    g_hash_table_add (missing, (gpointer) names[i]);
  for (int i = 1; i < argc; i++)
    count += replay_folder (argv[i]);
  printf ("%d files replayed, %u runs in sessions\n", count, sessions);
  left = g_hash_table_size (missing);
  g_hash_table_iter_init (&iter, missing);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    printf ("no file has a node %s: add one to make_corpus.py\n",
        (const char *) name);
  g_hash_table_unref (missing);
  return count == 0 || left > 0 || sessions * 2 < (guint) count;
}
#endif
