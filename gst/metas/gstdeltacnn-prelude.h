/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnn-prelude.h - what every public header of libgstdeltacnn-1.0
 * needs: the export macro and the fields that all result metas share.
 *
 * The library holds metas only: an application that reads results links it
 * and needs neither the plugin nor libdeltacnn.
 */
#ifndef GST_DELTA_CNN_PRELUDE_H
#define GST_DELTA_CNN_PRELUDE_H

#include <gst/gst.h>

/* Every public function is declared with it. */
#ifndef GST_DELTA_CNN_API
#if defined(__GNUC__)
#define GST_DELTA_CNN_API extern __attribute__ ((visibility ("default")))
#else
#define GST_DELTA_CNN_API extern
#endif
#endif

#endif
