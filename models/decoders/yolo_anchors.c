/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * YOLO heads as they leave the last convolutions (v3, v4, v5, v7): maps
 * head1..head4 of [1,A*(5+C),H,W], [1,H,W,A*(5+C)] or [1,A,H,W,5+C], logits of
 * x, y, w, h, objectness and classes for A anchors a cell.
 *
 * form=v5 (and v7, v4-csp): centre = (2 s - 0.5 + cell) * stride, size =
 * (2 s)^2 * anchor, s = sigmoid; form=v3: centre = (s + cell) * stride, size =
 * e^v * anchor.
 */
#include "box_tools.h"

#define MAX_HEADS 4

typedef struct Head {
  gboolean stacked;       /* [1,A,H,W,V]: anchors under each other */
  guint height, n_anchors, n_values;
  const gdouble *anchors; /* pairs, network pixels */
  guint first;            /* id of its first box */
} Head;

typedef struct AnchorState {
  DcnnBoxFinder finder;
  Head head[MAX_HEADS];
  guint n_heads, n_classes;
  gdouble anchors[DCNN_KEYS_MAX_LIST];
  gboolean v5;
} AnchorState;

static const DcnnParamSpec params[] = {
  DCNN_BOX_PARAMS (0.25, 0.45),
  { "anchors", DCNN_PARAM_LIST, 0.01, 4096, 0, NULL },
  { "form", DCNN_PARAM_CHOICE, 0, 0, 0, "v5|v3" },
  { NULL }
};

static const DcnnRole roles[] = {
  { "head1", FALSE }, { "head2", TRUE }, { "head3", TRUE }, { "head4", TRUE },
  { NULL, FALSE }
};

/* The values of anchor a at a cell: first and step. */
static const gfloat *
find_values (const DcnnView *view, const Head *head, guint a, guint y, guint x)
{
  if (head->stacked)
    return view->data + (a * head->height + y) * view->step_y
        + x * view->step_x;
  return view->data + a * head->n_values * view->step_c + y * view->step_y
      + x * view->step_x;
}

static gfloat
best_score (const DcnnDecoder *decoder, const gfloat *v, gsize step,
    gint *class_id)
{
  const AnchorState *state = decoder->state;
  gfloat best = -G_MAXFLOAT;

  *class_id = 0;
  for (guint c = 0; c < state->n_classes; c++)
    if (v[(5 + c) * step] > best) {
      best = v[(5 + c) * step];
      *class_id = (gint) c;
    }
  return dcnn_sigmoid (v[4 * step]) * dcnn_sigmoid (best);
}

static void
rank_head (DcnnDecoder *decoder, guint h, gfloat threshold)
{
  AnchorState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, h);
  const Head *head = &state->head[h];
  guint id = head->first;
  gint unused;

  for (guint a = 0; a < head->n_anchors; a++)
    for (guint y = 0; y < head->height; y++)
      for (guint x = 0; x < view->width; x++, id++) {
        const gfloat *v = find_values (view, head, a, y, x);
        gfloat object = dcnn_sigmoid (v[4 * view->step_c]), score;

        if (!(object >= threshold))
          continue; /* a class score is at most 1 */
        score = best_score (decoder, v, view->step_c, &unused);
        if (score >= threshold)
          dcnn_ranking_add (&state->finder.ranking, score, id);
      }
}

static void
add_box (DcnnDecoder *decoder, const DcnnDecodeFrame *frame, guint id,
    gfloat score)
{
  AnchorState *state = decoder->state;
  guint h = state->n_heads - 1, a, x, y, at;
  gfloat stride_x, stride_y, s[4], cxcywh[4], edges[4];
  const DcnnView *view;
  const Head *head;
  const gfloat *v;
  gint class_id;

  while (id < state->head[h].first)
    h--;
  view = dcnn_decoder_view (decoder, h);
  head = &state->head[h];
  at = id - head->first;
  x = at % view->width;
  y = at / view->width % head->height;
  a = at / view->width / head->height;
  v = find_values (view, head, a, y, x);
  stride_x = (gfloat) decoder->net_width / (gfloat) view->width;
  stride_y = (gfloat) decoder->net_height / (gfloat) head->height;
  for (guint i = 0; i < 4; i++)
    s[i] = dcnn_sigmoid (v[i * view->step_c]);
  cxcywh[0] = ((gfloat) x + (state->v5 ? 2 * s[0] - 0.5f : s[0])) * stride_x;
  cxcywh[1] = ((gfloat) y + (state->v5 ? 2 * s[1] - 0.5f : s[1])) * stride_y;
  for (guint i = 2; i < 4; i++)
    cxcywh[i] = (gfloat) head->anchors[2 * a + i - 2]
        * (state->v5 ? 4 * s[i] * s[i]
            : expf (dcnn_clamp (v[i * view->step_c], -20, 20)));
  (void) best_score (decoder, v, view->step_c, &class_id);
  dcnn_box_edges (DCNN_BOX_CXCYWH, cxcywh, edges);
  dcnn_box_finder_add (&state->finder, decoder, frame->transform, id, edges,
      score, class_id);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  AnchorState *state = decoder->state;
  DcnnRanking *ranking = &state->finder.ranking;

  dcnn_ranking_reset (ranking);
  for (guint h = 0; h < state->n_heads; h++)
    rank_head (decoder, h, MAX (frame->threshold, 1e-6f));
  dcnn_ranking_sort (ranking);
  for (guint i = 0; i < ranking->n; i++)
    add_box (decoder, frame, ranking->items[i].id, ranking->items[i].score);
  dcnn_box_finder_finish (&state->finder, decoder);
}

static gboolean
init_head (DcnnDecoder *decoder, AnchorState *state, guint h, guint n_anchors,
    GError **error)
{
  const DcnnView *view = dcnn_decoder_view (decoder, h);
  Head *head = &state->head[h];
  guint channels = view->channels;

  head->n_anchors = n_anchors;
  head->anchors = state->anchors + 2 * n_anchors * h;
  /* one anchor's channels last, and grids of the network's shape */
  head->stacked = n_anchors > 1 && view->step_c == 1
      && view->height % n_anchors == 0
      && (guint64) view->height / n_anchors * decoder->net_width
      == (guint64) view->width * decoder->net_height;
  head->height = head->stacked ? view->height / n_anchors : view->height;
  head->n_values = head->stacked ? channels : channels / n_anchors;
  if ((!head->stacked && channels % n_anchors != 0) || head->n_values < 6)
    return dcnn_decoder_fail (decoder, h, error,
        "wants x, y, w, h, object and classes of %u anchors a cell (as many "
        "as [decoder] anchors has for a head)", n_anchors);
  if (h > 0 && head->n_values != state->head[0].n_values)
    return dcnn_decoder_fail (decoder, h, error,
        "has %u values an anchor, but head1 has %u", head->n_values,
        state->head[0].n_values);
  head->first = h == 0 ? 0 : state->head[h - 1].first
      + state->head[h - 1].n_anchors * state->head[h - 1].height
      * dcnn_decoder_view (decoder, h - 1)->width;
  return TRUE;
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  AnchorState *state = decoder->state = g_new0 (AnchorState, 1);
  guint n = dcnn_decoder_param_list (decoder, "anchors", state->anchors);

  dcnn_box_finder_init (&state->finder, decoder);
  state->v5 = dcnn_decoder_param (decoder, "form") == 0;
  while (state->n_heads < MAX_HEADS
      && decoder->roles[state->n_heads].output >= 0)
    state->n_heads++;
  if (n == 0 || n % (2 * state->n_heads) != 0)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants [decoder] anchors=W;H;W;H... in network pixels, as many for "
        "each of the %u heads, in the heads' order", state->n_heads);
  for (guint h = 0; h < state->n_heads; h++)
    if (!init_head (decoder, state, h, n / 2 / state->n_heads, error))
      return FALSE;
  state->n_classes = state->head[0].n_values - 5;
  return dcnn_decoder_want_labels (decoder, state->n_classes, "classes",
      error);
}

static void
clear (DcnnDecoder *decoder)
{
  AnchorState *state = decoder->state;

  if (state != NULL)
    dcnn_box_finder_clear (&state->finder);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_yolo_anchors = {
  "yolo-anchors", params, roles, init, run, clear, NULL
};
