/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * quantise.h - the parts of deltacnn-tune --quantize: an ONNX file as it is to
 * be rewritten, ranges of its values, and the same net on 8 bits, as QDQ
 * (QuantizeLinear and DequantizeLinear around float operators).
 *
 * The file was loaded by the engine before it is read here, so it is sound.
 * Not thread-safe.
 */
#ifndef DCNN_TOOLS_QUANTISE_H
#define DCNN_TOOLS_QUANTISE_H

#include "common.h"
#include "onnx.pb-c.h"

G_BEGIN_DECLS

/* ---- the file (quantise_file.c) ------------------------------------------- */

typedef struct QuantNet {
  Onnx__ModelProto *model;
  Onnx__GraphProto *graph;  /* the model's */
  GHashTable *constants;    /* char* -> Onnx__TensorProto*, both borrowed */
  GHashTable *producers;    /* char* -> Onnx__NodeProto* */
  GHashTable *readers;      /* char* -> GPtrArray* of Onnx__NodeProto*, once a
                               use; NULL stands for an output of the graph or a
                               graph within */
  gint64 opset;             /* of the default domain */
} QuantNet;

/* Reads a file. outputs (NULL: the file's): values to end at, as in a
 * descriptor; what lies behind is dropped. Returns new, or NULL with an error
 * that says why such a file is not quantised. */
QuantNet *quant_net_open (const char *path, char **outputs, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void quant_net_free (QuantNet *net);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QuantNet, quant_net_free)

/* Rebuilds the tables after nodes changed. */
void quant_net_index (QuantNet *net);
/* A node's name for people: its own, else its output's. */
const char *quant_layer_name (const Onnx__NodeProto *node);
/* Whether a node is an operator of the default domain. */
gboolean quant_is (const Onnx__NodeProto *node, const char *op_type);
/* A constant's float32 numbers, new; NULL: it is none, or of another type. */
GArray *quant_floats (const QuantNet *net, const char *name);
/* The number of an attribute, or what stands for it. */
gint64 quant_int (const Onnx__NodeProto *node, const char *name,
    gint64 absent);
/* Adds a stored tensor of `bytes` numbers of a type of ONNX's; takes name. */
void quant_net_store (QuantNet *net, char *name, gint type, guint n_dims,
    const gint64 *dims, gconstpointer data, gsize bytes);
/* The file's bytes, new; more (may be NULL): names of values that are outputs
 * as well. */
GBytes *quant_net_pack (QuantNet *net, const GPtrArray *more);

/* ---- made simpler (quantise_fold.c) ---------------------------------------- */

/* Folds BatchNormalization and sums with a constant a channel into the
 * convolutions before them. */
void quant_net_fold (QuantNet *net);

/* ---- ranges (quantise_range.c) --------------------------------------------- */

typedef enum QuantRule {
  QUANT_LEAST_SQUARES, /* large values are cut off where that errs less */
  QUANT_EXTREMES,      /* from the smallest to the largest */
  QUANT_N_RULES,
} QuantRule;

/* A histogram that grows with what it is given. All 0: empty. */
#define QUANT_BINS 2048
typedef struct QuantRange {
  guint64 bins[QUANT_BINS]; /* of equal width, zero in the middle; exact zeros
                               are in none, for they cost nothing */
  double width;             /* of a bin */
  double low, high;         /* of all values, and 0 */
  gboolean broken;          /* no number, or infinite */
  guint64 n;
} QuantRange;
void quant_range_add (QuantRange *range, const gfloat *values, gsize n);
/* Widens the extremes to low .. high, known from elsewhere. */
void quant_range_widen (QuantRange *range, double low, double high);
/* Sums of each channel (axis 1) of a value over frames, for means, and the
 * largest magnitudes. */
typedef struct QuantMeans {
  GArray *sums, *most;      /* of gdouble */
  guint64 n;                /* elements of each */
} QuantMeans;
void quant_means_add (QuantMeans *means, const DcnnTensor *tensor);
void quant_means_clear (QuantMeans *means);

/* value = (byte - zero) * scale. */
typedef struct QuantScale {
  gfloat scale;
  guint8 zero;
} QuantScale;
QuantScale quant_range_scale (const QuantRange *range, QuantRule rule);

/* ---- the choice, the rewriting (quantise_graph.c, quantise_write.c) -------- */

/* Which values become bytes, and which layers work on them. */
typedef struct QuantPlan {
  GHashTable *layers;  /* Onnx__NodeProto*: convolutions and matrices */
  GPtrArray *left;     /* char*: "NAME: why", of those that stay float32 */
  GPtrArray *values;   /* char*: names of values that become bytes, in order */
  GHashTable *same;    /* char* -> char*: this value's scale is that one's */
  GHashTable *functions; /* char*: values of these that a function makes, of
                          float32 */
} QuantPlan;
/* keep: names of layers that stay float32, or NULL. apart: what a layer writes
 * becomes bytes also where a function such as SiLU follows, as the integer
 * kernels of other runtimes need it. Fails where nothing can be quantised, and
 * where a name is no layer's. */
QuantPlan *quant_plan_new (const QuantNet *net, char **keep, gboolean apart,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
void quant_plan_free (QuantPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QuantPlan, quant_plan_free)

/* ---- channels alike (quantise_level.c) -------------------------------------- */

/* By which number each channel of a value is to be multiplied before it
 * becomes bytes, new: char* -> GArray* of gfloat, of values whose channels
 * differ much and which only convolutions read. means: char* -> QuantMeans*. */
GHashTable *quant_level_find (const QuantNet *net, const QuantPlan *plan,
    GHashTable *means);
/* Multiplies them, and divides the weights of those that read them. Once a
 * net; plans are made after it. */
void quant_net_level (QuantNet *net, GHashTable *found);

/* Of a layer: along which axis of its weights each output channel has a scale
 * of its own. */
guint quant_layer_axis (const Onnx__NodeProto *node);

/* Rewrites net; scales: char* -> QuantScale*, of the values that become bytes;
 * a value without one stays float32, as do the layers that read it. means:
 * char* -> QuantMeans*, of what layers read: by them the bias makes good what
 * rounding its weights shifts each channel by (Nagel et al., Data-Free
 * Quantization Through Weight Equalization and Bias Correction, 2019, section
 * 4.2). weight_bits: 7 or 8. Returns how many layers work on bytes. Once a net. */
guint quant_net_rewrite (QuantNet *net, const QuantPlan *plan,
    GHashTable *scales, GHashTable *means, guint weight_bits);

G_END_DECLS

#endif
