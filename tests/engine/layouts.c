/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * layouts.c - one network laid out in several ways: granules of pixels and
 * slices, aligned views, sizes, what is stored in float32; and that it is the
 * same network. And that the list of operators and the planner's steps agree.
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

static const PlanLayout layouts[] = {
  { .pixel = 8, .slice = 8, .view = 1, .picture = 4 },
  { .pixel = 16, .slice = 16, .view = 16, .store = PLAN_STORE_F16 },
  { .pixel = 4, .slice = 4, .view = 4, .picture = 4,
    .store = PLAN_STORE_BF16 },
  { .pixel = 1, .slice = 1, .view = 1 },
  { .pixel = 32, .slice = 8, .view = 8, .store = PLAN_STORE_F16 },
};

static DcnnModel *
net (guint64 seed)
{
 return test_model_new (test_net_random (seed, FALSE, FALSE, TRUE));
}

/* A part of another map, rather than a piece of it. */
static gboolean
is_view (const PlanMap *map, gint parent)
{
  return map->pieces && map->pieces->len == 1 &&
      g_array_index (map->pieces, gint, 0) == parent;
}

static void
check_map (const DcnnPlan *plan, const PlanMap *map)
{
  const PlanLayout *layout = &plan->layout;
  const PlanBuffer *buffer =
      &g_array_index (plan->buffers, PlanBuffer, map->buffer);
  const PlanNode *node = map->source < 0 ? NULL :
      plan_node (plan, map->source);

  for (guint c = 0; c < map->channels; c++) {
    g_assert_cmpuint (plan_position (map, c), <, map->span);
    g_assert_cmpuint (map->offset + plan_position (map, c), <,
        buffer->pixel_elements);
  }
  if (map->parent >= 0)
    g_assert_cmpuint (map->parent_offset % (is_view (map, map->parent) ?
            layout->view : layout->slice), ==, 0);
  if ((map->width == 1 && map->height == 1) || map->constant ||
      (node && (node->is_output || node->is_gate)))
    g_assert_cmpint (buffer->store, ==, PLAN_STORE_F32);
  else if (buffer->store != layout->store)
    g_assert_true (map->parent >= 0 || map->pieces || layout->store ==
        PLAN_STORE_F32); /* lies beside one of those */
}

/* What is written to one buffer by different nodes lies apart. */
static void
check_apart (const DcnnPlan *plan, gint index)
{
  const PlanBuffer *buffer = &g_array_index (plan->buffers, PlanBuffer, index);
  g_autofree gint *owner = g_new0 (gint, buffer->pixel_elements);

  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, (gint) i);
    if (map->buffer != index || !map->written)
      continue;
    for (guint c = 0; c < map->channels; c++) {
      guint at = map->offset + plan_position (map, c);
      g_assert_cmpint (owner[at], ==, 0);
      owner[at] = (gint) i + 1;
    }
  }
}

static guint
check_plan (const DcnnPlan *plan)
{
  const PlanLayout *layout = &plan->layout;
  guint halves = 0;

  for (guint i = 0; i < plan->buffers->len; i++) {
    const PlanBuffer *buffer = &g_array_index (plan->buffers, PlanBuffer, i);
    if (buffer->pixel_elements != layout->picture)
      g_assert_cmpuint (buffer->pixel_elements % layout->pixel, ==, 0);
    halves += buffer->store != PLAN_STORE_F32;
    check_apart (plan, (gint) i);
  }
  for (guint i = 0; i < plan->maps->len; i++)
    if (plan_map (plan, (gint) i)->buffer >= 0)
      check_map (plan, plan_map (plan, (gint) i));
  return halves;
}

static void
test_follows (void)
{
  guint halves = 0;

  for (guint64 seed = 1; seed <= 40; seed++) {
    g_autoptr (DcnnModel) model = net (seed);
    for (guint i = 0; i < G_N_ELEMENTS (layouts); i++) {
      g_autoptr (GError) error = NULL;
      const DcnnPlan *plan = dcnn_model_plan (model, &layouts[i], &error);
      g_assert_no_error (error);
      halves += check_plan (plan);
      g_assert_cmpuint (plan->macs, ==, model->plan->macs);
      g_assert_cmpuint (plan->tile, ==, model->plan->tile);
      g_assert_cmpuint (plan->tensors->len, ==, model->plan->tensors->len);
      g_assert_true (dcnn_model_plan (model, &layouts[i], &error) == plan);
    }
  }
  g_assert_cmpuint (halves, >, 100);
}

/* The input's pixels are as long as a picture's where they fit in those, else
 * whole granules. */
static void
test_pictures (void)
{
  for (gint channels = 1; channels <= 10; channels++) {
    g_autoptr (DcnnModel) model = NULL;
    TestNet net;
    test_net_begin (&net, 1, FALSE);
    dcnn_graph_add_output (net.graph, test_net_conv (&net, test_net_input (&net,
                channels, 9, 9), 2, 3, 1, 1, 1));
    model = test_model_new (net.graph);
    for (guint i = 0; i < G_N_ELEMENTS (layouts); i++) {
      g_autoptr (GError) error = NULL;
      const DcnnPlan *plan = dcnn_model_plan (model, &layouts[i], &error);
      guint want = channels <= layouts[i].picture ? layouts[i].picture :
          (channels + layouts[i].pixel - 1) / layouts[i].pixel *
          layouts[i].pixel;
      g_assert_no_error (error);
      for (guint m = 0; m < plan->maps->len; m++)
        if (plan_map (plan, (gint) m)->graph_input >= 0)
          g_assert_cmpuint (g_array_index (plan->buffers, PlanBuffer,
                  plan_map (plan, (gint) m)->buffer).pixel_elements, ==, want);
    }
  }
}

/* Planning changes nothing in the graph: again is the same. */
static void
test_again (void)
{
  for (guint64 seed = 1; seed <= 40; seed++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = net (seed);
    g_autofree char *first = dcnn_plan_dump (model->plan), *second = NULL;
    DcnnPlan *plan;
    g_assert_nonnull (dcnn_model_plan (model, &layouts[1], &error));
    plan = dcnn_plan_again (model->plan, &plan_layout_cpu, &error);
    g_assert_no_error (error);
    second = dcnn_plan_dump (plan);
    g_assert_cmpstr (first, ==, second);
    dcnn_plan_free (plan);
  }
}

/* Channels that begin between granules are a view on the cpu, and a copy with a
 * reason where views must be aligned. */
static void
test_unaligned_view (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = NULL;
  const DcnnPlan *plan;
  DcnnParams slice = { 0 };
  DcnnValueId v, part, out;
  TestNet net;
  guint copies = 0;

  test_net_begin (&net, 7, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 16, 16), 12, 3, 1, 1, 1);
  for (guint i = 0; i < 4; i++) {
    slice.slice.step[i] = 1;
    slice.slice.count[i] = ((const int64_t[]) { 1, 7, 16, 16 })[i];
  }
  slice.slice.start[1] = 5;
  g_assert_true (dcnn_graph_add_node (net.graph, "part", DCNN_OP_SLICE, &slice,
          1, &v, 1, (const char *const[]) { "part" }, NULL, &part, &error));
  out = test_net_conv (&net, part, 4, 1, 1, 1, 1);
  dcnn_graph_add_output (net.graph, out);
  model = test_model_new (net.graph);
  for (guint n = 0; n < model->plan->nodes->len; n++)
    g_assert_cmpint (plan_node (model->plan, (gint) n)->primary, !=,
        DCNN_PRIMARY_COPY);
  plan = dcnn_model_plan (model, &layouts[1], &error);
  for (guint n = 0; n < plan->nodes->len; n++)
    if (plan_node (plan, (gint) n)->kind == PLAN_KERNEL &&
        plan_node (plan, (gint) n)->primary == DCNN_PRIMARY_COPY) {
      g_assert_nonnull (strstr (plan_node (plan, (gint) n)->why->str,
              "a view: its channels begin where"));
      copies++;
    }
  g_assert_cmpuint (copies, ==, 1);
}

/* Channels in another order, then a constant map, which lies in the first: the
 * order is mended on the way, and nothing becomes a tail. */
static void
test_constant_on_reversed (void)
{
  static const gint64 dims[4] = { 1, 12, 16, 16 };
  g_autoptr (DcnnModel) model = NULL;
  DcnnParams slice = { 0 };
  DcnnValueId v;
  TestNet net;

  test_net_begin (&net, 7, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 16, 16), 12, 3, 1, 1, 1);
  for (guint i = 0; i < 4; i++) {
    slice.slice.step[i] = i == 1 ? -1 : 1;
    slice.slice.count[i] = dims[i];
  }
  slice.slice.start[1] = 11;
  v = test_net_node (&net, DCNN_OP_SLICE, &slice, 1, &v, NULL);
  v = test_net_binary (&net, DCNN_OP_ADD, v, test_net_constant (&net, 4, dims));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 4, 1, 1, 1, 1));
  model = test_model_new (net.graph);
  for (guint n = 0; n < model->plan->nodes->len; n++)
    g_assert_cmpint (plan_node (model->plan, (gint) n)->kind, !=, PLAN_TAIL);
}

/* An operator that the list lowers as a step has one, and no other has. */
static void
test_steps (void)
{
  for (guint op = 0; op < DCNN_OP_COUNT; op++) {
    gboolean listed = FALSE;
    switch (op) {
#define STEP(lowering) #lowering
#define DCNN_OP(ENUM, name, infer, ref, lowering)                              \
      case DCNN_OP_##ENUM:                                                     \
        listed = strcmp (STEP (lowering), "step") == 0;                        \
        break;
#include "ops.def"
#undef DCNN_OP
#undef STEP
    }
    if (listed != plan_op_is_elementwise ((DcnnOp) op))
      g_error ("%s: its line in ops.def and plan_match.c disagree",
          dcnn_op_name ((DcnnOp) op));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/layouts/pictures", test_pictures);
  g_test_add_func ("/engine/layouts/follows", test_follows);
  g_test_add_func ("/engine/layouts/again", test_again);
  g_test_add_func ("/engine/layouts/unaligned-view", test_unaligned_view);
  g_test_add_func ("/engine/layouts/constant-on-reversed",
      test_constant_on_reversed);
  g_test_add_func ("/engine/layouts/steps", test_steps);
  return g_test_run ();
}
