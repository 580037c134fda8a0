/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * scene_camera.h - a camera on a head that turns: it looks at a part of a
 * larger picture, which moves from frame to frame.
 */
#ifndef DCNN_TOOLS_SCENE_CAMERA_H
#define DCNN_TOOLS_SCENE_CAMERA_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct SceneCamera {
  guint source_width, source_height; /* of the larger picture */
  guint width, height;               /* of its part; both even */
  double speed_px;                   /* of the pan in its middle, a frame */
  double shake_px;                   /* each way; without a pan it stands */
  gboolean steady;                   /* does not tremble; on a tripod */
} SceneCamera;

/* A camera that sees about five eighths of each side. FALSE: the picture is too
 * small for one. */
gboolean scene_camera_init (SceneCamera *camera, guint source_width,
    guint source_height, double speed_px);

/* Where it looks at that frame: a 3x3 matrix, row by row, from the part's
 * pixels to the picture's; pixel centres at .5. It pans to and fro, tilts and
 * rolls a little, and trembles by parts of a pixel as hands do. */
void scene_camera_matrix (const SceneCamera *camera, guint frame,
    double matrix[9]);

/* Samples BGRx pixels, rows stride bytes apart, through the matrix: bicubic,
 * the edge's pixels beyond the edge. to: width * height * 4 bytes. */
void scene_camera_look (const SceneCamera *camera, const double matrix[9],
    const guint8 *from, gsize stride, guint8 *to);

G_END_DECLS

#endif
