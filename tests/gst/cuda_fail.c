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
#include "deltacnn/session.h"
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
  guint errors, warnings;
  gchar *text, *warning;       /* the last one's */
} Case;

/* A kernel reads where nothing is, on the GPU at hand, and is waited for: so what
 * is asked of that GPU next is answered by the fault. */
static void
fault (void)
{
  cudaError_t launched, e;
  int gpu = -1;

  (void) cudaGetDevice (&gpu);
  launched = dcnn_cuda_count ((const DcnnCudaCounted *) 64, 1, 1, NULL, NULL,
      NULL, NULL, (DcnnCudaQueue) { NULL, NULL, FALSE });
  e = cudaStreamSynchronize (NULL);
  g_test_message ("a kernel faults on GPU %d: launch: %s; wait: %s", gpu,
      cudaGetErrorString (launched), cudaGetErrorString (e));
}

static GstPadProbeReturn
on_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Case *c = data;

  if (++c->frames == c->fails_at && c->call > 0)
    cuda_calls_fail (c->call, c->failure, TRUE);
  if (c->frames == c->fails_at && c->faults)
    fault ();
  return GST_PAD_PROBE_OK;
}

/* Errors and warnings of the element, when they are posted. */
static GstBusSyncReply
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  Case *c = data;
  g_autoptr (GError) error = NULL;
  const gboolean fatal = GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
  gchar **text;

  if (GST_MESSAGE_SRC (message) != GST_OBJECT (c->element) ||
      (!fatal && GST_MESSAGE_TYPE (message) != GST_MESSAGE_WARNING))
    return GST_BUS_PASS;
  if (fatal)
    gst_message_parse_error (message, &error, NULL);
  else
    gst_message_parse_warning (message, &error, NULL);
  g_mutex_lock (&c->lock);
  *(fatal ? &c->errors : &c->warnings) += 1;
  text = fatal ? &c->text : &c->warning;
  g_free (*text);
  *text = g_strdup (error->message);
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
  g_free (c->warning);
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
  c->errors = c->warnings = 0;
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

/* What became of a run, for whoever reads the log. */
static void
tell_run (const Case * c, const gchar * what, guint launches)
{
  g_test_message ("%s: %d frames of %d, %u launches; %u errors: %s; "
      "%u warnings: %s", what, c->frames, FRAMES,
      cuda_calls_launches () - launches, c->errors,
      c->errors ? c->text : "-", c->warnings, c->warnings ? c->warning : "-");
}

/* Whether sessions may be put onto each GPU, and why not. */
static void
tell_gpus (void)
{
  int n = 0;

  (void) cudaGetDeviceCount (&n);
  for (int i = 0; i < n; i++) {
    g_autofree gchar *name = g_strdup_printf ("cuda:%d", i);
    g_autoptr (GError) error = NULL;
    g_test_message ("%s of %d: %s", name, n,
        dcnn_device_check (name, &error) ? "may be used" : error->message);
  }
}

/* A GPU that is lost is one error; device=cuda:0 then says so, and device=auto goes
 * on: with another GPU, if that still works, else with the cpu. moves: it must
 * be another GPU. */
static void
lose_gpu (CudaCallsLoss loss, gboolean moves)
{
  guint launches = cuda_calls_launches ();
  Case c;

  case_init (&c);
  g_object_set (c.element, "device", "cuda:0", NULL); /* not the next one */
  c.fails_at = FAILS_AT;
  c.faults = cuda_calls_real ();
  c.call = c.faults ? 0 : 2;
  c.failure = cudaErrorIllegalAddress;
  cuda_calls_lose (loss);
  (void) play (&c);
  tell_run (&c, "device=cuda:0, which faults", launches);
  g_assert_cmpuint (c.errors, ==, 1);
  c.call = 0;
  c.faults = FALSE;
  launches = cuda_calls_launches ();
  (void) play (&c);
  tell_run (&c, "device=cuda:0 again", launches);
  g_assert_cmpuint (c.errors, ==, 1);
  g_assert_nonnull (strstr (c.text, "process"));
  g_object_set (c.element, "device", "auto", NULL);
  launches = cuda_calls_launches ();
  (void) play (&c);
  tell_run (&c, "device=auto", launches);
  tell_gpus ();
  launches = cuda_calls_launches () - launches;
  g_assert_cmpuint (c.errors, ==, 0);
  g_assert_cmpint (c.frames, ==, FRAMES);
  if (!cuda_calls_real ()) {
    g_assert_cmpint (launches > FRAMES, ==, moves);
    g_assert_cmpuint (c.warnings, ==, moves ? 0 : 1);
  }
  cuda_calls_lose (CUDA_CALLS_LOSE_NONE);
  case_clear (&c);
}

/* An illegal address, on a GPU a real one, which stays for as long as the process
 * lives; so this is the last test. What the other GPU does then is not the same
 * everywhere: each is imitated, in a process of its own. */
static void
test_lost (void)
{
  static const gchar *const others[] = { "one", "all", "pinned", "waits" };

  if (cuda_calls_real ()) {
    lose_gpu (CUDA_CALLS_LOSE_NONE, FALSE);
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autofree gchar *path = g_strdup_printf
        ("/gst/cuda-fail/lost/subprocess/%s", others[i]);
    g_test_trap_subprocess (path, 0, G_TEST_SUBPROCESS_INHERIT_STDOUT |
        G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed ();
  }
}

static void
test_lost_so (gconstpointer loss)
{
  lose_gpu ((CudaCallsLoss) GPOINTER_TO_UINT (loss), GPOINTER_TO_UINT (loss)
      == CUDA_CALLS_LOSE_ONE);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const gchar *path;
    CudaCallsLoss loss;
  } lost[] = {
    {"/gst/cuda-fail/lost/subprocess/one", CUDA_CALLS_LOSE_ONE},
    {"/gst/cuda-fail/lost/subprocess/all", CUDA_CALLS_LOSE_ALL},
    {"/gst/cuda-fail/lost/subprocess/pinned", CUDA_CALLS_LOSE_PINNED},
    {"/gst/cuda-fail/lost/subprocess/waits", CUDA_CALLS_LOSE_WAITS},
  };
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
  for (guint i = 0; i < G_N_ELEMENTS (lost); i++)
    g_test_add_data_func (lost[i].path, GUINT_TO_POINTER (lost[i].loss),
        test_lost_so);
  return g_test_run ();
}
