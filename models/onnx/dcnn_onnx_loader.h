/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_loader.h - private to the ONNX import: the state of one load, and
 * what its parts offer each other.
 */
#ifndef DCNN_ONNX_LOADER_H
#define DCNN_ONNX_LOADER_H

#include "dcnn_onnx.h"
#include "onnx.pb-c.h"

G_BEGIN_DECLS

/* Element types of TensorProto. */
enum {
  ONNX_FLOAT = 1, ONNX_UINT8 = 2, ONNX_INT8 = 3, ONNX_UINT16 = 4,
  ONNX_INT16 = 5, ONNX_INT32 = 6, ONNX_INT64 = 7, ONNX_STRING = 8,
  ONNX_BOOL = 9, ONNX_FLOAT16 = 10, ONNX_DOUBLE = 11, ONNX_UINT32 = 12,
  ONNX_UINT64 = 13, ONNX_BFLOAT16 = 16, ONNX_UINT4 = 21, ONNX_INT4 = 22,
  ONNX_UINT2 = 25, ONNX_INT2 = 26,
};

/* What is wrong with a model, a line a node. */
typedef struct OnnxRefusals {
  GPtrArray *lines; /* of char *; only the first ones are kept */
  guint count;
  DcnnError code; /* of the gravest */
} OnnxRefusals;

/* Where stored tensors come from, and what was read so far: a file may name
 * the same external bytes again and again, but not get more memory for it. */
typedef struct OnnxData {
  const char *base_dir; /* or NULL */
  GHashTable *files; /* paths of external files (char *), owned; or NULL */
  guint64 file_bytes; /* their sizes */
  guint64 external_bytes; /* read from them */
} OnnxData;

/* An input that is a state. */
typedef struct OnnxState {
  DcnnValueId input;
  const char *source; /* name; NULL: source_input */
  DcnnValueId source_input;
  float initial;
  gboolean is_open; /* its shape is free to follow that of the source */
} OnnxState;

/* Nodes written by the import itself: those of functions and branches, with
 * the names that they have where they are used. Bounded. */
typedef struct OnnxCopies {
  GPtrArray *memory; /* owned, freed with g_free() */
  guint prefixes; /* given out */
  guint items; /* names and attributes copied so far */
} OnnxCopies;

/* How names change in a copy. */
typedef struct OnnxScope {
  OnnxCopies *copies;
  GHashTable *names; /* old -> new */
  const char *prefix; /* of what is not in names; NULL: it stays as it is */
  /* of a function: the call whose attributes its nodes refer to, and the
   * defaults of those that it leaves out; or NULL */
  const Onnx__NodeProto *call;
  const Onnx__FunctionProto *function;
} OnnxScope;

typedef struct OnnxLoader OnnxLoader;
struct OnnxLoader {
  /* For mappings with a graph or another operator inside: checks and translates
   * a node, or notes why not; finds the mapping of an operator, or NULL. */
  void (*map_inner) (OnnxLoader *loader, const Onnx__NodeProto *node);
  const struct OnnxMapping *(*find_mapping) (const char *op_type);
  const DcnnOnnxOptions *options; /* never NULL */
  OnnxData data;
  GHashTable *frozen; /* input name -> const DcnnTensor *, or NULL */
  const Onnx__ModelProto *model;
  const Onnx__GraphProto *proto;
  OnnxCopies copies;
  GPtrArray *nodes; /* of const Onnx__NodeProto *: the graph's */
  GPtrArray *outputs; /* of const char *: names of what is wanted */
  GArray *states; /* of OnnxState, in the order of their inputs */
  GHashTable *shapes; /* input name -> DcnnTensor *: of states, found by an
                         earlier attempt */
  gboolean lacks_size; /* the picture's is open, and none was given */
  gboolean misfits; /* a node was refused for shapes that do not fit */
  gboolean again; /* a state's shape was found: load once more */
  gint64 opset; /* of the standard domain */
  gint64 constant_bytes; /* what constants made here may still take */
  gint64 resized_to[2]; /* width, height that the options gave; 0: the file's */
  DcnnGraph *graph;
  GHashTable *initializers; /* name -> const Onnx__TensorProto * */
  GHashTable *readers; /* names that a live node or an output reads */
  GHashTable *blocked; /* names whose producer was refused */
  GHashTable *sequences; /* names that stand for parts of their values:
                            dcnn_onnx_map_sequence.c */
  GHashTable *wholes; /* values made of whole numbers: dcnn_onnx_whole.h */
  OnnxRefusals refusals;
};

/* dcnn_onnx_parse.c: checked unpacking. Returns NULL with error set. Free with
 * onnx_model_free(). */
typedef struct OnnxModel {
  Onnx__ModelProto *proto;
  ProtobufCAllocator allocator;
  gsize bytes_left; /* of what unpacking may allocate */
} OnnxModel;

OnnxModel *onnx_model_parse (const guint8 *data, gsize length, GError **error);
void onnx_model_free (OnnxModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OnnxModel, onnx_model_free)

/* dcnn_onnx_tensor.c */

/* The element type a TensorProto type number has in a graph: 16-bit floats
 * become F32; NONE for what cannot be used. */
DcnnDtype onnx_dtype (gint64 data_type);
/* "FLOAT16", "STRING", "type 42": static or new text in buffer. */
const char *onnx_dtype_name (gint64 data_type);
/* Reads a stored tensor, external data included; out->data is new (free with
 * dcnn_tensor_free()). */
gboolean onnx_tensor_read (const Onnx__TensorProto *proto, OnnxData *data,
    DcnnTensor *out, GError **error);
/* The same for weights: refuses values that are not finite. */
gboolean onnx_tensor_load (const Onnx__TensorProto *proto, OnnxData *data,
    DcnnTensor *out, GError **error);

/* dcnn_onnx_order.c: the live nodes (those that an output needs) in
 * topological order, as indices into loader->nodes (guint); fills
 * loader->readers. Unknown inputs become refusals. NULL with error set on
 * names defined twice and on cycles. */
GArray *onnx_order (OnnxLoader *loader, GError **error);

/* dcnn_onnx_fit.c: the first sizes at which try succeeds ("640x640, 416x416"),
 * new; NULL: none, or any. */
typedef gboolean (*OnnxTryFn) (const DcnnOnnxOptions *options, gpointer data);
char *onnx_find_sizes (const DcnnOnnxOptions *options, OnnxTryFn try,
    gpointer data);

/* dcnn_onnx_cut.c: names of values from which all that refused nodes read
 * follows without weights, as few as there are: char *, owned; none where they are too many. */
GPtrArray *onnx_find_cuts (const OnnxLoader *loader);

/* dcnn_onnx_copy.c: a node with other names, borrowed from scope->copies; NULL:
 * more than a file may ask for. */
const Onnx__NodeProto *onnx_copy_node (const OnnxScope *scope,
    const Onnx__NodeProto *node);
/* A name as it is in the scope, borrowed likewise. */
const char *onnx_scope_name (const OnnxScope *scope, const char *name);
/* A new prefix, "kind1/" and so on; borrowed likewise. */
const char *onnx_copies_prefix (OnnxCopies *copies, const char *kind);

/* dcnn_onnx_functions.c: fills loader->nodes with the graph's, calls of the
 * file's functions replaced by what they stand for. */
gboolean onnx_inline_functions (OnnxLoader *loader, GError **error);

/* dcnn_onnx_inputs.c: adds the graph's inputs, sized. */
gboolean onnx_add_inputs (OnnxLoader *loader, GError **error);
/* Once the outputs are there: says which inputs are states. */
gboolean onnx_add_states (OnnxLoader *loader, GError **error);

/* dcnn_onnx_refuse.c */
void onnx_refusals_init (OnnxRefusals *self);
void onnx_refusals_clear (OnnxRefusals *self);
/* Adds a line for a node; reason is copied. */
void onnx_refuse (OnnxLoader *loader, const Onnx__NodeProto *node,
    DcnnError code, const char *reason);
/* What can be said of a node without shapes: unknown operator or domain,
 * control flow, attribute values without an implementation. Returns FALSE
 * when it was refused. */
gboolean onnx_check_node (OnnxLoader *loader, const Onnx__NodeProto *node);
/* TRUE when nothing was refused; else sets error to the whole list. */
gboolean onnx_refusals_report (const OnnxLoader *loader, GError **error);

G_END_DECLS

#endif
