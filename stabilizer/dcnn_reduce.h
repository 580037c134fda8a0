/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_reduce.h - a luma plane made smaller by a whole factor.
 */
#ifndef DCNN_REDUCE_H
#define DCNN_REDUCE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each pixel of out (out_w x out_h, rows out_stride bytes apart) is the mean,
 * rounded, of factor x factor pixels of luma, which has at least factor times
 * as many rows and columns, `step` bytes apart. A negative stride goes up.
 * factor: 1..DCNN_REDUCE_MOST. sums: (out_w * factor - 1) * step + 1 numbers to
 * work in. Nothing else is read or written. */
#define DCNN_REDUCE_MOST 64u
void dcnn_reduce (const uint8_t *luma, ptrdiff_t stride, unsigned step,
    unsigned factor, uint8_t *out, ptrdiff_t out_stride, unsigned out_w,
    unsigned out_h, uint16_t *sums);

#ifdef __cplusplus
}
#endif

#endif
