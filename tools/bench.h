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
  char *model, *size, *mode_text, *device, *precision_text, *peer, *python;
  char *synthetic_text;
  char *annotations;         /* NULL: none */
  char **clips;              /* NULL: none */
  const char *clip;          /* the first */
  char *json, *plot;
  char **set;
  double synthetic;          /* the first of shares; < 0: not given */
  GArray *shares;            /* double; NULL: not given */
  double score;              /* < 0: the descriptor's */
  double rate;               /* frames a second; 0: not asked for */
  gint frames, skip, threads, streams;
  gboolean quiet, nodes, align, compare, energy, host_pictures;
  BenchMode mode;
  DcnnPrecision precision;
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

/* ---- a GPU ----------------------------------------------------------------- */

typedef struct BenchGpu BenchGpu;

/* The NVIDIA GPU that a device's name means. NULL with error. */
BenchGpu *bench_gpu_new (const char *device, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* With everything that was put there. */
void bench_gpu_free (BenchGpu *gpu);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchGpu, bench_gpu_free)
/* The context that its addresses are of; borrowed. */
void bench_gpu_describe (const BenchGpu *gpu, DcnnFrame *frame);
/* May frames for that device, as the engine calls it, lie in such memory? */
gboolean bench_gpu_serves (const char *device);
/* A copy of data in the GPU's memory: its address. NULL with error. */
gpointer bench_gpu_put (BenchGpu *gpu, const void *data, gsize bytes,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Must come before bench_gpu_joules(), which tells what the whole GPU, memory
 * too, has taken since the driver was loaded; NAN: no answer. */
gboolean bench_gpu_open_energy (BenchGpu *gpu, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
double bench_gpu_joules (const BenchGpu *gpu);

/* ---- frames that are kept ---------------------------------------------------- */

typedef struct BenchStore BenchStore;

/* Room for the frames of so many clips. */
BenchStore *bench_store_new (guint clips);
void bench_store_free (BenchStore *store);
/* Keeps a copy of a frame of a clip; gpu: there, NULL: on the host. */
gboolean bench_store_add (BenchStore *store, guint clip,
    const DcnnFrame *frame, BenchGpu *gpu, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Keeps up to n frames of a file, which must hold two, after the first skip. */
gboolean bench_store_read (BenchStore *store, guint clip, const char *location,
    guint skip, guint n, BenchGpu *gpu, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* What a stream shows at its t-th batch: clips take turns, those that several
 * streams show begin at other frames, and each runs to and fro. Borrowed. */
const DcnnFrame *bench_store_frame (const BenchStore *store, guint stream,
    guint t);

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
  GArray *dense_input_ms;
  guint64 dense_frames;      /* frames that the sparse session ran dense */
  guint64 macs_done, macs_dense;
  BenchAgreement agreement;
  const char *device;        /* what the sessions run on */
  guint64 session_bytes, base_rss_bytes, peak_rss_bytes;
} BenchRun;

/* Begins a run: empty figures, the model, sessions for options' streams. */
gboolean bench_open (BenchRun *run, const BenchOptions *options,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same without sessions, and a session of it. */
gboolean bench_open_model (BenchRun *run, const BenchOptions *options,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The device that it ran on and the precision that was asked for, of the object
 * that builder is filling. */
void bench_json_device (const BenchRun *run, JsonBuilder *builder);
DcnnSession *bench_session_new (BenchRun *run, DcnnMode mode, guint streams,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Loads, opens and measures; figures are then in run. */
gboolean bench_run (BenchRun *run, const BenchOptions *options,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same for many streams as a batch, printed and written at once. */
gboolean bench_batch (BenchRun *run, const BenchOptions *options,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* How many streams are taken at options' rate, likewise. */
gboolean bench_rate (BenchRun *run, const BenchOptions *options,
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
/* Where the last results lie, for our own way of the next frame. */
void bench_compare_set_interest (BenchCompare *compare,
    const gfloat *weights);
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
