/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlayprops.c - the properties of deltaoverlay; all may change
 * while PLAYING and apply from the next frame on.
 */
#include "gstdeltaoverlay.h"

#include <stddef.h>

#define LIVE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE)

#define FIELD(name) offsetof (GstDeltaOverlayStyle, name)

/* Each is a field of the style: boolean, double, enum or uint (a colour). */
typedef struct
{
  const gchar *name, *nick, *blurb;
  GType type;
  gsize offset;
  gdouble maximum;
} StyleProperty;

static const StyleProperty properties[] = {
  {"masks", "Masks", "Draw segmentation masks, coloured by class",
      G_TYPE_BOOLEAN, FIELD (masks), 0},
  {"skeletons", "Skeletons", "Draw key points and what joins them",
      G_TYPE_BOOLEAN, FIELD (skeletons), 0},
  {"boxes", "Boxes", "Draw boxes, coloured by class", G_TYPE_BOOLEAN,
      FIELD (boxes), 0},
  {"classes", "Classes", "Write what the frame as a whole shows at the bottom "
        "left: the five best classes, numbers, text", G_TYPE_BOOLEAN, FIELD (classes), 0},
  {"labels", "Labels", "Write the class's name", G_TYPE_BOOLEAN,
      FIELD (labels), 0},
  {"scores", "Scores", "Write the score behind it", G_TYPE_BOOLEAN,
      FIELD (scores), 0},
  {"updates", "Updates", "Hatch what was recomputed",
      G_TYPE_BOOLEAN, FIELD (updates), 0},
  {"motion", "Motion", "Show how the camera moved: the points that framealign "
        "followed (its tracks=true), deltacnn's view window, the state",
      G_TYPE_BOOLEAN, FIELD (motion), 0},
  {"stats", "Statistics", "Show how much of the work this frame took, how much "
        "changed and its time; bars: the work of the last 96", G_TYPE_BOOLEAN, FIELD (stats), 0},
  {"background-class", "Background class", "Colour class 0 of masks of many "
        "classes too", G_TYPE_BOOLEAN, FIELD (background_class), 0},
  {"mask-alpha", "Mask alpha", "Opacity of masks", G_TYPE_DOUBLE,
      FIELD (mask_alpha), 1},
  {"update-alpha", "Update alpha", "Opacity of the update map", G_TYPE_DOUBLE,
      FIELD (update_alpha), 1},
  {"line-width", "Line width", "Width of lines in pixels (0 = by the frame's "
        "size)", G_TYPE_DOUBLE, FIELD (line_width), 100},
  {"font-size", "Font size", "Height of text in pixels (0 = by the frame's "
        "size)", G_TYPE_DOUBLE, FIELD (font_size), 500},
  {"keypoint-threshold", "Key point threshold", "Key points with a lower score "
        "are not drawn", G_TYPE_DOUBLE, FIELD (keypoint_threshold), 1},
  {"update-color", "Update colour", "Colour of the update map, 0xRRGGBB",
      G_TYPE_UINT, FIELD (update_color), 0xffffff},
  {"background", "Background", "What is done with what no mask covers",
      G_TYPE_ENUM, FIELD (background), 0},
  {"background-color", "Background colour", "Of background=colour, 0xRRGGBB",
      G_TYPE_UINT, FIELD (background_color), 0xffffff},
  {"background-blur", "Background blur", "Sigma of background=blur in pixels "
        "(0 = by the frame's size)", G_TYPE_DOUBLE, FIELD (background_blur),
      500},
};

/* The one that is no plain data. */
#define PROP_PICTURE (G_N_ELEMENTS (properties) + 1)

static void
gst_delta_overlay_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstDeltaOverlay *self = (GstDeltaOverlay *) object;
  const StyleProperty *property = &properties[MIN (id, PROP_PICTURE - 1) - 1];
  guint8 *field = (guint8 *) & self->style + property->offset;

  GST_OBJECT_LOCK (self);
  if (id == PROP_PICTURE) {
    g_free (self->picture);
    self->picture = g_value_dup_string (value);
  } else if (property->type == G_TYPE_ENUM)
    *(gint *) (void *) field = g_value_get_enum (value);
  else if (property->type == G_TYPE_BOOLEAN)
    *(gboolean *) (void *) field = g_value_get_boolean (value);
  else if (property->type == G_TYPE_DOUBLE)
    *(gdouble *) (void *) field = g_value_get_double (value);
  else
    *(guint *) (void *) field = g_value_get_uint (value);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_delta_overlay_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstDeltaOverlay *self = (GstDeltaOverlay *) object;
  const StyleProperty *property = &properties[MIN (id, PROP_PICTURE - 1) - 1];
  const guint8 *field = (guint8 *) & self->style + property->offset;

  GST_OBJECT_LOCK (self);
  if (id == PROP_PICTURE)
    g_value_set_string (value, self->picture);
  else if (property->type == G_TYPE_ENUM)
    g_value_set_enum (value, *(const gint *) (const void *) field);
  else if (property->type == G_TYPE_BOOLEAN)
    g_value_set_boolean (value, *(const gboolean *) (const void *) field);
  else if (property->type == G_TYPE_DOUBLE)
    g_value_set_double (value, *(const gdouble *) (const void *) field);
  else
    g_value_set_uint (value, *(const guint *) (const void *) field);
  GST_OBJECT_UNLOCK (self);
}

void
gst_delta_overlay_install_properties (GObjectClass * klass)
{
  GstDeltaOverlayStyle defaults;

  gst_delta_overlay_style_init (&defaults);
  klass->set_property = gst_delta_overlay_set_property;
  klass->get_property = gst_delta_overlay_get_property;
  for (guint i = 0; i < G_N_ELEMENTS (properties); i++) {
    const StyleProperty *p = &properties[i];
    const void *field = (const guint8 *) &defaults + p->offset;
    GParamSpec *spec;

    if (p->type == G_TYPE_ENUM)
      spec = g_param_spec_enum (p->name, p->nick, p->blurb,
          gst_delta_overlay_background_get_type (),
          *(const gint *) field, LIVE);
    else if (p->type == G_TYPE_BOOLEAN)
      spec = g_param_spec_boolean (p->name, p->nick, p->blurb,
          *(const gboolean *) field, LIVE);
    else if (p->type == G_TYPE_DOUBLE)
      spec = g_param_spec_double (p->name, p->nick, p->blurb, 0, p->maximum,
          *(const gdouble *) field, LIVE);
    else
      spec = g_param_spec_uint (p->name, p->nick, p->blurb, 0, p->maximum,
          *(const guint *) field, LIVE);
    g_object_class_install_property (klass, i + 1, spec);
  }
  g_object_class_install_property (klass, PROP_PICTURE,
      g_param_spec_string ("background-picture", "Background picture",
          "PNG file of background=picture, scaled to cover the frame", NULL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
          | GST_PARAM_MUTABLE_PLAYING));
}
