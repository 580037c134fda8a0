/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnpass.h - what elements share whose frames pass untouched, with
 * metas more: parts of GstBaseTransform's class.
 */
#ifndef GST_DELTA_CNN_PASS_H
#define GST_DELTA_CNN_PASS_H

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

/* Sets the properties that are under control to what they are at the buffer's
 * stream time, where it has one. */
void gst_delta_cnn_pass_sync (GstBaseTransform * trans, GstBuffer * buffer);

/* For prepare_output_buffer. Only metas are added, so a buffer that is shared
 * needs a writable header, never a copy of the picture. */
GstFlowReturn gst_delta_cnn_pass_buffer (GstBaseTransform * trans,
    GstBuffer * inbuf, GstBuffer ** outbuf);

/* For propose_allocation. Upstream allocates as downstream, which gets the same
 * memory, would have it; of system memory, rows of any length (a video meta)
 * only where downstream reads such. */
gboolean gst_delta_cnn_pass_allocation (GstBaseTransform * trans,
    GstQuery * decide_query, GstQuery * query);

G_END_DECLS

#endif
