/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_align.c - framealign on pictures in a GPU's memory: what it finds is what
 * it finds in the same pictures on the host, to the bit; they pass untouched;
 * and of those whose luma is a plane, or a pixel's byte, that plane alone comes
 * down.
 *
 * The plugin is linked into this program, so it runs from a bundle, too. Without
 * a GPU the tests that need one are skipped, with the reason.
 */
#define GST_USE_UNSTABLE_API
#include "fixture.h"

#include <gst/cuda/gstcudabufferpool.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudamemory.h>
#include <string.h>

#include "dcnn_stabilizer.h"
#include "deltacnn/session.h"
#include "view.h"

#define FRAMES 12
#define BLACK_AT 7
#define PATIENCE (30 * GST_SECOND)

const GstPluginDesc *gst_plugin_deltacnn_get_desc (void);

/* Why nothing can be tested here, or NULL. New. */
static gchar *
reason_to_skip (void)
{
  g_autoptr (GError) error = NULL;
  const char *remedy = NULL;

  if (!dcnn_stabilizer_available (&remedy))
    return g_strdup (remedy);
  if (!dcnn_device_check ("cuda", &error))
    return g_strdup (error->message);
  return gst_cuda_load_library () ? NULL :
      g_strdup ("GStreamer's own library for CUDA does not load the driver");
}

static GstCaps *
caps_of (const gchar * format, gboolean on_gpu)
{
  GstCaps *caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
      format, "width", G_TYPE_INT, VIEW_WIDTH, "height", G_TYPE_INT,
      VIEW_HEIGHT, "framerate", GST_TYPE_FRACTION, 25, 1, NULL);

  if (on_gpu)
    gst_caps_set_features_simple (caps, gst_caps_features_new
        (GST_CAPS_FEATURE_MEMORY_CUDA_MEMORY, NULL));
  return caps;
}

static GstBufferPool *
pool_new (GstCudaContext * context, const gchar * format)
{
  GstBufferPool *pool = gst_cuda_buffer_pool_new (context);
  GstStructure *config = gst_buffer_pool_get_config (pool);
  g_autoptr (GstCaps) caps = caps_of (format, TRUE);
  GstVideoInfo info;

  g_assert_true (gst_video_info_from_caps (&info, caps));
  gst_buffer_pool_config_set_params (config, caps,
      GST_VIDEO_INFO_SIZE (&info), 0, 0);
  gst_buffer_pool_config_add_option (config,
      GST_BUFFER_POOL_OPTION_VIDEO_META);
  g_assert_true (gst_buffer_pool_set_config (pool, config));
  g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
  return pool;
}

static void
copy_picture (GstBuffer * to, GstBuffer * from, const gchar * format)
{
  g_autoptr (GstCaps) caps = caps_of (format, FALSE);
  GstVideoFrame a, b;
  GstVideoInfo info;

  g_assert_true (gst_video_info_from_caps (&info, caps));
  g_assert_true (gst_video_frame_map (&a, &info, from, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&b, &info, to, GST_MAP_WRITE));
  g_assert_true (gst_video_frame_copy (&b, &a));
  gst_video_frame_unmap (&a);
  gst_video_frame_unmap (&b);
}

/* Has no map for the host brought the GPU's copy down yet? */
static gboolean
is_only_on_gpu (GstBuffer * buffer)
{
  return GST_MEMORY_FLAG_IS_SET (gst_buffer_peek_memory (buffer, 0),
      GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD);
}

/* The picture in the GPU's memory, which then is the only one that is right. */
static GstBuffer *
upload (GstBufferPool * pool, GstBuffer * picture, const gchar * format)
{
  const GstMapFlags there[] = { GST_MAP_READ, GST_MAP_WRITE };
  GstBuffer *buffer = NULL;
  GstMapInfo map;

  g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL), ==,
      GST_FLOW_OK);
  copy_picture (buffer, picture, format);
  for (guint i = 0; i < G_N_ELEMENTS (there); i++) {
    g_assert_true (gst_buffer_map (buffer, &map,
            (GstMapFlags) (there[i] | GST_MAP_CUDA)));
    gst_buffer_unmap (buffer, &map);
  }
  g_assert_true (is_only_on_gpu (buffer));
  return buffer;
}

/* A camera that pans and turns a little; of one frame the cap is on. */
static GstBuffer *
picture (guint i, const gchar * format)
{
  const View view = { 400 + 3.7 * i, 300 - 0.6 * i, 0.004 * i, 1 };

  return i == BLACK_AT ? picture_new (format, VIEW_WIDTH, VIEW_HEIGHT, 0, 0,
      0, 0, 0) : view_buffer (&view, format);
}

/* What is to be found in them. */
static GstDeltaCnnMotionState
expected_state (guint frame)
{
  return frame == BLACK_AT ? GST_DELTA_CNN_MOTION_LOST : frame ?
      GST_DELTA_CNN_MOTION_ALIGNED : GST_DELTA_CNN_MOTION_REANCHORED;
}

/* The same visible pixels, whatever the strides. */
static void
expect_same_picture (GstBuffer * buffer, GstBuffer * other,
    const gchar * format)
{
  g_autoptr (GstCaps) caps = caps_of (format, FALSE);
  GstVideoFrame a, b;
  GstVideoInfo info;

  g_assert_true (gst_video_info_from_caps (&info, caps));
  g_assert_true (gst_video_frame_map (&a, &info, buffer, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&b, &info, other, GST_MAP_READ));
  for (guint c = 0; c < GST_VIDEO_INFO_N_COMPONENTS (&info); c++) {
    const gint row = (GST_VIDEO_FRAME_COMP_WIDTH (&a, c) - 1)
        * GST_VIDEO_FRAME_COMP_PSTRIDE (&a, c) + 1;

    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (&a, c); y++)
      g_assert_true (memcmp ((guint8 *) GST_VIDEO_FRAME_COMP_DATA (&a, c)
              + y * GST_VIDEO_FRAME_COMP_STRIDE (&a, c),
              (guint8 *) GST_VIDEO_FRAME_COMP_DATA (&b, c)
              + y * GST_VIDEO_FRAME_COMP_STRIDE (&b, c), row) == 0);
  }
  gst_video_frame_unmap (&a);
  gst_video_frame_unmap (&b);
}

static void
expect_same_motion (GstBuffer * buffer, GstBuffer * other, guint frame)
{
  const GstDeltaCnnMotionMeta *a = gst_buffer_get_delta_cnn_motion_meta
      (buffer), *b = gst_buffer_get_delta_cnn_motion_meta (other);

  g_assert_nonnull (a);
  g_assert_nonnull (b);
  g_test_message ("frame %u: state %d, x %f and %f", frame, a->state,
      a->matrix[2], b->matrix[2]);
  g_assert_cmpint (a->state, ==, b->state);
  g_assert_cmpint (a->state, ==, expected_state (frame));
  g_assert_cmpmem (a->matrix, sizeof a->matrix, b->matrix, sizeof b->matrix);
  g_assert_cmpmem (&a->inliers, sizeof a->inliers, &b->inliers,
      sizeof b->inliers);
  g_assert_cmpmem (&a->error, sizeof a->error, &b->error, sizeof b->error);
  g_assert_cmpint (a->flags, ==, b->flags);
  g_assert_cmpuint (a->reference, ==, b->reference);
}

/* One format, of memories of one context. plane_only: its luma is looked at
 * where it lies; else the whole picture comes down, as the flag must show. */
static void
compare (GstCudaContext * context, const gchar * format, gboolean plane_only)
{
  GstBufferPool *pool = pool_new (context, format);
  GstHarness *there = gst_harness_new ("framealign");
  GstHarness *here = gst_harness_new ("framealign");

  g_test_message ("%s", format);
  gst_harness_set_src_caps (there, caps_of (format, TRUE));
  gst_harness_set_src_caps (here, caps_of (format, FALSE));
  for (guint i = 0; i < FRAMES; i++) {
    GstBuffer *plain = picture (i, format), *out, *expected;
    GstBuffer *in = upload (pool, plain, format);
    const GstMemory *memory = gst_buffer_peek_memory (in, 0);

    out = gst_harness_push_and_pull (there, in);
    expected = gst_harness_push_and_pull (here, gst_buffer_ref (plain));
    g_assert_nonnull (out);
    g_assert_true (gst_buffer_peek_memory (out, 0) == memory);
    g_assert_true (is_only_on_gpu (out) == plane_only);
    expect_same_motion (out, expected, i);
    expect_same_picture (out, plain, format);
    gst_buffer_unref (out);
    gst_buffer_unref (expected);
    gst_buffer_unref (plain);
  }
  gst_harness_teardown (there);
  gst_harness_teardown (here);
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
}

/* A decoder's own context, and the engine's. */
static void
test_same_motion (void)
{
  g_autofree gchar *reason = reason_to_skip ();
  GstCudaContext *contexts[2];
  gpointer handle;
  gint index;

  if (reason) {
    g_test_skip (reason);
    return;
  }
  gst_cuda_memory_init_once ();
  g_assert_true (dcnn_device_context ("cuda", &handle, &index));
  contexts[0] = gst_cuda_context_new (0);
  contexts[1] = gst_cuda_context_new_wrapped (handle, index);
  for (guint i = 0; i < G_N_ELEMENTS (contexts); i++) {
    g_assert_nonnull (contexts[i]);
    compare (contexts[i], "NV12", TRUE);
    compare (contexts[i], "I420", TRUE);
    compare (contexts[i], "P010_10LE", TRUE);
    compare (contexts[i], "BGRA", TRUE);
    compare (contexts[i], "RGB", TRUE);
    compare (contexts[i], "I420_10LE", FALSE);
  }
  for (guint i = 0; i < G_N_ELEMENTS (contexts); i++)
    gst_object_unref (contexts[i]);
}

/* The pictures themselves, on the host, and what is expected of them: what the
 * comparison takes for granted where there is a GPU. */
static void
test_pictures (void)
{
  static const gchar *const formats[] = { "NV12", "I420", "P010_10LE", "BGRA",
    "RGB", "I420_10LE" };
  const char *remedy = NULL;

  if (!dcnn_stabilizer_available (&remedy)) {
    g_test_skip (remedy);
    return;
  }
  for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
    GstHarness *here = gst_harness_new ("framealign");

    gst_harness_set_src_caps (here, caps_of (formats[f], FALSE));
    for (guint i = 0; i < FRAMES; i++) {
      GstBuffer *out = gst_harness_push_and_pull (here, picture (i,
              formats[f]));
      const GstDeltaCnnMotionMeta *meta;

      g_assert_nonnull (out);
      meta = gst_buffer_get_delta_cnn_motion_meta (out);
      g_assert_nonnull (meta);
      g_assert_cmpint (meta->state, ==, expected_state (i));
      gst_buffer_unref (out);
    }
    gst_harness_teardown (here);
  }
}

/* What comes to the network. */
typedef struct
{
  guint frames, on_gpu, told;
} Arrived;

static GstPadProbeReturn
on_arrival (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  Arrived *arrived = data;

  arrived->frames++;
  arrived->on_gpu += gst_memory_is_type (gst_buffer_peek_memory (buffer, 0),
      GST_CUDA_MEMORY_TYPE_NAME);
  arrived->told += gst_buffer_get_delta_cnn_motion_meta (buffer) != NULL;
  return GST_PAD_PROBE_OK;
}

/* Between an uploader and the network it is in nobody's way: pictures reach the
 * network in the GPU's memory. (The uploader passes pictures on as they are where
 * those behind it take them so.) */
static void
test_pipeline (void)
{
  g_autofree gchar *reason = reason_to_skip (), *dir = NULL, *model = NULL;
  g_autofree gchar *text = NULL;
  g_autoptr (GstElementFactory) uploads = NULL;
  g_autoptr (GstElement) pipeline = NULL, net = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  Arrived arrived = { 0 };

  uploads = reason ? NULL : gst_element_factory_find ("cudaupload");
  if (!uploads) {
    g_test_skip (reason ? reason : "there is no cudaupload");
    return;
  }
  dir = tiny_folder_new ();
  model = tiny_model_write (dir, "model", TINY_MASK, 32, 32, NULL);
  text = g_strdup_printf ("videotestsrc num-buffers=%d ! "
      "video/x-raw,format=NV12,width=320,height=240,framerate=25/1 ! "
      "cudaupload ! video/x-raw(memory:CUDAMemory) ! framealign ! "
      "deltacnn name=d model=%s device=cuda ! fakesink", FRAMES, model);
  pipeline = gst_parse_launch (text, &error);
  g_assert_no_error (error);
  net = gst_bin_get_by_name (GST_BIN (pipeline), "d");
  pad = gst_element_get_static_pad (net, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_arrival, &arrived,
      NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  bus = gst_element_get_bus (pipeline);
  message = gst_bus_timed_pop_filtered (bus, PATIENCE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_cmpuint (arrived.frames, ==, FRAMES);
  g_assert_cmpuint (arrived.on_gpu, ==, FRAMES);
  g_assert_cmpuint (arrived.told, ==, FRAMES);
  tiny_folder_remove (dir);
}

int
main (int argc, char **argv)
{
  const GstPluginDesc *desc = gst_plugin_deltacnn_get_desc ();

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_assert_true (gst_plugin_register_static (desc->major_version,
          desc->minor_version, desc->name, desc->description,
          desc->plugin_init, desc->version, desc->license, desc->source,
          desc->package, desc->origin));
  g_test_add_func ("/gst/cuda-align/pictures", test_pictures);
  g_test_add_func ("/gst/cuda-align/same-motion", test_same_motion);
  g_test_add_func ("/gst/cuda-align/pipeline", test_pipeline);
  return g_test_run ();
}
