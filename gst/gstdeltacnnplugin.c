/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnplugin.c - the plugin: registers its elements.
 */
#include <gst/gst.h>

#include "deltacnn/version.h"
#include "gstdeltacnn.h"

#define PACKAGE "deltacnn"

GST_ELEMENT_REGISTER_DECLARE (deltaimage);
/* gstdeltaoverlay.c, or its stub where there is no cairo. */
GST_ELEMENT_REGISTER_DECLARE (deltaoverlay);
GST_ELEMENT_REGISTER_DECLARE (framealign);

static gboolean
plugin_init (GstPlugin * plugin)
{
  gboolean registered = GST_ELEMENT_REGISTER (deltacnn, plugin);

  registered |= GST_ELEMENT_REGISTER (deltaimage, plugin);
  registered |= GST_ELEMENT_REGISTER (framealign, plugin);
  return GST_ELEMENT_REGISTER (deltaoverlay, plugin) || registered;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, deltacnn,
    "Runs CNNs on video, recomputing only what changed", plugin_init,
    DCNN_VERSION, "LGPL", "deltacnn", "Unknown package origin")
