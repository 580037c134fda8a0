/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * proto_kit.h - writes small ONNX files byte by byte, well-formed or not, with
 * no library in between: what is hostile must be ours to shape.
 *
 * A message is a GByteArray; a field is appended to it. Nested messages are
 * built first and consumed by pk_message(). Nothing here fails.
 */
#ifndef DCNN_PROTO_KIT_H
#define DCNN_PROTO_KIT_H

#include <glib.h>
#include <string.h>

typedef GByteArray Pk;

static inline void
pk_varint (Pk *m, guint64 value)
{
  do {
    guint8 byte = (guint8) ((value & 127) | (value > 127 ? 128 : 0));
    g_byte_array_append (m, &byte, 1);
    value >>= 7;
  } while (value);
}

static inline void
pk_int (Pk *m, guint field, gint64 value)
{
  pk_varint (m, (guint64) field << 3);
  pk_varint (m, (guint64) value);
}

static inline void
pk_float (Pk *m, guint field, float value)
{
  pk_varint (m, (guint64) field << 3 | 5);
  g_byte_array_append (m, (const guint8 *) &value, 4);
}

static inline void
pk_bytes (Pk *m, guint field, const void *data, gsize length)
{
  pk_varint (m, (guint64) field << 3 | 2);
  pk_varint (m, length);
  g_byte_array_append (m, data, (guint) length);
}

static inline void
pk_text (Pk *m, guint field, const char *text)
{
  pk_bytes (m, field, text, strlen (text));
}

/* Appends inner as a field of m and frees it. */
static inline void
pk_message (Pk *m, guint field, Pk *inner)
{
  pk_bytes (m, field, inner->data, inner->len);
  g_byte_array_unref (inner);
}

static inline Pk *
pk_new (void)
{
  return g_byte_array_new ();
}

/* ValueInfoProto of type FLOAT (or another); dims of -1 are symbolic "H". */
static inline Pk *
pk_value (const char *name, int type, int rank, const gint64 *dims)
{
  Pk *value = pk_new (), *outer = pk_new (), *tensor = pk_new ();
  Pk *shape = pk_new ();
  for (int i = 0; i < rank; i++) {
    Pk *dim = pk_new ();
    if (dims[i] == -1)
      pk_text (dim, 2, "H");
    else
      pk_int (dim, 1, dims[i]);
    pk_message (shape, 1, dim);
  }
  pk_int (tensor, 1, type);
  pk_message (tensor, 2, shape);
  pk_message (outer, 1, tensor);
  pk_text (value, 1, name);
  pk_message (value, 2, outer);
  return value;
}

/* TensorProto with raw data (NULL: none). */
static inline Pk *
pk_tensor (const char *name, int type, int rank, const gint64 *dims,
    const void *data, gsize bytes)
{
  Pk *tensor = pk_new ();
  for (int i = 0; i < rank; i++)
    pk_int (tensor, 1, dims[i]);
  pk_int (tensor, 2, type);
  pk_text (tensor, 8, name);
  if (data)
    pk_bytes (tensor, 9, data, bytes);
  return tensor;
}

/* NodeProto; inputs and outputs: names apart by spaces, "-" for an empty
 * one. Attributes are appended by the caller (field 5). */
static inline Pk *
pk_node (const char *name, const char *op, const char *inputs,
    const char *outputs)
{
  Pk *node = pk_new ();
  g_auto (GStrv) in = g_strsplit (inputs, " ", 0);
  g_auto (GStrv) out = g_strsplit (outputs, " ", 0);
  for (int i = 0; in[i] && *in[i]; i++)
    pk_text (node, 1, strcmp (in[i], "-") == 0 ? "" : in[i]);
  for (int i = 0; out[i] && *out[i]; i++)
    pk_text (node, 2, strcmp (out[i], "-") == 0 ? "" : out[i]);
  pk_text (node, 3, name);
  pk_text (node, 4, op);
  return node;
}

static inline void
pk_attr_int (Pk *node, const char *name, gint64 value)
{
  Pk *a = pk_new ();
  pk_text (a, 1, name);
  pk_int (a, 3, value);
  pk_int (a, 20, 2);
  pk_message (node, 5, a);
}

static inline void
pk_attr_ints (Pk *node, const char *name, int n, const gint64 *values)
{
  Pk *a = pk_new ();
  pk_text (a, 1, name);
  for (int i = 0; i < n; i++)
    pk_int (a, 8, values[i]);
  pk_int (a, 20, 7);
  pk_message (node, 5, a);
}

static inline void
pk_attr_text (Pk *node, const char *name, const char *value)
{
  Pk *a = pk_new ();
  pk_text (a, 1, name);
  pk_text (a, 4, value);
  pk_int (a, 20, 3);
  pk_message (node, 5, a);
}

static inline void
pk_attr_message (Pk *node, const char *name, guint field, int type, Pk *inner)
{
  Pk *a = pk_new ();
  pk_text (a, 1, name);
  pk_message (a, field, inner);
  pk_int (a, 20, type);
  pk_message (node, 5, a);
}

/* ModelProto around a graph (consumed). */
static inline Pk *
pk_model (Pk *graph, gint64 opset)
{
  Pk *model = pk_new (), *import = pk_new ();
  pk_int (import, 2, opset);
  pk_int (model, 1, 8);
  pk_message (model, 8, import);
  pk_message (model, 7, graph);
  return model;
}

#endif
