/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first frames of clips, kept decoded: many streams can then show them at
 * once, and nothing of what is measured is a decoder's. */
#include "bench.h"

#include <string.h>

typedef struct StoredFrame {
  DcnnFrame frame;           /* planes: bytes, or where the GPU has them */
  guint8 *bytes;             /* NULL: on the GPU */
} StoredFrame;

struct BenchStore {
  GPtrArray *clips;          /* of GArray of StoredFrame */
};

static gsize
plane_bytes (const DcnnFrame *frame, guint p)
{
  gboolean planar = frame->format == DCNN_FORMAT_I420
      || frame->format == DCNN_FORMAT_NV12;
  guint rows = planar && p ? (frame->height + 1) / 2 : frame->height;
  return (gsize) frame->strides[p] * rows;
}

/* Copies a frame with its rows as they lie. gpu NULL: to the host. */
static gboolean
keep (StoredFrame *to, const DcnnFrame *frame, BenchGpu *gpu, GError **error)
{
  gsize bytes = 0, at[3] = { 0 };
  *to = (StoredFrame) { .frame = *frame };
  for (guint p = 0; p < 3 && frame->planes[p]; p++) {
    at[p] = bytes;
    bytes += (plane_bytes (frame, p) + 255) & ~(gsize) 255;
  }
  to->bytes = g_malloc0 (bytes);
  for (guint p = 0; p < 3 && frame->planes[p]; p++)
    memcpy (to->bytes + at[p], frame->planes[p], plane_bytes (frame, p));
  const guint8 *base = to->bytes;
  if (gpu) {
    base = bench_gpu_put (gpu, to->bytes, bytes, error);
    g_clear_pointer (&to->bytes, g_free);
    bench_gpu_describe (gpu, &to->frame);
  }
  for (guint p = 0; p < 3 && frame->planes[p]; p++)
    to->frame.planes[p] = base + at[p];
  return base != NULL;
}

static void
clear_frame (gpointer data)
{
  g_free (((StoredFrame *) data)->bytes);
}

BenchStore *
bench_store_new (guint clips)
{
  BenchStore *store = g_new0 (BenchStore, 1);
  store->clips = g_ptr_array_new_with_free_func (
      (GDestroyNotify) g_array_unref);
  for (guint i = 0; i < clips; i++) {
    GArray *frames = g_array_new (FALSE, TRUE, sizeof (StoredFrame));
    g_array_set_clear_func (frames, clear_frame);
    g_ptr_array_add (store->clips, frames);
  }
  return store;
}

void
bench_store_free (BenchStore *store)
{
  g_ptr_array_unref (store->clips);
  g_free (store);
}

gboolean
bench_store_add (BenchStore *store, guint clip, const DcnnFrame *frame,
    BenchGpu *gpu, GError **error)
{
  StoredFrame stored;
  gboolean good = keep (&stored, frame, gpu, error);
  g_array_append_val (store->clips->pdata[clip], stored);
  return good;
}

gboolean
bench_store_read (BenchStore *store, guint clip, const char *location,
    guint skip, guint n, BenchGpu *gpu, GError **error)
{
  g_autoptr (ToolSource) source = tool_source_open (location, error);
  GError *cause = NULL;
  DcnnFrame frame;
  guint kept = 0;
  while (source && kept < n && tool_source_next (source, &frame, &cause)) {
    if (skip) {
      skip--;
      continue;
    }
    if (!bench_store_add (store, clip, &frame, gpu, &cause))
      break;
    kept++;
  }
  if (source && !cause && kept < 2)
    g_set_error (&cause, DCNN_ERROR, DCNN_ERROR_FILE,
        "%s holds fewer than two frames", location);
  if (cause)
    g_propagate_error (error, cause);
  return source && !cause;
}

const DcnnFrame *
bench_store_frame (const BenchStore *store, guint stream, guint t)
{
  const GArray *frames = store->clips->pdata[stream % store->clips->len];
  /* to and fro: nothing jumps where a clip ends */
  guint period = 2 * frames->len - 2;
  guint at = (t + stream / store->clips->len * 7) % period;
  return &g_array_index (frames, StoredFrame,
      at < frames->len ? at : period - at).frame;
}
