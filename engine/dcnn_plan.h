/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_plan.h - internal: a network as fused nodes on feature maps.
 *
 * The planner lowers a graph (dcnn_graph.h) to a list of plan nodes in
 * execution order. A node is one of:
 *   KERNEL  a primary operator, point-wise steps, judgement: what one kernel does
 *   GLOBAL  a map reduced to one pixel by exact sums per 8x8 block: pooling,
 *           or the moments of a normalisation
 *   GATHER  maps scattered into a dense tensor by affine strides: outputs in
 *           ONNX layout, and whole detection-head tails
 *   TAIL    a reference operator on dense tensors, run when an input changed
 *   IMPORT  a dense tensor compared into a map (the way back)
 *
 * Maps are views on buffers; a concatenation over channels is a buffer whose
 * pieces are written in place, a split is a view. Each piece starts where the
 * layout allows it, so a map's logical channel c sits at position[c].
 * Positions that no channel has are holes. Holes always hold 0, of either sign:
 * readers go over them with weights of 0 and must not meet what is not finite.
 * Nodes that work on a map as it lies keep them so (plan_step_fits()); before
 * one that would not, the map is copied without holes.
 *
 * What a node computes is said in logical channels (dcnn_plan_op.h): backends
 * pack it as they want it, once a model (DcnnBackend.model_new).
 *
 * A plan is immutable once built and shared by sessions. Built by one thread.
 * C++ may include this header.
 */
#ifndef DCNN_PLAN_H
#define DCNN_PLAN_H

#include "dcnn_graph.h"
#include "dcnn_mask.h"
#include "dcnn_plan_op.h"

G_BEGIN_DECLS

/* How numbers are stored. */
typedef enum PlanStore {
  PLAN_STORE_F32,
  PLAN_STORE_F16,
  PLAN_STORE_BF16,
} PlanStore;

/* How a device wants maps to lie, in elements; powers of two. A backend says it
 * for a precision (DcnnBackend.layout), and padding, the places of pieces,
 * views and the sizes of buffers follow from it. */
typedef struct PlanLayout {
  guint pixel;             /* a pixel takes a multiple of so many */
  guint slice;             /* a piece of a concatenation begins on a multiple */
  guint view;              /* channels of a map are a view when they begin on a
                              multiple, else a copy */
  guint picture;           /* a picture of up to so many channels takes just so
                              many; 0: as any map */
  PlanStore store;         /* of ordinary maps. Outputs, gates, maps of one pixel
                              and constants are float32 whatever it says */
} PlanLayout;

/* The cpu's, in which a model is planned when it is loaded: vectors of 8 floats
 * (DCNN_LANES). No other backend names it (tests/lint/lint.py devices). */
extern const PlanLayout plan_layout_cpu;

/* n elements in whole granules. */
static inline guint
plan_granules (guint n, guint granule)
{
  return (n + granule - 1) / granule * granule;
}

/* A feature map: a view on a buffer. */
typedef struct PlanMap {
  guint width, height;
  guint channels;          /* logical */
  guint span;              /* floats of a pixel from the first to the last */
  guint32 *position;       /* [channels] inside the view; NULL: identity */
  gint parent;             /* map whose storage this lies in; -1: own buffer */
  guint parent_offset;     /* elements */
  gboolean written;        /* a node writes it (else: input, view, concat) */
  gint source;             /* plan node that writes it; -1 none */
  GArray *pieces;          /* of gint: maps whose masks make this one's; NULL
                              when it has a mask of its own */
  gint mask;               /* index of its own update mask; -1: see pieces */
  float *constant;         /* [height][width][channels] filled at creation */
  gint graph_input;        /* index of the model input it holds; -1 */
  guint readers;           /* nodes that read it, and maps it is a part of */
  gboolean bytes;          /* the cpu may store value - low as a byte, all maps
                              of the buffer alike: dcnn_plan_find_bytes() */
  gint low;
  /* storage, after dcnn_plan_assign_storage(): */
  gint buffer;
  guint offset;            /* elements from the pixel's start in the buffer */
  guint stride_y, stride_x;/* input pixels a pixel; 0: not on the input grid */
} PlanMap;

typedef struct PlanBuffer {
  guint width, height, pixel_elements;
  gint geometry;           /* index of its torus tables */
  gint source;             /* plan node that alone writes it; -1 */
  PlanStore store;         /* of a backend whose maps are all alike */
  gboolean bytes;          /* PlanMap.bytes of its maps */
} PlanBuffer;

/* Torus tables are shared by buffers of one shape. */
typedef struct PlanGeometry {
  guint width, height, pixel_elements;
} PlanGeometry;

typedef enum PlanNodeKind {
  PLAN_KERNEL,
  PLAN_GLOBAL,
  PLAN_GATHER,
  PLAN_TAIL,
  PLAN_IMPORT,
} PlanNodeKind;

/* How candidates follow from the update mask of the primary's input. */
typedef enum PlanReach {
  PLAN_REACH_SAME,
  PLAN_REACH_WINDOW,
  PLAN_REACH_TRANSPOSED,
  PLAN_REACH_TABLE,
} PlanReach;

typedef struct PlanGatherSource {
  gint map;
  gint64 base, stride_y, stride_x, stride_c; /* elements of the tensor */
} PlanGatherSource;

typedef struct PlanNode {
  PlanNodeKind kind;
  char *name;              /* last ONNX output tensor fused in */
  GString *ops;            /* "Conv+Clip" */
  GString *why;            /* "choice: reason" of faster ones, or empty */
  /* KERNEL, GLOBAL */
  DcnnPrimary primary;
  PlanOp op;               /* KERNEL: what primary needs */
  gint in, out;            /* maps; -1 */
  gint n_steps;
  PlanStep steps[DCNN_MAX_STEPS + 1]; /* [n_steps], and one that joins the
                              last */
  PlanReach reach;
  DcnnWindow window;       /* WINDOW, TRANSPOSED */
  guint taps_y, taps_x;    /* TABLE */
  guint32 *index_y, *index_x; /* [out height][taps_y]: rows of the in map
                              that an out row reads, UINT32_MAX: none;
                              columns likewise. Owned */
  guint64 macs_per_pixel;
  guint64 tail_macs;       /* TAIL: of the whole operator */
  /* A block (cpu/dcnn_block.c): the nodes that may be computed on the way to this
   * one, -1: none */
  gint expand, depthwise;
  gboolean block_pays;     /* in sparse frames, too */
  gint into;               /* the node in whose block this one is; -1 */
  gboolean is_output;      /* feeds a graph output: threshold 0 */
  gboolean is_gate;        /* 1x1 map read by larger ones */
  gboolean passes_on;      /* may store all of its candidates unjudged, see
                              dcnn_plan_find_passing() */
  GArray *terms;           /* KERNEL: of PlanTerm, what its candidates come
                              from when all nodes that may pass on do */
  gboolean maximum;        /* GLOBAL: maximum, else mean */
  PlanNorm *norm;          /* GLOBAL: not a pooling but moments. The out map
                              holds three vectors of the in map's span, each
                              padded: what to subtract, multiply and add */
  /* GATHER, TAIL, IMPORT: graph values */
  DcnnValueId value;       /* GATHER: tensor written; IMPORT: tensor read */
  GArray *sources;         /* GATHER: of PlanGatherSource */
  gint graph_node;         /* TAIL */
  GArray *deps;            /* of gint, producing nodes (-1 - i: input i) */
} PlanNode;

/* Orders of a map's elements in a dense tensor. */
typedef enum PlanOrder {
  PLAN_ORDER_CHW, /* [1, C, H, W] and its flattenings */
  PLAN_ORDER_HWC,
  PLAN_ORDER_WHC,
} PlanOrder;

/* How a graph value exists at run time. */
typedef struct PlanValue {
  gint map;                /* as a map; -1 */
  gint64 stride_y, stride_x, stride_c; /* of the map's elements in the dense
                              tensor */
  gint tensor;             /* index of its dense tensor; -1 */
  gint tensor_node;        /* plan node that writes the tensor; -1 */
  gboolean lazy;           /* made by data movement only, not yet needed */
  gboolean foreign;        /* has a map, but is not [1, C, H, W] itself */
} PlanValue;

/* A DcnnState at run time. */
typedef struct PlanState {
  gint input;              /* index among the graph's inputs */
  gint map;                /* that holds it; -1: a dense tensor does */
  gint source_map;         /* of the input that it is kept from; -1: it is fed
                              back from an output */
  gint source_tensor;      /* of that output */
  gfloat initial;
} PlanState;

typedef struct DcnnPlan {
  DcnnGraph *graph;        /* constants are read from it */
  gboolean owns_graph;     /* else it is another plan's, which outlives this */
  PlanLayout layout;
  GPtrArray *maps;         /* of PlanMap* */
  GPtrArray *nodes;        /* of PlanNode*, execution order */
  GArray *buffers;         /* of PlanBuffer */
  GArray *geometries;      /* of PlanGeometry */
  PlanValue *values;       /* by DcnnValueId */
  GArray *tensors;         /* of DcnnValueId: dense tensors a session holds */
  GArray *tensor_places;   /* of gint, by tensor: the place that it lies in */
  GArray *places;          /* of gsize: bytes, see dcnn_plan_place_tensors() */
  gint n_masks;
  GArray *states;          /* of PlanState, in the graph's order */
  gint image_input;        /* index of the model's image input; -1 */
  gboolean image_nhwc;
  gboolean image_integer;  /* the file's is of whole numbers: it scales them by
                              itself */
  guint tile;              /* total stride; 0: the window cannot move */
  guint64 macs;
} DcnnPlan;

static inline PlanMap *
plan_map (const DcnnPlan *plan, gint i)
{
  return (PlanMap *) plan->maps->pdata[i];
}

static inline PlanNode *
plan_node (const DcnnPlan *plan, gint i)
{
  return (PlanNode *) plan->nodes->pdata[i];
}

/* Is a map filled from outside of the maps: by an input, or by a dense tensor? */
static inline gboolean
plan_map_comes_in (const DcnnPlan *plan, gint i)
{
  const PlanMap *map = plan_map (plan, i);

  return map->graph_input >= 0 || (map->source >= 0 &&
      plan_node (plan, map->source)->kind == PLAN_IMPORT);
}

/* The map that takes the picture; -1: no input is one. */
static inline gint
plan_picture_map (const DcnnPlan *plan)
{
  for (guint i = 0; plan->image_input >= 0 && i < plan->maps->len; i++)
    if (plan_map (plan, (gint) i)->graph_input == plan->image_input)
      return (gint) i;
  return -1;
}

/* Its size, network pixels; 0 where there is none. */
static inline void
plan_picture_size (const DcnnPlan *plan, guint *width, guint *height)
{
  gint map = plan_picture_map (plan);

  *width = map < 0 ? 0 : plan_map (plan, map)->width;
  *height = map < 0 ? 0 : plan_map (plan, map)->height;
}

/* Simplifies and plans, laid out for the cpu. Takes graph (also on failure). */
DcnnPlan *dcnn_plan_new (DcnnGraph *graph, GError **error);
/* The same network laid out otherwise: what it computes is the same, its maps
 * and copies may be others. Borrows plan's graph. */
DcnnPlan *dcnn_plan_again (const DcnnPlan *plan, const PlanLayout *layout,
    GError **error);
void dcnn_plan_free (DcnnPlan *plan);
char *dcnn_plan_dump (const DcnnPlan *plan);
/* Bytes of a node's weights and tables, as float32 and as lowered. */
gsize plan_node_weight_bytes (const DcnnPlan *plan, const PlanNode *node);
/* "conv", "block-sums" ...: static storage. */
const char *plan_node_kernel (const PlanNode *node);

/* ---- passes on the graph (dcnn_passes.c) ------------------------------- */

/* Runs every pass; see the list in dcnn_passes.c. most_bytes: what new
 * constants may take. */
gboolean dcnn_passes_run (DcnnGraph *graph, gsize most_bytes, GError **error);
/* dcnn_passes.c: what only hands on its input goes. */
void dcnn_passes_identities (DcnnGraph *graph);
/* passes_layout.c: takes graph; pictures with channels last, or of integers,
 * become float32 maps. Returns graph itself, or a new one. */
DcnnGraph *dcnn_passes_layout (DcnnGraph *graph);
/* passes_shuffle.c: pixel shuffles spelled out become DepthToSpace. */
void dcnn_passes_shuffle (DcnnGraph *graph);
/* passes_gelu.c: GELU spelled out becomes Gelu. */
void dcnn_passes_gelu (DcnnGraph *graph);
/* passes_repeats.c: pixels repeated by Tile or Expand become Resize. */
void dcnn_passes_repeats (DcnnGraph *graph);
/* passes_moments.c: norms by a factor and a sum become norms by a difference. */
void dcnn_passes_moments (DcnnGraph *graph);
/* By value: whether it is an output of the graph. New; free with g_free(). */
gboolean *dcnn_graph_find_outputs (const DcnnGraph *graph);

/* ---- pieces of the planner -------------------------------------------- */

typedef struct PlanBuilder {
  DcnnPlan *plan;
  DcnnGraph *graph;        /* the plan's */
  gboolean *done;          /* by graph node: lowered, fused away or lazy */
  GArray **readers;        /* by value: graph nodes that read it (gint), once
                              each */
  gboolean *is_output;     /* by value: of the graph */
  gint64 traced;           /* indices that traces have held: dcnn_plan_trace.h */
  GError *error;           /* the first; checked between nodes */
  gsize bytes, most_bytes; /* of the weights and tables of maps and nodes, and
                              what they may take */
  guint counted_maps, counted_nodes; /* those that are in bytes */
  GString *refusal;        /* why the graph node at hand is not on maps */
} PlanBuilder;

/* Notes why the graph node at hand is not lowered to a node on maps; the last
 * note is what users see. Returns FALSE. */
gboolean plan_refuse (PlanBuilder *b, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* plan_build.c */
void plan_map_free (gpointer map);
void plan_node_free (gpointer node);
gint plan_add_map (DcnnPlan *plan, guint width, guint height, guint channels);
/* A map of in's size and channel layout. */
gint plan_add_map_like (DcnnPlan *plan, gint map);
/* A node on its own; whatever it reads may still be added to the plan until
 * plan_commit_node() appends it (returns its index). */
PlanNode *plan_new_node (PlanBuilder *b, PlanNodeKind kind, const char *ops);
gint plan_commit_node (PlanBuilder *b, PlanNode *node);
/* The node's out map gets a mask of its own. */
void plan_node_writes (PlanBuilder *b, PlanNode *node, gint map);
void plan_set_map (PlanBuilder *b, DcnnValueId value, gint map);
/* The same for a value whose dense form has another order. */
void plan_set_map_order (PlanBuilder *b, DcnnValueId value, gint map,
    PlanOrder order);
/* [1, C, H, W], float32, sizes a map can have. */
gboolean plan_is_map_shaped (const DcnnPlan *plan, DcnnValueId value);
guint32 plan_position (const PlanMap *map, guint channel);
/* Positions are unique, so a span without holes is as many as its channels. */
static inline gboolean
plan_has_holes (const PlanMap *map)
{
  return map->span != map->channels;
}

gboolean plan_same_layout (const PlanMap *a, const PlanMap *c);
/* map with its channels where like has them (NULL: 0, 1, 2 ...): map itself,
 * or a copy. */
gint plan_relayout (PlanBuilder *b, gint map, const PlanMap *like);

/* NULL: no such value; a constant of floats, else NULL. */
const DcnnTensor *plan_value_tensor (PlanBuilder *b, DcnnValueId value);
const float *plan_value_floats (PlanBuilder *b, const DcnnNode *gn,
    int input);
/* The map that a value of shape [1, C, H, W] will be written to. */
gint plan_new_output_map (PlanBuilder *b, DcnnValueId value);

/* plan_layout.c, and plan_trace.c, which follows movement for it: a lazy value
 * as strided scatter from maps (GATHER), or as a map through views, channel
 * gathers, resampling, space-to-depth. FALSE: neither. mixed: it is padded with
 * several values. */
gboolean plan_trace_tensor (PlanBuilder *b, DcnnValueId value);
gboolean plan_trace_map (PlanBuilder *b, DcnnValueId value, gboolean *mixed);
/* The map whose elements a value holds in that order (of a dense tensor, last
 * dimension fastest); -1: it is no such value. */
gint plan_trace_order (PlanBuilder *b, DcnnValueId value, PlanOrder order);
gint plan_add_depth_to_space (PlanBuilder *b, gint map,
    const DcnnDepthParams *params, guint channels);

/* plan_values.c: map of a value, importing the dense tensor when there is none;
 * -1: no map can hold it. */
gint plan_require_map (PlanBuilder *b, DcnnValueId value);
/* plan_trace_map(), with several paddings one operator at a time. */
gboolean plan_map_lazily (PlanBuilder *b, DcnnValueId value);
/* Dense tensor of a value, gathering from maps when there is none. */
void plan_require_tensor (PlanBuilder *b, DcnnValueId value);
/* why: what refused it on maps. */
void plan_lower_dense (PlanBuilder *b, gint graph_node, const char *why);

/* plan_match.c: follows the readers of a node's output and turns them into
 * steps; returns the value that the fused node finally makes. */
DcnnValueId plan_absorb_steps (PlanBuilder *b, PlanNode *node,
    DcnnValueId value);
/* One element-wise graph node as a step on its input `value`, whose row lies
 * as the map `out`. FALSE: not possible. */
gboolean plan_step_from_node (PlanBuilder *b, gint graph_node,
    DcnnValueId value, gint out, PlanStep *step);
gboolean plan_op_is_elementwise (DcnnOp op);
/* An element-wise node as a step on its first (or second) input, without its
 * operand. FALSE: it is none. */
gboolean plan_step_of_op (const DcnnNode *gn, gboolean first, PlanStep *step);
/* A batch normalisation of a map as two steps, a product and a sum. FALSE: its
 * parameters are computed. */
gboolean plan_norm_steps (PlanBuilder *b, const DcnnNode *gn,
    const PlanMap *map, PlanStep *steps);
/* A map of that size that holds a constant of floats, broadcast over it; -1: no
 * memory. */
gint plan_add_constant_map (PlanBuilder *b, const DcnnTensor *t, guint width,
    guint height);
/* Whether that node may work on its input `value` as it lies in the map: its
 * operand can be laid out so, and holes stay 0. */
gboolean plan_step_fits (PlanBuilder *b, gint graph_node, DcnnValueId value,
    const PlanMap *map);
/* The only reader of value, not lowered yet, when it is of that op; else -1. */
gint plan_sole_reader (PlanBuilder *b, DcnnValueId value, DcnnOp op);

/* How an operator becomes nodes on maps: plan_lower_<...>, named in ops.def, in
 * plan_ops.c, plan_channels.c, plan_norm.c and plan_join.c; "move" in
 * plan_values.c. FALSE, with a note why: it does not, and becomes a TAIL. */
typedef gboolean (*PlanLowerFn) (PlanBuilder *b, gint graph_node);
#define DCNN_OP(ENUM, name, infer, ref, lowering)                              \
  gboolean plan_lower_##lowering (PlanBuilder *b, gint graph_node);
#include "ops.def"
#undef DCNN_OP

/* plan_kernel.c: notes that its input or result (what) is no map. FALSE. */
gboolean plan_refuse_shape (PlanBuilder *b, const char *what,
    DcnnValueId value);
/* Input 0 as a map; its output is a map too. -1: not for us. */
gint plan_map_input (PlanBuilder *b, const DcnnNode *gn);
PlanNode *plan_start_kernel (PlanBuilder *b, const DcnnNode *gn,
    DcnnPrimary primary, gint in, gint out);
/* Fuses what follows, appends the node, and says where the value is. */
gboolean plan_finish_kernel (PlanBuilder *b, PlanNode *node,
    DcnnValueId value);
/* The pooling of a map to one pixel. */
gboolean plan_lower_global (PlanBuilder *b, const DcnnNode *gn,
    gboolean maximum);

/* plan_channels.c: appends the node, whose value holds its map in that order; the operator
 * that brings it back to [1, C, H, W] and what follows are fused in. */
gboolean plan_finish_ordered (PlanBuilder *b, PlanNode *node,
    DcnnValueId value, PlanOrder order);

/* plan_roles.c: deps, is_output, is_gate and macs of a plan whose nodes are all
 * there. */
void dcnn_plan_find_roles (DcnnPlan *plan);
/* FALSE: a picture that is kept for a frame is no map. */
gboolean dcnn_plan_add_states (DcnnPlan *plan);

/* plan_bytes.c: sets PlanMap.bytes; after dcnn_plan_find_roles(). A KERNEL node
 * that keeps its in map from being of bytes has PlanNode.why say so. */
void dcnn_plan_find_bytes (DcnnPlan *plan);
/* Why a KERNEL node cannot read a map of bytes, static storage; NULL: it
 * can. */
const char *dcnn_plan_bytes_refusal (const DcnnPlan *plan,
    const PlanNode *node);

/* plan_places.c: tensors that hold nothing from frame to frame share places. */
void dcnn_plan_place_tensors (DcnnPlan *plan);

/* plan_storage.c */
void dcnn_plan_assign_storage (DcnnPlan *plan);
void dcnn_plan_find_tile (DcnnPlan *plan);

/* plan_price.c */

/* For each node: the work, as a share of a dense frame's, that a pixel which
 * joins its update mask makes downstream. price: [nodes]. */
void dcnn_plan_price (const DcnnPlan *plan, gdouble *price);
/* What the criterion "influence" compares with, at t = 1: the price times the
 * square root of the area that a pixel of the node covers, in pixels of the
 * largest map. Neighbours change together, and their errors add up; where a
 * pixel covers more, fewer of them do. limits: [nodes]. */
void dcnn_plan_limits (const DcnnPlan *plan, gdouble *limits);

/* plan_blocks.c */
typedef enum PlanBlocks {
  PLAN_BLOCKS_NONE,        /* every node on its own */
  PLAN_BLOCKS_PAYING,      /* for sparse frames: a depthwise and a 1x1
                              convolution, where that pays */
  PLAN_BLOCKS_TALL,        /* for dense frames on a few threads: these, and all
                              whose end has rows enough to share out */
  PLAN_BLOCKS_ALL,         /* for dense frames on one: all that there are */
} PlanBlocks;

void dcnn_plan_find_blocks (DcnnPlan *plan);
/* Whether a node is computed on the way to another, and its map not stored.
 * node may be -1. */
gboolean dcnn_plan_inside (const DcnnPlan *plan, gint node, PlanBlocks blocks);

/* plan_passing.c */

/* Candidates of a node: what the changes of a map reach. */
typedef struct PlanTerm {
  gint map;                /* whose mask */
  PlanReach reach;
  gboolean all;            /* any change reaches every pixel (a gate) */
  DcnnWindow window;       /* WINDOW, TRANSPOSED */
  gint node;               /* TABLE: whose tables; the reader's otherwise */
  guint windows;           /* of more than one pixel that it is made of */
} PlanTerm;

#define PLAN_MOST_TERMS 16
/* Of several terms together: what a list of a device has room for. */
#define PLAN_MOST_MASKS 32

/* Sets PlanNode.passes_on and terms. */
void dcnn_plan_find_passing (DcnnPlan *plan);
/* Whether nodes of one size with these terms have equal candidates. */
gboolean plan_terms_equal (const GArray *a, const GArray *b);
/* How many masks a map's changes are in. */
guint plan_count_masks (const DcnnPlan *plan, gint map);

G_END_DECLS

#endif
