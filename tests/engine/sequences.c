/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sequences.c - long random sequences of changes on several streams: nothing,
 * single pixels, scattered ones, rows, columns, rectangles, everything, what was
 * there before; with streams that sit out, are reset, look elsewhere and are
 * tuned meanwhile. On whole numbers a device gives exactly what "sim" gives,
 * masks too, in the last frame as in the first.
 *
 * The device is what DELTACNN_TEST_DEVICE names, or the cpu. 200 frames a net;
 * DELTACNN_TEST_FRAMES: another number (10000 for a device: a minute).
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define STREAMS 3
#define SIZE 32

typedef struct Side {
  DcnnSession *session;
  DcnnTuning tuning;
} Side;

typedef struct Case {
  guint64 seed, state;
  DcnnModel *model;
  guint tile;
  Side device, sim;
  DcnnTensor frames[STREAMS], before[STREAMS];
  DcnnMotion motions[STREAMS];
  gboolean judged;         /* some changes are kept back */
} Case;

static guint
frames_to_run (void)
{
  const char *text = g_getenv ("DELTACNN_TEST_FRAMES");

  return text ? (guint) g_ascii_strtoull (text, NULL, 10) : 200;
}

static void
side_init (Side *side, const Case *c, const char *device)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.device = device;
  options.streams = STREAMS;
  options.threads = 1;
  options.store_all = TRUE;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.criterion = DCNN_CRITERION_MAX;
  options.tuning.threshold = options.tuning.gate_threshold =
      c->judged ? 1.3f : 0;
  options.tuning.input_threshold = 0;
  options.tuning.settle = FALSE;
  side->tuning = options.tuning;
  side->session = test_session_new (c->model, &options);
}

/* ---- what changes ------------------------------------------------------------- */

static void
change_pixel (Case *c, DcnnTensor *t, guint y, guint x)
{
  guint h = (guint) t->dims[2], w = (guint) t->dims[3];

  for (guint k = 0; k < (guint) t->dims[1]; k++)
    ((gfloat *) t->data)[(k * h + y % h) * w + x % w] =
        test_random_value (&c->state, TRUE);
}

static void
change_box (Case *c, DcnnTensor *t, guint y0, guint x0, guint h, guint w)
{
  for (guint y = y0; y < MIN (y0 + h, (guint) t->dims[2]); y++)
    for (guint x = x0; x < MIN (x0 + w, (guint) t->dims[3]); x++)
      change_pixel (c, t, y, x);
}

static void
change (Case *c, guint s)
{
  DcnnTensor *t = &c->frames[s];
  guint h = (guint) t->dims[2], w = (guint) t->dims[3];
  gsize bytes = (gsize) dcnn_tensor_count (t) * sizeof (gfloat);
  guint y = test_random (&c->state, h), x = test_random (&c->state, w);
  g_autofree gpointer held = g_memdup2 (t->data, bytes);

  switch (test_random (&c->state, 9)) {
    case 0:
      break;
    case 1:
      change_pixel (c, t, y, x);
      break;
    case 2:
      for (guint i = 0; i < 1 + h * w / 16; i++)
        change_pixel (c, t, test_random (&c->state, h), test_random (&c->state,
                w));
      break;
    case 3:
      change_box (c, t, y, 0, 1, w);
      break;
    case 4:
      change_box (c, t, 0, x, h, 1);
      break;
    case 5: /* what was there before */
      memcpy (t->data, c->before[s].data, bytes);
      break;
    case 6:
      if (test_random (&c->state, 4) == 0)
        change_box (c, t, 0, 0, h, w);
      break;
    default:
      change_box (c, t, y, x, 1 + test_random (&c->state, h / 2), 1 +
          test_random (&c->state, w / 2));
  }
  memcpy (c->before[s].data, held, bytes);
}

/* ---- one frame ------------------------------------------------------------------- */

/* 0 and -0 are the same number. */
static gboolean
same_values (const DcnnTensor *a, const DcnnTensor *b)
{
  const gfloat *x = a->data, *y = b->data;
  gint64 n = dcnn_tensor_count (a);

  if (a->dtype != DCNN_DTYPE_F32)
    return memcmp (x, y, (gsize) n * dcnn_dtype_bytes (a->dtype)) == 0;
  for (gint64 i = 0; i < n; i++)
    if (!(x[i] == y[i])) {
      g_test_message ("value %d of %d: %g for %g", (gint) i, (gint) n, x[i],
          y[i]);
      return FALSE;
    }
  return TRUE;
}

static void
both (Case *c, guint s, guint f, gboolean moved)
{
  Side *sides[2] = { &c->device, &c->sim };
  const DcnnOutput *out[2];
  DcnnModelSummary summary;

  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    if (!dcnn_session_push_tensors (sides[i]->session, s, &c->frames[s], 0,
            &c->motions[s], &error))
      g_assert_no_error (error);
  }
  dcnn_model_get_summary (c->model, &summary);
  for (guint o = 0; o < summary.n_outputs && !g_test_failed (); o++) {
    gboolean same;
    for (guint i = 0; i < 2; i++)
      out[i] = dcnn_session_get_output (sides[i]->session, s, o);
    same = same_values (&out[0]->tensor, &out[1]->tensor);
    if (same && out[0]->is_map && !moved)
      same = memcmp (out[0]->updated.words, out[1]->updated.words,
          dcnn_mask_words (out[0]->updated.width, out[0]->updated.height) *
          8) == 0;
    if (same)
      continue;
    g_test_message ("seed %d frame %u stream %u output %u%s: another than "
        "sim's; rerun: engine-sequences %d", (gint) c->seed, f, s, o,
        moved ? " (moved)" : "", (gint) c->seed);
    g_test_fail ();
  }
}

/* Other thresholds and criteria from here on, for both. */
static void
retune (Case *c)
{
  static const DcnnCriterion criteria[] = { DCNN_CRITERION_MAX,
    DCNN_CRITERION_RMS };
  Side *sides[2] = { &c->device, &c->sim };
  gfloat threshold = 0.4f * (gfloat) test_random (&c->state, 6) + 0.1f;
  DcnnCriterion criterion = criteria[test_random (&c->state, 2)];

  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    sides[i]->tuning.threshold = threshold;
    sides[i]->tuning.criterion = criterion;
    g_assert_true (dcnn_session_set_tuning (sides[i]->session,
            &sides[i]->tuning, &error));
  }
}

static void
step (Case *c, guint f)
{
  guint who = 1 + test_random (&c->state, (1u << STREAMS) - 1);

  if (c->judged && test_random (&c->state, 60) == 0)
    retune (c);
  for (guint s = 0; s < STREAMS && !g_test_failed (); s++) {
    gboolean moved = FALSE;
    if (!(who >> s & 1))
      continue;
    if (test_random (&c->state, 80) == 0) {
      dcnn_session_reset (c->device.session, s);
      dcnn_session_reset (c->sim.session, s);
    }
    if (c->tile && test_random (&c->state, 50) == 0) {
      c->motions[s].tile_x += (gint) test_random (&c->state, 3) - 1;
      c->motions[s].tile_y += (gint) test_random (&c->state, 3) - 1;
      moved = TRUE;
    }
    change (c, s);
    both (c, s, f, moved);
  }
}

static void
run (guint64 seed, gboolean judged)
{
  Case c = { .seed = seed, .state = seed * 77 + judged, .judged = judged };
  guint frames = frames_to_run ();
  DcnnModelSummary summary;

  c.model = test_model_new (test_net_sized (seed, TRUE, TRUE, SIZE, SIZE));
  dcnn_model_get_summary (c.model, &summary);
  if (!test_on_cpu ())
    c.tile = summary.tile;
  side_init (&c.device, &c, test_device ());
  side_init (&c.sim, &c, "sim");
  c.sim.session->pass_on = c.device.session->pass_on;
  for (guint s = 0; s < STREAMS; s++) {
    c.frames[s] = test_frame_new (c.model, &c.state, TRUE);
    c.before[s] = test_frame_new (c.model, &c.state, TRUE);
  }
  for (guint f = 0; f < frames && !g_test_failed (); f++)
    step (&c, f);
  for (guint s = 0; s < STREAMS; s++) {
    dcnn_tensor_free (&c.frames[s]);
    dcnn_tensor_free (&c.before[s]);
  }
  dcnn_session_free (c.device.session);
  dcnn_session_free (c.sim.session);
  dcnn_model_unref (c.model);
}

static void
test_exact (void)
{
  for (guint64 seed = 1; seed <= 2 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run (seed, FALSE);
}

static void
test_judged (void)
{
  for (guint64 seed = 3; seed <= 4 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run (seed, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/sequences/exact", test_exact);
  g_test_add_func ("/engine/sequences/judged", test_judged);
  return g_test_run ();
}
