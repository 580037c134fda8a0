/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_range.c - a network whose numbers half floats do not hold, in a pipeline on
 * a GPU: one warning that names the way out, which is one.
 *
 * The plugin is linked into this program, on an emulated GPU (../emulated).
 */
#include <gst/gst.h>
#include <string.h>

#include "tiny_models.h"

#define FRAMES 4
#define PATIENCE (60 * GST_SECOND)
#define ONE_WINDOW "windows=1 regions=8,8,16,16"

const GstPluginDesc *gst_plugin_deltacnn_get_desc (void);

/* What the element said. */
typedef struct
{
  GMutex lock;                 /* messages come from threads */
  guint warnings;
  gchar *text;
} Said;

static GstBusSyncReply
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  Said *said = data;
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_WARNING)
    return GST_BUS_PASS;
  gst_message_parse_warning (message, &error, NULL);
  g_mutex_lock (&said->lock);
  said->warnings++;
  g_free (said->text);
  said->text = g_strdup (error->message);
  g_mutex_unlock (&said->lock);
  return GST_BUS_DROP;
}

/* Plays the pictures, of values up to 255 times scale, to the end. */
static void
play (const gchar * model, const gchar * precision, const gchar * scale,
    const gchar * more, Said * said)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autofree gchar *text = g_strdup_printf ("videotestsrc pattern=ball "
      "num-buffers=%d ! video/x-raw,format=RGB,width=32,height=32,"
      "framerate=25/1 ! deltacnn model=%s device=cuda precision=%s scale=%s %s ! "
      "fakesink", FRAMES, model, precision, scale, more);

  memset (said, 0, sizeof *said);
  g_mutex_init (&said->lock);
  pipeline = gst_parse_launch (text, &error);
  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  gst_bus_set_sync_handler (bus, on_message, said, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, PATIENCE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
said_clear (Said * said)
{
  g_mutex_clear (&said->lock);
  g_free (said->text);
}

static void
test_warning (void)
{
  static const struct
  {
    const gchar *precision, *scale, *more;
    guint warnings;
  } cases[] = { {"auto", "0.004", "", 0}, {"auto", "100000", "", 1},
    {"f16", "100000", "", 1}, {"bf16", "100000", "", 0},
    {"f32", "100000", "", 0}, {"auto", "100000", ONE_WINDOW, 1},
    {"bf16", "100000", ONE_WINDOW, 0} };
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *model = tiny_model_write (dir, "model", TINY_MASK, 32, 32,
      NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Said said;
    play (model, cases[i].precision, cases[i].scale, cases[i].more, &said);
    g_test_message ("%s, scale %s: %s", cases[i].precision, cases[i].scale,
        said.text ? said.text : "nothing said");
    g_assert_cmpuint (said.warnings, ==, cases[i].warnings);
    if (said.text) {
      g_assert_nonnull (strstr (said.text, "65504"));
      g_assert_nonnull (strstr (said.text, "precision=bf16"));
    }
    said_clear (&said);
  }
  tiny_folder_remove (dir);
}

int
main (int argc, char **argv)
{
  const GstPluginDesc *desc = gst_plugin_deltacnn_get_desc ();

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_unsetenv ("DELTACNN_DEVICE");
  g_assert_true (gst_plugin_register_static (desc->major_version,
          desc->minor_version, desc->name, desc->description,
          desc->plugin_init, desc->version, desc->license, desc->source,
          desc->package, desc->origin));
  g_test_add_func ("/gst/cuda-range/warning", test_warning);
  return g_test_run ();
}
