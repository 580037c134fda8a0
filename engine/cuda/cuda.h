/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda.h - internal: a session on an NVIDIA GPU.
 *
 * The host keeps what the cpu's backend keeps and runs its input stage and its
 * policy (thresholds, spreads, settling); the maps, masks and lists of all
 * streams are on the device, where one graph runs every node on the
 * changed pixels of all streams. A figure that the host decides by (what is
 * pending, how much was done) is that of the frame before.
 *
 * Maps are half floats, with precision=bf16 bfloat16s, with precision=f32 floats;
 * moments floats. When the window has moved, what the device stores by place is
 * shifted before the frame.
 */
#ifndef DCNN_ENGINE_CUDA_H
#define DCNN_ENGINE_CUDA_H

#include "cuda_stage.h"
#include "dcnn_cuda.h"
#include "cpu.h"
#include "cuda_switches.h"

G_BEGIN_DECLS

/* What a node needs, in device memory. */
typedef struct CudaNode {
  void *weights;
  float *bias;
  guint32 *source, *index_y, *index_x, *group;
  float *weight_y, *weight_x, *scale;
  float *vectors[DCNN_MAX_STEPS];
  guint n_padded, k_padded, span8;
  float *norm;             /* of what it folds, scale and shift; NULL: nothing */
} CudaNode;

/* DcnnSession.weights: the cpu's come first, so that its code may be used. */
typedef struct CudaWeights {
  CpuWeights cpu;
  gpointer cpu_outer;      /* as dcnn_cpu_weights_new() gave it */
  CudaNode *nodes;
  GPtrArray *memory;       /* device pointers */
  gint device;
} CudaWeights;

gpointer dcnn_cuda_weights_new (const DcnnPlan *plan, gint index,
    GError **error);
void dcnn_cuda_weights_free (gpointer weights);
/* A convolution's weights as [n_padded][k_padded] floats; new. */
gfloat *dcnn_cuda_pack_floats (const DcnnPlan *plan, guint node,
    const CudaNode *packed);

/* cuda_errors.c: DCNN_ERROR_DEVICE or _MEMORY, saying what was tried on the
 * current device. TRUE: e is success. An error after which the GPU answers this
 * process no more is remembered. */
gboolean dcnn_cuda_check (cudaError_t e, const char *what, GError **error);
/* Does that GPU, from 0 on, still take something from this process? Where another
 * was lost, this one is tried. */
gboolean dcnn_cuda_usable (gint index, GError **error);

/* What a GATHER takes of one map, for the host. */
typedef struct CudaParcel {
  guint node, source;      /* of the plan; of the node's sources */
  guint channels;
  guint bit;               /* of due and behind */
  guint wants;             /* it is needed for any of these */
  guint64 *owed;
  guint32 *entries;        /* device: [streams][words] */
  gsize words, at;         /* of a stream; where they go in staging memory */
} CudaParcel;

/* When a launch ended, and for which node it was (-1: an input): see
 * CudaSwitches.times. */
typedef struct CudaTime {
  cudaEvent_t end;
  gint node;
  gboolean lists;
} CudaTime;

/* A mask that others are merged to, with the list that does it (cuda_merges.c); or
 * what says whether a gate is taken (cuda_takes.c), of which a list is a part. */
typedef struct CudaMerge {
  GArray *terms;           /* of PlanTerm: of maps with a mask of their own */
  DcnnCudaList list;       /* host; `passed` are the merged bits */
  gint gate, reader;       /* nodes; -1: masks are merged, and no more */
  guint64 *taken;          /* device: [streams] masks of one pixel, then as many of
                              nothing */
  DcnnCudaJudge *judge;    /* device: [streams], what the gate is judged by */
} CudaMerge;

/* A graph of the frame for a share of the work: its launches are other ones, its
 * results the same bits. */
typedef struct CudaLevel {
  gdouble from;            /* chosen where at least so much is expected */
  gboolean squares;        /* convolutions go by listed squares, where there are enough
                              of them */
  gboolean whole;          /* for frames that are dense in all streams */
  gboolean early;          /* nodes that need no list of their own to begin have it
                              made by their launch, where it has blocks to spare */
  guint exit;              /* item before which it may end: cuda_exits.c; 0: it does
                              not */
  gboolean *late;          /* by plan mask: it is made anew behind the exit */
  guint32 *counted_late;   /* device, by counted: so are its bits */
  DcnnCudaLive *live;      /* device: read behind the exit, and written before */
  guint n_live;            /* of these */
  guint lengths;           /* CudaState.lengths when the graph was made */
  cudaGraphExec_t graph;
  GArray *times;           /* of CudaTime; NULL: not asked for */
} CudaLevel;
#define CUDA_MAX_EXITS 12
#define CUDA_MAX_LEVELS 3    /* that have none */

/* DcnnSession.state. Arrays over nodes and streams are [node][streams], judges
 * [streams][node]. */
typedef struct CudaState {
  CudaSwitches switches;
  DcnnCudaDevice device;
  cudaStream_t queue;
  CudaLevel levels[CUDA_MAX_LEVELS + CUDA_MAX_EXITS];
  guint n_levels;
  guint level;             /* whose graph is made, or was launched last */
  /* cuda_lengths.c */
  gdouble *listed;         /* by list: entries, in the mean of the last frames */
  gboolean *is_short;      /* by node: its list does not do for the kernel of longer
                              ones */
  guint counted_frames;    /* that the mean is of, so far */
  guint since_look, look_after; /* frames since is_short was looked at; and from look
                              to look, 0: as from the first */
  guint lengths;           /* times that is_short changed */
  gint *early_list;        /* by node: the list of what it reads, which has more
                              pixels than its own, but earlier; -1 */
  gboolean *early_now;     /* by node: takes that list in the level at hand */
  void **conv_rooms;       /* by node */
  GPtrArray *memory, *pinned;
  gboolean measuring;      /* bytes are counted, nothing is allocated */
  gsize bytes;
  void **buffers;          /* by plan buffer: [streams] of them */
  guint32 *pixels;         /* by plan buffer: elements from pixel to pixel */
  gboolean *floats;        /* by plan buffer */
  gboolean bf16;           /* the others are bfloat16s, not half floats */
  guint64 **updated, **exact; /* by plan mask: [streams][words] */
  guint64 **pending;       /* by node that judges */
  double **rooms;          /* by GLOBAL node */
  gfloat **exact_weights;  /* by convolution; NULL: maps are no floats */
  gboolean tf32;           /* their operands are rounded */
  DcnnCudaList *lists;     /* host; device pointers inside */
  guint n_lists;
  gint *list_of;           /* by node; -1: none */
  guint *list_example;     /* by list: its first node */
  GPtrArray *list_reads;   /* by list: dcnn_cuda_reads_new() */
  GArray *merges;          /* of CudaMerge */
  gboolean gathers_merged; /* a gather reads one */
  gint *fold_of;           /* by node: the normalisation that it computes; -1 */
  gboolean *folded;        /* by node: that is one, with neither launch nor memory */
  gint *take_of;           /* by node: the merge that says whether it is taken; -1 */
  DcnnCudaList *device_lists; /* [most levels][all lists, merges + 1], in the order
                              in which each launches them */
  guint32 *counters;       /* counts [lists, of nodes]; then CudaCounter */
  guint32 *host_counters;  /* pinned */
  gsize n_counters;
  DcnnCudaJudge *judges, *host_judges; /* device, pinned */
  gfloat **weights;        /* by node: [streams][span padded] */
  DcnnCudaStream *streams, *host_streams;
  GArray *parcels;         /* of CudaParcel */
  gsize parcel_words;      /* of a stream, all of them */
  guint32 *staging;        /* pinned: for so many streams */
  guint staging_streams;
  DcnnCudaCounted *counted;
  guint n_counted;
  gint *counted_node;      /* by counted: plan node */
  guint n_exits;           /* as many levels, the last ones, have one */
  /* see cuda_sections.c */
  gboolean sectioned;
  guint n_sections;
  cudaGraphExec_t *sections; /* NULL: the first, which is the level's graph */
  guint *section_of;       /* by plan node: of gathers, tails and imports */
  DcnnCudaLive *live;      /* device: [exits][n_masks + 1] */
  guint32 *counted_late;   /* device: [exits][nodes + 1] */
  guint *last_use;         /* by list: the last item that it is for */
  guint reached[4];        /* of the last frames, latest first: the last item that had
                              anything to do */
  /* inputs, by plan map; NULL for others */
  DcnnCudaPixel **input_list, **host_list;
  gfloat **input_values, **host_values;
  guint32 *input_count, *host_count; /* [maps] */
  guint64 **host_updated, **host_exact;
  CudaStage *stage;        /* pictures; NULL: the model takes none */
  gboolean staged;         /* some picture of this batch changed something */
  gboolean in_flight;
  gboolean idle;           /* the last frame changed nothing in any stream, and
                              was not launched */
  gboolean *fresh;         /* by stream: its frame is not taken down yet */
  guint *order;            /* streams, while some are taken down */
  guint32 *due;            /* by stream: bits of the parcels that were not taken
                              since its last frame; the last: nor tails run */
  guint32 *behind;         /* by stream: ... since the last launch */
  gboolean *quiet;         /* by stream: its last frame changed nothing */
  gboolean *stale;         /* by stream: others ran after its last frame */
  gboolean *rejudged, *changes; /* by stream: of this frame's judgements and
                              picture */
  gboolean reweigh;        /* the criterion is another one now */
  gboolean *first;         /* by stream: that was a first frame */
  DcnnCudaShift *things;   /* that move with the window; NULL: it cannot */
  guint n_things;
  gint32 *moves, *host_moves; /* [streams][2] */
} CudaState;

/* Arrays of CudaState.counters, [lists, of nodes][streams] the first two, then
 * [nodes][streams], [streams]. */
typedef enum CudaCounter {
  CUDA_SQUARES,            /* counts [lists, of nodes], too */
  CUDA_CANDIDATES,
  CUDA_CORRECTIONS,        /* of these: for settling alone */
  CUDA_JOINED,
  CUDA_PENDING,
  CUDA_RAN,                /* what is behind the level's exit */
  CUDA_ENTRIES,            /* [parcels][streams], behind the others */
} CudaCounter;

static inline CudaState *
cuda_state (const DcnnSession *session)
{
  return session->state;
}

/* Where it begins in the counters. */
static inline gsize
cuda_counter (const DcnnSession *session, CudaCounter which)
{
  gsize nodes = session->plan->nodes->len;

  if (which == CUDA_SQUARES)
    return nodes;
  return 2 * nodes + (MIN (which, CUDA_PENDING) - CUDA_CANDIDATES) * nodes *
      session->n_streams +
      (which >= CUDA_RAN ? session->n_streams : 0) +
      (which >= CUDA_ENTRIES ? 1 : 0);
}

static inline CudaMerge *
dcnn_cuda_merge (const CudaState *state, guint m)
{
  return &g_array_index (state->merges, CudaMerge, m);
}

static inline CudaParcel *
dcnn_cuda_parcel (const CudaState *state, guint i)
{
  return &g_array_index (state->parcels, CudaParcel, i);
}

/* cuda_session.c */
gboolean dcnn_cuda_session_new (DcnnSession *session, GError **error);
void dcnn_cuda_session_free (DcnnSession *session);
/* Bytes that the device would keep for such a session; no device need be there.
 * Of precision=f32 without its weights, which are not known yet. */
gsize dcnn_cuda_predict (const DcnnPlan *plan,
    const DcnnSessionOptions *options);
/* cuda_copy.c: a buffer of one stream between the host's floats and the
 * device; waits. */
cudaError_t dcnn_cuda_upload_buffer (const DcnnSession *session, guint stream,
    gint buffer);
cudaError_t dcnn_cuda_download_buffer (const DcnnSession *session,
    guint stream, gint buffer);
/* What the host holds of a buffer that anything comes in by, which the next frame is
 * compared with: to be put back once what was downloaded is read. New; NULL: nothing
 * does. */
gfloat *dcnn_cuda_keep_input (const DcnnSession *session, guint stream,
    gint buffer);
void dcnn_cuda_put_back (const DcnnSession *session, guint stream,
    gint buffer, gfloat *kept);
/* A number of two bytes: round to nearest even; what is too large becomes
 * infinite. And back. */
guint16 dcnn_cuda_narrow (gfloat value, gboolean bf16);
gfloat dcnn_cuda_widen (guint16 word, gboolean bf16);
/* cuda_lists.c: decides which nodes share a list; then describes them; what the
 * lists' entries and counters are is set later. */
void dcnn_cuda_plan_lists (DcnnSession *session);
void dcnn_cuda_describe_lists (DcnnSession *session);
/* cuda_merges.c: what terms come to, at most DCNN_CUDA_MAX_SOURCES: of PlanTerm, each
 * of a map with a mask of its own, or, where map is negative, of merge -1 - map.
 * New. Makes merges where they are missing: after dcnn_cuda_plan_merges() none
 * is. width, height: of who reads. */
GArray *dcnn_cuda_reads_new (const DcnnSession *session, const GArray *terms,
    guint width, guint height, cudaError_t *e);
/* Of the same pixels of a map. */
GArray *dcnn_cuda_reads_of_map (const DcnnSession *session, gint map,
    cudaError_t *e);
/* After the lists are planned. */
void dcnn_cuda_plan_merges (const DcnnSession *session, cudaError_t *e);
void dcnn_cuda_free_merges (CudaState *state);
/* cuda_takes.c: the node that takes a gate as it is now once it has all of its map to
 * compute; -1: none. */
gint dcnn_cuda_taker (const DcnnPlan *plan, guint gate);
/* What the reader's candidates come from, but for the gate and those behind it; new. */
GArray *dcnn_cuda_terms_but_gate (const DcnnPlan *plan, guint gate,
    gint reader);
/* Behind the launch that makes its list. */
cudaError_t dcnn_cuda_launch_take (const DcnnSession *session,
    const CudaMerge *take, DcnnCudaQueue queue);
/* cuda_folds.c: the normalisation that a convolution can compute as it reads; -1:
 * none. */
gint dcnn_cuda_fold_of (const DcnnPlan *plan, guint node);
/* Which of a session do. */
void dcnn_cuda_plan_folds (DcnnSession *session);
/* The map that a node's launch reads. */
gint dcnn_cuda_reads (const DcnnSession *session, guint node);
/* cuda_reads.c: whether a map, or a piece of it, is what the node made; whether a
 * node's bits are read but for counting them. */
gboolean cuda_is_made_by (const DcnnPlan *plan, gint map, guint node);
gboolean dcnn_cuda_bits_are_read (const DcnnPlan *plan, guint node);
/* What a GLOBAL node reads; new. */
GArray *dcnn_cuda_reads_of_global (const DcnnSession *session, guint node,
    cudaError_t *e);
/* A source for each mask that is read. */
void dcnn_cuda_add_reads (const DcnnSession *session, const GArray *reads,
    DcnnCudaSource *sources, guint32 *n);
/* A source for each mask of a map, or for merges of them. */
void dcnn_cuda_add_sources (const DcnnSession *session, gint map,
    DcnnCudaSource *sources, guint32 *n);
void dcnn_cuda_copy_window (const DcnnWindow *w, gint32 *kernel,
    gint32 *stride, gint32 *dilation, gint32 *pad);
/* cuda_move.c: memory for it; what there is to shift, once all is there; and
 * shifting it, on the host at once, on the device before whatever is put into
 * its queue next. Afterwards StreamMove says which streams have moved. */
void dcnn_cuda_take_moves (CudaState *state, const DcnnSession *session,
    cudaError_t *e);
cudaError_t dcnn_cuda_describe_moves (const DcnnSession *session);
cudaError_t dcnn_cuda_move (DcnnSession *session, const BackendFrame *frames,
    guint n);
/* cuda_outputs.c: memory for what the host is told; and taking what is wanted
 * (DCNN_WANT_...) of some streams, whose last launch is done: tensors, tails,
 * outputs, their masks. Waits where anything is to be copied. */
void dcnn_cuda_take_parcels (CudaState *state, const DcnnSession *session,
    cudaError_t *e);
cudaError_t dcnn_cuda_take_outputs (DcnnSession *session,
    const guint *streams, guint n, guint wants);
/* The same of a section alone (cuda_sections.c), all of it. */
cudaError_t dcnn_cuda_take_section (DcnnSession *session,
    const guint *streams, guint n, guint section);
/* cuda_sections.c: whether a session's frames are in sections, and how many there
 * are at most; before its graphs are made. */
void dcnn_cuda_plan_sections (DcnnSession *session);
/* A frame of some streams whose first section is launched, to its end. */
cudaError_t dcnn_cuda_run_sections (DcnnSession *session,
    const BackendFrame *frames, guint n);
/* cuda_inputs.c: an incoming map's masks and changed pixels of a stream, after
 * those that are listed. Of a picture that is on the device the masks alone, and
 * whether anything is in them: of several streams at once. Then what is listed to
 * the device. */
void dcnn_cuda_list_input (DcnnSession *session, guint stream, guint map);
gboolean dcnn_cuda_tell_picture (DcnnSession *session, guint stream);
cudaError_t dcnn_cuda_upload_input (DcnnSession *session, guint map);
cudaError_t dcnn_cuda_download_counters (DcnnSession *session);
/* cuda_memory.c: zeroed memory of the session; NULL: *e says why. The host's
 * is pinned: the device copies from and to it by itself. */
void *dcnn_cuda_take (CudaState *state, gsize bytes, cudaError_t *e);
void *dcnn_cuda_take_host (CudaState *state, gsize bytes, cudaError_t *e);
/* Waits for what was set and copied without a queue, which queues do not. (Not for
 * the device: that would end what an application is capturing there.) */
cudaError_t dcnn_cuda_finish_uploads (void);
/* cuda_launch.c: one node's launches. */
cudaError_t dcnn_cuda_launch_node (DcnnSession *session, guint node,
    DcnnCudaQueue queue);
cudaError_t dcnn_cuda_launch_input (DcnnSession *session, guint map,
    DcnnCudaQueue queue);
/* Whether the level's launch of a node computes the whole map, and needs no list. */
gboolean dcnn_cuda_runs_whole (const DcnnSession *session, guint node);
/* Whether it goes by the list's squares. */
gboolean dcnn_cuda_runs_squares (const DcnnSession *session, guint node);
/* Whether its list is expected to be one of the longer ones; and whether it goes by
 * the kernel for these now. */
gboolean dcnn_cuda_may_run_long (const DcnnSession *session, guint node);
gboolean dcnn_cuda_runs_long (const DcnnSession *session, guint node);
/* A convolution whose launch makes lists too, and whether it may; words: of the
 * largest. */
gboolean dcnn_cuda_fits_beside (const DcnnSession *session, guint node,
    guint words, guint n_lists);
cudaError_t dcnn_cuda_launch_beside (DcnnSession *session, guint node,
    guint words, DcnnCudaBeside *lists, DcnnCudaQueue queue);
/* cuda_rooms.c: memory for the lists' entries. After dcnn_cuda_plan_early(). */
void dcnn_cuda_take_rooms (CudaState *state, const DcnnSession *session,
    cudaError_t *e);
/* cuda_levels.c: which nodes may begin with an older list; after the lists. */
void dcnn_cuda_plan_early (DcnnSession *session);
/* Which graphs there are. */
void dcnn_cuda_plan_levels (DcnnSession *session);
void dcnn_cuda_free_level (CudaLevel *level);
/* Whether any of them goes by squares, where the device has kernels for that: in
 * sessions of several streams. */
gboolean dcnn_cuda_has_squares (const DcnnSession *session);
/* How many there may be: one, unless the environment asks for more. */
/* The graph for a frame whose streams are described, by what their last frames
 * took. */
guint dcnn_cuda_choose_level (const DcnnSession *session);
/* cuda_exits.c: whether a mask is that of the last frame: it is not, where that
 * ended before. */
gboolean dcnn_cuda_is_mask_new (const DcnnSession *session, gint mask);
/* After a frame: how far it had something to do, in any stream. */
void dcnn_cuda_see_reached (DcnnSession *session);
/* The level whose exit is behind what the last frames reached; 0: there is none. */
guint dcnn_cuda_choose_exit (const DcnnSession *session);
/* cuda_lengths.c: after a frame, what its lists had; and before one is launched, its
 * level's graph made anew where other kernels are better off with that. */
void dcnn_cuda_see_lengths (DcnnSession *session);
void dcnn_cuda_follow_lengths (DcnnSession *session);
/* cuda_graph.c: a graph a level, of everything that a frame launches. */
gboolean dcnn_cuda_make_graphs (DcnnSession *session, GError **error);
/* That of the level at hand again; where it fails, the one that is there stays. */
void dcnn_cuda_remake_graph (DcnnSession *session);
/* cuda_launch.c: the first node that cannot run, and why. */
gboolean dcnn_cuda_accepts (const DcnnPlan *plan,
    const DcnnSessionOptions *options, GError **error);

G_END_DECLS

#endif
