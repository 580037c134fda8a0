/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * node_harness.h - runs ONNX's backend node tests (Debian: libonnx-testdata)
 * through the import and any way to run a graph.
 */
#ifndef DCNN_NODE_HARNESS_H
#define DCNN_NODE_HARNESS_H

#include "dcnn_graph.h"

/* Runs *graph on one tensor per graph input; fills one tensor per graph output
 * (allocated as by dcnn_tensor_alloc()). May take the graph: sets it NULL
 * then. May refuse: FALSE with error set, which counts as not applicable, by
 * the error's text, when the error is DCNN_ERROR_UNSUPPORTED. */
typedef gboolean (*NodeRunner) (DcnnGraph **graph, const DcnnTensor *inputs,
    DcnnTensor *outputs, gpointer data, GError **error);

/* Which of a test's inputs stay inputs of the graph; the others become
 * constants. Whatever an importer refuses, less is tried. */
typedef enum NodeForm {
  NODE_FORM_OPEN,  /* all, else the first alone, else none */
  NODE_FORM_MODEL, /* the first alone: as in a model, where the others are
                      weights; tests of one input are left out */
  NODE_FORM_MAPS,  /* the first alone, as maps [1, C, H, W]: see node_maps.h */
} NodeForm;

/* Runs all tests, or those whose name contains argv[1], and prints counts and,
 * with argv[1] or DELTACNN_TEST_VERBOSE set, the reasons of what is not
 * applicable (hundreds of lines). Returns an exit status: 0; 1 when a
 * supported test fails, an operator of the import list is refused, or fewer
 * than `minimum` pass; 77 when the data is absent. The data's folder is
 * $DELTACNN_ONNX_TESTDATA, else where Debian has it. */
int node_tests_run (int argc, char **argv, NodeForm form, NodeRunner runner,
    gpointer data, int minimum);

#endif
