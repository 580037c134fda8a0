/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * maps.c - the maps of two devices' sessions, value by value and bit by bit.
 */
#include "maps.h"

#include <string.h>

#include "nets.h"

/* What a probe shows of a map, on one device. */
typedef struct Probe {
  gfloat *values;
  DcnnMask mask;
} Probe;

static void
probe_init (Probe *probe, const PlanMap *map)
{
  probe->values = g_new0 (gfloat, (gsize) map->width * map->height *
      map->channels);
  dcnn_mask_init (&probe->mask, map->width, map->height, g_new0 (guint64,
          dcnn_mask_words (map->width, map->height)));
}

static void
probe_clear (Probe *probe)
{
  g_free (probe->values);
  g_free (probe->mask.words);
}

static gdouble
difference (const Probe *a, const Probe *b, gsize n)
{
  gdouble worst = 0, scale = 1e-3;

  for (gsize i = 0; i < n; i++) {
    worst = test_further (worst, a->values[i], b->values[i]);
    scale = MAX (scale, fabs (b->values[i]));
  }
  return worst / scale;
}

/* One map of each session, which hold the same channels. */
static void
compare_map (DcnnSession *device, gint of_device, DcnnSession *sim,
    gint of_sim, gdouble bound, gboolean masks, guint64 seed, gint frame)
{
  g_autoptr (GError) error = NULL;
  const PlanMap *map = plan_map (device->plan, of_device);
  gsize n = (gsize) map->width * map->height * map->channels;
  gboolean same_mask;
  gdouble d;
  Probe a, b;

  probe_init (&a, map);
  probe_init (&b, map);
  g_assert_true (dcnn_session_probe (device, 0, of_device, a.values, &a.mask,
          &error));
  g_assert_true (dcnn_session_probe (sim, 0, of_sim, b.values, &b.mask,
          &error));
  d = difference (&a, &b, n);
  same_mask = !masks || memcmp (a.mask.words, b.mask.words,
      dcnn_mask_words (map->width, map->height) * 8) == 0;
  if (!(d <= bound) || !same_mask) {
    g_test_message ("seed %" G_GUINT64_FORMAT " frame %d map %d (of node %d): "
        "differs by %g%s; rerun: engine-conformance %" G_GUINT64_FORMAT, seed,
        frame, of_device, map->source, d, same_mask ? "" : ", another mask",
        seed);
    g_test_fail ();
  }
  probe_clear (&a);
  probe_clear (&b);
}

/* Whether a map is an output's, all of which counts as changed when the window
 * has moved. */
static gboolean
is_output (const DcnnPlan *plan, gint map)
{
  for (guint i = 0; i < plan->graph->outputs->len; i++)
    if (plan->values[g_array_index (plan->graph->outputs, DcnnValueId,
            i)].map == map)
      return TRUE;
  return FALSE;
}

/* Whether two plans of a network have the same maps, wherever these lie. */
static gboolean
have_same_maps (const DcnnPlan *a, const DcnnPlan *b)
{
  gboolean same = a->maps->len == b->maps->len;

  for (guint m = 0; same && m < a->maps->len; m++) {
    const PlanMap *p = plan_map (a, (gint) m), *q = plan_map (b, (gint) m);
    same = p->width == q->width && p->height == q->height &&
        p->channels == q->channels && p->source == q->source;
  }
  return same;
}

void
test_compare_maps (DcnnSession *device, DcnnSession *sim, gdouble bound,
    gboolean masks, gboolean moved, guint64 seed, gint frame)
{
  const DcnnPlan *a = device->plan, *b = sim->plan;
  gboolean same = have_same_maps (a, b);
  guint compared = 0;

  for (guint m = 0; same && m < a->maps->len && !g_test_failed (); m++)
    if (plan_map (a, (gint) m)->constant == NULL)
      compare_map (device, (gint) m, sim, (gint) m, bound, masks &&
          !(moved && is_output (a, (gint) m)), seed, frame);
  for (guint v = 0; !same && v < a->graph->values->len &&
      !g_test_failed (); v++) {
    gint of_a = a->values[v].map, of_b = b->values[v].map;
    if (of_a < 0 || of_b < 0 || plan_map (a, of_a)->constant)
      continue;
    g_assert_cmpuint (plan_map (a, of_a)->channels, ==,
        plan_map (b, of_b)->channels);
    compare_map (device, of_a, sim, of_b, bound, masks, seed, frame);
    compared++;
  }
  g_assert_true (same || compared > 0);
}
