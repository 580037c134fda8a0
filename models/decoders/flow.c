/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Optical flow (RAFT, PWC-Net, FlowNet, LiteFlowNet): where each pixel moved,
 * as a picture. flow [1,2,H,W] or NHWC: right and down. The direction is the
 * hue, on the wheel of Baker et al. (A Database and Evaluation Methodology for
 * Optical Flow, 2007), the length how far it is from white; black is unknown.
 * Redoes only the 8x8 blocks that changed, all of them when the longest did.
 */
#include "decode_tools.h"

#include <string.h>

/* Steps from red to yellow, green, cyan, blue, magenta and red again. */
#define WHEEL_ARCS { 15, 6, 4, 11, 13, 6 }
#define WHEEL_STEPS 55
/* Farther than any picture is wide: what files of flow mark as unknown. */
#define UNKNOWN 1e9f

typedef struct FlowState {
  guint8 *pixels;
  gfloat wheel[WHEEL_STEPS][3]; /* 0..1 */
  gfloat scale, longest;        /* px a unit; px, 0: the frame's */
  gfloat drawn; /* parts of the full colour a unit, of what pixels holds */
} FlowState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0, NULL },
  { "scale", DCNN_PARAM_NUMBER, 1e-6, 1e6, 1, NULL },
  { "longest", DCNN_PARAM_NUMBER, 0, 1e6, 0, NULL },
  { NULL }
};

static const DcnnRole roles[] = { { "flow", FALSE }, { NULL, FALSE } };

static void
make_wheel (gfloat wheel[WHEEL_STEPS][3])
{
  static const guint8 arcs[6] = WHEEL_ARCS;
  guint at = 0;

  for (guint arc = 0; arc < 6; arc++) /* one of R, G, B moves, to and fro */
    for (guint i = 0; i < arcs[arc]; i++, at++) {
      gfloat moved = floorf (255.0f * (gfloat) i / (gfloat) arcs[arc]) / 255;

      for (guint c = 0; c < 3; c++)
        wheel[at][c] = c == ((arc + 1) / 2) % 3 ? 1 : 0;
      wheel[at][(7 - arc) % 3] = arc % 2 == 0 ? moved : 1 - moved;
    }
}

static gboolean
is_known (gfloat u, gfloat v)
{
  return fabsf (u) < UNKNOWN && fabsf (v) < UNKNOWN;
}

/* u, v: in parts of the length that has full colour. */
static void
colour (const FlowState *state, gfloat u, gfloat v, guint8 rgb[3])
{
  const gfloat length = hypotf (u, v);
  const gfloat at = dcnn_clamp ((atan2f (-v, -u) / (gfloat) G_PI + 1) / 2, 0, 1)
      * (WHEEL_STEPS - 1);
  const guint step = (guint) at;
  const gfloat *a = state->wheel[step];
  const gfloat *b = state->wheel[(step + 1) % WHEEL_STEPS];
  const gfloat part = at - (gfloat) step;

  for (guint c = 0; c < 3; c++) {
    gfloat full = (1 - part) * a[c] + part * b[c];
    gfloat value = length <= 1 ? 1 - length * (1 - full) : full * 0.75f;

    rgb[c] = (guint8) dcnn_clamp (255 * value, 0, 255);
  }
}

static void
decode_span (const DcnnDecoder *decoder, guint y, guint x0, guint x1)
{
  const FlowState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  guint8 *to = state->pixels + ((gsize) y * view->width + x0) * 3;

  for (guint x = x0; x < x1; x++, to += 3) {
    gfloat u = dcnn_view_at (view, 0, y, x), v = dcnn_view_at (view, 1, y, x);

    if (is_known (u, v))
      colour (state, u * state->drawn, v * state->drawn, to);
    else
      memset (to, 0, 3);
  }
}

/* The frame's longest flow in units of the output. */
static gfloat
find_longest (const DcnnView *view)
{
  gfloat longest = 0;

  for (guint y = 0; y < view->height; y++)
    for (guint x = 0; x < view->width; x++) {
      gfloat u = dcnn_view_at (view, 0, y, x);
      gfloat v = dcnn_view_at (view, 1, y, x);

      if (is_known (u, v))
        longest = MAX (longest, u * u + v * v);
    }
  return sqrtf (longest);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  FlowState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  const DcnnMask *updated = frame->updated;
  /* less than a pixel is no movement worth full colour */
  gfloat longest = state->longest > 0 ? state->longest
      : MAX (find_longest (view) * state->scale, 1);

  if (state->drawn != state->scale / longest)
    updated = NULL;
  state->drawn = state->scale / longest;
  dcnn_decoder_run_spans (decoder, updated, decode_span);
  dcnn_decoder_place_picture (decoder, frame->transform);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  FlowState *state = decoder->state = g_new0 (FlowState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  if (view->channels != 2 || view->height < 2)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants a map of 2 channels, right and down; check layout (nchw or "
        "nhwc)");
  state->scale = (gfloat) dcnn_decoder_param (decoder, "scale");
  state->longest = (gfloat) dcnn_decoder_param (decoder, "longest");
  make_wheel (state->wheel);
  state->pixels = dcnn_decoder_make_picture (decoder, 3, error);
  return state->pixels != NULL;
}

static void
clear (DcnnDecoder *decoder)
{
  FlowState *state = decoder->state;

  if (state != NULL)
    g_free (state->pixels);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_flow = {
  "flow", params, roles, init, run, clear, NULL
};
