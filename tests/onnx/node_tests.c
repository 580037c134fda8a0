/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * node_tests.c - ONNX's node tests through import and reference operators.
 */
#include "node_harness.h"

static gboolean
run_reference (DcnnGraph **graph, const DcnnTensor *inputs, DcnnTensor *outputs,
    gpointer data, GError **error)
{
  return dcnn_graph_run_reference (*graph, inputs, outputs, error);
}

int
main (int argc, char **argv)
{
  return node_tests_run (argc, argv, NODE_FORM_OPEN, run_reference, NULL, 350);
}
