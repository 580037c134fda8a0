/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Segmentation: a probability map, one foreground class among several, or the
 * best class of each pixel.
 *
 * Reads mask [1,C,H,W], [1,H,W,C], or [1,H,W] (a mask, or class indices when
 * the type is an integer). Redoes only the 8x8 blocks that changed.
 */
#include "decode_tools.h"
#include "dcnn_graph.h"

typedef enum MaskKind {
  MASK_PROBABILITY, /* channel fg is a probability */
  MASK_LOGIT,       /* channel fg wants a sigmoid */
  MASK_MARGIN,      /* sigmoid (channel fg - best other): softmax of two */
  MASK_ARGMAX,      /* best channel */
  MASK_INDEX,       /* the value is the class */
} MaskKind;

typedef struct MaskState {
  MaskKind kind;
  guint foreground;
  gfloat grid_scale;
} MaskState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.5, NULL },
  { "foreground-class", DCNN_PARAM_INTEGER, -1, 255, -1, NULL },
  /* size of a mask pixel in network pixels, times net size / mask size: not
   * 1 where an export lost "align corners" */
  { "grid-scale", DCNN_PARAM_NUMBER, 0.5, 2, 1, NULL },
  { NULL }
};

static const DcnnRole roles[] = { { "mask", FALSE }, { NULL, FALSE } };

static inline guint8
to_byte (gfloat probability)
{
  return (guint8) (dcnn_clamp (probability, 0, 1) * 255.0f + 0.5f);
}

static inline guint8
best_class (const gfloat *at, guint n, gsize step)
{
  gfloat best = at[0];
  guint place = 0;

  for (guint c = 1; c < n; c++)
    if (at[c * step] > best || isnan (best)) {
      best = at[c * step];
      place = c;
    }
  return (guint8) place;
}

static inline guint8
margin (const gfloat *at, guint n, gsize step, guint foreground)
{
  gfloat other = -G_MAXFLOAT;

  for (guint c = 0; c < n; c++)
    if (c != foreground && at[c * step] > other)
      other = at[c * step];
  return to_byte (dcnn_sigmoid (at[foreground * step] - other));
}

/* Pixels x0 .. x1 - 1 of row y. */
static void
decode_span (const DcnnView *view, const MaskState *state, guint8 *mask,
    guint y, guint x0, guint x1)
{
  const gfloat *at = view->data + y * view->step_y + x0 * view->step_x;
  guint8 *to = mask + (gsize) y * view->width;
  guint fg = state->foreground;

  for (guint x = x0; x < x1; x++, at += view->step_x)
    switch (state->kind) {
      case MASK_PROBABILITY:
        to[x] = to_byte (at[fg * view->step_c]);
        break;
      case MASK_LOGIT:
        to[x] = to_byte (dcnn_sigmoid (at[fg * view->step_c]));
        break;
      case MASK_MARGIN:
        to[x] = margin (at, view->channels, view->step_c, fg);
        break;
      case MASK_ARGMAX:
        to[x] = best_class (at, view->channels, view->step_c);
        break;
      case MASK_INDEX:
      default:
        to[x] = (guint8) dcnn_clamp (*at, 0, 255);
        break;
    }
}

static void
decode_blocks (const DcnnView *view, const MaskState *state, guint8 *mask,
    const DcnnMask *updated)
{
  for (guint by = 0; by < updated->blocks_y; by++)
    for (guint bx = 0; bx < updated->blocks_x; bx++) {
      if (updated->words[(gsize) by * updated->blocks_x + bx] == 0)
        continue;
      for (guint y = by * 8; y < MIN (by * 8 + 8, view->height); y++)
        decode_span (view, state, mask, y, bx * 8,
            MIN (bx * 8 + 8, view->width));
    }
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  const MaskState *state = decoder->state;

  if (frame->updated != NULL)
    decode_blocks (view, state, decoder->mask, frame->updated);
  else
    for (guint y = 0; y < view->height; y++)
      decode_span (view, state, decoder->mask, y, 0, view->width);
  dcnn_decoder_place_mask (decoder, frame->transform);
  decoder->results.segmentation.w *= state->grid_scale;
  decoder->results.segmentation.h *= state->grid_scale;
}

static gboolean
is_integer (DcnnDtype dtype)
{
  return dtype != DCNN_DTYPE_F32 && dtype != DCNN_DTYPE_F16
      && dtype != DCNN_DTYPE_F64;
}

/* What one pixel's channels become. */
static gboolean
choose_kind (DcnnDecoder *decoder, MaskState *state, GError **error)
{
  const DcnnRoleBinding *role = &decoder->roles[0];
  guint channels = role->view.channels;
  gint foreground = (gint) dcnn_decoder_param (decoder, "foreground-class");
  gboolean two = channels == 2 && decoder->n_labels != 2;

  if (foreground >= (gint) channels)
    return dcnn_decoder_fail (decoder, 0, error,
        "[decoder] foreground-class=%d, but classes are 0 to %u", foreground,
        channels - 1);
  if (channels > 256)
    return dcnn_decoder_fail (decoder, 0, error,
        "more than 256 classes; check layout of this output");
  if (foreground < 0 && two)
    foreground = 1; /* background and object */
  if (channels == 1 && is_integer (role->dtype))
    state->kind = MASK_INDEX;
  else if (channels == 1)
    state->kind = role->activation == DCNN_ACTIVATION_SIGMOID ? MASK_LOGIT
        : MASK_PROBABILITY;
  else if (foreground < 0)
    state->kind = MASK_ARGMAX;
  else if (role->activation == DCNN_ACTIVATION_NONE)
    state->kind = MASK_PROBABILITY;
  else
    state->kind = role->activation == DCNN_ACTIVATION_SOFTMAX ? MASK_MARGIN
        : MASK_LOGIT;
  state->foreground = (guint) MAX (foreground, 0);
  return TRUE;
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  DcnnView *view = &decoder->roles[0].view;
  DcnnSegmentation *mask = &decoder->results.segmentation;
  MaskState *state = decoder->state = g_new0 (MaskState, 1);

  if (view->height == 1 && view->step_c == 1 && decoder->net_height > 1) {
    /* a table [1,H,W] is a map of one channel here */
    view->height = view->width;
    view->width = view->channels;
    view->channels = 1;
    view->step_x = 1;
    view->step_y = view->width;
  }
  state->grid_scale = (gfloat) dcnn_decoder_param (decoder, "grid-scale");
  if (!choose_kind (decoder, state, error))
    return FALSE;
  mask->n_classes = state->kind == MASK_ARGMAX ? view->channels
      : state->kind != MASK_INDEX ? 1
      : decoder->n_labels > 1 ? decoder->n_labels : 256;
  if (state->kind == MASK_ARGMAX
      && !dcnn_decoder_want_labels (decoder, view->channels, "classes", error))
    return FALSE;
  decoder->mask = g_try_malloc0 ((gsize) view->height * view->width);
  if (decoder->mask == NULL)
    return dcnn_decoder_fail (decoder, 0, error, "out of memory");
  mask->width = view->width;
  mask->height = view->height;
  mask->data = decoder->mask;
  decoder->results.has_segmentation = TRUE;
  return TRUE;
}

static void
clear (DcnnDecoder *decoder)
{
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_segmentation = {
  "segmentation", params, roles, init, run, clear, NULL
};
