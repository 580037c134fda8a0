/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnlines.c - see gstdeltacnnlines.h.
 */
#include "gstdeltacnnlines.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_WAITING_BYTES (1 << 20)
/* How long closing waits for a pipe's reader. */
#define CLOSE_WAIT_MS 200

struct GstDeltaCnnLines
{
  gchar *location;
  int fd;
  gboolean broken;              /* reported; write no more */
  GString *waiting;             /* what the pipe did not take yet */
  guint64 lost;                 /* lines */
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
append_place (GString * text, const GstDeltaCnnRectangle * r)
{
  g_string_append (text, "\"rectangle\":[");
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
append_rectangle (GString * text, const GstDeltaCnnRectangle * r)
{
  g_string_append_c (text, ',');
  append_place (text, r);
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
    if (box->angle != 0)
      append_field (text, "angle", box->angle, "%.4f");
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

static void
append_classes (GString * text, const GstDeltaCnnResults * results)
{
  g_string_append (text, ",\"classes\":[");
  for (guint i = 0; i < results->classes->len; i++) {
    const GstDeltaCnnLabel *item =
        &g_array_index (results->classes, GstDeltaCnnLabel, i);
    g_string_append_printf (text, "%s{\"class\":%d", i ? "," : "",
        item->class_id);
    if (item->label) {
      g_string_append (text, ",\"label\":");
      append_string (text, g_quark_to_string (item->label));
    }
    append_field (text, "score", item->score, "%.4f");
    g_string_append_c (text, '}');
  }
  g_string_append_c (text, ']');
}

/* An object by the values' names, else a list. */
static void
append_values (GString * text, const GstDeltaCnnResults * results)
{
  const gboolean named = results->names->len >= results->values->len;

  g_string_append_printf (text, ",\"values\":%c", named ? '{' : '[');
  for (guint i = 0; i < results->values->len; i++) {
    if (i > 0)
      g_string_append_c (text, ',');
    if (named) {
      append_string (text,
          g_quark_to_string (g_array_index (results->names, GQuark, i)));
      g_string_append_c (text, ':');
    }
    append_number (text, g_array_index (results->values, gfloat, i), "%.5f");
  }
  g_string_append_c (text, named ? '}' : ']');
}

/* Its size and place; the pixels are in the meta. */
static void
append_picture (GString * text, const GstDeltaCnnResults * results)
{
  g_string_append_printf (text,
      ",\"picture\":{\"width\":%u,\"height\":%u,\"channels\":%u",
      results->picture_width, results->picture_height,
      results->picture_channels);
  append_rectangle (text, &results->picture_rectangle);
  g_string_append_c (text, '}');
}

/* Does the middle of a cell lie in the frame, and not in a letterbox's bar? */
static gboolean
cell_in_frame (gsize cell, guint cells, gfloat start, gfloat length,
    guint frame)
{
  const gdouble middle = start + (cell + 0.5) * length / cells;

  return frame == 0 || (middle >= 0 && middle < frame);
}

/* Adds the cells first .. end - 1 that the frame shows to seen, and to covered
 * where they hold something. */
static void
count_cells (const GstDeltaCnnResults * results, gsize first, gsize end,
    gboolean something, gsize * seen, gsize * covered)
{
  const GstDeltaCnnRectangle *r = &results->mask_rectangle;

  for (gsize i = first; i < end; i++) {
    if (!cell_in_frame (i % results->mask_width, results->mask_width, r->x,
            r->w, results->frame_width)
        || !cell_in_frame (i / results->mask_width, results->mask_height, r->y,
            r->h, results->frame_height))
      continue;
    ++*seen;
    *covered += something;
  }
}

/* The grid as value, run, value, run ... row by row; a probability counts as
 * 1 from one half on. */
static void
append_mask (GString * text, const GstDeltaCnnResults * results)
{
  const guint8 *data = g_bytes_get_data (results->mask, NULL);
  const gsize count = (gsize) results->mask_width * results->mask_height;
  const gboolean probability = results->mask_classes == 1;
  gsize covered = 0, seen = 0;

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
    count_cells (results, start, i, value != 0, &seen, &covered);
    g_string_append_printf (text, "%s%u,%" G_GSIZE_FORMAT,
        start ? "," : "", value, i - start);
  }
  g_string_append_c (text, ']');
  append_field (text, "area", (gdouble) covered / MAX (seen, 1), "%.5f");
  g_string_append_c (text, '}');
}

/* The moment of writing, UTC, as ISO 8601; allocates nothing. */
static void
append_time (GString * text)
{
  const gint64 now_us = g_get_real_time ();
  const time_t seconds = now_us / G_USEC_PER_SEC;
  gchar buffer[32];
  struct tm tm;

  gmtime_r (&seconds, &tm);
  strftime (buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &tm);
  g_string_append_printf (text, ",\"time\":\"%s.%03dZ\"", buffer,
      (gint) (now_us / 1000 % 1000));
}

/* What a frame, or a window on it, has for itself. */
static void
append_single (GString * text, const GstDeltaCnnResults * results)
{
  if (results->picture)
    append_picture (text, results);
  if (results->has_values)
    append_values (text, results);
  if (results->text) {
    g_string_append (text, ",\"text\":");
    append_string (text, results->text);
    append_field (text, "text_score", results->text_score, "%.4f");
  }
}

/* An object a window that has something for itself, with its region. */
static void
append_parts (GString * text, const GArray * parts)
{
  gboolean any = FALSE;

  for (guint i = 0; i < parts->len; i++) {
    const GstDeltaCnnPart *part = &g_array_index (parts, GstDeltaCnnPart, i);
    const GstDeltaCnnResults *results = part->results;

    if (!results->picture && !results->has_values && !results->text)
      continue;
    g_string_append (text, any ? ",{" : ",\"regions\":[{");
    any = TRUE;
    append_place (text, &part->region);
    append_single (text, results);
    g_string_append_c (text, '}');
  }
  if (any)
    g_string_append_c (text, ']');
}

static void
append_occasion (GString * text, const GstDeltaCnnOccasion * occasion)
{
  const gchar *source = g_quark_to_string (occasion->source);

  g_string_append (text, "{\"pts\":");
  if (GST_CLOCK_TIME_IS_VALID (occasion->pts))
    g_string_append_printf (text, "%" G_GUINT64_FORMAT, occasion->pts);
  else
    g_string_append (text, "null");
  append_time (text);
  g_string_append (text, ",\"source\":");
  append_string (text, source ? source : "");
  g_string_append_printf (text, ",\"stale\":%s",
      occasion->stale ? "true" : "false");
  if (occasion->stale)
    append_field (text, "age_ms", GST_CLOCK_TIME_IS_VALID (occasion->age) ?
        (gdouble) occasion->age / GST_MSECOND : NAN, "%.3f");
}

/* The line itself, without a newline, appended to text. */
static void
format_line (GString * text, const GstDeltaCnnResults * results,
    const GstDeltaCnnOccasion * occasion)
{
  const GstDeltaCnnCost *cost = &results->cost;

  append_occasion (text, occasion);
  if (results->looks_for_boxes || results->detections->len > 0)
    append_detections (text, results);
  if (results->looks_for_poses || results->poses->len > 0)
    append_poses (text, results);
  if (results->looks_for_classes)
    append_classes (text, results);
  if (results->mask)
    append_mask (text, results);
  append_single (text, results);
  if (results->parts)
    append_parts (text, results->parts);
  append_field (text, "changed_share", cost->changed_share, "%.5f");
  append_field (text, "mac_share", cost->mac_share, "%.5f");
  append_field (text, "total_ms", (gdouble) cost->total_time / GST_MSECOND,
      "%.3f");
  g_string_append_printf (text, ",\"dense\":%s,\"settled\":%s}",
      cost->dense ? "true" : "false", cost->settled ? "true" : "false");
}

/* Sets the error of a location that cannot be opened; takes fd where it is
 * one. */
static GstDeltaCnnLines *
refuse (int fd, const gchar * location, const gchar * why, GError ** error)
{
  if (fd >= 0)
    close (fd);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
      "results-location %s cannot be written: %s", location, why);
  return NULL;
}

/* Was the last writer stopped in the middle of a line? */
static gboolean
ends_within_a_line (const gchar * location, goffset size)
{
  gchar last = '\n';
  const int fd = size > 0 ? open (location, O_RDONLY | O_CLOEXEC) : -1;

  if (fd < 0)
    return FALSE;
  if (pread (fd, &last, 1, size - 1) != 1)
    last = '\n';
  close (fd);
  return last != '\n';
}

GstDeltaCnnLines *
gst_delta_cnn_lines_open (const gchar * location, GError ** error)
{
  GstDeltaCnnLines *lines;
  struct stat status;
  const int fd = open (location, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK
      | O_CLOEXEC, 0644);
  const int reason = errno;

  if (fd < 0 && reason == ENXIO)
    return refuse (fd, location, "it is a pipe without a reader. Start the "
        "reader first.", error);
  if (fd < 0) {
    g_autofree gchar *why = g_strdup_printf ("%s. Give a file in a folder that "
        "exists and may be written.", g_strerror (reason));
    return refuse (fd, location, why, error);
  }
  if (fstat (fd, &status) != 0)
    status = (struct stat) {0};
  if (S_ISFIFO (status.st_mode) && flock (fd, LOCK_EX | LOCK_NB) != 0)
    return refuse (fd, location, "another element writes into this pipe. Give "
        "each one its own, or one file to all.", error);
  lines = g_new0 (GstDeltaCnnLines, 1);
  lines->location = g_strdup (location);
  lines->fd = fd;
  lines->waiting = g_string_new (NULL);
  if (S_ISREG (status.st_mode) && ends_within_a_line (location,
          status.st_size))
    g_string_append_c (lines->waiting, '\n');
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

static guint64
count_waiting (const GstDeltaCnnLines * lines)
{
  guint64 count = 0;

  for (gsize i = 0; i < lines->waiting->len; i++)
    count += lines->waiting->str[i] == '\n';
  return count;
}

/* Sets the error of lines that were lost; why: a clause. */
static void
tell_lost (const GstDeltaCnnLines * lines, const gchar * why, GError ** error)
{
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE,
      "results-location %s has lost %" G_GUINT64_FORMAT " line%s: %s",
      lines->location, lines->lost, lines->lost == 1 ? "" : "s", why);
}

static const gchar too_slow[] = "its reader is slower than the video. Read "
    "faster, or write into a file.";

gboolean
gst_delta_cnn_lines_close (GstDeltaCnnLines * lines, GError ** error)
{
  const gint64 end_us = g_get_monotonic_time () + CLOSE_WAIT_MS * 1000;
  struct pollfd ready = { lines->fd, POLLOUT, 0 };
  gboolean ok;

  while (!lines->broken && flush_waiting (lines) && lines->waiting->len > 0) {
    const gint64 left_us = end_us - g_get_monotonic_time ();
    if (left_us <= 0 || poll (&ready, 1, left_us / 1000 + 1) < 0)
      break;
  }
  lines->lost += count_waiting (lines);
  ok = lines->lost == 0;
  if (!ok)
    tell_lost (lines, lines->broken ? "it could not be written to the end" :
        too_slow, error);
  close (lines->fd);
  g_string_free (lines->waiting, TRUE);
  g_free (lines->location);
  g_free (lines);
  return ok;
}

gboolean
gst_delta_cnn_lines_write (GstDeltaCnnLines * lines,
    const GstDeltaCnnResults * results, const GstDeltaCnnOccasion * occasion,
    GError ** error)
{
  const gboolean full = lines->waiting->len >= MAX_WAITING_BYTES;

  if (full || lines->broken)
    lines->lost++;
  if (lines->broken)
    return TRUE;
  if (!full) {
    format_line (lines->waiting, results, occasion);
    g_string_append_c (lines->waiting, '\n');
  }
  if (!flush_waiting (lines)) {
    const int reason = errno;

    lines->broken = TRUE;
    lines->lost += count_waiting (lines);
    g_string_truncate (lines->waiting, 0);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE,
        "results-location %s cannot be written any more: %s. The video goes "
        "on without it; what is lost is counted. %s.", lines->location,
        g_strerror (reason), reason == EPIPE ? "Keep the pipe's reader running"
        : "Make room where the file lies");
    return FALSE;
  }
  if (!full || (lines->lost & (lines->lost - 1)) != 0)
    return TRUE;
  tell_lost (lines, too_slow, error);
  return FALSE;
}
