/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * crops.c - several regions of a video through one net: parts of frames on
 * streams of one session give what the same pixels give as frames of their own,
 * bit for bit, in any format.
 */
#include <string.h>

#include "nets.h"
#include "video.h"

#define NET 32
#define WIDTH 150
#define HEIGHT 110
#define REGIONS 3
#define FRAMES 6

/* left, top, width, height: odd ones, one that sticks out, one that fills the
 * frame. */
static const gint regions[REGIONS][4] = {
  { 37, 21, 61, 45 }, { 120, -7, 60, 50 }, { 0, 0, WIDTH, HEIGHT },
};

static DcnnSession *
new_session (DcnnModel *model, guint streams)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.streams = streams;
  options.threads = 1;
  return test_session_new (model, &options);
}

/* The pixels of a part, copied into planes of their own. */
static void
copy_planes (const DcnnFrame *part, guint8 *planes[3], DcnnFrame *copy)
{
  static const guint bytes[DCNN_FORMAT_COUNT] = {
#define DCNN_X(e, n, p, b) b,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };
  gboolean nv12 = part->format == DCNN_FORMAT_NV12;

  *copy = *part;
  for (guint p = 0; p < 3; p++) {
    guint w = p == 0 ? part->width : (part->width + 1) / 2;
    guint h = p == 0 ? part->height : (part->height + 1) / 2;
    gsize row = (gsize) w * (p == 0 ? bytes[part->format] : nv12 ? 2 : 1);
    g_free (planes[p]);
    planes[p] = NULL;
    if (!part->planes[p] || (p > 0 && part->format != DCNN_FORMAT_I420 &&
            !(nv12 && p == 1)))
      continue;
    planes[p] = g_malloc (row * h);
    for (guint y = 0; y < h; y++)
      memcpy (planes[p] + y * row, part->planes[p] + (gssize) y *
          part->strides[p], row);
    copy->planes[p] = planes[p];
    copy->strides[p] = (gint) row;
  }
}

static void
check_format (DcnnModel *model, DcnnPixelFormat format)
{
  g_autoptr (DcnnSession) session = new_session (model, REGIONS);
  DcnnSession *alone[REGIONS] = { NULL };
  g_autoptr (GError) error = NULL;
  guint8 *planes[REGIONS][3] = { { NULL } };
  TestVideo video;

  for (guint r = 0; r < REGIONS; r++)
    alone[r] = new_session (model, 1);
  test_video_init (&video, 11, WIDTH, HEIGHT);
  for (guint f = 0; f < FRAMES; f++) {
    DcnnFrame frame, parts[REGIONS];
    DcnnSubmission submissions[REGIONS];
    test_video_move (&video);
    test_video_draw (&video, format, FALSE, &frame);
    for (guint r = 0; r < REGIONS; r++) {
      gint left = regions[r][0], top = regions[r][1];
      dcnn_frame_crop (&frame, &left, &top, (guint) regions[r][2],
          (guint) regions[r][3], &parts[r]);
      g_assert_cmpint (left, <=, MAX (regions[r][0], 0));
      g_assert_cmpint (top, <=, MAX (regions[r][1], 0));
      g_assert_cmpuint (left + parts[r].width, <=, WIDTH);
      g_assert_cmpuint (top + parts[r].height, <=, HEIGHT);
      submissions[r] = (DcnnSubmission) { r, &parts[r], NULL };
    }
    g_assert_true (dcnn_session_submit (session, submissions, REGIONS,
            &error));
    for (guint r = 0; r < REGIONS; r++) {
      DcnnFrame copy;
      g_assert_true (dcnn_session_wait (session, r, DCNN_WANT_ALL, &error));
      copy_planes (&parts[r], planes[r], &copy);
      test_push_frame (alone[r], 0, &copy);
      g_assert_true (test_same_outputs (session, r, alone[r]));
    }
  }
  for (guint r = 0; r < REGIONS; r++) {
    dcnn_session_free (alone[r]);
    for (guint p = 0; p < 3; p++)
      g_free (planes[r][p]);
  }
  test_video_clear (&video);
}

static void
test_regions (void)
{


  g_autoptr (DcnnModel) model = test_model_new (test_net_sized (5, FALSE, FALSE,
      NET, NET));
  for (guint format = 0; format < DCNN_FORMAT_COUNT; format++)
    check_format (model, (DcnnPixelFormat) format);
}

/* Nothing of the frame is left: one pixel at its edge. */
static void
test_outside (void)
{
  static const guint8 pixels[4 * 4] = { 0 };
  const DcnnFrame frame = { .format = DCNN_FORMAT_GRAY8, .width = 4,
    .height = 4, .planes = { pixels }, .strides = { 4 } };
  gint left = 100, top = -100;
  DcnnFrame part;

  dcnn_frame_crop (&frame, &left, &top, 10, 10, &part);
  g_assert_cmpint (left, ==, 3);
  g_assert_cmpint (top, ==, 0);
  g_assert_cmpuint (part.width, ==, 1);
  g_assert_cmpuint (part.height, ==, 1);
  g_assert_true (part.planes[0] == pixels + 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/crops/regions", test_regions);
  g_test_add_func ("/engine/crops/outside", test_outside);
  return g_test_run ();
}
