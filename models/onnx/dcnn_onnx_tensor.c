/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_tensor.c - stored tensors: typed fields, raw bytes, external
 * files.
 */
#include "dcnn_onnx_loader.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ref_util.h"

/* How a type number is stored and what it becomes. */
typedef struct TypeInfo {
  const char *name;
  DcnnDtype stored, dtype;
  int packed; /* elements in a byte, the first in its lowest bits; 0: none are */
} TypeInfo;

#define SAME(name, type)                                                       \
  [ONNX_##name] = { #name, DCNN_DTYPE_##type, DCNN_DTYPE_##type }

static const TypeInfo types[] = {
  SAME (FLOAT, F32), SAME (UINT8, U8), SAME (INT8, I8), SAME (UINT16, U16),
  SAME (INT16, I16), SAME (INT32, I32), SAME (INT64, I64), SAME (BOOL, BOOL),
  SAME (DOUBLE, F64), SAME (UINT32, U32), SAME (UINT64, U64),
  [ONNX_STRING] = { "STRING", DCNN_DTYPE_NONE, DCNN_DTYPE_NONE },
  [ONNX_FLOAT16] = { "FLOAT16", DCNN_DTYPE_F16, DCNN_DTYPE_F32 },
  /* two bytes as well; widened by shifting */
  [ONNX_BFLOAT16] = { "BFLOAT16", DCNN_DTYPE_U16, DCNN_DTYPE_F32 },
  /* read as bytes, and nothing else: no value has such a type */
  [ONNX_UINT4] = { "UINT4", DCNN_DTYPE_U8, DCNN_DTYPE_NONE, 2 },
  [ONNX_INT4] = { "INT4", DCNN_DTYPE_I8, DCNN_DTYPE_NONE, 2 },
  [ONNX_UINT2] = { "UINT2", DCNN_DTYPE_U8, DCNN_DTYPE_NONE, 4 },
  [ONNX_INT2] = { "INT2", DCNN_DTYPE_I8, DCNN_DTYPE_NONE, 4 },
};

static const TypeInfo *
type_info (gint64 data_type)
{
  static const TypeInfo none = { NULL, DCNN_DTYPE_NONE, DCNN_DTYPE_NONE };
  return data_type >= 0 && data_type < (gint64) G_N_ELEMENTS (types)
      ? &types[data_type] : &none;
}

DcnnDtype
onnx_dtype (gint64 data_type)
{
  return type_info (data_type)->dtype;
}

const char *
onnx_dtype_name (gint64 data_type)
{
  const char *name = type_info (data_type)->name;
  return name ? name : "of an unknown type";
}

static gboolean
fail (GError **error, DcnnError code, const Onnx__TensorProto *proto,
    const char *format, ...) G_GNUC_PRINTF (4, 5);

static gboolean
fail (GError **error, DcnnError code, const Onnx__TensorProto *proto,
    const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DCNN_ERROR, code, "tensor '%.200s': %s",
      proto->name && *proto->name ? proto->name : "(unnamed)", text);
  return FALSE;
}

/* Where external data lies. */
typedef struct External {
  const char *location;
  guint64 offset, length;
  gboolean has_length;
  int fd;
} External;

static gboolean
parse_external (const Onnx__TensorProto *proto, External *external,
    GError **error)
{
  memset (external, 0, sizeof *external);
  for (size_t i = 0; i < proto->n_external_data; i++) {
    const char *key = proto->external_data[i]->key;
    const char *value = proto->external_data[i]->value;
    guint64 *number = g_strcmp0 (key, "offset") == 0 ? &external->offset
        : g_strcmp0 (key, "length") == 0 ? &external->length : NULL;
    if (!key || !value)
      continue;
    if (strcmp (key, "location") == 0)
      external->location = value;
    if (number && !g_ascii_string_to_unsigned (value, 10, 0, G_MAXINT64,
            number, NULL))
      return fail (error, DCNN_ERROR_FILE, proto,
          "its external data has a bad %s: '%.60s'", key, value);
    external->has_length |= number == &external->length;
  }
  if (!external->location || !*external->location)
    return fail (error, DCNN_ERROR_FILE, proto,
        "its external data has no location");
  return TRUE;
}

/* The file of external data, inside base_dir also after links are followed.
 * Returns new text. */
static char *
resolve_external (const Onnx__TensorProto *proto, const char *base_dir,
    const char *location, GError **error)
{
  g_autofree char *joined = NULL;
  char *folder, *path, *result = NULL;
  gsize n;

  if (!base_dir) {
    fail (error, DCNN_ERROR_FILE, proto, "its data is in the file '%.200s', and"
        " a model from memory has no folder to look in", location);
    return NULL;
  }
  if (g_path_is_absolute (location) || strstr (location, "..")
      || strchr (location, '\\')) {
    fail (error, DCNN_ERROR_FILE, proto, "its data is in '%.200s', outside the"
        " model's folder: put the file beside the model", location);
    return NULL;
  }
  joined = g_build_filename (base_dir, location, NULL);
  folder = realpath (base_dir, NULL);
  path = realpath (joined, NULL);
  if (!folder || !path) {
    fail (error, DCNN_ERROR_FILE, proto, "its data is missing: '%.400s': %s",
        joined, g_strerror (errno));
  } else {
    n = strlen (folder);
    if (n > 1 && strncmp (path, folder, n) == 0 && path[n] == '/')
      result = g_strdup (path);
    else if (n == 1)
      result = g_strdup (path);
    else
      fail (error, DCNN_ERROR_FILE, proto, "its data '%.200s' is a link out of"
          " the model's folder: put the file itself there", location);
  }
  free (folder);
  free (path);
  return result;
}

/* Counts bytes that are about to be read: twice all there is allows for
 * shared weights. */
static gboolean
count_external (const Onnx__TensorProto *proto, OnnxData *data,
    const char *path, guint64 file_bytes, guint64 bytes, GError **error)
{
  if (g_hash_table_add (data->files, g_strdup (path)))
    data->file_bytes += file_bytes;
  data->external_bytes += bytes;
  if (data->external_bytes <= 2 * data->file_bytes)
    return TRUE;
  return fail (error, DCNN_ERROR_LIMIT, proto, "the model reads the same "
      "external data again and again");
}

/* Opens the external file and checks, before memory is taken, that it has the
 * bytes. */
static gboolean
open_external (const Onnx__TensorProto *proto, OnnxData *data, guint64 size,
    External *external, GError **error)
{
  g_autofree char *path = NULL;
  struct stat status;

  external->fd = -1;
  if (!parse_external (proto, external, error))
    return FALSE;
  if (external->has_length && external->length != size)
    return fail (error, DCNN_ERROR_FILE, proto, "its external data has %"
        G_GUINT64_FORMAT " bytes, its shape needs %" G_GUINT64_FORMAT,
        external->length, size);
  path = resolve_external (proto, data ? data->base_dir : NULL,
      external->location, error);
  if (!path)
    return FALSE;
  external->fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (external->fd < 0)
    return fail (error, DCNN_ERROR_FILE, proto, "cannot open '%.400s': %s",
        path, g_strerror (errno));
  if (fstat (external->fd, &status) != 0 || !S_ISREG (status.st_mode)
      || external->offset > (guint64) status.st_size
      || size > (guint64) status.st_size - external->offset)
    fail (error, DCNN_ERROR_FILE, proto, "'%.400s' is too short for %"
        G_GUINT64_FORMAT " bytes from %" G_GUINT64_FORMAT, path, size,
        external->offset);
  else if (count_external (proto, data, path, (guint64) status.st_size, size,
          error))
    return TRUE;
  close (external->fd);
  return FALSE;
}

/* Reads what open_external() checked, and closes the file. */
static gboolean
read_external (const Onnx__TensorProto *proto, void *buffer, guint64 size,
    const External *external, GError **error)
{
  guint64 done = 0;
  while (done < size) {
    ssize_t got = pread (external->fd, (guint8 *) buffer + done, size - done,
        (off_t) (external->offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      break;
    done += (guint64) got;
  }
  close (external->fd);
  return done == size ? TRUE
      : fail (error, DCNN_ERROR_FILE, proto, "cannot read '%.200s'",
          external->location);
}

/* Bytes, or elements of a typed field where those are what is packed, that hold
 * the tensor's elements. */
static gint64
stored_count (const Onnx__TensorProto *proto, const DcnnTensor *tensor)
{
  const int packed = type_info (proto->data_type)->packed;
  const gint64 n = dcnn_tensor_count (tensor);

  return packed > 0 ? (n + packed - 1) / packed : n;
}

/* Number of elements in the typed field that holds this type, and the field
 * copied into out when out has data. */
static size_t
typed_field (const Onnx__TensorProto *proto, const DcnnTensor *out)
{
  gint64 count = stored_count (proto, out);
#define FIELD(n_field, field, SET)                                             \
  do {                                                                         \
    for (gint64 i = 0; out->data && i < count; i++)                            \
      SET (out, i, proto->field[i]);                                           \
    return proto->n_field;                                                     \
  } while (0)
  switch (proto->data_type) {
    case ONNX_FLOAT:
      FIELD (n_float_data, float_data, dcnn_ref_set);
    case ONNX_DOUBLE:
      FIELD (n_double_data, double_data, dcnn_ref_set);
    case ONNX_INT64:
      FIELD (n_int64_data, int64_data, dcnn_ref_set_int);
    case ONNX_UINT32:
    case ONNX_UINT64:
      FIELD (n_uint64_data, uint64_data, dcnn_ref_set_int);
    case ONNX_FLOAT16: /* the bits, as integers */
      for (gint64 i = 0; out->data && i < count; i++)
        ((uint16_t *) out->data)[i] = (uint16_t) proto->int32_data[i];
      return proto->n_int32_data;
    default:
      FIELD (n_int32_data, int32_data, dcnn_ref_set_int);
  }
#undef FIELD
}

/* Elements of which several lie in a byte get one each, from the last on: they
 * are in the first bytes of what is theirs. */
static void
unpack (gint64 data_type, const DcnnTensor *tensor)
{
  const TypeInfo *type = type_info (data_type);
  const int bits = type->packed > 0 ? 8 / type->packed : 8;
  guint8 *bytes = tensor->data;

  for (gint64 i = type->packed > 0 ? dcnn_tensor_count (tensor) : 0; i-- > 0;) {
    int value = bytes[i / type->packed] >> (i % type->packed * bits)
        & ((1 << bits) - 1);
    if (type->stored == DCNN_DTYPE_I8 && value >> (bits - 1))
      value -= 1 << bits;
    bytes[i] = (guint8) value;
  }
}

/* 16-bit floats become float32. */
static gboolean
widen (gint64 data_type, DcnnTensor *tensor, GError **error)
{
  DcnnTensor wide = *tensor;
  gint64 n = dcnn_tensor_count (tensor);
  const uint16_t *from = tensor->data;

  if (data_type != ONNX_FLOAT16 && data_type != ONNX_BFLOAT16)
    return TRUE;
  wide.dtype = DCNN_DTYPE_F32;
  if (!dcnn_tensor_alloc (&wide, error)) {
    dcnn_tensor_free (tensor);
    return FALSE;
  }
  for (gint64 i = 0; i < n; i++) {
    uint32_t bits = (uint32_t) from[i] << 16;
    if (data_type == ONNX_FLOAT16)
      ((float *) wide.data)[i] = dcnn_ref_half_to_float (from[i]);
    else
      memcpy ((float *) wide.data + i, &bits, sizeof bits);
  }
  dcnn_tensor_free (tensor);
  *tensor = wide;
  return TRUE;
}

/* NaN anywhere, and infinity in more than a scalar, would spread through every
 * result; a scalar may be a pad value or a bound. */
static gboolean
check_finite (const Onnx__TensorProto *proto, const DcnnTensor *tensor,
    GError **error)
{
  gint64 n = dcnn_tensor_count (tensor);
  if (tensor->dtype != DCNN_DTYPE_F32 && tensor->dtype != DCNN_DTYPE_F64)
    return TRUE;
  for (gint64 i = 0; i < n; i++) {
    double x = dcnn_ref_get (tensor, i);
    if (isnan (x) || (n > 1 && isinf (x)))
      return fail (error, DCNN_ERROR_INVALID, proto, "element %"
          G_GINT64_FORMAT " is %s: the weights are damaged; export the model "
          "again", i, isnan (x) ? "not a number" : "infinite");
  }
  return TRUE;
}

/* Type, shape and limits; gives out the stored type. */
static gboolean
read_header (const Onnx__TensorProto *proto, DcnnTensor *out, GError **error)
{
  memset (out, 0, sizeof *out);
  out->dtype = type_info (proto->data_type)->stored;
  if (out->dtype == DCNN_DTYPE_NONE)
    return fail (error, DCNN_ERROR_UNSUPPORTED, proto,
        "its elements are %s, which is not supported",
        onnx_dtype_name (proto->data_type));
  if (proto->segment)
    return fail (error, DCNN_ERROR_UNSUPPORTED, proto,
        "it is stored in segments, which is not supported");
  if (proto->n_dims > DCNN_MAX_RANK)
    return fail (error, DCNN_ERROR_LIMIT, proto, "its rank is over %d",
        DCNN_MAX_RANK);
  out->rank = (int) proto->n_dims;
  for (int i = 0; i < out->rank; i++)
    out->dims[i] = proto->dims[i];
  if (dcnn_tensor_check (out, error))
    return TRUE;
  g_prefix_error (error, "tensor '%.200s': ", proto->name ? proto->name : "");
  return FALSE;
}

gboolean
onnx_tensor_read (const Onnx__TensorProto *proto, OnnxData *data,
    DcnnTensor *out, GError **error)
{
  gboolean is_external = proto->has_data_location
      && proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  gboolean raw = proto->has_raw_data && proto->raw_data.len > 0;
  External external;
  size_t bytes, have;

  if (!read_header (proto, out, error))
    return FALSE;
  bytes = (size_t) stored_count (proto, out) * dcnn_dtype_bytes (out->dtype);
  if (is_external) {
    if (!open_external (proto, data, bytes, &external, error))
      return FALSE;
  } else {
    have = raw ? proto->raw_data.len
        : typed_field (proto, out) * dcnn_dtype_bytes (out->dtype);
    if (have != bytes)
      return fail (error, DCNN_ERROR_FILE, proto, "it has %" G_GSIZE_FORMAT
          " bytes of data, its shape needs %" G_GSIZE_FORMAT, have, bytes);
  }
  if (!dcnn_tensor_alloc (out, error)) {
    if (is_external)
      close (external.fd);
    return FALSE;
  }
  if (is_external) {
    if (!read_external (proto, out->data, bytes, &external, error)) {
      dcnn_tensor_free (out);
      return FALSE;
    }
  } else if (raw) {
    memcpy (out->data, proto->raw_data.data, bytes);
  } else {
    typed_field (proto, out);
  }
  unpack (proto->data_type, out);
  return widen (proto->data_type, out, error);
}

gboolean
onnx_tensor_load (const Onnx__TensorProto *proto, OnnxData *data,
    DcnnTensor *out, GError **error)
{
  if (!onnx_tensor_read (proto, data, out, error))
    return FALSE;
  if (check_finite (proto, out, error))
    return TRUE;
  dcnn_tensor_free (out);
  return FALSE;
}
