/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnmeta-private.h - how a meta of this library is registered, and
 * what its transform function needs. Not installed.
 */
#ifndef GST_DELTA_CNN_META_PRIVATE_H
#define GST_DELTA_CNN_META_PRIVATE_H

#include <gst/gst.h>
#include <gst/video/video.h>

/* What a transform asks for. */
typedef enum
{
  GST_DELTA_CNN_TRANSFORM_DROP,  /* unknown, or a part of the buffer's bytes */
  GST_DELTA_CNN_TRANSFORM_COPY,  /* as it is */
  GST_DELTA_CNN_TRANSFORM_SCALE, /* multiply coordinates by scale_x, scale_y */
} GstDeltaCnnTransformKind;

typedef struct
{
  GstDeltaCnnTransformKind kind;
  gfloat scale_x, scale_y;       /* 1 for a copy */
} GstDeltaCnnTransform;

/* Reads a meta transform's type and data: copies of the whole buffer and
 * GstVideo's scale transform are known. */
G_GNUC_INTERNAL
GstDeltaCnnTransform gst_delta_cnn_transform_read (GQuark type, gpointer data);

/* Registers a meta API whose data depends on the picture's size. */
G_GNUC_INTERNAL
GType gst_delta_cnn_meta_register_api (const gchar * name);

/* The index-th meta of that API on the buffer, of those that an element called
 * source attached (NULL: of all); NULL: there is none. For metas whose field
 * source is the first. */
G_GNUC_INTERNAL
GstMeta *gst_delta_cnn_meta_find (GstBuffer * buffer, GType api, guint index,
    const gchar * source);

/* Defines name_api_get_type() and name_get_info() of meta struct Type from
 * the three functions name_init(), name_free() and name_transform(). */
#define GST_DELTA_CNN_DEFINE_META(Type, name)                                  \
  GType                                                                        \
  name##_api_get_type (void)                                                   \
  {                                                                            \
    static gsize type = 0;                                                     \
    if (g_once_init_enter (&type))                                             \
      g_once_init_leave (&type,                                                \
          (gsize) gst_delta_cnn_meta_register_api (#Type "API"));              \
    return (GType) type;                                                       \
  }                                                                            \
  const GstMetaInfo *                                                          \
  name##_get_info (void)                                                       \
  {                                                                            \
    static const GstMetaInfo *info = NULL;                                     \
    if (g_once_init_enter ((gsize *) &info)) {                                 \
      const GstMetaInfo *registered = gst_meta_register (                      \
          name##_api_get_type (), #Type, sizeof (Type), name##_init,           \
          name##_free, name##_transform);                                      \
      g_once_init_leave ((gsize *) &info, (gsize) registered);                 \
    }                                                                          \
    return info;                                                               \
  }

#endif
