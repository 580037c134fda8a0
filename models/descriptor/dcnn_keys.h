/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_keys.h - values out of a hostile GKeyFile: each read is checked for
 * form, range and length, and each error says file, line, group, key and what
 * would be right.
 *
 * For: descriptors (dcnn_modelinfo.c). Not public.
 */
#ifndef DCNN_KEYS_H
#define DCNN_KEYS_H

#include <glib.h>

G_BEGIN_DECLS

/* Limits of a descriptor; past them it is refused. */
#define DCNN_KEYS_MAX_BYTES (1024 * 1024)
#define DCNN_KEYS_MAX_TEXT 4096
#define DCNN_KEYS_MAX_LIST 64

/* A parsed file beside its text (for line numbers). All borrowed. */
typedef struct DcnnKeys {
  GKeyFile *file;
  const char *data; /* NULL: no line numbers */
  gsize length;
  const char *origin; /* file name for messages */
} DcnnKeys;

/* Sets DCNN_ERROR_INVALID: "ORIGIN:LINE: [group] key: TEXT". key may be NULL.
 * Always returns FALSE. */
gboolean dcnn_keys_fail (const DcnnKeys *keys, GError **error,
    const char *group, const char *key, const char *format, ...)
    G_GNUC_PRINTF (5, 6);

/* Each reader leaves *value alone and returns TRUE when the key is absent. */

/* New text (freed with g_free(); the old *value is freed), at most
 * DCNN_KEYS_MAX_TEXT bytes of UTF-8. */
gboolean dcnn_keys_text (const DcnnKeys *keys, const char *group,
    const char *key, char **value, GError **error);

/* A finite number in lo..hi (C locale). */
gboolean dcnn_keys_number (const DcnnKeys *keys, const char *group,
    const char *key, gdouble lo, gdouble hi, gdouble *value, GError **error);

/* The same, and whole. */
gboolean dcnn_keys_integer (const DcnnKeys *keys, const char *group,
    const char *key, gint lo, gint hi, gint *value, GError **error);

/* "true" or "false". */
gboolean dcnn_keys_boolean (const DcnnKeys *keys, const char *group,
    const char *key, gboolean *value, GError **error);

/* One of the names separated by '|' in choices; *value: its place. */
gboolean dcnn_keys_choice (const DcnnKeys *keys, const char *group,
    const char *key, const char *choices, gint *value, GError **error);

/* 1..max numbers in lo..hi separated by ';' or ','; *n: how many (0 left
 * alone when absent). */
gboolean dcnn_keys_numbers (const DcnnKeys *keys, const char *group,
    const char *key, gdouble lo, gdouble hi, gdouble *values, guint max,
    guint *n, GError **error);

/* Whether the file is one of GStreamer's own: [modelinfo] and groups named by
 * tensor, none of ours. What such a file says beyond what is known here is
 * ignored, with a warning: it was written for others too. */
gboolean dcnn_keys_is_upstream (const DcnnKeys *keys);
/* That warning; key NULL: the whole group. */
void dcnn_keys_ignore (const DcnnKeys *keys, const char *group,
    const char *key);

/* Fails on the first key that stands twice below one group's name: GKeyFile would
 * take the last one. Where the name stands again, the group goes on, and what is
 * said there goes. Needs keys->data, of a file that was
 * parsed. */
gboolean dcnn_keys_once (const DcnnKeys *keys, GError **error);

/* Fails on the first key of group that allowed does not name ('|'-separated);
 * the message lists what is. */
gboolean dcnn_keys_only (const DcnnKeys *keys, const char *group,
    const char *allowed, GError **error);

/* Is name one of the '|'-separated choices? Its place, or -1. */
gint dcnn_keys_find_choice (const char *choices, const char *name);

G_END_DECLS

#endif
