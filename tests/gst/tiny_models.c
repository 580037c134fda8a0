/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tiny_models.c - see tiny_models.h.
 */
#include "tiny_models.h"

#include <glib/gstdio.h>
#include <string.h>

/* ---- protobuf ---------------------------------------------------------- */

static void
put_varint (GByteArray * out, guint64 value)
{
  do {
    const guint8 byte = (value & 0x7f) | (value > 0x7f ? 0x80 : 0);
    g_byte_array_append (out, &byte, 1);
    value >>= 7;
  } while (value);
}

static void
put_number (GByteArray * out, guint field, guint64 value)
{
  put_varint (out, field << 3);
  put_varint (out, value);
}

static void
put_bytes (GByteArray * out, guint field, gconstpointer data, gsize size)
{
  put_varint (out, field << 3 | 2);
  put_varint (out, size);
  g_byte_array_append (out, data, size);
}

static void
put_text (GByteArray * out, guint field, const gchar * text)
{
  put_bytes (out, field, text, strlen (text));
}

/* Takes message. */
static void
put_message (GByteArray * out, guint field, GByteArray * message)
{
  put_bytes (out, field, message->data, message->len);
  g_byte_array_unref (message);
}

/* ---- ONNX -------------------------------------------------------------- */

static GByteArray *
value_info (const gchar * name, const guint * dims, guint n_dims)
{
  GByteArray *value = g_byte_array_new (), *type = g_byte_array_new ();
  GByteArray *tensor = g_byte_array_new (), *shape = g_byte_array_new ();

  for (guint i = 0; i < n_dims; i++) {
    GByteArray *dim = g_byte_array_new ();
    put_number (dim, 1, dims[i]);
    put_message (shape, 1, dim);
  }
  put_number (tensor, 1, 1);    /* float */
  put_message (tensor, 2, shape);
  put_message (type, 1, tensor);
  put_text (value, 1, name);
  put_message (value, 2, type);
  return value;
}

static GByteArray *
initializer (const gchar * name, const guint * dims, guint n_dims,
    const gfloat * data)
{
  GByteArray *tensor = g_byte_array_new ();
  gsize count = 1;

  for (guint i = 0; i < n_dims; i++) {
    put_number (tensor, 1, dims[i]);
    count *= dims[i];
  }
  put_number (tensor, 2, 1);    /* float */
  put_text (tensor, 8, name);
  put_bytes (tensor, 9, data, count * sizeof (gfloat));
  return tensor;
}

static GByteArray *
ints_attribute (const gchar * name, const guint * values, guint n)
{
  GByteArray *attribute = g_byte_array_new ();

  put_text (attribute, 1, name);
  for (guint i = 0; i < n; i++)
    put_number (attribute, 8, values[i]);
  put_number (attribute, 20, 7);        /* INTS */
  return attribute;
}

static GByteArray *
node (const gchar * op, const gchar * const *inputs, const gchar * output)
{
  GByteArray *message = g_byte_array_new ();

  for (guint i = 0; inputs[i]; i++)
    put_text (message, 1, inputs[i]);
  put_text (message, 2, output);
  put_text (message, 3, output);
  put_text (message, 4, op);
  return message;
}

/* Conv of a square kernel with stride = 1 and same padding, or with stride =
 * kernel and none; optionally Sigmoid. */
typedef struct
{
  guint width, height, channels, kernel, stride;
  gfloat *weights;              /* [channels][3][kernel][kernel] */
  gfloat *bias;
  gboolean sigmoid;
} ConvNet;

static GByteArray *
conv_net_encode (const ConvNet * net)
{
  const gchar *const conv_inputs[] = { "image", "w", "b", NULL };
  const gchar *const sigmoid_inputs[] = { "logit", NULL };
  const guint in[] = { 1, 3, net->height, net->width };
  const guint out[] = { 1, net->channels, net->height / net->stride,
    net->width / net->stride
  };
  const guint w[] = { net->channels, 3, net->kernel, net->kernel };
  const guint kernel[] = { net->kernel, net->kernel };
  const guint stride[] = { net->stride, net->stride };
  const guint pad = net->stride == 1 ? net->kernel / 2 : 0;
  const guint pads[] = { pad, pad, pad, pad };
  GByteArray *model = g_byte_array_new (), *graph = g_byte_array_new ();
  GByteArray *opset = g_byte_array_new ();
  GByteArray *conv = node ("Conv", conv_inputs,
      net->sigmoid ? "logit" : "result");

  put_message (conv, 5, ints_attribute ("kernel_shape", kernel, 2));
  put_message (conv, 5, ints_attribute ("strides", stride, 2));
  put_message (conv, 5, ints_attribute ("pads", pads, 4));
  put_message (graph, 1, conv);
  if (net->sigmoid)
    put_message (graph, 1, node ("Sigmoid", sigmoid_inputs, "result"));
  put_text (graph, 2, "tiny");
  put_message (graph, 5, initializer ("w", w, 4, net->weights));
  put_message (graph, 5, initializer ("b", &net->channels, 1, net->bias));
  put_message (graph, 11, value_info ("image", in, 4));
  put_message (graph, 12, value_info ("result", out, 4));

  put_text (opset, 1, "");
  put_number (opset, 2, 13);
  put_number (model, 1, 8);     /* IR version */
  put_message (model, 7, graph);
  put_message (model, 8, opset);
  return model;
}

/* All weights of output channel `to` from input channel `from` of a kernel
 * that takes the mean of its window, or its middle pixel. */
static void
set_weight (ConvNet * net, guint to, guint from, gfloat gain)
{
  const guint area = net->kernel * net->kernel;
  gfloat *w = net->weights + (to * 3 + from) * area;

  if (net->stride == 1)
    w[area / 2] = gain;
  else
    for (guint i = 0; i < area; i++)
      w[i] = gain / area;
}

static GByteArray *
encode (TinyKind kind, guint width, guint height)
{
  static const guint channels[] = { 1, 1, 3, 7, 3, 3 };
  const gboolean cells = kind == TINY_BOXES || kind == TINY_POSE
      || kind == TINY_LABEL;
  ConvNet net = { width, height, channels[kind], cells ? 8 : 3,
    cells ? 8 : 1, NULL, NULL, kind == TINY_MASK || kind == TINY_BLIND
  };
  g_autofree gfloat *weights = g_new0 (gfloat, 7 * 3 * 64);
  g_autofree gfloat *bias = g_new0 (gfloat, 7);

  net.weights = weights;
  net.bias = bias;
  for (guint c = 0; c < 3; c++) {
    if (kind == TINY_CLASSES || kind == TINY_POSE || kind == TINY_LABEL)
      set_weight (&net, c, c, 1);
    else if (kind == TINY_BOXES)
      set_weight (&net, 0, c, 1.0f / 3);
    else
      set_weight (&net, 0, c, kind == TINY_BLIND ? 0.1f : 20.0f / 3);
  }
  if (kind == TINY_MASK || kind == TINY_BLIND)
    bias[0] = -10;
  if (kind == TINY_BOXES) {
    bias[5] = 0.1f;             /* class 0 */
    bias[6] = 1;                /* class 1: always */
  }
  return conv_net_encode (&net);
}

static gchar *
describe (TinyKind kind)
{
  static const gchar *const decoders[] = { "segmentation", "segmentation",
    "segmentation", "fastestdet", "heatmap-pose", "classification"
  };
  static const gchar *const roles[] = { "mask", "mask", "mask", "boxes",
    "heatmap", "scores"
  };

  return g_strdup_printf ("[modelinfo]\nversion=1.0\ngroup-id=tiny\n\n"
      "[deltacnn]\ndecoder=%s\n\n"
      "[image]\ndir=input\ntype=float32\n\n"
      "[result]\ndir=output\ntype=float32\nsemantics=%s\n\n",
      decoders[kind], roles[kind]);
}

gchar *
tiny_model_write (const gchar * dir, const gchar * name, TinyKind kind,
    guint width, guint height, const gchar * extra)
{
  g_autofree gchar *file = g_strconcat (name, ".onnx", NULL);
  gchar *path = g_build_filename (dir, file, NULL);
  g_autofree gchar *info_path = g_strconcat (path, ".modelinfo", NULL);
  g_autofree gchar *base = describe (kind);
  g_autofree gchar *info = g_strconcat (base, extra ? extra : "", NULL);
  g_autoptr (GByteArray) bytes = encode (kind, width, height);

  g_assert_true (g_file_set_contents (path, (const gchar *) bytes->data,
          bytes->len, NULL));
  if (!extra || *extra)
    g_assert_true (g_file_set_contents (info_path, info, -1, NULL));
  return path;
}

gchar *
tiny_folder_new (void)
{
  gchar *dir = g_dir_make_tmp ("deltacnn-gst-XXXXXX", NULL);

  g_assert_nonnull (dir);
  return dir;
}

void
tiny_folder_remove (const gchar * dir)
{
  g_autoptr (GDir) open = g_dir_open (dir, 0, NULL);
  const gchar *name;

  while (open && (name = g_dir_read_name (open))) {
    g_autofree gchar *path = g_build_filename (dir, name, NULL);
    g_unlink (path);
  }
  g_rmdir (dir);
}
