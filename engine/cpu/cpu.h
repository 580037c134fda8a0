/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cpu.h - internal: what a session and its streams hold on the processor.
 *
 * A stream owns the stored values S of every fused node, update masks, and
 * everything else that changes from frame to frame; a session owns what its
 * streams take turns with (threads, scratch). CUDA keeps the same beside its
 * own, for its input stage, its policy and its tails.
 *
 * Nothing above the backends includes this (tests/lint/edges.txt).
 */
#ifndef DCNN_ENGINE_CPU_H
#define DCNN_ENGINE_CPU_H

#include "dcnn_engine.h"
#include "dcnn_input.h"
#include "dcnn_kernels.h"
#include "dcnn_pool.h"

G_BEGIN_DECLS

typedef struct CpuNodeState {
  NodeState *told;         /* the stream's: threshold and statistics */
  DcnnJob job;
  StreamMask pending;      /* settling: stored value differs, or may */
  float *inv_spread;       /* [span padded]; pads 0 */
  gboolean spread_valid;
  float *sums;             /* GLOBAL: [blocks][span padded] */
  gdouble *moments;        /* GLOBAL of a normalisation, instead of sums: see
                              DcnnBlockMomentsFn */
  gboolean sums_valid;
} CpuNodeState;

/* How the window moved before this frame; dcnn_stream_seen() says what it saw
 * before, too. */
typedef struct StreamMove {
  gboolean active;
  gint dy, dx;             /* network pixels that the window moved */
} StreamMove;

typedef struct CpuStream {
  CpuNodeState *nodes;     /* by plan node */
  DcnnStep *steps;         /* of their jobs, one node's after the other's */
  guint8 *memory;          /* all buffers, one after the other */
  gfloat **buffers;        /* by plan buffer */
  guint32 **row_offset, **col_offset; /* by plan geometry */
  guint32 (*torus)[2];     /* by plan geometry: y, x */
  DcnnMap *maps;           /* by plan map */
  StreamMask *exact;       /* by plan mask: changed by settling instead */
  DcnnTensor *tensors;     /* by plan tensor; data: its place's */
  gpointer *places;        /* by plan place */
  gboolean *tensor_changed;
  guint8 **tensor_rows;    /* by plan tensor: which rows of its last dimension
                              changed, when it did; NULL: not told apart */
  gboolean dense;          /* this frame does */
  DcnnDearFrames dear;     /* whether frames would rather run dense */
  gdouble cost;            /* of this frame's nodes: DcnnNodeCost */
  guint wired;             /* of the session's sets of blocks, that which the
                              nodes' jobs are made for */
  gboolean hollow;         /* maps inside of blocks of set 1 are stale */
  StreamMove move;
  /* picture input */
  DcnnInputStage *stage;
  guint64 stages;          /* made so far: which one this is */
  DcnnMask differs, force;
  DcnnSettling settling;
  guint64 settled_macs;    /* of this frame */
  guint64 macs_done;
  gsize bytes;
} CpuStream;

/* A block of nodes as a session runs it: dcnn_block.c. */
typedef struct SessionBlock SessionBlock;

typedef struct BlockSet {
  PlanBlocks which;
  SessionBlock **blocks;   /* by node that ends one; NULL: no such set */
  gsize ring_bytes;        /* of a thread: what they hold on the way */
  gint buffer;             /* the stream's in which that lies; -1: in
                              CpuSession.rings */
} BlockSet;

/* Memory for a mask of the largest map. Whoever puts one there makes it with
 * dcnn_room() and hands it to those that work on it: no function returns
 * anything through it that its caller did not give. */
typedef enum CpuRoom {
  ROOM_CANDIDATES,
  ROOM_TURN,               /* of what settling has left to do */
  ROOM_PIECES,             /* a union, for as long as one question takes */
  CPU_ROOMS
} CpuRoom;

typedef struct CpuSession {
  CpuStream *streams;      /* [n_streams] */
  const DcnnCpuKernels *kernels;
  DcnnPool *pool;          /* NULL: one thread */
  void **scratch;          /* by thread */
  guint64 *rooms[CPU_ROOMS]; /* one piece, the first's */
  void *mask_scratch;
  guint32 *list;
  guint8 *verdicts;
  guint32 *tail_rows;      /* rows that a tail computes; NULL: no tails */
  float *tail_pack;        /* a matrix of a product */
  BlockSet sets[2];        /* 1: for dense frames, when they are many */
  SessionBlock **blocks;   /* of the set in use, as is plan_blocks */
  DcnnNodeCost *costs;     /* by node */
  gboolean weighs_frames;  /* what lists cost is told (dcnn_frame_ran()) */
  gdouble dense_cost;      /* of all whole maps */
  gchar *rings;            /* of all threads: see BlockSet */
  gsize *strip_starts;     /* of a list: [word rows of the highest map + 1] */
  float *ones;             /* for criteria without a spread */
  gdouble *spread_sums;    /* while spreads are measured */
  gpointer *initial;       /* by state: what a first frame finds; NULL: the
                              picture */
  gsize bytes;
} CpuSession;

/* ---- cpu_prepare.c: a plan's operators as the processor wants them ------ */

/* Arrays by position in a pixel. */
typedef struct CpuNode {
  DcnnPrepared *prepared;  /* KERNEL */
  DcnnPrepared *bytes;     /* of a map of bytes, instead; or NULL */
  DcnnBytesTable *table;   /* likewise: DcnnJob.table; or NULL */
  float *vectors[DCNN_MAX_STEPS]; /* constant VECTORs, [out span padded] */
  /* GLOBAL of a normalisation, [in span padded] */
  guint32 *group;          /* UINT32_MAX: no channel lies here */
  float *scale, *bias;
  float *panels;           /* TAIL: a product's constant operand; or NULL */
} CpuNode;

/* What DcnnSession.weights is on the cpu. Immutable. */
typedef struct CpuWeights {
  guint n_nodes;
  CpuNode *nodes;          /* by plan node */
} CpuWeights;

/* cpu_kernels.c: what a KERNEL node's kernels read, into packed. FALSE: out of
 * memory. */
gboolean dcnn_cpu_pack (const DcnnPlan *plan, const PlanNode *node,
    CpuNode *packed);
/* dcnn_tail.c: what a TAIL node's product multiplies by, into packed. FALSE: out
 * of memory. */
gboolean dcnn_tail_pack (const DcnnPlan *plan, const PlanNode *node,
    CpuNode *packed);
/* As DcnnBackend.kernel. */
const char *dcnn_cpu_kernel (const DcnnPlan *plan, const PlanNode *node,
    GString *refused);
/* As DcnnBackend.model_new and model_free. */
gpointer dcnn_cpu_weights_new (const DcnnPlan *plan, gint index,
    GError **error);
void dcnn_cpu_weights_free (gpointer weights);
/* cpu.c: a frame's tensors into the input's maps and tensors. */
void dcnn_cpu_take_tensors (DcnnSession *session, DcnnStream *stream,
    const BackendFrame *frame);

/* A mask of the map's size; what is in it is not said. */
static inline DcnnMask
dcnn_room (const DcnnSession *session, CpuRoom room, const PlanMap *map)
{
  DcnnMask mask;

  dcnn_mask_init (&mask, map->width, map->height, session->cpu->rooms[room]);
  return mask;
}

static inline const CpuNode *
dcnn_cpu_node (const DcnnSession *session, guint node)
{
  return &((const CpuWeights *) session->weights)->nodes[node];
}

/* ---- dcnn_stream.c: state ----------------------------------------------- */

/* New zeroed memory for any vector, on huge pages where there is enough of it
 * and the system has them; to be freed with free(). NULL: none. Adds to total
 * either way. */
gpointer dcnn_take (gsize bytes, gsize *total);
/* What a stream will hold, with those nodes inside of blocks; on_bytes: maps
 * that may be of bytes are. */
gsize dcnn_stream_bytes (const DcnnPlan *plan, PlanBlocks blocks,
    gboolean on_bytes);
/* The same, of sessions as they are by default. */
gsize dcnn_stream_predict_bytes (const DcnnPlan *plan);
/* Steps of all KERNEL nodes. */
guint dcnn_cpu_count_steps (const DcnnPlan *plan);
/* A KERNEL node's job on those maps, by plan map. on_bytes: where they are of
 * bytes, the job is. steps: zeroed; the job's lie there, and it moves past them. */
void dcnn_cpu_job (const PlanNode *node, const CpuNode *packed,
    gboolean on_bytes, const DcnnMap *maps, DcnnStep **steps, DcnnJob *job);
/* FALSE: out of memory. */
gboolean dcnn_stream_init (DcnnStream *stream, DcnnSession *session);
void dcnn_stream_clear (DcnnStream *stream, const DcnnPlan *plan);
/* The rows of a map that lie in the band being settled. */
void dcnn_stream_band (const DcnnStream *stream, DcnnMask *mask);
/* Recomputes torus tables after the window moved by (dy, dx) network pixels
 * and shifts what is kept in window coordinates. */
void dcnn_stream_move (DcnnStream *stream, DcnnSession *session, gint dy,
    gint dx);
/* Rows and columns of a map that were in the window before its last move. */
void dcnn_stream_seen (const DcnnStream *stream, const PlanMap *map, gint *y0,
    gint *y1, gint *x0, gint *x1);
/* The mask of a map of this frame, from masks (stream->masks or
 * CpuStream.exact): its own, or the union of its pieces' in room, which has
 * words for it. NULL: empty. */
const DcnnMask *dcnn_stream_mask (const DcnnPlan *plan,
    const StreamMask *masks, gint map, DcnnMask *room);

/* ---- cpu_memory.c -------------------------------------------------------- */

/* Whether RAM and swap can hold all of a session's streams: one that they cannot
 * is refused before anything of it is taken. TRUE where nobody knows. */
gboolean dcnn_session_fits (const DcnnSession *session, GError **error);
/* Sets the error: what was needed, what there is, the node that keeps the
 * most, the remedy. */
void dcnn_session_no_memory (const DcnnSession *session, GError **error);

/* ---- dcnn_run.c: one frame ---------------------------------------------- */

/* Runs all nodes after the input maps' masks are set. */
void dcnn_run_nodes (DcnnSession *session, DcnnStream *stream);
/* Work split over threads; units of about equal cost. */
void dcnn_run_parallel (DcnnSession *session, gsize units, gsize chunk,
    guint64 cost, DcnnPoolFn fn, gpointer data);

/* ---- dcnn_block.c: nodes computed on the way to another ----------------- */

/* Allocates what blocks need, and points the jobs of the nodes in them there.
 * FALSE: out of memory. */
gboolean dcnn_blocks_init (DcnnSession *session);
/* Set 0 or 1 for the stream's next run. */
void dcnn_blocks_use (DcnnSession *session, DcnnStream *stream, guint set);
void dcnn_blocks_clear (DcnnSession *session);
/* Whether a node ends a block. */
gboolean dcnn_block_ends (const DcnnSession *session, gint node);
/* The map that the node's block reads: of a node on its own, its in map. */
gint dcnn_block_input (const DcnnSession *session, gint node);
/* MACs of a pixel of the node and of what is computed on the way to it. */
guint64 dcnn_block_macs (const DcnnSession *session, gint node);
/* Runs the block that ends in the node on the pixels of mask, whose list of
 * entries the node's job has; NULL: on the whole map. */
void dcnn_block_run (DcnnSession *session, DcnnStream *stream, gint node,
    const DcnnMask *mask);

/* ---- dcnn_frame.c: whole frames ----------------------------------------- */

void dcnn_frame_costs_init (DcnnSession *session);
/* Once a frame that does not run dense anyway, or a first one: whether it had
 * better, now that it is known how much of the input changed. */
gboolean dcnn_frame_turns_dense (DcnnSession *session, DcnnStream *stream,
    gsize changed, gsize pixels);
/* Which set of blocks the frame runs with. */
guint dcnn_frame_blocks (const DcnnSession *session, const DcnnStream *stream);
/* Once its nodes have run. cost: what lists took, beside what whole maps would
 * have. */
void dcnn_frame_ran (DcnnSession *session, DcnnStream *stream, gdouble cost);

/* ---- dcnn_judge.c: thresholds, spreads, candidates ---------------------- */

/* The rule of a node in a frame that is not dense. */
DcnnCriterionRule dcnn_judge_rule (const DcnnSession *session,
    const DcnnStream *stream, gint node);
void dcnn_judge_node (DcnnSession *session, DcnnStream *stream, gint node);
/* Whether the criterion divides by a node's spread, which must then be measured
 * from its map. */
gboolean dcnn_needs_spread (const DcnnSession *session,
    const DcnnStream *stream, guint node);
void dcnn_measure_spreads (DcnnSession *session, DcnnStream *stream);
/* Candidates of a node after the changes in masks (stream->masks or
 * CpuStream.exact), into a mask of its out map's size. FALSE: none, and nothing
 * is said of what the mask holds. */
gboolean dcnn_find_candidates (DcnnSession *session, const StreamMask *masks,
    gint node, DcnnMask *candidates);

/* ---- dcnn_global.c: maps to one pixel ----------------------------------- */

void dcnn_run_global (DcnnSession *session, DcnnStream *stream, gint node);
/* The change that it kept back becomes its value. FALSE: there was none. */
gboolean dcnn_take_global (DcnnSession *session, DcnnStream *stream,
    gint node);

/* ---- dcnn_dense.c: dense tensors ---------------------------------------- */

/* Regular and settling changes of a map together, into a mask of its size.
 * FALSE: none, and nothing is said of what the mask holds. */
gboolean dcnn_all_changes (DcnnSession *session, DcnnStream *stream,
    gint map, DcnnMask *changes);
void dcnn_run_gather (DcnnSession *session, DcnnStream *stream, gint node);
/* Of a tensor whose rows are told apart: those that a pixel of a gathered map
 * lies in are new. */
void dcnn_mark_pixel (DcnnStream *stream, gint tensor, const PlanMap *map,
    const PlanGatherSource *source, guint y, guint x);
void dcnn_run_import (DcnnSession *session, DcnnStream *stream, gint node);
/* A tensor into a map; marks pixels whose change exceeds the threshold. */
void dcnn_import_tensor (DcnnSession *session, DcnnStream *stream, gint map,
    const DcnnTensor *tensor, gboolean nhwc, gfloat threshold);

/* ---- dcnn_tail.c: operators on dense tensors ---------------------------- */

/* FALSE: out of memory. */
gboolean dcnn_tails_init (DcnnSession *session);
void dcnn_tails_clear (DcnnSession *session);
void dcnn_run_tail (DcnnSession *session, DcnnStream *stream, gint node);
/* Rows of a tensor, along its last dimension. */
gsize dcnn_tensor_rows (const DcnnTensor *tensor);
/* Whoever writes a tensor says which of its rows are new: none, then rows from
 * to to (0 to -1: all). FALSE: nobody wants to know. */
gboolean dcnn_forget_rows (DcnnStream *stream, gint tensor);
void dcnn_mark_rows (DcnnStream *stream, gint tensor, gint64 from, gint64 to);

/* ---- dcnn_state.c: inputs that come from the last frame ----------------- */

/* FALSE with error set: out of memory. */
gboolean dcnn_states_init (DcnnSession *session, GError **error);
void dcnn_states_clear (DcnnSession *session);
/* A tensor into graph input i; returns how many pixels of its map changed by
 * more than the threshold, and adds its pixels. */
gsize dcnn_take_input (DcnnSession *session, DcnnStream *stream, guint i,
    const DcnnTensor *tensor, gfloat threshold, gsize *pixels);
/* Before a frame's picture is taken: pictures that are kept move on by one
 * frame. Returns how many pixels changed, and adds their number. */
gsize dcnn_states_shift (DcnnSession *session, DcnnStream *stream,
    gsize *pixels);
/* The last frame's outputs into the inputs that they are fed back to. The
 * same; once CpuStream.dense has turned, again. */
gsize dcnn_states_feed (DcnnSession *session, DcnnStream *stream,
    gsize *pixels);
/* Once the picture is stored. */
void dcnn_states_done (DcnnSession *session, DcnnStream *stream);

/* ---- dcnn_picture.c: the input stage ------------------------------------ */

gboolean dcnn_picture_update (DcnnSession *session, DcnnStream *stream,
    const DcnnFrame *frame, GError **error);
/* Its parts, for stages elsewhere. begin: a stage for the frame's size and
 * format, and whether the frame runs dense; decide: after the input's update
 * mask is refined and CpuStream.differs known, cuts, settling, statistics.
 * in_states: pixels that changed in states, of the network's `pixels` in all. */
gboolean dcnn_picture_begin (DcnnSession *session, DcnnStream *stream,
    const DcnnFrame *frame, GError **error);
/* What the frame must take over whatever it holds, in the picture's map:
 * everything, or what has just come into view. NULL: nothing. The stream's. */
const DcnnMask *dcnn_picture_forced (DcnnStream *stream, const PlanMap *map);
/* Outside of a stream's regions nothing has changed, whatever the frame holds,
 * but what `force` (or NULL) says; a frame that is taken whole is. */
void dcnn_picture_keep_regions (DcnnSession *session, DcnnStream *stream,
    const DcnnMask *force, DcnnMask *updated);
void dcnn_picture_decide (DcnnSession *session, DcnnStream *stream,
    gsize in_states, gsize pixels);
/* Starts, continues or ends settling, after the input's update mask (number
 * mask) is known; CpuStream.differs says where the input differs otherwise.
 * mask -1: the input is no picture, and is as it was given. */
void dcnn_settle_input (DcnnSession *session, DcnnStream *stream,
    gint mask, gsize changed, gsize pixels);

G_END_DECLS

#endif
