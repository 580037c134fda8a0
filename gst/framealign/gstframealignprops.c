/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstframealignprops.c - the properties of framealign. All may change while
 * PLAYING and apply from the next frame on; the reference is kept.
 */
#include "gstframealign.h"
#include "gstdeltacnnfield.h"

#include <stddef.h>

#define FIELD(name) offsetof (GstFrameAlignSettings, name)

static GType
method_get_type (void)
{
  static const GEnumValue values[] = {
    {DCNN_ALIGN_HOMOGRAPHY, "A camera that turns, and planes in perspective",
        "homography"},
    {DCNN_ALIGN_AFFINE, "Shift, roll, zoom and shear", "affine"},
    {DCNN_ALIGN_SIMILARITY, "Shift, roll and zoom", "similarity"},
    {DCNN_ALIGN_TRANSLATION, "Shift alone", "translation"},
    {0, NULL, NULL}
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        (gsize) g_enum_register_static ("GstFrameAlignMethod", values));
  return (GType) type;
}

static GType
reference_get_type (void)
{
  static const GEnumValue values[] = {
    {GST_FRAME_ALIGN_REFERENCE_AUTO, "A new one past the limits, and when the "
          "view has been lost for long", "auto"},
    {GST_FRAME_ALIGN_REFERENCE_FIXED, "The first one, for cameras that come "
          "back to it", "fixed"},
    {0, NULL, NULL}
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        (gsize) g_enum_register_static ("GstFrameAlignReference", values));
  return (GType) type;
}

/* Each is a field of the settings. */
static const GstDeltaCnnField properties[] = {
  {"enabled", "Enabled", "Estimate motion; when not, buffers pass as they are",
      G_TYPE_BOOLEAN, FIELD (enabled), 0, 1, NULL},
  {"method", "Method", "What the camera is taken to do; less is steadier where "
        "it is true", G_TYPE_ENUM, FIELD (method), 0, 0, method_get_type},
  {"reference", "Reference", "When a frame becomes the new reference", G_TYPE_ENUM,
      FIELD (reference), 0, 0, reference_get_type},
  {"points", "Points", "Corners that are followed", G_TYPE_UINT,
      FIELD (points), 32, 512, NULL},
  {"patience", "Patience", "Frames in a row that may be lost before one becomes "
        "the new reference", G_TYPE_UINT, FIELD (patience), 0, 10000, NULL},
  {"min-inliers", "Least inliers", "Share of the followed points that must move "
        "as one, or the frame is lost", G_TYPE_DOUBLE, FIELD (min_inliers), 0.1,
      1, NULL},
  {"max-zoom", "Most zoom", "A view that is larger or smaller than the "
        "reference by more than this factor becomes the new one",
      G_TYPE_DOUBLE, FIELD (max_zoom), 1, 10, NULL},
  {"max-roll", "Most roll", "A view that is turned about its middle by more "
        "degrees than this becomes the new reference", G_TYPE_DOUBLE,
      FIELD (max_roll), 0, 180, NULL},
  {"max-stretch", "Most stretch", "A view of which one corner is drawn larger "
        "than another by more than this factor becomes the new reference",
      G_TYPE_DOUBLE, FIELD (max_stretch), 1, 10, NULL},
  {"dead-zone", "Dead zone", "The matrix stays while no corner of the picture "
        "has moved by more pixels than this", G_TYPE_DOUBLE,
      FIELD (dead_zone), 0, 100, NULL},
  {"smoothing", "Smoothing", "Small moves are followed slowly, the result "
        "lagging by at most so many pixels (0 = every move at once)",
      G_TYPE_DOUBLE, FIELD (smoothing), 0, 100, NULL},
  {"tracks", "Tracks", "Attach the points that were followed, for deltaoverlay "
        "motion=true", G_TYPE_BOOLEAN, FIELD (tracks), 0, 1, NULL},
};

#define PROP_STATS (G_N_ELEMENTS (properties) + 1)

void
gst_frame_align_settings_init (GstFrameAlignSettings * settings)
{
  *settings = (GstFrameAlignSettings) {
    .enabled = TRUE,.method = DCNN_ALIGN_HOMOGRAPHY,
    .reference = GST_FRAME_ALIGN_REFERENCE_AUTO,.points = 160,.patience = 3,
    .min_inliers = 0.4,.max_zoom = 1.2,.max_roll = 8.5,.max_stretch = 1.5,
    .dead_zone = 0.1,
  };
}

void
gst_frame_align_settings_to_options (const GstFrameAlignSettings * settings,
    DcnnStabilizerOptions * options)
{
  dcnn_stabilizer_options_init (options);
  options->method = (DcnnAlignMethod) settings->method;
  options->hold = settings->reference == GST_FRAME_ALIGN_REFERENCE_FIXED;
  options->points = settings->points;
  options->patience = settings->patience;
  options->min_inliers = settings->min_inliers;
  options->max_zoom = settings->max_zoom;
  options->max_roll = settings->max_roll * G_PI / 180;
  options->max_stretch = settings->max_stretch;
  options->dead_zone_px = settings->dead_zone;
  options->smoothing_px = settings->smoothing;
}

static gdouble
mean (gdouble sum, guint64 n)
{
  return n ? sum / (gdouble) n : 0;
}

static GstStructure *
totals_to_structure (const GstFrameAlignTotals * t)
{
  const guint64 looked_at = t->aligned + t->reanchored + t->lost;

  return gst_structure_new ("framealign-stats",
      "frames", G_TYPE_UINT64, t->frames,
      "aligned", G_TYPE_UINT64, t->aligned,
      "reanchored", G_TYPE_UINT64, t->reanchored,
      "lost", G_TYPE_UINT64, t->lost,
      "repeated", G_TYPE_UINT64, t->repeated,
      "damaged", G_TYPE_UINT64, t->damaged,
      "given", G_TYPE_UINT64, t->given,
      "passed", G_TYPE_UINT64, t->passed,
      "keys", G_TYPE_UINT64, t->keys,
      "returns", G_TYPE_UINT64, t->returns,
      "mean-inliers", G_TYPE_DOUBLE, mean (t->inliers, t->aligned),
      "mean-error", G_TYPE_DOUBLE, mean (t->error, t->aligned),
      "mean-ms", G_TYPE_DOUBLE, mean ((gdouble) t->time / GST_MSECOND,
          looked_at),
      "max-ms", G_TYPE_DOUBLE, (gdouble) t->max_time / GST_MSECOND, NULL);
}

static void
gst_frame_align_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * pspec)
{
  GstFrameAlign *self = (GstFrameAlign *) object;

  GST_OBJECT_LOCK (self);
  gst_delta_cnn_field_set ((guint8 *) & self->settings
      + properties[id - 1].offset, value);
  self->settings_changed = TRUE;
  GST_OBJECT_UNLOCK (self);
}

static void
gst_frame_align_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstFrameAlign *self = (GstFrameAlign *) object;
  GstFrameAlignTotals totals;

  GST_OBJECT_LOCK (self);
  totals = self->totals;
  if (id != PROP_STATS)
    gst_delta_cnn_field_get ((guint8 *) & self->settings
        + properties[id - 1].offset, value);
  GST_OBJECT_UNLOCK (self);
  if (id == PROP_STATS)
    g_value_take_boxed (value, totals_to_structure (&totals));
}

void
gst_frame_align_install_properties (GObjectClass * klass)
{
  GstFrameAlignSettings defaults;

  gst_frame_align_settings_init (&defaults);
  klass->set_property = gst_frame_align_set_property;
  klass->get_property = gst_frame_align_get_property;
  gst_delta_cnn_fields_install (klass, properties, G_N_ELEMENTS (properties),
      &defaults);
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Counts of frames aligned, re-anchored and lost, and times, since "
          "start", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  gst_type_mark_as_plugin_api (method_get_type (), 0);
  gst_type_mark_as_plugin_api (reference_get_type (), 0);
}
