/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_packing.c - which packing of a convolution a level reads.
 */
#include "conv.h"

const DcnnPacking *
dcnn_conv_packing (const DcnnConv *conv, DcnnIsa level)
{
  for (unsigned i = 0; level == DCNN_LEVEL_C && i < DCNN_LEVEL_COUNT; i++)
    if (conv->packing[i].n_panels)
      return &conv->packing[i];
  return &conv->packing[level];
}
