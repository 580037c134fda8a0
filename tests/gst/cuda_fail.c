/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_fail.c - a pipeline on a GPU while a call of CUDA's runtime fails: one
 * error of the element, and the same pipeline starts again and works. Last, a
 * GPU that is lost: device=cuda then says so, device=auto goes on with the cpu.
 *
 * The plugin is linked into this program, whose calls of CUDA are led through
 * ../engine/cuda_calls.c: without a GPU the runtime is imitated, so it runs
 * anywhere, from a bundle too.
 */
#include <gst/gst.h>
#include <string.h>

#include "cuda_calls.h"
#include "dcnn_cuda.h"
#include "tiny_models.h"

#define FRAMES 10
#define FAILS_AT 4           /* frame */
#define MOST_CALLS 400
#define PATIENCE (30 * GST_SECOND)

const GstPluginDesc *gst_plugin_deltacnn_get_desc (void);

/* A pipeline, and which call of it is to fail: from that frame on, or from its
 * start (0). */
typedef struct
{
  GstElement *pipeline, *element;
  gchar *dir;
  gint frames;
  gint fails_at;
  guint call;
  cudaError_t failure;
  gboolean faults;             /* at that frame a kernel really does */
  GMutex lock;                 /* guards the rest: messages come from threads */
  guint errors;
  gchar *text;
} Case;

static GstPadProbeReturn
on_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Case *c = data;

  if (++c->frames == c->fails_at && c->call > 0)
    cuda_calls_fail (c->call, c->failure, TRUE);
  if (c->frames == c->fails_at && c->faults)
    (void) dcnn_cuda_count ((const DcnnCudaCounted *) 64, 1, 1, NULL, NULL,
        NULL, NULL, (DcnnCudaQueue) { NULL, NULL, FALSE }); /* nothing is there */
  return GST_PAD_PROBE_OK;
}

/* Errors of the element, when they are posted. */
static GstBusSyncReply
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  Case *c = data;
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR ||
      GST_MESSAGE_SRC (message) != GST_OBJECT (c->element))
    return GST_BUS_PASS;
  gst_message_parse_error (message, &error, NULL);
  g_mutex_lock (&c->lock);
  c->errors++;
  g_free (c->text);
  c->text = g_strdup (error->message);
  g_mutex_unlock (&c->lock);
  return GST_BUS_PASS;
}

static void
case_init (Case * c)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *model = NULL, *text = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstBus) bus = NULL;

  memset (c, 0, sizeof *c);
  g_mutex_init (&c->lock);
  c->dir = tiny_folder_new ();
  model = tiny_model_write (c->dir, "model", TINY_MASK, 32, 32, NULL);
  text = g_strdup_printf ("videotestsrc pattern=ball num-buffers=%d ! "
      "video/x-raw,format=RGB,width=32,height=32,framerate=25/1 ! "
      "deltacnn name=d model=%s device=cuda ! fakesink", FRAMES, model);
  c->pipeline = gst_parse_launch (text, &error);
  g_assert_no_error (error);
  c->element = gst_bin_get_by_name (GST_BIN (c->pipeline), "d");
  pad = gst_element_get_static_pad (c->element, "sink");
  bus = gst_element_get_bus (c->pipeline);
  gst_bus_set_sync_handler (bus, on_message, c, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, c, NULL);
}

static void
case_clear (Case * c)
{
  gst_object_unref (c->element);
  gst_object_unref (c->pipeline);
  tiny_folder_remove (c->dir);
  g_mutex_clear (&c->lock);
  g_free (c->text);
  g_free (c->dir);
}

/* Plays to the end, or to an error, and stops. Returns how many errors the
 * element posted; Case.text is the last one's. */
static guint
play (Case * c)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (c->pipeline);
  GstMessage *message;

  c->frames = 0;
  c->errors = 0;
  if (c->call > 0 && c->fails_at == 0)
    cuda_calls_fail (c->call, c->failure, TRUE);
  if (gst_element_set_state (c->pipeline, GST_STATE_PLAYING) !=
      GST_STATE_CHANGE_FAILURE) {
    message = gst_bus_timed_pop_filtered (bus, PATIENCE,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_nonnull (message);
    gst_message_unref (message);
  }
  (void) gst_element_set_state (c->pipeline, GST_STATE_NULL);
  return c->errors;
}

/* With the fault lifted it plays to the end. */
static void
expect_works (Case * c)
{
  c->call = 0;
  cuda_calls_fail (0, cudaSuccess, FALSE);
  if (play (c) > 0 || c->frames != FRAMES) {
    g_test_message ("after it: %d frames, %s", c->frames, c->text);
    g_test_fail ();
  }
}

/* Every step-th call from the start (fails_at 0) or from a frame on fails, each
 * in a run of its own. */
static void
try_calls (gint fails_at, guint step, cudaError_t failure)
{
  gboolean last = FALSE;
  guint failed = 0;

  for (guint n = 1; n < MOST_CALLS && !last && !g_test_failed (); n += step) {
    guint errors;
    Case c;
    case_init (&c);
    c.fails_at = fails_at;
    c.call = n;
    c.failure = failure;
    errors = play (&c);
    last = cuda_calls_failed () == NULL;
    /* a look at which GPUs there are may be taken again */
    if (errors > 1 || (errors == 0 && c.frames != FRAMES)) {
      g_test_message ("call %u (%s): %u errors of the element: %s", n,
          cuda_calls_failed (), errors, c.text);
      g_test_fail ();
    }
    failed += errors;
    expect_works (&c);
    case_clear (&c);
  }
  g_test_message ("%u calls failed the pipeline", failed);
  g_assert_cmpuint (failed, >=, 4);
}

static void
test_start (void)
{
  try_calls (0, 9, cudaErrorMemoryAllocation);
}

static void
test_frames (void)
{
  try_calls (FAILS_AT, 1 + 4 * !g_test_slow (),
      cudaErrorLaunchOutOfResources);
}

/* Maps of each kind; of bfloat16 where code for 8.0 is. */
static void
test_precision (void)
{
  static const struct
  {
    const gchar *precision;
    gint code;
    const gchar *error;
  } cases[] = { {"f16", 75, NULL}, {"bf16", 75, "8.0"}, {"bf16", 0, NULL},
    {"f32", 0, NULL} };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Case c;
    case_init (&c);
    gst_util_set_object_arg (G_OBJECT (c.element), "precision",
        cases[i].precision);
    cuda_calls_compiled_for (cases[i].code);
    if (cases[i].error) {
      g_assert_cmpuint (play (&c), ==, 1);
      g_assert_nonnull (strstr (c.text, cases[i].error));
      g_assert_nonnull (strstr (c.text, "precision=bf16"));
    } else {
      expect_works (&c);
    }
    cuda_calls_compiled_for (0);
    expect_works (&c);
    case_clear (&c);
  }
}

/* An illegal address, on a GPU a real one, which stays for as long as the process
 * lives; so this is the last test. */
static void
test_lost (void)
{
  Case c;

  case_init (&c);
  g_object_set (c.element, "device", "cuda:0", NULL); /* not the next one */
  c.fails_at = FAILS_AT;
  c.faults = cuda_calls_real ();
  c.call = c.faults ? 0 : 2;
  c.failure = cudaErrorIllegalAddress;
  g_assert_cmpuint (play (&c), ==, 1);
  g_test_message ("%s", c.text);
  c.call = 0;
  c.faults = FALSE;
  cuda_calls_fail (0, cudaSuccess, FALSE);
  g_assert_cmpuint (play (&c), ==, 1);
  g_assert_nonnull (strstr (c.text, "process"));
  g_object_set (c.element, "device", "auto", NULL);
  expect_works (&c);
  case_clear (&c);
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
  g_test_message (cuda_calls_real () ? "on a GPU" : "no GPU: imitated");
  g_test_add_func ("/gst/cuda-fail/start", test_start);
  g_test_add_func ("/gst/cuda-fail/frames", test_frames);
  g_test_add_func ("/gst/cuda-fail/precision", test_precision);
  g_test_add_func ("/gst/cuda-fail/lost", test_lost);
  return g_test_run ();
}
