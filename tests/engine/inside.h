/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * inside.h - which pixels of a map have their whole receptive field inside
 * the window: what a moved window must compute as any other does. Pixels past
 * it may stem from neighbours that have left the view, or from padding.
 */
#ifndef DCNN_TEST_INSIDE_H
#define DCNN_TEST_INSIDE_H

#include "dcnn_plan.h"

/* Rows y0 .. y1-1, columns x0 .. x1-1; empty: y0 >= y1 or x0 >= x1. */
typedef struct TestInside {
  gint y0, y1, x0, x1;
} TestInside;

/* By plan map; new, free with g_free(). */
TestInside *test_inside_new (const DcnnPlan *plan);

#endif
