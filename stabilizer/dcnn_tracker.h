/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tracker.h - the C face of the few OpenCV functions that the stabilizer
 * needs; dcnn_tracker.cpp is the only C++ of the project.
 *
 * Pictures live in slots as pyramids of reduced luma; the tracker's pixels are
 * the reduced picture's, OpenCV's convention (pixel centres at whole numbers).
 * No function throws; what fails (out of memory, say) answers false or 0. One
 * tracker belongs to one thread at a time.
 */
#ifndef DCNN_TRACKER_H
#define DCNN_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct DcnnTracker DcnnTracker;

typedef struct DcnnPoint {
  float x, y;
} DcnnPoint;

/* n_slots pictures of width x height. NULL: out of memory. */
DcnnTracker *dcnn_tracker_new (unsigned n_slots, unsigned width,
    unsigned height);
void dcnn_tracker_free (DcnnTracker *tracker);

/* Reduces a luma plane (at least factor times as large, pixels `step` bytes
 * apart) into a slot: every pixel is the mean of factor x factor. */
bool dcnn_tracker_load (DcnnTracker *tracker, unsigned slot,
    const uint8_t *luma, ptrdiff_t stride, unsigned step, unsigned factor);
/* Exchanges two slots' pictures. */
void dcnn_tracker_swap (DcnnTracker *tracker, unsigned a, unsigned b);

/* Up to max corners of a slot, spread over the picture. Returns how many.
 * Looked for at half size: for a place to track, two pixels are near enough. */
unsigned dcnn_tracker_corners (DcnnTracker *tracker, unsigned slot,
    DcnnPoint *points, unsigned max);

/* Pyramidal Lucas-Kanade from a slot to another. to: where to look first, then
 * where found; near: that is within a few pixels, so that the coarse levels are
 * left out. good[i]: found, inside, and tracking back ends within back_px of
 * where it began. */
bool dcnn_tracker_track (DcnnTracker *tracker, unsigned from_slot,
    unsigned to_slot, const DcnnPoint *from, DcnnPoint *to, uint8_t *good,
    unsigned n, bool near, float back_px);

/* The shift from a slot to another by phase correlation of small pictures, for
 * jumps too long to track. response: 0..1. */
bool dcnn_tracker_shift (DcnnTracker *tracker, unsigned from_slot,
    unsigned to_slot, DcnnPoint *shift, double *response);

typedef enum DcnnTrackerModel {
  DCNN_TRACKER_HOMOGRAPHY,  /* USAC with the MAGSAC score */
  DCNN_TRACKER_AFFINE,      /* RANSAC: shift, roll, zoom and shear */
  DCNN_TRACKER_SIMILARITY,  /* RANSAC: shift, roll and zoom */
  DCNN_TRACKER_TRANSLATION, /* the median shift */
} DcnnTrackerModel;

/* A robust model with to = matrix * from; same input and seed, same result.
 * inlier[i]: within threshold_px. False: none found. */
bool dcnn_tracker_fit (DcnnTrackerModel model, const DcnnPoint *from,
    const DcnnPoint *to, unsigned n, double threshold_px, int seed,
    double matrix[9], uint8_t *inlier);

#ifdef __cplusplus
}
#endif

#endif
