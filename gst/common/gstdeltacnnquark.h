/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnquark.h - names from files as quarks, which a process keeps for
 * ever: made when a name is first needed, and only so many.
 */
#ifndef GST_DELTA_CNN_QUARK_H
#define GST_DELTA_CNN_QUARK_H

#include <glib.h>

G_BEGIN_DECLS

/* A process that loads one model after another keeps no more names than this;
 * GStreamer's own metas ask for quarks. */
#define GST_DELTA_CNN_QUARKS_FROM_FILES 16384

/* The quark of a label or a tensor's name; past the limit that of a text which
 * says so, for names that are not known yet. Any thread. */
GQuark gst_delta_cnn_quark_from_file (const gchar * text);

G_END_DECLS

#endif
