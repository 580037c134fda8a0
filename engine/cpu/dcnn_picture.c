/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_picture.c - a video frame into the network's input map: geometry, the
 * input stage over threads, and whether to settle.
 */
#include "cpu.h"

#include <string.h>

static gboolean
prepare_stage (DcnnSession *session, DcnnStream *stream,
    const DcnnFrame *frame, GError **error)
{
  if (stream->cpu->stage && stream->format.width == frame->width &&
      stream->format.height == frame->height &&
      stream->format.format == frame->format &&
      stream->format.pixel_aspect == frame->pixel_aspect)
    return TRUE;
  g_clear_pointer (&stream->cpu->stage, dcnn_input_stage_free);
  stream->format = *frame;
  dcnn_view_fit (session, frame, &stream->geometry);
  stream->cpu->stage = dcnn_input_stage_new (&stream->geometry, frame->width,
      frame->height, frame->format, session->threads);
  stream->first = TRUE;
  stream->cpu->stages++;
  if (stream->cpu->stage == NULL) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "out of memory for the input stage of %ux%u frames", frame->width,
        frame->height);
    return FALSE;
  }
  return TRUE;
}

/* ---- the pass over the frame ----------------------------------------------------- */

typedef struct InputWork {
  DcnnStream *stream;
  DcnnInputParams params;
  const DcnnFrame *frame;
  const DcnnMask *force;
  DcnnMask *changed, *differs;
  DcnnMap *s0;
} InputWork;

static void
convert_work (gpointer data, gsize begin, gsize end, guint thread)
{
  InputWork *work = data;

  dcnn_input_convert_rows (work->stream->cpu->stage, &work->params,
      work->frame, thread, (guint32) begin * 8,
      MIN ((guint32) end * 8, work->changed->height), work->force,
      work->changed, work->differs);
}

static void
picture_work (gpointer data, gsize begin, gsize end, guint thread)
{
  InputWork *work = data;

  dcnn_input_picture_rows (work->stream->cpu->stage, &work->params,
      work->frame, thread, (guint32) begin * 8,
      MIN ((guint32) end * 8, work->changed->height));
}

static void
sample_work (gpointer data, gsize begin, gsize end, guint thread)
{
  InputWork *work = data;

  dcnn_input_sample_rows (work->stream->cpu->stage, &work->params, thread,
      (guint32) begin * 8, MIN ((guint32) end * 8, work->changed->height),
      work->force, work->changed, work->differs);
}

static void
store_work (gpointer data, gsize begin, gsize end, guint thread)
{
  InputWork *work = data;

  dcnn_input_store (work->stream->cpu->stage, &work->params, work->changed,
      work->s0, (guint32) begin, (guint32) end);
}

static void
split_rows (DcnnSession *session, InputWork *work, DcnnPoolFn fn)
{
  guint rows = work->changed->blocks_y;

  dcnn_run_parallel (session, rows, MAX (1, rows / (session->threads * 4)),
      (guint64) 16 * work->changed->width * work->changed->height, fn, work);
}

const DcnnMask *
dcnn_picture_forced (DcnnStream *stream, const PlanMap *map)
{
  gint y0, y1, x0, x1;

  if (stream->cpu->dense) {
    dcnn_mask_fill (&stream->cpu->force);
    return &stream->cpu->force;
  }
  if (!stream->cpu->move.active)
    return NULL;
  dcnn_stream_seen (stream, map, &y0, &y1, &x0, &x1);
  dcnn_mask_clear (&stream->cpu->force);
  dcnn_mask_fill_rect (&stream->cpu->force, 0, 0, map->width, y0);
  dcnn_mask_fill_rect (&stream->cpu->force, 0, y1, map->width, map->height -
      y1);
  dcnn_mask_fill_rect (&stream->cpu->force, 0, 0, x0, map->height);
  dcnn_mask_fill_rect (&stream->cpu->force, x1, 0, map->width - x1,
      map->height);
  return &stream->cpu->force;
}

/* What differs from the stored input is taken over, not as a change but as a
 * correction: all of it, or a band. mask < 0: the input has none. */
void
dcnn_settle_input (DcnnSession *session, DcnnStream *stream, gint mask,
    gsize changed, gsize pixels)
{
  StreamMask *exact = mask < 0 ? NULL : &stream->cpu->exact[mask];
  DcnnSettlingFrame frame = { stream->cpu->dense, stream->cpu->move.active,
    changed, pixels, stream->places };
  DcnnSettlingKind kind =
      dcnn_settling_frame (&stream->cpu->settling, &session->tuning, &frame);

  if (exact == NULL)
    return;
  if (!stream->cpu->dense)
    exact->any = FALSE;
  if (kind == DCNN_SETTLING_NOTHING)
    return;
  if (kind == DCNN_SETTLING_BAND) {
    dcnn_stream_band (stream, &exact->mask);
    dcnn_mask_and (&exact->mask, &stream->cpu->differs);
  } else {
    dcnn_mask_copy (&exact->mask, &stream->cpu->differs);
  }
  dcnn_mask_and_not (&exact->mask, &stream->masks[mask].mask);
  exact->any = dcnn_mask_any (&exact->mask);
}

static void
store_picture (DcnnSession *session, DcnnStream *stream, InputWork *work,
    gint mask)
{
  if (stream->masks[mask].any)
    split_rows (session, work, store_work);
  if (stream->cpu->exact[mask].any) {
    work->changed = &stream->cpu->exact[mask].mask;
    split_rows (session, work, store_work);
  }
}

/* The window's picture, and where it differs from the stored one. */
static gboolean
take_picture (DcnnSession *session, DcnnStream *stream, const PlanMap *map,
    InputWork *work, GError **error)
{
  DcnnInputSampling how;
  DcnnInputView view;
  gint seen[4];

  if (!stream->looks) {
    (void) dcnn_input_set_view (stream->cpu->stage, NULL, &how);
    split_rows (session, work, convert_work);
    return TRUE;
  }
  dcnn_stream_seen (stream, map, &seen[0], &seen[1], &seen[2], &seen[3]);
  dcnn_view_look (session, stream, seen, &view);
  if (!dcnn_input_set_view (stream->cpu->stage, &view, &how)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY, "out of memory for a "
        "picture of %ux%u sampled through a matrix", map->width, map->height);
    return FALSE;
  }
  dcnn_input_get_view (stream->cpu->stage, stream->view);
  split_rows (session, work, picture_work); /* the shadow by the threshold */
  if (how == DCNN_INPUT_WARPED)
    dcnn_view_between (session, stream, &work->params);
  split_rows (session, work, sample_work);
  return TRUE;
}

void
dcnn_picture_keep_regions (DcnnSession *session, DcnnStream *stream,
    const DcnnMask *force, DcnnMask *updated)
{
  guint index = (guint) (stream - session->streams);
  DcnnMask region = dcnn_room (session, ROOM_PIECES, plan_map (session->plan,
          plan_picture_map (session->plan)));

  if (stream->cpu->dense || !dcnn_view_regions (session, index, &region))
    return;
  dcnn_mask_and (&stream->cpu->differs, &region);
  if (force)
    dcnn_mask_or (&region, force);
  dcnn_mask_and (updated, &region);
}

gboolean
dcnn_picture_begin (DcnnSession *session, DcnnStream *stream,
    const DcnnFrame *frame, GError **error)
{
  if (!prepare_stage (session, stream, frame, error))
    return FALSE;
  stream->cpu->dense = stream->first ||
      session->tuning.mode == DCNN_MODE_DENSE;
  return TRUE;
}

void
dcnn_picture_decide (DcnnSession *session, DcnnStream *stream, gsize in_states,
    gsize pixels)
{
  const PlanMap *map = plan_map (session->plan,
      plan_picture_map (session->plan));
  StreamMask *updated = &stream->masks[map->mask];
  gsize count = dcnn_mask_count (&updated->mask);

  updated->any = stream->cpu->dense || count > 0;
  count = stream->cpu->dense ? pixels : count + in_states;
  if (dcnn_frame_turns_dense (session, stream, count, pixels)) {
    gsize again = 0;
    stream->cpu->dense = updated->any = TRUE;
    dcnn_mask_fill (&updated->mask);
    dcnn_states_feed (session, stream, &again);
  }
  stream->cpu->exact[map->mask].any = FALSE;
  dcnn_settle_input (session, stream, map->mask, count, pixels);
  stream->stats.changed_share = (gfloat) count / pixels;
}

gboolean
dcnn_picture_update (DcnnSession *session, DcnnStream *stream,
    const DcnnFrame *frame, GError **error)
{
  gint index = plan_picture_map (session->plan);
  const PlanMap *map = plan_map (session->plan, index);
  DcnnMask *updated = &stream->masks[map->mask].mask;
  gsize pixels = (gsize) map->width * map->height, in_states;
  InputWork work = { .stream = stream, .frame = frame, .changed = updated,
    .s0 = &stream->cpu->maps[index] };

  if (!dcnn_picture_begin (session, stream, frame, error))
    return FALSE;
  in_states = dcnn_states_shift (session, stream, &pixels);
  in_states += dcnn_states_feed (session, stream, &pixels);
  work.force = dcnn_picture_forced (stream, map);
  work.differs = session->tuning.settle ? &stream->cpu->differs : NULL;
  dcnn_view_params (session, stream, &work.params);
  if (!take_picture (session, stream, map, &work, error))
    return FALSE;
  stream->stats.unaligned_share = dcnn_input_shadow_share (stream->cpu->stage);
  stream->stats.aligned_share = stream->stats.unaligned_share < 0 ? -1 :
      (gfloat) dcnn_mask_count (updated) / (map->width * map->height);
  if (!stream->cpu->dense)
    dcnn_input_refine_mask (stream->cpu->stage, &work.params, work.force,
        updated);
  dcnn_picture_keep_regions (session, stream, work.force, updated);
  dcnn_picture_decide (session, stream, in_states, pixels);
  store_picture (session, stream, &work, map->mask);
  dcnn_states_done (session, stream);
  return TRUE;
}
