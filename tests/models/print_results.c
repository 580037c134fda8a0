/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "print_results.h"

#include <stdio.h>

void
print_results (const DcnnResults *results)
{
  printf ("{\"detections\": [");
  for (guint i = 0; i < results->detections->len; i++) {
    DcnnDetection d = g_array_index (results->detections, DcnnDetection, i);
    printf ("%s[%.2f, %.2f, %.2f, %.2f, %.4f, %d]", i > 0 ? ", " : "", d.x,
        d.y, d.width, d.height, d.score, d.class_id);
  }
  printf ("], \"labels\": [");
  for (guint i = 0; i < results->labels->len; i++) {
    DcnnLabel l = g_array_index (results->labels, DcnnLabel, i);
    printf ("%s[%d, %.4f]", i > 0 ? ", " : "", l.class_id, l.score);
  }
  printf ("], \"poses\": [");
  for (guint i = 0; i < results->poses->len; i++) {
    DcnnPose pose = g_array_index (results->poses, DcnnPose, i);
    printf ("%s{\"score\": %.4f, \"points\": [", i > 0 ? ", " : "",
        pose.score);
    for (guint k = 0; k < pose.n_keypoints; k++) {
      DcnnKeypoint p = g_array_index (results->keypoints, DcnnKeypoint,
          pose.first + k);
      printf ("%s[%.2f, %.2f, %.4f]", k > 0 ? ", " : "", p.x, p.y, p.score);
    }
    printf ("]}");
  }
  printf ("], \"edges\": [");
  for (guint i = 0; i < results->n_edges; i++)
    printf ("%s[%d, %d]", i > 0 ? ", " : "", results->edges[i][0],
        results->edges[i][1]);
  printf ("]");
  if (results->has_segmentation) {
    const DcnnSegmentation *s = &results->segmentation;
    guint64 sum = 0;

    for (gsize i = 0; i < (gsize) s->width * s->height; i++)
      sum += s->data[i];
    printf (", \"mask\": {\"width\": %u, \"height\": %u, \"classes\": %u, "
        "\"mean\": %.3f, \"rect\": [%.2f, %.2f, %.2f, %.2f]}", s->width,
        s->height, s->n_classes, (gdouble) sum / s->width / s->height, s->x,
        s->y, s->w, s->h);
  }
  printf ("}\n");
}
