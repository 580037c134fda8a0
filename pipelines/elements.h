/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * elements.h - so that these programs run from the build folder as they are:
 * where no plugin with deltacnn is known, the one of the build is taken, in
 * gst/ beside the program's folder. An installed program needs none of this.
 */
#ifndef PIPELINES_ELEMENTS_H
#define PIPELINES_ELEMENTS_H

#include <gst/gst.h>

static inline gboolean
knows_deltacnn (void)
{
  GstElementFactory *factory = gst_element_factory_find ("deltacnn");
  gboolean known = factory != NULL;

  g_clear_pointer (&factory, gst_object_unref);
  return known;
}

/* After gst_init(). FALSE: there is none, and that was said. */
static inline gboolean
find_elements (void)
{
  g_autofree gchar *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree gchar *folder = g_path_get_dirname (self ? self : "");
  g_autofree gchar *plugins = g_build_filename (folder, "..", "gst", NULL);

  if (knows_deltacnn ())
    return TRUE;
  gst_registry_scan_path (gst_registry_get (), plugins);
  if (knows_deltacnn ())
    return TRUE;
  g_printerr ("There is no element deltacnn, and none in %s: name the folder "
      "that has libgstdeltacnn.so in GST_PLUGIN_PATH.\n", plugins);
  return FALSE;
}

#endif
