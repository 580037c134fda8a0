/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench.h - the parts of deltacnn-bench: options, a run's figures, agreement
 * of two sessions' results, the peer, the report and the plot.
 *
 * Every time is milliseconds for one frame, input stage included.
 */
#ifndef DCNN_TOOLS_BENCH_H
#define DCNN_TOOLS_BENCH_H

#include "agree.h"
#include "common.h"
#include "source.h"

G_BEGIN_DECLS

typedef enum BenchMode { BENCH_BOTH, BENCH_SPARSE, BENCH_DENSE } BenchMode;

/* What the command line asks for; strings owned. */
typedef struct BenchOptions {
  char *model, *size, *mode_text, *device, *peer, *python;
  char *synthetic_text;
  char *annotations;         /* NULL: none */
  char **clips;              /* NULL: none */
  const char *clip;          /* the first */
  char *json, *plot;
  char **set;
  double synthetic;          /* the first of shares; < 0: not given */
  GArray *shares;            /* double; NULL: not given */
  double score;              /* < 0: the descriptor's */
  gint frames, skip, threads, streams;
  gboolean quiet, nodes, no_report, align, compare;
  BenchMode mode;
} BenchOptions;

/* ---- peer -------------------------------------------------------------- */

typedef struct BenchPeer BenchPeer;

/* Starts tools/peer_bench.py with the engine `kind` ("onnxruntime",
 * "openvino") on the model at the size of model's image input.
 * Returns new, or NULL with an error that says what to install. */
BenchPeer *bench_peer_new (const char *kind, const char *python,
    const char *model_path, DcnnModel *model, const DcnnModelInfo *info,
    guint threads, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void bench_peer_free (BenchPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchPeer, bench_peer_free)

/* Gives the peer the frame, as its input tensor, and asks for the time of one
 * inference (preprocessing not counted). */
gboolean bench_peer_run (BenchPeer *peer, const DcnnFrame *frame,
    double *milliseconds, GError **error) G_GNUC_WARN_UNUSED_RESULT;
const char *bench_peer_version (const BenchPeer *peer);

/* ---- a camera that moves ------------------------------------------------ */

/* --align: motion as framealign finds it, and the same clip beside without. */
typedef struct BenchAlign BenchAlign;

/* Takes plain. NULL with error: built without OpenCV (it says what to install),
 * out of memory. */
BenchAlign *bench_align_new (DcnnSession *plain, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void bench_align_free (BenchAlign *align);
/* Finds the frame's motion: what to push it with, borrowed until the next call.
 * NULL with error. */
const DcnnMotion *bench_align_next (BenchAlign *align, const DcnnFrame *frame,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* After the aligned session ran the frame: runs it through the one beside.
 * first: it does not count. */
gboolean bench_align_account (BenchAlign *align, DcnnSession *aligned,
    const DcnnFrame *frame, gboolean first, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* The luma of a frame, or the green of RGB, pixels `step` bytes apart. */
const guint8 *bench_luma (const DcnnFrame *frame, guint *step);
/* Share of the dense work that the clip takes without alignment. */
double bench_align_plain_share (const BenchAlign *align);
/* The session that is told of no motion; borrowed. */
DcnnSession *bench_align_plain (const BenchAlign *align);
void bench_align_print (const BenchAlign *align);
void bench_align_json (const BenchAlign *align, JsonBuilder *builder);

/* ---- results where the camera has them ----------------------------------- */

typedef struct BenchView BenchView;

/* Who found something. */
typedef struct BenchSide {
  DcnnSession *session;
  DcnnDecoder *decoder;
  DcnnLedBack *back;         /* NULL: results stay in the window */
} BenchSide;

/* ---- other methods, counted --------------------------------------------- */

typedef struct BenchCompare BenchCompare;

/* ---- a run ------------------------------------------------------------- */

typedef struct BenchRun {
  const BenchOptions *options;
  char *model_path;
  DcnnModel *model;
  DcnnModelInfo *info;
  DcnnModelSummary summary;
  DcnnSession *sparse, *dense; /* NULL: that mode is not run */
  DcnnDecoder *sparse_decoder, *dense_decoder;
  DcnnLedBack *back;         /* for interest */
  DcnnInterest *interest;    /* of the sparse session; NULL: not wanted */
  BenchPeer *peer;
  BenchAlign *align;         /* NULL: not asked for */
  BenchView *view;           /* NULL: likewise, or not both modes */
  BenchCompare *compare;     /* NULL: not asked for */
  ToolSource *source;
  guint threads;
  DcnnTuning tuning;
  guint frame_width, frame_height;
  guint64 frames;            /* pushed, the first included */
  /* One entry a frame, the first frame left out: gdouble. */
  GArray *sparse_ms, *dense_ms, *peer_ms, *input_ms, *changed, *mac_share;
  guint64 dense_frames;      /* frames that the sparse session ran dense */
  guint64 macs_done, macs_dense;
  BenchAgreement agreement;
  const char *device;        /* what the sessions run on */
  guint64 session_bytes, base_rss_bytes, peak_rss_bytes;
} BenchRun;

/* Begins a run: empty figures, the model, sessions for options' streams. */
gboolean bench_open (BenchRun *run, const BenchOptions *options,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Loads, opens and measures; figures are then in run. */
gboolean bench_run (BenchRun *run, const BenchOptions *options,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same for many streams as a batch, printed and written at once. */
gboolean bench_batch (BenchRun *run, const BenchOptions *options,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
void bench_run_clear (BenchRun *run);

/* Adds what two sessions found in the last frame. */
void bench_view_compare (const BenchRun *run, BenchAgreement *agreement,
    const BenchSide *a, const BenchSide *b);
/* Beside --align: camera, taken over, runs every frame dense as it lies; plain
 * is borrowed. NULL with error. */
BenchView *bench_view_new (const BenchRun *run, DcnnSession *plain,
    DcnnSession *camera, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void bench_view_free (BenchView *view);
/* After all others ran the frame. */
gboolean bench_view_account (BenchView *view, const DcnnFrame *frame,
    gboolean counts, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void bench_view_print (const BenchView *view);
void bench_view_json (const BenchView *view, JsonBuilder *builder);

/* Sessions that tell which pixels change: --compare. NULL with error. */
BenchCompare *bench_compare_new (const BenchRun *run, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void bench_compare_free (BenchCompare *compare);
/* Runs and counts a frame. motion: NULL without --align. */
gboolean bench_compare_account (BenchCompare *compare, const DcnnFrame *frame,
    const DcnnMotion *motion, gboolean counts, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void bench_compare_print (const BenchCompare *compare);
void bench_compare_json (const BenchCompare *compare, JsonBuilder *builder);

/* Statistics of an array of gdouble; 0 for an empty one. */
double bench_quantile (const GArray *values, double q);
double bench_mean (const GArray *values);

/* ---- results ----------------------------------------------------------- */

void bench_print (const BenchRun *run);
gboolean bench_json (const BenchRun *run, const char *path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* path ends in .png or .svg. */
gboolean bench_plot (const BenchRun *run, const char *path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
