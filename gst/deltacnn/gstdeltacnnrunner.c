/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnrunner.c - see gstdeltacnnrunner.h.
 */
#include "gstdeltacnnrunner.h"

#include <math.h>
#include <string.h>

#include "deltacnn/decode.h"
#include "gstdeltacnncuda.h"
#include "gstdeltacnnframe.h"
#include "gstdeltacnnload.h"
#include "gstdeltacnnmodelcache.h"
#include "gstdeltacnnquark.h"
#include "gstdeltacnnseat.h"

G_STATIC_ASSERT ((gint) GST_DELTA_CNN_TENSOR_FLOAT32 == (gint) DCNN_DTYPE_F32);
G_STATIC_ASSERT ((gint) GST_DELTA_CNN_TENSOR_BOOL == (gint) DCNN_DTYPE_BOOL);
G_STATIC_ASSERT (GST_DELTA_CNN_TENSOR_MAX_DIMS == DCNN_MAX_RANK);
G_STATIC_ASSERT (sizeof (GstDeltaCnnKeypoint) == sizeof (DcnnKeypoint));

struct GstDeltaCnnRunner
{
  gchar *path;
  DcnnModelInfo *info;
  DcnnModel *model;             /* the cache's */
  DcnnModelSummary summary;
  DcnnSessionOptions options;   /* as the seat was taken by */
  gchar *device;                /* options' */
  GstDeltaCnnSeat *seat;
  DcnnSession *session;         /* the seat's, while results are held */
  guint stream;
  DcnnDecoder *decoder;         /* NULL: tensors only */
  DcnnLedBack *led_back;        /* results of a window that looks elsewhere */
  DcnnMask updates;             /* the update mask, likewise */
  guint frame_width, frame_height; /* of the last frame run */
  DcnnFrameStats stats;         /* likewise */
  GstDeltaCnnRectangle window;
  DcnnTuning base_tuning;       /* the descriptor's or the engine's */
  gboolean interest, moving_interest; /* what weights are found for */
  DcnnInterest *interest_map;
  const gfloat *weights;        /* the map's, for the next frame; NULL: none */
  const gchar *runs_on;         /* facts of the session */
  gchar *passed_over;
  gboolean fell_back;
  guint64 state_bytes;
  GQuark *output_ids;           /* by output; 0: not asked for yet */
  GQuark *labels;
  guint n_labels;
  GBytes *edges;                /* of the last skeleton seen */
};

gboolean
gst_delta_cnn_runner_needs_size (const GstDeltaCnnSettings * settings)
{
  return settings->input_width < 0 || settings->input_height < 0;
}

static void
gst_delta_cnn_runner_read_labels (GstDeltaCnnRunner * runner)
{
  gchar **labels = runner->info->labels;

  runner->n_labels = labels ? g_strv_length (labels) : 0;
  runner->labels = g_new0 (GQuark, runner->n_labels + 1);
}

static void
gst_delta_cnn_runner_take_interest (GstDeltaCnnRunner * runner,
    const DcnnTuning * tuning)
{
  runner->interest = tuning->interest;
  runner->moving_interest = tuning->moving_interest;
  if (!runner->interest && !runner->moving_interest)
    runner->weights = NULL;
}

/* The steps of loading that need the model. */
static gboolean
gst_delta_cnn_runner_open (GstDeltaCnnRunner * runner,
    const GstDeltaCnnSettings * settings, GError ** error)
{
  DcnnSessionOptions *options = &runner->options;

  dcnn_model_get_summary (runner->model, &runner->summary);
  if (!gst_delta_cnn_load_check_input (runner->path, &runner->summary, error))
    return FALSE;
  runner->decoder = dcnn_decoder_new (runner->info, runner->model, error);
  if (!runner->decoder && *error)
    return FALSE;
  dcnn_session_options_init (options);
  dcnn_modelinfo_apply (runner->info, options);
  runner->device = gst_delta_cnn_settings_get_device (settings);
  options->device = runner->device;
  options->threads = settings->threads;
  options->precision = settings->precision;
  runner->base_tuning = options->tuning;
  gst_delta_cnn_settings_apply_tuning (settings, &options->tuning);
  gst_delta_cnn_runner_take_interest (runner, &options->tuning);
  if (!gst_delta_cnn_settings_apply_input (settings, options, error))
    return FALSE;
  runner->seat = gst_delta_cnn_seat_new (runner->model, options,
      settings->batch_timeout, error);
  if (!runner->seat)
    return FALSE;
  runner->runs_on = gst_delta_cnn_seat_device (runner->seat,
      &runner->passed_over, &runner->fell_back, &runner->state_bytes);
  return TRUE;
}

GstDeltaCnnRunner *
gst_delta_cnn_runner_new (const GstDeltaCnnSettings * settings,
    guint frame_width, guint frame_height, GError ** error)
{
  g_autoptr (GstDeltaCnnRunner) runner = g_new0 (GstDeltaCnnRunner, 1);
  GError *local = NULL;
  guint width, height;

  runner->path = gst_delta_cnn_load_find (settings, error);
  if (!runner->path)
    return NULL;
  runner->info = gst_delta_cnn_load_info (settings, runner->path, error);
  if (!runner->info)
    return NULL;
  gst_delta_cnn_load_size (settings, runner->info, frame_width, frame_height,
      &width, &height);
  runner->model = gst_delta_cnn_model_cache_acquire (runner->path, width,
      height, error);
  if (!runner->model)
    return NULL;
  if (!gst_delta_cnn_runner_open (runner, settings, &local)) {
    gst_delta_cnn_load_name_file (&local, runner->path);
    g_propagate_error (error, local);
    return NULL;
  }
  gst_delta_cnn_runner_read_labels (runner);
  runner->output_ids = g_new0 (GQuark, runner->summary.n_outputs + 1);
  runner->led_back = dcnn_led_back_new ();
  runner->interest_map = dcnn_interest_new
      (runner->summary.input_width, runner->summary.input_height);
  return g_steal_pointer (&runner);
}

void
gst_delta_cnn_runner_free (GstDeltaCnnRunner * runner)
{
  if (!runner)
    return;
  g_clear_pointer (&runner->decoder, dcnn_decoder_free);
  g_clear_pointer (&runner->seat, gst_delta_cnn_seat_free);
  g_free (runner->device);
  g_free (runner->passed_over);
  g_clear_pointer (&runner->led_back, dcnn_led_back_free);
  g_free (runner->updates.words);
  g_clear_pointer (&runner->model, gst_delta_cnn_model_cache_release);
  g_clear_pointer (&runner->info, dcnn_modelinfo_free);
  g_clear_pointer (&runner->interest_map, dcnn_interest_free);
  g_clear_pointer (&runner->edges, g_bytes_unref);
  g_free (runner->labels);
  g_free (runner->output_ids);
  g_free (runner->path);
  g_free (runner);
}

void
gst_delta_cnn_runner_set_tuning (GstDeltaCnnRunner * runner,
    const GstDeltaCnnSettings * settings)
{
  DcnnSessionOptions options = runner->options;
  g_autoptr (GError) error = NULL;

  options.tuning = runner->base_tuning;
  gst_delta_cnn_settings_apply_tuning (settings, &options.tuning);
  gst_delta_cnn_runner_take_interest (runner, &options.tuning);
  if (gst_delta_cnn_seat_retune (&runner->seat, &options, &error))
    runner->options = options;
  else
    GST_WARNING ("the tuning stays as it is: %s", error->message);
}

/* What is read of a frame's results: on a GPU each of it is a copy. */
static guint
gst_delta_cnn_runner_wants (const GstDeltaCnnRunner * runner, guint attach)
{
  guint wants = DCNN_WANT_STATS;

  if (runner->decoder)
    wants |= dcnn_decoder_get_wants (runner->decoder);
  if (attach & GST_DELTA_CNN_ATTACH_TENSORS)
    wants |= DCNN_WANT_OUTPUTS;
  if (attach & GST_DELTA_CNN_ATTACH_UPDATES)
    wants |= DCNN_WANT_MASKS;
  return wants;
}

gboolean
gst_delta_cnn_runner_run (GstDeltaCnnRunner * runner,
    const GstVideoFrame * frame, GstObject * gpu, const GstDeltaCnnLook * look,
    GError ** error)
{
  const GArray *regions = look->regions;
  const GstDeltaCnnFocus focus = {
    .interest = runner->weights,
    .regions = regions ? (const DcnnRegion *) regions->data : NULL,
    .n_regions = regions ? regions->len : 0,
    .margin = look->margin,
  };
  DcnnFrame input, whole;

  if (!gst_delta_cnn_frame_fill (frame, &input)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "Frames of format %s are not supported; put videoconvert before",
        gst_video_format_to_string (GST_VIDEO_FRAME_FORMAT (frame)));
    return FALSE;
  }
  if (gpu)
    gst_delta_cnn_cuda_describe (frame->buffer, gpu, &input);
  if (look->width > 0) {
    gint x = look->x, y = look->y;
    whole = input;
    dcnn_frame_crop (&whole, &x, &y, look->width, look->height, &input);
  }
  runner->frame_width = input.width;
  runner->frame_height = input.height;
  if (!gst_delta_cnn_seat_run (runner->seat, &input, look->motion, &focus,
          gst_delta_cnn_runner_wants (runner, look->attach), error))
    return FALSE;
  runner->session = gst_delta_cnn_seat_session (runner->seat, &runner->stream);
  return TRUE;
}

static void
gst_delta_cnn_runner_collect_cost (GstDeltaCnnRunner * runner,
    GstDeltaCnnCost * cost)
{
  DcnnFrameStats stats;

  dcnn_session_get_stats (runner->session, runner->stream, &stats);
  cost->frames = stats.frames;
  cost->changed_share = stats.changed_share;
  cost->mac_share = stats.macs_dense > 0 ?
      (gdouble) stats.macs_done / stats.macs_dense : 0;
  cost->input_time = MAX (stats.input_ns, 0);
  cost->run_time = MAX (stats.run_ns, 0);
  cost->dense = stats.dense;
  (void) gst_delta_cnn_seat_company (runner->seat, &cost->batch);
  cost->settled = stats.settled;
}

/* The update mask where it lies on the frame: one that covers it, as fine. */
static const DcnnMask *
gst_delta_cnn_runner_lead_updates (GstDeltaCnnRunner * runner,
    const DcnnMask * mask, const DcnnTransform * transform,
    const gdouble * view)
{
  DcnnMask *to = &runner->updates;
  const guint width = MAX (1, lroundf (runner->frame_width *
          transform->scale_x));
  const guint height = MAX (1, lroundf (runner->frame_height *
          transform->scale_y));

  if (to->width != width || to->height != height) {
    g_free (to->words);
    *to = (DcnnMask) {
      .width = width,.height = height,.blocks_x = (width + 7) / 8,
      .blocks_y = (height + 7) / 8
    };
    to->words = g_new0 (guint64, (gsize) to->blocks_x * to->blocks_y);
  }
  dcnn_led_back_mask (mask, transform, view, runner->frame_width,
      runner->frame_height, to);
  return to;
}

static void
gst_delta_cnn_runner_collect_updates (GstDeltaCnnRunner * runner,
    GstDeltaCnnResults * results)
{
  const DcnnMask *mask = dcnn_session_get_input_mask (runner->session, runner->stream);
  DcnnTransform transform;
  gdouble view[9];

  if (!mask || mask->width == 0 || mask->height == 0)
    return;
  dcnn_session_get_transform (runner->session, runner->stream, &transform);
  if (!(transform.scale_x > 0) || !(transform.scale_y > 0))
    return;
  if (dcnn_session_get_view (runner->session, runner->stream, view)) {
    mask = gst_delta_cnn_runner_lead_updates (runner, mask, &transform, view);
    transform = (DcnnTransform) {
      .scale_x = (gfloat) mask->width / runner->frame_width,
      .scale_y = (gfloat) mask->height / runner->frame_height
    };
  }
  results->updates = g_bytes_new (mask->words,
      (gsize) mask->blocks_x * mask->blocks_y * sizeof mask->words[0]);
  results->updates_width = mask->width;
  results->updates_height = mask->height;
  results->updates_rectangle = (GstDeltaCnnRectangle) {
    .x = -transform.offset_x / transform.scale_x,
    .y = -transform.offset_y / transform.scale_y,
    .w = mask->width / transform.scale_x,
    .h = mask->height / transform.scale_y,
  };
}

static void
clear_tensor (gpointer data)
{
  g_clear_pointer (&((GstDeltaCnnTensor *) data)->data, g_bytes_unref);
}

/* What upstream's elements know the output by. */
static GQuark
output_id (const DcnnModelInfo * info, const gchar * name)
{
  for (guint i = 0; i < info->tensors->len; i++) {
    const DcnnTensorInfo *tensor = g_ptr_array_index (info->tensors, i);

    if (!tensor->is_input && tensor->id && g_strcmp0 (tensor->name, name) == 0)
      return gst_delta_cnn_quark_from_file (tensor->id);
  }
  return gst_delta_cnn_quark_from_file (name);
}

static void
gst_delta_cnn_runner_collect_tensors (GstDeltaCnnRunner * runner,
    GstDeltaCnnResults * results)
{
  results->tensors = g_array_new (FALSE, TRUE, sizeof (GstDeltaCnnTensor));
  g_array_set_clear_func (results->tensors, clear_tensor);
  results->tensor_ids = g_array_new (FALSE, FALSE, sizeof (GQuark));
  for (guint i = 0; i < runner->summary.n_outputs; i++) {
    const DcnnOutput *output =
        dcnn_session_get_output (runner->session, runner->stream, i);
    const DcnnTensor *from = &output->tensor;
    GstDeltaCnnTensor tensor = {
      .name = gst_delta_cnn_quark_from_file (output->name),
      .type = (GstDeltaCnnTensorType) from->dtype,
      .n_dims = from->rank,
    };

    for (gint d = 0; d < from->rank; d++)
      tensor.dims[d] = from->dims[d];
    tensor.data = g_bytes_new (from->data,
        dcnn_tensor_count (from) * dcnn_dtype_bytes (from->dtype));
    g_array_append_val (results->tensors, tensor);
    if (runner->output_ids[i] == 0)
      runner->output_ids[i] = output_id (runner->info, output->name);
    g_array_append_val (results->tensor_ids, runner->output_ids[i]);
  }
}

static void
gst_delta_cnn_runner_collect_poses (GstDeltaCnnRunner * runner,
    const DcnnResults * decoded, GstDeltaCnnResults * results)
{
  const gsize bytes = (gsize) decoded->n_edges * 2;

  for (guint i = 0; decoded->poses && i < decoded->poses->len; i++) {
    const DcnnPose *from = &g_array_index (decoded->poses, DcnnPose, i);
    const GstDeltaCnnPose pose = { from->score, from->first,
      from->n_keypoints
    };
    g_array_append_val (results->poses, pose);
  }
  if (decoded->keypoints)
    g_array_append_vals (results->keypoints, decoded->keypoints->data,
        decoded->keypoints->len);
  if (bytes == 0)
    return;
  if (!runner->edges || g_bytes_get_size (runner->edges) != bytes
      || memcmp (g_bytes_get_data (runner->edges, NULL), decoded->edges,
          bytes) != 0) {
    g_clear_pointer (&runner->edges, g_bytes_unref);
    runner->edges = g_bytes_new (decoded->edges, bytes);
  }
  results->edges = g_bytes_ref (runner->edges);
}

/* The name of a class; 0: it has none. */
static GQuark
gst_delta_cnn_runner_label (const GstDeltaCnnRunner * runner, gint class_id)
{
  if (class_id < 0 || class_id >= (gint) runner->n_labels)
    return 0;
  if (runner->labels[class_id] == 0)
    runner->labels[class_id] =
        gst_delta_cnn_quark_from_file (runner->info->labels[class_id]);
  return runner->labels[class_id];
}

static void
gst_delta_cnn_runner_collect_classes (GstDeltaCnnRunner * runner,
    const DcnnResults * decoded, GstDeltaCnnResults * results)
{
  for (guint i = 0; decoded->labels && i < decoded->labels->len; i++) {
    const DcnnLabel *from = &g_array_index (decoded->labels, DcnnLabel, i);
    const GstDeltaCnnLabel item = { from->score, from->class_id,
      gst_delta_cnn_runner_label (runner, from->class_id)
    };
    g_array_append_val (results->classes, item);
  }
}

static void
gst_delta_cnn_runner_collect_values (GstDeltaCnnRunner * runner,
    const DcnnResults * decoded, GstDeltaCnnResults * results)
{
  results->has_values = decoded->has_values;
  if (decoded->values)
    g_array_append_vals (results->values, decoded->values->data,
        decoded->values->len);
  /* as many labels as numbers, or none: the decoder has seen to it */
  for (guint i = 0; decoded->has_values && i < runner->n_labels; i++) {
    const GQuark name = gst_delta_cnn_runner_label (runner, (gint) i);
    g_array_append_val (results->names, name);
  }
  results->text = g_strdup (decoded->text);
  results->text_score = decoded->text_score;
  if (decoded->has_picture) {
    const DcnnPicture *picture = &decoded->picture;
    results->picture = g_bytes_new (picture->data,
        (gsize) picture->width * picture->height * picture->channels);
    results->picture_width = picture->width;
    results->picture_height = picture->height;
    results->picture_channels = picture->channels;
    results->picture_rectangle = (GstDeltaCnnRectangle) {
    picture->x, picture->y, picture->w, picture->h};
  }
}

static void
gst_delta_cnn_runner_collect_decoded (GstDeltaCnnRunner * runner,
    const DcnnResults * decoded, GstDeltaCnnResults * results)
{
  const guint points = DCNN_FINDS_POINTS | DCNN_FINDS_LINES;

  for (guint i = 0; decoded->detections && i < decoded->detections->len; i++) {
    const DcnnDetection *from =
        &g_array_index (decoded->detections, DcnnDetection, i);
    const GstDeltaCnnDetection box = {
      .x = from->x,.y = from->y,.width = from->width,.height = from->height,
      .score = from->score,.class_id = from->class_id,
      .label = gst_delta_cnn_runner_label (runner, from->class_id),
      .angle = from->angle,
    };
    g_array_append_val (results->detections, box);
  }
  gst_delta_cnn_runner_collect_poses (runner, decoded, results);
  gst_delta_cnn_runner_collect_classes (runner, decoded, results);
  gst_delta_cnn_runner_collect_values (runner, decoded, results);
  if (decoded->has_segmentation) {
    const DcnnSegmentation *mask = &decoded->segmentation;
    results->mask = g_bytes_new (mask->data,
        (gsize) mask->width * mask->height);
    results->mask_width = mask->width;
    results->mask_height = mask->height;
    results->mask_classes = mask->n_classes;
    results->mask_rectangle = (GstDeltaCnnRectangle) {
    mask->x, mask->y, mask->w, mask->h};
  }
  results->looks_for_poses = results->poses->len > 0
      || (decoded->finds & (DCNN_FINDS_POSES | points));
  if (results->looks_for_poses && !(decoded->finds & points))
    results->pose_label = g_quark_from_static_string ("person");
  results->looks_for_classes = results->classes->len > 0
      || (decoded->finds & DCNN_FINDS_CLASSES);
  results->looks_for_boxes = (decoded->finds & DCNN_FINDS_BOXES) != 0;
}

/* What is asked for when the session is others' again. */
static void
gst_delta_cnn_runner_keep (GstDeltaCnnRunner * runner)
{
  gdouble x, y, w, h;

  dcnn_session_get_stats (runner->session, runner->stream, &runner->stats);
  dcnn_session_get_window (runner->session, runner->stream, &x, &y, &w, &h);
  runner->window = (GstDeltaCnnRectangle) {
  x, y, w, h};
}

GstDeltaCnnResults *
gst_delta_cnn_runner_collect (GstDeltaCnnRunner * runner, guint attach,
    gfloat score_threshold)
{
  GstDeltaCnnResults *results = gst_delta_cnn_results_new ();
  const DcnnResults *decoded = NULL;
  gdouble view[9], inward[9];
  gboolean looks;

  looks = dcnn_session_get_view (runner->session, runner->stream, view);
  results->frame_width = runner->frame_width;
  results->frame_height = runner->frame_height;
  gst_delta_cnn_runner_collect_cost (runner, &results->cost);
  if (attach & GST_DELTA_CNN_ATTACH_UPDATES)
    gst_delta_cnn_runner_collect_updates (runner, results);
  if (attach & GST_DELTA_CNN_ATTACH_TENSORS)
    gst_delta_cnn_runner_collect_tensors (runner, results);
  if (runner->decoder) {
    decoded = dcnn_decoder_run (runner->decoder, runner->session,
        runner->stream, score_threshold);
    if (looks)
      decoded = dcnn_led_back_results (runner->led_back, decoded, view,
          runner->frame_width, runner->frame_height);
    gst_delta_cnn_runner_collect_decoded (runner, decoded, results);
  }
  if (runner->interest || (runner->moving_interest && looks)) {
    dcnn_session_get_inward (runner->session, runner->stream, inward);
    runner->weights = dcnn_interest_update (runner->interest_map, decoded,
        inward);
  }
  gst_delta_cnn_runner_keep (runner);
  runner->session = NULL;
  gst_delta_cnn_seat_release (runner->seat);
  return results;
}

guint
gst_delta_cnn_runner_get_tile (const GstDeltaCnnRunner * runner)
{
  return runner->summary.tile;
}

void
gst_delta_cnn_runner_get_stats (const GstDeltaCnnRunner * runner,
    DcnnFrameStats * stats)
{
  *stats = runner->stats;
}

void
gst_delta_cnn_runner_get_window (const GstDeltaCnnRunner * runner,
    GstDeltaCnnRectangle * window)
{
  *window = runner->window;
}

void
gst_delta_cnn_runner_reset (GstDeltaCnnRunner * runner)
{
  runner->weights = NULL;
  gst_delta_cnn_seat_reset (runner->seat);
}

gchar *
gst_delta_cnn_runner_describe_outputs (GstDeltaCnnRunner * runner)
{
  g_autoptr (GError) error = NULL;
  GString *text;

  runner->session = gst_delta_cnn_seat_hold (runner->seat, &runner->stream);
  if (!runner->session)
    return NULL;
  text = g_string_new (NULL);
  if (!dcnn_session_wait (runner->session, runner->stream, DCNN_WANT_OUTPUTS,
          &error))
    GST_WARNING ("what outputs hold is not known: %s", error->message);
  for (guint i = 0; i < runner->summary.n_outputs; i++) {
    const DcnnOutput *output =
        dcnn_session_get_output (runner->session, runner->stream, i);
    const gint64 count = dcnn_tensor_count (&output->tensor);
    const gfloat *values = output->tensor.data;
    gfloat low = G_MAXFLOAT, high = -G_MAXFLOAT;

    if (i > 0)
      g_string_append (text, ", ");
    g_string_append_printf (text, "output '%s' ", output->name);
    if (output->tensor.dtype != DCNN_DTYPE_F32 || count == 0) {
      g_string_append_printf (text, "is %s",
          dcnn_dtype_name (output->tensor.dtype));
      continue;
    }
    for (gint64 k = 0; k < count; k++) {
      low = MIN (low, values[k]);
      high = MAX (high, values[k]);
    }
    g_string_append_printf (text, "ranges from %g to %g", low, high);
  }
  runner->session = NULL;
  gst_delta_cnn_seat_release (runner->seat);
  return g_string_free (text, FALSE);
}

gboolean
gst_delta_cnn_runner_decodes (const GstDeltaCnnRunner * runner)
{
  return runner->decoder != NULL;
}

const gchar *
gst_delta_cnn_runner_get_path (const GstDeltaCnnRunner * runner)
{
  return runner->path;
}

const gchar *
gst_delta_cnn_runner_get_name (const GstDeltaCnnRunner * runner)
{
  const gchar *slash = strrchr (runner->path, G_DIR_SEPARATOR);

  if (runner->info->name)
    return runner->info->name;
  return slash ? slash + 1 : runner->path;
}

const gchar *
gst_delta_cnn_runner_get_decoder (const GstDeltaCnnRunner * runner)
{
  return runner->decoder ? runner->info->decoder : "none";
}

const gchar *
gst_delta_cnn_runner_get_device (const GstDeltaCnnRunner * runner)
{
  return runner->runs_on;
}

const gchar *
gst_delta_cnn_runner_get_device_why (const GstDeltaCnnRunner * runner,
    gboolean * fell_back)
{
  *fell_back = runner->fell_back;
  return runner->passed_over;
}

void
gst_delta_cnn_runner_get_size (const GstDeltaCnnRunner * runner,
    guint * width, guint * height)
{
  *width = runner->summary.input_width;
  *height = runner->summary.input_height;
}

void
gst_delta_cnn_runner_get_bytes (const GstDeltaCnnRunner * runner,
    guint64 * state, guint64 * weights)
{
  *state = runner->state_bytes;
  *weights = runner->summary.weight_bytes;
}
