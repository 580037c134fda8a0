/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnntensormeta.h - a network's output tensors as they are, for
 * applications that decode them themselves.
 *
 * The data are copies that the meta owns: valid as long as the buffer lives.
 * Copies of the buffer share them. Attached only where asked for (deltacnn
 * attach=tensors): it costs a copy of every output a frame.
 */
#ifndef GST_DELTA_CNN_TENSOR_META_H
#define GST_DELTA_CNN_TENSOR_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

#define GST_DELTA_CNN_TENSOR_MAX_DIMS 8

typedef struct _GstDeltaCnnTensor GstDeltaCnnTensor;
typedef struct _GstDeltaCnnTensorMeta GstDeltaCnnTensorMeta;

/**
 * GstDeltaCnnTensorType:
 * @GST_DELTA_CNN_TENSOR_NONE: not known
 * @GST_DELTA_CNN_TENSOR_FLOAT32: IEEE single
 * @GST_DELTA_CNN_TENSOR_FLOAT64: IEEE double
 * @GST_DELTA_CNN_TENSOR_FLOAT16: IEEE half
 * @GST_DELTA_CNN_TENSOR_INT8: signed, 8 bits
 * @GST_DELTA_CNN_TENSOR_UINT8: unsigned, 8 bits
 * @GST_DELTA_CNN_TENSOR_INT16: signed, 16 bits
 * @GST_DELTA_CNN_TENSOR_UINT16: unsigned, 16 bits
 * @GST_DELTA_CNN_TENSOR_INT32: signed, 32 bits
 * @GST_DELTA_CNN_TENSOR_UINT32: unsigned, 32 bits
 * @GST_DELTA_CNN_TENSOR_INT64: signed, 64 bits
 * @GST_DELTA_CNN_TENSOR_UINT64: unsigned, 64 bits
 * @GST_DELTA_CNN_TENSOR_BOOL: a byte, 0 or 1
 *
 * Since: 0.1
 */
typedef enum
{
  GST_DELTA_CNN_TENSOR_NONE,
  GST_DELTA_CNN_TENSOR_FLOAT32,
  GST_DELTA_CNN_TENSOR_FLOAT64,
  GST_DELTA_CNN_TENSOR_FLOAT16,
  GST_DELTA_CNN_TENSOR_INT8,
  GST_DELTA_CNN_TENSOR_UINT8,
  GST_DELTA_CNN_TENSOR_INT16,
  GST_DELTA_CNN_TENSOR_UINT16,
  GST_DELTA_CNN_TENSOR_INT32,
  GST_DELTA_CNN_TENSOR_UINT32,
  GST_DELTA_CNN_TENSOR_INT64,
  GST_DELTA_CNN_TENSOR_UINT64,
  GST_DELTA_CNN_TENSOR_BOOL,
} GstDeltaCnnTensorType;

/**
 * GstDeltaCnnTensor:
 * @name: of the output, as a quark
 * @type: of the elements
 * @n_dims: how many of @dims count; 0 is a scalar
 * @dims: as in the ONNX file, outermost first
 * @data: the elements, row-major, host byte order
 *
 * One output. @data belongs to the meta.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnTensor
{
  GQuark name;
  GstDeltaCnnTensorType type;
  guint n_dims;
  gint64 dims[GST_DELTA_CNN_TENSOR_MAX_DIMS];
  GBytes *data;
};

/**
 * GstDeltaCnnTensorMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was not run; these are the outputs of an earlier one
 * @tensors: (type gpointer): in the order of the model: #GstDeltaCnnTensor each
 * @x: left edge of the part of the frame that the network saw, frame pixels
 * @y: its top edge
 * @w: its width; 0: it saw all of the frame
 * @h: its height
 *
 * Of several parts (deltacnn windows) there is a meta each.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnTensorMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  GArray *tensors;
  gfloat x, y, w, h;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_tensor_type_get_type (void);
#define GST_TYPE_DELTA_CNN_TENSOR_TYPE (gst_delta_cnn_tensor_type_get_type ())

GST_DELTA_CNN_API
GType gst_delta_cnn_tensor_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_tensor_meta_get_info (void);
#define GST_DELTA_CNN_TENSOR_META_API_TYPE \
    (gst_delta_cnn_tensor_meta_api_get_type ())
#define GST_DELTA_CNN_TENSOR_META_INFO (gst_delta_cnn_tensor_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnTensorMeta *gst_buffer_add_delta_cnn_tensor_meta
    (GstBuffer * buffer, GQuark source);
GST_DELTA_CNN_API
GstDeltaCnnTensorMeta *gst_buffer_get_delta_cnn_tensor_meta
    (GstBuffer * buffer);
GST_DELTA_CNN_API
void gst_delta_cnn_tensor_meta_append (GstDeltaCnnTensorMeta * meta,
    const gchar * name, GstDeltaCnnTensorType type, guint n_dims,
    const gint64 * dims, GBytes * data);
GST_DELTA_CNN_API
guint gst_delta_cnn_tensor_meta_get_n_tensors (const GstDeltaCnnTensorMeta *
    meta);
GST_DELTA_CNN_API
const GstDeltaCnnTensor *gst_delta_cnn_tensor_meta_get_tensor
    (const GstDeltaCnnTensorMeta * meta, guint index);
GST_DELTA_CNN_API
const GstDeltaCnnTensor *gst_delta_cnn_tensor_meta_find_tensor
    (const GstDeltaCnnTensorMeta * meta, const gchar * name);
GST_DELTA_CNN_API
GstDeltaCnnTensorMeta *gst_buffer_get_delta_cnn_tensor_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnTensorMeta *gst_buffer_get_delta_cnn_tensor_meta_by_source
    (GstBuffer * buffer, const gchar * source);

G_END_DECLS

#endif
