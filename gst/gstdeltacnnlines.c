/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnlines.c - see gstdeltacnnlines.h.
 */
#include "gstdeltacnnlines.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "dcnn_graph.h"

#define MAX_WAITING_BYTES (1 << 20)

struct GstDeltaCnnLines
{
  gchar *location;
  int fd;
  gboolean broken;              /* reported; write no more */
  GString *waiting;             /* what the pipe did not take yet */
  guint64 dropped;
};

static void
append_string (GString * text, const gchar * string)
{
  g_string_append_c (text, '"');
  for (const guchar * c = (const guchar *) string; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_printf (text, "\\%c", *c);
    else if (*c < 0x20 || *c == 0x7f)
      g_string_append_printf (text, "\\u%04x", *c);
    else
      g_string_append_c (text, *c);
  }
  g_string_append_c (text, '"');
}

/* JSON knows no NaN and no infinity. */
static void
append_number (GString * text, gdouble value, const gchar * format)
{
  gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    g_string_append (text, g_ascii_formatd (buffer, sizeof buffer, format,
            value));
  else
    g_string_append (text, "null");
}

static void
append_field (GString * text, const gchar * name, gdouble value,
    const gchar * format)
{
  g_string_append_printf (text, ",\"%s\":", name);
  append_number (text, value, format);
}

static void
append_rectangle (GString * text, const GstDeltaCnnRectangle * r)
{
  g_string_append (text, ",\"rectangle\":[");
  append_number (text, r->x, "%.2f");
  g_string_append_c (text, ',');
  append_number (text, r->y, "%.2f");
  g_string_append_c (text, ',');
  append_number (text, r->w, "%.2f");
  g_string_append_c (text, ',');
  append_number (text, r->h, "%.2f");
  g_string_append_c (text, ']');
}

static void
append_detections (GString * text, const GstDeltaCnnResults * results)
{
  g_string_append (text, ",\"detections\":[");
  for (guint i = 0; i < results->detections->len; i++) {
    const GstDeltaCnnDetection *box =
        &g_array_index (results->detections, GstDeltaCnnDetection, i);
    g_string_append_printf (text, "%s{\"class\":%d", i ? "," : "",
        box->class_id);
    if (box->label) {
      g_string_append (text, ",\"label\":");
      append_string (text, g_quark_to_string (box->label));
    }
    append_field (text, "score", box->score, "%.4f");
    append_field (text, "x", box->x, "%.2f");
    append_field (text, "y", box->y, "%.2f");
    append_field (text, "width", box->width, "%.2f");
    append_field (text, "height", box->height, "%.2f");
    g_string_append_c (text, '}');
  }
  g_string_append_c (text, ']');
}

static void
append_poses (GString * text, const GstDeltaCnnResults * results)
{
  g_string_append (text, ",\"poses\":[");
  for (guint i = 0; i < results->poses->len; i++) {
    const GstDeltaCnnPose *pose =
        &g_array_index (results->poses, GstDeltaCnnPose, i);
    g_string_append_printf (text, "%s{\"score\":", i ? "," : "");
    append_number (text, pose->score, "%.4f");
    g_string_append (text, ",\"keypoints\":[");
    for (guint k = 0; k < pose->n_keypoints; k++) {
      const GstDeltaCnnKeypoint *p = &g_array_index (results->keypoints,
          GstDeltaCnnKeypoint, pose->first + k);
      g_string_append (text, k ? ",[" : "[");
      append_number (text, p->x, "%.2f");
      g_string_append_c (text, ',');
      append_number (text, p->y, "%.2f");
      g_string_append_c (text, ',');
      append_number (text, p->score, "%.4f");
      g_string_append_c (text, ']');
    }
    g_string_append (text, "]}");
  }
  g_string_append_c (text, ']');
}

/* The grid as value, run, value, run ... row by row; a probability counts as
 * 1 from one half on. */
static void
append_mask (GString * text, const GstDeltaCnnResults * results)
{
  const guint8 *data = g_bytes_get_data (results->mask, NULL);
  const gsize count = (gsize) results->mask_width * results->mask_height;
  const gboolean probability = results->mask_classes == 1;
  gsize covered = 0;

  g_string_append_printf (text,
      ",\"segmentation\":{\"width\":%u,\"height\":%u,\"classes\":%u",
      results->mask_width, results->mask_height, results->mask_classes);
  append_rectangle (text, &results->mask_rectangle);
  g_string_append (text, ",\"runs\":[");
  for (gsize i = 0; i < count;) {
    const guint value = probability ? data[i] >= 128 : data[i];
    const gsize start = i;
    while (i < count && (probability ? data[i] >= 128 : data[i]) == value)
      i++;
    covered += value ? i - start : 0;
    g_string_append_printf (text, "%s%u,%" G_GSIZE_FORMAT,
        start ? "," : "", value, i - start);
  }
  g_string_append_c (text, ']');
  append_field (text, "area", (gdouble) covered / MAX (count, 1), "%.5f");
  g_string_append_c (text, '}');
}

void
gst_delta_cnn_lines_format (GString * text, const GstDeltaCnnResults * results,
    GstClockTime pts, gboolean stale)
{
  const GstDeltaCnnCost *cost = &results->cost;

  g_string_append (text, "{\"pts\":");
  if (GST_CLOCK_TIME_IS_VALID (pts))
    g_string_append_printf (text, "%" G_GUINT64_FORMAT, pts);
  else
    g_string_append (text, "null");
  g_string_append_printf (text, ",\"stale\":%s", stale ? "true" : "false");
  if (results->looks_for_boxes || results->detections->len > 0)
    append_detections (text, results);
  if (results->looks_for_poses || results->poses->len > 0)
    append_poses (text, results);
  if (results->mask)
    append_mask (text, results);
  append_field (text, "changed_share", cost->changed_share, "%.5f");
  append_field (text, "mac_share", cost->mac_share, "%.5f");
  append_field (text, "total_ms", (gdouble) cost->total_time / GST_MSECOND,
      "%.3f");
  g_string_append_printf (text, ",\"dense\":%s,\"settled\":%s}",
      cost->dense ? "true" : "false", cost->settled ? "true" : "false");
}

GstDeltaCnnLines *
gst_delta_cnn_lines_open (const gchar * location, GError ** error)
{
  GstDeltaCnnLines *lines;
  const int fd = open (location, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK
      | O_CLOEXEC, 0644);

  if (fd < 0) {
    const int reason = errno;
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "results-location %s cannot be written: %s", location,
        reason == ENXIO ? "it is a pipe without a reader; start the reader "
        "first" : g_strerror (reason));
    return NULL;
  }
  lines = g_new0 (GstDeltaCnnLines, 1);
  lines->location = g_strdup (location);
  lines->fd = fd;
  lines->waiting = g_string_new (NULL);
  return lines;
}

/* write(2) on a pipe whose reader has gone kills the process by SIGPIPE
 * unless that is blocked; a plugin may not change the process's handler. */
static gssize
write_without_signal (int fd, const void *data, gsize length)
{
  const struct timespec now = { 0, 0 };
  sigset_t pipe_set, pending, old;
  gboolean was_pending;
  gssize written;
  int reason;

  sigemptyset (&pipe_set);
  sigaddset (&pipe_set, SIGPIPE);
  sigpending (&pending);
  was_pending = sigismember (&pending, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &pipe_set, &old);
  do
    written = write (fd, data, length);
  while (written < 0 && errno == EINTR);
  reason = errno;
  if (written < 0 && reason == EPIPE && !was_pending)
    sigtimedwait (&pipe_set, NULL, &now);
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  errno = reason;
  return written;
}

/* Writes what waits, as far as it goes. FALSE: errno says why. */
static gboolean
flush_waiting (GstDeltaCnnLines * lines)
{
  gsize done = 0;
  gboolean ok = TRUE;

  while (done < lines->waiting->len) {
    const gssize written = write_without_signal (lines->fd,
        lines->waiting->str + done, lines->waiting->len - done);
    if (written < 0) {
      ok = errno == EAGAIN || errno == EWOULDBLOCK;
      break;
    }
    done += written;
  }
  g_string_erase (lines->waiting, 0, done);
  return ok;
}

void
gst_delta_cnn_lines_close (GstDeltaCnnLines * lines)
{
  if (!lines)
    return;
  if (!lines->broken)
    flush_waiting (lines);
  close (lines->fd);
  g_string_free (lines->waiting, TRUE);
  g_free (lines->location);
  g_free (lines);
}

gboolean
gst_delta_cnn_lines_write (GstDeltaCnnLines * lines,
    const GstDeltaCnnResults * results, GstClockTime pts, gboolean stale,
    GError ** error)
{
  if (lines->broken)
    return TRUE;
  if (lines->waiting->len < MAX_WAITING_BYTES) {
    gst_delta_cnn_lines_format (lines->waiting, results, pts, stale);
    g_string_append_c (lines->waiting, '\n');
  } else {
    lines->dropped++;
  }
  if (flush_waiting (lines))
    return TRUE;
  lines->broken = TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
      "results-location %s cannot be written any more: %s; the video goes on "
      "without it", lines->location, g_strerror (errno));
  return FALSE;
}

guint64
gst_delta_cnn_lines_get_dropped (const GstDeltaCnnLines * lines)
{
  return lines->dropped;
}
