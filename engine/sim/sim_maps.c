/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_maps.c - a stream's maps, looked at.
 */
#include "sim.h"

gfloat
sim_value (const SimMaps *maps, gint map, guint y, guint x, guint c)
{
  while (maps->values[map] == NULL) {
    SimPlace place = maps->places[map][c];
    map = place.map;
    c = place.channel;
  }
  return maps->values[map][((gsize) y * plan_map (maps->plan, map)->width +
          x) * plan_map (maps->plan, map)->channels + c];
}

gboolean
sim_changed (const SimMaps *maps, gint map, guint y, guint x)
{
  const PlanMap *m = plan_map (maps->plan, map);

  if (maps->changed[map])
    return maps->changed[map][(gsize) y * m->width + x];
  for (guint i = 0; m->pieces && i < m->pieces->len; i++)
    if (sim_changed (maps, g_array_index (m->pieces, gint, i), y, x))
      return TRUE;
  return FALSE;
}
