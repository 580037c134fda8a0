/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstframealignluma.h - the brightness of a buffer's picture, eight bits a
 * pixel, whatever its format.
 *
 * Luma planes of eight bits, the high bytes of wider ones that are stored at
 * the top of their words, and the green of RGB are read where they lie; of
 * pictures on a GPU that plane alone is copied down. Others
 * are copied: shifted where a word holds a sample, else by GstVideoConverter.
 * Belongs to one thread.
 */
#ifndef GST_FRAME_ALIGN_LUMA_H
#define GST_FRAME_ALIGN_LUMA_H

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct GstFrameAlignReader GstFrameAlignReader;

typedef struct
{
  const guint8 *data;          /* of the top left pixel */
  gint stride;                 /* bytes to the next row; may be negative */
  guint step;                  /* bytes to the next pixel */
} GstFrameAlignLuma;

/* For pictures as info says. NULL: no memory, or no way to read the format. */
GstFrameAlignReader *gst_frame_align_reader_new (const GstVideoInfo * info);
void gst_frame_align_reader_free (GstFrameAlignReader * reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstFrameAlignReader,
    gst_frame_align_reader_free)

/* Maps a buffer for reading. luma is valid until gst_frame_align_reader_unmap()
 * of the same reader, and has the caps' width and height. FALSE with error set
 * (GST_STREAM_ERROR_FORMAT): the buffer is not what its caps say, or cannot be
 * mapped; nothing is mapped then. */
gboolean gst_frame_align_reader_map (GstFrameAlignReader * reader,
    GstBuffer * buffer, GstFrameAlignLuma * luma, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;
void gst_frame_align_reader_unmap (GstFrameAlignReader * reader);

G_END_DECLS

#endif
