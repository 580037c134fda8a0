/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnerror.c - see gstdeltacnnerror.h.
 */
#include "gstdeltacnnerror.h"

#include "deltacnn/error.h"

typedef struct
{
  DcnnError code;
  gboolean stream;              /* GST_STREAM_ERROR, else GST_RESOURCE_ERROR */
  gint gst_code;
  const gchar *remedy;
} ErrorMapping;

/* One line a code of DcnnError. */
static const ErrorMapping mappings[] = {
  {DCNN_ERROR_FILE, FALSE, GST_RESOURCE_ERROR_NOT_FOUND,
      "Check the path and that the file is whole and readable; "
        "DELTACNN_MODEL_PATH names folders to search"},
  {DCNN_ERROR_INVALID, TRUE, GST_STREAM_ERROR_FORMAT,
      "The file does not say what it should; correct it, or export or "
        "download the model again"},
  {DCNN_ERROR_UNSUPPORTED, TRUE, GST_STREAM_ERROR_NOT_IMPLEMENTED,
      "deltacnn-inspect --why MODEL lists what is supported; export the model "
        "without these, or use another"},
  {DCNN_ERROR_LIMIT, FALSE, GST_RESOURCE_ERROR_SETTINGS,
      "Use a smaller model or set a smaller input-width and input-height"},
  {DCNN_ERROR_MEMORY, FALSE, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
      "Free memory, or set a smaller input-width and input-height"},
  {DCNN_ERROR_ARGUMENT, FALSE, GST_RESOURCE_ERROR_SETTINGS,
      "Correct the property; gst-inspect-1.0 deltacnn describes each"},
  {DCNN_ERROR_DEVICE, FALSE, GST_RESOURCE_ERROR_NOT_FOUND,
      "Set device=cpu, or device=auto to fall back by itself"},
};

static const ErrorMapping *
find_mapping (const GError * error)
{
  for (guint i = 0; i < G_N_ELEMENTS (mappings); i++)
    if (error->domain == DCNN_ERROR && error->code == (gint) mappings[i].code)
      return &mappings[i];
  return NULL;
}

void
gst_delta_cnn_error_post (GstElement * element, GstMessageType type,
    const GError * error, const gchar * context)
{
  const ErrorMapping *mapping = find_mapping (error);
  const gchar *stop = g_str_has_suffix (error->message, ".") ? "" : ".";
  GQuark domain = error->domain;
  gint code = error->code;
  gchar *text, *debug;

  if (mapping)
    text = g_strdup_printf ("%s%s %s.", error->message, stop, mapping->remedy);
  else
    text = g_strdup (error->message);
  debug = g_strdup_printf ("while %s (%s, %d)", context,
      g_quark_to_string (error->domain), error->code);
  if (mapping) {
    domain = mapping->stream ? GST_STREAM_ERROR : GST_RESOURCE_ERROR;
    code = mapping->gst_code;
  } else if (domain != GST_STREAM_ERROR && domain != GST_RESOURCE_ERROR) {
    domain = GST_LIBRARY_ERROR;
    code = GST_LIBRARY_ERROR_FAILED;
  }
  /* Takes text and debug. */
  gst_element_message_full (element, type, domain, code, text, debug,
      __FILE__, GST_FUNCTION, __LINE__);
}
