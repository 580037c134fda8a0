/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_parse.c - from bytes to protobuf messages, safely.
 *
 * protobuf-c recurses without a limit and allocates what the bytes ask for:
 * an empty submessage of two bytes becomes a struct of a hundred. So the bytes
 * are walked first, to bound the nesting, and unpacking draws on a budget in
 * proportion to the file.
 */
#include "dcnn_onnx_loader.h"

#include <string.h>

/* Messages inside messages. A model without control flow needs 7: model,
 * graph, node, attribute, tensor, external data entry. */
#define MAX_DEPTH 32

#define BUDGET_BASE ((gsize) 64 << 20)
#define BUDGET_PER_BYTE 16

typedef struct Cursor {
  const guint8 *at, *end;
} Cursor;

static gboolean
read_varint (Cursor *c, guint64 *value)
{
  *value = 0;
  for (int shift = 0; shift < 70 && c->at < c->end; shift += 7) {
    guint8 byte = *c->at++;
    if (shift < 64)
      *value |= (guint64) (byte & 127) << shift;
    if (!(byte & 128))
      return TRUE;
  }
  return FALSE;
}

static gboolean
skip (Cursor *c, guint64 bytes)
{
  if (bytes > (guint64) (c->end - c->at))
    return FALSE;
  c->at += bytes;
  return TRUE;
}

/* Whether the bytes are fields of a message with nothing nested too deep. */
static gboolean
check_message (const ProtobufCMessageDescriptor *type, Cursor c, int depth,
    gboolean *too_deep)
{
  while (c.at < c.end) {
    guint64 tag, value;
    const ProtobufCFieldDescriptor *field;
    Cursor inner;
    gboolean ok;

    if (!read_varint (&c, &tag) || tag >> 3 == 0 || tag >> 32)
      return FALSE;
    switch (tag & 7) {
      case 0:
        ok = read_varint (&c, &value);
        break;
      case 1:
        ok = skip (&c, 8);
        break;
      case 5:
        ok = skip (&c, 4);
        break;
      case 2:
        ok = read_varint (&c, &value);
        inner.at = c.at;
        ok = ok && skip (&c, value);
        inner.end = c.at;
        field = protobuf_c_message_descriptor_get_field (type,
            (unsigned) (tag >> 3));
        if (!ok || !field || field->type != PROTOBUF_C_TYPE_MESSAGE)
          break;
        if (depth >= MAX_DEPTH) {
          *too_deep = TRUE;
          return FALSE;
        }
        ok = check_message (field->descriptor, inner, depth + 1, too_deep);
        break;
      default:
        ok = FALSE;
        break;
    }
    if (!ok)
      return FALSE;
  }
  return TRUE;
}

/* The header of each block, so that freeing gives back to the budget. */
#define HEADER_BYTES 16

static void *
budget_alloc (void *data, size_t size)
{
  OnnxModel *model = data;
  guint8 *block;
  if (size > model->bytes_left || model->bytes_left - size < HEADER_BYTES)
    return NULL;
  block = g_try_malloc (size + HEADER_BYTES);
  if (!block)
    return NULL;
  model->bytes_left -= size + HEADER_BYTES;
  memcpy (block, &size, sizeof size);
  return block + HEADER_BYTES;
}

static void
budget_free (void *data, void *pointer)
{
  OnnxModel *model = data;
  size_t size;
  if (!pointer)
    return;
  memcpy (&size, (guint8 *) pointer - HEADER_BYTES, sizeof size);
  model->bytes_left += size + HEADER_BYTES;
  g_free ((guint8 *) pointer - HEADER_BYTES);
}

void
onnx_model_free (OnnxModel *model)
{
  if (!model)
    return;
  if (model->proto)
    onnx__model_proto__free_unpacked (model->proto, &model->allocator);
  g_free (model);
}

OnnxModel *
onnx_model_parse (const guint8 *data, gsize length, GError **error)
{
  g_autoptr (OnnxModel) model = g_new0 (OnnxModel, 1);
  Cursor whole = { data, data };
  gboolean too_deep = FALSE;

  if (length == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "the file is empty");
    return NULL;
  }
  whole = (Cursor) { data, data + length };
  if (!check_message (&onnx__model_proto__descriptor, whole, 1, &too_deep)) {
    g_set_error (error, DCNN_ERROR,
        too_deep ? DCNN_ERROR_LIMIT : DCNN_ERROR_FILE, too_deep
        ? "subgraphs are nested too deep; control flow is not supported"
        : "this is no ONNX model, or it is truncated or damaged");
    return NULL;
  }
  model->allocator.alloc = budget_alloc;
  model->allocator.free = budget_free;
  model->allocator.allocator_data = model;
  model->bytes_left = BUDGET_BASE;
  if (length < (G_MAXSIZE - BUDGET_BASE) / BUDGET_PER_BYTE)
    model->bytes_left += length * BUDGET_PER_BYTE;
  model->proto = onnx__model_proto__unpack (&model->allocator, length, data);
  if (!model->proto) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "this is no ONNX model, or it is damaged or needs too much memory");
    return NULL;
  }
  if (!model->proto->graph || model->proto->n_opset_import == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "this is no ONNX model: it has no graph or no opset");
    return NULL;
  }
  return g_steal_pointer (&model);
}
