/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * node_cost.c - see node_cost.h.
 */
#include "node_cost.h"

typedef struct Rates {
  gdouble mac, channel, pixel, node;
} Rates;

typedef enum CostKind { COST_CONV, COST_DEPTHWISE, COST_OTHER } CostKind;

/* Nanoseconds of one thread of a Zen 3 with AVX2, from the nodes of seven nets
 * at three shares of changed pixels (decisions.md). Only their proportions
 * matter. Lists: with what judging, masks and verdicts take. */
static const Rates list_rates[] = {
  [COST_CONV] = { 0.042, 0.45, 28, 800 },
  [COST_DEPTHWISE] = { 0.070, 0.5, 18, 800 },
  [COST_OTHER] = { 0.19, 0.8, 30, 3500 },
};
static const Rates map_rates[] = {
  [COST_CONV] = { 0.0404, 0, 6.5, 2200 },
  [COST_DEPTHWISE] = { 0.075, 0.05, 6, 1600 },
  [COST_OTHER] = { 0.185, 0.4, 12, 3500 },
};

/* Of what lists cost beside arithmetic, what is left in a whole map that is
 * compared with the stored one. */
#define JUDGED_SHARE 0.5

/* A multiply-accumulate of bytes beside one of floats: 55 to 75 a nanosecond
 * where floats are 24. */
#define BYTES 0.4

static CostKind
kind_of (DcnnPrimary primary)
{
  switch (primary) {
    case DCNN_PRIMARY_CONV:
    case DCNN_PRIMARY_GROUP_CONV:
    case DCNN_PRIMARY_CONV_TRANSPOSE:
      return COST_CONV;
    case DCNN_PRIMARY_DEPTHWISE:
      return COST_DEPTHWISE;
    default:
      return COST_OTHER;
  }
}

static gdouble
pixel_cost (const Rates *rates, guint64 macs, guint channels,
    gdouble arithmetic)
{
  return rates->mac * arithmetic * (gdouble) macs +
      rates->channel * channels + rates->pixel;
}

DcnnNodeCost
dcnn_node_cost (DcnnPrimary primary, guint64 macs, guint channels,
    gsize pixels, gdouble arithmetic)
{
  const Rates *list = &list_rates[kind_of (primary)];
  const Rates *map = &map_rates[kind_of (primary)];
  DcnnNodeCost cost = { .list_node = list->node,
    .list_pixel = pixel_cost (list, macs, channels, arithmetic),
    .map = map->node + (gdouble) pixels * pixel_cost (map, macs, channels,
        arithmetic) };

  cost.judged_map = cost.map + JUDGED_SHARE * (gdouble) pixels *
      (list->channel * channels + list->pixel);
  return cost;
}

gdouble
dcnn_node_arithmetic (gdouble arithmetic, gboolean bytes)
{
  return bytes ? arithmetic * BYTES : arithmetic;
}
