/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_look.h - from a view, as the session has it, to what input stages
 * compute by (dcnn_look_math.h). Pure functions.
 */
#ifndef DCNN_LOOK_H
#define DCNN_LOOK_H

#include "dcnn_input_tables.h"
#include "dcnn_look_math.h"

typedef struct DcnnInputView {
  double matrix[9];    /* window pixels -> picture pixels, row by row,
                          homogeneous, continuous (centres at .5) */
  /* Rows and columns whose stored values are of this place; elsewhere what is
   * not covered becomes as the nearest that is; in a window that is larger
   * than the picture, the fill. */
  uint32_t known_y0, known_y1, known_x0, known_x1;
  float forgive;       /* px, 0 .. 1: a change that a shift by so much would
                          make of the stored picture is none, unless the window
                          lies on whole pixels */
  DcnnSampling sampling;
  bool shadow;         /* keep count of what would have changed without it */
} DcnnInputView;

/* view: NULL: none, the picture is the window. The weights stay. */
void dcnn_look_init (DcnnLook *look, const DcnnInputGeometry *geometry,
    const DcnnInputView *view);
/* weights[DCNN_LOOK_PHASES]: Catmull-Rom (Keys, Cubic convolution
 * interpolation, 1981, a = -1/2) or another. */
void dcnn_look_weights (DcnnSampling sampling, int16_t (*weights)[4]);
/* The matrix that it comes to: shifts are by whole pixels then. */
void dcnn_look_get_matrix (const DcnnLook *look, double matrix[9]);

#endif
