/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_maps.c - a stream's maps: where each channel is held, how values are
 * stored, and how the maps move under the window.
 */
#include "sim.h"

#include <math.h>
#include <string.h>

/* ---- where things are held ----------------------------------------------- */

/* A view of some channels of its one piece: found by where they lie. */
static void
place_view (const DcnnPlan *plan, const PlanMap *map, SimPlace *places)
{
  gint parent = g_array_index (map->pieces, gint, 0);
  const PlanMap *p = plan_map (plan, parent);

  for (guint c = 0; c < map->channels; c++)
    for (guint k = 0; k < p->channels; k++)
      if (plan_position (p, k) == map->parent_offset + plan_position (map, c))
        places[c] = (SimPlace) { parent, k };
}

static SimPlace *
find_places (const DcnnPlan *plan, gint index)
{
  const PlanMap *map = plan_map (plan, index);
  SimPlace *places = g_new0 (SimPlace, map->channels);
  guint c = 0;

  if (map->pieces->len == 1 &&
      map->parent == g_array_index (map->pieces, gint, 0)) {
    place_view (plan, map, places);
    return places;
  }
  for (guint i = 0; i < map->pieces->len; i++) {
    gint piece = g_array_index (map->pieces, gint, i);
    for (guint k = 0; k < plan_map (plan, piece)->channels; k++)
      places[c++] = (SimPlace) { piece, k };
  }
  return places;
}

void
sim_maps_init (SimMaps *maps, const DcnnPlan *plan, gsize *bytes)
{
  guint n = plan->maps->len;

  maps->plan = plan;
  maps->places = g_new0 (SimPlace *, n + 1);
  maps->values = g_new0 (gfloat *, n + 1);
  maps->changed = g_new0 (guint8 *, n + 1);
  maps->exact = g_new0 (guint8 *, n + 1);
  maps->origin = g_malloc0_n (n + 1, sizeof *maps->origin);
  for (guint i = 0; i < n; i++) {
    const PlanMap *map = plan_map (plan, i);
    gsize pixels = (gsize) map->width * map->height;
    if (map->pieces) {
      maps->places[i] = find_places (plan, (gint) i);
      continue;
    }
    maps->values[i] = g_new0 (gfloat, pixels * map->channels);
    *bytes += pixels * map->channels * sizeof (gfloat);
    if (map->constant) {
      memcpy (maps->values[i], map->constant,
          pixels * map->channels * sizeof (gfloat));
    } else {
      maps->changed[i] = g_new0 (guint8, pixels);
      maps->exact[i] = g_new0 (guint8, pixels);
    }
  }
}

void
sim_maps_clear (SimMaps *maps)
{
  for (guint i = 0; maps->plan && i < maps->plan->maps->len; i++) {
    g_free (maps->places[i]);
    g_free (maps->values[i]);
    g_free (maps->changed[i]);
    g_free (maps->exact[i]);
  }
  g_free (maps->places);
  g_free (maps->values);
  g_free (maps->changed);
  g_free (maps->exact);
  g_free (maps->origin);
}

void
sim_maps_place (SimMaps *maps, gint64 moved_y, gint64 moved_x)
{
  for (guint i = 0; i < maps->plan->maps->len; i++) {
    const PlanMap *map = plan_map (maps->plan, (gint) i);
    if (map->stride_y == 0 || map->constant)
      continue;
    maps->origin[i][0] = dcnn_window_torus (moved_y, map->stride_y,
        map->height);
    maps->origin[i][1] = dcnn_window_torus (moved_x, map->stride_x,
        map->width);
  }
}

gfloat *
sim_pixel (const SimMaps *maps, gint index, guint y, guint x)
{
  const PlanMap *map = plan_map (maps->plan, index);
  gsize row = (y + maps->origin[index][0]) % map->height;
  gsize column = (x + maps->origin[index][1]) % map->width;

  return maps->values[index] + (row * map->width + column) * map->channels;
}

gfloat
sim_value (const SimMaps *maps, gint map, guint y, guint x, guint c)
{
  while (maps->values[map] == NULL) {
    SimPlace place = maps->places[map][c];
    map = place.map;
    c = place.channel;
  }
  return sim_pixel (maps, map, y, x)[c];
}

gboolean
sim_marked (const SimMaps *maps, guint8 *const *marks, gint map, guint y,
    guint x)
{
  const PlanMap *m = plan_map (maps->plan, map);

  if (marks[map])
    return marks[map][(gsize) y * m->width + x];
  for (guint i = 0; m->pieces && i < m->pieces->len; i++)
    if (sim_marked (maps, marks, g_array_index (m->pieces, gint, i), y, x))
      return TRUE;
  return FALSE;
}

gboolean
sim_any_marked (const SimMaps *maps, guint8 *const *marks, gint map)
{
  const PlanMap *m = plan_map (maps->plan, map);

  for (guint y = 0; y < m->height; y++)
    for (guint x = 0; x < m->width; x++)
      if (sim_marked (maps, marks, map, y, x))
        return TRUE;
  return FALSE;
}

/* ---- storing --------------------------------------------------------------- */

static gfloat
round_bf16 (gfloat v)
{
  guint32 bits;

  if (!isfinite (v))
    return v;
  memcpy (&bits, &v, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy (&v, &bits, sizeof v);
  return v;
}

/* To 11 bits, or fewer below the smallest normal; ties to even. */
static gfloat
round_f16 (gfloat v)
{
  gfloat step;
  int exponent;

  if (!isfinite (v) || v == 0)
    return v;
  (void) frexpf (v, &exponent);
  step = ldexpf (1, MAX (exponent, -13) - 11);
  v = rintf (v / step) * step;
  return fabsf (v) > 65504 ? copysignf (INFINITY, v) : v;
}

/* As a map's buffer holds it. */
gfloat
sim_stored (const DcnnPlan *plan, const PlanMap *map, gdouble v)
{
  switch (g_array_index (plan->buffers, PlanBuffer, map->buffer).store) {
    case PLAN_STORE_F16:
      return round_f16 ((gfloat) v);
    case PLAN_STORE_BF16:
      return round_bf16 ((gfloat) v);
    default:
      return (gfloat) v;
  }
}
