/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnsettings.h - what a user may set on deltacnn, as plain data.
 *
 * The element keeps one under its object lock; loading a model and running a
 * frame work on copies, so nothing here needs a lock of its own.
 */
#ifndef GST_DELTA_CNN_SETTINGS_H
#define GST_DELTA_CNN_SETTINGS_H

#include <gst/gst.h>

#include "deltacnn/session.h"

G_BEGIN_DECLS

typedef enum
{
  GST_DELTA_CNN_RESIZE_AUTO,   /* the descriptor's */
#define DCNN_X(e, name, what) GST_DELTA_CNN_RESIZE_##e,
  DCNN_FITS (DCNN_X)            /* DcnnFit's, one on */
#undef DCNN_X
} GstDeltaCnnResize;

typedef enum
{
  GST_DELTA_CNN_ORDER_AUTO,    /* the descriptor's */
  GST_DELTA_CNN_ORDER_RGB,
  GST_DELTA_CNN_ORDER_BGR,
} GstDeltaCnnOrder;

typedef enum
{
  GST_DELTA_CNN_ATTACH_TENSORS = 1 << 0,
  GST_DELTA_CNN_ATTACH_SEGMENTATION = 1 << 1,
  GST_DELTA_CNN_ATTACH_POSES = 1 << 2,
  GST_DELTA_CNN_ATTACH_DETECTIONS = 1 << 3,
  GST_DELTA_CNN_ATTACH_ROI = 1 << 4,
  GST_DELTA_CNN_ATTACH_ANALYTICS = 1 << 5,
  GST_DELTA_CNN_ATTACH_UPDATES = 1 << 6,
  GST_DELTA_CNN_ATTACH_STATS = 1 << 7,
  GST_DELTA_CNN_ATTACH_CLASSES = 1 << 8,
  GST_DELTA_CNN_ATTACH_PICTURE = 1 << 9,
  GST_DELTA_CNN_ATTACH_VALUES = 1 << 10,
} GstDeltaCnnAttach;

#define GST_DELTA_CNN_ATTACH_DEFAULT                                           \
  (GST_DELTA_CNN_ATTACH_SEGMENTATION | GST_DELTA_CNN_ATTACH_POSES              \
      | GST_DELTA_CNN_ATTACH_DETECTIONS | GST_DELTA_CNN_ATTACH_ROI             \
      | GST_DELTA_CNN_ATTACH_ANALYTICS | GST_DELTA_CNN_ATTACH_UPDATES          \
      | GST_DELTA_CNN_ATTACH_STATS | GST_DELTA_CNN_ATTACH_CLASSES             \
      | GST_DELTA_CNN_ATTACH_PICTURE | GST_DELTA_CNN_ATTACH_VALUES)

/* input-width, input-height: follow the frame's size. */
#define GST_DELTA_CNN_SIZE_FRAME (-1)

/* Settings of their own memory; device NULL: auto. */
#define GST_DELTA_CNN_SETTINGS_STRINGS(X)                                      \
  X (model) X (labels) X (decoder) X (mean) X (scale) X (results_location)     \
  X (regions) X (roi_type) X (device)

typedef struct
{
#define STRING(name) gchar *name;
  GST_DELTA_CNN_SETTINGS_STRINGS (STRING)
#undef STRING
  gint gpu_index;                 /* -1: none named */
  gint placed_gpu;                /* where several are and none is named; -1 */
  gint batch_timeout;             /* us; see gst_delta_cnn_seat_new() */
  GstDeltaCnnResize resize;
  GstDeltaCnnOrder order;
  gint input_width, input_height; /* 0: the descriptor's or the model's */
  guint threads;
  DcnnPrecision precision;
  DcnnTuning tuning;
  guint set;                      /* of tuning, bits 1 << DcnnTunes: by the user;
                                     what a descriptor may tell stays its
                                     otherwise */
  gfloat score_threshold;         /* < 0: the descriptor's */
  guint attach;                   /* GstDeltaCnnAttach */
  guint stats_interval_ms;        /* 0: no messages */
  gboolean qos;
  gboolean stand_aside;
  gboolean pipelined;             /* frames leave one late */
  gboolean roi_metas;
  guint windows;                  /* on single regions; 0: the whole frame */
  guint region_margin;            /* px of the network's input */
} GstDeltaCnnSettings;

/* Defaults; clear before reuse. */
void gst_delta_cnn_settings_init (GstDeltaCnnSettings * settings);
void gst_delta_cnn_settings_clear (GstDeltaCnnSettings * settings);
/* Deep copy into an uninitialised one. */
void gst_delta_cnn_settings_copy (const GstDeltaCnnSettings * from,
    GstDeltaCnnSettings * to);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GstDeltaCnnSettings,
    gst_delta_cnn_settings_clear)

/* Puts the tuning values that the user has set over those in tuning. */
void gst_delta_cnn_settings_apply_tuning (const GstDeltaCnnSettings * settings,
    DcnnTuning * tuning);

/* The device as the engine calls it, the number of the GPU included; new. */
gchar *gst_delta_cnn_settings_get_device (const GstDeltaCnnSettings *
    settings);
/* The kind of GPU of which the element may run on any that is there, the first
 * that has one or is named; NULL: none, or one of them is named. */
const DcnnDeviceKind *gst_delta_cnn_settings_any_gpu (const GstDeltaCnnSettings *
    settings);
/* Equal for elements whose frames can be one batch; new. */
gchar *gst_delta_cnn_settings_get_key (const GstDeltaCnnSettings * settings);

/* Puts resize, channel order, mean and scale over options. Fails on text that
 * is not one or three numbers (DCNN_ERROR_ARGUMENT). */
gboolean gst_delta_cnn_settings_apply_input (const GstDeltaCnnSettings *
    settings, DcnnSessionOptions * options, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Types for properties. */
GType gst_delta_cnn_resize_get_type (void);
GType gst_delta_cnn_order_get_type (void);
GType gst_delta_cnn_precision_get_type (void);
GType gst_delta_cnn_mode_get_type (void);
GType gst_delta_cnn_criterion_get_type (void);
GType gst_delta_cnn_sampling_get_type (void);
GType gst_delta_cnn_attach_get_type (void);

G_END_DECLS

#endif
