/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Text by CTC (Graves et al., 2006), greedily: rows of character scores, one a
 * step from left to right; repeats are one character, blanks part them. The
 * labels are the characters in order, without the blank.
 */
#include "box_tools.h"

#include <string.h>

typedef struct CtcState {
  char **characters;
  guint blank, first;
  char *text;
  gsize room;
} CtcState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.5, NULL },
  { "blank", DCNN_PARAM_CHOICE, 0, 0, 0, "first|last" },
  { "rows", DCNN_PARAM_CHOICE, 0, 0, 0, "last|first" },
  { NULL }
};

static const DcnnRole roles[] = { { "scores", FALSE }, { NULL, FALSE } };

static gfloat
step_score (const DcnnDecoder *decoder, guint row, guint best)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  gfloat value = dcnn_row_at (view, row, best);

  switch (decoder->roles[0].activation) {
    case DCNN_ACTIVATION_SOFTMAX:
      return dcnn_softmax_at (view->data + row * view->step_x, view->channels,
          view->step_c, best);
    case DCNN_ACTIVATION_SIGMOID:
      return dcnn_sigmoid (value);
    case DCNN_ACTIVATION_NONE:
    default:
      return dcnn_clamp (value, 0, 1);
  }
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  CtcState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  guint last = state->blank, n = 0;
  gsize length = 0;
  gfloat sum = 0;

  for (guint row = 0; row < view->width; row++) {
    guint best = 0;

    for (guint c = 1; c < view->channels; c++)
      if (!(dcnn_row_at (view, row, c) <= dcnn_row_at (view, row, best)))
        best = c;
    if (best != last && best != state->blank) {
      const char *character = state->characters[best - state->first];
      gsize bytes = strlen (character);

      memcpy (state->text + length, character, bytes);
      length += bytes;
      sum += step_score (decoder, row, best);
      n++;
    }
    last = best;
  }
  state->text[length] = '\0';
  decoder->results.text_score = n > 0 ? sum / (gfloat) n : 0;
  if (n == 0 || decoder->results.text_score < frame->threshold) {
    state->text[0] = '\0';
    decoder->results.text_score = 0;
  }
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  CtcState *state = decoder->state = g_new0 (CtcState, 1);
  DcnnView *view = &decoder->roles[0].view;
  gsize longest = 1;

  if (!dcnn_decoder_want_rows (decoder, 0, error))
    return FALSE;
  if (dcnn_decoder_param (decoder, "rows") != 0)
    dcnn_view_flip_rows (view);
  if (decoder->n_labels + 1 != view->channels)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants [1,steps,characters+blank] and [labels] with the %u "
        "characters in order (there are %u); [decoder] rows=first turns it",
        view->channels - 1, decoder->n_labels);
  state->characters = g_strdupv (decoder->info->labels);
  for (guint i = 0; i < decoder->n_labels; i++)
    longest = MAX (longest, strlen (state->characters[i]));
  state->blank = dcnn_decoder_param (decoder, "blank") == 0 ? 0
      : view->channels - 1;
  state->first = state->blank == 0 ? 1 : 0;
  state->text = g_try_malloc0 (longest * view->width + 1);
  if (state->text == NULL)
    return dcnn_decoder_fail (decoder, 0, error, "out of memory");
  decoder->results.text = state->text;
  return TRUE;
}

static void
clear (DcnnDecoder *decoder)
{
  CtcState *state = decoder->state;

  if (state != NULL) {
    g_strfreev (state->characters);
    g_free (state->text);
  }
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_ctc = {
  "ctc", params, roles, init, run, clear, NULL
};
