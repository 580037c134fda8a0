/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inspect_suggest.h"

#include <math.h>
#include <string.h>

#include "source.h"

/* What networks are trained on, commonest first: pixel 0..255 minus mean, times
 * scale. */
static const struct {
  const char *what;
  gfloat mean[3], scale[3];
} pixels[] = {
  { "0..1", { 0 }, { 1 / 255.f, 1 / 255.f, 1 / 255.f } },
  { "-1..1", { 127.5f, 127.5f, 127.5f }, { 1 / 127.5f, 1 / 127.5f,
          1 / 127.5f } },
  { "0..255", { 0 }, { 1, 1, 1 } },
  { "ImageNet's", { 123.675f, 116.28f, 103.53f }, { 0.0171248f, 0.0175070f,
          0.0174292f } },
};

/* ---- other inputs ------------------------------------------------------------- */

static gboolean
same_shape (const DcnnTensor *a, const DcnnTensor *b)
{
  return a->rank == b->rank && memcmp (a->dims, b->dims,
      sizeof a->dims[0] * (gsize) a->rank) == 0;
}

/* The output that an input may be fed from: of its shape, the i-th of those. */
static gint
find_source (DcnnModel *model, guint n_outputs, const DcnnTensor *input,
    guint which)
{
  for (guint i = 0; i < n_outputs; i++)
    if (same_shape (dcnn_model_output (model, i), input) && which-- == 0)
      return (gint) i;
  return -1;
}

/* What inputs are that no output is fed back to: constants, or of the picture's
 * shape and then perhaps the last one, for which the guess has a constant too. */
static const gdouble one = 1, last_picture = 1;

/* Inputs that are not the picture: states where an output has their shape, else
 * constants of 1. Names are the model's. */
static GArray *
other_inputs (DcnnModel *model)
{
  GArray *inputs = g_array_new (FALSE, TRUE, sizeof (DcnnOnnxInput));
  const DcnnTensor *picture = NULL;
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_inputs; i++) {
    const DcnnTensor *t = dcnn_model_input (model, i);
    DcnnOnnxInput input = { .name = dcnn_model_input_name (model, i) };
    gint64 c = t->rank == 4 ? t->dims[summary.input_nhwc ? 3 : 1] : 0;
    guint alike = 0;
    gint source;
    if (!picture && (t->rank == 3 || (t->rank == 4 && (c == 1 || c == 3)))) {
      picture = t;
      continue;
    }
    for (guint k = 0; k < i; k++)
      alike += same_shape (dcnn_model_input (model, k), t);
    source = dcnn_tensor_count (t) > 1
        ? find_source (model, summary.n_outputs, t, alike) : -1;
    if (source >= 0) {
      input.state = dcnn_model_output_name (model, (guint) source);
    } else {
      input.n_values = 1;
      input.values = picture && same_shape (picture, t) ? &last_picture : &one;
    }
    g_array_append_val (inputs, input);
  }
  return inputs;
}

/* ---- a look at a frame ----------------------------------------------------------- */

/* Brightness of a frame's pixel, 0..255. */
static guint8
brightness (const DcnnFrame *frame, guint x, guint y)
{
  const guint8 *row = frame->planes[0] + (gssize) y * frame->strides[0];

  switch (frame->format) {
    case DCNN_FORMAT_I420:
    case DCNN_FORMAT_NV12:
      return row[x];
    case DCNN_FORMAT_RGB:
    case DCNN_FORMAT_BGR:
      return row[3 * x + 1];
    default:
      return row[4 * x + 1];
  }
}

static void
keep_luma (Suggest *s, const DcnnFrame *frame)
{
  s->luma = g_new (float, (gsize) s->width * s->height);
  for (guint y = 0; y < s->height; y++)
    for (guint x = 0; x < s->width; x++)
      s->luma[(gsize) y * s->width + x] = brightness (frame,
          (guint) ((guint64) x * frame->width / s->width),
          (guint) ((guint64) y * frame->height / s->height)) / 255.f;
}

/* The outputs of the frame with pixels in form p, into s. */
static gboolean
run_frame (Suggest *s, DcnnModel *model, const DcnnFrame *frame, guint p,
    GError **error)
{
  DcnnSessionOptions options;

  dcnn_session_options_init (&options);
  options.fit = DCNN_FIT_STRETCH;
  for (guint c = 0; c < 3; c++) {
    options.scale[c] = pixels[p].scale[c];
    options.bias[c] = -pixels[p].mean[c] * pixels[p].scale[c];
  }
  g_autoptr (DcnnSession) session = dcnn_session_new (model, &options, error);
  if (!session || !dcnn_session_push_frame (session, 0, frame, NULL, error))
    return FALSE;
  for (guint i = 0; i < s->n_outputs; i++) {
    SuggestOutput *o = &s->outputs[i];
    const DcnnTensor *t = &dcnn_session_get_output (session, 0, i)->tensor;
    if (t->dtype != DCNN_DTYPE_F32)
      continue;
    g_free (o->values);
    o->values = g_memdup2 (t->data, (gsize) o->count * sizeof (float));
    o->low = INFINITY;
    o->high = -INFINITY;
    for (gint64 k = 0; k < o->count; k++) {
      o->low = MIN (o->low, o->values[k]);
      o->high = MAX (o->high, o->values[k]);
    }
  }
  return TRUE;
}

static void
add_outputs (Suggest *s, DcnnModel *model, guint n)
{
  s->n_outputs = n;
  s->outputs = g_new0 (SuggestOutput, n + 1);
  for (guint i = 0; i < n; i++) {
    const DcnnTensor *t = dcnn_model_output (model, i);
    SuggestOutput *o = &s->outputs[i];
    int from = 0;
    while (from < t->rank - 1 && t->dims[from] == 1)
      from++;
    o->name = dcnn_model_output_name (model, i);
    o->count = dcnn_tensor_count (t);
    for (int d = from; d < t->rank; d++)
      o->dims[o->rank++] = t->dims[d];
    /* [1,1,H,W] keeps its channel */
    if (o->rank == 2 && t->rank == 4 && from == 2) {
      o->dims[2] = o->dims[1];
      o->dims[1] = o->dims[0];
      o->dims[0] = 1;
      o->rank = 3;
    }
  }
}

static void
suggest_clear (Suggest *s)
{
  for (guint i = 0; i < s->n_outputs; i++)
    g_free (s->outputs[i].values);
  g_free (s->outputs);
  g_free (s->luma);
  g_string_free (s->keys, TRUE);
  g_string_free (s->notes, TRUE);
}

/* Whether the graph scales pixels itself: its first node on the picture does
 * nothing else. */
static gboolean
scales_itself (DcnnModel *model, const DcnnModelSummary *summary)
{
  static const char *const ops[] = { "Mul", "Div", "Sub", "Add" };
  DcnnNodeInfo first;

  if (summary->input_integer)
    return TRUE;
  if (summary->n_nodes == 0)
    return FALSE;
  dcnn_model_get_node (model, 0, &first);
  for (gsize i = 0; i < G_N_ELEMENTS (ops); i++)
    if (g_str_has_prefix (first.ops, ops[i]))
      return TRUE;
  return FALSE;
}

/* ---- the descriptor ---------------------------------------------------------------- */

/* "[output:NAME]", or with a line that holds a name which a group cannot. */
static void
print_group (const char *kind, guint i, const char *name)
{
  if (strpbrk (name, "[]"))
    g_print ("\n[%s:%u]\ntensor=%s\n", kind, i, name);
  else
    g_print ("\n[%s:%s]\n", kind, name);
}

/* What the outputs are for each form of pixels. */
static gboolean
print_ranges (Suggest *s, DcnnModel *model, const DcnnFrame *frame,
    GError **error)
{
  g_print ("# Of pixels the file says nothing. Outputs on the frame, by what "
      "the pixels become:\n");
  for (guint p = 0; p < G_N_ELEMENTS (pixels); p++) {
    if (!run_frame (s, model, frame, p, error))
      return FALSE;
    g_print ("#   %-10s mean=%g;%g;%g scale=%.6g;%.6g;%.6g:", pixels[p].what,
        (double) pixels[p].mean[0], (double) pixels[p].mean[1],
        (double) pixels[p].mean[2], (double) pixels[p].scale[0],
        (double) pixels[p].scale[1], (double) pixels[p].scale[2]);
    for (guint i = 0; i < MIN (s->n_outputs, 4); i++)
      if (s->outputs[i].values)
        g_print ("  %s %.3g..%.3g", s->outputs[i].name,
            (double) s->outputs[i].low, (double) s->outputs[i].high);
    g_print ("\n");
  }
  return TRUE;
}

static void
print_others (const GArray *inputs, const gchar *picture)
{
  for (guint i = 0; i < inputs->len; i++) {
    const DcnnOnnxInput *input = &g_array_index (inputs, DcnnOnnxInput, i);
    print_group ("input", i, input->name);
    if (input->state)
      g_print ("# its shape is that of this output; is it fed back?\n"
          "state=%s\n", input->state);
    else if (input->values == &last_picture)
      g_print ("# its shape is the picture's; is it the frame before?\n"
          "state=%s\n", picture);
    else
      g_print ("# no output has its shape; a guess\nvalue=1\n");
  }
}

static void
print_outputs (const Suggest *s)
{
  for (guint i = 0; i < s->n_outputs; i++) {
    const SuggestOutput *o = &s->outputs[i];
    print_group ("output", i, o->name);
    g_print ("#");
    for (guint d = 0; d < o->rank; d++)
      g_print ("%s%" G_GINT64_FORMAT, d ? "x" : " ", o->dims[d]);
    if (o->values)
      g_print (", %.3g to %.3g on the frame", (double) o->low,
          (double) o->high);
    g_print ("\nsemantics=%s\n", o->role ? o->role : "unused");
    if (o->activation)
      g_print ("activation=%s\n", o->activation);
    if (o->role && o->nhwc)
      g_print ("layout=nhwc\n");
  }
}

static gboolean
print_head (const Suggest *s, const char *path, const char *size,
    GError **error)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *sha = dcnn_model_sha256 (path, error);
  char *dot = strrchr (base, '.');

  if (!sha)
    return FALSE;
  for (char *c = base; *c; c++)
    if (!g_ascii_isprint (*c)) /* a name that every program can ask for */
      *c = '_';
  g_print ("# A guess by deltacnn-inspect --suggest, to be kept as\n# %s."
      "modelinfo and mended: look at a picture of its results\n"
      "# (deltacnn-annotate --sheet) before you believe it.\n", base);
  if (dot)
    *dot = '\0';
  g_print ("[modelinfo]\nversion=1.0\n\n[deltacnn]\nname=%s\nsha256=%s\n%s%s%s",
      base, sha, size ? "input-size=" : "", size ? size : "",
      size ? "\n" : "");
  if (s->decoder)
    g_print ("decoder=%s\n", s->decoder);
  else
    g_print ("# no decoder is known for outputs like these; models/README.md "
        "lists them\n");
  return TRUE;
}

/* The model without its descriptor, its other inputs told. */
static DcnnModel *
load (const char *path, guint width, guint height, const GArray *inputs,
    GError **error)
{
  const DcnnOnnxOptions options = { .width = (int) width,
    .height = (int) height, .n_inputs = inputs ? inputs->len : 0,
    .inputs = inputs ? (const DcnnOnnxInput *) (gpointer) inputs->data : NULL };
  DcnnGraph *graph = dcnn_onnx_load_file (path, &options, error);

  return graph ? dcnn_model_new (graph, error) : NULL;
}

/* Of a file that leaves its size open, the first common one that loads; *width
 * and *height are set to it. The error stays that of no size. */
static DcnnModel *
load_any (const char *path, guint *width, guint *height, GError **error)
{
  static const guint sizes[] = { 256, 320, 640, 224 };
  g_autoptr (GError) cause = NULL;
  DcnnModel *model = load (path, *width, *height, NULL, &cause);

  for (gsize i = 0; !model && !*width && i < G_N_ELEMENTS (sizes)
      && g_error_matches (cause, DCNN_ERROR, DCNN_ERROR_ARGUMENT); i++) {
    model = load (path, sizes[i], sizes[i], NULL, NULL);
    if (model)
      *width = *height = sizes[i];
  }
  if (!model)
    g_propagate_error (error, g_steal_pointer (&cause));
  return model;
}

static gboolean
suggest (Suggest *s, DcnnModel *model, const DcnnFrame *frame,
    const GArray *inputs, const char *path, const char *size, GError **error)
{
  DcnnModelSummary summary;
  guint form = 0;

  dcnn_model_get_summary (model, &summary);
  s->width = summary.input_width;
  s->height = summary.input_height;
  s->channels = summary.input_channels;
  add_outputs (s, model, summary.n_outputs);
  for (guint i = 0; i < inputs->len; i++)
    s->pair |= g_array_index (inputs, DcnnOnnxInput, i).values == &last_picture;
  if (scales_itself (model, &summary))
    form = 2;
  if (s->width) {
    keep_luma (s, frame);
    if (!run_frame (s, model, frame, form, error))
      return FALSE;
  }
  suggest_decoder (s);
  if (!print_head (s, path, size, error))
    return FALSE;
  g_print ("\n[input]\n");
  if (!s->width)
    g_print ("# no input is a picture of 1 or 3 channels\n");
  else if (summary.input_integer)
    g_print ("# whole numbers: the network scales them by itself\n");
  else if (!print_ranges (s, model, frame, error)
      || !run_frame (s, model, frame, form, error))
    return FALSE;
  if (form == 2 && !summary.input_integer)
    g_print ("# the network's first operators scale pixels\n");
  if (s->width && !summary.input_integer)
    g_print ("channel-order=rgb\nmean=0\nscale=%.9g\n",
        (double) pixels[form].scale[0]);
  print_others (inputs, dcnn_model_input_name (model, 0));
  if (s->decoder)
    print_outputs (s);
  if (s->keys->len || s->notes->len)
    g_print ("\n[decoder]\n%s%s", s->notes->str, s->keys->str);
  return TRUE;
}

gboolean
suggest_print (const char *path, const char *clip, guint width, guint height,
    GError **error)
{
  g_autoptr (DcnnModel) first = load_any (path, &width, &height, error);
  if (!first)
    return FALSE;
  g_autoptr (GArray) inputs = other_inputs (first);
  g_autoptr (DcnnModel) model = inputs->len
      ? load (path, width, height, inputs, error) : dcnn_model_ref (first);
  if (!model)
    return FALSE;
  g_autoptr (ToolSource) source = clip ? tool_source_open (clip, error)
      : tool_source_synthetic (0.1, 640, 480, 1);
  DcnnFrame frame;
  if (!source || !tool_source_next (source, &frame, error)) {
    if (error && !*error)
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "%s has no frame", clip);
    return FALSE;
  }
  g_autofree char *size = width && height
      ? g_strdup_printf ("%ux%u", width, height) : NULL;
  Suggest s = { .keys = g_string_new (NULL), .notes = g_string_new (NULL) };
  gboolean good = suggest (&s, model, &frame, inputs, path, size, error);
  suggest_clear (&s);
  return good;
}
