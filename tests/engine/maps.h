/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * maps.h - the maps of two devices' sessions, value by value and bit by bit.
 */
#ifndef DCNN_TEST_MAPS_H
#define DCNN_TEST_MAPS_H

#include "dcnn_engine.h"

/* Every map of stream 0; where the sessions' plans have others, those of the
 * network's own values, which both have. bound: of the largest difference, as a
 * share of the largest value. masks: theirs are compared too; moved: but for
 * outputs', all of which counts as changed when the window has moved. seed,
 * frame: what a failure names. */
void test_compare_maps (DcnnSession *device, DcnnSession *sim, gdouble bound,
    gboolean masks, gboolean moved, guint64 seed, gint frame);

#endif
