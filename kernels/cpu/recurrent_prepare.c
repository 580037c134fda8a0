/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recurrent_prepare.c - the weights of a recurrent layer's state as
 * DcnnRecurrentFn reads them: the gates of 16 cells side by side, so that what
 * a cell becomes is known when their sums are.
 */
#include "dcnn_kernels.h"

uint32_t
dcnn_recurrent_pass (DcnnCellKind kind, uint32_t pass, uint32_t *first,
    uint32_t *gates)
{
  *first = pass * 2;
  *gates = kind == DCNN_CELL_RNN ? 1 : kind == DCNN_CELL_LSTM ? 4
      : kind == DCNN_CELL_GRU_AFTER ? 3 : 2 - pass;
  return *gates == 1 ? 4 : *gates == 2 ? 2 : 1;
}

size_t
dcnn_recurrent_floats (DcnnCellKind kind, size_t hidden)
{
  size_t floats = 0;

  for (uint32_t pass = 0; pass < DCNN_RECURRENT_PASSES (kind); pass++) {
    uint32_t first, gates;
    const size_t cells = DCNN_MATMUL_PANEL *
        dcnn_recurrent_pass (kind, pass, &first, &gates);
    floats += (hidden + cells - 1) / cells * cells * gates * hidden;
  }
  return floats;
}

void
dcnn_recurrent_pack (DcnnCellKind kind, size_t hidden, const float *weights,
    float *to)
{
  for (uint32_t pass = 0; pass < DCNN_RECURRENT_PASSES (kind); pass++) {
    uint32_t first, gates;
    const size_t cells = DCNN_MATMUL_PANEL *
        dcnn_recurrent_pass (kind, pass, &first, &gates);
    for (size_t c = 0; c < hidden; c += cells)
      for (size_t k = 0; k < hidden; k++)
        for (uint32_t g = first; g < first + gates; g++)
          for (size_t i = c; i < c + cells; i++)
            *to++ = i < hidden ? weights[(g * hidden + i) * hidden + k] : 0;
  }
}
