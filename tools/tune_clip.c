/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Frames for the tuner: stretches of a clip kept in memory with the results
 * of a dense run, so that a setting is scored without decoding or running
 * dense again. */
#include "tune.h"

#include <math.h>
#include <string.h>

#define MEASURE_EVERY 8     /* influence is measured on each such frame ... */
#define PROBES 2            /* ... as often as this */
#define STRETCH 16          /* frames of one stretch that is tuned on */
#define CHECK_STRETCH 96    /* of one that was held back: errors take some tens of
                               frames to grow to what they stay at */

/* ---- copies ------------------------------------------------------------ */

static guint
plane_rows (const DcnnFrame *frame, guint plane)
{
  return plane ? (frame->height + 1) / 2 : frame->height;
}

static guint
n_planes (const DcnnFrame *frame)
{
  guint n = 0;
  while (n < 3 && frame->planes[n])
    n++;
  return n;
}

static TuneFrame *
copy_frame (const DcnnFrame *from)
{
  TuneFrame *to = g_new0 (TuneFrame, 1);
  gsize bytes = 0, at = 0;
  to->frame = *from;
  for (guint p = 0; p < n_planes (from); p++)
    bytes += (gsize) ABS (from->strides[p]) * plane_rows (from, p);
  to->bytes = g_malloc (bytes + 64);
  for (guint p = 0; p < n_planes (from); p++) {
    gsize stride = (gsize) ABS (from->strides[p]);
    for (guint y = 0; y < plane_rows (from, p); y++)
      memcpy (to->bytes + at + y * stride,
          from->planes[p] + (gssize) y * from->strides[p], stride);
    to->frame.planes[p] = to->bytes + at;
    to->frame.strides[p] = (int32_t) stride;
    at += stride * plane_rows (from, p);
  }
  return to;
}

static GArray *
copy_array (const GArray *from, gsize item)
{
  GArray *to = from ? g_array_new (FALSE, FALSE, (guint) item) : NULL;
  if (to && from->len)
    g_array_append_vals (to, from->data, from->len);
  return to;
}

/* What is compared of results; the rest is the decoder's. */
static void
copy_results (DcnnResults *to, const DcnnResults *from)
{
  *to = (DcnnResults) {
    .detections = copy_array (from->detections, sizeof (DcnnDetection)),
    .poses = copy_array (from->poses, sizeof (DcnnPose)),
    .keypoints = copy_array (from->keypoints, sizeof (DcnnKeypoint)),
    .has_segmentation = from->has_segmentation,
    .segmentation = from->segmentation,
  };
  if (from->has_segmentation)
    to->segmentation.data = g_memdup2 (from->segmentation.data,
        (gsize) from->segmentation.width * from->segmentation.height);
}

static void
free_frame (gpointer data)
{
  TuneFrame *frame = data;
  g_clear_pointer (&frame->results.detections, g_array_unref);
  g_clear_pointer (&frame->results.poses, g_array_unref);
  g_clear_pointer (&frame->results.keypoints, g_array_unref);
  if (frame->results.has_segmentation)
    g_free ((gpointer) frame->results.segmentation.data);
  g_free (frame->outputs);
  g_free (frame->bytes);
  g_free (frame);
}

static void
free_stretch (gpointer data)
{
  g_ptr_array_unref (data);
}

static TuneSet *
set_new (const char *name, gboolean held_back)
{
  TuneSet *set = g_new0 (TuneSet, 1);
  set->name = g_strdup (name);
  set->held_back = held_back;
  set->stretches = g_ptr_array_new_with_free_func (free_stretch);
  return set;
}

void
tune_set_free (TuneSet *set)
{
  g_free (set->name);
  g_ptr_array_unref (set->stretches);
  g_free (set);
}

/* ---- dense results ------------------------------------------------------- */

static guint8 *
copy_outputs (const Tuner *tuner, DcnnSession *session)
{
  gsize n = 0, at = 0;
  for (guint i = 0; i < tuner->summary.n_outputs; i++)
    n += tune_output_bytes (dcnn_model_output (tuner->model, i));
  guint8 *all = g_malloc0 (n + 8);
  for (guint i = 0; i < tuner->summary.n_outputs; i++) {
    const DcnnTensor *t = &dcnn_session_get_output (session, 0, i)->tensor;
    memcpy (all + at, t->data, (gsize) dcnn_tensor_count (t)
        * dcnn_dtype_bytes (t->dtype));
    at += tune_output_bytes (t);
  }
  return all;
}

static gboolean
run_dense (Tuner *tuner, DcnnSession *session, DcnnDecoder *decoder,
    TuneFrame *frame, GError **error)
{
  if (!dcnn_session_push_frame (session, 0, &frame->frame, NULL, error))
    return FALSE;
  dcnn_session_get_transform (session, 0, &frame->transform);
  if (tuner->metric == TUNE_RELATIVE)
    frame->outputs = copy_outputs (tuner, session);
  else
    copy_results (&frame->results, dcnn_decoder_run (decoder, session, 0,
            tuner->metric == TUNE_F1 ? TUNE_LEAST_SCORE : -1));
  return TRUE;
}

/* ---- reading --------------------------------------------------------------- */

/* Which stretch of `count` frames, spread evenly over begin .. end - 1, holds
 * frame i; -1: none. */
static gint
stretch_of (guint64 i, guint64 begin, guint64 end, guint count,
    guint length)
{
  guint64 room = end - begin;
  for (guint s = 0; s < count; s++) {
    guint64 first = begin + (count > 1 ? s * (room - length) / (count - 1)
        : 0);
    if (i >= first && i < first + length)
      return (gint) s;
  }
  return -1;
}

/* A part of the clip, cut into stretches. */
typedef struct Part {
  TuneSet *set;
  guint64 begin, end;
  guint count, length;
  gint current;
} Part;

static void
plan_part (Part *part, TuneSet *set, guint64 begin, guint64 end, guint n,
    guint stretch)
{
  guint64 room = end - begin;
  part->set = set;
  part->begin = begin;
  part->end = end;
  part->current = -1;
  if (n > room)
    n = (guint) room;
  part->count = MAX (1, n / stretch);
  part->length = n / part->count;
}

/* ---- influence ----------------------------------------------------------- */

static void
free_array (gpointer array)
{
  g_array_unref (array);
}

static gboolean
measure (Tuner *tuner, DcnnSession *session, const DcnnDecoder *decoder,
    GError **error)
{
  guint n = tuner->summary.n_outputs;
  g_autofree gfloat **weights = g_new0 (gfloat *, n + 1);
  gboolean weighed = decoder != NULL && tuner->metric != TUNE_RELATIVE;
  if (tuner->squares == NULL)
    tuner->squares = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
        free_array);
  tuner->estimates += PROBES;
  tune_say (tuner, FALSE, "measuring what each channel bears on");
  for (guint i = 0; weighed && i < n; i++)
    weights[i] = g_new (gfloat, dcnn_tensor_count (
            &dcnn_session_get_output (session, 0, i)->tensor));
  if (weighed)
    dcnn_decoder_weigh (decoder, session, weights);
  gboolean good = dcnn_session_measure_influence (session, 0,
      (const gfloat *const *) weights, PROBES, tuner->squares, error);
  for (guint i = 0; i < n; i++)
    g_free (weights[i]);
  return good;
}

/* Sums of squares to roots of means. */
static void
take_influence (Tuner *tuner)
{
  GHashTable *influence = g_hash_table_new_full (g_str_hash, g_str_equal,
      g_free, free_array);
  GHashTableIter iter;
  gpointer name, sums;
  g_hash_table_iter_init (&iter, tuner->squares);
  while (g_hash_table_iter_next (&iter, &name, &sums)) {
    const GArray *squares = sums;
    GArray *values = g_array_new (FALSE, FALSE, sizeof (gfloat));
    for (guint c = 0; c < squares->len; c++) {
      gfloat v = (gfloat) sqrt (g_array_index (squares, gdouble, c)
          / tuner->estimates);
      g_array_append_val (values, v);
    }
    g_hash_table_replace (influence, g_strdup (name), values);
  }
  tuner->info->influence = influence;
}

/* ---- reading --------------------------------------------------------------- */

static gboolean
take (Tuner *tuner, Part *part, guint64 index, const DcnnFrame *frame,
    DcnnSession *dense, DcnnDecoder *decoder, GError **error)
{
  gint s = part->set ? stretch_of (index, part->begin, part->end, part->count,
      part->length) : -1;
  if (s < 0)
    return TRUE;
  if (s != part->current)
    g_ptr_array_add (part->set->stretches,
        g_ptr_array_new_with_free_func (free_frame));
  part->current = s;
  TuneFrame *copy = copy_frame (frame);
  g_ptr_array_add (g_ptr_array_index (part->set->stretches,
          part->set->stretches->len - 1), copy);
  part->set->frames++;
  return run_dense (tuner, dense, decoder, copy, error)
      && (part->set->held_back || part->set->frames % MEASURE_EVERY != 1
      || measure (tuner, dense, decoder, error));
}

/* Containers that do not say how long they are have to be read through. */
gboolean
tune_count_frames (const char *clip, guint64 *total, GError **error)
{
  g_autoptr (ToolSource) source = tool_source_open (clip, error);
  GError *cause = NULL;
  DcnnFrame frame;
  if (!source)
    return FALSE;
  if (tool_source_is_live (source)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%s is live; record a clip first and tune on that", clip);
    return FALSE;
  }
  for (*total = 0; tool_source_next (source, &frame, &cause); ++*total)
    if (g_atomic_int_get (&tune_stopped))
      break;
  if (!cause && *total < 24)
    g_set_error (&cause, DCNN_ERROR, DCNN_ERROR_FILE,
        "%s has %u frames; at least 24 are needed, some hundred are better",
        clip, (guint) *total);
  if (cause)
    g_propagate_error (error, cause);
  return !cause;
}

static gboolean
read_frames (Tuner *tuner, const char *clip, Part parts[2], GError **error)
{
  g_autoptr (ToolSource) source = tool_source_open (clip, error);
  g_autoptr (TuneSetting) setting = tune_setting_new (tuner, 0);
  g_autoptr (DcnnSession) dense = source
      ? tune_session_new (tuner, setting, DCNN_MODE_DENSE, TRUE, error) : NULL;
  GError *cause = NULL;
  DcnnFrame frame;
  if (!dense)
    return FALSE;
  g_autoptr (DcnnDecoder) decoder =
      dcnn_decoder_new (tuner->info, tuner->model, &cause);
  guint64 last = MAX (parts[0].end, parts[1].end);
  for (guint64 i = 0; !cause && i < last
      && tool_source_next (source, &frame, &cause); i++) {
    if (g_atomic_int_get (&tune_stopped))
      g_set_error (&cause, DCNN_ERROR, DCNN_ERROR_ARGUMENT, "stopped");
    else if (take (tuner, &parts[0], i, &frame, dense, decoder, &cause))
      take (tuner, &parts[1], i, &frame, dense, decoder, &cause);
    if (i % 16 == 0)
      tune_say (tuner, FALSE, "reading %s: frame %u", clip, (guint) i);
  }
  if (cause)
    g_propagate_error (error, cause);
  return !cause;
}

gboolean
tune_read_clip (Tuner *tuner, const char *clip, guint n, guint held,
    GError **error)
{
  guint64 total;
  Part parts[2] = { { NULL }, { NULL } };
  g_autofree char *name = g_path_get_basename (clip);
  if (!tune_count_frames (clip, &total, error))
    return FALSE;
  guint64 cut = n ? total - total / 3 : 0;
  if (n) {
    TuneSet *set = set_new (name, FALSE);
    g_ptr_array_add (tuner->sets, set);
    plan_part (&parts[0], set, 0, cut, n, STRETCH);
  }
  g_autofree char *held_name = n ? g_strconcat (name, ", last third", NULL)
      : g_strdup (name);
  TuneSet *set = set_new (held_name, TRUE);
  g_ptr_array_add (tuner->sets, set);
  plan_part (&parts[1], set, cut, total, held, CHECK_STRETCH);
  if (!read_frames (tuner, clip, parts, error))
    return FALSE;
  if (n)
    take_influence (tuner);
  return TRUE;
}
