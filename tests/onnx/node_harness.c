/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * node_harness.c - see node_harness.h.
 *
 * A test is a folder with model.onnx and test_data_set_N with one TensorProto
 * a file. Many give what the engine wants constant (shapes, axes, scales) as
 * graph inputs, so those are frozen before import: first none, then all but
 * the first, then all (see NodeForm).
 */
#include "node_harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dcnn_onnx.h"
#include "dcnn_onnx_loader.h"
#include "node_maps.h"
#include "ref_util.h"

#define DATA_DIR "/usr/share/libonnx-testdata/data"
#define MAX_TENSORS 64
#define RTOL 1e-3
#define ATOL 1e-7

static const char *const suites[] = { "node", "simple", "pytorch-operator",
  "pytorch-converted", "real" };

/* Tests of operators on the import list that are refused all the same. */
static const struct {
  const char *pattern, *why;
} expected_refusals[] = {
  { "training_mode", "training" },
  { "training_dropout", "training" },
  { "STRING", "strings" },
  { "strnorm", "strings" },
  { "_expanded", "the operator's function uses others" },
  { "sequence", "sequences" },
  { "FLOAT8", "8-bit floats" },
  { "FLOAT4", "4-bit floats" },
  { "INT4", "4-bit integers" },
  { "INT2", "2-bit integers" },
  { "linear_blocked", "a scale for each block of an axis" },
  { "with_peepholes", "cells that gates look at" },
  { "spacetodepth_crd", "one order of channels" },
  { "gradient", "training" },
  { "identity_opt", "optional values" },
  { "einsum_batch_diagonal", "diagonals, dots" },
  { "gridsample_volumetric", "grids of three dimensions" },
  { "nllloss", "losses" },
  { "sce_", "losses" },
};

/* Tests whose own data is wrong, or was replaced by later versions of ONNX. */
static const struct {
  const char *pattern, *why;
} broken_tests[] = {
  { "BFLOAT16", "the data is not stored as bfloat16" },
  { "bf16", "wants bfloat16's rounding; we compute in float32" },
  { "bfloat16", "wants bfloat16's rounding; we compute in float32" },
  { "gqa_with_past_and_present_fp16",
      "wants float16's rounding; we compute in float32" },
  { "test_resize_downsample_scales_cubic_align_corners",
      "made with a fractional output size; ONNX Runtime differs as well" },
  { "test_resize_downsample_scales_linear_align_corners",
      "made with a fractional output size; ONNX Runtime differs as well" },
  /* ONNX 1.17 (Debian 13); later data and ONNX Runtime agree with us. */
  { "test_averagepool_3d_dilations_large_count_include_pad_is_1_"
      "ceil_mode_is_True",
      "ONNX 1.17 divides by what lies past the padding" },
  { "test_qlinearmatmul_2D_int8_float",
      "ONNX 1.17 wraps -236 around to 20, where int8 saturates at -128" },
  { "test_qlinearmatmul_3D_int8_float",
      "ONNX 1.17 wraps -140 around to 116, where int8 saturates at -128" },
  /* ONNX 1.20 (Debian testing); ONNX 1.23 and ONNX Runtime agree with us. */
  { "with_past_and_present_qk_matmul_bias",
      "ONNX 1.20 shows scores behind the mask by the number of the softcap's" },
  { "attention_4d_with_qk_matmul_bias",
      "ONNX 1.20 shows scores behind the mask by the number of the softcap's" },
  { "qk_matmul_softcap", "ONNX 1.20 adds the mask before the softcap" },
  { "l2normalization_axis_0", "ONNX 1.20 has 0 / 0, which is 0 since" },
};

typedef struct Test {
  char *name, *folder;
  DcnnTensor inputs[MAX_TENSORS], wanted[MAX_TENSORS];
  int n_inputs, n_wanted;
  guint8 *model;
  gsize model_bytes;
} Test;

typedef struct Summary {
  int passed, failed, unsupported;
  GHashTable *reasons; /* text -> count */
  NodeForm form;
  NodeRunner runner;
  gpointer data;
} Summary;

static gboolean
read_tensor (const char *path, DcnnTensor *tensor)
{
  g_autofree char *bytes = NULL;
  gsize length;
  Onnx__TensorProto *proto;
  gboolean ok = FALSE;

  if (!g_file_get_contents (path, &bytes, &length, NULL))
    return FALSE;
  proto = onnx__tensor_proto__unpack (NULL, length, (const uint8_t *) bytes);
  if (proto) {
    ok = onnx_tensor_read (proto, NULL, tensor, NULL);
    onnx__tensor_proto__free_unpacked (proto, NULL);
  }
  return ok;
}

static int
read_tensors (const char *folder, int set, const char *kind,
    DcnnTensor *tensors)
{
  int n = 0;
  for (; n < MAX_TENSORS; n++) {
    g_autofree char *path = g_strdup_printf ("%s/test_data_set_%d/%s_%d.pb",
        folder, set, kind, n);
    if (!read_tensor (path, &tensors[n]))
      break;
  }
  return n;
}

static void
clear_tensors (int n, DcnnTensor *tensors)
{
  for (int i = 0; i < n; i++)
    dcnn_tensor_free (&tensors[i]);
}

static gboolean
is_close (double a, double b)
{
  if (isnan (a) || isnan (b))
    return isnan (a) && isnan (b);
  return a == b || fabs (a - b) <= ATOL + RTOL * fabs (b);
}

/* NULL, or what differs: new text. */
static char *
compare (const DcnnTensor *have, const DcnnTensor *want)
{
  g_autofree char *a = dcnn_tensor_describe (have);
  g_autofree char *b = dcnn_tensor_describe (want);
  if (strcmp (a, b) != 0)
    return g_strdup_printf ("is %s, should be %s", a, b);
  for (gint64 i = 0, n = dcnn_tensor_count (have); i < n; i++) {
    double x = dcnn_ref_get (have, i), y = dcnn_ref_get (want, i);
    gsize size = dcnn_dtype_bytes (have->dtype);
    /* whole numbers are equal or not; as doubles, large ones would be */
    gboolean same = have->dtype == DCNN_DTYPE_F32
        || have->dtype == DCNN_DTYPE_F64 ? is_close (x, y)
        : memcmp ((const guint8 *) have->data + (gsize) i * size,
        (const guint8 *) want->data + (gsize) i * size, size) == 0;
    if (!same)
      return g_strdup_printf ("element %" G_GINT64_FORMAT " is %.9g, should be"
          " %.9g", i, x, y);
  }
  return NULL;
}

/* The model's graph, with as few inputs frozen as will do. */
static DcnnGraph *
load (const Test *test, NodeForm form, GError **error)
{
  g_autoptr (OnnxModel) model = onnx_model_parse (test->model,
      test->model_bytes, error);
  DcnnGraph *graph = NULL;

  if (!model)
    return NULL;
  for (int first = form == NODE_FORM_OPEN ? test->n_inputs : 1;
      first >= 0 && !graph; first--) {
    g_autoptr (GHashTable) frozen = g_hash_table_new (g_str_hash, g_str_equal);
    if (first > 1 && first < test->n_inputs)
      continue;
    for (int i = first; i < test->n_inputs; i++)
      if ((size_t) i < model->proto->graph->n_input)
        g_hash_table_insert (frozen, model->proto->graph->input[i]->name,
            (gpointer) &test->inputs[i]);
    g_clear_error (error);
    graph = dcnn_onnx_load_bytes_with_constants (test->model,
        test->model_bytes, test->folder, NULL, frozen, error);
  }
  return graph;
}

/* The tensors of the graph's own inputs, in its order. */
static void
pick_inputs (const Test *test, const DcnnGraph *graph, DcnnTensor *picked)
{
  g_autoptr (OnnxModel) model = onnx_model_parse (test->model,
      test->model_bytes, NULL);
  for (guint i = 0; i < graph->inputs->len; i++) {
    const DcnnValue *value = dcnn_graph_value (graph,
        g_array_index (graph->inputs, DcnnValueId, i));
    for (int k = 0; k < MIN (test->n_inputs,
            (int) model->proto->graph->n_input); k++)
      if (strcmp (model->proto->graph->input[k]->name, value->name) == 0)
        picked[i] = test->inputs[k];
  }
}

static void
count_reason (Summary *summary, const char *reason)
{
  int n = GPOINTER_TO_INT (g_hash_table_lookup (summary->reasons, reason));
  g_hash_table_insert (summary->reasons, g_strdup (reason),
      GINT_TO_POINTER (n + 1));
}

/* The operator and reason of a refusal, without node names. */
static char *
short_reason (const char *message)
{
  const char *open = strchr (message, '('), *line = strchr (message, '\n');
  const char *end;
  if (!line || !open)
    return g_strdup (message);
  open = strchr (line, '(');
  if (!open)
    return g_strdup (line + 1);
  end = strchr (open, '\n');
  return end ? g_strndup (open, (gsize) (end - open)) : g_strdup (open);
}

static void
note_unsupported (Summary *summary, const Test *test, const GError *error)
{
  g_autofree char *reason = short_reason (error->message);
  g_autofree const char **ops = dcnn_onnx_list_ops ();

  summary->unsupported++;
  count_reason (summary, reason);
  for (gsize i = 0; i < G_N_ELEMENTS (expected_refusals); i++)
    if (strstr (test->name, expected_refusals[i].pattern))
      return;
  for (int i = 0; ops[i]; i++) {
    g_autofree char *op = g_strdup_printf ("(%s)", ops[i]);
    if (g_str_has_prefix (reason, op)) {
      printf ("FAIL %s: an operator of the list is refused: %s\n", test->name,
          error->message);
      summary->failed++;
      return;
    }
  }
}

static void
run_test (Summary *summary, Test *test)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) graph = load (test, summary->form, &error);
  DcnnTensor picked[MAX_TENSORS], outputs[MAX_TENSORS];
  gboolean failed = FALSE;
  int n_outputs;

  for (gsize i = 0; i < G_N_ELEMENTS (broken_tests); i++) {
    if (strstr (test->name, broken_tests[i].pattern)) {
      summary->unsupported++;
      count_reason (summary, broken_tests[i].why);
      return;
    }
  }
  if (!graph) {
    note_unsupported (summary, test, error);
    return;
  }
  pick_inputs (test, graph, picked);
  memset (outputs, 0, sizeof outputs);
  n_outputs = (int) graph->outputs->len;
  if (!summary->runner (&graph, picked, outputs, summary->data, &error)) {
    if (g_error_matches (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED)) {
      summary->unsupported++;
      count_reason (summary, error->message);
    } else {
      printf ("FAIL %s: %s\n", test->name, error->message);
      summary->failed++;
    }
    return;
  }
  for (int i = 0; i < n_outputs && i < test->n_wanted; i++) {
    g_autofree char *problem = compare (&outputs[i], &test->wanted[i]);
    if (problem) {
      printf ("FAIL %s: output %d %s\n", test->name, i, problem);
      failed = TRUE;
    }
  }
  clear_tensors (n_outputs, outputs);
  summary->failed += failed;
  summary->passed += !failed;
}

/* The test as maps, one run an image. */
static void
run_as_maps (Summary *summary, const Test *test)
{
  gint64 count = node_maps_count (test->model, test->model_bytes,
      test->inputs, test->n_inputs, test->wanted, test->n_wanted);

  for (gint64 i = 0; i < count; i++) {
    Test map = *test;
    map.name = g_strdup_printf ("%s[%" G_GINT64_FORMAT "]", test->name, i);
    map.model = node_maps_model (test->model, test->model_bytes,
        &test->inputs[0], &map.model_bytes);
    map.inputs[0] = node_maps_view (&test->inputs[0], count, i);
    for (int k = 0; k < test->n_wanted; k++)
      map.wanted[k] = node_maps_view (&test->wanted[k], count, i);
    run_test (summary, &map);
    g_free (map.model);
    g_free (map.name);
  }
}

static void
run_folder (Summary *summary, const char *folder, const char *name)
{
  Test test = { .name = g_strdup (name), .folder = g_strdup (folder) };
  g_autofree char *path = g_build_filename (folder, "model.onnx", NULL);

  if (g_file_get_contents (path, (char **) &test.model, &test.model_bytes,
          NULL)) {
    test.n_inputs = read_tensors (folder, 0, "input", test.inputs);
    test.n_wanted = read_tensors (folder, 0, "output", test.wanted);
    if (summary->form == NODE_FORM_MAPS)
      run_as_maps (summary, &test);
    else if (summary->form == NODE_FORM_OPEN || test.n_inputs > 1)
      run_test (summary, &test);
    clear_tensors (test.n_inputs, test.inputs);
    clear_tensors (test.n_wanted, test.wanted);
  }
  g_free (test.model);
  g_free (test.folder);
  g_free (test.name);
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
run_suite (Summary *summary, const char *root, const char *suite,
    const char *pattern)
{
  g_autofree char *folder = g_build_filename (root, suite, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    if (!pattern || strstr (name, pattern))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, by_name);
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename (folder, names->pdata[i], NULL);
    run_folder (summary, path, names->pdata[i]);
  }
}

static void
print_reasons (const Summary *summary)
{
  GHashTableIter iter;
  gpointer reason, count;
  printf ("not applicable, by reason:\n");
  g_hash_table_iter_init (&iter, summary->reasons);
  while (g_hash_table_iter_next (&iter, &reason, &count))
    printf ("  %4d  %.140s\n", GPOINTER_TO_INT (count), (char *) reason);
}

int
node_tests_run (int argc, char **argv, NodeForm form, NodeRunner runner,
    gpointer data, int minimum)
{
  const char *root = g_getenv ("DELTACNN_ONNX_TESTDATA");
  const char *pattern = argc > 1 ? argv[1] : NULL;
  Summary summary = { .form = form, .runner = runner, .data = data };

  root = root ? root : DATA_DIR;
  if (!g_file_test (root, G_FILE_TEST_IS_DIR)) {
    printf ("SKIP: %s is absent: install libonnx-testdata\n", root);
    return 77;
  }
  summary.reasons = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (suites); i++)
    run_suite (&summary, root, suites[i], pattern);
  if (pattern || g_getenv ("DELTACNN_TEST_VERBOSE"))
    print_reasons (&summary);
  g_hash_table_unref (summary.reasons);
  printf ("%d passed, %d failed, %d not applicable\n", summary.passed,
      summary.failed, summary.unsupported);
  if (summary.failed > 0)
    printf ("rerun one: %s NAME\n", argv[0]);
  if (!pattern && summary.passed < minimum)
    printf ("FAIL: at least %d must pass\n", minimum);
  return summary.failed > 0 || (!pattern && summary.passed < minimum);
}
