/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnswap.c - models loaded while PLAYING.
 *
 * A thread loads the model last asked for while frames go on with the old one;
 * the next frame after that runs on the new one. A model that cannot be
 * loaded is a warning: the old one stays.
 */
#include "gstdeltacnn.h"

#include "gstdeltacnnerror.h"

#define GST_CAT_DEFAULT gst_delta_cnn_debug

static GstStructure *
describe_runner (GstDeltaCnnRunner * runner)
{
  guint width, height;
  guint64 state, weights;

  gst_delta_cnn_runner_get_size (runner, &width, &height);
  gst_delta_cnn_runner_get_bytes (runner, &state, &weights);
  return gst_structure_new ("deltacnn-model",
      "model", G_TYPE_STRING, gst_delta_cnn_runner_get_name (runner),
      "path", G_TYPE_STRING, gst_delta_cnn_runner_get_path (runner),
      "decoder", G_TYPE_STRING, gst_delta_cnn_runner_get_decoder (runner),
      "device", G_TYPE_STRING, gst_delta_cnn_runner_get_device (runner),
      "input-width", G_TYPE_UINT, width,
      "input-height", G_TYPE_UINT, height,
      "state-bytes", G_TYPE_UINT64, state,
      "weight-bytes", G_TYPE_UINT64, weights, NULL);
}

/* Says once why device=auto passed a device over that is there. */
static void
tell_fall_back (GstDeltaCnn * self, GstDeltaCnnRunner * runner)
{
  gboolean fell_back;
  const gchar *why = gst_delta_cnn_runner_get_device_why (runner, &fell_back);

  if (*why)
    GST_INFO_OBJECT (self, "device=auto passed over %s", why);
  if (!fell_back || self->told_fall_back)
    return;
  self->told_fall_back = TRUE;
  GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
      ("Model %s runs on the %s: %s. Set device=%s to have it there in any "
          "case and without this warning.",
          gst_delta_cnn_runner_get_name (runner),
          gst_delta_cnn_runner_get_device (runner), why,
          gst_delta_cnn_runner_get_device (runner)), (NULL));
}

void
gst_delta_cnn_swap_install (GstDeltaCnn * self, GstDeltaCnnRunner * runner)
{
  GstStructure *facts = runner ? describe_runner (runner) : NULL;
  GstStructure *old;

  gst_delta_cnn_runner_free (self->runner);
  gst_delta_cnn_windows_drop (self->windows);
  self->runner = runner;
  self->found_nothing = 0;
  self->told_not_finite = FALSE;
  gst_delta_cnn_motion_forget (self);
  g_clear_pointer (&self->last, gst_delta_cnn_results_unref);
  if (facts) {
    GST_INFO_OBJECT (self, "model in use: %" GST_PTR_FORMAT, facts);
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_element (GST_OBJECT (self),
            gst_structure_copy (facts)));
    tell_fall_back (self, runner);
  }
  GST_OBJECT_LOCK (self);
  old = self->model_facts;
  self->model_facts = facts;
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&old, gst_structure_free);
}

/* Hands runner over unless another model has been asked for meanwhile; then
 * it comes back, and more says so. */
static GstDeltaCnnRunner *
hand_over (GstDeltaCnn * self, guint64 request, GstDeltaCnnRunner * runner,
    gboolean * more)
{
  GstDeltaCnnRunner *surplus = runner;

  GST_OBJECT_LOCK (self);
  *more = self->started && request != self->wanted_model;
  if (self->started && !*more && runner) {
    surplus = self->loaded;
    self->loaded = runner;
  }
  if (!*more) {
    self->loading = FALSE;
    g_cond_broadcast (&self->loading_done);
  }
  GST_OBJECT_UNLOCK (self);
  return surplus;
}

/* Holds no reference: stop() waits until hand_over() has said that there is
 * no more, after which self is not touched. */
static gpointer
load_models (gpointer data)
{
  GstDeltaCnn *self = data;
  gboolean more = TRUE;

  while (more) {
    g_auto (GstDeltaCnnSettings) settings;
    g_autoptr (GError) error = NULL;
    GstDeltaCnnRunner *runner;
    guint64 request;
    gint width, height;

    GST_OBJECT_LOCK (self);
    request = self->wanted_model;
    width = self->frame_width;
    height = self->frame_height;
    gst_delta_cnn_settings_copy (&self->settings, &settings);
    GST_OBJECT_UNLOCK (self);

    runner = gst_delta_cnn_runner_new (&settings, width, height, &error);
    if (!runner)
      gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_WARNING, error,
          "loading another model; the present one stays");
    gst_delta_cnn_runner_free (hand_over (self, request, runner, &more));
  }
  return NULL;
}

void
gst_delta_cnn_swap_request (GstDeltaCnn * self)
{
  g_autoptr (GError) error = NULL;
  GThread *thread;
  gboolean start;

  GST_OBJECT_LOCK (self);
  self->wanted_model++;
  start = self->started && !self->loading;
  self->loading |= start;
  GST_OBJECT_UNLOCK (self);
  if (!start)
    return;

  thread = g_thread_try_new ("deltacnn-load", load_models, self, &error);
  if (thread) {
    g_thread_unref (thread);
    return;
  }
  GST_ELEMENT_WARNING (self, RESOURCE, FAILED,
      ("No thread to load a model in: %s. The present model stays.",
          error->message), (NULL));
  GST_OBJECT_LOCK (self);
  self->loading = FALSE;
  g_cond_broadcast (&self->loading_done);
  GST_OBJECT_UNLOCK (self);
}

void
gst_delta_cnn_swap_adopt (GstDeltaCnn * self)
{
  GstDeltaCnnRunner *runner;

  GST_OBJECT_LOCK (self);
  runner = self->loaded;
  self->loaded = NULL;
  GST_OBJECT_UNLOCK (self);
  if (!runner)
    return;
  gst_delta_cnn_runner_set_tuning (runner, &self->active);
  gst_delta_cnn_swap_install (self, runner);
}

void
gst_delta_cnn_swap_supersede (GstDeltaCnn * self)
{
  GstDeltaCnnRunner *loaded;

  GST_OBJECT_LOCK (self);
  self->wanted_model++;
  loaded = self->loaded;
  self->loaded = NULL;
  GST_OBJECT_UNLOCK (self);
  gst_delta_cnn_runner_free (loaded);
}

void
gst_delta_cnn_swap_stop (GstDeltaCnn * self)
{
  GstDeltaCnnRunner *loaded;

  GST_OBJECT_LOCK (self);
  self->started = FALSE;
  while (self->loading)
    g_cond_wait (&self->loading_done, GST_OBJECT_GET_LOCK (self));
  loaded = self->loaded;
  self->loaded = NULL;
  GST_OBJECT_UNLOCK (self);
  gst_delta_cnn_runner_free (loaded);
}
