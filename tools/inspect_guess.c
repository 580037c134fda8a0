/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * inspect_guess.c - which decoder outputs are made for. Each rule looks for one
 * family of networks; the first that finds its own wins, so the most telling
 * stand first. A guess is a start: a look at the picture decides.
 */
#include "inspect_suggest.h"

#include <math.h>
#include <string.h>

#define MAX_HEADS 4

static gboolean
named (const SuggestOutput *output, const char *parts)
{
  g_autofree char *name = g_ascii_strdown (output->name, -1);
  g_auto (GStrv) list = g_strsplit (parts, "|", -1);

  for (guint i = 0; list[i]; i++)
    if (strstr (name, list[i]))
      return TRUE;
  return FALSE;
}

static gboolean
within (const SuggestOutput *o, double low, double high)
{
  return o->values && o->low >= low && o->high <= high;
}

/* The activation that makes values between 0 and 1 of an output. */
static const char *
to_unit (const SuggestOutput *o)
{
  return !o->values || within (o, -1e-4, 1 + 1e-4) ? NULL : "sigmoid";
}

static void
take (SuggestOutput *output, const char *role, const char *activation)
{
  output->role = role;
  output->activation = activation;
}

/* A map [C,H,W] or [H,W,C] (or [H,W]): its channels, 0: it is none. */
static gint64
map_channels (const Suggest *s, SuggestOutput *o)
{
  if (o->rank == 2 && s->width && o->dims[0] * s->width == o->dims[1] *
      s->height && o->dims[1] >= 8)
    return 1;
  if (o->rank != 3 || !s->width)
    return 0;
  if (llabs (o->dims[1] * s->width - o->dims[2] * s->height) <=
      (gint64) s->width + s->height)
    return o->dims[0];
  o->nhwc = llabs (o->dims[0] * s->width - o->dims[1] * s->height) <=
      (gint64) s->width + s->height;
  return o->nhwc ? o->dims[2] : 0;
}

/* Cells of the grids of strides 8, 16, 32 (and 64). */
static gint64
grid_cells (const Suggest *s, guint strides)
{
  gint64 cells = 0;

  for (guint i = 0, stride = 8; i < strides; i++, stride *= 2)
    cells += (gint64) ((s->width + stride - 1) / stride) *
        ((s->height + stride - 1) / stride);
  return cells;
}

/* ---- boxes ------------------------------------------------------------------ */

/* [N,6] and a few: detections that the graph has sorted out. */
static gboolean
guess_end_to_end (Suggest *s)
{
  SuggestOutput *o = &s->outputs[0];

  if (s->n_outputs != 1 || o->rank != 2 || o->dims[1] < 6 || o->dims[1] > 7 ||
      o->dims[0] > 1000 || o->dims[0] < 10)
    return FALSE;
  take (o, "detections", NULL);
  s->decoder = "end-to-end";
  if (o->dims[1] == 7)
    g_string_append (s->keys, "order=image-box-class-score\n");
  return TRUE;
}

/* Rows of all cells: [N,5+C] (v5, YOLOX) or [4+C,N] (v8 and later). */
static gboolean
guess_yolo (Suggest *s)
{
  SuggestOutput *o = &s->outputs[0];
  gint64 n, columns, cells = grid_cells (s, 3);
  gboolean last;

  if (o->rank != 2 || !s->width)
    return FALSE;
  last = o->dims[0] > o->dims[1];
  n = o->dims[last ? 0 : 1];
  columns = o->dims[last ? 1 : 0];
  if ((n != cells && n != 3 * cells) || columns < 5)
    return FALSE;
  if (n == cells && last && o->values && o->high < 64) {
    s->decoder = "yolox";
    take (o, "boxes", NULL);
    return TRUE;
  }
  s->decoder = "yolo";
  take (o, "boxes", NULL);
  if (s->n_outputs == 2 && map_channels (s, &s->outputs[1]) == 32)
    take (&s->outputs[1], "protos", NULL);
  if (!last && columns == 56)
    g_string_append (s->keys, "keypoints=17\n");
  if (o->values && o->high <= 1.5f)
    g_string_append (s->keys, "units=unit\n");
  return TRUE;
}

/* Three or four maps of one size after the other, each with all of its cells.
 * channels: of each. */
static gboolean
are_heads (Suggest *s, gint64 *channels)
{
  static const char *const roles[MAX_HEADS] = { "head1", "head2", "head3",
    "head4" };

  if (s->n_outputs < 2 || s->n_outputs > MAX_HEADS)
    return FALSE;
  *channels = map_channels (s, &s->outputs[0]);
  for (guint i = 0; i < s->n_outputs; i++) {
    SuggestOutput *o = &s->outputs[i];
    if (o->rank != 3 || map_channels (s, o) != *channels || *channels < 6 ||
        (i > 0 && o->dims[o->nhwc ? 1 : 2] == s->outputs[i - 1].dims[
                o->nhwc ? 1 : 2]))
      return FALSE;
    o->role = roles[i];
  }
  return TRUE;
}

static gboolean
guess_heads (Suggest *s)
{
  static const char *const strides[] = { "head-8", "head-16", "head-32",
    "head-64" };
  gint64 channels;

  if (!are_heads (s, &channels))
    return FALSE;
  if (channels % 3 == 0 && channels / 3 > 5 && channels > 64 + 80) {
    s->decoder = "yolo-anchors";
    g_string_append (s->notes, "# the anchors of its training are not in the "
        "file: anchors=W;H;W;H... of all heads\n");
    return TRUE;
  }
  if (channels <= 64)
    return FALSE;
  s->decoder = "yolo-dfl";
  for (guint i = 0; i < s->n_outputs; i++) {
    SuggestOutput *o = &s->outputs[i];
    gint64 stride = s->width / o->dims[o->nhwc ? 1 : 2];
    for (guint k = 0; k < G_N_ELEMENTS (strides); k++)
      if (stride == 8 << k)
        o->role = strides[k];
  }
  return TRUE;
}

/* The only output whose rows are so long; NULL. */
static SuggestOutput *
find_rows (Suggest *s, gint64 columns, gint64 rows)
{
  SuggestOutput *found = NULL;

  for (guint i = 0; i < s->n_outputs; i++) {
    SuggestOutput *o = &s->outputs[i];
    if (o->rank != 2 || (columns && o->dims[1] != columns) ||
        (rows && o->dims[0] != rows) || o->role)
      continue;
    if (found)
      return NULL;
    found = o;
  }
  return found;
}

/* Whether boxes are corners already: right of left, below top. */
static gboolean
are_corners (const SuggestOutput *o)
{
  gint64 good = 0;

  for (gint64 i = 0; o->values && i < o->dims[0]; i++)
    good += o->values[4 * i + 2] > o->values[4 * i] &&
        o->values[4 * i + 3] > o->values[4 * i + 1];
  return o->values && good * 10 > o->dims[0] * 9;
}

/* Scores and boxes [N,4] of anchors, or of DETR's queries. */
static gboolean
guess_anchors (Suggest *s)
{
  SuggestOutput *boxes = find_rows (s, 4, 0), *scores, *points;

  if (!boxes)
    return FALSE;
  boxes->role = "boxes";
  points = find_rows (s, 10, boxes->dims[0]);
  if (points)
    points->role = "points";
  scores = find_rows (s, 0, boxes->dims[0]);
  if (!scores) {
    boxes->role = NULL;
    return FALSE;
  }
  if (boxes->dims[0] <= 1000 && !points) {
    s->decoder = "detr";
    take (scores, "logits", within (scores, 0, 1) ? NULL : "sigmoid");
    return TRUE;
  }
  take (scores, "scores", within (scores, -1e-4, 1 + 1e-4) ? NULL :
      scores->dims[1] == 1 ? "sigmoid" : "softmax");
  s->decoder = points ? "retinaface" : are_corners (boxes) ? "ultraface" :
      "ssd";
  if (!are_corners (boxes))
    g_string_append (s->notes, "# the anchors of its training are not in the "
        "file: see anchor-rule in models/README.md\n");
  return TRUE;
}

/* Class logits [Q,C+1] and masks [Q,H,W] of queries: MaskFormer's. Of several
 * the first: others are of layers before the last. */
static gboolean
guess_queries (Suggest *s)
{
  SuggestOutput *logits = NULL, *masks = NULL;

  for (guint i = 0; i < s->n_outputs && !logits; i++)
    for (guint k = 0; k < s->n_outputs && !logits; k++)
      if (s->outputs[i].rank == 2 && s->outputs[i].dims[1] >= 2 &&
          s->outputs[i].dims[1] <= 257 && s->outputs[k].rank == 3 &&
          s->outputs[i].dims[0] >= 10 && s->outputs[i].dims[0] <= 1000 &&
          map_channels (s, &s->outputs[k]) == s->outputs[i].dims[0]) {
        logits = &s->outputs[i];
        masks = &s->outputs[k];
      }
  if (!logits)
    return FALSE;
  take (logits, "logits", within (logits, 0, 1) ? NULL : "softmax");
  take (masks, "masks", to_unit (masks));
  s->decoder = "mask-queries";
  g_string_append (s->notes, "# one class a pixel; things one by one: "
      "form=instance or form=panoptic\n");
  return TRUE;
}

/* Scores, boxes and points of each stride, as rows: SCRFD. */
static gboolean
guess_scrfd (Suggest *s)
{
  static const char *const roles[3][3] = {
    { "scores-8", "boxes-8", "points-8" },
    { "scores-16", "boxes-16", "points-16" },
    { "scores-32", "boxes-32", "points-32" },
  };
  guint found = 0;

  if (s->n_outputs != 6 && s->n_outputs != 9)
    return FALSE;
  for (guint i = 0; i < s->n_outputs; i++) {
    SuggestOutput *o = &s->outputs[i];
    gint64 columns = o->rank == 1 ? 1 : o->dims[1], rows = o->dims[0];
    guint kind = columns == 1 ? 0 : columns == 4 ? 1 : 2;
    for (guint k = 0; k < 3 && (columns == 1 || columns == 4 || columns == 10);
        k++) {
      gint64 cells = (gint64) (s->width / (8u << k)) * (s->height / (8u << k));
      if (rows == cells || rows == 2 * cells) {
        take (o, roles[k][kind], NULL);
        found++;
      }
    }
  }
  if (found != s->n_outputs)
    return FALSE;
  s->decoder = "scrfd";
  return TRUE;
}

/* Of rows [N,...]: which stride has so many cells, 0 for 8 to 3 for 64; -1. */
static gint
stride_of (const Suggest *s, const SuggestOutput *o)
{
  for (guint k = 0, stride = 8; k < MAX_HEADS && s->width; k++, stride *= 2)
    if (o->dims[0] == (gint64) ((s->width + stride - 1) / stride) *
        ((s->height + stride - 1) / stride))
      return (gint) k;
  return -1;
}

/* Scores, objectness, boxes and points of each stride, as rows: YuNet. */
static gboolean
guess_yunet (Suggest *s)
{
  static const char *const roles[4][3] = {
    { "scores-8", "scores-16", "scores-32" },
    { "objects-8", "objects-16", "objects-32" },
    { "boxes-8", "boxes-16", "boxes-32" },
    { "points-8", "points-16", "points-32" },
  };
  guint seen[3] = { 0 };

  if (s->n_outputs != 12)
    return FALSE;
  for (guint i = 0; i < s->n_outputs; i++) {
    SuggestOutput *o = &s->outputs[i];
    gint64 columns = o->rank == 1 ? 1 : o->dims[1];
    gint k = stride_of (s, o);
    if (k < 0 || k > 2 || (columns != 1 && columns != 4 && columns != 10))
      return FALSE;
    take (o, roles[columns == 4 ? 2 : columns == 10 ? 3
            : named (o, "obj") || seen[k]++ ? 1 : 0][k], NULL);
  }
  s->decoder = "yunet";
  return TRUE;
}

/* Distances as distributions of 8 bins: in rows of all cells behind the scores
 * (NanoDet), or by stride beside them (PicoDet). */
static gboolean
guess_bins (Suggest *s)
{
  static const char *const roles[2][MAX_HEADS] = {
    { "scores-8", "scores-16", "scores-32", "scores-64" },
    { "boxes-8", "boxes-16", "boxes-32", "boxes-64" },
  };
  SuggestOutput *o = &s->outputs[0];
  gboolean three = o->rank == 2 && o->dims[0] == grid_cells (s, 3);
  guint boxes = 0;

  if (s->n_outputs == 1 && o->rank == 2 && s->width && o->dims[1] > 32 &&
      (o->dims[0] == grid_cells (s, 4) || (three && o->dims[1] == 112))) {
    take (o, "rows", to_unit (o));
    s->decoder = "nanodet";
    if (three)
      g_string_append (s->keys, "strides=8;16;32\n");
    return TRUE;
  }
  if (s->n_outputs != 6 && s->n_outputs != 8)
    return FALSE;
  for (guint i = 0; i < s->n_outputs; i++) {
    gint k = stride_of (s, &s->outputs[i]);
    gboolean bins = s->outputs[i].rank == 2 && s->outputs[i].dims[1] == 32;
    if (k < 0 || s->outputs[i].rank != 2)
      return FALSE;
    boxes += bins;
    take (&s->outputs[i], roles[bins][k], bins ? NULL
        : to_unit (&s->outputs[i]));
  }
  s->decoder = "picodet";
  return boxes * 2 == s->n_outputs;
}

/* ---- maps ------------------------------------------------------------------- */

/* Numbers of key points that data sets have. */
static gboolean
is_pose_count (gint64 n)
{
  static const gint64 counts[] = { 13, 14, 15, 16, 17, 18, 25, 68, 98, 133 };

  for (gsize i = 0; i < G_N_ELEMENTS (counts); i++)
    if (n == counts[i])
      return TRUE;
  return FALSE;
}

/* MoveNet: heat maps of 17 points, centres, and two of 34. */
static gboolean
guess_movenet (Suggest *s)
{
  guint regress = 0;

  if (s->n_outputs != 4)
    return FALSE;
  for (guint i = 0; i < 4; i++) {
    SuggestOutput *o = &s->outputs[i];
    gint64 c = map_channels (s, o);
    if (c == 17)
      o->role = "heatmap";
    else if (c == 1)
      o->role = "center";
    else if (c == 34)
      o->role = named (o, "offset") || regress++ ? "offset" : "regress";
    else
      return FALSE;
  }
  s->decoder = "movenet";
  return TRUE;
}

/* Outputs that are called what a decoder calls them: those that ship. */
static gboolean
guess_people (Suggest *s)
{
  static const char *const roles[] = { "heatmaps", "center", "offsets" };
  guint found = 0;

  for (guint i = 0; i < s->n_outputs; i++)
    for (guint r = 0; r < G_N_ELEMENTS (roles); r++)
      if (strcmp (s->outputs[i].name, roles[r]) == 0) {
        s->outputs[i].role = roles[r];
        found++;
      }
  if (found < G_N_ELEMENTS (roles))
    return FALSE;
  s->decoder = "people-pose";
  return TRUE;
}

/* PoseNet: heat maps, offsets, displacements to and fro. */
static gboolean
guess_posenet (Suggest *s)
{
  gint64 points = 0;
  guint displacements = 0;

  for (guint i = 0; i < s->n_outputs; i++) {
    gint64 c = map_channels (s, &s->outputs[i]);
    if (is_pose_count (c) && (!points || c < points))
      points = c;
  }
  if (s->n_outputs != 4 || !points)
    return FALSE;
  for (guint i = 0; i < 4; i++) {
    SuggestOutput *o = &s->outputs[i];
    gint64 c = map_channels (s, o);
    if (c == points)
      take (o, "heatmap", to_unit (o));
    else if (c == 2 * points)
      o->role = "offset";
    else if (c == 2 * (points - 1))
      o->role = named (o, "bwd|backward") || displacements++
          ? "displacement_bwd" : "displacement_fwd";
    else
      return FALSE;
  }
  s->decoder = "posenet";
  return TRUE;
}

/* How much a map of 1 or 3 channels looks like the frame: correlation of its
 * brightness with the picture's. */
static double
likeness (const Suggest *s, const SuggestOutput *o, gint64 channels)
{
  gint64 h = o->rank == 2 || o->nhwc ? o->dims[0] : o->dims[1];
  gint64 w = o->rank == 2 || o->nhwc ? o->dims[1] : o->dims[2];
  double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;

  for (gint64 y = 0; y < h; y++)
    for (gint64 x = 0; x < w; x++) {
      double b = s->luma[y * s->height / h * s->width + x * s->width / w];
      double a = 0;
      for (gint64 c = 0; c < channels; c++)
        a += o->values[o->nhwc ? (y * w + x) * channels + c
            : (c * h + y) * w + x];
      sa += a, sb += b, saa += a * a, sbb += b * b, sab += a * b;
    }
  saa -= sa * sa / (double) (h * w);
  sbb -= sb * sb / (double) (h * w);
  return saa > 0 && sbb > 0 ? (sab - sa * sb / (double) (h * w))
      / sqrt (saa * sbb) : 0;
}

/* Two pictures in, a map of two channels out, or one that is called so. */
static gboolean
guess_flow (Suggest *s)
{
  SuggestOutput *best = NULL;

  for (guint i = 0; i < s->n_outputs; i++) {
    SuggestOutput *o = &s->outputs[i];
    if (map_channels (s, o) == 2 && (s->pair || named (o, "flow")) &&
        (!best || o->count > best->count))
      best = o;
  }
  if (!best)
    return FALSE;
  take (best, "flow", NULL);
  s->decoder = "flow";
  g_string_append (s->notes, "# in pixels of the network, as RAFT's? PWC-Net's "
      "and FlowNet's are a twentieth: scale=20\n");
  return TRUE;
}

static gboolean
guess_picture (Suggest *s)
{
  for (guint i = 0; i < s->n_outputs; i++) {
    SuggestOutput *o = &s->outputs[i];
    gint64 c = map_channels (s, o);
    gint64 w = o->rank == 2 || o->nhwc ? o->dims[1] : o->dims[2];
    gboolean larger = w * 2 >= (gint64) s->width * 3; /* no mask is */
    if ((c != 3 && c != 1) || w < s->width || !o->values || !s->luma ||
        (!larger && likeness (s, o, c) < 0.7))
      continue;
    take (o, "picture", NULL);
    s->decoder = "picture";
    g_string_append_printf (s->keys, "scale=%g\n", o->high > 8 ? 1. :
        o->low < -0.2f ? 127.5 : 255.);
    if (o->high <= 8 && o->low < -0.2f)
      g_string_append (s->keys, "offset=127.5\n");
    return TRUE;
  }
  return FALSE;
}

/* CenterNet: heat maps of classes and the four sides of a box, on one grid.
 * FastestDet: both and an objectness in one map, a sixteenth of the picture. */
static gboolean
guess_centres (Suggest *s)
{
  gint64 c[2];

  if (s->n_outputs > 2)
    return FALSE;
  for (guint i = 0; i < s->n_outputs; i++)
    c[i] = map_channels (s, &s->outputs[i]);
  if (s->n_outputs == 1 && (c[0] == 6 || c[0] == 85) &&
      s->outputs[0].dims[s->outputs[0].nhwc ? 1 : 2] * 16 == s->width) {
    take (&s->outputs[0], "boxes", NULL);
    s->decoder = "fastestdet";
    return TRUE;
  }
  if (s->n_outputs != 2 || c[0] == 0 || (c[0] == 4) == (c[1] == 4) ||
      s->outputs[0].count / c[0] * c[1] != s->outputs[1].count)
    return FALSE;
  for (guint i = 0; i < 2; i++)
    take (&s->outputs[i], c[i] == 4 ? "ltrb" : "heatmap", c[i] == 4 ? NULL :
        to_unit (&s->outputs[i]));
  s->decoder = "centernet";
  return TRUE;
}

static gboolean guess_landmarks (Suggest *s, SuggestOutput *o);

/* A vector of points beside maps: a body, a face or a hand in a crop. */
static gboolean
guess_body (Suggest *s)
{
  SuggestOutput *o = NULL;

  for (guint i = 0; i < s->n_outputs; i++)
    if (s->outputs[i].rank == 1 && s->outputs[i].count >= 60 &&
        (!o || s->outputs[i].count > o->count))
      o = &s->outputs[i];
  if (!o || s->n_outputs < 2 || !guess_landmarks (s, o))
    return FALSE;
  for (guint i = 0; i < s->n_outputs; i++)
    if (map_channels (s, &s->outputs[i]) == 1) {
      take (&s->outputs[i], "mask", to_unit (&s->outputs[i]));
      break;
    }
  return TRUE;
}

static gboolean
guess_map (Suggest *s)
{
  SuggestOutput *best = NULL;
  gint64 channels = 0;

  for (guint i = 0; i < s->n_outputs; i++) {
    gint64 c = map_channels (s, &s->outputs[i]);
    if (c > 0 && (!best || s->outputs[i].count > best->count)) {
      best = &s->outputs[i];
      channels = c;
    }
  }
  if (!best || channels > 200)
    return FALSE;
  if (is_pose_count (channels) || (channels > 4 &&
          named (best, "heatmap|keypoint|pose"))) {
    take (best, "heatmap", NULL);
    s->decoder = "heatmap-pose";
    return TRUE;
  }
  take (best, "mask", channels == 1 ? to_unit (best) : NULL);
  if (channels == 2 && !within (best, -1e-4, 1 + 1e-4))
    best->activation = "softmax";
  s->decoder = "segmentation";
  return TRUE;
}

/* ---- vectors ------------------------------------------------------------------ */

static double
sum_of (const SuggestOutput *o)
{
  double sum = 0;

  for (gint64 i = 0; o->values && i < o->count; i++)
    sum += o->values[i];
  return sum;
}

static gboolean
guess_text (Suggest *s)
{
  SuggestOutput *o = &s->outputs[0];

  if (s->n_outputs != 1 || o->rank != 2 || o->dims[0] < 8 ||
      o->dims[0] > 512 || o->dims[1] < 11 || !s->width ||
      s->width % o->dims[0] != 0)
    return FALSE;
  take (o, "scores", within (o, 0, 1) ? NULL : "softmax");
  s->decoder = "ctc";
  g_string_append (s->notes, "# the labels are the characters, in the order of "
      "its training: [labels] file=...\n");
  return TRUE;
}

/* The longest vector of points; another one of one number is its presence. */
static gboolean
guess_landmarks (Suggest *s, SuggestOutput *o)
{
  gint64 values = o->count % 3 == 0 ? 3 : 2;
  gboolean face = o->count == 3 * 468 || o->count == 3 * 478;

  if (!(face || named (o, "landmark|ld_|point|kpt") || (s->n_outputs > 1 &&
              o->count % 3 == 0 && o->count >= 60 && o->high > 2)) ||
      o->count % values != 0)
    return FALSE;
  take (o, "landmarks", NULL);
  s->decoder = "landmarks";
  g_string_append_printf (s->keys, "values=%d\nscore-value=-1\n",
      (int) values);
  if (within (o, -1, 2))
    g_string_append (s->keys, "units=unit\n");
  for (guint i = 0; i < s->n_outputs; i++)
    if (s->outputs[i].count == 1 && !strstr (s->keys->str, "presence")) {
      take (&s->outputs[i], "presence", to_unit (&s->outputs[i]));
      break;
    }
  return TRUE;
}

static gboolean
guess_vector (Suggest *s)
{
  SuggestOutput *o = &s->outputs[0];
  gboolean sure;

  for (guint i = 1; i < s->n_outputs; i++)
    if (s->outputs[i].count > o->count)
      o = &s->outputs[i];
  for (guint d = 1; d < o->rank; d++)
    if (o->dims[d] != 1 && o->dims[0] * o->dims[d] != o->count)
      return FALSE;
  if (guess_landmarks (s, o))
    return TRUE;
  sure = within (o, 0, 1) && fabs (sum_of (o) - 1) < 0.01;
  if (named (o, "embed|feature|reid|vector") || (!sure && o->count >= 64 &&
          (o->count & (o->count - 1)) == 0)) {
    take (o, "embedding", NULL);
    s->decoder = "embedding";
  } else if (sure || (o->count >= 10 && o->count <= 22000)) {
    take (o, "scores", sure ? NULL : "softmax");
    s->decoder = "classification";
  } else if (o->count >= 2 && o->count < 10) {
    take (o, "values", NULL);
    s->decoder = "values";
    g_string_append (s->notes, "# if these are scores of classes: "
        "decoder=classification, semantics=scores, activation=softmax\n");
  } else {
    return FALSE;
  }
  return TRUE;
}

void
suggest_decoder (Suggest *s)
{
  static gboolean (*const rules[]) (Suggest *) = {
    guess_people, guess_scrfd, guess_yunet, guess_bins, guess_yolo, guess_end_to_end, guess_heads,
    guess_anchors, guess_queries, guess_movenet, guess_posenet, guess_centres,
    guess_body, guess_flow, guess_picture, guess_text, guess_map, guess_vector,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rules) && s->n_outputs > 0; i++) {
    if (rules[i] (s))
      return;
    for (guint k = 0; k < s->n_outputs; k++)
      take (&s->outputs[k], NULL, NULL);
    g_string_truncate (s->keys, 0);
  }
}
