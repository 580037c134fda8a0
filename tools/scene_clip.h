/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * scene_clip.h - what deltacnn-scene renders over, and pastes into it: frames of
 * clips, folders and photographs.
 */
#ifndef DCNN_TOOLS_SCENE_CLIP_H
#define DCNN_TOOLS_SCENE_CLIP_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct SceneClip SceneClip;

/* A frame: BGRx pixels, rows stride bytes apart; the clip's, until its next. */
typedef struct ScenePicture {
  const guint8 *data;
  gsize stride;
  guint width, height;
} ScenePicture;

/* Opens what tool_source_describe() knows, and single photographs (.jpg, .png),
 * which repeat for ever. New; NULL with error set. One thread. */
SceneClip *scene_clip_open (const char *path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void scene_clip_free (SceneClip *clip);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SceneClip, scene_clip_free)

/* FALSE: there are no more. */
gboolean scene_clip_next (SceneClip *clip, ScenePicture *picture);

void scene_clip_get_size (const SceneClip *clip, guint *width, guint *height);
/* Frames a second, at least 1; 0: not known. */
guint scene_clip_get_rate (const SceneClip *clip);
/* Is it a photograph? */
gboolean scene_clip_is_still (const SceneClip *clip);

/* Copies to `to` (packed BGRx of width x height) what of `from` is bright in
 * `mask` (of from's size), with from's left upper corner at x, y. */
void scene_clip_paste (const ScenePicture *from, const ScenePicture *mask,
    gint x, gint y, guint8 *to, guint width, guint height);

G_END_DECLS

#endif
