/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_stabilizer.h - how the camera moved: from luma pictures to a matrix
 * frame -> reference, and what to make of it.
 *
 * Corners of a key frame are tracked straight into every frame, so that error
 * does not add up frame by frame; a new key frame is taken when too few of
 * them are left, and an old one again when the camera returns to it. A robust
 * fit leaves out what moves by itself.
 *
 * Not for warping pictures, nor for networks: it knows neither.
 * Thread safety: one stabilizer belongs to one thread at a time.
 */
#ifndef DCNN_STABILIZER_H
#define DCNN_STABILIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dcnn_homography.h"

typedef enum DcnnAlignState {
  DCNN_ALIGN_ALIGNED,    /* matrix maps the frame onto the reference */
  DCNN_ALIGN_REANCHORED, /* this frame is the new reference */
  DCNN_ALIGN_LOST,       /* nothing found: matrix is the last good one */
} DcnnAlignState;

typedef enum DcnnAlignMethod {
  DCNN_ALIGN_HOMOGRAPHY,
  DCNN_ALIGN_AFFINE,      /* shift, roll, zoom, shear */
  DCNN_ALIGN_SIMILARITY,  /* shift, roll, zoom */
  DCNN_ALIGN_TRANSLATION,
} DcnnAlignMethod;

typedef struct DcnnStabilizerOptions {
  DcnnAlignMethod method;
  unsigned points;       /* corners of a key frame; default 160 */
  double min_inliers;    /* share of tracked points; default 0.4 */
  double max_zoom;       /* re-anchor past this factor or its inverse; 1.2 */
  double max_roll;       /* radians; default 0.15 */
  double max_stretch;    /* greatest over least scale in a picture; 1.5 */
  double dead_zone_px;   /* the matrix stays while no corner moved more than
                            this since, frame pixels; default 0.1 */
  double smoothing_px;   /* small moves are followed late, by at most this,
                            frame pixels; 0, the default: not */
  unsigned patience;     /* lost frames before a re-anchor; default 3 */
  bool hold;             /* keep the reference whatever the limits say and
                            however long the view is lost; default no */
} DcnnStabilizerOptions;
void dcnn_stabilizer_options_init (DcnnStabilizerOptions *options);

typedef struct DcnnAlignTrack {
  float from_x, from_y;  /* where the last aligned frame had it, frame pixels;
                            as x, y where that did not look for it */
  float x, y;
  bool inlier;
} DcnnAlignTrack;

typedef struct DcnnAlignment {
  DcnnAlignState state;
  DcnnHomography matrix; /* frame pixels -> reference pixels */
  double inliers;        /* share of the tracked points */
  double error_px;       /* rms of the inliers, frame pixels */
  bool new_key, old_key; /* this frame became a key; an old one was taken */
  const DcnnAlignTrack *tracks; /* the stabilizer's, until its next frame */
  unsigned n_tracks;
} DcnnAlignment;

typedef struct DcnnStabilizer DcnnStabilizer;

/* Whether this build can estimate motion; else what to install. */
bool dcnn_stabilizer_available (const char **remedy);

/* NULL: out of memory, or built without OpenCV. */
DcnnStabilizer *dcnn_stabilizer_new (const DcnnStabilizerOptions *options);
void dcnn_stabilizer_free (DcnnStabilizer *stabilizer);
/* Takes other options from the next frame on; the reference is kept. */
void dcnn_stabilizer_set_options (DcnnStabilizer *stabilizer,
    const DcnnStabilizerOptions *options);
/* The next frame is a new reference. */
void dcnn_stabilizer_reset (DcnnStabilizer *stabilizer);

/* A frame's luma plane, pixels `step` bytes apart. Another size than the
 * last's re-anchors. False: out of memory. */
bool dcnn_stabilizer_push (DcnnStabilizer *stabilizer, const uint8_t *luma,
    ptrdiff_t stride, unsigned step, unsigned width, unsigned height,
    DcnnAlignment *alignment);

#endif
