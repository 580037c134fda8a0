/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_graph.h - a network as a list of operators on tensors of known shape.
 *
 * For: importers (models/) that build a network, passes that simplify it, the
 * planner that turns it into fused nodes. Not for: running anything on the
 * frame path.
 *
 * Invariants, held by dcnn_graph_add_node():
 *  - nodes are in topological order; a value has one producer;
 *  - every value's dtype and shape are known (batch 1, H and W numbers);
 *  - a node whose inputs are all constants does not exist: its outputs were
 *    computed on the spot (constant folding), as were the outputs of Shape,
 *    Size and of ConstantOfShape;
 *  - parameters are numbers (see dcnn_params.h).
 *
 * Thread safety: none; one thread builds a graph, then it is only read.
 */
#ifndef DCNN_GRAPH_H
#define DCNN_GRAPH_H

#include <glib.h>

#include "dcnn_params.h"
#include "deltacnn/error.h"
#include "deltacnn/model.h"
#include "deltacnn/tensor.h"

G_BEGIN_DECLS

/* Limits on what a file may ask for; past them is DCNN_ERROR_LIMIT. */
#define DCNN_MAX_NODES 65536
#define DCNN_MAX_NODE_INPUTS 512
#define DCNN_MAX_NODE_OUTPUTS 64
#define DCNN_MAX_TENSOR_BYTES ((gint64) 1 << 31)
#define DCNN_MAX_DIM ((gint64) 1 << 28)
/* What the results of constant folding may take in one graph: bytes (a
 * default, see dcnn_graph_limit_folding()) and elementary operations. */
#define DCNN_FOLD_BYTES ((gint64) 1 << 30)
#define DCNN_FOLD_WORK ((gint64) 1 << 30)

/* Every operator: DCNN_OP_CONV and so on, from ops.def, the one list. */
typedef enum DcnnOp {
#define DCNN_OP(ENUM, name, infer, ref, lowering) DCNN_OP_##ENUM,
#include "ops.def"
#undef DCNN_OP
  DCNN_OP_COUNT
} DcnnOp;

/* Index of a value in graph->values; -1 is "absent" (an optional input). */
typedef int DcnnValueId;

typedef struct DcnnValue {
  char *name;          /* unique, never NULL; owned */
  DcnnTensor tensor;   /* dtype, rank, dims; data != NULL: a constant, owned */
  int producer;        /* node index; -1: graph input or constant */
  gboolean alive;      /* FALSE once a pass has removed it */
} DcnnValue;

typedef struct DcnnNode {
  char *name;          /* the file's, or made up from op and index; owned */
  DcnnOp op;
  int n_inputs, n_outputs;
  DcnnValueId *inputs; /* owned arrays */
  DcnnValueId *outputs;
  DcnnParams params;
  gboolean alive;      /* FALSE once a pass has removed it */
} DcnnNode;

/* An input that nobody feeds: in each frame it is what another value was in
 * the frame before. */
typedef struct DcnnState {
  DcnnValueId input;
  DcnnValueId source;  /* a graph output; or another input, kept for a frame */
  gfloat initial;      /* of an output: what a first frame finds. Where the
                          source is an input, a first frame finds that input
                          of its own */
} DcnnState;

struct DcnnGraph {
  GPtrArray *values;   /* of DcnnValue*, owned */
  GPtrArray *nodes;    /* of DcnnNode*, owned, topological order */
  GArray *inputs;      /* of DcnnValueId: the graph's inputs in file order,
                          those of states behind all others */
  GArray *outputs;     /* of DcnnValueId */
  GArray *states;      /* of DcnnState, from the last input on backwards */
};

/* "Conv" and so on; static storage. */
const char *dcnn_op_name (DcnnOp op);

DcnnGraph *dcnn_graph_new (void);

static inline DcnnValue *
dcnn_graph_value (const DcnnGraph *graph, DcnnValueId id)
{
  return (DcnnValue *) graph->values->pdata[id];
}

static inline DcnnNode *
dcnn_graph_node (const DcnnGraph *graph, int index)
{
  return (DcnnNode *) graph->nodes->pdata[index];
}

/* Sets how many bytes the results of constant folding may still take: keeps
 * the memory of a graph from a hostile file in proportion to the file. */
void dcnn_graph_limit_folding (DcnnGraph *graph, gint64 bytes);

/* Adds a graph input of known shape. name is copied and must be new.
 * Returns the value, or -1 with error set (name taken, shape out of range). */
DcnnValueId dcnn_graph_add_input (DcnnGraph *graph, const char *name,
    DcnnDtype dtype, int rank, const gint64 *dims, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Adds a constant. Takes tensor->data (g_malloc'ed, or allocated by
 * dcnn_tensor_alloc()) on success; on failure (-1) the caller keeps it. */
DcnnValueId dcnn_graph_add_constant (DcnnGraph *graph, const char *name,
    const DcnnTensor *tensor, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Adds a node: checks operands, infers the outputs' types and shapes, folds
 * it when every input is constant. Parameters must be normalised as
 * dcnn_params.h says; infer functions check them against the shapes and fill
 * in what depends on them. Ops whose output shape is no function of the
 * inputs (Reshape, Expand, Tile, Resize, Constant of shape) take it from
 * out_shape (else NULL; one tensor header per output, data ignored).
 * output_names: n_outputs names, an empty or NULL one for an unused output.
 * outputs: filled with n_outputs value ids (-1 for an unused one).
 * Returns FALSE with error set, the graph unchanged. */
gboolean dcnn_graph_add_node (DcnnGraph *graph, const char *name, DcnnOp op,
    const DcnnParams *params, int n_inputs, const DcnnValueId *inputs,
    int n_outputs, const char *const *output_names,
    const DcnnTensor *out_shape, DcnnValueId *outputs, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Declares an output; the order of the calls is the order of the outputs. */
void dcnn_graph_add_output (DcnnGraph *graph, DcnnValueId value);

/* Declares that the last input that is no state yet is one. source must be an
 * output or an input of as many float32 elements. FALSE with error set
 * (DCNN_ERROR_INVALID). */
gboolean dcnn_graph_add_state (DcnnGraph *graph, const DcnnState *state,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Inputs that are fed from outside: the first ones. */
static inline guint
dcnn_graph_fed_inputs (const DcnnGraph *graph)
{
  return graph->inputs->len - graph->states->len;
}

/* The value called name, or -1. Linear in the graph's size the first time,
 * constant after. */
DcnnValueId dcnn_graph_find_value (const DcnnGraph *graph, const char *name);

/* Allocates zeroed, 64-byte aligned storage with 64 bytes to spare for the
 * tensor's dtype and dims. Returns FALSE (data NULL) on overflow, past
 * DCNN_MAX_TENSOR_BYTES or out of memory. Free with dcnn_tensor_free(). */
gboolean dcnn_tensor_alloc (DcnnTensor *tensor, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void dcnn_tensor_free (DcnnTensor *tensor);

/* Bytes of the elements, -1 past the limits. */
gint64 dcnn_tensor_bytes (const DcnnTensor *tensor);
/* Whether type and shape are within the limits; else DCNN_ERROR_LIMIT. */
gboolean dcnn_tensor_check (const DcnnTensor *tensor, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* "float32[1,3,192,192]": new text, for messages and dumps. */
char *dcnn_tensor_describe (const DcnnTensor *tensor);

/* Runs one operator densely with the reference kernels: the same function
 * that folds constants, runs dense tails and is the tests' oracle.
 * inputs[i] is NULL for an absent input; outputs[i]->data must be allocated
 * for the inferred shape (outputs[i] NULL: unused). Cannot fail: shapes were
 * checked by infer. Thread-safe; allocates at most scratch (see ref.h). */
void dcnn_op_run_reference (DcnnOp op, const DcnnParams *params, int n_inputs,
    const DcnnTensor *const *inputs, int n_outputs,
    DcnnTensor *const *outputs);

/* Runs the whole graph densely with the reference operators: the oracle and
 * the plainest way to run a model. inputs: one tensor per graph input, of its
 * dtype and shape. outputs: array of n graph outputs, each allocated here
 * (free with dcnn_tensor_free()). */
gboolean dcnn_graph_run_reference (const DcnnGraph *graph,
    const DcnnTensor *inputs, DcnnTensor *outputs, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* One line a node, stable over runs: for golden tests and --dump. Returns
 * new text. */
char *dcnn_graph_dump (const DcnnGraph *graph);

/* A constant with exactly one element: TRUE and its value. */
gboolean dcnn_graph_scalar (const DcnnGraph *graph, DcnnValueId value,
    double *scalar);
/* By value: the only live node that reads it, once; -1: none; -2: several, or
 * it is an output of the graph. New; free with g_free(). */
gint *dcnn_graph_find_readers (const DcnnGraph *graph);

G_END_DECLS

#endif
