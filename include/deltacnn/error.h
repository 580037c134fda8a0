/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * error.h - what may go wrong: the domain and the codes of every GError that
 * the library sets. The message names the culprit and what would do.
 */
#ifndef DCNN_ERROR_H
#define DCNN_ERROR_H

#include <glib.h>

G_BEGIN_DECLS
#pragma GCC visibility push(default)

typedef enum DcnnError {
  DCNN_ERROR_FILE,        /* missing, unreadable, not what it claims to be */
  DCNN_ERROR_INVALID,     /* well-formed but wrong: shapes, types, cycles */
  DCNN_ERROR_UNSUPPORTED, /* valid but not ours: the message lists all nodes */
  DCNN_ERROR_LIMIT,       /* too large */
  DCNN_ERROR_MEMORY,      /* an allocation failed, or more is asked for
                             than the machine has */
  DCNN_ERROR_ARGUMENT,    /* the caller's mistake */
  DCNN_ERROR_DEVICE,      /* device lost or absent */
} DcnnError;

#define DCNN_ERROR (dcnn_error_quark ())
GQuark dcnn_error_quark (void);

#pragma GCC visibility pop
G_END_DECLS

#endif
