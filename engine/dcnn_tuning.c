/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tuning.c - the list of settings (deltacnn/tuning.h) as a table.
 */
#include "deltacnn/tuning.h"

#include <math.h>
#include <string.h>

#include "deltacnn/error.h"

static const char *const mode_names[] = {
#define DCNN_X(e, n, b) n,
  DCNN_MODES (DCNN_X)
#undef DCNN_X
  NULL
};

static const char *const criterion_names[] = {
#define DCNN_X(e, n, b) n,
  DCNN_CRITERIA (DCNN_X)
#undef DCNN_X
  NULL
};

static const char *const sampling_names[] = {
#define DCNN_X(e, n, b) n,
  DCNN_SAMPLINGS (DCNN_X)
#undef DCNN_X
  NULL
};

#define NAMES_MODE mode_names
#define NAMES_SAMPLING sampling_names
#define NAMES_CRITERION criterion_names
#define NAMES_FLOAT NULL
#define NAMES_UINT NULL
#define NAMES_BOOL NULL
#define IS_TOLD TRUE
#define IS_OWN FALSE

static const DcnnTuningInfo infos[DCNN_TUNES_COUNT] = {
#define DCNN_X(f, n, k, low, high, d, t, b)                                    \
  { n, #f, DCNN_TUNING_KIND_##k, low, high, d, IS_##t, b, NAMES_##k },
  DCNN_TUNINGS (DCNN_X)
#undef DCNN_X
};

static const gsize offsets[DCNN_TUNES_COUNT] = {
#define DCNN_X(f, n, k, low, high, d, t, b) G_STRUCT_OFFSET (DcnnTuning, f),
  DCNN_TUNINGS (DCNN_X)
#undef DCNN_X
};

const DcnnTuningInfo *
dcnn_tuning_info (guint tunes)
{
  return tunes < DCNN_TUNES_COUNT ? &infos[tunes] : NULL;
}

guint
dcnn_tuning_find (const char *name)
{
  guint i = 0;

  while (i < DCNN_TUNES_COUNT && strcmp (infos[i].name, name) != 0)
    i++;
  return i;
}

gdouble
dcnn_tuning_get (const DcnnTuning *tuning, guint tunes)
{
  const guint8 *at;

  g_return_val_if_fail (tunes < DCNN_TUNES_COUNT, 0);
  at = (const guint8 *) tuning + offsets[tunes];
  switch (infos[tunes].kind) {
    case DCNN_TUNING_KIND_FLOAT:
      return *(const gfloat *) (gconstpointer) at;
    case DCNN_TUNING_KIND_UINT:
      return *(const guint *) (gconstpointer) at;
    default: /* enums and booleans */
      return *(const gint *) (gconstpointer) at;
  }
}

void
dcnn_tuning_set (DcnnTuning *tuning, guint tunes, gdouble value)
{
  guint8 *at;

  g_return_if_fail (tunes < DCNN_TUNES_COUNT);
  at = (guint8 *) tuning + offsets[tunes];
  switch (infos[tunes].kind) {
    case DCNN_TUNING_KIND_FLOAT:
      *(gfloat *) (gpointer) at = (gfloat) value;
      break;
    case DCNN_TUNING_KIND_UINT:
      *(guint *) (gpointer) at = (guint) value;
      break;
    default:
      *(gint *) (gpointer) at = (gint) value;
  }
}

static gboolean
parse_choice (const DcnnTuningInfo *info, const char *text, gdouble *value,
    GError **error)
{
  g_autofree char *names = NULL;

  for (guint i = 0; info->names[i]; i++)
    if (strcmp (text, info->names[i]) == 0) {
      *value = i;
      return TRUE;
    }
  names = g_strjoinv (", ", (char **) info->names);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "%s=%s: one of %s is needed", info->name, text, names);
  return FALSE;
}

gboolean
dcnn_tuning_parse (guint tunes, const char *text, gdouble *value,
    GError **error)
{
  const DcnnTuningInfo *info = dcnn_tuning_info (tunes);
  char *end = NULL;
  gdouble number;
  gboolean whole;

  g_return_val_if_fail (info != NULL, FALSE);
  if (info->names)
    return parse_choice (info, text, value, error);
  whole = info->kind != DCNN_TUNING_KIND_FLOAT;
  number = g_ascii_strtod (text, &end);
  if (*text && *end == '\0' && number >= info->least &&
      number <= info->most && (!whole || number == floor (number))) {
    *value = number;
    return TRUE;
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "%s=%s: a %snumber of %g to %g is needed", info->name, text,
      whole ? "whole " : "", info->least, info->most);
  return FALSE;
}
