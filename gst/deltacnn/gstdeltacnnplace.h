/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnplace.h - which of several GPUs an element of this process runs
 * on, where its user names none.
 *
 * Elements that are alike (they run one model by the same settings) are of use
 * to each other on one GPU, where their frames are one batch: they stay together
 * up to a number from which a larger batch gains little. Apart from that, a GPU
 * is as loaded as elements are placed on it.
 *
 * An element has its place from READY on, before its model is loaded: a decoder
 * before it asks then in which GPU's memory its pictures are to lie. Thread
 * safe.
 */
#ifndef GST_DELTA_CNN_PLACE_H
#define GST_DELTA_CNN_PLACE_H

#include <glib.h>

G_BEGIN_DECLS

/* Elements that are alike and stay together on one GPU. */
#define GST_DELTA_CNN_PLACE_TOGETHER 16
/* GPUs that are told apart; any further one is not used. */
#define GST_DELTA_CNN_PLACE_MOST 64

/* The rule. loads, alike: what is placed on each of n > 0 GPUs, and how much of
 * that is alike. Where some is, and fewer than GST_DELTA_CNN_PLACE_TOGETHER:
 * there (the most of it, so that a batch fills before the next begins); else
 * the least loaded. The first one of equals. */
guint gst_delta_cnn_place_choose (const guint * loads, const guint * alike,
    guint n);

typedef struct GstDeltaCnnPlace GstDeltaCnnPlace;

/* A place on one of the n GPUs whose numbers gpus has (n > 0, at most
 * GST_DELTA_CNN_PLACE_MOST). key: equal for those that are alike. weight: how
 * many streams it runs. New. */
GstDeltaCnnPlace *gst_delta_cnn_place_new (const gchar * key, guint weight,
    const guint * gpus, guint n);
guint gst_delta_cnn_place_gpu (const GstDeltaCnnPlace * place);
void gst_delta_cnn_place_free (GstDeltaCnnPlace * place);

G_END_DECLS

#endif
