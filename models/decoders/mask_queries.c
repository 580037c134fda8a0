/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Masks by queries (MaskFormer, Mask2Former: Cheng et al., 2021 and 2022; and
 * their like): a row of class logits and a map of mask logits for each query.
 * logits [1,Q,C+1] (the last: no object), masks [1,Q,H,W] or NHWC.
 *
 * form=semantic: the class of each pixel whose sum, over all queries, of the
 * class's probability times the mask's is largest. form=instance: queries by
 * their class's probability times the mean of their mask where it is more
 * likely than not; they may overlap, the best is on top. form=panoptic: each
 * pixel goes to the query whose product is largest; a query that keeps less
 * than overlap-threshold of its own mask is dropped. The last two give a box
 * for each query that is left.
 *
 * All pixels are done again when anything changed: an output of tokens says
 * not where.
 */
#include "box_tools.h"

#include <string.h>

enum { MASKS, LOGITS };

typedef enum QueryForm { SEMANTIC, INSTANCE, PANOPTIC } QueryForm;

/* Less than this of a class cannot be seen in a sum of a few hundred. */
#define LEAST_SHARE 1e-5f
/* Values of a mask, of which 0 is nobody's. */
#define MAX_SEGMENTS 255

/* Cells of a query's mask that are more likely its than not. */
typedef struct QueryShape {
  guint cells;
  gfloat mean; /* of their probabilities */
  guint left, top, right, bottom; /* right, bottom: behind the last */
} QueryShape;

typedef struct QueryState {
  DcnnBoxFinder finder;
  DcnnRanking pairs; /* of query * n_classes + class */
  QueryForm form;
  guint n_queries, n_classes; /* without "no object" */
  gboolean no_object, by_class;
  gfloat overlap;
  gfloat *shares; /* [query][class], "no object" included */
  gfloat *row;    /* [cell] of one row: a query's mask */
  gfloat *sums;   /* [class][cell] of one row; panoptic: the best so far */
  QueryShape *shapes; /* [query]; panoptic: of what it keeps */
  guint *owned, *wanted; /* [query], panoptic: cells that it won, and that are
                            more likely its than not */
} QueryState;

static const DcnnParamSpec params[] = {
  DCNN_BOX_PARAMS (0.5, 1),
  { "form", DCNN_PARAM_CHOICE, 0, 0, SEMANTIC, "semantic|instance|panoptic" },
  { "mask", DCNN_PARAM_CHOICE, 0, 0, 1, "class|instance" },
  { "overlap-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.8, NULL },
  { "no-object", DCNN_PARAM_CHOICE, 0, 0, 0, "last|none" },
  { NULL }
};

static const DcnnRole roles[] = {
  { "masks", FALSE }, { "logits", FALSE }, { NULL, FALSE }
};

/* ---- numbers to probabilities ------------------------------------------ */

static void
share_classes (const DcnnDecoder *decoder)
{
  const QueryState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, LOGITS);
  const DcnnActivation activation = decoder->roles[LOGITS].activation;

  for (guint q = 0; q < state->n_queries; q++) {
    gfloat *to = state->shares + (gsize) q * view->channels;
    gfloat largest = -G_MAXFLOAT, sum = 0;

    for (guint c = 0; c < view->channels; c++) {
      to[c] = dcnn_row_at (view, q, c);
      largest = MAX (largest, dcnn_clamp (to[c], -G_MAXFLOAT, G_MAXFLOAT));
    }
    for (guint c = 0; c < view->channels; c++) {
      if (activation == DCNN_ACTIVATION_SOFTMAX)
        sum += to[c] = expf (dcnn_clamp (to[c] - largest, -100, 0));
      else
        to[c] = activation == DCNN_ACTIVATION_SIGMOID ? dcnn_sigmoid (to[c])
            : dcnn_clamp (to[c], 0, 1);
    }
    for (guint c = 0; sum > 0 && c < view->channels; c++)
      to[c] /= sum;
  }
}

/* state->row: row y of a query's mask. */
static void
read_row (const DcnnDecoder *decoder, guint q, guint y)
{
  const QueryState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, MASKS);
  const gboolean sigmoid =
      decoder->roles[MASKS].activation != DCNN_ACTIVATION_NONE;
  const gfloat *from = view->data + q * view->step_c + y * view->step_y;

  for (guint x = 0; x < view->width; x++, from += view->step_x)
    state->row[x] = sigmoid ? dcnn_sigmoid (*from) : dcnn_clamp (*from, 0, 1);
}

static const gfloat *
shares_of (const DcnnDecoder *decoder, guint q)
{
  const QueryState *state = decoder->state;

  return state->shares
      + (gsize) q * dcnn_decoder_view (decoder, LOGITS)->channels;
}

/* ---- semantic ---------------------------------------------------------- */

static void
add_query (const DcnnDecoder *decoder, guint q, guint y)
{
  const QueryState *state = decoder->state;
  const guint width = dcnn_decoder_view (decoder, MASKS)->width;
  const gfloat *shares = shares_of (decoder, q);
  gboolean read = FALSE;

  for (guint c = 0; c < state->n_classes; c++) {
    gfloat *sums = state->sums + (gsize) c * width;

    if (shares[c] < LEAST_SHARE)
      continue;
    if (!read)
      read_row (decoder, q, y);
    read = TRUE;
    for (guint x = 0; x < width; x++)
      sums[x] += shares[c] * state->row[x];
  }
}

static void
run_semantic (DcnnDecoder *decoder)
{
  const QueryState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, MASKS);
  const gsize width = view->width;

  for (guint y = 0; y < view->height; y++) {
    guint8 *to = decoder->mask + y * width;

    memset (state->sums, 0, state->n_classes * width * sizeof (gfloat));
    for (guint q = 0; q < state->n_queries; q++)
      add_query (decoder, q, y);
    for (guint x = 0; x < width; x++) {
      guint best = 0;

      for (guint c = 1; c < state->n_classes; c++)
        if (state->sums[c * width + x] > state->sums[best * width + x])
          best = c;
      to[x] = (guint8) best;
    }
  }
}

/* ---- boxes and values of those that are left --------------------------- */

static void
shape_add (QueryShape *shape, guint x, guint y)
{
  if (shape->cells++ == 0)
    *shape = (QueryShape) { 1, shape->mean, x, y, x + 1, y + 1 };
  shape->left = MIN (shape->left, x);
  shape->right = MAX (shape->right, x + 1);
  shape->bottom = y + 1;
}

static void
add_box (DcnnDecoder *decoder, const DcnnTransform *transform, guint q,
    guint row, gfloat score, guint class_id)
{
  QueryState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, MASKS);
  const QueryShape *shape = &state->shapes[q];
  const gfloat sx = (gfloat) decoder->net_width / (gfloat) view->width;
  const gfloat sy = (gfloat) decoder->net_height / (gfloat) view->height;
  const gfloat edges[4] = { (gfloat) shape->left * sx,
    (gfloat) shape->top * sy, (gfloat) shape->right * sx,
    (gfloat) shape->bottom * sy };

  if (shape->cells > 0)
    dcnn_box_finder_add (&state->finder, decoder, transform, row, edges,
        score, (gint) class_id);
}

/* The mask's value of the i-th detection. */
static guint8
value_of (const DcnnDecoder *decoder, guint i)
{
  const QueryState *state = decoder->state;
  const DcnnDetection *box =
      &g_array_index (decoder->results.detections, DcnnDetection, i);

  return (guint8) MIN (state->by_class ? (guint) box->class_id + 1 : i + 1,
      MAX_SEGMENTS);
}

/* ---- instance ---------------------------------------------------------- */

static void
measure (const DcnnDecoder *decoder, guint q)
{
  const QueryState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, MASKS);
  QueryShape *shape = &state->shapes[q];
  gdouble sum = 0;

  *shape = (QueryShape) { 0 };
  for (guint y = 0; y < view->height; y++) {
    read_row (decoder, q, y);
    for (guint x = 0; x < view->width; x++)
      if (state->row[x] > 0.5f) {
        shape_add (shape, x, y);
        sum += state->row[x];
      }
  }
  shape->mean = shape->cells > 0 ? (gfloat) (sum / shape->cells) : 0;
}

static void
paint (DcnnDecoder *decoder, guint q, guint8 value)
{
  const QueryState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, MASKS);
  const QueryShape *shape = &state->shapes[q];

  for (guint y = shape->top; y < shape->bottom; y++) {
    guint8 *to = decoder->mask + (gsize) y * view->width;

    read_row (decoder, q, y);
    for (guint x = shape->left; x < shape->right; x++)
      if (state->row[x] > 0.5f && to[x] == 0)
        to[x] = value;
  }
}

static void
run_instance (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  QueryState *state = decoder->state;
  DcnnRanking *pairs = &state->pairs, *ranking = &state->finder.ranking;
  const gfloat threshold = MAX (frame->threshold, 1e-6f);
  const guint n = state->n_classes;

  dcnn_ranking_reset (pairs);
  for (guint q = 0; q < state->n_queries; q++) {
    gboolean any = FALSE;

    for (guint c = 0; c < n; c++)
      if (shares_of (decoder, q)[c] >= threshold) {
        dcnn_ranking_add (pairs, shares_of (decoder, q)[c], q * n + c);
        any = TRUE;
      }
    if (any)
      measure (decoder, q);
  }
  dcnn_ranking_reset (ranking);
  for (guint i = 0; i < pairs->n; i++) {
    gfloat score = pairs->items[i].score
        * state->shapes[pairs->items[i].id / n].mean;
    if (score >= threshold)
      dcnn_ranking_add (ranking, score, pairs->items[i].id);
  }
  dcnn_ranking_sort (ranking);
  for (guint i = 0; i < ranking->n; i++)
    add_box (decoder, frame->transform, ranking->items[i].id / n,
        ranking->items[i].id / n, ranking->items[i].score,
        ranking->items[i].id % n);
  dcnn_box_finder_finish (&state->finder, decoder);
  for (guint i = 0; i < decoder->results.detections->len; i++)
    paint (decoder, state->finder.rows[i], value_of (decoder, i));
}

/* ---- panoptic ---------------------------------------------------------- */

/* Ranks the queries that are surer of a class than of any other, and than of
 * no object; their ids: query * n_classes + class. */
static void
rank_queries (const DcnnDecoder *decoder, gfloat threshold)
{
  QueryState *state = decoder->state;
  DcnnRanking *ranking = &state->finder.ranking;
  const guint n = state->n_classes;

  dcnn_ranking_reset (ranking);
  for (guint q = 0; q < state->n_queries; q++) {
    const gfloat *shares = shares_of (decoder, q);
    guint best = 0;

    for (guint c = 1; c < n; c++)
      if (shares[c] > shares[best])
        best = c;
    if (shares[best] >= threshold
        && !(state->no_object && shares[n] > shares[best]))
      dcnn_ranking_add (ranking, shares[best], q * n + best);
  }
  dcnn_ranking_sort (ranking);
  ranking->n = MIN (ranking->n, MAX_SEGMENTS);
}

/* Who has each cell of row y: decoder->mask is the place in the ranking + 1,
 * 0 where the mask of who won is less likely than not. */
static void
share_row (DcnnDecoder *decoder, guint y)
{
  QueryState *state = decoder->state;
  const DcnnRanking *ranking = &state->finder.ranking;
  const guint width = dcnn_decoder_view (decoder, MASKS)->width;
  guint8 *to = decoder->mask + (gsize) y * width;
  gfloat *best = state->sums, *likely = state->sums + width;

  for (guint x = 0; x < width; x++)
    best[x] = -1;
  for (guint k = 0; k < ranking->n; k++) {
    guint q = ranking->items[k].id / state->n_classes;

    read_row (decoder, q, y);
    for (guint x = 0; x < width; x++) {
      gfloat product = ranking->items[k].score * state->row[x];

      state->wanted[q] += state->row[x] >= 0.5f;
      if (product > best[x]) {
        best[x] = product;
        likely[x] = state->row[x];
        to[x] = (guint8) (k + 1);
      }
    }
  }
  for (guint x = 0; x < width; x++) {
    guint q = ranking->items[to[x] - 1].id / state->n_classes;

    state->owned[q]++;
    if (likely[x] >= 0.5f)
      shape_add (&state->shapes[q], x, y);
    else
      to[x] = 0;
  }
}

static void
run_panoptic (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  QueryState *state = decoder->state;
  const DcnnRanking *ranking = &state->finder.ranking;
  const DcnnView *view = dcnn_decoder_view (decoder, MASKS);
  guint8 values[MAX_SEGMENTS + 1] = { 0 };

  rank_queries (decoder, MAX (frame->threshold, 1e-6f));
  memset (state->owned, 0, state->n_queries * sizeof *state->owned);
  memset (state->wanted, 0, state->n_queries * sizeof *state->wanted);
  memset (state->shapes, 0, state->n_queries * sizeof *state->shapes);
  for (guint y = 0; ranking->n > 0 && y < view->height; y++)
    share_row (decoder, y);
  for (guint k = 0; k < ranking->n; k++) {
    guint q = ranking->items[k].id / state->n_classes;

    if ((gfloat) state->owned[q] >= state->overlap * (gfloat) state->wanted[q])
      add_box (decoder, frame->transform, q, k, ranking->items[k].score,
          ranking->items[k].id % state->n_classes);
  }
  dcnn_box_finder_finish (&state->finder, decoder);
  for (guint i = 0; i < decoder->results.detections->len; i++)
    values[state->finder.rows[i] + 1] = value_of (decoder, i);
  for (gsize i = 0; i < (gsize) view->width * view->height; i++)
    decoder->mask[i] = values[decoder->mask[i]];
}

/* ---- the decoder ------------------------------------------------------- */

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  const QueryState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, MASKS);

  share_classes (decoder);
  if (state->form == SEMANTIC) {
    run_semantic (decoder);
  } else {
    memset (decoder->mask, 0, (gsize) view->width * view->height);
    if (state->form == INSTANCE)
      run_instance (decoder, frame);
    else
      run_panoptic (decoder, frame);
  }
  dcnn_decoder_place_mask (decoder, frame->transform);
}

static gboolean
allocate (DcnnDecoder *decoder, GError **error)
{
  QueryState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, MASKS);
  const gsize queries = state->n_queries;
  const gsize rows = MAX (state->n_classes, 2);

  state->shares = g_try_new (gfloat,
      queries * dcnn_decoder_view (decoder, LOGITS)->channels);
  state->row = g_try_new (gfloat, view->width);
  state->sums = g_try_new (gfloat, rows * view->width);
  state->shapes = g_try_new0 (QueryShape, queries);
  state->owned = g_try_new0 (guint, queries);
  state->wanted = g_try_new0 (guint, queries);
  decoder->mask = g_try_malloc0 ((gsize) view->height * view->width);
  return (state->shares != NULL && state->row != NULL && state->sums != NULL
      && state->shapes != NULL && state->owned != NULL
      && state->wanted != NULL && decoder->mask != NULL)
      || dcnn_decoder_fail (decoder, MASKS, error, "out of memory");
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  QueryState *state = decoder->state = g_new0 (QueryState, 1);
  const DcnnView *masks = dcnn_decoder_view (decoder, MASKS);
  const DcnnView *logits = dcnn_decoder_view (decoder, LOGITS);

  dcnn_box_finder_init (&state->finder, decoder);
  dcnn_ranking_init (&state->pairs, state->finder.max_results);
  state->form = (QueryForm) dcnn_decoder_param (decoder, "form");
  state->by_class = dcnn_decoder_param (decoder, "mask") == 0;
  state->no_object = dcnn_decoder_param (decoder, "no-object") == 0;
  state->overlap = (gfloat) dcnn_decoder_param (decoder, "overlap-threshold");
  if (!dcnn_decoder_want_rows (decoder, LOGITS, error))
    return FALSE;
  state->n_queries = masks->channels;
  if (logits->width != masks->channels)
    return dcnn_decoder_fail (decoder, LOGITS, error,
        "wants a row for each of the %u queries of masks; check the layout "
        "of masks (nchw or nhwc)", masks->channels);
  state->n_classes = logits->channels - (state->no_object ? 1 : 0);
  if (state->n_classes == 0 || state->n_classes > 256)
    return dcnn_decoder_fail (decoder, LOGITS, error,
        "wants a column for each of 1 to 256 classes (and one for no object, "
        "or no-object=none)");
  if (!dcnn_decoder_want_labels (decoder, state->n_classes, "classes", error)
      || !allocate (decoder, error))
    return FALSE;
  if (state->form != SEMANTIC)
    decoder->results.finds |= DCNN_FINDS_BOXES;
  decoder->results.has_segmentation = TRUE;
  decoder->results.segmentation = (DcnnSegmentation) { masks->width,
    masks->height, state->form == SEMANTIC ? MAX (state->n_classes, 2)
        : state->by_class ? MIN (state->n_classes + 1, 256) : 256,
    decoder->mask, 0, 0, 0, 0 };
  return TRUE;
}

static void
clear (DcnnDecoder *decoder)
{
  QueryState *state = decoder->state;

  if (state != NULL) {
    dcnn_box_finder_clear (&state->finder);
    dcnn_ranking_clear (&state->pairs);
    g_free (state->shares);
    g_free (state->row);
    g_free (state->sums);
    g_free (state->shapes);
    g_free (state->owned);
    g_free (state->wanted);
  }
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_mask_queries = {
  "mask-queries", params, roles, init, run, clear, NULL
};
