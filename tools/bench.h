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
  char **clips;              /* NULL: none */
  const char *clip;          /* the first */
  char *json, *plot;
  char **set;
  double synthetic;          /* the first of shares; < 0: not given */
  GArray *shares;            /* double; NULL: not given */
  double score;              /* < 0: the descriptor's */
  gint frames, skip, threads, streams;
  gboolean quiet, nodes, no_report, align;
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
/* Share of the dense work that the clip takes without alignment. */
double bench_align_plain_share (const BenchAlign *align);
void bench_align_print (const BenchAlign *align);
void bench_align_json (const BenchAlign *align, JsonBuilder *builder);

/* ---- a run ------------------------------------------------------------- */

typedef struct BenchRun {
  const BenchOptions *options;
  char *model_path;
  DcnnModel *model;
  DcnnModelInfo *info;
  DcnnModelSummary summary;
  DcnnSession *sparse, *dense; /* NULL: that mode is not run */
  DcnnDecoder *sparse_decoder, *dense_decoder;
  BenchPeer *peer;
  BenchAlign *align;         /* NULL: not asked for */
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
