/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_stabilizer_stub.c - answers where OpenCV was not there at build time.
 */
#include "dcnn_stabilizer.h"

#include <string.h>

void
dcnn_stabilizer_options_init (DcnnStabilizerOptions *options)
{
  memset (options, 0, sizeof *options);
}

bool
dcnn_stabilizer_available (const char **remedy)
{
  if (remedy)
    *remedy = "built without OpenCV: install libopencv-dev (Debian, Ubuntu) "
        "and build again with -Dalign=enabled";
  return false;
}

DcnnStabilizer *
dcnn_stabilizer_new (const DcnnStabilizerOptions *options)
{
  (void) options;
  return NULL;
}

void
dcnn_stabilizer_free (DcnnStabilizer *stabilizer)
{
  (void) stabilizer;
}

void
dcnn_stabilizer_set_options (DcnnStabilizer *stabilizer,
    const DcnnStabilizerOptions *options)
{
  (void) stabilizer, (void) options;
}

void
dcnn_stabilizer_reset (DcnnStabilizer *stabilizer)
{
  (void) stabilizer;
}

bool
dcnn_stabilizer_push (DcnnStabilizer *stabilizer, const uint8_t *luma,
    ptrdiff_t stride, unsigned step, unsigned width, unsigned height,
    DcnnAlignment *alignment)
{
  (void) stabilizer, (void) luma, (void) stride, (void) step, (void) width;
  (void) height;
  memset (alignment, 0, sizeof *alignment);
  return false;
}
