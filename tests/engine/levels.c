/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * levels.c - every level of the instruction set gives the same outputs (bit
 * for bit on integers, to 1e-5 otherwise) and, at threshold 0, the same masks.
 * Each level runs in a process of its own, as DELTACNN_ISA is read once.
 *
 *   levels             compares all levels that this machine can run
 *   levels --write F   runs the level that DELTACNN_ISA names, writes to F
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cpu.h"
#include "nets.h"

#define SEEDS 60
#define FRAMES 8

/* ---- one level ---------------------------------------------------------------- */

/* A record: its kind (0 masks of reals, 1 integers and their masks, 2 reals),
 * words, then the words. */
static void
write_record (FILE *file, guint32 kind, gconstpointer data, gsize words)
{
  guint32 head[2] = { kind, (guint32) words };

  g_assert_cmpuint (fwrite (head, 4, 2, file), ==, 2);
  g_assert_cmpuint (fwrite (data, 4, words, file), ==, words);
}

static void
write_frame (FILE *file, DcnnSession *session, gboolean integer)
{
  const DcnnPlan *plan = session->plan;

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    StreamMask *m;
    if (node->kind != PLAN_KERNEL)
      continue;
    m = &session->streams[0].masks[plan_map (plan, node->out)->mask];
    if (!m->any)
      dcnn_mask_clear (&m->mask);
    write_record (file, integer ? 1 : 0, m->mask.words, 2 * dcnn_mask_words (m->mask.width,
            m->mask.height));
  }
  for (guint i = 0; i < 2; i++) {
    const DcnnTensor *t = &dcnn_session_get_output (session, 0, i)->tensor;
    write_record (file, integer ? 1 : 2, t->data,
        (gsize) dcnn_tensor_count (t));
  }
}

/* What arithmetic costs beside finding and judging pixels, by which frames are
 * called dear, is known of each level: the wider, the less. */
static gboolean
knows_its_cost (const DcnnSession *session)
{
  const char *isa = session->cpu->kernels->isa;
  gdouble cost = session->arithmetic;

  return strcmp (isa, "c") == 0 ? cost > 1 : strcmp (isa, "avx2") == 0 ?
      cost == 1 : cost < 1;
}

static void
write_net (FILE *file, guint64 seed, gboolean integer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed,
          integer, FALSE, TRUE), &error);
  g_autoptr (DcnnSession) session = NULL;
  guint64 video = seed + 1000;
  DcnnSessionOptions options;
  DcnnTensor frame;

  g_assert_no_error (error);
  test_options_init (&options);
  options.threads = 1;
  options.tuning = (DcnnTuning) { .mode = DCNN_MODE_SPARSE };
  session = test_session_new (model, &options);
  g_assert_true (knows_its_cost (session));
  frame = test_frame_new (model, &video, integer);
  for (guint f = 0; f < FRAMES; f++) {
    test_push (session, &frame);
    write_frame (file, session, integer);
    test_video_step (&video, &frame, integer);
  }
  dcnn_tensor_free (&frame);
}

static int
write_all (const char *path)
{
  FILE *file = g_fopen (path, "wb");

  g_assert_nonnull (file);
  g_assert_cmpstr (dcnn_cpu_kernels ()->isa, ==, g_getenv ("DELTACNN_ISA"));
  for (guint64 seed = 1; seed <= SEEDS; seed++)
    for (gint integer = 0; integer < 2; integer++)
      write_net (file, seed, integer);
  return fclose (file);
}

/* ---- comparison ------------------------------------------------------------------ */

typedef struct Sums {
  guint64 mask_bits, mask_differences;
  gdouble worst;
} Sums;

static gboolean
compare_record (const guint32 *head, const guint32 *a, const guint32 *b,
    Sums *sums)
{
  gdouble scale = 1e-6, worst = 0;

  if (head[0] == 1)
    return memcmp (a, b, 4 * (gsize) head[1]) == 0;
  for (guint32 i = 0; i < head[1]; i++) {
    gfloat x, y;
    if (head[0] == 0) {
      sums->mask_bits += (guint) __builtin_popcount (a[i]);
      sums->mask_differences += (guint) __builtin_popcount (a[i] ^ b[i]);
      continue;
    }
    memcpy (&x, &a[i], 4);
    memcpy (&y, &b[i], 4);
    scale = MAX (scale, fabsf (x));
    worst = test_further (worst, x, y);
  }
  sums->worst = MAX (sums->worst, worst / scale);
  return worst / scale <= 1e-5;
}

static void
compare (const char *name, const char *one, gsize one_bytes,
    const char *other, gsize other_bytes)
{
  const guint32 *a = (const guint32 *) one, *b = (const guint32 *) other;
  gsize words = one_bytes / 4, record = 0;
  Sums sums = { 0 };

  g_assert_cmpuint (one_bytes, ==, other_bytes);
  for (gsize i = 0; i < words; i += 2 + a[i + 1], record++) {
    g_assert_cmpmem (&a[i], 8, &b[i], 8);
    if (!compare_record (&a[i], &a[i + 2], &b[i + 2], &sums))
      g_error ("level %s: record %" G_GSIZE_FORMAT " (kind %u) differs from "
          "level c; rerun: engine-levels", name, record, a[i]);
  }
  g_test_message ("%s: outputs within %.2g, %" G_GUINT64_FORMAT " of %"
      G_GUINT64_FORMAT " mask bits differ", name, sums.worst,
      sums.mask_differences, sums.mask_bits);
  /* a change may round away at one level and not at another */
  g_assert_cmpuint (sums.mask_differences * 1000, <=, sums.mask_bits);
}

static void
run_level (const char *self, const char *isa, const char *path)
{
  const char *argv[] = { self, "--write", path, NULL };
  g_auto (GStrv) environment = g_environ_setenv (g_get_environ (),
      "DELTACNN_ISA", isa, TRUE);
  g_autoptr (GError) error = NULL;
  gint status = 0;

  g_spawn_sync (NULL, (char **) argv, environment, G_SPAWN_DEFAULT, NULL,
      NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
}

static void
test_levels (gconstpointer self)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("dcnn-levels-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "out", NULL);
  g_autofree char *first = NULL;
  gsize first_bytes = 0;

  for (guint i = 0; dcnn_cpu_kernels_at (i); i++) {
    const char *isa = dcnn_cpu_kernels_at (i)->isa;
    g_autofree char *bytes = NULL;
    gsize n;
    run_level (self, isa, path);
    g_assert_true (g_file_get_contents (path, &bytes, &n, &error));
    g_unlink (path);
    if (i > 0) {
      compare (isa, first, first_bytes, bytes, n);
      continue;
    }
    first = g_steal_pointer (&bytes);
    first_bytes = n;
  }
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  if (argc > 2 && strcmp (argv[1], "--write") == 0)
    return write_all (argv[2]);
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/engine/levels", argv[0], test_levels);
  return g_test_run ();
}
