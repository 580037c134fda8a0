/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaimage.c - see gstdeltaimage.h.
 */
/**
 * SECTION:element-deltaimage
 * @title: deltaimage
 * @see_also: deltacnn
 *
 * Shows the picture that a network made of a frame (decoder=picture): a larger,
 * brighter or cleaner one. It takes the frame's place, is blended with it, or,
 * with own-size, leaves at the picture's own size. A picture of one channel
 * is a luma: the frame gives the colours. Frames without a picture pass. Of
 * several pictures (deltacnn windows) each is shown on its own part of the
 * frame, which keeps its size: parts have a scale each.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=night.mp4 ! decodebin ! videoconvert !
 *     deltacnn model=lowlight.onnx ! videoconvert ! deltaimage ! videoconvert !
 *     autovideosink
 * ]|
 *
 * Since: 0.1
 */
#include "gstdeltaimage.h"

#include <math.h>
#include <string.h>

#include "gstdeltacnnerror.h"
#include "gstdeltacnnframe.h"
#include "gstdeltacnnpicturemeta.h"

#define MAX_SIZE 16384
#define CAPS GST_VIDEO_CAPS_MAKE ("RGB")

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

enum
{
  PROP_0,
  PROP_ALPHA,
  PROP_OWN_SIZE
};

struct _GstDeltaImage
{
  GstElement parent;

  GstPad *sink, *src;
  gdouble alpha;                /* object lock */
  gboolean own_size;            /* object lock */
  GstVideoInfo in, out;         /* streaming thread */
  gboolean negotiated;
};

GST_ELEMENT_REGISTER_DECLARE (deltaimage);
G_DEFINE_TYPE (GstDeltaImage, gst_delta_image, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (deltaimage, "deltaimage", GST_RANK_NONE,
    GST_TYPE_DELTA_IMAGE);

/* Eight-bit pixels of 1 or 3 channels. */
typedef struct
{
  const guint8 *data;
  gint width, height, channels, stride;
} Pixels;

/* Between the four pixels around a place, pixel centres at whole numbers. */
static gfloat
sample (const Pixels * p, gfloat x, gfloat y, gint channel)
{
  const gfloat cx = CLAMP (x, 0, p->width - 1);
  const gfloat cy = CLAMP (y, 0, p->height - 1);
  const gint x0 = (gint) cx, y0 = (gint) cy;
  const gint x1 = MIN (x0 + 1, p->width - 1), y1 = MIN (y0 + 1, p->height - 1);
  const gfloat fx = cx - x0, fy = cy - y0;
  const guint8 *a = p->data + (gsize) y0 * p->stride + channel;
  const guint8 *b = p->data + (gsize) y1 * p->stride + channel;

  return (a[x0 * p->channels] * (1 - fx) + a[x1 * p->channels] * fx) * (1 - fy)
      + (b[x0 * p->channels] * (1 - fx) + b[x1 * p->channels] * fx) * fy;
}

/* One pixel out of the frame's and the picture's. */
static void
mix (const Pixels * picture, gfloat x, gfloat y, gfloat alpha, guint8 * to)
{
  const gfloat frame[3] = { to[0], to[1], to[2] };
  gfloat change = 0;

  if (picture->channels == 1)
    change = sample (picture, x, y, 0) - (0.299f * frame[0]
        + 0.587f * frame[1] + 0.114f * frame[2]);
  for (gint c = 0; c < 3; c++) {
    const gfloat made = picture->channels == 1 ? frame[c] + change
        : sample (picture, x, y, c);
    const gfloat value = frame[c] + alpha * (made - frame[c]);
    to[c] = (guint8) CLAMP (value + 0.5f, 0, 255);
  }
}

/* The frame at the size of what leaves. */
static void
draw_frame (const GstVideoFrame * in, GstVideoFrame * out)
{
  const Pixels frame = { GST_VIDEO_FRAME_PLANE_DATA (in, 0),
    GST_VIDEO_FRAME_WIDTH (in), GST_VIDEO_FRAME_HEIGHT (in), 3,
    GST_VIDEO_FRAME_PLANE_STRIDE (in, 0)
  };
  const gint width = GST_VIDEO_FRAME_WIDTH (out);
  const gint height = GST_VIDEO_FRAME_HEIGHT (out);
  guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (out, 0);

  for (gint y = 0; y < height; y++) {
    guint8 *to = data + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (out, 0);
    const gfloat fy = (y + 0.5f) * frame.height / height - 0.5f;

    if (width == frame.width && height == frame.height) {
      memcpy (to, frame.data + (gsize) y * frame.stride, 3 * (gsize) width);
      continue;
    }
    for (gint x = 0; x < width; x++, to += 3)
      for (gint c = 0; c < 3; c++)
        to[c] = (guint8) (sample (&frame, (x + 0.5f) * frame.width / width
                - 0.5f, fy, c) + 0.5f);
  }
}

/* A picture over what is there. */
static void
draw_picture (const GstDeltaImage * self, const GstDeltaCnnPictureMeta * meta,
    gfloat alpha, GstVideoFrame * out)
{
  const Pixels picture = { g_bytes_get_data (meta->data, NULL),
    (gint) meta->width, (gint) meta->height, (gint) meta->channels,
    (gint) (meta->width * meta->channels)
  };
  const gint width = GST_VIDEO_FRAME_WIDTH (out);
  const gint height = GST_VIDEO_FRAME_HEIGHT (out);
  const gfloat scale_x = (gfloat) GST_VIDEO_INFO_WIDTH (&self->in) / width;
  const gfloat scale_y = (gfloat) GST_VIDEO_INFO_HEIGHT (&self->in) / height;
  /* pixels whose middle lies in the picture */
  const gint x0 = (gint) CLAMP (ceilf (meta->x / scale_x - 0.5f), 0, width);
  const gint y0 = (gint) CLAMP (ceilf (meta->y / scale_y - 0.5f), 0, height);
  const gint x1 = (gint) CLAMP (floorf ((meta->x + meta->w) / scale_x + 0.5f),
      0, width);
  const gint y1 = (gint) CLAMP (floorf ((meta->y + meta->h) / scale_y + 0.5f),
      0, height);

  for (gint y = y0; y < y1; y++) {
    guint8 *to = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (out, 0)
        + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (out, 0) + 3 * (gsize) x0;
    const gfloat py = ((y + 0.5f) * scale_y - meta->y) / meta->h * meta->height;

    for (gint x = x0; x < x1; x++, to += 3)
      mix (&picture, ((x + 0.5f) * scale_x - meta->x) / meta->w * meta->width
          - 0.5f, py - 0.5f, alpha, to);
  }
}

static gboolean
is_drawable (const GstDeltaCnnPictureMeta * meta)
{
  return meta->data && meta->w > 0 && meta->h > 0 && isfinite (meta->x)
      && isfinite (meta->y);
}

/* The first that can be shown; NULL: there is none. */
static const GstDeltaCnnPictureMeta *
first_picture (GstBuffer * buffer, guint * n)
{
  const GstDeltaCnnPictureMeta *first = NULL;
  gpointer state = NULL;
  GstMeta *meta;

  *n = 0;
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_DELTA_CNN_PICTURE_META_API_TYPE))) {
    if (!is_drawable ((GstDeltaCnnPictureMeta *) meta))
      continue;
    first = first ? first : (GstDeltaCnnPictureMeta *) meta;
    ++*n;
  }
  return first;
}

/* Does it show all of the frame? One of a window may not. */
static gboolean
covers_frame (const GstDeltaImage * self, const GstDeltaCnnPictureMeta * meta)
{
  return meta->x < 1 && meta->y < 1
      && meta->x + meta->w > GST_VIDEO_INFO_WIDTH (&self->in) - 1
      && meta->y + meta->h > GST_VIDEO_INFO_HEIGHT (&self->in) - 1;
}

/* The frame's size, or that at which the picture's pixels are the frame's. */
static void
choose_size (GstDeltaImage * self, const GstDeltaCnnPictureMeta * meta,
    gboolean own_size, gint * width, gint * height)
{
  *width = GST_VIDEO_INFO_WIDTH (&self->in);
  *height = GST_VIDEO_INFO_HEIGHT (&self->in);
  if (!own_size || !meta || !covers_frame (self, meta))
    return;
  *width = CLAMP (lroundf (meta->width / meta->w * *width), 1, MAX_SIZE);
  *height = CLAMP (lroundf (meta->height / meta->h * *height), 1, MAX_SIZE);
}

static gboolean
set_size (GstDeltaImage * self, gint width, gint height)
{
  g_autoptr (GstCaps) now = gst_pad_get_current_caps (self->sink);
  g_autoptr (GstCaps) caps = NULL;

  if (self->negotiated && width == GST_VIDEO_INFO_WIDTH (&self->out)
      && height == GST_VIDEO_INFO_HEIGHT (&self->out))
    return TRUE;
  if (!now)
    return FALSE;
  caps = gst_caps_copy (now);
  gst_caps_set_simple (caps, "width", G_TYPE_INT, width, "height", G_TYPE_INT,
      height, NULL);
  self->negotiated = gst_video_info_from_caps (&self->out, caps)
      && gst_pad_push_event (self->src, gst_event_new_caps (caps));
  return self->negotiated;
}

/* A frame's buffer, and what leaves in its place. */
typedef struct
{
  GstVideoMetaTransform sizes;
  GstBuffer *made;
} Change;

static gboolean
has_tag (const GstMetaInfo * info, const gchar * tag)
{
  return gst_meta_api_type_has_tag (info->api, g_quark_from_string (tag));
}

/* What else is known of the frame holds for what leaves, too, at its size; but
 * for how the frame lay in memory, and the pictures, which have been shown. */
static gboolean
keep_meta (GstBuffer * buffer, GstMeta ** meta, gpointer data)
{
  Change *change = data;
  GstMetaTransformCopy copy = { FALSE, 0, -1 };
  const GstMetaInfo *info = (*meta)->info;

  if (!info->transform_func || info->api == GST_VIDEO_CROP_META_API_TYPE
      || info->api == GST_DELTA_CNN_PICTURE_META_API_TYPE
      || info->api == GST_PARENT_BUFFER_META_API_TYPE
      || has_tag (info, GST_META_TAG_MEMORY_STR))
    return TRUE;
  if (has_tag (info, GST_META_TAG_VIDEO_SIZE_STR))
    info->transform_func (change->made, *meta, buffer,
        gst_video_meta_transform_scale_get_quark (), &change->sizes);
  else
    info->transform_func (change->made, *meta, buffer,
        _gst_meta_transform_copy, &copy);
  return TRUE;
}

/* A new buffer with the pictures, and the frame's times and metas. */
static GstBuffer *
make_buffer (GstDeltaImage * self, GstBuffer * buffer, gfloat alpha,
    GError ** error)
{
  gpointer state = NULL;
  GstMeta *meta;
  GstBuffer *made = gst_buffer_new_allocate (NULL,
      GST_VIDEO_INFO_SIZE (&self->out), NULL);
  GstVideoFrame in, out;

  if (!made || !gst_video_frame_map (&out, &self->out, made, GST_MAP_WRITE)) {
    g_clear_pointer (&made, gst_buffer_unref);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
        "no memory for a picture of %dx%d; scale the video down",
        GST_VIDEO_INFO_WIDTH (&self->out), GST_VIDEO_INFO_HEIGHT (&self->out));
    return NULL;
  }
  if (!gst_delta_cnn_frame_map (&in, &self->in, buffer, GST_MAP_READ, error)) {
    gst_video_frame_unmap (&out);
    gst_buffer_unref (made);
    return NULL;
  }
  draw_frame (&in, &out);
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_DELTA_CNN_PICTURE_META_API_TYPE)))
    if (is_drawable ((GstDeltaCnnPictureMeta *) meta))
      draw_picture (self, (GstDeltaCnnPictureMeta *) meta, alpha, &out);
  gst_delta_cnn_frame_unmap (&in);
  gst_video_frame_unmap (&out);
  gst_buffer_copy_into (made, buffer, GST_BUFFER_COPY_FLAGS
      | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  gst_buffer_foreach_meta (buffer, keep_meta, &(Change) {
      {&self->in, &self->out}, made});
  return made;
}

static GstFlowReturn
gst_delta_image_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  GstDeltaImage *self = GST_DELTA_IMAGE (parent);
  g_autoptr (GError) error = NULL;
  guint n;
  const GstDeltaCnnPictureMeta *meta = first_picture (buffer, &n);
  GstBuffer *made;
  gboolean own_size;
  gfloat alpha;
  gint width, height;

  GST_OBJECT_LOCK (self);
  alpha = self->alpha;
  own_size = self->own_size;
  GST_OBJECT_UNLOCK (self);
  /* with own-size a frame without a picture is scaled by nobody: it passes at
   * its own size */
  choose_size (self, meta, own_size && n == 1, &width, &height);
  if (!set_size (self, width, height)) {
    gst_buffer_unref (buffer);
    return GST_PAD_IS_FLUSHING (self->src) ? GST_FLOW_FLUSHING
        : GST_FLOW_NOT_NEGOTIATED;
  }
  if (!meta)
    return gst_pad_push (self->src, buffer);
  made = make_buffer (self, buffer, alpha, &error);
  gst_buffer_unref (buffer);
  if (made)
    return gst_pad_push (self->src, made);
  gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_ERROR, error,
      "showing a picture");
  return GST_FLOW_ERROR;
}

static gboolean
gst_delta_image_sink_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstDeltaImage *self = GST_DELTA_IMAGE (parent);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    if (!gst_video_info_from_caps (&self->in, caps)) {
      gst_event_unref (event);
      return FALSE;
    }
    self->out = self->in;
    self->negotiated = gst_pad_push_event (self->src, event);
    return self->negotiated;
  }
  return gst_pad_event_default (pad, parent, event);
}

/* Takes caps. */
static GstCaps *
of_any_size (GstCaps * caps)
{
  caps = gst_caps_make_writable (caps);
  for (guint i = 0; i < gst_caps_get_size (caps); i++)
    gst_structure_remove_fields (gst_caps_get_structure (caps, i), "width",
        "height", NULL);
  return caps;
}

/* What the pad can have: what the other side can, but for the size where that
 * is the picture's. filter: NULL: none. New. */
static GstCaps *
find_caps (GstDeltaImage * self, GstPad * pad, GstCaps * filter)
{
  g_autoptr (GstCaps) ours = gst_pad_get_pad_template_caps (pad);
  g_autoptr (GstCaps) asked = filter ? gst_caps_intersect_full (filter, ours,
      GST_CAPS_INTERSECT_FIRST) : gst_caps_ref (ours);
  g_autoptr (GstCaps) theirs = NULL;
  gboolean own_size;

  GST_OBJECT_LOCK (self);
  own_size = self->own_size;
  GST_OBJECT_UNLOCK (self);
  if (!own_size)
    return gst_pad_peer_query_caps (pad == self->sink ? self->src : self->sink,
        asked);
  ours = of_any_size (g_steal_pointer (&ours));
  theirs = of_any_size (gst_pad_peer_query_caps (pad == self->sink ? self->src
          : self->sink, ours));
  return gst_caps_intersect_full (asked, theirs, GST_CAPS_INTERSECT_FIRST);
}

/* Buffers are made here, but for frames without a picture: their rows are as
 * downstream reads them. */
static gboolean
answer_allocation (GstDeltaImage * self, GstQuery * query)
{
  g_autoptr (GstQuery) behind = NULL;
  GstCaps *caps;

  gst_query_parse_allocation (query, &caps, NULL);
  behind = gst_query_new_allocation (caps, FALSE);
  if (gst_pad_peer_query (self->src, behind)
      && gst_query_find_allocation_meta (behind, GST_VIDEO_META_API_TYPE, NULL))
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return TRUE;
}

static gboolean
gst_delta_image_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_CAPS) {
    g_autoptr (GstCaps) caps = NULL;
    GstCaps *filter;

    gst_query_parse_caps (query, &filter);
    caps = find_caps (GST_DELTA_IMAGE (parent), pad, filter);
    gst_query_set_caps_result (query, caps);
    return TRUE;
  }
  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION)
    return answer_allocation (GST_DELTA_IMAGE (parent), query);
  return gst_pad_query_default (pad, parent, query);
}

static void
gst_delta_image_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstDeltaImage *self = GST_DELTA_IMAGE (object);

  GST_OBJECT_LOCK (self);
  if (id == PROP_ALPHA)
    self->alpha = g_value_get_double (value);
  else
    self->own_size = g_value_get_boolean (value);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_delta_image_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstDeltaImage *self = GST_DELTA_IMAGE (object);

  GST_OBJECT_LOCK (self);
  if (id == PROP_ALPHA)
    g_value_set_double (value, self->alpha);
  else
    g_value_set_boolean (value, self->own_size);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_delta_image_class_init (GstDeltaImageClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_delta_image_set_property;
  object_class->get_property = gst_delta_image_get_property;
  g_object_class_install_property (object_class, PROP_ALPHA,
      g_param_spec_double ("alpha", "Alpha", "Share of the picture in what "
          "leaves: 1 replaces the frame, less blends", 0, 1, 1,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
          | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (object_class, PROP_OWN_SIZE,
      g_param_spec_boolean ("own-size", "Own size", "Leave at the picture's "
          "size instead of the frame's, where one picture shows all of the "
          "frame", FALSE,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
          | GST_PARAM_MUTABLE_PLAYING));
  gst_element_class_set_static_metadata (element_class, "DeltaCNN image",
      "Filter/Effect/Video", "Shows the picture that a network made of a "
      "frame: in its place, blended with it, or at its own size",
      "The DeltaCNN plugin's authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_delta_image_init (GstDeltaImage * self)
{
  self->alpha = 1;
  self->sink = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sink, gst_delta_image_chain);
  gst_pad_set_event_function (self->sink, gst_delta_image_sink_event);
  gst_pad_set_query_function (self->sink, gst_delta_image_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sink);
  self->src = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_query_function (self->src, gst_delta_image_query);
  gst_element_add_pad (GST_ELEMENT (self), self->src);
}
