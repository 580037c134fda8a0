/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * source.h - frames for the tools: a clip, camera or address through
 * GStreamer, or a synthetic picture in which a given share changes.
 *
 * One thread. Frames are borrowed until the next call.
 */
#ifndef DCNN_TOOLS_SOURCE_H
#define DCNN_TOOLS_SOURCE_H

#include <gst/gst.h>

#include "common.h"

G_BEGIN_DECLS

typedef struct ToolSource ToolSource;

/* Opens a video file, a folder of numbered JPEG pictures, a camera device
 * (/dev/video0) or an address (rtsp://, file://, http://). Needs gst_init().
 * Returns new, or NULL with an error that says what is missing. */
ToolSource *tool_source_open (const char *location, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* A textured picture of width x height in which, each frame, a few moving
 * squares that cover `share` (0..1) of the pixels get new content; the same
 * on every run. `frames`: how many; 0: 120. */
ToolSource *tool_source_synthetic (double share, guint width, guint height,
    guint frames);

void tool_source_free (ToolSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolSource, tool_source_free)

/* The next frame. Returns FALSE at the end (error not set) or on failure. Of a
 * live source a failure may well be its ordinary end: what came is good. */
gboolean tool_source_next (ToolSource *source, DcnnFrame *frame,
    GError **error);

/* Frames expected; 0: not known (a camera, an odd container). */
guint64 tool_source_total (ToolSource *source);

/* How many pictures a folder holds; 0: it holds none, or is no folder. */
guint64 tool_source_pictures (const char *location);

/* Whether frames cannot be asked for at leisure. */
gboolean tool_source_is_live (ToolSource *source);

/* gst_parse_launch() of a description that begins with one of
 * tool_source_describe(), for the same location. Fails when an element is
 * missing, with its name. */
GstElement *tool_parse_launch (const char *text, const char *location,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What an error message of a pipeline says. location: what could not be read;
 * it is named, with the detail that GStreamer keeps for developers ("Could not
 * open resource" alone helps nobody). NULL: the error is not the input's. */
void tool_error_from_message (GstMessage *message, const char *location,
    GError **error);

/* The GStreamer description, for tool_parse_launch(), of what delivers decoded
 * frames of a location; returns new text. live: set. */
char *tool_source_describe (const char *location, gboolean *live,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
