/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_layout.h - private to the layout passes: a graph being written anew.
 */
#ifndef DCNN_PASSES_LAYOUT_H
#define DCNN_PASSES_LAYOUT_H

#include "dcnn_plan.h"

G_BEGIN_DECLS

/* Forms that values of the old graph have in the new one, by value; -1: not
 * made yet, or none. */
typedef struct Layout {
  const DcnnGraph *from;
  DcnnGraph *to;
  DcnnValueId *plain; /* the same */
  DcnnValueId *nchw;  /* the [1,C,H,W] form of a value [1,H,W,C], [H,W,C] */
  DcnnValueId *chw;   /* the [1,C,H,W] form of a value [C,H,W] */
  DcnnValueId *row;   /* the [1,C,1,L] form of a value [1,C,L] */
  DcnnValueId *stack; /* the [1,nC,H,W] form of a value [1,n,C,H,W] */
  DcnnValueId *input; /* the input of to that an input of from has become */
  gboolean *read_plain; /* by value of from: something else than a Transpose to
                           [1,C,H,W] reads it */
  gboolean turned;     /* values turned to [1,H,W,C] have their [1,C,H,W] form */
  gboolean stacks;     /* values reshaped to [1,n,C,H,W] have a stack */
} Layout;

static inline const DcnnTensor *
layout_tensor (const DcnnGraph *graph, DcnnValueId value)
{
  return &dcnn_graph_value (graph, value)->tensor;
}

/* The value in its own form, made where there is only another; -1: it cannot
 * be. */
DcnnValueId layout_plain (Layout *l, DcnnValueId value);
/* A node of one input and output; shape as in dcnn_graph_add_node(). -1: it
 * was refused. */
DcnnValueId layout_add_node (Layout *l, const char *name, DcnnOp op,
    const DcnnParams *params, DcnnValueId input, const char *out,
    const DcnnTensor *shape);
/* Whether a node is that Transpose. */
gboolean layout_has_perm (const DcnnNode *node, int rank, const int *perm);
extern const int layout_to_nchw[4], layout_to_nhwc[4];
DcnnValueId layout_add_transpose (Layout *l, DcnnValueId input,
    const int *perm, const char *out);
/* A constant of like's shape with from's elements; -1: out of memory. */
DcnnValueId layout_add_constant (Layout *l, const char *name,
    const DcnnTensor *like, const DcnnTensor *from);

/* A value that was made before under a name that the file has not; -1: none. */
DcnnValueId layout_find_made (const Layout *l, const char *name);

/* passes_rows.c: whether there are convolutions in one dimension. */
gboolean layout_has_rows (const DcnnGraph *graph);
/* The node on [1,C,1,L]. FALSE: it is none of these, or cannot be moved. */
gboolean layout_row_node (Layout *l, const DcnnNode *node);

/* passes_products.c: whether there are products along channels that come
 * last. */
gboolean layout_has_products (const DcnnGraph *graph);
/* The product as a convolution on [1,C,H,W]. FALSE: it is none, or its input
 * has no such form. */
gboolean layout_product_node (Layout *l, const DcnnNode *node);

/* passes_stack.c: whether maps are added up that lie on an axis of their
 * own. */
gboolean layout_has_stacks (const DcnnGraph *graph);
/* The node on [1,nC,H,W]. FALSE: it reads no such form, or cannot be moved. */
gboolean layout_stack_node (Layout *l, const DcnnNode *node);

G_END_DECLS

#endif
