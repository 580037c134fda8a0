/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnninterest.h - where the previous result lies, as weights for the
 * input stage (the mean of the result mask dilated by 10, 20
 * and 40 network pixels), one a block of 8x8 network pixels.
 */
#ifndef GST_DELTA_CNN_INTEREST_H
#define GST_DELTA_CNN_INTEREST_H

#include "gstdeltacnnresults.h"

G_BEGIN_DECLS

typedef struct GstDeltaCnnInterest GstDeltaCnnInterest;

/* For a network input of width x height pixels. */
GstDeltaCnnInterest *gst_delta_cnn_interest_new (guint width, guint height);
void gst_delta_cnn_interest_free (GstDeltaCnnInterest * interest);

/* Weights 0..1 from results on the frame, whose pixels inward leads into the
 * network's input (dcnn_session_get_inward()). Borrowed until the next call. A frame without results weighs 1 everywhere, so that
 * new things are seen. */
const gfloat *gst_delta_cnn_interest_update (GstDeltaCnnInterest * interest,
    const GstDeltaCnnResults * results, const gdouble * inward);

G_END_DECLS

#endif
