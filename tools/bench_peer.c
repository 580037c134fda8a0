/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The peer engine runs in a Python process of its own (peer_bench.py): one
 * line "run" in, one line with microseconds out. The input tensor lies in
 * memory that both map, so that nothing is copied inside the measured time. */
#include "bench.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TENSOR_FD 3 /* what the child sees */

struct BenchPeer {
  GSubprocess *process;
  GDataInputStream *from;
  GOutputStream *to;
  float *tensor;
  gsize bytes;
  guint width, height, channels;
  gboolean nhwc, bgr;
  float scale[3], bias[3];
  char *version;
};

/* Beside the program in a build, in libexec of an installation. */
static char *
helper_path (void)
{
  const char *given = g_getenv ("DELTACNN_PEER_HELPER");
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = self ? g_path_get_dirname (self) : NULL;
  g_autofree char *beside = folder
      ? g_build_filename (folder, "peer_bench.py", NULL) : NULL;
  if (given)
    return g_strdup (given);
  if (beside && g_file_test (beside, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&beside);
  return g_strdup (DCNN_LIBEXEC_DIR "/peer_bench.py");
}

/* The interpreter: --python, DELTACNN_PYTHON, else the first python3. */
static const char *
interpreter (const char *python)
{
  const char *given = g_getenv ("DELTACNN_PYTHON");
  if (python)
    return python;
  return given && *given ? given : "python3";
}

static char *
read_line (BenchPeer *peer, GError **error)
{
  gsize length;
  char *line =
      g_data_input_stream_read_line (peer->from, &length, NULL, error);
  if (!line && !(error && *error))
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "the peer's process ended without an answer (its message is above)");
  return line;
}

static int
share_tensor (BenchPeer *peer, GError **error)
{
  int fd = memfd_create ("deltacnn-peer", MFD_CLOEXEC);
  if (fd >= 0 && ftruncate (fd, (off_t) peer->bytes) == 0) {
    void *at = mmap (NULL, peer->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
        fd, 0);
    if (at != MAP_FAILED) {
      peer->tensor = at;
      return fd;
    }
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
      "no memory to share with the peer: %s", g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static gboolean
start (BenchPeer *peer, const char *kind, const char *python,
    const char *model_path, guint threads, GError **error)
{
  int fd = share_tensor (peer, error);
  if (fd < 0)
    return FALSE;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_subprocess_launcher_take_fd (launcher, fd, TENSOR_FD);
  g_autofree char *helper = helper_path ();
  g_autofree char *threads_text = g_strdup_printf ("%u", threads);
  g_autofree char *size =
      g_strdup_printf ("%ux%u", peer->width, peer->height);
  peer->process = g_subprocess_launcher_spawn (launcher, error,
      interpreter (python), helper, kind, model_path, size, threads_text,
      NULL);
  if (!peer->process)
    return FALSE;
  peer->to = g_subprocess_get_stdin_pipe (peer->process);
  peer->from = g_data_input_stream_new (
      g_subprocess_get_stdout_pipe (peer->process));
  g_autofree char *line = read_line (peer, error);
  if (!line)
    return FALSE;
  if (!g_str_has_prefix (line, "ready ")) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "peer %s: %s", kind,
        line);
    return FALSE;
  }
  peer->version = g_strdup (line + strlen ("ready "));
  return TRUE;
}

BenchPeer *
bench_peer_new (const char *kind, const char *python, const char *model_path,
    DcnnModel *model, const DcnnModelInfo *info, guint threads,
    GError **error)
{
  DcnnModelSummary summary;
  dcnn_model_get_summary (model, &summary);
  if (summary.n_inputs != 1) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
        "--peer needs a model with one input");
    return NULL;
  }
  g_autoptr (BenchPeer) peer = g_new0 (BenchPeer, 1);
  peer->width = summary.input_width;
  peer->height = summary.input_height;
  peer->channels = summary.input_channels;
  peer->nhwc = summary.input_nhwc;
  peer->bgr = info->bgr;
  memcpy (peer->scale, info->scale, sizeof peer->scale);
  for (guint c = 0; c < 3; c++) /* as a session does */
    if (summary.input_integer && info->scale[c] == 1.0f / 255)
      peer->scale[c] = 1;
  memcpy (peer->bias, info->bias, sizeof peer->bias);
  peer->bytes = (gsize) peer->width * peer->height * peer->channels
      * sizeof (float);
  if (!start (peer, kind, python, model_path, threads, error))
    return NULL;
  return g_steal_pointer (&peer);
}

/* ---- a frame ----------------------------------------------------------- */

static guint8
clamp_byte (float value)
{
  return (guint8) CLAMP (value + 0.5f, 0, 255);
}

/* One pixel of any format as R, G, B; plain, as only the peer's input is made
 * with it and outside of every measured time. */
static void
pixel_rgb (const DcnnFrame *frame, guint x, guint y, guint8 *rgb)
{
  const guint8 *p = frame->planes[0] + (gssize) y * frame->strides[0];
  switch (frame->format) {
    case DCNN_FORMAT_GRAY8:
      rgb[0] = rgb[1] = rgb[2] = p[x];
      return;
    case DCNN_FORMAT_NV12:
    case DCNN_FORMAT_I420: {
      gboolean nv12 = frame->format == DCNN_FORMAT_NV12;
      const guint8 *c = frame->planes[1] + (gssize) (y / 2) * frame->strides[1];
      float u = c[nv12 ? x / 2 * 2 : x / 2], v;
      if (nv12)
        v = c[x / 2 * 2 + 1];
      else
        v = frame->planes[2][(gssize) (y / 2) * frame->strides[2] + x / 2];
      float luma = frame->full_range ? p[x] : (p[x] - 16) * (255 / 219.f);
      float chroma = frame->full_range ? 1 : 255 / 224.f;
      float kg = 1 - frame->kr - frame->kb;
      float r = 2 * (1 - frame->kr) * chroma * (v - 128);
      float b = 2 * (1 - frame->kb) * chroma * (u - 128);
      rgb[0] = clamp_byte (luma + r);
      rgb[1] = clamp_byte (luma - (frame->kr * r + frame->kb * b) / kg);
      rgb[2] = clamp_byte (luma + b);
      return;
    }
    default: {
      gboolean bgr = frame->format == DCNN_FORMAT_BGR
          || frame->format == DCNN_FORMAT_BGRX
          || frame->format == DCNN_FORMAT_BGRA;
      guint step = frame->format == DCNN_FORMAT_RGB
          || frame->format == DCNN_FORMAT_BGR ? 3 : 4;
      p += (gsize) x * step;
      rgb[0] = p[bgr ? 2 : 0];
      rgb[1] = p[1];
      rgb[2] = p[bgr ? 0 : 2];
      return;
    }
  }
}

static void
fill_tensor (BenchPeer *peer, const DcnnFrame *frame)
{
  gsize plane = (gsize) peer->width * peer->height;
  for (guint y = 0; y < peer->height; y++) {
    guint sy = (guint) ((guint64) y * frame->height / peer->height);
    for (guint x = 0; x < peer->width; x++) {
      guint8 rgb[3];
      guint sx = (guint) ((guint64) x * frame->width / peer->width);
      pixel_rgb (frame, sx, sy, rgb);
      gsize i = (gsize) y * peer->width + x;
      for (guint c = 0; c < peer->channels && c < 3; c++) {
        float value = rgb[peer->bgr ? 2 - c : c] * peer->scale[c]
            + peer->bias[c];
        peer->tensor[peer->nhwc ? i * peer->channels + c : c * plane + i] =
            value;
      }
    }
  }
}

gboolean
bench_peer_run (BenchPeer *peer, const DcnnFrame *frame, double *milliseconds,
    GError **error)
{
  fill_tensor (peer, frame);
  if (!g_output_stream_write_all (peer->to, "run\n", 4, NULL, NULL, error))
    return FALSE;
  g_autofree char *line = read_line (peer, error);
  if (!line)
    return FALSE;
  char *end;
  double microseconds = g_ascii_strtod (line, &end);
  if (end == line) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "peer: %s", line);
    return FALSE;
  }
  *milliseconds = microseconds / 1000;
  return TRUE;
}

const char *
bench_peer_version (const BenchPeer *peer)
{
  return peer->version;
}

void
bench_peer_free (BenchPeer *peer)
{
  if (!peer)
    return;
  if (peer->process) {
    g_output_stream_close (peer->to, NULL, NULL);
    g_subprocess_wait (peer->process, NULL, NULL);
  }
  g_clear_object (&peer->from);
  g_clear_object (&peer->process);
  if (peer->tensor)
    munmap (peer->tensor, peer->bytes);
  g_free (peer->version);
  g_free (peer);
}
