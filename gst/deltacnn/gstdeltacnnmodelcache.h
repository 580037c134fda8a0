/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnmodelcache.h - elements that run the same file at the same size
 * share one model: its weights are in memory once a process.
 *
 * Thread-safe; the lock is never held while a file is read.
 */
#ifndef GST_DELTA_CNN_MODEL_CACHE_H
#define GST_DELTA_CNN_MODEL_CACHE_H

#include "deltacnn/modelinfo.h"

G_BEGIN_DECLS

/* The model of path at width x height (0: the file's), loaded now unless an
 * element holds it already. A file that changed on disk is another model, and so
 * is one whose descriptor (dcnn_modelinfo_find()) now says something else. Give
 * back with gst_delta_cnn_model_cache_release(). NULL with error set. */
DcnnModel *gst_delta_cnn_model_cache_acquire (const gchar * path, guint width,
    guint height, GError ** error) G_GNUC_WARN_UNUSED_RESULT;
void gst_delta_cnn_model_cache_release (DcnnModel * model);

G_END_DECLS

#endif
