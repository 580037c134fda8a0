/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fixture.h - what the element tests share: pictures to push, an element in a
 * harness with a bus, messages to count.
 */
#ifndef GST_TEST_FIXTURE_H
#define GST_TEST_FIXTURE_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "gstdeltacnnmetas.h"
#include "tiny_models.h"

/* Was the test built with the address sanitizer, or with that of threads? */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature (address_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature (thread_sanitizer)
#define THREADS_SANITIZED 1
#else
#define THREADS_SANITIZED 0
#endif

G_BEGIN_DECLS

/* Loads the plugin under test from DELTACNN_TEST_PLUGIN, or leaves it to
 * GST_PLUGIN_PATH when that is not set. Each suite begins with it. */
void fixture_load_plugin (void);

/* A deltacnn in a harness, its bus and a folder for models. */
typedef struct
{
  gchar *dir;
  GstElement *element;
  GstBus *bus;
  GstHarness *harness;         /* NULL until fixture_play() */
} Fixture;

/* What DELTACNN_TEST_DEVICE names, or "cpu". */
const gchar *fixture_device (void);
/* An element with settle off (so that shares are exact) on that device, and no
 * model yet. */
void fixture_init (Fixture * fixture);
void fixture_clear (Fixture * fixture);
/* Writes a model of that kind and sets it; NAME is "model". */
void fixture_model (Fixture * fixture, TinyKind kind, guint width,
    guint height);
/* Starts it in a harness with caps of that size and format. */
void fixture_play (Fixture * fixture, const gchar * format, gint width,
    gint height);
void fixture_caps (Fixture * fixture, const gchar * format, gint width,
    gint height);

/* Pushes a picture, expects GST_FLOW_OK and returns what comes out. Takes
 * buffer. */
GstBuffer *fixture_run (Fixture * fixture, GstBuffer * buffer);

/* The least latency that the element answers. */
GstClockTime fixture_latency (Fixture * fixture);

/* Takes all messages of that type off the bus, and returns how many; last:
 * the last one, new (NULL: not wanted). Others stay gone. */
guint fixture_count (Fixture * fixture, GstMessageType type,
    GstMessage ** last);

/* The structure of the last message of type ELEMENT with that name, new, or
 * NULL. Drops all messages. */
GstStructure *fixture_structure (Fixture * fixture, const gchar * name);

/* Pictures assert by GLib, not by check, which only works within its suites:
 * programs of another kind use them, too (cuda_align.c).
 *
 * A picture in any format, made from RGB: background grey, and a square of
 * another grey. */
GstBuffer *picture_new (const gchar * format, gint width, gint height,
    guint8 background, gint x, gint y, gint size, guint8 grey);
/* The same in one colour. */
GstBuffer *picture_new_color (const gchar * format, gint width, gint height,
    guint8 r, guint8 g, guint8 b);

/* The same picture in another format. Takes from. */
GstBuffer *picture_convert (GstBuffer * from, const gchar * from_format,
    const gchar * to_format, gint width, gint height);

/* The colour of a pixel, back in RGB. */
void picture_get_pixel (GstBuffer * buffer, const gchar * format, gint width,
    gint height, gint x, gint y, guint8 * rgb);

const GstDeltaCnnStatsMeta *buffer_stats (GstBuffer * buffer);

/* Opens an error, warning or info message: asserts that its text holds
 * `part`. */
void message_holds (GstMessage * message, const gchar * part);
/* The same of the next warning on the bus, which is taken from it. */
void warning_holds (GstBus * bus, const gchar * part);

G_END_DECLS

#endif
