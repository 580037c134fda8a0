/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnerror.h - the engine's errors as element messages: what failed,
 * on which file or node, and what the user can do.
 */
#ifndef GST_DELTA_CNN_ERROR_H
#define GST_DELTA_CNN_ERROR_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Posts one error (fatal) or warning message on the bus. Call it with no lock
 * held. context: what was being done, for the debug text. */
void gst_delta_cnn_error_post (GstElement * element, GstMessageType type,
    const GError * error, const gchar * context);

G_END_DECLS

#endif
