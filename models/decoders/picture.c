/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pictures: outputs that are the frame again, larger, brighter, cleaner or in
 * another style. picture [1,C,H,W] or NHWC with three channels, or one (a luma
 * that wants the frame's own colours). Pixel 0..255 = value * scale + offset.
 * Redoes only the 8x8 blocks that changed.
 */
#include "decode_tools.h"

typedef struct PictureState {
  guint8 *pixels;
  gfloat scale, offset;
  gboolean bgr;
} PictureState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0, NULL },
  { "scale", DCNN_PARAM_NUMBER, 1e-6, 1e6, 255, NULL },
  { "offset", DCNN_PARAM_NUMBER, -1e6, 1e6, 0, NULL },
  { "channel-order", DCNN_PARAM_CHOICE, 0, 0, 0, "rgb|bgr" },
  { NULL }
};

static const DcnnRole roles[] = { { "picture", FALSE }, { NULL, FALSE } };

static void
decode_span (const DcnnDecoder *decoder, guint y, guint x0, guint x1)
{
  const PictureState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  guint n = view->channels;

  for (guint c = 0; c < n; c++) {
    const gfloat *from = view->data + y * view->step_y + x0 * view->step_x
        + (state->bgr ? n - 1 - c : c) * view->step_c;
    guint8 *to = state->pixels + ((gsize) y * view->width + x0) * n + c;

    for (guint x = x0; x < x1; x++, from += view->step_x, to += n)
      *to = (guint8) (dcnn_clamp (*from * state->scale + state->offset, 0, 255)
          + 0.5f);
  }
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  dcnn_decoder_run_spans (decoder, frame->updated, decode_span);
  dcnn_decoder_place_picture (decoder, frame->transform);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  PictureState *state = decoder->state = g_new0 (PictureState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  if ((view->channels != 1 && view->channels != 3) || view->height < 2)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants a picture of 1 or 3 channels; check layout (nchw or nhwc)");
  state->scale = (gfloat) dcnn_decoder_param (decoder, "scale");
  state->offset = (gfloat) dcnn_decoder_param (decoder, "offset");
  state->bgr = dcnn_decoder_param (decoder, "channel-order") != 0;
  state->pixels = dcnn_decoder_make_picture (decoder, view->channels, error);
  return state->pixels != NULL;
}

static void
clear (DcnnDecoder *decoder)
{
  PictureState *state = decoder->state;

  if (state != NULL)
    g_free (state->pixels);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_picture = {
  "picture", params, roles, init, run, clear, NULL
};
