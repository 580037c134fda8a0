/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench_streams.c - milliseconds a batch of several streams' frames, in which
 * squares move over noise, on any device.
 *
 *   bench_streams MODEL DEVICE STREAMS FRAMES PERCENT...
 *
 * One line a share of changed input pixels: medians of the whole submit and
 * wait for statistics, and of the device's part; the share of work done. By
 * hand; not a test.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deltacnn/modelinfo.h"
#include "dcnn_onnx_loader.h"
#include "deltacnn/session.h"

static int
by_value (const void *a, const void *b)
{
  return (*(const gdouble *) a > *(const gdouble *) b) -
      (*(const gdouble *) a < *(const gdouble *) b);
}

/* A still picture of noise with a square of new noise for this frame. */
static void
paint (guint8 *picture, const guint8 *still, guint w, guint h, gdouble share,
    guint frame, guint stream)
{
  guint side = (guint) (sqrt (share * w * h) + 0.5);
  guint x0, y0;
  GRand *rand = g_rand_new_with_seed (frame * 4099 + stream + 1);

  memcpy (picture, still, (gsize) w * h * 3);
  side = MIN (side, MIN (w, h));
  x0 = side < w ? (guint) g_rand_int_range (rand, 0, (gint) (w - side + 1)) : 0;
  y0 = side < h ? (guint) g_rand_int_range (rand, 0, (gint) (h - side + 1)) : 0;
  /* half the share where it is now, half where it was: the square that leaves
   * changes back */
  for (guint y = y0; y < y0 + side; y++)
    for (guint x = x0 * 3; x < (x0 + side) * 3; x++)
      picture[(gsize) y * w * 3 + x] = (guint8) g_rand_int (rand);
  g_rand_free (rand);
}

static void
measure (DcnnSession *session, guint streams, guint frames, gdouble share,
    guint w, guint h)
{
  g_autofree DcnnSubmission *s = g_new0 (DcnnSubmission, streams);
  g_autofree DcnnFrame *f = g_new0 (DcnnFrame, streams);
  g_autofree gdouble *all = g_new0 (gdouble, frames);
  g_autofree gdouble *device = g_new0 (gdouble, frames);
  g_autofree guint8 *still = g_malloc ((gsize) w * h * 3);
  g_autofree guint8 *pictures = g_malloc ((gsize) w * h * 3 * streams);
  gdouble done = 0, dense = 0, changed = 0;
  GRand *rand = g_rand_new_with_seed (7);

  for (gsize i = 0; i < (gsize) w * h * 3; i++)
    still[i] = (guint8) g_rand_int (rand);
  g_rand_free (rand);
  for (guint k = 0; k < frames + 20; k++) {
    g_autoptr (GError) error = NULL;
    gint64 start, submitted;
    for (guint i = 0; i < streams; i++) {
      guint8 *p = pictures + (gsize) i * w * h * 3;
      paint (p, still, w, h, share / 2, k, i);
      f[i] = (DcnnFrame) { .format = DCNN_FORMAT_RGB, .width = w,
        .height = h, .planes = { p }, .strides = { (gint) w * 3 } };
      s[i] = (DcnnSubmission) { .stream = i, .frame = &f[i] };
    }
    start = g_get_monotonic_time ();
    if (!dcnn_session_submit (session, s, streams, &error))
      g_error ("%s", error->message);
    submitted = g_get_monotonic_time ();
    for (guint i = 0; i < streams; i++)
      if (!dcnn_session_wait (session, i, DCNN_WANT_STATS, &error))
        g_error ("%s", error->message);
    if (k < 20)
      continue;
    all[k - 20] = (g_get_monotonic_time () - start) / 1e3;
    device[k - 20] = (g_get_monotonic_time () - submitted) / 1e3;
    for (guint i = 0; i < streams; i++) {
      DcnnFrameStats stats;
      dcnn_session_get_stats (session, i, &stats);
      done += (gdouble) stats.macs_done;
      dense += (gdouble) stats.macs_dense;
      changed += stats.changed_share;
    }
  }
  qsort (all, frames, sizeof *all, by_value);
  qsort (device, frames, sizeof *device, by_value);
  g_print ("%5.1f %% changed: %8.3f ms a batch, %8.3f ms after submit, "
      "%5.1f %% of the input, %5.1f %% of the work\n", share * 100,
      all[frames / 2], device[frames / 2],
      100 * changed / (frames * streams), 100 * done / dense);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = NULL;
  DcnnModelSummary summary;
  DcnnModelInfo *info = NULL;

  if (argc < 6) {
    g_printerr ("bench_streams MODEL DEVICE STREAMS FRAMES PERCENT...\n");
    return 2;
  }
  model = dcnn_model_load (argv[1], 0, 0, &info, &error);
  if (model == NULL)
    g_error ("%s", error->message);
  dcnn_model_get_summary (model, &summary);
  for (int i = 5; i < argc; i++) {
    DcnnSessionOptions options;
    DcnnSession *session;
    dcnn_session_options_init (&options);
    options.device = argv[2];
    options.streams = (guint) atoi (argv[3]);
    options.tuning.dilation = 0;
    options.tuning.settle = FALSE;
    session = dcnn_session_new (model, &options, &error);
    if (session == NULL)
      g_error ("%s", error->message);
    if (i == 5)
      g_print ("%s on %s, %u streams, %ux%u, %.2f GMAC, %.1f MiB\n", argv[1],
          dcnn_session_get_device (session), options.streams,
          summary.input_width, summary.input_height, summary.macs / 1e9,
          dcnn_session_get_bytes (session) / 1048576.0);
    measure (session, options.streams, (guint) atoi (argv[4]),
        atof (argv[i]) / 100, summary.input_width, summary.input_height);
    dcnn_session_free (session);
  }
  return 0;
}
