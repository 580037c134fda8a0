/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlayprops.c - the properties of deltaoverlay; all may change
 * while PLAYING and apply from the next frame on.
 */
#include "gstdeltaoverlay.h"
#include "gstdeltacnnfield.h"

#include <stddef.h>

#define FIELD(name) offsetof (GstDeltaOverlayStyle, name)

/* Each is a field of the style. */
static const GstDeltaCnnField properties[] = {
  {"masks", "Masks", "Draw segmentation masks, coloured by class",
      G_TYPE_BOOLEAN, FIELD (masks), 0, 0, NULL},
  {"skeletons", "Skeletons", "Draw key points and what joins them",
      G_TYPE_BOOLEAN, FIELD (skeletons), 0, 0, NULL},
  {"boxes", "Boxes", "Draw boxes, coloured by class", G_TYPE_BOOLEAN,
      FIELD (boxes), 0, 0, NULL},
  {"classes", "Classes", "Write what the frame as a whole shows at the bottom "
        "left: the five best classes, numbers, text", G_TYPE_BOOLEAN, FIELD (classes), 0, 0, NULL},
  {"labels", "Labels", "Write the class's name", G_TYPE_BOOLEAN,
      FIELD (labels), 0, 0, NULL},
  {"scores", "Scores", "Write the score behind the class's name", G_TYPE_BOOLEAN,
      FIELD (scores), 0, 0, NULL},
  {"updates", "Updates", "Hatch what was recomputed in this frame",
      G_TYPE_BOOLEAN, FIELD (updates), 0, 0, NULL},
  {"motion", "Motion", "Show how the camera moved: the points that framealign "
        "followed (its tracks=true), deltacnn's view window, the state",
      G_TYPE_BOOLEAN, FIELD (motion), 0, 0, NULL},
  {"stats", "Statistics", "Show how much of the work this frame took, how much "
        "changed and its time; bars: the work of the last 96", G_TYPE_BOOLEAN, FIELD (stats), 0, 0, NULL},
  {"background-class", "Background class", "Colour class 0 of masks of many "
        "classes too", G_TYPE_BOOLEAN, FIELD (background_class), 0, 0, NULL},
  {"mask-alpha", "Mask alpha", "Opacity of masks", G_TYPE_DOUBLE,
      FIELD (mask_alpha), 0, 1, NULL},
  {"update-alpha", "Update alpha", "Opacity of the update map", G_TYPE_DOUBLE,
      FIELD (update_alpha), 0, 1, NULL},
  {"line-width", "Line width", "Width of lines in pixels (0 = by the frame's "
        "size)", G_TYPE_DOUBLE, FIELD (line_width), 0, 100, NULL},
  {"font-size", "Font size", "Height of text in pixels (0 = by the frame's "
        "size)", G_TYPE_DOUBLE, FIELD (font_size), 0, 500, NULL},
  {"keypoint-threshold", "Key point threshold", "Key points with a lower score "
        "are not drawn", G_TYPE_DOUBLE, FIELD (keypoint_threshold), 0, 1, NULL},
  {"update-color", "Update colour", "Colour of the update map, 0xRRGGBB",
      G_TYPE_UINT, FIELD (update_color), 0, 0xffffff, NULL},
  {"background", "Background", "What is done with what no mask covers",
      G_TYPE_ENUM, FIELD (background), 0, 0,
      gst_delta_overlay_background_get_type},
  {"background-color", "Background colour", "Of background=colour, 0xRRGGBB",
      G_TYPE_UINT, FIELD (background_color), 0, 0xffffff, NULL},
  {"background-blur", "Background blur", "Sigma of background=blur in pixels "
        "(0 = by the frame's size)", G_TYPE_DOUBLE, FIELD (background_blur), 0, 500, NULL},
};

/* The one that is not of the style. */
#define PROP_PICTURE (G_N_ELEMENTS (properties) + 1)

static gpointer
field_of (GstDeltaOverlay * self, guint id)
{
  return id == PROP_PICTURE ? (gpointer) & self->picture
      : (guint8 *) & self->style + properties[id - 1].offset;
}

static void
gst_delta_overlay_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstDeltaOverlay *self = (GstDeltaOverlay *) object;

  GST_OBJECT_LOCK (self);
  gst_delta_cnn_field_set (field_of (self, id), value);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_delta_overlay_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstDeltaOverlay *self = (GstDeltaOverlay *) object;

  GST_OBJECT_LOCK (self);
  gst_delta_cnn_field_get (field_of (self, id), value);
  GST_OBJECT_UNLOCK (self);
}

void
gst_delta_overlay_install_properties (GObjectClass * klass)
{
  GstDeltaOverlayStyle defaults;

  gst_delta_overlay_style_init (&defaults);
  klass->set_property = gst_delta_overlay_set_property;
  klass->get_property = gst_delta_overlay_get_property;
  gst_delta_cnn_fields_install (klass, properties, G_N_ELEMENTS (properties),
      &defaults);
  g_object_class_install_property (klass, PROP_PICTURE,
      g_param_spec_string ("background-picture", "Background picture",
          "PNG file of background=picture, scaled to cover the frame", NULL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
          | GST_PARAM_MUTABLE_PLAYING));
}
