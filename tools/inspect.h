/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * inspect.h - the three ways in which deltacnn-inspect shows a model.
 */
#ifndef DCNN_TOOLS_INSPECT_H
#define DCNN_TOOLS_INSPECT_H

#include "common.h"

typedef struct Inspected {
  const char *path;            /* of the model file */
  DcnnModel *model;
  DcnnModelInfo *info;
  DcnnModelSummary summary;
  guint64 session_bytes;       /* one session, one stream */
  guint64 file_bytes;          /* the model file and its external data */
  guint64 peak_bytes;          /* predicted */
  guint64 gpu_bytes, gpu_stream_bytes; /* on a GPU: one stream, each more;
                                  0: it cannot run the model, or is not built */
} Inspected;

/* Everything, one JSON object, to standard output. */
gboolean inspect_json (const Inspected *it, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* The plan as a Graphviz graph; path "-": standard output. Boxes are shaded
 * by their share of the multiplications. */
gboolean inspect_dot (const Inspected *it, const char *path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

#endif
