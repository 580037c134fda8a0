/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnahead.c - see gstdeltacnnahead.h.
 */
#include "gstdeltacnnahead.h"

struct GstDeltaCnnAhead
{
  GThread *thread;
  GMutex lock;
  GCond changed;
  gboolean running, ends;
  void (*run) (gpointer data);
  gpointer data;
};

static gpointer
serve (gpointer data)
{
  GstDeltaCnnAhead *ahead = data;

  g_mutex_lock (&ahead->lock);
  while (TRUE) {
    while (!ahead->running && !ahead->ends)
      g_cond_wait (&ahead->changed, &ahead->lock);
    if (!ahead->running)
      break;
    g_mutex_unlock (&ahead->lock);
    ahead->run (ahead->data);
    g_mutex_lock (&ahead->lock);
    ahead->running = FALSE;
    g_cond_broadcast (&ahead->changed);
  }
  g_mutex_unlock (&ahead->lock);
  return NULL;
}

static void
clear (GstDeltaCnnAhead * ahead)
{
  g_mutex_clear (&ahead->lock);
  g_cond_clear (&ahead->changed);
  g_free (ahead);
}

GstDeltaCnnAhead *
gst_delta_cnn_ahead_new (void (*run) (gpointer data), gpointer data,
    GError ** error)
{
  GstDeltaCnnAhead *ahead = g_new0 (GstDeltaCnnAhead, 1);

  g_mutex_init (&ahead->lock);
  g_cond_init (&ahead->changed);
  ahead->run = run;
  ahead->data = data;
  ahead->thread = g_thread_try_new ("deltacnn-ahead", serve, ahead, error);
  if (ahead->thread)
    return ahead;
  clear (ahead);
  return NULL;
}

void
gst_delta_cnn_ahead_free (GstDeltaCnnAhead * ahead)
{
  if (!ahead)
    return;
  g_mutex_lock (&ahead->lock);
  ahead->ends = TRUE;
  g_cond_broadcast (&ahead->changed);
  g_mutex_unlock (&ahead->lock);
  g_thread_join (ahead->thread);
  clear (ahead);
}

void
gst_delta_cnn_ahead_start (GstDeltaCnnAhead * ahead)
{
  g_mutex_lock (&ahead->lock);
  ahead->running = TRUE;
  g_cond_broadcast (&ahead->changed);
  g_mutex_unlock (&ahead->lock);
}

void
gst_delta_cnn_ahead_finish (GstDeltaCnnAhead * ahead)
{
  g_mutex_lock (&ahead->lock);
  while (ahead->running)
    g_cond_wait (&ahead->changed, &ahead->lock);
  g_mutex_unlock (&ahead->lock);
}
