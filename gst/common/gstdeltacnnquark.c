/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnquark.c - see gstdeltacnnquark.h.
 */
#include "gstdeltacnnquark.h"

GQuark
gst_delta_cnn_quark_from_file (const gchar * text)
{
  static gint made;
  GQuark quark = g_quark_try_string (text);

  if (quark)
    return quark;
  if (g_atomic_int_add (&made, 1) < GST_DELTA_CNN_QUARKS_FROM_FILES)
    return g_quark_from_string (text);
  g_atomic_int_add (&made, -1);
  return g_quark_from_static_string ("(more names than are kept)");
}
