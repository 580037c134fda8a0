/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx.h - from an ONNX file to a graph.
 *
 * For: opset 7 (most of 6) to the newest, standard operators as the list
 * dcnn_onnx_ops.def has them, float32 weights (float16 and bfloat16 become
 * float32), external data inside the model's own folder. Not for: control
 * flow, sequences, quantised operators, custom domains.
 *
 * A file is hostile until proven otherwise: every size is checked, memory
 * stays in proportion to the file, and nothing outside the model's folder is
 * opened. Every function may be called from any thread.
 *
 * Errors are of the DCNN_ERROR domain. A model that cannot be used is refused
 * with every offending node in one message (up to 40 lines): node name,
 * operator, reason, and what would work.
 */
#ifndef DCNN_ONNX_H
#define DCNN_ONNX_H

#include <glib.h>

#include "dcnn_graph.h"

G_BEGIN_DECLS

/* For tests: as dcnn_onnx_load_bytes() (deltacnn/model.h), with some graph inputs frozen to constants. constants:
 * input name (char *) -> const DcnnTensor *, borrowed and copied; may be
 * NULL. */
DcnnGraph *dcnn_onnx_load_bytes_with_constants (const guint8 *data,
    gsize length, const char *base_dir, const DcnnOnnxOptions *options,
    GHashTable *constants, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The names of the ONNX operators that can be imported, NULL-terminated, in
 * list order. Free the array, not the names, with g_free(). */
const char **dcnn_onnx_list_ops (void);

G_END_DECLS

#endif
