/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What all decoders share: classes, parameters, binding outputs to roles,
 * running on tensors. (Sessions: decoder_session.c.)
 */
#include "dcnn_decoder.h"

#include <string.h>

#include "decode_tools.h"
#include "dcnn_graph.h"

static const DcnnDecoderClass *const classes[] = {
#define DCNN_DECODER(suffix, name, finds, reads) &dcnn_decoder_class_##suffix,
  DCNN_DECODERS (DCNN_DECODER)
#undef DCNN_DECODER
};

const char *const *
dcnn_decoder_names (void)
{
  static const char *const names[] = {
#define DCNN_DECODER(suffix, name, finds, reads) name,
    DCNN_DECODERS (DCNN_DECODER)
#undef DCNN_DECODER
    NULL
  };
  return names;
}

guint
dcnn_decoder_finds (const char *name)
{
  static const guint finds[] = {
#define DCNN_DECODER(suffix, name, finds, reads) finds,
    DCNN_DECODERS (DCNN_DECODER)
#undef DCNN_DECODER
  };

  for (guint i = 0; name && i < G_N_ELEMENTS (classes); i++)
    if (strcmp (classes[i]->name, name) == 0)
      return finds[i];
  return 0;
}

const DcnnDecoderClass *
dcnn_decoder_class_find (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    if (strcmp (classes[i]->name, name) == 0)
      return classes[i];
  return NULL;
}

gint
dcnn_decoder_class_role (const DcnnDecoderClass *class, const char *role)
{
  for (gint i = 0; class->roles[i].name != NULL; i++)
    if (strcmp (class->roles[i].name, role) == 0)
      return i;
  return -1;
}

char *
dcnn_decoder_class_roles (const DcnnDecoderClass *class)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; class->roles[i].name != NULL; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "",
        class->roles[i].name);
  return g_string_free (text, FALSE);
}

/* ---- binding outputs --------------------------------------------------- */

/* Reads tensor's header as a map (rank 4; rank 5: maps of several anchors
 * under each other, values last), a table of rows (rank 3, or 2 with several
 * rows) or a vector. */
static gboolean
view_from_header (const DcnnTensor *tensor, gboolean nhwc, DcnnView *view)
{
  gint64 dims[4] = { 1, 1, 1, 1 };

  if (tensor->rank < 1 || tensor->rank > 5)
    return FALSE;
  for (gint i = 0; i < tensor->rank; i++)
    if (tensor->dims[i] < 1 || tensor->dims[i] > DCNN_MAX_DIM)
      return FALSE;
  if (tensor->rank == 5) {
    nhwc = TRUE;
    dims[0] = tensor->dims[0];
    dims[1] = tensor->dims[1] * tensor->dims[2];
    dims[2] = tensor->dims[3];
    dims[3] = tensor->dims[4];
  } else if (tensor->rank == 4) {
    memcpy (dims, tensor->dims, sizeof dims);
  } else { /* rows of channels: a map of height 1 with channels last */
    nhwc = TRUE;
    dims[3] = tensor->dims[tensor->rank - 1];
    dims[2] = tensor->rank > 1 ? tensor->dims[tensor->rank - 2] : 1;
    dims[0] = tensor->rank > 2 ? tensor->dims[0] : 1;
  }
  if (dims[0] != 1 || dims[1] > DCNN_MAX_DIM)
    return FALSE;
  view->channels = (guint) (nhwc ? dims[3] : dims[1]);
  view->height = (guint) (nhwc ? dims[1] : dims[2]);
  view->width = (guint) (nhwc ? dims[2] : dims[3]);
  view->step_c = nhwc ? 1 : (gsize) view->height * view->width;
  view->step_x = nhwc ? view->channels : 1;
  view->step_y = view->step_x * view->width;
  return TRUE;
}

/* Whether an output is there only to be fed back. */
static gboolean
is_state (const GPtrArray *tensors, const char *name)
{
  for (guint t = 0; t < tensors->len; t++) {
    const DcnnTensorInfo *one = g_ptr_array_index (tensors, t);
    if (one->is_input && g_strcmp0 (one->state, name) == 0)
      return TRUE;
  }
  return FALSE;
}

/* The output for a role: the one whose semantics say so, else the one of that
 * name, else the only one for the only role that must be. -1: none. */
static gint
find_output (const DcnnDecoder *decoder, guint role, guint n,
    const char *const *names, const DcnnTensorInfo **tensor)
{
  const char *want = decoder->class->roles[role].name;
  const GPtrArray *tensors = decoder->info->tensors;
  guint n_own = 0;

  *tensor = NULL;
  for (guint i = 0; i < n; i++)
    n_own += !is_state (tensors, names[i]);
  for (guint i = 0; i < n; i++) {
    const DcnnTensorInfo *known = NULL;

    for (guint t = 0; t < tensors->len; t++) {
      DcnnTensorInfo *one = g_ptr_array_index (tensors, t);
      if (!one->is_input && g_strcmp0 (one->name, names[i]) == 0)
        known = one;
    }
    if (strcmp (known != NULL && known->semantics != NULL ? known->semantics
            : names[i], want) == 0
        || (n_own == 1 && role == 0 && (n == 1 || !is_state (tensors, names[i]))
            && (known == NULL || known->semantics == NULL)
            && dcnn_decoder_class_role (decoder->class, names[i]) < 0)) {
      *tensor = known;
      return (gint) i;
    }
  }
  return -1;
}

static gboolean
bind_role (DcnnDecoder *decoder, guint role, guint n,
    const char *const *names, const DcnnTensor *const *headers,
    GError **error)
{
  DcnnRoleBinding *binding = &decoder->roles[role];
  const DcnnTensorInfo *info;
  const DcnnTensor *header;

  binding->output = find_output (decoder, role, n, names, &info);
  if (binding->output < 0) {
    g_autofree char *list = NULL;

    if (decoder->class->roles[role].optional)
      return TRUE;
    list = g_strjoinv (", ", (char **) names);
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: decoder %s wants an output with semantics=%s; say in the "
        "descriptor which of these it is: %s", decoder->name,
        decoder->class->name, decoder->class->roles[role].name, list);
    return FALSE;
  }
  header = headers[binding->output];
  binding->activation = info != NULL ? info->activation : 0;
  binding->nhwc = info != NULL && info->nhwc;
  binding->dtype = header->dtype;
  if (!view_from_header (header, binding->nhwc, &binding->view)
      || !dcnn_dtype_is_readable (header->dtype))
    return dcnn_decoder_fail (decoder, role, error,
        "type %s, rank %d cannot be decoded; wants numbers of rank 1 to 5, "
        "batch 1", dcnn_dtype_name (header->dtype), header->rank);
  if (header->dtype != DCNN_DTYPE_F32) {
    binding->converted =
        g_try_new (gfloat, (gsize) dcnn_tensor_count (header));
    if (binding->converted == NULL)
      return dcnn_decoder_fail (decoder, role, error, "out of memory");
  }
  return TRUE;
}

static gboolean
check_named_outputs (const DcnnDecoder *decoder, const char *const *names,
    GError **error)
{
  const GPtrArray *tensors = decoder->info->tensors;

  for (guint t = 0; t < tensors->len; t++) {
    const DcnnTensorInfo *info = g_ptr_array_index (tensors, t);

    if (!info->is_input && !g_strv_contains (names, info->name)) {
      g_autofree char *list = g_strjoinv (", ", (char **) names);
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
          "%s: the descriptor speaks of output \"%s\", but the model has: %s",
          decoder->name, info->name, list);
      return FALSE;
    }
  }
  return TRUE;
}

DcnnDecoder *
dcnn_decoder_new_for_tensors (const DcnnModelInfo *info, guint n,
    const char *const *names, const DcnnTensor *const *headers,
    guint net_width, guint net_height, GError **error)
{
  g_autoptr (DcnnDecoder) decoder = NULL;
  g_autofree const char **list = NULL;
  const DcnnDecoderClass *class;

  if (info->decoder == NULL)
    return NULL;
  class = dcnn_decoder_class_find (info->decoder);
  if (class == NULL || n < 1 || net_width < 1 || net_height < 1) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "decoder \"%s\" on a network of %u outputs and %ux%u px input is not "
        "possible", info->decoder, n, net_width, net_height);
    return NULL;
  }
  list = g_new0 (const char *, n + 1);
  memcpy (list, names, n * sizeof *list);
  decoder = g_new0 (DcnnDecoder, 1);
  decoder->class = class;
  decoder->info = info;
  decoder->name = g_strdup (info->name != NULL ? info->name
      : info->path != NULL ? info->path : "model");
  decoder->n_labels = info->n_labels;
  decoder->n_outputs = n;
  decoder->net_width = net_width;
  decoder->net_height = net_height;
  decoder->results.detections =
      g_array_new (FALSE, FALSE, sizeof (DcnnDetection));
  decoder->results.poses = g_array_new (FALSE, FALSE, sizeof (DcnnPose));
  decoder->results.keypoints =
      g_array_new (FALSE, FALSE, sizeof (DcnnKeypoint));
  decoder->results.labels = g_array_new (FALSE, FALSE, sizeof (DcnnLabel));
  decoder->results.values = g_array_new (FALSE, FALSE, sizeof (gfloat));
  if (!check_named_outputs (decoder, list, error))
    return NULL;
  for (guint role = 0; class->roles[role].name != NULL; role++)
    if (!bind_role (decoder, role, n, list, headers, error))
      return NULL;
  decoder->score_threshold =
      (gfloat) dcnn_decoder_param (decoder, "score-threshold");
  decoder->results.finds = dcnn_decoder_finds (info->decoder);
  if (!class->init (decoder, error))
    return NULL;
  if (decoder->results.edges && !(decoder->results.finds &
          (DCNN_FINDS_LINES | DCNN_FINDS_POINTS)))
    decoder->results.finds |= DCNN_FINDS_POSES;
  decoder->results.finds_boxes =
      (decoder->results.finds & DCNN_FINDS_BOXES) != 0;
  decoder->info = NULL;
  return g_steal_pointer (&decoder);
}

void
dcnn_decoder_free (DcnnDecoder *decoder)
{
  if (decoder == NULL)
    return;
  if (decoder->class->clear != NULL)
    decoder->class->clear (decoder);
  for (guint i = 0; i < DCNN_MAX_ROLES; i++)
    g_free (decoder->roles[i].converted);
  g_array_unref (decoder->results.detections);
  g_array_unref (decoder->results.poses);
  g_array_unref (decoder->results.keypoints);
  g_array_unref (decoder->results.labels);
  g_array_unref (decoder->results.values);
  g_free (decoder->mask);
  g_free (decoder->own_edges);
  g_free (decoder->name);
  g_free (decoder);
}

void
dcnn_decoder_reset (DcnnDecoder *decoder)
{
  decoder->session = NULL;
}

/* ---- running ----------------------------------------------------------- */

/* Points the roles' views at this frame's tensors. */
static gboolean
bind_tensors (DcnnDecoder *decoder, const DcnnTensor *const *outputs,
    guint n_outputs)
{
  const DcnnRole *roles = decoder->class->roles;

  if (n_outputs != decoder->n_outputs)
    return FALSE;
  for (guint role = 0; roles[role].name != NULL; role++) {
    DcnnRoleBinding *binding = &decoder->roles[role];
    const DcnnView *view = &binding->view;
    const DcnnTensor *tensor;
    gint64 count;

    if (binding->output < 0)
      continue;
    tensor = outputs[binding->output];
    count = (gint64) view->channels * view->height * view->width;
    if (tensor == NULL || tensor->data == NULL
        || tensor->dtype != binding->dtype
        || dcnn_tensor_count (tensor) != count)
      return FALSE;
    if (binding->converted == NULL) {
      binding->view.data = tensor->data;
      continue;
    }
    dcnn_convert_to_float (tensor->dtype, tensor->data, binding->converted,
        (gsize) count);
    binding->view.data = binding->converted;
  }
  return TRUE;
}

/* Key points that bad values sent away are not seen. */
static void
drop_stray_points (GArray *points)
{
  const gfloat limit = 1e6f;

  for (guint i = 0; i < points->len; i++) {
    DcnnKeypoint *point = &g_array_index (points, DcnnKeypoint, i);

    if (!(point->x > -limit && point->x < limit && point->y > -limit
            && point->y < limit))
      *point = (DcnnKeypoint) { 0, 0, 0 };
  }
}

const DcnnResults *
dcnn_decoder_run_updated (DcnnDecoder *decoder,
    const DcnnTensor *const *outputs, guint n_outputs,
    const DcnnTransform *transform, gfloat threshold,
    const DcnnMask *updated)
{
  DcnnResults *results = &decoder->results;
  DcnnDecodeFrame frame = { transform, threshold, updated };

  if (!bind_tensors (decoder, outputs, n_outputs))
    return NULL;
  g_array_set_size (results->detections, 0);
  g_array_set_size (results->poses, 0);
  g_array_set_size (results->keypoints, 0);
  g_array_set_size (results->labels, 0);
  g_array_set_size (results->values, 0);
  if (!(frame.threshold >= 0))
    frame.threshold = decoder->score_threshold;
  if (!(transform->scale_x > 0) || !(transform->scale_y > 0))
    return results;
  decoder->class->run (decoder, &frame);
  drop_stray_points (results->keypoints);
  return results;
}

const DcnnResults *
dcnn_decoder_run_tensors (DcnnDecoder *decoder,
    const DcnnTensor *const *outputs, guint n_outputs,
    const DcnnTransform *transform, gfloat score_threshold)
{
  dcnn_decoder_reset (decoder);
  return dcnn_decoder_run_updated (decoder, outputs, n_outputs, transform,
      score_threshold, NULL);
}
