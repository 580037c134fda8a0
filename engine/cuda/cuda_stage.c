/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_stage.c - see cuda_stage.h.
 */
#include "cuda_stage.h"

#include <string.h>

#include "cuda.h"
#include "dcnn_cuda_stage.h"
#include "dcnn_stage_tables.h"
#include "input_stage.h"

/* Pieces of a frame that threads copy on their own. */
#define SLICES 8
/* Frames that are copied together, and then go up while the next ones are. */
#define TOGETHER 8
/* What a word of a mask costs, in bytes that are copied. */
#define WORD_COST 64
#define LEAST_BYTES 256      /* of an allocation */

/* What a stream has for frames of its present size and format. */
typedef struct StageStream {
  guint64 of;                /* CpuStream.stages: whose tables are on the
                                device; 0: none */
  guint8 *tables;            /* device */
  guint8 *frame, *host_frame;/* device, pinned: planes one after the other */
  gsize frame_bytes;
  gsize plane_at[3];
  guint row_bytes[3], rows[3];
  DcnnStage stage;           /* planes and matrix are the frame's */
} StageStream;

/* What a stream has once it looked through a matrix. */
typedef struct StageView {
  guint8 *source, *shadow;   /* device; NULL: it never did */
  gint16 (*weights)[4];      /* device */
  DcnnSampling sampling;     /* what they are of */
  gboolean shadowing, valid; /* now; the shadow is of the last frame */
  DcnnLook look;             /* of this frame */
  DcnnInputParams params;    /* of this frame, whether it looks or not */
  const DcnnMask *force;     /* of this frame: see dcnn_picture_forced() */
} StageView;

struct CudaStage {
  guint n_streams, width, height;
  gsize words;
  gint map;
  DcnnCudaMap to;            /* of stream 0 */
  const guint64 *updated, *exact;
  GPtrArray *memory, *pinned;
  gsize bytes;
  StageStream *streams;
  StageView *views;          /* by stream */
  guint8 *pictures, *references, *limits, *host_limits;
                             /* limits: twice, the second one the shadow's */
  guint64 *changed, *differs, *host_changed, *host_differs;
  guint32 *counts, *host_counts; /* [n_streams][2]: DcnnCudaStage.counts */
  DcnnCudaStage *frames, *host_frames; /* device, pinned: [n_streams] */
  guint n;                   /* frames of the last convert */
  gboolean looks;            /* one of them does */
  cudaEvent_t ready;         /* of frames in device memory */
};

/* ---- memory ------------------------------------------------------------------ */

static gpointer
take (CudaStage *stage, gsize bytes, cudaError_t *e)
{
  gpointer p = NULL;

  bytes = MAX (bytes, LEAST_BYTES);
  if (*e == cudaSuccess)
    *e = cudaMalloc (&p, bytes);
  if (*e != cudaSuccess)
    return NULL;
  g_ptr_array_add (stage->memory, p);
  stage->bytes += bytes;
  *e = cudaMemset (p, 0, bytes);
  return p;
}

static gpointer
take_host (CudaStage *stage, gsize bytes, cudaError_t *e)
{
  gpointer p = NULL;

  if (*e == cudaSuccess)
    *e = cudaMallocHost (&p, MAX (bytes, 64));
  if (*e != cudaSuccess)
    return NULL;
  g_ptr_array_add (stage->pinned, p);
  return memset (p, 0, MAX (bytes, 64));
}

gboolean
dcnn_cuda_stage_new (DcnnSession *session, gint map, gpointer data,
    guint pixel, gboolean f32, const guint64 *updated, const guint64 *exact,
    CudaStage **out, GError **error)
{
  const PlanMap *m = plan_map (session->plan, map);
  CudaStage *stage = g_new0 (CudaStage, 1);
  guint n = session->n_streams;
  gsize picture = (gsize) m->width * m->height * 3;
  cudaError_t e = cudaSuccess;

  *out = stage;
  stage->n_streams = n;
  stage->width = m->width;
  stage->height = m->height;
  stage->words = dcnn_mask_words (m->width, m->height);
  stage->map = map;
  stage->to = (DcnnCudaMap) { .data = data, .width = m->width,
    .height = m->height, .span = m->span, .pixel = pixel, .f32 = f32,
    .bf16 = session->options.precision == DCNN_PRECISION_BF16,
    .stream = (guint64) m->width * m->height * pixel };
  stage->updated = updated;
  stage->exact = exact;
  stage->memory = g_ptr_array_new ();
  stage->pinned = g_ptr_array_new ();
  stage->streams = g_new0 (StageStream, n);
  stage->views = g_new0 (StageView, n);
  stage->pictures = take (stage, picture * n, &e);
  stage->references = take (stage, picture * n, &e);
  stage->limits = take (stage, stage->words * 2 * n, &e);
  stage->host_limits = take_host (stage, stage->words * 2 * n, &e);
  stage->changed = take (stage, stage->words * 8 * n, &e);
  stage->differs = take (stage, stage->words * 8 * n, &e);
  stage->host_changed = take_host (stage, stage->words * 8 * n, &e);
  stage->host_differs = take_host (stage, stage->words * 8 * n, &e);
  stage->counts = take (stage, n * 2 * sizeof (guint32), &e);
  stage->host_counts = take_host (stage, n * 2 * sizeof (guint32), &e);
  stage->frames = take (stage, n * sizeof (DcnnCudaStage), &e);
  stage->host_frames = take_host (stage, n * sizeof (DcnnCudaStage), &e);
  if (e == cudaSuccess)
    e = cudaEventCreateWithFlags (&stage->ready, cudaEventDisableTiming);
  return dcnn_cuda_check (e, "allocating the input stage", error);
}

static void
forget_format (StageStream *stream)
{
  (void) cudaFree (stream->tables);
  (void) cudaFree (stream->frame);
  (void) cudaFreeHost (stream->host_frame);
  memset (stream, 0, sizeof *stream);
}

void
dcnn_cuda_stage_free (CudaStage *stage)
{
  if (stage == NULL)
    return;
  for (guint s = 0; s < stage->n_streams; s++)
    forget_format (&stage->streams[s]);
  for (guint i = 0; i < stage->memory->len; i++)
    (void) cudaFree (stage->memory->pdata[i]);
  for (guint i = 0; i < stage->pinned->len; i++)
    (void) cudaFreeHost (stage->pinned->pdata[i]);
  if (stage->ready)
    (void) cudaEventDestroy (stage->ready);
  g_ptr_array_unref (stage->memory);
  g_ptr_array_unref (stage->pinned);
  g_free (stage->streams);
  g_free (stage->views);
  g_free (stage);
}

gsize
dcnn_cuda_stage_predict (const DcnnPlan *plan, guint map, guint streams)
{
  const PlanMap *m = plan_map (plan, (gint) map);
  gsize words = dcnn_mask_words (m->width, m->height);
  /* as dcnn_cuda_stage_new() takes them */
  gsize sizes[] = { (gsize) m->width * m->height * 3,
    (gsize) m->width * m->height * 3, words * 2, words * 8, words * 8,
    2 * sizeof (guint32), sizeof (DcnnCudaStage) }, bytes = 0;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    bytes += MAX (sizes[i] * streams, LEAST_BYTES);
  return bytes;
}

DcnnCudaShift
dcnn_cuda_stage_shift (const CudaStage *stage)
{
  return (DcnnCudaShift) { .data = stage->references, .pixel = 3, .unit = 1,
    .width = stage->width, .height = stage->height, .stride = { 1, 1 },
    .stream = (guint64) stage->width * stage->height * 3 };
}

gsize
dcnn_cuda_stage_bytes (const CudaStage *stage)
{
  return stage ? stage->bytes : 0;
}

/* ---- a format's tables ---------------------------------------------------------- */

/* Copies an axis's tables to tables + *at, which moves on; NULL: only counts. */
static cudaError_t
put_axis (DcnnStageAxis *to, const DcnnInputAxis *axis, guint8 *tables,
    gsize *at)
{
  gsize first = axis->n * sizeof (guint32);
  gsize weights = (gsize) axis->n * axis->taps * sizeof (gint16);
  cudaError_t e = cudaSuccess;

  if (tables) {
    *to = (DcnnStageAxis) { .taps = axis->taps, .begin = axis->begin,
      .end = axis->end };
    to->first = (const uint32_t *) (gpointer) (tables + *at);
    to->weight = (const int16_t *) (gpointer) (tables + *at + first);
    e = cudaMemcpy (tables + *at, axis->first, first, cudaMemcpyHostToDevice);
    if (e == cudaSuccess)
      e = cudaMemcpy (tables + *at + first, axis->weight, weights,
          cudaMemcpyHostToDevice);
  }
  *at += (first + weights + 15) & ~(gsize) 15;
  return e;
}

static cudaError_t
put_tables (StageStream *stream, const DcnnInputTables *t, guint8 *tables,
    gsize *bytes)
{
  const DcnnInputAxis *const axes[4] = { &t->luma.x, &t->luma.y,
    &t->chroma.x, &t->chroma.y };
  DcnnStageAxis *const to[4] = { &stream->stage.luma.x,
    &stream->stage.luma.y, &stream->stage.chroma.x, &stream->stage.chroma.y };
  cudaError_t e = cudaSuccess;

  *bytes = 0;
  for (guint i = 0; i < 4 && e == cudaSuccess; i++)
    if (axes[i]->n)
      e = put_axis (to[i], axes[i], tables, bytes);
  return e;
}

/* Where the planes of a frame go that comes from the host. */
static void
lay_out (StageStream *stream, const DcnnFrame *frame, guint n_planes)
{
  gboolean nv12 = frame->format == DCNN_FORMAT_NV12;

  for (guint p = 0; p < n_planes; p++) {
    guint half_width = (frame->width + 1) / 2;
    stream->plane_at[p] = stream->frame_bytes;
    stream->row_bytes[p] = p == 0 ? frame->width * stream->stage.bytes :
        half_width * (nv12 ? 2 : 1);
    stream->rows[p] = p == 0 ? frame->height : (frame->height + 1) / 2;
    stream->frame_bytes += ((gsize) stream->row_bytes[p] * stream->rows[p] +
        255) & ~(gsize) 255;
  }
}

static guint
count_planes (DcnnPixelFormat format)
{
  return format == DCNN_FORMAT_I420 ? 3 : format == DCNN_FORMAT_NV12 ? 2 : 1;
}

/* After dcnn_picture_begin() made the stream a stage of another size or
 * format. */
static cudaError_t
take_format (StageStream *stream, const DcnnStream *of, const DcnnFrame *frame)
{
  const DcnnInputGeometry *g = &of->geometry;
  const DcnnInputTables *t = dcnn_input_stage_tables (of->cpu->stage);
  gsize bytes;
  cudaError_t e;

  forget_format (stream);
  dcnn_stage_init (&stream->stage, g, t);
  (void) put_tables (stream, t, NULL, &bytes);
  e = cudaMalloc ((void **) &stream->tables, MAX (bytes, 16));
  if (e == cudaSuccess)
    e = put_tables (stream, t, stream->tables, &bytes);
  if (frame->memory == DCNN_MEMORY_HOST) {
    lay_out (stream, frame, count_planes (frame->format));
    if (e == cudaSuccess)
      e = cudaMalloc ((void **) &stream->frame, stream->frame_bytes);
    if (e == cudaSuccess)
      e = cudaMallocHost ((void **) &stream->host_frame, stream->frame_bytes);
  }
  if (e == cudaSuccess)
    e = dcnn_cuda_finish_uploads (); /* the queue does not wait for the tables */
  if (e == cudaSuccess)
    stream->of = of->cpu->stages;
  return e;
}

/* ---- through a matrix ----------------------------------------------------------- */

/* What looking takes, the first time that a stream does, and the weights, once
 * they are others. */
static cudaError_t
take_view (CudaStage *stage, StageView *view, DcnnSampling sampling)
{
  gint16 weights[DCNN_LOOK_PHASES][4];
  gsize row = (gsize) stage->width * 3;
  gsize shadow = (stage->height + DCNN_LOOK_SHADOW_ROWS - 1) /
      DCNN_LOOK_SHADOW_ROWS * row;
  cudaError_t e = cudaSuccess;

  if (view->source && view->sampling == sampling)
    return cudaSuccess;
  if (view->source == NULL) {
    view->shadow = take (stage, shadow, &e);
    view->weights = take (stage, DCNN_LOOK_PHASES * sizeof *view->weights, &e);
    view->source = take (stage, row * stage->height, &e);
  }
  dcnn_look_weights (sampling, weights);
  view->sampling = DCNN_SAMPLING_COUNT;
  if (e == cudaSuccess)
    e = cudaMemcpy (view->weights, weights, sizeof weights,
        cudaMemcpyHostToDevice);
  if (e == cudaSuccess) /* the queue does not wait for what is not its own */
    e = dcnn_cuda_finish_uploads ();
  if (e == cudaSuccess)
    view->sampling = sampling;
  return e;
}

/* How a stream takes this frame, and by what it is compared. */
static cudaError_t
begin_view (CudaStage *stage, DcnnSession *session, DcnnStream *stream,
    StageView *view)
{
  DcnnInputView how;
  cudaError_t e;
  gint seen[4];

  dcnn_view_params (session, stream, &view->params);
  view->valid = view->shadowing;
  view->shadowing = stream->looks && stream->weighs;
  if (!stream->looks)
    return cudaSuccess;
  dcnn_stream_seen (stream, plan_map (session->plan, stage->map), &seen[0],
      &seen[1], &seen[2], &seen[3]);
  dcnn_view_look (session, stream, seen, &how);
  e = take_view (stage, view, how.sampling);
  dcnn_look_init (&view->look, &stream->geometry, &how);
  view->look.weights = (const gint16 (*)[4]) view->weights;
  dcnn_look_get_matrix (&view->look, stream->view);
  return e;
}

/* ---- a batch ----------------------------------------------------------------------- */

/* Of what streams have of their own. */
typedef struct StageWork {
  CudaStage *stage;
  DcnnSession *session;
  const BackendFrame *frames;
} StageWork;

/* Slices of frames into pinned memory. */
static void
copy_work (gpointer data, gsize begin, gsize end, guint thread)
{
  StageWork *work = data;

  for (gsize i = begin; i < end; i++) {
    const BackendFrame *f = &work->frames[i / SLICES];
    const StageStream *stream = &work->stage->streams[f->stream];
    guint slice = (guint) (i % SLICES);
    if (!f->picture || f->picture->memory != DCNN_MEMORY_HOST)
      continue;
    for (guint p = 0; p < count_planes (f->picture->format); p++) {
      guint rows = stream->rows[p], bytes = stream->row_bytes[p];
      guint8 *to = stream->host_frame + stream->plane_at[p];
      for (guint y = rows * slice / SLICES; y < rows * (slice + 1) / SLICES;
          y++)
        memcpy (to + (gsize) y * bytes, f->picture->planes[p] +
            (gssize) y * f->picture->strides[p], bytes);
    }
  }
}

static void
copy_frames (CudaStage *stage, DcnnSession *session,
    const BackendFrame *frames, guint n)
{
  StageWork work = { stage, session, frames };
  guint64 bytes = 0;

  for (guint i = 0; i < n; i++)
    bytes += frames[i].picture ?
        stage->streams[frames[i].stream].frame_bytes : 0;
  dcnn_run_parallel (session, (gsize) n * SLICES, 1, bytes, copy_work, &work);
}

/* The frame's planes on the device: uploaded, or where they are once their
 * stream is that far. */
static cudaError_t
bring_planes (CudaStage *stage, StageStream *stream, const DcnnFrame *frame,
    cudaStream_t queue)
{
  cudaError_t e = cudaSuccess;

  for (guint p = 0; p < count_planes (frame->format); p++) {
    gboolean host = frame->memory == DCNN_MEMORY_HOST;
    stream->stage.planes[p] = host ? stream->frame + stream->plane_at[p] :
        frame->planes[p];
    stream->stage.strides[p] = host ? (gint32) stream->row_bytes[p] :
        frame->strides[p];
  }
  if (frame->memory == DCNN_MEMORY_HOST)
    return cudaMemcpyAsync (stream->frame, stream->host_frame,
        stream->frame_bytes, cudaMemcpyHostToDevice, queue);
  if (frame->stream) {
    e = cudaEventRecord (stage->ready, frame->stream);
    if (e == cudaSuccess)
      e = cudaStreamWaitEvent (queue, stage->ready, 0);
  }
  return e;
}

/* What a pixel may differ by, of streams that are all alike: the others' follow
 * from what they look at (describe()). */
static void
limits_work (gpointer data, gsize begin, gsize end, guint thread)
{
  StageWork *work = data;
  CudaStage *stage = work->stage;

  for (gsize i = begin; i < end; i++) {
    guint s = work->frames[i].stream;
    guint8 *limits = stage->host_limits + s * stage->words;
    if (work->frames[i].picture == NULL || work->session->streams[s].looks)
      continue;
    for (gsize w = 0; w < stage->words; w++)
      limits[w] = dcnn_input_change_limit (&stage->views[s].params, w);
  }
}

static void
describe (CudaStage *stage, const DcnnSession *session, guint s,
    const DcnnFrame *frame, DcnnCudaStage *to)
{
  DcnnStream *stream = &session->streams[s];
  StageStream *own = &stage->streams[s];
  gsize picture = (gsize) stage->width * stage->height * 3;
  gsize at = s * stage->words, shadow_at = at + stage->n_streams *
      stage->words;
  StageView *view = &stage->views[s];
  DcnnInputParams *params = &view->params;

  dcnn_stage_set_matrix (&own->stage, frame);
  for (gsize i = 0; view->shadowing && i < stage->words; i++)
    stage->host_limits[shadow_at + i] = dcnn_input_change_limit (params, i);
  if (stream->looks && view->look.kind == DCNN_INPUT_WARPED)
    dcnn_view_between (session, stream, params);
  for (gsize i = 0; stream->looks && i < stage->words; i++)
    stage->host_limits[at + i] = dcnn_input_change_limit (params, i);
  *to = (DcnnCudaStage) { .stage = own->stage,
    .picture = stage->pictures + s * picture,
    .reference = stage->references + s * picture,
    .limits = stage->limits + at, .changed = stage->changed + at,
    .differs = stage->differs + at, .all = (guint32) stream->cpu->dense,
    .cells = params->noise_suppression, .updated = stage->updated + at,
    .exact = stage->exact + at, .map = stage->to, .bgr = params->bgr,
    .gray = params->gray, .looks = (guint32) stream->looks,
    .look = view->look, .source = view->source,
    .shadow = view->shadowing ? view->shadow : NULL,
    .shadow_limits = stage->limits + shadow_at,
    .shadow_valid = (guint32) view->valid, .counts = stage->counts + 2 * s };
  dcnn_stream_seen (stream, plan_map (session->plan, stage->map),
      &to->seen[0], &to->seen[1], &to->seen[2], &to->seen[3]);
  to->map.data = (guint8 *) stage->to.data +
      s * stage->to.stream * (stage->to.f32 ? 4 : 2);
  memcpy (to->scale, params->scale, sizeof to->scale);
  memcpy (to->bias, params->bias, sizeof to->bias);
}

static gboolean
begin_frames (CudaStage *stage, DcnnSession *session,
    const BackendFrame *frames, guint n, GError **error)
{
  for (guint i = 0; i < n; i++) {
    guint s = frames[i].stream;
    DcnnStream *stream = &session->streams[s];
    const DcnnFrame *picture = frames[i].picture;
    StageStream *own = &stage->streams[s];
    if (picture == NULL)
      continue;
    if (!dcnn_picture_begin (session, stream, picture, error))
      return FALSE;
    stream->cpu->move.active &= !stream->first;
    if (own->of != stream->cpu->stages)
      stage->views[s].shadowing = FALSE; /* it is of another size */
    if ((own->of != stream->cpu->stages ||
        (picture->memory == DCNN_MEMORY_HOST && own->frame == NULL)) &&
        !dcnn_cuda_check (take_format (own, stream, picture),
            "taking frames of another format", error))
      return FALSE;
    if (!dcnn_cuda_check (begin_view (stage, session, stream,
                &stage->views[s]), "sampling through a matrix", error))
      return FALSE;
  }
  return TRUE;
}

/* Launches the sampling of those that look, and asks for their counts. */
static cudaError_t
sample (CudaStage *stage, cudaStream_t queue)
{
  gsize bytes = stage->n_streams * 2 * sizeof (guint32);
  cudaError_t e;

  if (!stage->looks)
    return cudaSuccess;
  e = dcnn_cuda_stage_sample_frames (stage->frames, stage->n,
      (guint32) stage->words, queue);
  return e == cudaSuccess ? cudaMemcpyAsync (stage->host_counts,
      stage->counts, bytes, cudaMemcpyDeviceToHost, queue) : e;
}

/* Frames to the device, some at a time: those are on their way while the next ones
 * are copied to where they can go. */
static cudaError_t
bring_frames (CudaStage *stage, DcnnSession *session,
    const BackendFrame *frames, guint n, cudaStream_t queue)
{
  cudaError_t e = cudaSuccess;

  for (guint first = 0; first < n; first += TOGETHER) {
    guint some = MIN (TOGETHER, n - first);
    copy_frames (stage, session, frames + first, some);
    for (guint i = first; i < first + some && e == cudaSuccess; i++)
      if (frames[i].picture)
        e = bring_planes (stage, &stage->streams[frames[i].stream],
            frames[i].picture, queue);
  }
  return e;
}

/* Launches the conversion of all frames, and asks for its masks. */
static cudaError_t
launch (CudaStage *stage, DcnnSession *session, const BackendFrame *frames,
    guint n, cudaStream_t queue)
{
  gsize words = stage->words * stage->n_streams;
  StageWork work = { stage, session, frames };
  cudaError_t e = bring_frames (stage, session, frames, n, queue);

  dcnn_run_parallel (session, n, 1, stage->words * WORD_COST * n, limits_work,
      &work);
  stage->n = 0;
  stage->looks = FALSE;
  for (guint i = 0; i < n && e == cudaSuccess; i++) {
    guint s = frames[i].stream;
    if (frames[i].picture == NULL)
      continue;
    describe (stage, session, s, frames[i].picture,
        &stage->host_frames[stage->n++]);
    stage->looks |= session->streams[s].looks;
  }
  if (stage->n == 0 || e != cudaSuccess)
    return e;
  e = cudaMemcpyAsync (stage->limits, stage->host_limits, 2 * words,
      cudaMemcpyHostToDevice, queue);
  if (e == cudaSuccess && stage->looks)
    e = cudaMemsetAsync (stage->counts, 0, stage->n_streams * 2 *
        sizeof (guint32), queue);
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (stage->frames, stage->host_frames, stage->n *
        sizeof *stage->frames, cudaMemcpyHostToDevice, queue);
  if (e == cudaSuccess)
    e = dcnn_cuda_stage_convert_frames (stage->frames, stage->n,
        (guint32) stage->words, queue);
  if (e == cudaSuccess)
    e = sample (stage, queue);
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (stage->host_changed, stage->changed, words * 8,
        cudaMemcpyDeviceToHost, queue);
  if (e == cudaSuccess && session->tuning.settle)
    e = cudaMemcpyAsync (stage->host_differs, stage->differs, words * 8,
        cudaMemcpyDeviceToHost, queue);
  return e == cudaSuccess ? cudaStreamSynchronize (queue) : e;
}

/* What it would have been without a matrix, if anybody asked. */
static void
tell_shadow (const CudaStage *stage, DcnnStream *stream, guint s)
{
  const StageView *view = &stage->views[s];
  guint rows = (stage->height + DCNN_LOOK_SHADOW_ROWS - 1) /
      DCNN_LOOK_SHADOW_ROWS;

  if (!view->shadowing || !view->valid)
    return;
  stream->stats.unaligned_share = (gfloat) stage->host_counts[2 * s] /
      (gfloat) (rows * stage->width);
  stream->stats.aligned_share = (gfloat) stage->host_counts[2 * s + 1] /
      (stage->width * stage->height);
}

static DcnnMask *
changed_of (const CudaStage *stage, DcnnSession *session, guint s)
{
  return &session->streams[s].masks[plan_map (session->plan,
          stage->map)->mask].mask;
}

/* The masks that came back, widened. */
static void
widen_work (gpointer data, gsize begin, gsize end, guint thread)
{
  StageWork *work = data;
  CudaStage *stage = work->stage;
  DcnnSession *session = work->session;

  for (gsize i = begin; i < end; i++) {
    guint s = work->frames[i].stream;
    DcnnStream *stream = &session->streams[s];
    DcnnMask *changed = changed_of (stage, session, s);
    gsize at = s * stage->words;
    if (work->frames[i].picture == NULL)
      continue;
    stage->views[s].force = stream->cpu->dense ? NULL :
        dcnn_picture_forced (stream, plan_map (session->plan, stage->map));
    memcpy (changed->words, stage->host_changed + at, stage->words * 8);
    if (session->tuning.settle)
      memcpy (stream->cpu->differs.words, stage->host_differs + at,
          stage->words * 8);
    if (!stream->cpu->dense)
      dcnn_input_widen_mask (stream->cpu->stage, &stage->views[s].params,
          stage->views[s].force, changed);
  }
}

/* What they mean. */
static void
decide (CudaStage *stage, DcnnSession *session, const BackendFrame *frame)
{
  DcnnStream *stream = &session->streams[frame->stream];
  gsize pixels = (gsize) stage->width * stage->height;
  gsize in_states = dcnn_states_feed (session, stream, &pixels);

  tell_shadow (stage, stream, frame->stream);
  dcnn_picture_keep_regions (session, stream,
      stage->views[frame->stream].force, changed_of (stage, session,
          frame->stream));
  dcnn_picture_decide (session, stream, in_states, pixels);
}

gboolean
dcnn_cuda_stage_convert (CudaStage *stage, DcnnSession *session,
    const BackendFrame *frames, guint n, cudaStream_t queue, GError **error)
{
  StageWork work = { stage, session, frames };

  if (!begin_frames (stage, session, frames, n, error))
    return FALSE;
  if (!dcnn_cuda_check (launch (stage, session, frames, n, queue),
          "converting frames", error))
    return FALSE;
  dcnn_run_parallel (session, n, 1, stage->words * WORD_COST * n, widen_work,
      &work);
  for (guint i = 0; i < n; i++)
    if (frames[i].picture)
      decide (stage, session, &frames[i]);
  return TRUE;
}

cudaError_t
dcnn_cuda_stage_store (CudaStage *stage, cudaStream_t queue)
{
  if (stage == NULL || stage->n == 0)
    return cudaSuccess;
  return dcnn_cuda_stage_store_frames (stage->frames, stage->n,
      (guint32) stage->words, queue);
}
