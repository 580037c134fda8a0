/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstframealignluma.c - see gstframealignluma.h.
 */
#include "gstframealignluma.h"

#include "gstdeltacnnframe.h"
#include "gstframealigncuda.h"

typedef enum
{
  READ_BYTES,                  /* where they lie */
  READ_WORDS,                  /* shifted into a picture of our own */
  READ_CONVERTED,
} ReadKind;

struct GstFrameAlignReader
{
  GstVideoInfo info, grey;     /* the caps'; GRAY8 of that size */
  ReadKind kind;
  guint component;             /* luma, or green */
  guint byte;                  /* of a sample, from its first */
  guint shift;                 /* of a word, to its top eight bits */
  gboolean big_endian;
  GstVideoFrame frame;         /* mapped */
  GstVideoConverter *converter;
  GstBuffer *copy;             /* GRAY8; NULL: not needed */
  guint8 *plane;               /* of a picture on a GPU; NULL: none yet */
  gboolean on_gpu;             /* the last one was: nothing is mapped */
};

/* Finds how the format's samples are read without help. */
static ReadKind
choose_kind (GstFrameAlignReader * reader)
{
  const GstVideoFormatInfo *f = reader->info.finfo;
  const guint c = GST_VIDEO_FORMAT_INFO_IS_RGB (f) ? 1 : 0;
  const guint depth = GST_VIDEO_FORMAT_INFO_DEPTH (f, c);
  const guint shift = GST_VIDEO_FORMAT_INFO_SHIFT (f, c);
  const gint step = GST_VIDEO_FORMAT_INFO_PSTRIDE (f, c);
  const gboolean big = !GST_VIDEO_FORMAT_INFO_IS_LE (f);

  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (f)
      || GST_VIDEO_FORMAT_INFO_IS_COMPLEX (f)
      || GST_VIDEO_FORMAT_INFO_IS_TILED (f) || step <= 0 || depth < 8
      || GST_VIDEO_FORMAT_INFO_W_SUB (f, c) != 0
      || GST_VIDEO_FORMAT_INFO_H_SUB (f, c) != 0)
    return READ_CONVERTED;
  reader->component = c;
  reader->big_endian = big;
  if (depth == 8 && shift == 0)
    return READ_BYTES;
  /* A plane of words. Where samples share words or take turns (Y410, Y412),
   * GstVideo's tables do not say where in them a sample lies. */
  if (depth + shift > 16 || step != 2)
    return READ_CONVERTED;
  reader->byte = big ? 0 : 1;
  reader->shift = depth + shift - 8;
  return depth + shift == 16 ? READ_BYTES : READ_WORDS;
}

static gboolean
make_copy (GstFrameAlignReader * reader)
{
  if (reader->kind == READ_CONVERTED) {
    reader->converter = gst_video_converter_new (&reader->info, &reader->grey,
        gst_structure_new ("options", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD,
            GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE, NULL));
    if (!reader->converter)
      return FALSE;
  }
  if (reader->kind != READ_BYTES)
    reader->copy = gst_buffer_new_allocate (NULL,
        GST_VIDEO_INFO_SIZE (&reader->grey), NULL);
  return reader->kind == READ_BYTES || reader->copy;
}

GstFrameAlignReader *
gst_frame_align_reader_new (const GstVideoInfo * info)
{
  GstFrameAlignReader *reader = g_new0 (GstFrameAlignReader, 1);

  reader->info = *info;
  gst_video_info_set_format (&reader->grey, GST_VIDEO_FORMAT_GRAY8,
      GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info));
  reader->grey.fps_n = info->fps_n;     /* the converter insists */
  reader->grey.fps_d = info->fps_d;
  reader->grey.interlace_mode = info->interlace_mode;
  reader->kind = choose_kind (reader);
  if (!make_copy (reader))
    g_clear_pointer (&reader, gst_frame_align_reader_free);
  return reader;
}

void
gst_frame_align_reader_free (GstFrameAlignReader * reader)
{
  if (!reader)
    return;
  g_clear_pointer (&reader->converter, gst_video_converter_free);
  gst_clear_buffer (&reader->copy);
  g_free (reader->plane);
  g_free (reader);
}

/* Takes the top eight bits of each word of the mapped frame. */
static void
copy_words (const GstFrameAlignReader * reader, GstVideoFrame * grey)
{
  const GstVideoFrame *frame = &reader->frame;
  const gint width = GST_VIDEO_FRAME_WIDTH (frame);

  for (gint y = 0; y < GST_VIDEO_FRAME_HEIGHT (frame); y++) {
    const guint8 *row = (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame,
        reader->component) +
        (gssize) y * GST_VIDEO_FRAME_COMP_STRIDE (frame, reader->component);
    guint8 *out = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (grey, 0)
        + (gssize) y * GST_VIDEO_FRAME_PLANE_STRIDE (grey, 0);

    for (gint x = 0; x < width; x++, row += 2)
      out[x] = (reader->big_endian ? GST_READ_UINT16_BE (row) :
          GST_READ_UINT16_LE (row)) >> reader->shift;
  }
}

/* The converter reads planes whole, as the caps lay them out; of another
 * layout only GstVideo knows what it may read, and it does not check. */
static gboolean
map_for_converter (GstFrameAlignReader * reader, GstBuffer * buffer,
    GError ** error)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  gboolean same = TRUE;

  for (guint i = 0; meta && i < GST_VIDEO_INFO_N_PLANES (&reader->info); i++)
    same &= i < meta->n_planes
        && meta->format == GST_VIDEO_INFO_FORMAT (&reader->info)
        && meta->width == (guint) GST_VIDEO_INFO_WIDTH (&reader->info)
        && meta->height == (guint) GST_VIDEO_INFO_HEIGHT (&reader->info)
        && meta->stride[i] == GST_VIDEO_INFO_PLANE_STRIDE (&reader->info, i)
        && meta->offset[i] == GST_VIDEO_INFO_PLANE_OFFSET (&reader->info, i);
  if (same && gst_buffer_get_size (buffer) >=
      GST_VIDEO_INFO_SIZE (&reader->info)
      && gst_video_frame_map (&reader->frame, &reader->info, buffer,
          GST_MAP_READ))
    return TRUE;
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A buffer of %" G_GSIZE_FORMAT " bytes does not hold %s %dx%d as its "
      "caps lay it out. Put videoconvert before framealign.",
      gst_buffer_get_size (buffer), GST_VIDEO_INFO_NAME (&reader->info),
      GST_VIDEO_INFO_WIDTH (&reader->info),
      GST_VIDEO_INFO_HEIGHT (&reader->info));
  return FALSE;
}

/* Fills the copy, and leaves it mapped as the reader's frame. */
static gboolean
fill_copy (GstFrameAlignReader * reader, GError ** error)
{
  GstVideoFrame grey;

  if (!gst_video_frame_map (&grey, &reader->grey, reader->copy,
          GST_MAP_READWRITE)) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
        "No memory for the luma of a picture of %dx%d. Scale the video down.",
        GST_VIDEO_INFO_WIDTH (&reader->info),
        GST_VIDEO_INFO_HEIGHT (&reader->info));
    return FALSE;
  }
  if (reader->kind == READ_CONVERTED) {
    gst_video_converter_frame (reader->converter, &reader->frame, &grey);
    gst_video_frame_unmap (&reader->frame);
  } else {
    copy_words (reader, &grey);
    gst_delta_cnn_frame_unmap (&reader->frame);
  }
  reader->frame = grey;
  return TRUE;
}

/* Of a picture on a GPU the one plane that is looked at. FALSE: it is none, or
 * that cannot be. */
static gboolean
read_gpu (GstFrameAlignReader * reader, GstBuffer * buffer,
    GstFrameAlignLuma * luma)
{
  const guint c = reader->component;
  const guint step = GST_VIDEO_INFO_COMP_PSTRIDE (&reader->info, c);
  const gsize row = (gsize) GST_VIDEO_INFO_COMP_WIDTH (&reader->info, c) * step;
  const gsize rows = GST_VIDEO_INFO_COMP_HEIGHT (&reader->info, c);

  if (reader->kind != READ_BYTES || !gst_frame_align_cuda_is (buffer))
    return FALSE;
  if (!reader->plane)
    reader->plane = g_try_malloc (row * rows);
  if (!reader->plane || !gst_frame_align_cuda_read (buffer, &reader->info, c,
          row, reader->plane))
    return FALSE;
  *luma = (GstFrameAlignLuma) {
    .data = reader->plane + GST_VIDEO_INFO_COMP_POFFSET (&reader->info, c)
        + reader->byte,.stride = (gint) row,.step = step
  };
  return TRUE;
}

gboolean
gst_frame_align_reader_map (GstFrameAlignReader * reader, GstBuffer * buffer,
    GstFrameAlignLuma * luma, GError ** error)
{
  const guint c = reader->kind == READ_BYTES ? reader->component : 0;

  reader->on_gpu = read_gpu (reader, buffer, luma);
  if (reader->on_gpu)
    return TRUE;
  if (reader->kind == READ_CONVERTED ? !map_for_converter (reader, buffer,
          error) : !gst_delta_cnn_frame_map (&reader->frame, &reader->info,
          buffer, GST_MAP_READ, error))
    return FALSE;
  if (reader->kind != READ_BYTES && !fill_copy (reader, error)) {
    if (reader->kind == READ_CONVERTED)
      gst_video_frame_unmap (&reader->frame);
    else
      gst_delta_cnn_frame_unmap (&reader->frame);
    return FALSE;
  }
  *luma = (GstFrameAlignLuma) {
    .data = (guint8 *) GST_VIDEO_FRAME_COMP_DATA (&reader->frame, c)
        + (reader->kind == READ_BYTES ? reader->byte : 0),
    .stride = GST_VIDEO_FRAME_COMP_STRIDE (&reader->frame, c),
    .step = GST_VIDEO_FRAME_COMP_PSTRIDE (&reader->frame, c),
  };
  return TRUE;
}

void
gst_frame_align_reader_unmap (GstFrameAlignReader * reader)
{
  if (reader->on_gpu)
    return;
  if (reader->kind == READ_BYTES)
    gst_delta_cnn_frame_unmap (&reader->frame);
  else
    gst_video_frame_unmap (&reader->frame);
}
