/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_storage.c - where maps live, how far the window may move, and the
 * plan as text.
 */
#include "dcnn_map.h"
#include "dcnn_plan.h"

#include <string.h>

static guint
geometry_hash (gconstpointer key)
{
  const PlanGeometry *g = key;

  return (g->width * 31u + g->height) * 31u + g->pixel_elements;
}

static gboolean
geometry_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (PlanGeometry)) == 0;
}

/* known: PlanGeometry* -> index + 1 */
static gint
find_geometry (DcnnPlan *plan, GHashTable *known, guint width, guint height,
    guint floats)
{
  PlanGeometry g = { width, height, floats };
  gint index = GPOINTER_TO_INT (g_hash_table_lookup (known, &g));

  if (index > 0)
    return index - 1;
  g_array_append_val (plan->geometries, g);
  g_hash_table_insert (known, g_memdup2 (&g, sizeof g),
      GINT_TO_POINTER ((gint) plan->geometries->len));
  return (gint) plan->geometries->len - 1;
}

const PlanLayout plan_layout_cpu = { .pixel = DCNN_LANES, .slice = DCNN_LANES,
  .view = 1, .picture = 4 };

/* A map on its own storage. */
static void
assign_root (DcnnPlan *plan, GHashTable *known, PlanMap *map)
{
  PlanBuffer buffer = { .width = map->width, .height = map->height,
    .source = map->source, .store = plan->layout.store, .bytes = map->bytes };
  const PlanLayout *layout = &plan->layout;

  buffer.pixel_elements =
      map->graph_input >= 0 && map->span <= layout->picture ?
      layout->picture : plan_granules (map->span, layout->pixel);
  buffer.geometry = find_geometry (plan, known, map->width, map->height,
      buffer.pixel_elements);
  map->buffer = (gint) plan->buffers->len;
  map->offset = 0;
  g_array_append_val (plan->buffers, buffer);
}

static void
assign_map (DcnnPlan *plan, GHashTable *known, PlanMap *map)
{
  PlanMap *parent;

  if (map->buffer >= 0)
    return;
  if (map->parent < 0) {
    if (map->written || map->graph_input >= 0 || map->constant || map->pieces)
      assign_root (plan, known, map);
    return;
  }
  parent = plan_map (plan, map->parent);
  assign_map (plan, known, parent);
  map->buffer = parent->buffer;
  map->offset = parent->offset + map->parent_offset;
}

/* What must not lose digits: of outputs any difference counts, of gates and
 * vectors one reaches whole maps. */
static gboolean
keeps_digits (const DcnnPlan *plan, const PlanMap *map)
{
  const PlanNode *node = map->source < 0 ? NULL :
      plan_node (plan, map->source);

  return (map->width == 1 && map->height == 1) || map->constant ||
      (node && (node->is_output || node->is_gate));
}

void
dcnn_plan_assign_storage (DcnnPlan *plan)
{
  g_autoptr (GHashTable) known = g_hash_table_new_full (geometry_hash,
      geometry_equal, g_free, NULL);

  for (guint i = 0; i < plan->maps->len; i++)
    assign_map (plan, known, plan_map (plan, i));
  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, i);
    if (map->buffer >= 0 && keeps_digits (plan, map))
      g_array_index (plan->buffers, PlanBuffer, map->buffer).store =
          PLAN_STORE_F32;
  }
}

/* ---- the tile ------------------------------------------------------------------ */

static guint
gcd (guint a, guint c)
{
  while (c != 0) {
    guint r = a % c;
    a = c;
    c = r;
  }
  return a;
}

/* Moving the input of a table by one pixel moves its output by out / in. */
static gboolean
table_moves (const guint32 *index, guint taps, guint out, guint in)
{
  guint k = in ? out / in : 0;

  if (k == 0 || out != k * in)
    return FALSE;
  for (guint y = 0; y + k < out; y++)
    for (guint t = 0; t < taps; t++) {
      guint32 a = index[y * taps + t], c = index[(y + k) * taps + t];
      if (a == UINT32_MAX || (a > 0 && c + 1 < in && c != a + 1))
        return FALSE;
    }
  return TRUE;
}

static gboolean
node_moves (const DcnnPlan *plan, const PlanNode *node)
{
  const PlanMap *in, *out;

  if (node->kind == PLAN_IMPORT || node->kind == PLAN_TAIL)
    return node->kind == PLAN_TAIL;
  if (node->kind != PLAN_KERNEL)
    return TRUE;
  in = plan_map (plan, node->in), out = plan_map (plan, node->out);
  if (in->constant)
    return FALSE;
  for (gint s = 0; s < node->n_steps; s++)
    if (node->steps[s].map >= 0 &&
        plan_map (plan, node->steps[s].map)->constant)
      return FALSE;
  if (out->width == 1 && out->height == 1)
    return TRUE;
  if (node->reach == PLAN_REACH_WINDOW)
    return in->height == out->height * node->window.stride[0] &&
        in->width == out->width * node->window.stride[1];
  if (node->reach == PLAN_REACH_TRANSPOSED)
    return out->height == in->height * node->window.stride[0] &&
        out->width == in->width * node->window.stride[1];
  if (node->reach == PLAN_REACH_TABLE && (in->width > 1 || in->height > 1))
    return table_moves (node->index_y, node->taps_y, out->height, in->height)
        && table_moves (node->index_x, node->taps_x, out->width, in->width);
  return TRUE;
}

void
dcnn_plan_find_tile (DcnnPlan *plan)
{
  guint width = 0, height = 0, tile = 1;

  plan->tile = 0;
  for (guint i = 0; i < plan->maps->len; i++)
    if (plan->image_input >= 0 &&
        plan_map (plan, i)->graph_input == plan->image_input) {
      width = plan_map (plan, i)->width;
      height = plan_map (plan, i)->height;
    }
  if (width == 0 || plan->graph->states->len > 0)
    return;
  for (guint n = 0; n < plan->nodes->len; n++)
    if (!node_moves (plan, plan_node (plan, n)))
      return;
  for (guint i = 0; i < plan->maps->len; i++) {
    PlanMap *map = plan_map (plan, i);
    guint stride;
    if (map->buffer < 0 || (map->width == 1 && map->height == 1))
      continue;
    if (height % map->height || width % map->width)
      return;
    map->stride_y = height / map->height;
    map->stride_x = width / map->width;
    stride = map->stride_y / gcd (map->stride_y, map->stride_x) *
        map->stride_x;
    tile = tile / gcd (tile, stride) * stride;
    if (tile > 4096)
      return;
  }
  if (width % tile == 0 && height % tile == 0)
    plan->tile = tile;
}

/* ---- text ------------------------------------------------------------------------ */

static const char *const primary_names[] = {
#define DCNN_X(e, f, n) n,
  DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
};

const char *
plan_node_kernel (const PlanNode *node)
{
  switch (node->kind) {
    case PLAN_KERNEL:
      return primary_names[node->primary];
    case PLAN_GLOBAL:
      return node->norm ? "block-moments" : "block-sums";
    case PLAN_GATHER:
      return "gather";
    case PLAN_IMPORT:
      return "import";
    default:
      return "tail";
  }
}

static gsize
conv_floats (const PlanNode *node)
{
  const PlanOp *op = &node->op;
  gsize floats = (gsize) op->in_channels * op->out_channels /
      (gsize) op->conv.groups;

  return floats * (gsize) (op->conv.window.kernel[0] *
      op->conv.window.kernel[1]) + op->out_channels;
}

gsize
plan_node_weight_bytes (const DcnnPlan *plan, const PlanNode *node)
{
  const PlanOp *op = &node->op;
  gsize floats = 0;

  if (node->kind != PLAN_KERNEL)
    return 0;
  if (op->weights)
    floats += conv_floats (node);
  if (node->primary == DCNN_PRIMARY_LAYER_NORM)
    floats += 2 * (gsize) op->in_channels;
  if (op->source)
    floats += op->out_channels;
  if (node->index_y)
    floats += (op->weight_y ? 2 : 1) *
        ((gsize) plan_map (plan, node->out)->height * node->taps_y +
        (gsize) plan_map (plan, node->out)->width * node->taps_x);
  return floats * 4;
}

char *
dcnn_plan_dump (const DcnnPlan *plan)
{
  GString *text = g_string_new (NULL);

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    g_string_append_printf (text, "%u %s [%s] %s", n,
        plan_node_kernel (node), node->ops->str, node->name);
    for (guint i = 0; i < node->deps->len; i++)
      g_string_append_printf (text, "%s%d", i ? "," : " <- ",
          g_array_index (node->deps, gint, i));
    if (node->out >= 0) {
      const PlanMap *map = plan_map (plan, node->out);
      g_string_append_printf (text, " : %ux%ux%u", map->width, map->height,
          map->channels);
      if (map->span != map->channels)
        g_string_append_printf (text, " in %u", map->span);
      if (map->parent >= 0)
        g_string_append_printf (text, " at +%u", map->offset);
    }
    if (node->out >= 0 && plan_map (plan, node->out)->bytes)
      g_string_append_printf (text, " bytes from %d",
          plan_map (plan, node->out)->low);
    if (node->is_output)
      g_string_append (text, " output");
    if (node->is_gate)
      g_string_append (text, " gate");
    if (node->into >= 0)
      g_string_append_printf (text, " inside %d%s", node->into,
          dcnn_plan_inside (plan, (gint) n, PLAN_BLOCKS_PAYING) ? "" :
          " when dense");
    g_string_append_c (text, '\n');
  }
  return g_string_free (text, FALSE);
}
