/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dcnn_keys.h"

#include <math.h>
#include <string.h>

#include "dcnn_graph.h"

/* Next line of the text as [*start, return); *next: behind its newline. */
static const char *
next_line (const char *at, const char *end, const char **start,
    const char **next)
{
  const char *stop = memchr (at, '\n', (gsize) (end - at));

  *next = stop != NULL ? stop + 1 : end;
  if (stop == NULL)
    stop = end;
  while (at < stop && g_ascii_isspace (*at))
    at++;
  while (stop > at && g_ascii_isspace (stop[-1]))
    stop--;
  *start = at;
  return stop;
}

static gboolean
line_is_group (const char *start, const char *stop, const char *group)
{
  gsize n = strlen (group);

  return (gsize) (stop - start) == n + 2 && start[0] == '['
      && stop[-1] == ']' && memcmp (start + 1, group, n) == 0;
}

static gboolean
line_is_key (const char *start, const char *stop, const char *key)
{
  const char *equal = memchr (start, '=', (gsize) (stop - start));
  gsize n = strlen (key);

  if (equal == NULL)
    return FALSE;
  while (equal > start && g_ascii_isspace (equal[-1]))
    equal--;
  return (gsize) (equal - start) == n && memcmp (start, key, n) == 0;
}

/* Line (from 1) of key in group, or of the group with key NULL; 0: not
 * found. Linear in the file's length: for errors only. */
static guint
line_of (const DcnnKeys *keys, const char *group, const char *key)
{
  gboolean inside = FALSE;
  guint line = 0, found = 0;
  const char *at = keys->data, *end;

  if (at == NULL)
    return 0;
  end = at + keys->length;
  while (at < end) {
    const char *start, *stop = next_line (at, end, &start, &at);

    line++;
    if (start < stop && *start == '[') {
      inside = line_is_group (start, stop, group);
      if (inside && key == NULL)
        return line;
    } else if (inside && key != NULL && line_is_key (start, stop, key)) {
      found = line; /* the last one counts, as in GKeyFile */
    }
  }
  return found;
}

gboolean
dcnn_keys_fail (const DcnnKeys *keys, GError **error, const char *group,
    const char *key, const char *format, ...)
{
  g_autofree char *text = NULL;
  guint line = line_of (keys, group, key);
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID, "%s:%u: [%.200s]%s%.200s: %s",
      keys->origin, line, group, key != NULL ? " " : "",
      key != NULL ? key : "", text);
  return FALSE;
}

/* Groups that only our descriptors have. */
static gboolean
is_own_group (const char *group)
{
  return dcnn_keys_find_choice ("deltacnn|decoder|labels|tuning|thresholds|"
      "influence|input", group) >= 0 || g_str_has_prefix (group, "input:")
      || g_str_has_prefix (group, "input.")
      || g_str_has_prefix (group, "output:");
}

gboolean
dcnn_keys_is_upstream (const DcnnKeys *keys)
{
  g_auto (GStrv) groups = g_key_file_get_groups (keys->file, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    if (is_own_group (groups[i]))
      return FALSE;
  return TRUE;
}

void
dcnn_keys_ignore (const DcnnKeys *keys, const char *group, const char *key)
{
  g_warning ("%s:%u: [%.200s]%s%.200s is not known here and has no effect",
      keys->origin, line_of (keys, group, key), group,
      key != NULL ? " " : "", key != NULL ? key : "");
}

/* The key's raw value, or NULL when absent (error left alone). */
static gboolean
get_value (const DcnnKeys *keys, const char *group, const char *key,
    char **value, GError **error)
{
  g_autoptr (GError) local = NULL;

  *value = NULL;
  if (!g_key_file_has_key (keys->file, group, key, NULL))
    return TRUE;
  *value = g_key_file_get_string (keys->file, group, key, &local);
  if (*value == NULL)
    return dcnn_keys_fail (keys, error, group, key, "%s",
        local != NULL ? local->message : "unreadable value");
  g_strstrip (*value);
  if (strlen (*value) > DCNN_KEYS_MAX_TEXT) {
    g_clear_pointer (value, g_free);
    return dcnn_keys_fail (keys, error, group, key,
        "value is longer than %d bytes", DCNN_KEYS_MAX_TEXT);
  }
  return TRUE;
}

gboolean
dcnn_keys_text (const DcnnKeys *keys, const char *group, const char *key,
    char **value, GError **error)
{
  char *text;

  if (!get_value (keys, group, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  if (*text == '\0') {
    g_free (text);
    return dcnn_keys_fail (keys, error, group, key,
        "\"\" is no value; wants text, or leave the key out");
  }
  g_free (*value);
  *value = text;
  return TRUE;
}

static gboolean
parse_number (const char *text, gdouble lo, gdouble hi, gdouble *value)
{
  char *end;
  gdouble v = g_ascii_strtod (text, &end);

  if (end == text || *end != '\0' || !isfinite (v) || v < lo || v > hi)
    return FALSE;
  *value = v;
  return TRUE;
}

gboolean
dcnn_keys_number (const DcnnKeys *keys, const char *group, const char *key,
    gdouble lo, gdouble hi, gdouble *value, GError **error)
{
  g_autofree char *text = NULL;

  if (!get_value (keys, group, key, &text, error))
    return FALSE;
  if (text == NULL || parse_number (text, lo, hi, value))
    return TRUE;
  return dcnn_keys_fail (keys, error, group, key,
      "\"%.80s\" is not a number from %g to %g", text, lo, hi);
}

gboolean
dcnn_keys_integer (const DcnnKeys *keys, const char *group, const char *key,
    gint lo, gint hi, gint *value, GError **error)
{
  g_autofree char *text = NULL;
  gdouble v = 0;

  if (!get_value (keys, group, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  if (!parse_number (text, lo, hi, &v) || v != floor (v))
    return dcnn_keys_fail (keys, error, group, key,
        "\"%.80s\" is not a whole number from %d to %d", text, lo, hi);
  *value = (gint) v;
  return TRUE;
}

gboolean
dcnn_keys_boolean (const DcnnKeys *keys, const char *group, const char *key,
    gboolean *value, GError **error)
{
  gint place = *value ? 1 : 0;

  if (!dcnn_keys_choice (keys, group, key, "false|true", &place, error))
    return FALSE;
  *value = place == 1;
  return TRUE;
}

gint
dcnn_keys_find_choice (const char *choices, const char *name)
{
  gsize n = strlen (name);
  gint place = 0;

  for (const char *at = choices; *at != '\0'; place++) {
    gsize length = strcspn (at, "|");

    if (length == n && memcmp (at, name, n) == 0)
      return place;
    at += length;
    if (*at == '|')
      at++;
  }
  return -1;
}

/* "a|b|c" as "a, b, c"; new text. */
static char *
list_choices (const char *choices)
{
  g_auto (GStrv) parts = g_strsplit (choices, "|", -1);

  return g_strjoinv (", ", parts);
}

gboolean
dcnn_keys_choice (const DcnnKeys *keys, const char *group, const char *key,
    const char *choices, gint *value, GError **error)
{
  g_autofree char *text = NULL, *list = NULL;
  gint place;

  if (!get_value (keys, group, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  place = dcnn_keys_find_choice (choices, text);
  if (place >= 0) {
    *value = place;
    return TRUE;
  }
  list = list_choices (choices);
  return dcnn_keys_fail (keys, error, group, key,
      "\"%.80s\" is none of: %s", text, list);
}

gboolean
dcnn_keys_numbers (const DcnnKeys *keys, const char *group, const char *key,
    gdouble lo, gdouble hi, gdouble *values, guint max, guint *n,
    GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) parts = NULL;
  guint length;

  if (!get_value (keys, group, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  parts = g_strsplit_set (text, ";,", (gint) max + 2);
  length = g_strv_length (parts);
  if (length > 1 && *parts[length - 1] == '\0')
    length--; /* GKeyFile lists may end in a separator */
  if (length < 1 || length > max)
    return dcnn_keys_fail (keys, error, group, key,
        "\"%.80s\" has %s%u; wants 1 to %u numbers separated by ';'", text,
        length > max ? "more than " : "", MIN (length, max), max);
  for (guint i = 0; i < length; i++)
    if (!parse_number (g_strstrip (parts[i]), lo, hi, &values[i]))
      return dcnn_keys_fail (keys, error, group, key,
          "\"%.80s\" is not a number from %g to %g", parts[i], lo, hi);
  *n = length;
  return TRUE;
}

gboolean
dcnn_keys_once (const DcnnKeys *keys, GError **error)
{
  g_autoptr (GHashTable) lines = g_hash_table_new_full (g_str_hash,
      g_str_equal, g_free, NULL);
  g_autofree char *group = g_strdup ("");
  const char *at = keys->data, *end = at + keys->length;
  guint line = 0, first;

  while (at < end) {
    const char *start, *stop = next_line (at, end, &start, &at);
    const char *equal = memchr (start, '=', (gsize) (stop - start));
    g_autofree char *key = NULL;
    char *name;

    line++;
    if (start == stop || *start == '#' || (*start != '[' && equal == NULL))
      continue;
    if (*start == '[') { /* one that is there again goes on, and may say anew */
      g_hash_table_remove_all (lines);
      g_free (group);
      group = g_strndup (start + 1, (gsize) (stop - start - 2));
      continue;
    }
    key = g_strchomp (g_strndup (start, (gsize) (equal - start)));
    name = g_strconcat (group, "]", key, NULL);
    first = GPOINTER_TO_UINT (g_hash_table_lookup (lines, name));
    if (first > 0) {
      g_free (name);
      return dcnn_keys_fail (keys, error, group, key, "is said twice, in lines "
          "%u and %u; keep one of them", first, line);
    }
    g_hash_table_insert (lines, name, GUINT_TO_POINTER (line));
  }
  return TRUE;
}

gboolean
dcnn_keys_only (const DcnnKeys *keys, const char *group, const char *allowed,
    GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (keys->file, group, NULL, NULL);
  g_autofree char *list = NULL;

  for (guint i = 0; names != NULL && names[i] != NULL; i++) {
    if (dcnn_keys_find_choice (allowed, names[i]) >= 0)
      continue;
    if (dcnn_keys_is_upstream (keys)) {
      dcnn_keys_ignore (keys, group, names[i]);
      continue;
    }
    list = list_choices (allowed);
    return dcnn_keys_fail (keys, error, group, names[i],
        "unknown key; this group has: %s", list);
  }
  return TRUE;
}
