/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlay-stub.c - deltaoverlay in a build without cairo: there is
 * none.
 */
#include <gst/gst.h>

gboolean gst_element_register_deltaoverlay (GstPlugin * plugin);

gboolean
gst_element_register_deltaoverlay (GstPlugin * plugin)
{
  GST_INFO ("built without cairo: no deltaoverlay");
  return FALSE;
}
