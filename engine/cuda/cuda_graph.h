/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_graph.h - internal: what a frame launches, while its graph is built.
 */
#ifndef DCNN_ENGINE_CUDA_GRAPH_H
#define DCNN_ENGINE_CUDA_GRAPH_H

#include "cuda.h"

G_BEGIN_DECLS

typedef enum ItemKind {
  ITEM_INPUT, /* an input map's changed pixels */
  ITEM_LISTS, /* lists, made by one launch */
  ITEM_NODE,
} ItemKind;

/* See cuda_exits.c; without an exit all are in the first. */
typedef enum ItemPart {
  PART_FIRST,
  PART_BEHIND,             /* the exit */
  PART_LAST,               /* what reads what is there, whatever ran */
} ItemPart;

typedef struct Item {
  ItemKind kind;
  guint index;             /* map, or node (LISTS: that they were made for) */
  guint first_list, n_lists; /* LISTS, and of a node what is made beside it: in
                              device order */
  gint take;               /* LISTS: the merge that says whether a gate is taken, which
                              is launched behind them; -1 */
  guint64 *before;         /* bits of the items that must be done, with what
                              those waited for */
  GArray *deps;            /* of guint: none of them follows from another */
  ItemPart part;
  guint section;           /* see cuda_sections.c */
  gboolean ends;           /* nothing of its part is behind it */
  gboolean empty;          /* it launches nothing */
  cudaGraphNode_t node;    /* its last one, once it is there */
} Item;

typedef struct Frame {
  DcnnSession *session;
  GPtrArray *items;        /* of Item*: each behind those that it waits for */
  gsize words;             /* of a set of items */
  gint *item_of_node, *item_of_map, *item_of_list; /* -1: not yet */
  gint *item_of_merge;
  guint *section_of_value; /* in which the host has it */
  DcnnCudaList *ordered;   /* lists as they are launched */
  guint n_ordered;
  gboolean *is_read;       /* by list: some launch of the level goes by it */
  gboolean *by_squares;    /* by list: some launch goes by its squares */
  guint first_unread;      /* of `ordered`: lists whose masks alone are wanted */
} Frame;

static inline Item *
frame_item (const Frame *f, guint i)
{
  return f->items->pdata[i];
}

/* cuda_exits.c: where a frame may end. To be asked once all items are there. */
guint dcnn_cuda_find_exits (const Frame *f, guint exits[CUDA_MAX_EXITS]);
/* The last item that each list is for, of a graph whose items those of the levels
 * that have an exit are too. */
void dcnn_cuda_note_uses (const Frame *f);
/* Which part each item is in, and what the second one begins with, of a level that
 * has an exit. */
cudaError_t dcnn_cuda_plan_exit (Frame *f);
/* The look, behind what is there, and behind that a graph that is within it, which
 * runs only if anything has changed. */
cudaError_t dcnn_cuda_add_conditional (Frame *f, DcnnCudaBuild *build,
    cudaGraph_t *within);

G_END_DECLS

#endif
