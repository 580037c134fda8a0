/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * version.h - which version a program was compiled against, and which it runs
 * with. 0.y.z: until version 1 a new y may change everything.
 */
#ifndef DCNN_VERSION_H
#define DCNN_VERSION_H

#include <glib.h>

G_BEGIN_DECLS
#pragma GCC visibility push(default)

#define DCNN_VERSION_MAJOR 0
#define DCNN_VERSION_MINOR 1
#define DCNN_VERSION_MICRO 0
#define DCNN_VERSION "0.1.0"

/* Compiled against this version or a newer one? */
#define DCNN_CHECK_VERSION(major, minor, micro)                                \
  (DCNN_VERSION_MAJOR > (major) ||                                             \
      (DCNN_VERSION_MAJOR == (major) && (DCNN_VERSION_MINOR > (minor) ||       \
              (DCNN_VERSION_MINOR == (minor) &&                                \
                  DCNN_VERSION_MICRO >= (micro)))))

/* The version that runs, as DCNN_VERSION was when it was built. Static
 * storage; any thread. */
const char *dcnn_version (void);

#pragma GCC visibility pop
G_END_DECLS

#endif
