/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnload.h - from the element's settings to the files, descriptor
 * and size that a runner is made of. Every error names the file, or the
 * property, that is wrong.
 */
#ifndef GST_DELTA_CNN_LOAD_H
#define GST_DELTA_CNN_LOAD_H

#include "deltacnn/modelinfo.h"
#include "gstdeltacnnsettings.h"

G_BEGIN_DECLS

/* The model's path, having checked that a model is set and that the device
 * can be had. New text, or NULL with error set. */
gchar *gst_delta_cnn_load_find (const GstDeltaCnnSettings * settings,
    GError ** error) G_GNUC_WARN_UNUSED_RESULT;

/* The descriptor of path with the properties labels and decoder put over it.
 * New, or NULL with error set. */
DcnnModelInfo *gst_delta_cnn_load_info (const GstDeltaCnnSettings * settings,
    const gchar * path, GError ** error) G_GNUC_WARN_UNUSED_RESULT;

/* The network's input size to ask for; 0: the file's own. */
void gst_delta_cnn_load_size (const GstDeltaCnnSettings * settings,
    const DcnnModelInfo * info, guint frame_width, guint frame_height,
    guint * width, guint * height);

/* Does the model take one image and nothing else? */
gboolean gst_delta_cnn_load_check_input (const gchar * path,
    const DcnnModelSummary * summary, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Puts "path: " before a message that does not name the file. */
void gst_delta_cnn_load_name_file (GError ** error, const gchar * path);

G_END_DECLS

#endif
