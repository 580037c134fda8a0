/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx.c - loading a model: see dcnn_onnx.h. The steps: parse, check the
 * opset, sort the nodes, add inputs, translate node by node, add outputs.
 */
#include "dcnn_onnx_node.h"
#include "dcnn_onnx_whole.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES ((guint64) G_MAXINT32)
#define OPSET_OLDEST 6
#define OPSET_OLDEST_TEXT "7"

/* What constants that are made, not stored, may take: enough for any shape
 * computation, and otherwise in proportion to the file. Nets that standardise
 * their weights make five values of each, one after the other. */
#define CONSTANT_BYTES_BASE ((gint64) 32 << 20)
#define CONSTANT_BYTES_PER_BYTE 6

static gboolean
read_opset (OnnxLoader *loader, const Onnx__ModelProto *model, GError **error)
{
  loader->opset = 0;
  for (size_t i = 0; i < model->n_opset_import; i++) {
    const char *domain = model->opset_import[i]->domain;
    if (!domain || !*domain || strcmp (domain, "ai.onnx") == 0)
      loader->opset = model->opset_import[i]->version;
  }
  if (loader->opset >= OPSET_OLDEST && loader->opset < 1000)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
      "the model is of opset %" G_GINT64_FORMAT "; opset " OPSET_OLDEST_TEXT
      " and later are supported: convert it with the ONNX version converter",
      loader->opset);
  return FALSE;
}

static gboolean
index_initializers (OnnxLoader *loader, GError **error)
{
  const Onnx__GraphProto *proto = loader->proto;
  if (proto->n_sparse_initializer > 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
        "the model has sparse initializers, which are not supported: export "
        "dense ones");
    return FALSE;
  }
  for (size_t i = 0; i < proto->n_initializer; i++) {
    Onnx__TensorProto *tensor = proto->initializer[i];
    if (!tensor->name || !*tensor->name) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
          "initializer %" G_GSIZE_FORMAT " has no name", (gsize) i);
      return FALSE;
    }
    g_hash_table_insert (loader->initializers, tensor->name, tensor);
  }
  return TRUE;
}

/* Adds the stored tensors that something reads. */
static gboolean
add_initializers (OnnxLoader *loader, GError **error)
{
  for (size_t i = 0; i < loader->proto->n_initializer; i++) {
    const Onnx__TensorProto *proto = loader->proto->initializer[i];
    DcnnTensor tensor;
    if (!g_hash_table_contains (loader->readers, proto->name))
      continue;
    if (!onnx_tensor_load (proto, &loader->data, &tensor, error))
      return FALSE;
    if (dcnn_graph_add_constant (loader->graph, proto->name, &tensor, error)
        < 0) {
      dcnn_tensor_free (&tensor);
      return FALSE;
    }
  }
  return TRUE;
}

/* Whether an input comes from a node that was refused. */
static gboolean
is_blocked (const OnnxLoader *loader, const Onnx__NodeProto *node)
{
  for (size_t i = 0; i < node->n_input; i++)
    if (node->input[i]
        && g_hash_table_contains (loader->blocked, node->input[i]))
      return TRUE;
  return FALSE;
}

static void
block_outputs (OnnxLoader *loader, const Onnx__NodeProto *node)
{
  for (size_t i = 0; i < node->n_output; i++)
    if (node->output[i] && *node->output[i]) /* "": left out */
      g_hash_table_add (loader->blocked, node->output[i]);
}

static void
map_one (OnnxLoader *loader, const Onnx__NodeProto *node)
{
  g_autoptr (GError) problem = NULL;

  if (is_blocked (loader, node)) {
    block_outputs (loader, node);
  } else if (!onnx_node_map (loader, node, &problem)) {
    loader->misfits |= problem->code == DCNN_ERROR_INVALID;
    onnx_refuse (loader, node, (DcnnError) problem->code, problem->message);
  }
}

static void
map_inner (OnnxLoader *loader, const Onnx__NodeProto *node)
{
  if (onnx_check_node (loader, node))
    map_one (loader, node);
}

/* Translates all nodes; what cannot be is refused, and what depends on it is
 * left out. The first pass over everything is the one that needs no shapes, so
 * that the list of refusals is whole. */
static void
map_nodes (OnnxLoader *loader, const GArray *order)
{
  g_autofree gboolean *usable = g_new0 (gboolean, order->len + 1);

  for (guint i = 0; i < order->len; i++)
    usable[i] = onnx_check_node (loader,
        g_ptr_array_index (loader->nodes, g_array_index (order, guint, i)));
  for (guint i = 0; i < order->len; i++)
    if (usable[i])
      map_one (loader, g_ptr_array_index (loader->nodes,
              g_array_index (order, guint, i)));
}

/* The names of what is wanted: the caller's, else the file's; and what states
 * are fed from. */
static gboolean
list_outputs (OnnxLoader *loader, GError **error)
{
  const Onnx__GraphProto *proto = loader->proto;
  const DcnnOnnxOptions *options = loader->options;
  GPtrArray *names = loader->outputs;

  for (guint i = 0; options->outputs && options->outputs[i]; i++)
    g_ptr_array_add (names, (gpointer) options->outputs[i]);
  for (size_t i = 0; !options->outputs && i < proto->n_output; i++)
    g_ptr_array_add (names, proto->output[i]->name ? proto->output[i]->name
        : (gpointer) "");
  if (names->len == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "the graph has no outputs");
    return FALSE;
  }
  for (guint i = 0; i < options->n_inputs; i++)
    if (options->inputs[i].state && !g_ptr_array_find_with_equal_func (names,
            options->inputs[i].state, g_str_equal, NULL))
      g_ptr_array_add (names, (gpointer) options->inputs[i].state);
  return TRUE;
}

static gboolean
add_outputs (OnnxLoader *loader, GError **error)
{
  for (guint i = 0; i < loader->outputs->len; i++) {
    const char *name = g_ptr_array_index (loader->outputs, i);
    DcnnValueId id = dcnn_graph_find_value (loader->graph, name);
    if (id < 0) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
          "output '%.200s' is made by nothing in the file", name);
      return FALSE;
    }
    if (onnx_is_sequence (loader, name)) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
          "output '%.200s' is a sequence: export its tensors", name);
      return FALSE;
    }
    dcnn_graph_add_output (loader->graph, id);
  }
  return onnx_add_states (loader, error);
}

static gboolean
build (OnnxLoader *loader, const Onnx__ModelProto *model, GError **error)
{
  g_autoptr (GArray) order = NULL;

  if (!read_opset (loader, model, error)
      || !index_initializers (loader, error) || !list_outputs (loader, error))
    return FALSE;
  if (!onnx_inline_functions (loader, error))
    return FALSE;
  order = onnx_order (loader, error);
  if (!order || !onnx_add_inputs (loader, error)
      || !add_initializers (loader, error))
    return FALSE;
  /* weights outside of the file count as if they were in it */
  loader->constant_bytes += (gint64) loader->data.external_bytes
      * CONSTANT_BYTES_PER_BYTE;
  dcnn_graph_limit_folding (loader->graph, loader->constant_bytes);
  map_nodes (loader, order);
  if (!onnx_refusals_report (loader, error) || !add_outputs (loader, error))
    return FALSE;
  onnx_whole_free_unread (loader);
  return TRUE;
}

/* Names come from the file: errors must still be valid UTF-8. */
static void
make_error_valid (GError **error)
{
  if (error && *error && !g_utf8_validate ((*error)->message, -1, NULL)) {
    char *valid = g_utf8_make_valid ((*error)->message, -1);
    g_free ((*error)->message);
    (*error)->message = valid;
  }
}

/* What every attempt to load a file has in common. */
typedef struct Source {
  const OnnxModel *model;
  gsize length; /* of the file */
  const char *base_dir;
  GHashTable *constants;
  GHashTable *shapes;
  gboolean is_about_size; /* the last attempt failed for shapes, or for want of
                             a size */
  GPtrArray *cuts; /* before what the first attempt refused; or NULL */
} Source;

/* One attempt. *again: the graph is right but for the shapes of states, which
 * are known now. */
static DcnnGraph *
attempt (Source *source, const DcnnOnnxOptions *options, gboolean *again,
    GError **error)
{
  g_autoptr (GHashTable) initializers = g_hash_table_new (g_str_hash,
      g_str_equal);
  g_autoptr (GHashTable) readers = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) blocked = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) wholes = g_hash_table_new_full (NULL, NULL, NULL,
      g_free);
  g_autoptr (GHashTable) sequences = g_hash_table_new_full (g_str_hash,
      g_str_equal, NULL, g_free);
  g_autoptr (GHashTable) files = g_hash_table_new_full (g_str_hash,
      g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();
  g_autoptr (GPtrArray) memory = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) outputs = g_ptr_array_new ();
  g_autoptr (GArray) states = g_array_new (FALSE, FALSE, sizeof (OnnxState));
  g_autoptr (DcnnGraph) graph = dcnn_graph_new ();
  OnnxLoader loader = {
    .map_inner = map_inner, .find_mapping = onnx_mapping_find,
    .options = options,
    .data = { .base_dir = source->base_dir, .files = files },
    .frozen = source->constants,
    .constant_bytes = CONSTANT_BYTES_BASE
        + (gint64) MIN (source->length, G_MAXINT32) * CONSTANT_BYTES_PER_BYTE,
    .graph = graph,
    .initializers = initializers,
    .readers = readers,
    .blocked = blocked,
    .model = source->model->proto,
    .sequences = sequences,
    .wholes = wholes,
    .proto = source->model->proto->graph,
    .copies = { .memory = memory },
    .nodes = nodes,
    .outputs = outputs,
    .states = states,
    .shapes = source->shapes,
  };
  gboolean ok;

  onnx_refusals_init (&loader.refusals);
  ok = build (&loader, source->model->proto, error);
  if (loader.refusals.count > 0 && !source->cuts)
    source->cuts = onnx_find_cuts (&loader);
  onnx_refusals_clear (&loader.refusals);
  source->is_about_size = loader.misfits || loader.lacks_size;
  *again = loader.again;
  return ok ? g_steal_pointer (&graph) : NULL;
}

/* Shapes of states follow those of their sources, which may follow theirs. */
#define MAX_ATTEMPTS 4

static DcnnGraph *
load_parsed (Source *source, const DcnnOnnxOptions *options, GError **error)
{
  g_autoptr (GHashTable) shapes = g_hash_table_new_full (g_str_hash,
      g_str_equal, g_free, g_free);

  source->shapes = shapes;
  for (int i = 0; i < MAX_ATTEMPTS; i++) {
    gboolean again;
    g_autoptr (DcnnGraph) graph = attempt (source, options, &again, error);
    if (!graph || !again)
      return g_steal_pointer (&graph);
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
      "a state that is fed back changes its shape with every frame; give its "
      "dims in the descriptor, or export the model with fixed shapes");
  return NULL;
}

static gboolean
try_size (const DcnnOnnxOptions *options, gpointer data)
{
  g_autoptr (DcnnGraph) graph = load_parsed (data, options, NULL);

  return graph != NULL;
}

/* Which size would do, where that is what the load has failed for. */
static void
suggest_sizes (Source *source, const DcnnOnnxOptions *options, GError **error)
{
  g_autofree char *sizes = NULL, *text = NULL;

  if (!error || !source->is_about_size)
    return;
  sizes = onnx_find_sizes (options, try_size, source);
  if (!sizes)
    return;
  text = g_strdup_printf ("%s\nThe shapes stored in the file fit an input of "
      "%s.", (*error)->message, sizes);
  g_free ((*error)->message);
  (*error)->message = g_steal_pointer (&text);
}

/* Which outputs= would leave out what was refused, if it can be left out. */
static void
suggest_cuts (Source *source, const DcnnOnnxOptions *options, GError **error)
{
  DcnnOnnxOptions cut = *options;
  g_autoptr (DcnnGraph) graph = NULL;
  g_autofree char *names = NULL, *text = NULL;

  if (!error || !source->cuts || source->cuts->len == 0)
    return;
  g_ptr_array_add (source->cuts, NULL);
  cut.outputs = (const char *const *) source->cuts->pdata;
  graph = load_parsed (source, &cut, NULL);
  if (!graph)
    return;
  names = g_strjoinv ("; ", (char **) source->cuts->pdata);
  text = g_strdup_printf ("%s\nWhat lies before can run: say so in the "
      "descriptor, in its section [deltacnn]:\noutputs=%s",
      (*error)->message, names);
  g_free ((*error)->message);
  (*error)->message = g_steal_pointer (&text);
}

DcnnGraph *
dcnn_onnx_load_bytes_with_constants (const guint8 *data, gsize length,
    const char *base_dir, const DcnnOnnxOptions *options,
    GHashTable *constants, GError **error)
{
  static const DcnnOnnxOptions defaults = { 0 };
  g_autoptr (OnnxModel) model = NULL;
  Source source = { NULL, length, base_dir, constants, NULL, FALSE,
    NULL };
  DcnnGraph *graph;

  options = options ? options : &defaults;
  if (options->width < 0 || options->height < 0
      || options->width > DCNN_MAX_DIM || options->height > DCNN_MAX_DIM) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "an input size of %dx%d is out of range", options->width,
        options->height);
    return NULL;
  }
  source.model = model = onnx_model_parse (data, length, error);
  if (!model)
    return NULL;
  graph = load_parsed (&source, options, error);
  if (!graph) {
    suggest_sizes (&source, options, error);
    suggest_cuts (&source, options, error);
    make_error_valid (error);
  }
  g_clear_pointer (&source.cuts, g_ptr_array_unref);
  return graph;
}

DcnnGraph *
dcnn_onnx_load_bytes (const guint8 *data, gsize length, const char *base_dir,
    const DcnnOnnxOptions *options, GError **error)
{
  return dcnn_onnx_load_bytes_with_constants (data, length, base_dir, options,
      NULL, error);
}

static gboolean
fail_file (GError **error, const char *path, const char *reason)
{
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "cannot read '%s': %s",
      path, reason);
  return FALSE;
}

/* Reads a regular file whole. */
static gboolean
read_file (const char *path, guint64 max_bytes, guint8 **data, gsize *length,
    GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  gsize done = 0;
  ssize_t got = 1;

  *data = NULL;
  *length = 0;
  if (fd < 0)
    return fail_file (error, path, g_strerror (errno));
  if (fstat (fd, &status) != 0 || !S_ISREG (status.st_mode)) {
    close (fd);
    return fail_file (error, path, "it is no regular file");
  }
  if ((guint64) status.st_size > max_bytes) {
    close (fd);
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_LIMIT, "'%s' has %"
        G_GUINT64_FORMAT " bytes, at most %" G_GUINT64_FORMAT " are allowed",
        path, (guint64) status.st_size, max_bytes);
    return FALSE;
  }
  *length = (gsize) status.st_size;
  *data = g_try_malloc (*length + 1);
  while (*data && done < *length && got > 0) {
    got = read (fd, *data + done, *length - done);
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got > 0)
      done += (gsize) got;
  }
  close (fd);
  if (*data && done == *length)
    return TRUE;
  g_clear_pointer (data, g_free);
  return fail_file (error, path, "out of memory or a read error");
}

DcnnGraph *
dcnn_onnx_load_file (const char *path, const DcnnOnnxOptions *options,
    GError **error)
{
  guint64 max_bytes = options && options->max_file_bytes
      ? MIN (options->max_file_bytes, MAX_FILE_BYTES) : MAX_FILE_BYTES;
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree guint8 *data = NULL;
  DcnnGraph *graph;
  gsize length;

  if (!read_file (path, max_bytes, &data, &length, error))
    return NULL;
  graph = dcnn_onnx_load_bytes (data, length, folder, options, error);
  if (!graph)
    g_prefix_error (error, "model '%s': ", path);
  return graph;
}
