/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * prepared.h - how prepared operators are held: one 64-byte aligned block that
 * begins with this header; free () releases all of it.
 */
#ifndef DCNN_PREPARED_H
#define DCNN_PREPARED_H

#include "dcnn_kernels.h"
#include "isa.h"

struct DcnnPrepared {
  bool depthwise; /* a conv-transpose that is a DcnnDepthwise */
};

/* Rounds a byte count up to 64, so that parts of a block stay aligned. */
#define DCNN_ALIGN64(n) (((size_t) (n) + 63) & ~(size_t) 63)

/* The next part of a kernel's scratch, on a cache line of its own; NULL when
 * scratch is, to learn what `used` comes to. */
static inline void *
dcnn_carve (char *scratch, size_t *used, size_t bytes)
{
  void *part = scratch ? scratch + *used : NULL;

  *used += DCNN_ALIGN64 (bytes);
  return part;
}

/* Returns a new zeroed block of that many bytes, or NULL. */
void *dcnn_prepared_new (size_t bytes);

/* True when packings for that level must be made (see
 * dcnn_cpu_prepare_all_levels). */
bool dcnn_cpu_level_wanted (DcnnIsa level);

#endif
