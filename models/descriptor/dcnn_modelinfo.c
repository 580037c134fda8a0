/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "deltacnn/modelinfo.h"

#include <math.h>
#include <string.h>

#include "dcnn_decoder.h"
#include "dcnn_graph.h"
#include "dcnn_keys.h"
#include "dcnn_labels.h"
#include "dcnn_modelinfo_influence.h"

#define MODELINFO_KEYS "version|group-id"
#define DELTACNN_KEYS                                                          \
  "name|task|licence|source|sha256|decoder|input-size|input-multiple|"         \
  "input-multiple-rest|outputs"
#define TENSOR_KEYS "dir|id|group-id|type|dims|dims-order|tensor"
#define INPUT_KEYS                                                             \
  TENSOR_KEYS "|ranges|channel-order|mean|scale|resize|fill|frames|frame-order"
#define GIVEN_KEYS TENSOR_KEYS "|value|state"
#define OUTPUT_KEYS TENSOR_KEYS "|semantics|activation|layout"
#define LABELS_KEYS "file|list"
#define TYPE_NAMES                                                             \
  "float32|float16|float64|bfloat16|int4|int8|int16|int32|int64|uint4|uint8|"  \
  "uint16|uint32|uint64"

#define MAX_SIZE 16384
#define MAX_THRESHOLDS 65536

/* With '|' before each. */
static const char fit_names[] =
#define DCNN_X(e, name, what) "|" name
    DCNN_FITS (DCNN_X);
#undef DCNN_X

static void
tensor_info_free (gpointer data)
{
  DcnnTensorInfo *tensor = data;

  g_free (tensor->name);
  g_free (tensor->id);
  g_free (tensor->semantics);
  g_free (tensor->values);
  g_free (tensor->state);
  g_free (tensor);
}

DcnnModelInfo *
dcnn_modelinfo_new_default (void)
{
  DcnnModelInfo *info = g_new0 (DcnnModelInfo, 1);

  info->multiple = 1;
  for (guint c = 0; c < 3; c++)
    info->scale[c] = 1.0f / 255;
  info->fit = DCNN_FIT_LETTERBOX;
  info->tensors = g_ptr_array_new_with_free_func (tensor_info_free);
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++)
    info->tuning[i] = -1;
  return info;
}

void
dcnn_modelinfo_free (DcnnModelInfo *info)
{
  if (info == NULL)
    return;
  g_free (info->path);
  g_free (info->name);
  g_free (info->task);
  g_free (info->licence);
  g_free (info->source);
  g_free (info->sha256);
  g_free (info->decoder);
  g_strfreev (info->outputs);
  g_clear_pointer (&info->keys, g_key_file_unref);
  g_ptr_array_unref (info->tensors);
  g_strfreev (info->labels);
  g_clear_pointer (&info->thresholds, g_hash_table_unref);
  g_clear_pointer (&info->influence, g_hash_table_unref);
  g_free (info);
}

static gboolean
read_modelinfo (const DcnnKeys *keys, GError **error)
{
  g_autofree char *version = NULL, *unused = NULL;

  if (!g_key_file_has_group (keys->file, "modelinfo"))
    return dcnn_keys_fail (keys, error, "modelinfo", NULL,
        "group is missing; a descriptor begins with [modelinfo] and "
        "version=1.0");
  if (!dcnn_keys_only (keys, "modelinfo", MODELINFO_KEYS, error)
      || !dcnn_keys_text (keys, "modelinfo", "group-id", &unused, error)
      || !dcnn_keys_text (keys, "modelinfo", "version", &version, error))
    return FALSE;
  if (version == NULL || !g_str_has_prefix (version, "1.")
      || version[2] == '\0' || strspn (version + 2, "0123456789")
      != strlen (version + 2))
    return dcnn_keys_fail (keys, error, "modelinfo", "version",
        "\"%.20s\" is not a version that is known; use 1.0",
        version != NULL ? version : "");
  return TRUE;
}

static gboolean
parse_size (const char *text, guint *width, guint *height)
{
  char *end;
  guint64 w = g_ascii_strtoull (text, &end, 10), h;

  if (!g_ascii_isdigit (*text) || *end != 'x' || !g_ascii_isdigit (end[1]))
    return FALSE;
  h = g_ascii_strtoull (end + 1, &end, 10);
  if (*end != '\0' || w < 1 || h < 1 || w > MAX_SIZE || h > MAX_SIZE)
    return FALSE;
  *width = (guint) w;
  *height = (guint) h;
  return TRUE;
}

static gboolean
read_sha256 (const DcnnKeys *keys, DcnnModelInfo *info, GError **error)
{
  gsize length = 0;

  if (!dcnn_keys_text (keys, "deltacnn", "sha256", &info->sha256, error))
    return FALSE;
  if (info->sha256 == NULL)
    return TRUE;
  while (g_ascii_isxdigit (info->sha256[length])) {
    info->sha256[length] = g_ascii_tolower (info->sha256[length]);
    length++;
  }
  if (length != 64 || info->sha256[length] != '\0')
    return dcnn_keys_fail (keys, error, "deltacnn", "sha256",
        "\"%.80s\" is no sum; wants 64 hexadecimal digits (sha256sum MODEL "
        "prints them)", info->sha256);
  return TRUE;
}

/* outputs=a;b: where the graph ends. */
static gboolean
read_outputs (const DcnnKeys *keys, DcnnModelInfo *info, GError **error)
{
  g_autofree char *list = NULL;
  guint n = 0;

  if (!dcnn_keys_text (keys, "deltacnn", "outputs", &list, error))
    return FALSE;
  if (list == NULL)
    return TRUE;
  info->outputs = g_strsplit (list, ";", -1);
  for (char **name = info->outputs; *name != NULL; name++)
    if (*g_strstrip (*name) != '\0')
      info->outputs[n++] = *name;
    else
      g_free (*name);
  info->outputs[n] = NULL;
  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < i; k++)
      if (strcmp (info->outputs[i], info->outputs[k]) == 0)
        return dcnn_keys_fail (keys, error, "deltacnn", "outputs",
            "names \"%.80s\" twice", info->outputs[i]);
  return n > 0 || dcnn_keys_fail (keys, error, "deltacnn", "outputs",
      "\"%.80s\" has none; wants names of tensors separated by ';'", list);
}

static gboolean
read_deltacnn (const DcnnKeys *keys, DcnnModelInfo *info, GError **error)
{
  const char *group = "deltacnn";
  g_autofree char *size = NULL;
  gint multiple = 1, rest = 0;

  if (!dcnn_keys_only (keys, group, DELTACNN_KEYS, error)
      || !dcnn_keys_text (keys, group, "name", &info->name, error)
      || !dcnn_keys_text (keys, group, "task", &info->task, error)
      || !dcnn_keys_text (keys, group, "licence", &info->licence, error)
      || !dcnn_keys_text (keys, group, "source", &info->source, error)
      || !dcnn_keys_text (keys, group, "decoder", &info->decoder, error)
      || !dcnn_keys_text (keys, group, "input-size", &size, error)
      || !dcnn_keys_integer (keys, group, "input-multiple", 1, 1024,
          &multiple, error)
      || !dcnn_keys_integer (keys, group, "input-multiple-rest", 0, 1023,
          &rest, error)
      || !read_sha256 (keys, info, error)
      || !read_outputs (keys, info, error))
    return FALSE;
  if (rest >= multiple)
    return dcnn_keys_fail (keys, error, group, "input-multiple-rest",
        "%d is not less than input-multiple (%d)", rest, multiple);
  info->multiple = (guint) multiple;
  info->multiple_rest = (guint) rest;
  if (size != NULL && !parse_size (size, &info->width, &info->height))
    return dcnn_keys_fail (keys, error, group, "input-size",
        "\"%.40s\" is not WIDTHxHEIGHT with 1 to %d pixels each", size,
        MAX_SIZE);
  if (!dcnn_modelinfo_check_size (info, info->width, info->height, NULL))
    return dcnn_keys_fail (keys, error, group, "input-size",
        "%ux%u is not a multiple of %u plus %u, as input-multiple asks",
        info->width, info->height, info->multiple, info->multiple_rest);
  if (info->decoder != NULL && dcnn_decoder_class_find (info->decoder) == NULL) {
    g_autofree char *list =
        g_strjoinv (", ", (char **) dcnn_decoder_names ());
    return dcnn_keys_fail (keys, error, group, "decoder",
        "there is no decoder \"%.80s\"; there are: %s (or leave the key out "
        "for plain tensors)", info->decoder, list);
  }
  return TRUE;
}

/* A list with a number too many, or too few. Returns FALSE. */
static gboolean
fail_count (const DcnnKeys *keys, const char *group, const char *key,
    const char *wants, GError **error)
{
  g_autofree char *text = g_key_file_get_value (keys->file, group, key, NULL);

  return dcnn_keys_fail (keys, error, group, key, "\"%.80s\" wants %s",
      text != NULL ? text : "", wants);
}

/* ranges=min,max;min,max: what 0..255 becomes, as upstream writes it. */
static gboolean
read_ranges (const DcnnKeys *keys, const char *group, DcnnModelInfo *info,
    GError **error)
{
  gdouble v[6];
  guint n = 0;

  if (!dcnn_keys_numbers (keys, group, "ranges", -1e4, 1e4, v, 6, &n, error))
    return FALSE;
  if (n == 0)
    return TRUE;
  if (n != 2 && n != 6)
    return fail_count (keys, group, "ranges", "to be one MIN,MAX pair, or three "
        "separated by ';'", error);
  for (guint c = 0; c < 3; c++) {
    const gdouble *pair = n == 2 ? v : v + 2 * c;

    if (pair[0] >= pair[1])
      return dcnn_keys_fail (keys, error, group, "ranges",
          "%g is not less than %g", pair[0], pair[1]);
    info->scale[c] = (gfloat) ((pair[1] - pair[0]) / 255);
    info->bias[c] = (gfloat) pair[0];
  }
  return TRUE;
}

/* mean and scale: network value = (pixel - mean) * scale. */
static gboolean
read_normalisation (const DcnnKeys *keys, const char *group,
    DcnnModelInfo *info, GError **error)
{
  gdouble mean[3], scale[3];
  guint n_mean = 0, n_scale = 0;

  if (!read_ranges (keys, group, info, error)
      || !dcnn_keys_numbers (keys, group, "mean", -1e4, 1e4, mean, 3, &n_mean,
          error)
      || !dcnn_keys_numbers (keys, group, "scale", -1e4, 1e4, scale, 3,
          &n_scale, error))
    return FALSE;
  if (n_mean == 0 && n_scale == 0)
    return TRUE;
  if (g_key_file_has_key (keys->file, group, "ranges", NULL))
    return dcnn_keys_fail (keys, error, group, "ranges",
        "says the same as mean and scale; keep one of them");
  if (n_mean == 2 || n_scale == 2)
    return fail_count (keys, group, n_mean == 2 ? "mean" : "scale",
        "to be 1 or 3 numbers", error);
  for (guint c = 0; c < 3; c++) {
    gdouble s = n_scale == 0 ? 1.0 / 255 : scale[n_scale == 1 ? 0 : c];
    gdouble m = n_mean == 0 ? 0 : mean[n_mean == 1 ? 0 : c];

    if (fabs (s) < 1e-9)
      return dcnn_keys_fail (keys, error, group, "scale",
          "is 0; wants what a pixel is multiplied by");
    info->scale[c] = (gfloat) s;
    info->bias[c] = (gfloat) (-m * s);
  }
  return TRUE;
}

/* An input that no frame goes to: a constant, or fed back. */
static gboolean
read_given (const DcnnKeys *keys, const char *group, DcnnTensorInfo *tensor,
    GError **error)
{
  gdouble values[DCNN_KEYS_MAX_LIST];

  if (!dcnn_keys_only (keys, group, GIVEN_KEYS, error)
      || !dcnn_keys_numbers (keys, group, "value", -1e30, 1e30, values,
          DCNN_KEYS_MAX_LIST, &tensor->n_values, error)
      || !dcnn_keys_text (keys, group, "state", &tensor->state, error))
    return FALSE;
  tensor->values = g_memdup2 (values, tensor->n_values * sizeof *values);
  if (tensor->name == NULL)
    return dcnn_keys_fail (keys, error, group, NULL,
        "value and state are for an input with a name: [input:NAME]");
  if (tensor->state != NULL && tensor->n_values > 1)
    return dcnn_keys_fail (keys, error, group, "value",
        "of a state is one number, which the first frame finds");
  return TRUE;
}

static gboolean
is_given (const DcnnKeys *keys, const char *group)
{
  return g_key_file_has_key (keys->file, group, "value", NULL)
      || g_key_file_has_key (keys->file, group, "state", NULL);
}

static gboolean
read_input (const DcnnKeys *keys, const char *group, DcnnModelInfo *info,
    DcnnTensorInfo *tensor, GError **error)
{
  gint order = 0, newest_first = 0, fit = (gint) info->fit;
  gdouble fill[3];
  guint n_fill = 0;

  if (!dcnn_keys_only (keys, group, INPUT_KEYS, error)
      || !dcnn_keys_choice (keys, group, "channel-order", "rgb|bgr", &order,
          error)
      || !dcnn_keys_choice (keys, group, "resize", &fit_names[1], &fit, error)
      || !dcnn_keys_numbers (keys, group, "fill", 0, 255, fill, 3, &n_fill,
          error)
      || !dcnn_keys_integer (keys, group, "frames", 1, 16, &tensor->frames,
          error)
      || !dcnn_keys_choice (keys, group, "frame-order",
          "oldest-first|newest-first", &newest_first, error)
      || !read_normalisation (keys, group, info, error))
    return FALSE;
  tensor->newest_first = newest_first == 1;
  if (n_fill == 2)
    return fail_count (keys, group, "fill", "to be 1 or 3 numbers (R;G;B)",
        error);
  for (guint c = 0; c < n_fill; c++)
    if (fill[c] != floor (fill[c]))
      return dcnn_keys_fail (keys, error, group, "fill",
          "%g is not a whole number from 0 to 255", fill[c]);
  info->bgr = order == 1;
  info->fit = (DcnnFit) fit;
  for (guint c = 0; c < 3 && n_fill > 0; c++)
    info->fill[c] = (guint8) fill[n_fill == 1 ? 0 : c];
  return TRUE;
}

/* What inputs and outputs share: upstream's keys. */
static gboolean
read_tensor_common (const DcnnKeys *keys, const char *group,
    DcnnTensorInfo *tensor, GError **error)
{
  g_autofree char *unused = NULL;
  gdouble dims[8];
  gint type = 0, order = 0;
  guint n = 0;

  if (!dcnn_keys_choice (keys, group, "type", TYPE_NAMES, &type, error)
      || !dcnn_keys_choice (keys, group, "dims-order", "row-major", &order,
          error)
      || !dcnn_keys_text (keys, group, "tensor", &tensor->name, error)
      || !dcnn_keys_text (keys, group, "group-id", &unused, error)
      || !dcnn_keys_text (keys, group, "id", &tensor->id, error)
      || !dcnn_keys_numbers (keys, group, "dims", -1, DCNN_MAX_DIM, dims, 8,
          &n, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    if (dims[i] != floor (dims[i]) || dims[i] == 0)
      return dcnn_keys_fail (keys, error, group, "dims",
          "%g is no size; wants whole numbers from 1, -1 for any", dims[i]);
    tensor->dims[i] = (gint) dims[i];
  }
  tensor->rank = n;
  return TRUE;
}

static gboolean
read_output (const DcnnKeys *keys, const char *group, const char *decoder,
    DcnnTensorInfo *tensor, GError **error)
{
  gint activation = 0, layout = 0;
  const DcnnDecoderClass *class;

  if (!dcnn_keys_only (keys, group, OUTPUT_KEYS, error)
      || !dcnn_keys_text (keys, group, "semantics", &tensor->semantics, error)
      || !dcnn_keys_choice (keys, group, "activation",
          "none|sigmoid|softmax", &activation, error)
      || !dcnn_keys_choice (keys, group, "layout", "nchw|nhwc", &layout,
          error))
    return FALSE;
  tensor->activation = (DcnnActivation) activation;
  tensor->nhwc = layout == 1;
  class = decoder != NULL ? dcnn_decoder_class_find (decoder) : NULL;
  if (class != NULL && tensor->semantics != NULL
      && strcmp (tensor->semantics, "unused") != 0
      && dcnn_decoder_class_role (class, tensor->semantics) < 0) {
    g_autofree char *roles = dcnn_decoder_class_roles (class);
    return dcnn_keys_fail (keys, error, group, "semantics",
        "decoder %s does not know \"%.80s\"; it reads: %s (or unused)",
        class->name, tensor->semantics, roles);
  }
  return TRUE;
}

static gboolean
is_given_tensor (const DcnnTensorInfo *tensor)
{
  return tensor->n_values > 0 || tensor->state != NULL;
}

/* A group that is none of ours: [input], [input:NAME], [output:NAME], or
 * upstream's [NAME] with dir=. */
static gboolean
read_tensor (const DcnnKeys *keys, const char *group, DcnnModelInfo *info,
    GError **error)
{
  DcnnTensorInfo *tensor = g_new0 (DcnnTensorInfo, 1);
  gboolean given;
  gint dir = -1;

  g_ptr_array_add (info->tensors, tensor);
  if (!dcnn_keys_choice (keys, group, "dir", "input|output", &dir, error))
    return FALSE;
  if (g_str_has_prefix (group, "input:") && dir < 0) {
    tensor->name = g_strdup (group + strlen ("input:"));
    dir = 0;
  } else if (g_str_has_prefix (group, "input.") && dir < 0) {
    tensor->name = g_strdup (group + strlen ("input."));
    dir = 0;
  } else if (g_str_has_prefix (group, "output:") && dir < 0) {
    tensor->name = g_strdup (group + strlen ("output:"));
    dir = 1;
  } else if (strcmp (group, "input") == 0 && dir < 0) {
    dir = 0;
  } else if (dir >= 0) {
    tensor->name = g_strdup (group);
  } else if (dcnn_keys_is_upstream (keys)) {
    dcnn_keys_ignore (keys, group, NULL);
    return g_ptr_array_remove_index (info->tensors, info->tensors->len - 1)
        != NULL;
  } else {
    return dcnn_keys_fail (keys, error, group, NULL,
        "unknown group; a descriptor has modelinfo, deltacnn, input, "
        "output:TENSOR, decoder, labels, tuning, thresholds, influence, and "
        "groups named by tensor with dir=input or dir=output");
  }
  tensor->is_input = dir == 0;
  if (!read_tensor_common (keys, group, tensor, error))
    return FALSE;
  given = tensor->is_input && is_given (keys, group);
  for (guint i = 0; i + 1 < info->tensors->len; i++) {
    const DcnnTensorInfo *other = g_ptr_array_index (info->tensors, i);

    if (other->is_input != tensor->is_input)
      continue;
    if (g_strcmp0 (other->name, tensor->name) == 0)
      return dcnn_keys_fail (keys, error, group, NULL,
          "says again what another group said of this tensor");
    if (tensor->is_input && !given && !is_given_tensor (other))
      return dcnn_keys_fail (keys, error, group, NULL,
          "is a second input; frames go to one, others have value= or state=");
  }
  if (given)
    return read_given (keys, group, tensor, error);
  return tensor->is_input ? read_input (keys, group, info, tensor, error)
      : read_output (keys, group, info->decoder, tensor, error);
}

static gboolean
read_decoder (const DcnnKeys *keys, DcnnModelInfo *info, GError **error)
{
  const DcnnDecoderClass *class;

  if (!g_key_file_has_group (keys->file, "decoder"))
    return TRUE;
  if (info->decoder == NULL)
    return dcnn_keys_fail (keys, error, "decoder", NULL,
        "parameters without a decoder; add decoder=NAME to [deltacnn]");
  class = dcnn_decoder_class_find (info->decoder);
  return dcnn_decoder_class_check (class, keys, error);
}

/* The names of tuning that a descriptor may tell, with '|' between them. */
static char *
told_names (void)
{
  GString *names = g_string_new (NULL);

  for (guint i = 0; i < DCNN_TUNES_COUNT; i++)
    if (dcnn_tuning_info (i)->told)
      g_string_append_printf (names, "%s%s", names->len ? "|" : "",
          dcnn_tuning_info (i)->name);
  return g_string_free (names, FALSE);
}

static gboolean
read_one_tuning (const DcnnKeys *keys, const DcnnTuningInfo *tunes,
    gdouble *value, GError **error)
{
  gint whole = -1;

  if (tunes->names) {
    g_autofree char *names = g_strjoinv ("|", (char **) tunes->names);
    if (!dcnn_keys_choice (keys, "tuning", tunes->name, names, &whole, error))
      return FALSE;
  } else if (tunes->kind == DCNN_TUNING_KIND_FLOAT) {
    return dcnn_keys_number (keys, "tuning", tunes->name, tunes->least,
        tunes->most, value, error);
  } else if (!dcnn_keys_integer (keys, "tuning", tunes->name,
          (gint) tunes->least, (gint) tunes->most, &whole, error)) {
    return FALSE;
  }
  *value = whole;
  return TRUE;
}

static gboolean
read_tuning (const DcnnKeys *keys, DcnnModelInfo *info, GError **error)
{
  g_autofree char *names = told_names ();

  if (!dcnn_keys_only (keys, "tuning", names, error))
    return FALSE;
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++)
    if (dcnn_tuning_info (i)->told && !read_one_tuning (keys,
            dcnn_tuning_info (i), &info->tuning[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
read_thresholds (const DcnnKeys *keys, DcnnModelInfo *info, GError **error)
{
  const char *group = "thresholds";
  g_auto (GStrv) names = g_key_file_get_keys (keys->file, group, NULL, NULL);

  if (names == NULL || names[0] == NULL)
    return TRUE;
  if (g_strv_length (names) > MAX_THRESHOLDS)
    return dcnn_keys_fail (keys, error, group, NULL,
        "more than %d thresholds", MAX_THRESHOLDS);
  info->thresholds =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; names[i] != NULL; i++) {
    gdouble value = 0;
    char *name;

    if (!dcnn_keys_number (keys, group, names[i], -1, 1e9, &value, error))
      return FALSE;
    /* GKeyFile has no '=' or brackets in a name: they come as %3D and so on */
    name = g_uri_unescape_string (names[i], NULL);
    if (name == NULL)
      return dcnn_keys_fail (keys, error, group, names[i],
          "bad %% escape in the name; a plain %% is written %%25");
    g_hash_table_replace (info->thresholds, name,
        g_memdup2 (&value, sizeof value));
  }
  return TRUE;
}

static gboolean
read_groups (const DcnnKeys *keys, DcnnModelInfo *info, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (keys->file, NULL);

  if (!read_modelinfo (keys, error) || !read_deltacnn (keys, info, error)
      || !read_decoder (keys, info, error)
      || !dcnn_keys_only (keys, "labels", LABELS_KEYS, error)
      || !dcnn_labels_read (keys, &info->labels, &info->n_labels, error)
      || !read_tuning (keys, info, error)
      || !read_thresholds (keys, info, error)
      || !dcnn_influence_read (keys, &info->influence, error))
    return FALSE;
  for (guint i = 0; groups[i] != NULL; i++)
    if (dcnn_keys_find_choice ("modelinfo|deltacnn|decoder|labels|tuning|"
            "thresholds|influence", groups[i]) < 0
        && !read_tensor (keys, groups[i], info, error))
      return FALSE;
  return TRUE;
}

DcnnModelInfo *
dcnn_modelinfo_load_data (const char *data, gsize length, const char *origin,
    GError **error)
{
  g_autoptr (DcnnModelInfo) info = dcnn_modelinfo_new_default ();
  g_autoptr (GError) local = NULL;
  DcnnKeys keys = { NULL, data, length, origin };

  if (length > DCNN_KEYS_MAX_BYTES) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_LIMIT,
        "%s: %" G_GSIZE_FORMAT " bytes are too many for a descriptor (%d)",
        origin, length, DCNN_KEYS_MAX_BYTES);
    return NULL;
  }
  info->keys = keys.file = g_key_file_new ();
  /* GKeyFile stops at a NUL and warns on text that is not UTF-8 */
  if (memchr (data, '\0', length) != NULL
      || !g_utf8_validate (data, (gssize) length, NULL)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: is not UTF-8 text; a descriptor is a plain text file", origin);
    return NULL;
  }
  g_key_file_set_list_separator (keys.file, ';');
  if (!g_key_file_load_from_data (keys.file, data, length, G_KEY_FILE_NONE,
          &local)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: is no descriptor ([group] and key=value lines): %s", origin,
        local->message);
    return NULL;
  }
  if (!dcnn_keys_once (&keys, error) || !read_groups (&keys, info, error))
    return NULL;
  info->path = g_strdup (origin);
  return g_steal_pointer (&info);
}

gboolean
dcnn_modelinfo_check_size (const DcnnModelInfo *info, guint width,
    guint height, GError **error)
{
  guint sizes[2] = { width, height };

  for (guint i = 0; i < 2; i++) {
    g_autofree char *nearest = NULL;
    guint size = sizes[i], down, up;

    if (size == 0 || info->multiple <= 1
        || size % info->multiple == info->multiple_rest)
      continue;
    down = size < info->multiple_rest ? info->multiple_rest
        : size - (size - info->multiple_rest) % info->multiple;
    up = size < info->multiple_rest ? down : down + info->multiple;
    if (down == 0)
      down = up;
    nearest = down == up ? g_strdup_printf ("is %u", up)
        : g_strdup_printf ("are %u and %u", down, up);
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%s %u does not suit %s: it takes multiples of %u%s%.0u; the nearest "
        "%s", i == 0 ? "width" : "height", size,
        info->name != NULL ? info->name : "the model", info->multiple,
        info->multiple_rest != 0 ? " plus " : "", info->multiple_rest,
        nearest);
    return FALSE;
  }
  return TRUE;
}

void
dcnn_modelinfo_apply (const DcnnModelInfo *info, DcnnSessionOptions *options)
{
  options->bgr = info->bgr;
  memcpy (options->scale, info->scale, sizeof info->scale);
  memcpy (options->bias, info->bias, sizeof info->bias);
  options->fit = info->fit;
  memcpy (options->fill, info->fill, sizeof info->fill);
  options->thresholds = info->thresholds;
  options->influence = info->influence;
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++)
    if (info->tuning[i] >= 0)
      dcnn_tuning_set (&options->tuning, i, info->tuning[i]);
}
