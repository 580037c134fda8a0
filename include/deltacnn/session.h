/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * session.h - running a network on video, recomputing what changed.
 *
 *   GError *error = NULL;
 *   DcnnOnnxOptions size = { .width = 192, .height = 192 };
 *   DcnnGraph *graph = dcnn_onnx_load_file ("net.onnx", &size, &error);
 *   DcnnModel *model = graph ? dcnn_model_new (graph, &error) : NULL;
 *   DcnnSession *session = NULL;
 *   DcnnSessionOptions options;
 *   DcnnFrame frame;
 *
 *   dcnn_session_options_init (&options);
 *   if (model)
 *     session = dcnn_session_new (model, &options, &error);
 *   while (session && next_frame (&frame) &&
 *       dcnn_session_push_frame (session, 0, &frame, NULL, &error))
 *     use (&dcnn_session_get_output (session, 0, 0)->tensor);
 *
 * For: media servers, filters, tools, and the deltacnn element. Not for:
 * reading files (models/) or decoding what outputs mean (models/decoders).
 *
 * Method: DeltaCNN (CVPR 2022) reformulated on stored values: a node's pixel
 * is recomputed when a tap of it changed, and its change is passed on when it
 * is significant. At threshold 0 outputs equal a dense run on the last frame.
 *
 * Functions with a GError refuse what does not fit with DCNN_ERROR_ARGUMENT,
 * and nothing has happened. Getters take an index out of range as a mistake in
 * the program, as GLib does: a critical message, and NULL or a result of
 * zeros.
 *
 * Thread safety: a model is immutable and may be shared by sessions on any
 * threads. A session belongs to one thread at a time (no locks inside), but
 * for dcnn_session_set_tuning(), which may be called from any.
 */
#ifndef DCNN_SESSION_H
#define DCNN_SESSION_H

#include <glib.h>

#include "deltacnn/error.h"
#include "deltacnn/frame.h"
#include "deltacnn/mask.h"
#include "deltacnn/model.h"
#include "deltacnn/tensor.h"
#include "deltacnn/tuning.h"

G_BEGIN_DECLS
#pragma GCC visibility push(default)

/* ---- session ---------------------------------------------------------- */

/* How a frame lies in the network's input. X (ENUM, name, what it is) */
#define DCNN_FITS(X)                                                           \
  X (STRETCH, "stretch", "Whole frame, aspect ratio given up")                 \
  X (LETTERBOX, "letterbox", "Aspect ratio kept (by the pixel aspect ratio), centred") \
  X (LETTERBOX_TOPLEFT, "letterbox-topleft", "Aspect ratio kept, at the top left")

typedef enum DcnnFit {
#define DCNN_X(e, n, b) DCNN_FIT_##e,
  DCNN_FITS (DCNN_X)
#undef DCNN_X
  DCNN_FIT_COUNT
} DcnnFit;

/* How feature maps are stored; moments and vectors are float32 always, sums are at
 * least that. X (ENUM, name, what it is) */
#define DCNN_PRECISIONS(X)                                                     \
  X (AUTO, "auto", "The device's choice: float32 on a processor, float16 on a GPU") \
  X (F32, "f32", "float32")                                                    \
  X (F16, "f16", "float16: 11 bits, up to 65504; a GPU's")                     \
  X (BF16, "bf16", "bfloat16: 8 bits, float32's range; a GPU's, from compute capability 8.0 on")

typedef enum DcnnPrecision {
#define DCNN_X(e, n, b) DCNN_PRECISION_##e,
  DCNN_PRECISIONS (DCNN_X)
#undef DCNN_X
  DCNN_PRECISION_COUNT
} DcnnPrecision;

typedef struct DcnnSessionOptions {
  /* "auto" (NULL, the default: what the environment's DELTACNN_DEVICE names,
   * else the best that is there), "cpu", "cuda",
   * "cuda:1" (or "auto:1": the second GPU, where it can) ..., or "null", which
   * computes nothing. Borrowed during dcnn_session_new(). */
  const char *device;
  guint streams;           /* independent videos; default 1 */
  guint threads;           /* 0: one a core */
  DcnnTuning tuning;
  /* Input stage: network value = pixel (0..255) * scale + bias. */
  gboolean bgr;            /* default FALSE: RGB */
  gfloat scale[3], bias[3];/* in network channel order; default 1/255, 0. A
                              network whose picture is of whole numbers scales
                              it by itself: the default is then 1 */
  DcnnFit fit;
  guint8 fill[3];          /* R, G, B of the letterbox */
  DcnnScaling scaling;
  /* Own thresholds by DcnnNodeInfo.name: char* -> gdouble*; NULL: none.
   * Negative: every candidate joins and nothing is compared, which is the
   * fastest for a node that would keep little back (at 0, what came out the
   * same does not join). Borrowed during dcnn_session_new(). A name that the
   * model does not have, or what is not finite, is DCNN_ERROR_ARGUMENT. */
  GHashTable *thresholds;
  /* How strongly each channel bears on the outputs, by DcnnNodeInfo.name:
   * char* -> GArray* of gfloat, one a channel, >= 0; NULL: not known. For
   * DCNN_CRITERION_INFLUENCE; measured by dcnn_session_measure_influence().
   * Borrowed during dcnn_session_new(). A name that the model does not have,
   * another number of channels, or a value that is negative or not finite, is
   * DCNN_ERROR_ARGUMENT. */
  GHashTable *influence;
  /* Every feature map is stored and judged. Default FALSE: some that only one
   * node reads are computed on the way to it, a few rows at a time; more of
   * them in a session made with DCNN_MODE_DENSE. Thresholds and
   * influence given for these are not used. TRUE: also, maps of quantised
   * networks that could be of bytes are of floats. For measuring influence. */
  gboolean store_all;
  DcnnPrecision precision; /* one that the device has not is DCNN_ERROR_DEVICE,
                              and "auto" goes on to the next */
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnSessionOptions;
void dcnn_session_options_init (DcnnSessionOptions *options);

typedef struct DcnnSession DcnnSession;

/* Whether a session can run on that device here: DCNN_ERROR_DEVICE, with what
 * would help, or DCNN_ERROR_ARGUMENT for a device that does not exist. */
gboolean dcnn_device_check (const char *device, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* A kind of device, whether it is here or not. The library's own: it may grow at
 * its end, and stays for as long as the library does. */
typedef struct DcnnDeviceKind {
  const char *name;        /* "cpu" ...: what DcnnSessionOptions.device takes */
  const char *what;        /* in a few words, for people */
  gboolean automatic;      /* "auto" may choose it */
  gboolean gpu;            /* hardware that may be absent, or there several
                              times, "NAME:0", "NAME:1" ...; its sessions have
                              memory of their own */
  guint memories;          /* bits 1 << DcnnMemory: where frames may lie */
  gboolean samples;        /* looks through DcnnMotion's matrix; others take
                              frames as they lie */
  gboolean regions;        /* keeps to dcnn_session_set_regions() */
} DcnnDeviceKind;
/* The i-th kind, best first; NULL after the last. What is not built in is among
 * them, and takes nothing but its name. Thread-safe, as the next two. */
const DcnnDeviceKind *dcnn_device_kind (guint i);
/* The kind that "NAME" or "NAME:INDEX" names; NULL: none, as of "auto". */
const DcnnDeviceKind *dcnn_device_named (const char *device);
/* The kind that sessions on that device would run on here: the one it names, or
 * for "auto" (NULL) the best that can run at all, whatever the model. NULL and
 * error as dcnn_device_check(). */
const DcnnDeviceKind *dcnn_device_which (const char *device, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* The context of a device that sessions on it live in, and its number: for
 * neighbours whose memory frames lie in (DCNN_MEMORY_CUDA). CUDA: the CUcontext
 * that is the GPU's primary one, made where it was not; borrowed. FALSE: the
 * device has none, or cannot be used. */
gboolean dcnn_device_context (const char *device, gpointer *context,
    gint *index);

/* Bytes of its own memory that a device of the kind that options->device names
 * (NULL: the first with memory of its own) would hold for a session by these options,
 * whether such a device is there or not. Besides it holds the weights, once for all sessions of a model
 * (about half of DcnnModelSummary.weight_bytes as half floats), frames on their
 * way from the host, and what its driver takes. 0 with error: it has no memory
 * of its own, this build does not know it, or it cannot run the model. */
gsize dcnn_session_predict_bytes (DcnnModel *model,
    const DcnnSessionOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Refs model. Allocates everything the frame path will use. A device that
 * cannot run here is DCNN_ERROR_DEVICE; options and tuning out of range are
 * DCNN_ERROR_ARGUMENT. */
DcnnSession *dcnn_session_new (DcnnModel *model,
    const DcnnSessionOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void dcnn_session_free (DcnnSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcnnSession, dcnn_session_free)

/* "cpu" and so on: what "auto" has chosen. Static storage. */
const char *dcnn_session_get_device (DcnnSession *session);
/* What "auto" passed over, "cuda: reason" each on a line of its own; "" when
 * nothing. Borrowed from the session. */
const char *dcnn_session_get_device_why (DcnnSession *session);
/* Of that, something is there and could not be used: a GPU whose driver is too
 * old, a network that it cannot run, a fault while the session was made. FALSE
 * where there is no such device. */
gboolean dcnn_session_fell_back (DcnnSession *session);

/* The camera's motion for one frame. All of it is absolute, not relative to the
 * last frame; zeroed, the picture is the window, at tile (0, 0).
 *
 * With a matrix the window's pixels are sampled from the frame: bicubic, or
 * copied where the shift is one of whole pixels. What the frame does not cover
 * keeps its values. What the camera sees of the canvas then need not be where
 * the camera has it: dcnn_session_get_view() leads results back. A device that
 * does not sample (DcnnDeviceKind.samples) takes the frame as it lies. */
typedef struct DcnnMotion {
  gint tile_x, tile_y;     /* where the window lies on the canvas, in tiles
                              (DcnnModelSummary.tile) */
  gdouble matrix[9];       /* 3x3, row by row: this frame's pixels -> the
                              reference's, whose picture at the network's scale
                              is the canvas at tile (0, 0); homogeneous,
                              continuous (pixel centres at .5). All 0: none */
  gboolean place;          /* with a matrix: the session puts the window over
                              the frame itself, and does so again only when the
                              frame has moved on by 3/4 of a tile */
  gboolean restart;        /* another canvas, on which the window lies where
                              this says: nothing moves, and what is stored is
                              compared with the frame like any other */
  gboolean weigh;          /* with a matrix: tell in the statistics what would
                              have changed without (costs a comparison of every
                              fourth row) */
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnMotion;

/* Runs one frame of a stream, and waits for it. frame is borrowed during the call. A frame of
 * another size or format than the last resets the stream. motion NULL: (0,0).
 * Needs a model with one image input of 3 (or 1) channels (and perhaps
 * states, which come from the last frame). A push that fails
 * on the device (DCNN_ERROR_DEVICE, _MEMORY) resets the stream. */
gboolean dcnn_session_push_frame (DcnnSession *session, guint stream,
    const DcnnFrame *frame, const DcnnMotion *motion, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* One frame of one stream. */
typedef struct DcnnSubmission {
  guint stream;
  const DcnnFrame *frame;
  const DcnnMotion *motion;/* NULL: (0, 0) */
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnSubmission;

/* What is waited for: bits. Nothing else need be copied from a device. */
#define DCNN_WANT_STATS 1u
#define DCNN_WANT_MASKS 2u         /* of the input and the outputs */
#define DCNN_WANT_OUTPUT(i) (4u << MIN ((i), 29u)) /* from 29 on all in one */
#define DCNN_WANT_OUTPUTS (~3u)
#define DCNN_WANT_ALL (~0u)

/* Starts a frame of each of n different streams, on a device that can at once:
 * may return before they are done. Frames (planes too) are borrowed until
 * dcnn_session_wait() returned for their streams, which must be called before
 * the stream's next frame (else DCNN_ERROR_ARGUMENT). Errors as of
 * dcnn_session_push_frame(); those of the device reset all n streams. */
gboolean dcnn_session_submit (DcnnSession *session,
    const DcnnSubmission *submissions, guint n, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Waits until what is wanted of the stream's last frame is there:
 * dcnn_session_get_output(), dcnn_session_get_input_mask() and
 * dcnn_session_get_stats() then tell it. May be called again for more; after
 * other streams' frames a mask then may tell of earlier changes, too. An error
 * resets the stream. */
gboolean dcnn_session_wait (DcnnSession *session, guint stream, guint wants,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same as dcnn_session_push_frame() with the network's input tensors themselves (one per model input,
 * dtype and shape as dcnn_model_input(); ONNX layout; batch 1). A pixel joins
 * the update mask when some channel differs by more than tensor_threshold. */
gboolean dcnn_session_push_tensors (DcnnSession *session, guint stream,
    const DcnnTensor *inputs, gfloat tensor_threshold,
    const DcnnMotion *motion, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An output after a push. Borrowed: valid until the next push to that stream,
 * reset or free. */
typedef struct DcnnOutput {
  const char *name;
  DcnnTensor tensor;       /* ONNX layout and dtype, contiguous, whole */
  gboolean is_map;         /* a map [1,C,H,W] (or NHWC): updated is valid */
  DcnnMask updated;        /* pixels that this frame changed */
  gboolean changed;        /* anything changed by this frame */
} DcnnOutput;
const DcnnOutput *dcnn_session_get_output (DcnnSession *session,
    guint stream, guint i);

/* The input's update mask of the last frame, network pixels. Borrowed. */
const DcnnMask *dcnn_session_get_input_mask (DcnnSession *session,
    guint stream);

/* Where the frame lies in the network's input, from the last pushed frame:
 * frame_x = (net_x - offset_x) / scale_x, likewise y; net pixels, continuous
 * coordinates (pixel centres at .5). Where the window looks through a matrix,
 * this is of the whole window, as if it were the frame: dcnn_session_get_view()
 * leads from there to the frame. */
typedef struct DcnnTransform {
  gfloat scale_x, scale_y, offset_x, offset_y;
  guint frame_width, frame_height, net_width, net_height;
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnTransform;
void dcnn_session_get_transform (DcnnSession *session, guint stream,
    DcnnTransform *transform);

/* From where the last frame's results seem to lie, by
 * dcnn_session_get_transform(), to where they do: 3x3, row by row, frame pixels
 * both. FALSE: the identity. dcnn_led_back_results() (decode.h) applies it. */
gboolean dcnn_session_get_view (DcnnSession *session, guint stream,
    gdouble *matrix);
/* Where the last frame's own pixels lie in the network's input: 3x3, row by
 * row, frame pixels -> network pixels. */
void dcnn_session_get_inward (DcnnSession *session, guint stream,
    gdouble *matrix);
/* The window on the canvas at the last frame, the reference's pixels. */
void dcnn_session_get_window (DcnnSession *session, guint stream,
    gdouble *x, gdouble *y, gdouble *width, gdouble *height);

/* Where results matter, for tuning.interest and tuning.moving_interest: one float (0..1; what lies
 * outside is taken as the nearer end, NaN as 0) per 8x8 block of network
 * pixels, row-major, copied. */
void dcnn_session_set_interest (DcnnSession *session, guint stream,
    const gfloat *interest);

/* A rectangle of the frame, pixels. */
typedef struct DcnnRegion {
  gfloat x, y, width, height;
} DcnnRegion;
#define DCNN_REGIONS_MOST 64

/* From the next frame on, only what lies in one of n rectangles (copied) is
 * compared with what is stored and recomputed: each grown by margin pixels of
 * the network's input, then to whole tiles (blocks of 8x8 where there are
 * none). The rest of every map stays as it is, and so do results that lie
 * there. A first frame, and what has come into view, are taken whole. n 0:
 * everywhere again; a rectangle without size is nowhere. More than
 * DCNN_REGIONS_MOST, one that is not finite, or any on a device that knows none
 * (DcnnDeviceKind.regions), is DCNN_ERROR_ARGUMENT. */
gboolean dcnn_session_set_regions (DcnnSession *session, guint stream,
    const DcnnRegion *regions, guint n, guint margin, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Forgets a stream's state: the next frame runs dense. */
void dcnn_session_reset (DcnnSession *session, guint stream);

/* From any thread; applies from the next push on. Values out of range, NaN
 * among them, are DCNN_ERROR_ARGUMENT and change nothing. */
gboolean dcnn_session_set_tuning (DcnnSession *session,
    const DcnnTuning *tuning, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dcnn_session_get_tuning (DcnnSession *session, DcnnTuning *tuning);

/* ---- influence -------------------------------------------------------- */

/* Measures on the stream's last frame, which a tool runs dense, how strongly
 * each channel of each node bears on the outputs: adds to squares (char* node
 * name -> GArray* of gdouble, owned by the table; made where missing) `probes`
 * estimates of s_c^2, the squared effect on the outputs of a change of 1 in
 * channel c of one pixel. Each output tensor counts relative to its norm, both
 * with its elements weighted by weights[i] (one each, >= 0; NULL, or NULL for
 * an output: all the same). The root of the mean over estimates is what
 * DcnnSessionOptions.influence takes.
 * Tails, a normalisation's moments and maps of one pixel are left out. Not for
 * the frame path: an estimate takes as long as some tens of frames, and the
 * memory of two streams, on the host whatever ran the frame. Errors:
 * DCNN_ERROR_ARGUMENT (no frame yet, one that was not waited for, or a session
 * without store_all), _MEMORY, _DEVICE (device=null holds no maps). */
gboolean dcnn_session_measure_influence (DcnnSession *session, guint stream,
    const gfloat *const *weights, guint probes, GHashTable *squares,
    GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- statistics ------------------------------------------------------- */

typedef struct DcnnFrameStats {
  guint64 frames;          /* pushed to the stream since its reset */
  gfloat changed_share;    /* of the network's input pixels, after refining */
  gboolean aligned;        /* sampled through a motion's matrix */
  gfloat aligned_share, unaligned_share; /* DcnnMotion.weigh: the share before
                              refining, and what it would have been without a
                              matrix; negative: not known */
  guint64 macs_done, macs_dense;
  gint64 input_ns, run_ns; /* input stage; nodes, outputs and spreads */
  gint64 spread_ns;        /* of run_ns: measuring the spreads that the criterion
                              divides by, in the 1st, 17th and 129th frame of a
                              scene; else nearly 0 */
  gboolean dense;          /* the whole frame ran dense */
  gboolean settled;        /* outputs equal a dense run on S_0 */
  const char *not_finite;  /* of maps of half floats, which end at 65504: a node whose
                              map holds what is infinite or no number. Looked for in
                              outputs of dense frames and of every 16th, and in maps
                              whose spreads are measured, when they are; NULL: not
                              seen since the reset */
  gpointer reserved[2];      /* 0; what is added later comes out of it */
} DcnnFrameStats;
void dcnn_session_get_stats (DcnnSession *session, guint stream,
    DcnnFrameStats *stats);

/* Per fused node (index as dcnn_model_get_node()), summed since reset. */
typedef struct DcnnNodeStats {
  guint64 frames, dense_frames;
  gdouble candidates, joined; /* sums of shares of the node's pixels */
  guint64 macs_done;
  gint64 time_ns;
  gpointer reserved[4];      /* 0; what is added later comes out of it */
} DcnnNodeStats;
void dcnn_session_get_node_stats (DcnnSession *session, guint stream,
    guint node, DcnnNodeStats *stats);
/* Which pixels of the map that a node reads (input), or writes, the last frame
 * changed, as they were judged, without what settling corrects. NULL: it is no
 * map, is not stored (see DcnnSessionOptions.store_all), or nothing of it
 * changed; on devices other than the cpu, always. Borrowed until the next call,
 * or push. */
const DcnnMask *dcnn_session_get_node_mask (DcnnSession *session, guint stream,
    guint node, gboolean input);
/* Zeroes the sums of every stream (not the state). */
void dcnn_session_clear_stats (DcnnSession *session);

/* Bytes held by the session: state of all streams, scratch, masks. */
gsize dcnn_session_get_bytes (DcnnSession *session);

#pragma GCC visibility pop
G_END_DECLS

#endif
