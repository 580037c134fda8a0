/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * model.h - a network, ready to run: read from an ONNX file, simplified and
 * planned. What a session (session.h) runs.
 *
 * dcnn_model_load() of modelinfo.h goes from a file name to a model in one
 * call, and reads the descriptor beside it.
 *
 * Thread safety: a model is immutable and may be shared by sessions on any
 * threads; the loaders may be called from any.
 */
#ifndef DCNN_MODEL_H
#define DCNN_MODEL_H

#include <glib.h>

#include "deltacnn/error.h"
#include "deltacnn/tensor.h"

G_BEGIN_DECLS
#pragma GCC visibility push(default)

/* ---- graph: what a file holds ----------------------------------------- */

/* Operators on tensors of known shape. Opaque; dcnn_model_new() takes it. */
typedef struct DcnnGraph DcnnGraph;
void dcnn_graph_free (DcnnGraph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcnnGraph, dcnn_graph_free)

/* What is known of an input that the file does not say. */
typedef struct DcnnOnnxInput {
  const char *name;        /* NULL: the picture, whatever its name */
  guint rank;              /* of dims; 0: not stated */
  const gint *dims;        /* for sizes that the file leaves open; -1: any */
  guint n_values;          /* > 0 and no state: the input is a constant, of one
                              value throughout or of as many as it has */
  const gdouble *values;   /* with a state: values[0] is what a first frame
                              finds; none: 0 */
  const char *state;       /* name of the value that it was in the last frame;
                              NULL: it is fed */
  guint frames;            /* > 1: the picture's channels are those of so many
                              frames in a row: a DcnnState for each but one */
  gboolean newest_first;   /* their order */
} DcnnOnnxInput;

/* All zero: the defaults. Everything is borrowed for the call. */
typedef struct DcnnOnnxOptions {
  /* Size of the first 4-D input (NCHW or NHWC is detected), in pixels. 0: the
   * file's own; a symbolic size needs one. */
  int width, height;
  /* Largest file that is read, external data apart. 0: 2 GiB less one. */
  guint64 max_file_bytes;
  const DcnnOnnxInput *inputs;
  guint n_inputs;
  /* Values that are the outputs instead of the file's: nothing behind them is
   * imported. NULL-terminated; NULL: the file's. */
  const char *const *outputs;
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnOnnxOptions;

/* Loads the model at path. External data is looked for in its folder.
 * options may be NULL. Returns a new graph, or NULL with error set. */
DcnnGraph *dcnn_onnx_load_file (const char *path,
    const DcnnOnnxOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same from memory, which is only read during the call. base_dir: the
 * folder of external data; NULL: a model with any is refused. */
DcnnGraph *dcnn_onnx_load_bytes (const guint8 *data, gsize length,
    const char *base_dir, const DcnnOnnxOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- model ------------------------------------------------------------ */

typedef struct DcnnModel DcnnModel;

/* Simplifies and plans the graph, packs weights for the CPU. Takes graph, also
 * on failure. Returns new, or NULL: DCNN_ERROR_UNSUPPORTED, _MEMORY. */
DcnnModel *dcnn_model_new (DcnnGraph *graph, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
DcnnModel *dcnn_model_ref (DcnnModel *model);
void dcnn_model_unref (DcnnModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcnnModel, dcnn_model_unref)

typedef struct DcnnModelSummary {
  guint n_inputs, n_outputs; /* states are none of them */
  guint n_states;            /* inputs that get what an output (or the
                                picture) was in the last frame */
  guint n_nodes;             /* fused nodes of the plan */
  guint64 macs;              /* multiply-accumulates of a dense frame */
  gsize weight_bytes;        /* weights and tables, shared by sessions;
                              a device packs them, to about as much */
  gsize state_bytes;         /* a stream's state, frame path scratch included */
  guint input_width, input_height, input_channels; /* of the image input; 0
                                when no input is an image */
  gboolean input_nhwc;
  gboolean input_integer;    /* the file's is of whole numbers */
  guint tile;                /* px: the total stride; tile offsets are in it;
                                0: this net cannot move its window */
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnModelSummary;
void dcnn_model_get_summary (const DcnnModel *model,
    DcnnModelSummary *summary);

/* Borrowed from the model: header of input (output) i, data NULL. */
const char *dcnn_model_input_name (const DcnnModel *model, guint i);
const DcnnTensor *dcnn_model_input (const DcnnModel *model, guint i);
const char *dcnn_model_output_name (const DcnnModel *model, guint i);
const DcnnTensor *dcnn_model_output (const DcnnModel *model, guint i);

/* One fused node of the plan, for deltacnn-inspect and statistics. All
 * strings and arrays borrowed from the model. */
typedef struct DcnnNodeInfo {
  const char *name;          /* of the last ONNX node fused in: the tensor
                                that thresholds go by */
  const char *ops;           /* "Conv+Clip+Add" */
  const char *kernel;        /* on the processor: "conv", "depthwise",
                                "bytes-conv" ... */
  const char *why;           /* "choice: reason" of faster ones refused, or "" */
  guint width, height, channels; /* of the output; 0 for tail nodes */
  guint64 macs;              /* dense */
  gsize weight_bytes, state_bytes;
  gint inside;               /* node on the way to which this one is computed
                                (see DcnnSessionOptions.store_all), so that
                                its output is not stored; -1: none */
  guint n_inputs;
  const gint *inputs;        /* producing fused nodes; -1 - i: graph input i */
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnNodeInfo;
void dcnn_model_get_node (const DcnnModel *model, guint i,
    DcnnNodeInfo *info);

/* What a fused node reads of its input map. */
typedef struct DcnnNodeWindow {
  guint in_width, in_height, in_channels; /* of that map; 0: it reads none */
  /* Of a convolution or pooling: pixel (y, x) of the output reads input rows
   * y * stride_y - pad_y + i * dilation_y, i of 0 .. kernel_y - 1, columns
   * likewise. kernel_y 0: another node. transposed: the other way round. */
  guint kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x;
  gint pad_y, pad_x;
  gboolean transposed;
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnNodeWindow;
void dcnn_model_get_window (const DcnnModel *model, guint i,
    DcnnNodeWindow *window);

/* The graph after simplification / the plan, one line a node; new text. */
char *dcnn_model_dump_graph (const DcnnModel *model);
char *dcnn_model_dump_plan (const DcnnModel *model);

#pragma GCC visibility pop
G_END_DECLS

#endif
