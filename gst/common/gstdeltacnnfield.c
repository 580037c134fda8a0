/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnfield.c - see gstdeltacnnfield.h.
 */
#include "gstdeltacnnfield.h"

#define LIVE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE)

static GParamSpec *
make_spec (const GstDeltaCnnField * f, gconstpointer value)
{
  switch (f->type) {
    case G_TYPE_ENUM:
      return g_param_spec_enum (f->name, f->nick, f->blurb, f->enum_type (),
          *(const gint *) value, LIVE);
    case G_TYPE_BOOLEAN:
      return g_param_spec_boolean (f->name, f->nick, f->blurb,
          *(const gboolean *) value, LIVE);
    case G_TYPE_DOUBLE:
      return g_param_spec_double (f->name, f->nick, f->blurb, f->minimum,
          f->maximum, *(const gdouble *) value, LIVE);
    default:
      return g_param_spec_uint (f->name, f->nick, f->blurb, (guint) f->minimum,
          (guint) f->maximum, *(const guint *) value, LIVE);
  }
}

void
gst_delta_cnn_fields_install (GObjectClass * klass,
    const GstDeltaCnnField * fields, guint n, gconstpointer defaults)
{
  for (guint i = 0; i < n; i++)
    g_object_class_install_property (klass, i + 1, make_spec (&fields[i],
            (const guint8 *) defaults + fields[i].offset));
}

void
gst_delta_cnn_field_set (gpointer field, const GValue * value)
{
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value))) {
    case G_TYPE_STRING:
      g_free (*(gchar **) field);
      *(gchar **) field = g_value_dup_string (value);
      break;
    case G_TYPE_BOOLEAN:
      *(gboolean *) field = g_value_get_boolean (value);
      break;
    case G_TYPE_INT:
      *(gint *) field = g_value_get_int (value);
      break;
    case G_TYPE_UINT:
      *(guint *) field = g_value_get_uint (value);
      break;
    case G_TYPE_ENUM:
      *(gint *) field = g_value_get_enum (value);
      break;
    case G_TYPE_FLAGS:
      *(guint *) field = g_value_get_flags (value);
      break;
    case G_TYPE_FLOAT:
      *(gfloat *) field = g_value_get_float (value);
      break;
    default:
      *(gdouble *) field = g_value_get_double (value);
  }
}

void
gst_delta_cnn_field_get (gconstpointer field, GValue * value)
{
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value))) {
    case G_TYPE_STRING:
      g_value_set_string (value, *(gchar * const *) field);
      break;
    case G_TYPE_BOOLEAN:
      g_value_set_boolean (value, *(const gboolean *) field);
      break;
    case G_TYPE_INT:
      g_value_set_int (value, *(const gint *) field);
      break;
    case G_TYPE_UINT:
      g_value_set_uint (value, *(const guint *) field);
      break;
    case G_TYPE_ENUM:
      g_value_set_enum (value, *(const gint *) field);
      break;
    case G_TYPE_FLAGS:
      g_value_set_flags (value, *(const guint *) field);
      break;
    case G_TYPE_FLOAT:
      g_value_set_float (value, *(const gfloat *) field);
      break;
    default:
      g_value_set_double (value, *(const gdouble *) field);
  }
}
