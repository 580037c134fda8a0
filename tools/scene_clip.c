/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scene_clip.h"

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <string.h>

#include "source.h"

struct SceneClip {
  GstElement *pipeline;
  GstAppSink *sink;
  GstVideoInfo info;
  GstSample *sample;
  GstVideoFrame frame;
  gboolean mapped, still;
};

static gboolean
wait_for_first (SceneClip *clip, const char *path, GError **error)
{
  g_autoptr (GstSample) first = gst_app_sink_try_pull_preroll (clip->sink,
      20 * GST_SECOND);
  if (first && gst_video_info_from_caps (&clip->info,
          gst_sample_get_caps (first)))
    return TRUE;
  g_autoptr (GstBus) bus = gst_element_get_bus (clip->pipeline);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus,
      GST_MESSAGE_ERROR);
  if (message)
    tool_error_from_message (message, path, error);
  else
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "%s: no picture came out of it", path);
  return FALSE;
}

SceneClip *
scene_clip_open (const char *path, GError **error)
{
  gboolean live = FALSE;
  g_autofree char *front = tool_source_describe (path, &live, error);
  if (!front)
    return NULL;
  g_autoptr (SceneClip) clip = g_new0 (SceneClip, 1);
  clip->still = g_file_test (path, G_FILE_TEST_IS_REGULAR)
      && (g_str_has_suffix (path, ".jpg") || g_str_has_suffix (path, ".png"));
  g_autofree char *text = g_strdup_printf ("%s ! videoconvert ! %s"
      "video/x-raw,format=BGRx ! appsink name=sink sync=false max-buffers=4",
      front, clip->still ? "imagefreeze ! " : "");
  clip->pipeline = tool_parse_launch (text, path, error);
  if (!clip->pipeline)
    return NULL;
  clip->sink = GST_APP_SINK (gst_bin_get_by_name (GST_BIN (clip->pipeline),
          "sink"));
  gst_element_set_state (clip->pipeline, GST_STATE_PLAYING);
  return wait_for_first (clip, path, error) ? g_steal_pointer (&clip) : NULL;
}

static void
let_go (SceneClip *clip)
{
  if (clip->mapped)
    gst_video_frame_unmap (&clip->frame);
  clip->mapped = FALSE;
  g_clear_pointer (&clip->sample, gst_sample_unref);
}

void
scene_clip_free (SceneClip *clip)
{
  if (!clip)
    return;
  let_go (clip);
  if (clip->pipeline)
    gst_element_set_state (clip->pipeline, GST_STATE_NULL);
  gst_clear_object (&clip->sink);
  gst_clear_object (&clip->pipeline);
  g_free (clip);
}

gboolean
scene_clip_next (SceneClip *clip, ScenePicture *picture)
{
  let_go (clip);
  clip->sample = gst_app_sink_pull_sample (clip->sink);
  clip->mapped = clip->sample
      && gst_video_info_from_caps (&clip->info, gst_sample_get_caps
      (clip->sample)) && gst_video_frame_map (&clip->frame, &clip->info,
      gst_sample_get_buffer (clip->sample), GST_MAP_READ);
  if (!clip->mapped)
    return FALSE;
  *picture = (ScenePicture) {
    GST_VIDEO_FRAME_PLANE_DATA (&clip->frame, 0),
    (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&clip->frame, 0),
    (guint) GST_VIDEO_FRAME_WIDTH (&clip->frame),
    (guint) GST_VIDEO_FRAME_HEIGHT (&clip->frame),
  };
  return TRUE;
}

void
scene_clip_get_size (const SceneClip *clip, guint *width, guint *height)
{
  *width = (guint) GST_VIDEO_INFO_WIDTH (&clip->info);
  *height = (guint) GST_VIDEO_INFO_HEIGHT (&clip->info);
}

guint
scene_clip_get_rate (const SceneClip *clip)
{
  gint n = GST_VIDEO_INFO_FPS_N (&clip->info);
  gint d = GST_VIDEO_INFO_FPS_D (&clip->info);
  return n > 0 && d > 0 ? (guint) MAX ((n + d / 2) / d, 1) : 0;
}

gboolean
scene_clip_is_still (const SceneClip *clip)
{
  return clip->still;
}

void
scene_clip_paste (const ScenePicture *from, const ScenePicture *mask, gint x,
    gint y, guint8 *to, guint width, guint height)
{
  guint h = MIN (from->height, mask->height);
  guint w = MIN (from->width, mask->width);
  for (guint v = 0; v < h; v++) {
    gint ty = y + (gint) v;
    if (ty < 0 || ty >= (gint) height)
      continue;
    for (guint u = 0; u < w; u++) {
      gint tx = x + (gint) u;
      if (tx >= 0 && tx < (gint) width
          && mask->data[v * mask->stride + 4 * u + 1] >= 128)
        memcpy (to + 4 * ((gsize) ty * width + (guint) tx),
            from->data + v * from->stride + 4 * u, 4);
    }
  }
}
