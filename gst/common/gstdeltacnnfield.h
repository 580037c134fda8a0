/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnfield.h - properties that are fields of a struct: how a GValue
 * becomes a field and comes back, and lists of such properties.
 *
 * Nothing here locks: fields are set and read with their owner's lock held.
 */
#ifndef GST_DELTA_CNN_FIELD_H
#define GST_DELTA_CNN_FIELD_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* A property that may change while PLAYING, kept in a field of the value's C
 * type: boolean, uint, double, or an enum. */
typedef struct
{
  const gchar *name, *nick, *blurb;
  GType type;                   /* G_TYPE_ENUM: see enum_type */
  gsize offset;                 /* in the struct */
  gdouble minimum, maximum;     /* of uint and double */
  GType (*enum_type) (void);
} GstDeltaCnnField;

/* Installs n properties by the numbers from 1 on; defaults: a struct that holds
 * them. */
void gst_delta_cnn_fields_install (GObjectClass * klass,
    const GstDeltaCnnField * fields, guint n, gconstpointer defaults);

/* Value to field, of the value's C type: boolean, int, uint, enum, flags, float,
 * double, or text, of which the field holds a copy of its own. */
void gst_delta_cnn_field_set (gpointer field, const GValue * value);
/* The way back; value says which type it is. */
void gst_delta_cnn_field_get (gconstpointer field, GValue * value);

G_END_DECLS

#endif
