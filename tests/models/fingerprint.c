/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fingerprint.c - a checksum of what models give, to compare two builds by:
 *
 *   fingerprint [--fixed | --frames] MODEL... > before; ... > after; diff before after
 *
 * A line a model and way of running it: mode, threshold, and what 24 frames of a
 * drawn video, the last of which are still, gave: outputs, their masks, and MACs
 * with what is said of the frame. --fixed: not in mode "auto", which goes by
 * costs. --frames: in mode "auto" alone, a line a frame: its number, "dense" or
 * "sparse", and the checksums of that frame. Public API alone, so that it builds with older
 * versions too (tests/golden.py); tests/models/golden.py holds the shipped nets to
 * golden.txt.
 */
#include <stdio.h>
#include <string.h>

#include "deltacnn/modelinfo.h"
#include "deltacnn/session.h"

#define WIDTH 320
#define HEIGHT 240
#define FRAMES 24

/* A ramp with two squares that move until frame 14. */
static void
draw (guint8 *rgb, guint frame)
{
  guint at = MIN (frame, 14);

  for (guint y = 0; y < HEIGHT; y++)
    for (guint x = 0; x < WIDTH; x++) {
      guint8 *p = rgb + (y * WIDTH + x) * 3;
      gboolean one = y - (20 + 3 * at) < 60 && x - (30 + 5 * at) < 50;
      gboolean two = y - 120 < 40 && x - (200 - 4 * at) < 40;
      p[0] = (guint8) (one ? 220 : x / 2);
      p[1] = (guint8) (two ? 200 : y / 2);
      p[2] = (guint8) (one || two ? 30 : (x + y) / 3);
    }
}

typedef struct Sums {
  GChecksum *outputs, *masks, *work;
} Sums;

static Sums
sums_new (void)
{
  return (Sums) { g_checksum_new (G_CHECKSUM_SHA256),
    g_checksum_new (G_CHECKSUM_SHA256), g_checksum_new (G_CHECKSUM_SHA256) };
}

static void
sums_print (const Sums *sums)
{
  printf (" %.16s %.16s %.16s\n", g_checksum_get_string (sums->outputs),
      g_checksum_get_string (sums->masks),
      g_checksum_get_string (sums->work));
}

static void
sums_clear (Sums *sums)
{
  g_checksum_free (sums->outputs);
  g_checksum_free (sums->masks);
  g_checksum_free (sums->work);
}

static void
add_output (const Sums *sums, const DcnnOutput *out)
{
  g_checksum_update (sums->outputs, out->tensor.data, (gssize)
      (dcnn_tensor_count (&out->tensor) * dcnn_dtype_bytes (out->tensor.dtype)));
  g_checksum_update (sums->masks, (const guchar *) &out->changed,
      sizeof out->changed);
  if (out->is_map)
    g_checksum_update (sums->masks, (const guchar *) out->updated.words,
        (gssize) ((out->updated.width + 7) / 8 * ((out->updated.height + 7) /
                8) * 8));
}

/* dense: gets whether the whole frame ran dense. */
static gboolean
add_frame (DcnnSession *session, guint frame, guint n_outputs,
    const Sums *sums, gboolean *dense, GError **error)
{
  static guint8 rgb[WIDTH * HEIGHT * 3];
  DcnnFrame picture = { .format = DCNN_FORMAT_RGB, .width = WIDTH,
    .height = HEIGHT, .planes = { rgb }, .strides = { WIDTH * 3 } };
  DcnnFrameStats stats;

  draw (rgb, frame);
  if (!dcnn_session_push_frame (session, 0, &picture, NULL, error))
    return FALSE;
  for (guint i = 0; i < n_outputs; i++)
    add_output (sums, dcnn_session_get_output (session, 0, i));
  dcnn_session_get_stats (session, 0, &stats);
  g_checksum_update (sums->work, (const guchar *) &stats.macs_done,
      sizeof stats.macs_done);
  g_checksum_update (sums->work, (const guchar *) &stats.settled,
      sizeof stats.settled);
  *dense = stats.dense;
  return TRUE;
}

static gboolean
run (DcnnModel *model, const char *name, DcnnMode mode, gfloat threshold,
    gboolean each, GError **error)
{
  Sums sums = sums_new ();
  DcnnModelSummary summary;
  DcnnSessionOptions options;
  DcnnSession *session;
  gboolean ok, dense;

  dcnn_session_options_init (&options);
  options.device = "cpu";
  options.threads = 2;
  options.tuning.mode = mode;
  options.tuning.threshold = threshold;
  dcnn_model_get_summary (model, &summary);
  session = dcnn_session_new (model, &options, error);
  ok = session != NULL;
  for (guint f = 0; f < FRAMES && ok; f++) {
    ok = add_frame (session, f, summary.n_outputs, &sums, &dense, error);
    if (!ok || !each)
      continue;
    printf ("%s %u %s", name, f, dense ? "dense" : "sparse");
    sums_print (&sums);
    sums_clear (&sums);
    sums = sums_new ();
  }
  dcnn_session_free (session);
  if (ok && !each) {
    printf ("%s %s %g", name, mode == DCNN_MODE_DENSE ? "dense" :
        mode == DCNN_MODE_SPARSE ? "sparse" : "auto", (double) threshold);
    sums_print (&sums);
  }
  sums_clear (&sums);
  return ok;
}

static gboolean
run_all (DcnnModel *model, const char *name, gboolean fixed, GError **error)
{
  return run (model, name, DCNN_MODE_DENSE, 0.05f, FALSE, error) &&
      run (model, name, DCNN_MODE_SPARSE, 0, FALSE, error) &&
      run (model, name, DCNN_MODE_SPARSE, 0.05f, FALSE, error) &&
      (fixed || run (model, name, DCNN_MODE_AUTO, 0.05f, FALSE, error));
}

int
main (int argc, char **argv)
{
  gboolean fixed = argc > 1 && strcmp (argv[1], "--fixed") == 0;
  gboolean frames = argc > 1 && strcmp (argv[1], "--frames") == 0;

  setvbuf (stdout, NULL, _IOLBF, 0);
  for (int i = 1 + (fixed || frames); i < argc; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModelInfo) info = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_load (argv[i], 0, 0, &info,
        &error);
    g_autofree char *name = g_path_get_basename (argv[i]);
    if (model == NULL || !(frames ? run (model, name, DCNN_MODE_AUTO, 0.05f,
                TRUE, &error) : run_all (model, name, fixed, &error))) {
      fprintf (stderr, "%s: %s\n", argv[i], error ? error->message : "?");
      return 1;
    }
  }
  return 0;
}
