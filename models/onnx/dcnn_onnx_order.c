/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_order.c - which nodes of a file are needed, and in which order.
 */
#include "dcnn_onnx_loader.h"

typedef struct Order {
  OnnxLoader *loader;
  GHashTable *producers; /* name -> node index + 1; inputs, initializers: 0 */
  GPtrArray **captures; /* by node: names that its branches read */
  guint8 *colour; /* 0 new, 1 on the stack, 2 done */
  guint8 *live;
  GArray *order; /* of guint */
} Order;

/* A node being visited, and the input to look at next. */
typedef struct Frame {
  guint node, next;
} Frame;

static const Onnx__NodeProto *
node_at (const Order *self, guint n)
{
  return g_ptr_array_index (self->loader->nodes, n);
}

static const char *
node_label (const Onnx__NodeProto *node)
{
  if (node->name && *node->name)
    return node->name;
  return node->n_output > 0 && node->output[0] ? node->output[0] : "";
}

static gboolean
add_producer (Order *self, const char *name, gint node, GError **error)
{
  if (!name || !*name)
    return TRUE;
  if (g_hash_table_contains (self->producers, name)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "the name '%.200s' is defined twice", name);
    return FALSE;
  }
  g_hash_table_insert (self->producers, (gpointer) name,
      GINT_TO_POINTER (node + 1));
  return TRUE;
}

/* All names: initializers, inputs (which an initializer may give a value),
 * and the outputs of nodes. */
static gboolean
find_producers (Order *self, GError **error)
{
  const Onnx__GraphProto *proto = self->loader->proto;

  for (size_t i = 0; i < proto->n_initializer; i++)
    if (!add_producer (self, proto->initializer[i]->name, -1, error))
      return FALSE;
  for (size_t i = 0; i < proto->n_input; i++) {
    const char *name = proto->input[i]->name;
    if (name && g_hash_table_contains (self->loader->initializers, name))
      continue;
    if (!add_producer (self, name, -1, error))
      return FALSE;
  }
  for (guint n = 0; n < self->loader->nodes->len; n++)
    for (size_t i = 0; i < node_at (self, n)->n_output; i++)
      if (!add_producer (self, node_at (self, n)->output[i], (gint) n, error))
        return FALSE;
  return TRUE;
}

/* Marks what a name needs: the node that makes it goes on the stack. */
static void
need (Order *self, const char *name, GArray *stack)
{
  guint producer = GPOINTER_TO_UINT (g_hash_table_lookup (self->producers,
          name));
  g_hash_table_add (self->loader->readers, (gpointer) name);
  if (producer > 0 && !self->live[producer - 1]) {
    guint node = producer - 1;
    self->live[node] = 1;
    g_array_append_val (stack, node);
  }
}

/* From the outputs backwards. */
static void
find_live (Order *self)
{
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < self->loader->outputs->len; i++)
    need (self, g_ptr_array_index (self->loader->outputs, i), stack);
  while (stack->len > 0) {
    guint n = g_array_index (stack, guint, stack->len - 1);
    const Onnx__NodeProto *node = node_at (self, n);
    g_array_set_size (stack, stack->len - 1);
    for (guint i = 0; i < self->captures[n]->len; i++)
      need (self, g_ptr_array_index (self->captures[n], i), stack);
    for (size_t i = 0; i < node->n_input; i++) {
      const char *name = node->input[i];
      if (!name || !*name)
        continue;
      if (!g_hash_table_contains (self->producers, name)) {
        g_autofree char *reason = g_strdup_printf ("its input '%.200s' is made"
            " by nothing in the file", name);
        onnx_refuse (self->loader, node, DCNN_ERROR_INVALID, reason);
      }
      need (self, name, stack);
    }
  }
}

/* The node that makes input i (behind the inputs: what its branches read), or
 * -1. */
static gint
producer_of (Order *self, guint n, guint i)
{
  const Onnx__NodeProto *node = node_at (self, n);
  const char *name = i < node->n_input ? node->input[i]
      : g_ptr_array_index (self->captures[n], i - node->n_input);
  return name ? GPOINTER_TO_INT (g_hash_table_lookup (self->producers, name))
      - 1 : -1;
}

/* Appends a node after all that it needs. */
static gboolean
visit (Order *self, guint first, GArray *stack, GError **error)
{
  Frame start = { first, 0 };

  g_array_append_val (stack, start);
  self->colour[first] = 1;
  while (stack->len > 0) {
    Frame *top = &g_array_index (stack, Frame, stack->len - 1);
    const Onnx__NodeProto *node = node_at (self, top->node);
    gint producer;
    Frame below;

    if (top->next >= node->n_input + self->captures[top->node]->len) {
      self->colour[top->node] = 2;
      g_array_append_val (self->order, top->node);
      g_array_set_size (stack, stack->len - 1);
      continue;
    }
    producer = producer_of (self, top->node, top->next++);
    if (producer < 0 || self->colour[producer] == 2)
      continue;
    if (self->colour[producer] == 1) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
          "the graph has a cycle through node '%.200s'",
          node_label (node_at (self, (guint) producer)));
      return FALSE;
    }
    self->colour[producer] = 1;
    below.node = (guint) producer;
    below.next = 0;
    g_array_append_val (stack, below);
  }
  return TRUE;
}

/* ---- what branches read ------------------------------------------------------ */

static void add_captures (Order *self, const Onnx__GraphProto *branch,
    GPtrArray *list);

static void
add_captures_of_node (Order *self, const Onnx__NodeProto *node,
    GPtrArray *list)
{
  for (size_t a = 0; a < node->n_attribute; a++)
    if (node->attribute[a]->g)
      add_captures (self, node->attribute[a]->g, list);
}

static void
add_capture (Order *self, const char *name, GPtrArray *list)
{
  if (name && g_hash_table_contains (self->producers, name))
    g_ptr_array_add (list, (gpointer) name);
}

/* Names of the graph around that a branch reads. The depth is bounded by that
 * of the file's messages. */
static void
add_captures (Order *self, const Onnx__GraphProto *branch, GPtrArray *list)
{
  for (size_t n = 0; n < branch->n_node; n++) {
    for (size_t i = 0; i < branch->node[n]->n_input; i++)
      add_capture (self, branch->node[n]->input[i], list);
    add_captures_of_node (self, branch->node[n], list);
  }
  for (size_t i = 0; i < branch->n_output; i++)
    add_capture (self, branch->output[i]->name, list);
}

GArray *
onnx_order (OnnxLoader *loader, GError **error)
{
  guint n_nodes = loader->nodes->len;
  g_autoptr (GHashTable) producers = g_hash_table_new (g_str_hash,
      g_str_equal);
  g_autoptr (GPtrArray) captures = g_ptr_array_new_with_free_func (
      (GDestroyNotify) g_ptr_array_unref);
  g_autofree guint8 *colour = g_malloc0 (n_nodes + 1);
  g_autofree guint8 *live = g_malloc0 (n_nodes + 1);
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (Frame));
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  Order self = { loader, producers, NULL, colour, live, order };

  if (n_nodes > DCNN_MAX_NODES) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_LIMIT,
        "the graph has %u nodes, at most %d are supported", n_nodes,
        DCNN_MAX_NODES);
    return NULL;
  }
  if (!find_producers (&self, error))
    return NULL;
  for (guint n = 0; n < n_nodes; n++) {
    g_ptr_array_add (captures, g_ptr_array_new ());
    add_captures_of_node (&self, node_at (&self, n),
        g_ptr_array_index (captures, n));
  }
  self.captures = (GPtrArray **) captures->pdata;
  find_live (&self);
  for (guint n = 0; n < n_nodes; n++)
    if (live[n] && colour[n] == 0 && !visit (&self, n, stack, error))
      return NULL;
  return g_steal_pointer (&order);
}
