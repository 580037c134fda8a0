/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnn.h - the element deltacnn: runs a network on the frames that
 * pass, recomputing what changed, and attaches the results.
 *
 * Split by concern: gstdeltacnn.c (GObject, negotiation, state, events),
 * gstdeltacnnprops.c (properties), gstdeltacnnrun.c (a frame's way through),
 * gstdeltacnnswap.c (models loaded while PLAYING), gstdeltacnntiming.c (QoS,
 * latency, messages). What those share is below and private.
 *
 * Locks: the object lock guards what is marked so, for as long as a few
 * assignments take. It is never held while a file is read, a frame is run or a
 * message is posted. All else belongs to the streaming thread, or to whoever
 * changes state while there is none.
 */
#ifndef GST_DELTA_CNN_H
#define GST_DELTA_CNN_H

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include "deltacnn/anchor.h"

#include "gstdeltacnnahead.h"
#include "gstdeltacnnlines.h"
#include "gstdeltacnnplace.h"
#include "gstdeltacnnrunner.h"
#include "gstdeltacnnwindows.h"
#include "gstdeltacnnsettings.h"
#include "gstdeltacnntotals.h"

G_BEGIN_DECLS

#define GST_TYPE_DELTA_CNN (gst_delta_cnn_get_type ())
G_DECLARE_FINAL_TYPE (GstDeltaCnn, gst_delta_cnn, GST, DELTA_CNN,
    GstBaseTransform)

/* The slowest frames of a window. */
typedef struct
{
  guint frames;
  GstClockTime slowest, second;
} GstDeltaCnnPeaks;

/* A frame on its way through the network. */
typedef struct
{
  GstBuffer *buffer;           /* NULL: none */
  GstVideoFrame frame;         /* mapped */
  GstObject *gpu;              /* whose memory it was mapped in; borrowed */
  GstDeltaCnnResults *results; /* after the run; NULL: see error */
  GError *error;
} GstDeltaCnnJob;

struct _GstDeltaCnn
{
  GstBaseTransform parent;

  /* Object lock. */
  GstDeltaCnnSettings settings;
  gboolean settings_changed;   /* the streaming thread has not seen them */
  gboolean started;
  guint64 wanted_model;        /* counts models asked for */
  gboolean loading;            /* a thread loads one */
  GCond loading_done;
  GstDeltaCnnRunner *loaded;   /* loaded, to be taken by the next frame */
  GstDeltaCnnTotals totals;    /* since start */
  GstStructure *model_facts;   /* of the runner, for stats */
  GstClockTime latency;        /* answered to LATENCY */
  GstClockTime pace;           /* from frame to frame, where they leave one
                                  late; 0: not known, or they do not */
  GstClockTime earliest;       /* QoS: running time that is not yet late */
  gdouble proportion;          /* QoS */
  gint frame_width, frame_height; /* negotiated, of square pixels; 0: not
                                  yet */

  /* Streaming thread. */
  GstVideoInfo info;
  gboolean negotiated;
  GstDeltaCnnRunner *runner;   /* NULL: not started, or waits for a size */
  GstDeltaCnnSettings active;  /* copy of settings that the frames run by */
  GstDeltaCnnResults *last;    /* of the last frame run; NULL: none */
  GstClockTime last_time;      /* its running time, or NONE */
  guint repeated;              /* GAP buffers in a row that repeated it */
  GstDeltaCnnLines *lines;     /* NULL: not asked for */
  GstDeltaCnnTotals interval;  /* since the last stats message */
  gint64 interval_start_us;
  GstDeltaCnnPeaks peaks, peaks_before; /* this window's, the last one's */
  GstObject *gpu;              /* the context that is offered; NULL: none */
  GstDeltaCnnPlace *place;     /* on one of several GPUs; NULL: no choice */
  gboolean told_fall_back;     /* why auto is not what one might expect */
  guint late_in_a_row;
  guint64 found_nothing;       /* frames in a row; G_MAXUINT64: reported */
  gboolean told_not_finite;
  DcnnMotion motion;           /* where the window was last said to lie */
  gboolean by_matrix;          /* motions tell matrices: anchor goes by them */
  DcnnAnchor anchor;
  guint64 reference;           /* number of the last one; 0: not told */
  gboolean told_aside;         /* that alignment does not pay */
  gboolean told_not_followed;  /* that the device cannot follow a matrix */
  GArray *fixed_regions;       /* DcnnRegion: the property's; NULL: none */
  GArray *regions;             /* likewise, of the frame at hand */
  gboolean told_regions;       /* that the device knows none */
  GstDeltaCnnWindows *windows; /* on single regions */
  GstDeltaCnnJob job;          /* ahead's while it runs, with all that is the
                                  streaming thread's above */
  GstDeltaCnnAhead *ahead;     /* NULL: frames are waited for */
  GQueue leaving;              /* of GstBuffer: done, to be pushed */
  GstClockTime last_pts;       /* of a frame that came */
  GQuark source;               /* the element's name */
  gchar *stream_id;
  gchar *orientation;          /* the stream's tag; NULL: none */
};

/* Set by gstdeltacnn.c, used in all parts. */
G_GNUC_INTERNAL extern GstDebugCategory *gst_delta_cnn_debug;

/* gstdeltacnnprops.c */
G_GNUC_INTERNAL
void gst_delta_cnn_install_properties (GObjectClass * klass);

/* gstdeltacnnrun.c: one frame; buffer is writable. */
G_GNUC_INTERNAL
GstFlowReturn gst_delta_cnn_run_buffer (GstDeltaCnn * self, GstBuffer * buffer);
/* The same one frame late: what was on its way is finished and leaves, buffer
 * (taken) is on its way. */
G_GNUC_INTERNAL
GstFlowReturn gst_delta_cnn_run_ahead (GstDeltaCnn * self, GstBuffer * buffer);
/* What is on its way is finished and pushed, or (push FALSE) dropped. */
G_GNUC_INTERNAL
void gst_delta_cnn_run_drain (GstDeltaCnn * self, gboolean push);
/* Runs self->job: what the thread of `ahead` does. */
G_GNUC_INTERNAL
void gst_delta_cnn_run_job (gpointer self);
/* Takes over properties that were set since the last frame. */
G_GNUC_INTERNAL
void gst_delta_cnn_take_settings (GstDeltaCnn * self);
/* Forgets stored values and results: the next frame is a first frame. */
G_GNUC_INTERNAL
void gst_delta_cnn_forget (GstDeltaCnn * self, const gchar * why);

/* gstdeltacnnmotion.c */
/* Forgets where the camera looked. */
G_GNUC_INTERNAL
void gst_delta_cnn_motion_forget (GstDeltaCnn * self);
/* What a buffer tells of the camera becomes self->motion. */
G_GNUC_INTERNAL
void gst_delta_cnn_motion_take (GstDeltaCnn * self, GstBuffer * buffer);
/* After the frame was run: what it came to goes into cost; the buffer's meta is
 * told the window. */
G_GNUC_INTERNAL
void gst_delta_cnn_motion_account (GstDeltaCnn * self, GstBuffer * buffer,
    GstDeltaCnnCost * cost);

/* gstdeltacnnregions.c */
/* Reads the property; FALSE: it holds no rectangles, and a message of that type
 * says so. */
G_GNUC_INTERNAL
gboolean gst_delta_cnn_regions_take_settings (GstDeltaCnn * self,
    GstMessageType type);
/* Where the buffer is inferred (DcnnRegion); NULL: everywhere. Borrowed until
 * the next call. */
G_GNUC_INTERNAL
const GArray *gst_delta_cnn_regions_of (GstDeltaCnn * self, GstBuffer * buffer);
G_GNUC_INTERNAL
void gst_delta_cnn_regions_clear (GstDeltaCnn * self);

/* gstdeltacnnswap.c */
/* Puts a runner (taken; NULL: none) in place of the present one. */
G_GNUC_INTERNAL
void gst_delta_cnn_swap_install (GstDeltaCnn * self,
    GstDeltaCnnRunner * runner);
/* The property model was set while started: loads it in a thread. */
G_GNUC_INTERNAL
void gst_delta_cnn_swap_request (GstDeltaCnn * self);
/* At a frame boundary: installs what has been loaded meanwhile. */
G_GNUC_INTERNAL
void gst_delta_cnn_swap_adopt (GstDeltaCnn * self);
/* What has been loaded or is being loaded is for frames of another size:
 * drops it and loads again. */
G_GNUC_INTERNAL
void gst_delta_cnn_swap_supersede (GstDeltaCnn * self);
/* Ends the loader; what it loaded is dropped. */
G_GNUC_INTERNAL
void gst_delta_cnn_swap_stop (GstDeltaCnn * self);

/* gstdeltacnntiming.c */
G_GNUC_INTERNAL
gboolean gst_delta_cnn_timing_is_late (GstDeltaCnn * self, GstBuffer * buffer);
G_GNUC_INTERNAL
void gst_delta_cnn_timing_take_qos (GstDeltaCnn * self, GstEvent * event);
G_GNUC_INTERNAL
void gst_delta_cnn_timing_reset (GstDeltaCnn * self);
/* Running time of a buffer; NONE where it has none. */
G_GNUC_INTERNAL
GstClockTime gst_delta_cnn_timing_of (GstDeltaCnn * self, GstBuffer * buffer);
/* A frame was run at that cost: latency and its message. */
G_GNUC_INTERNAL
void gst_delta_cnn_timing_account (GstDeltaCnn * self,
    const GstDeltaCnnCost * cost);
/* A frame came that leaves when the next one comes. */
G_GNUC_INTERNAL
void gst_delta_cnn_timing_pace (GstDeltaCnn * self, GstBuffer * buffer);
G_GNUC_INTERNAL
gboolean gst_delta_cnn_timing_answer_latency (GstDeltaCnn * self,
    GstQuery * query);
/* Posts "deltacnn-stats" when its interval is over, or when forced and there
 * is something to tell. */
G_GNUC_INTERNAL
void gst_delta_cnn_timing_post_stats (GstDeltaCnn * self, gboolean forced);
/* The property stats; new. */
G_GNUC_INTERNAL
GstStructure *gst_delta_cnn_timing_stats (GstDeltaCnn * self);

GST_ELEMENT_REGISTER_DECLARE (deltacnn);

G_END_DECLS

#endif
