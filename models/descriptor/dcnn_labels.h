/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_labels.h - names of classes and key points, from a descriptor's
 * [labels] group: list=a;b;c or file=NAME.txt, one a line.
 *
 * Not public: dcnn_modelinfo_load() hands them out.
 */
#ifndef DCNN_LABELS_H
#define DCNN_LABELS_H

#include <glib.h>

#include "dcnn_keys.h"

G_BEGIN_DECLS

#define DCNN_LABELS_MAX_BYTES (1024 * 1024)
#define DCNN_LABELS_MAX 65536

/* Reads [labels]. Without the group labels stay NULL and n 0. file= is a
 * plain name, looked for in the descriptor's folder, labels/ and ../labels/
 * there, then in the same three places of every descriptor folder; so that a
 * descriptor cannot make the program read elsewhere. */
gboolean dcnn_labels_read (const DcnnKeys *keys, char ***labels, guint *n,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Text of a label file as a NULL-terminated list: lines stripped, a UTF-8 byte
 * order mark and empty lines at the end dropped; an empty line before is a
 * class without a name. name: for messages. */
char **dcnn_labels_parse (const char *text, gsize length, const char *name,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
