/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnrunner.h - a loaded model, ready to run frames: model, session,
 * decoder, labels.
 *
 * Loading takes time and can fail in every way a file can be wrong; it needs
 * no element and may be done on any thread. A runner belongs to one thread at
 * a time.
 */
#ifndef GST_DELTA_CNN_RUNNER_H
#define GST_DELTA_CNN_RUNNER_H

#include <gst/video/video.h>

#include "gstdeltacnnresults.h"
#include "gstdeltacnnsettings.h"

G_BEGIN_DECLS

typedef struct GstDeltaCnnRunner GstDeltaCnnRunner;

/* Does loading need to know the frame's size? */
gboolean gst_delta_cnn_runner_needs_size (const GstDeltaCnnSettings *
    settings);

/* Loads what settings name. frame_width, frame_height: used where
 * gst_delta_cnn_runner_needs_size(); else 0 will do. NULL with error set. */
GstDeltaCnnRunner *gst_delta_cnn_runner_new (const GstDeltaCnnSettings *
    settings, guint frame_width, guint frame_height, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;
void gst_delta_cnn_runner_free (GstDeltaCnnRunner * runner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDeltaCnnRunner, gst_delta_cnn_runner_free)

/* Thresholds, mode and so on, from the next frame on. */
void gst_delta_cnn_runner_set_tuning (GstDeltaCnnRunner * runner,
    const GstDeltaCnnSettings * settings);

/* How a frame is looked at. All borrowed. */
typedef struct
{
  const DcnnMotion *motion;    /* where the window lies; NULL: it does not move */
  const GArray *regions;       /* DcnnRegion: where it is inferred, grown by
                                  margin pixels of the network's input; NULL:
                                  everywhere */
  guint margin;
  gint x, y;                   /* a part of the frame in place of all of it; */
  guint width, height;         /* even in NV12 and I420. width 0: all */
  guint attach;                /* what will be collected of it: nothing else is
                                  asked of the session */
} GstDeltaCnnLook;

/* Runs a mapped frame. gpu: the context whose device memory it was mapped in;
 * NULL: it is in system memory. gst_delta_cnn_runner_collect() must follow a
 * success; results on a part are in its own pixels.
 * FALSE with error set; the runner stays usable. */
gboolean gst_delta_cnn_runner_run (GstDeltaCnnRunner * runner,
    const GstVideoFrame * frame, GstObject * gpu, const GstDeltaCnnLook * look,
    GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;

/* What the last run gave, decoded; new. total_time is left 0. attach: whether
 * tensors and update mask are copied. */
GstDeltaCnnResults *gst_delta_cnn_runner_collect (GstDeltaCnnRunner * runner,
    guint attach, gfloat score_threshold);

/* The network's tile, pixels of its input; 0: its window cannot move. */
guint gst_delta_cnn_runner_get_tile (const GstDeltaCnnRunner * runner);
/* What the last run came to, for a DcnnAnchor. */
void gst_delta_cnn_runner_get_stats (const GstDeltaCnnRunner * runner,
    DcnnFrameStats * stats);
/* The window at the last run, on its canvas, pixels of a frame. */
void gst_delta_cnn_runner_get_window (const GstDeltaCnnRunner * runner,
    GstDeltaCnnRectangle * window);

/* Forgets all frames: the next one runs dense. */
void gst_delta_cnn_runner_reset (GstDeltaCnnRunner * runner);

/* "output 'heatmap' holds 0.001 .. 0.003, ..." of the last run; new text.
 * NULL: they went when others joined the session. */
gchar *gst_delta_cnn_runner_describe_outputs (GstDeltaCnnRunner * runner);

/* Does it decode anything, or only hand out tensors? */
gboolean gst_delta_cnn_runner_decodes (const GstDeltaCnnRunner * runner);

/* Borrowed: the model's file; the descriptor's name for it, else the file's
 * base name; the decoder's name or "none". */
const gchar *gst_delta_cnn_runner_get_path (const GstDeltaCnnRunner * runner);
const gchar *gst_delta_cnn_runner_get_name (const GstDeltaCnnRunner * runner);
const gchar *gst_delta_cnn_runner_get_decoder (const GstDeltaCnnRunner *
    runner);
/* What the session runs on; static storage. */
const gchar *gst_delta_cnn_runner_get_device (const GstDeltaCnnRunner *
    runner);
/* What device=auto passed over, and why; "" when nothing; borrowed. fell_back:
 * something of that is there. */
const gchar *gst_delta_cnn_runner_get_device_why (const GstDeltaCnnRunner *
    runner, gboolean * fell_back);
/* The network's input, pixels. */
void gst_delta_cnn_runner_get_size (const GstDeltaCnnRunner * runner,
    guint * width, guint * height);
/* Bytes of session state, and of the model's shared weights. */
void gst_delta_cnn_runner_get_bytes (const GstDeltaCnnRunner * runner,
    guint64 * state, guint64 * weights);

G_END_DECLS

#endif
