/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_modelinfo_influence.c - the group [influence] of a descriptor: how
 * strongly each channel of a node bears on the outputs, a character each.
 *
 *   NODE=LARGEST;CODES
 *
 * LARGEST is a number; code k, counted 0-9 A-Z a-z -, stands for
 * LARGEST * 2^(-k/4); the last code, _, for 0. Steps of 19 % are finer than
 * the measurement.
 */
#include "dcnn_modelinfo_influence.h"

#include "dcnn_graph.h"

#include <math.h>
#include <string.h>

#define MAX_NODES 4096
#define MAX_CHANNELS 65536

static const char codes[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
#define ZERO_CODE 63

char *
dcnn_influence_to_text (const gfloat *values, guint n)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  GString *text = g_string_new (NULL);
  gdouble most = 0;

  for (guint c = 0; c < n; c++)
    most = MAX (most, values[c]);
  g_string_append (text, g_ascii_formatd (number, sizeof number, "%.4g",
          most));
  g_string_append_c (text, ';');
  for (guint c = 0; c < n; c++) {
    gdouble k = values[c] > 0 ? round (4 * log2 (most / values[c])) :
        ZERO_CODE;
    g_string_append_c (text, codes[(gint) MIN (k, ZERO_CODE)]);
  }
  return g_string_free (text, FALSE);
}

static GArray *
values_from_text (const char *text)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (gfloat));
  char *end;
  gdouble most = g_ascii_strtod (text, &end);

  if (end == text || *end != ';' || !(most >= 0) || most > 1e30 ||
      end[1] == '\0' || strlen (end + 1) > MAX_CHANNELS)
    return NULL;
  for (const char *p = end + 1; *p; p++) {
    const char *code = strchr (codes, *p);
    gint k = code ? (gint) (code - codes) : -1;
    gfloat value = k == ZERO_CODE ? 0 : (gfloat) (most * exp2 (-k / 4.0));
    if (k < 0)
      return NULL;
    g_array_append_val (values, value);
  }
  return g_steal_pointer (&values);
}

static void
free_values (gpointer values)
{
  g_array_unref (values);
}

gboolean
dcnn_influence_read (const DcnnKeys *keys, GHashTable **influence,
    GError **error)
{
  const char *group = "influence";
  g_auto (GStrv) names = g_key_file_get_keys (keys->file, group, NULL, NULL);
  guint n = names ? g_strv_length (names) : 0;

  if (n == 0)
    return TRUE;
  if (n > MAX_NODES)
    return dcnn_keys_fail (keys, error, group, NULL, "more than %d nodes",
        MAX_NODES);
  *influence = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      free_values);
  for (guint i = 0; i < n; i++) {
    g_autofree char *text =
        g_key_file_get_value (keys->file, group, names[i], NULL);
    g_autofree char *name = g_uri_unescape_string (names[i], NULL);
    GArray *values = text ? values_from_text (text) : NULL;
    if (name == NULL || values == NULL) {
      g_clear_pointer (&values, g_array_unref);
      return dcnn_keys_fail (keys, error, group, names[i],
          "not a number, ';' and a code for each channel: \"%.40s\"; "
          "deltacnn-tune writes this group", text ? text : "");
    }
    g_hash_table_replace (*influence, g_steal_pointer (&name), values);
  }
  return TRUE;
}
