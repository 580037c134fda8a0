/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench_view.c - of deltacnn-bench: results of two sessions beside each other,
 * and those of --align led back onto the camera's own picture, where dense runs
 * of that picture and a person's annotations are. */
#include "bench.h"

struct BenchView {
  const BenchRun *run;
  DcnnSession *camera;       /* dense, told of no motion */
  BenchSide side[4];         /* aligned, its dense like, unaligned, camera */
  BenchAgreement sparse, window, plain; /* each with the camera's */
  ToolSource *annotations;   /* NULL: none */
  guint64 both[4], either[4];/* of annotated pixels, by side */
};

enum { ALIGNED, WINDOW, PLAIN, CAMERA };

/* ---- sides ------------------------------------------------------------- */

static const DcnnResults *
results_of (const BenchSide *side, float score, guint width, guint height)
{
  const DcnnResults *results =
      dcnn_decoder_run (side->decoder, side->session, 0, score);
  gdouble view[9];
  if (!side->back)
    return results;
  dcnn_session_get_view (side->session, 0, view);
  return dcnn_led_back_results (side->back, results, view, width, height);
}

void
bench_view_compare (const BenchRun *run, BenchAgreement *agreement,
    const BenchSide *a, const BenchSide *b)
{
  gfloat score = run->options->score >= 0 ? (gfloat) run->options->score
      : dcnn_decoder_get_score_threshold (b->decoder);
  guint w = run->frame_width, h = run->frame_height;
  DcnnTransform transform;
  dcnn_session_get_transform (b->session, 0, &transform);
  const DcnnResults *p = results_of (a, score, w, h);
  const DcnnResults *q = results_of (b, score, w, h);
  bench_agreement_add_results (agreement, p, q, &transform);
  if (!p->detections || !q->detections)
    return;
  float low = MAX (0, score - BENCH_NEAR_SCORE);
  p = results_of (a, low, w, h);
  q = results_of (b, low, w, h);
  bench_agreement_add_boxes (agreement, p->detections, q->detections, score);
}

/* ---- annotations ------------------------------------------------------- */

/* A mask and what somebody drew (white: the thing), at the mask's cells. */
static void
add_annotation (BenchView *view, guint side, const DcnnSegmentation *mask,
    const DcnnFrame *drawn)
{
  guint bytes;
  const guint8 *luma = bench_luma (drawn, &bytes);
  guint8 least = mask->n_classes == 1 ? 128 : 1;
  float scale_x = (float) drawn->width / view->run->frame_width;
  float scale_y = (float) drawn->height / view->run->frame_height;
  for (guint y = 0; y < mask->height; y++)
    for (guint x = 0; x < mask->width; x++) {
      float fx = (mask->x + (x + 0.5f) * mask->w / mask->width) * scale_x;
      float fy = (mask->y + (y + 0.5f) * mask->h / mask->height) * scale_y;
      if (!(fx >= 0) || !(fy >= 0) || fx >= drawn->width
          || fy >= drawn->height)
        continue;
      gboolean is = luma[(gsize) (guint) fy * drawn->strides[0]
          + (gsize) (guint) fx * bytes] >= 128;
      gboolean found = mask->data[(gsize) y * mask->width + x] >= least;
      view->both[side] += is && found;
      view->either[side] += is || found;
    }
}

static gboolean
add_annotations (BenchView *view, gboolean counts, GError **error)
{
  DcnnFrame drawn;
  GError *cause = NULL;
  if (!view->annotations)
    return TRUE;
  if (!tool_source_next (view->annotations, &drawn, &cause)) {
    if (cause)
      g_propagate_error (error, cause);
    else
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
          "%s holds fewer pictures than the clip; give --frames",
          view->run->options->annotations);
    return FALSE;
  }
  for (guint i = 0; counts && i < G_N_ELEMENTS (view->side); i++) {
    const DcnnResults *found = results_of (&view->side[i],
        dcnn_decoder_get_score_threshold (view->side[i].decoder),
        view->run->frame_width, view->run->frame_height);
    if (found->has_segmentation)
      add_annotation (view, i, &found->segmentation, &drawn);
  }
  return TRUE;
}

/* ---- the whole --------------------------------------------------------- */

BenchView *
bench_view_new (const BenchRun *run, DcnnSession *plain, DcnnSession *camera,
    GError **error)
{
  BenchView *view = g_new0 (BenchView, 1);
  const BenchOptions *options = run->options;
  DcnnSession *sessions[] = { run->sparse, run->dense, plain, camera };
  GError *cause = NULL;
  view->run = run;
  view->camera = camera;
  for (guint i = 0; i < G_N_ELEMENTS (sessions) && !cause; i++) {
    view->side[i].session = sessions[i];
    view->side[i].back = dcnn_led_back_new ();
    view->side[i].decoder = dcnn_decoder_new (run->info, run->model, &cause);
  }
  if (!cause && options->annotations)
    view->annotations = tool_source_open (options->annotations, &cause);
  for (gint i = 0; !cause && view->annotations && i < options->skip; i++) {
    DcnnFrame drawn;
    if (!tool_source_next (view->annotations, &drawn, &cause))
      break;
  }
  if (!cause)
    return view;
  g_propagate_error (error, cause);
  bench_view_free (view);
  return NULL;
}

void
bench_view_free (BenchView *view)
{
  if (!view)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (view->side); i++) {
    g_clear_pointer (&view->side[i].decoder, dcnn_decoder_free);
    g_clear_pointer (&view->side[i].back, dcnn_led_back_free);
  }
  g_clear_pointer (&view->annotations, tool_source_free);
  dcnn_session_free (view->camera);
  g_free (view);
}

gboolean
bench_view_account (BenchView *view, const DcnnFrame *frame, gboolean counts,
    GError **error)
{
  const BenchSide *s = view->side;
  if (!dcnn_session_push_frame (view->camera, 0, frame, NULL, error))
    return FALSE;
  if (counts && s[CAMERA].decoder) {
    bench_view_compare (view->run, &view->sparse, &s[ALIGNED], &s[CAMERA]);
    bench_view_compare (view->run, &view->window, &s[WINDOW], &s[CAMERA]);
    bench_view_compare (view->run, &view->plain, &s[PLAIN], &s[CAMERA]);
  }
  return !s[CAMERA].decoder || add_annotations (view, counts, error);
}

void
bench_view_json (const BenchView *view, JsonBuilder *builder)
{
  static const char *const names[] = { "aligned", "dense_window", "unaligned",
    "dense" };
  const BenchAgreement *all[] = { &view->sparse, &view->window, &view->plain };
  static const char *const members[] = { "agreement_camera",
    "agreement_window_camera", "agreement_unaligned" };
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    json_builder_set_member_name (builder, members[i]);
    json_builder_begin_object (builder);
    bench_agreement_json (all[i], builder);
    json_builder_end_object (builder);
  }
  if (!view->annotations)
    return;
  json_builder_set_member_name (builder, "annotation_iou");
  json_builder_begin_object (builder);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    tool_json_double (builder, names[i], view->either[i]
        ? (double) view->both[i] / (double) view->either[i] : 0);
  json_builder_end_object (builder);
}

void
bench_view_print (const BenchView *view)
{
  g_autofree char *sparse = bench_agreement_text (&view->sparse);
  g_autofree char *window = bench_agreement_text (&view->window);
  g_autofree char *plain = bench_agreement_text (&view->plain);
  g_print ("  led back      %s: with dense runs of the camera's own picture\n"
      "                %s: dense runs of the window with those\n"
      "                %s: not aligned with those\n", sparse, window, plain);
}
