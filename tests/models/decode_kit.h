/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decode_kit.h - tensors planted by hand, a decoder on them, and a transform:
 * what the decoder tests share.
 */
#ifndef TESTS_DECODE_KIT_H
#define TESTS_DECODE_KIT_H

#include "deltacnn/decode.h"
#include "fit.h"

#define KIT_MAX_OUTPUTS 8

typedef struct Kit {
  DcnnModelInfo *info;
  DcnnDecoder *decoder;
  guint n;
  const char *names[KIT_MAX_OUTPUTS];
  DcnnTensor tensors[KIT_MAX_OUTPUTS];
  const DcnnTensor *list[KIT_MAX_OUTPUTS];
  DcnnTransform transform;
  guint net_w, net_h;
} Kit;

/* A descriptor's text: keys after [deltacnn] decoder=... and further groups.
 * The frame is as large as the network's input until kit_frame(). */
void kit_init (Kit *kit, const char *decoder, const char *groups, guint net_w,
    guint net_h);
/* Adds a zeroed float32 output; dims end with 0. Returns its data. */
gfloat *kit_add (Kit *kit, const char *name, const gint *dims);
/* Adds one of another type. */
gpointer kit_add_typed (Kit *kit, const char *name, DcnnDtype dtype,
    const gint *dims);
void kit_frame (Kit *kit, guint width, guint height, DcnnFit fit);
/* Makes the decoder if there is none yet and runs it. */
const DcnnResults *kit_run (Kit *kit, gfloat threshold);
/* The error that making the decoder gives; fails the test if there is none. */
GError *kit_error (Kit *kit);
void kit_clear (Kit *kit);

/* Outputs that a decoder must refuse, and what it must say. */
typedef struct Misfit {
  const char *decoder, *groups;
  gint dims[2][6];
  const char *names[2];
  const char *says;
} Misfit;
void kit_expect_misfits (const Misfit *misfits, guint n);

#define kit_assert_near(a, b, tolerance)                                       \
  g_assert_cmpfloat_with_epsilon ((gdouble) (a), (gdouble) (b), (tolerance))

static inline DcnnDetection
kit_box (const DcnnResults *results, guint i)
{
  g_assert_cmpuint (i, <, results->detections->len);
  return g_array_index (results->detections, DcnnDetection, i);
}

static inline DcnnKeypoint
kit_point (const DcnnResults *results, guint pose, guint k)
{
  g_assert_cmpuint (pose, <, results->poses->len);
  return g_array_index (results->keypoints, DcnnKeypoint,
      g_array_index (results->poses, DcnnPose, pose).first + k);
}

/* Calls of malloc and its like so far in this process; 0 for ever where the
 * allocator cannot be watched (sanitizers). */
guint64 kit_allocations (void);

#endif
