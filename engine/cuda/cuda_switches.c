/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_switches.c - see cuda_switches.h.
 */
#include "cuda_switches.h"

/* Its number; `otherwise` where it is not set. */
static gint
number (const char *name, gint otherwise)
{
  const char *text = g_getenv (name);

  return text ? (gint) g_ascii_strtoull (text, NULL, 10) : otherwise;
}

static gboolean
is_set (const char *name)
{
  return g_getenv (name) != NULL;
}

/* What is on unless it is "0". */
static gboolean
is_on (const char *name)
{
  return g_strcmp0 (g_getenv (name), "0") != 0;
}

void
dcnn_cuda_read_switches (CudaSwitches *self)
{
  gint kib = number ("DELTACNN_CUDA_SMALL", 0);

  *self = (CudaSwitches) { .early = is_on ("DELTACNN_CUDA_EARLY"),
    .whole = is_on ("DELTACNN_CUDA_WHOLE"),
    .squares = number ("DELTACNN_CUDA_SQUARES", -1),
    .longs = number ("DELTACNN_CUDA_LONG", -1),
    .exits = number ("DELTACNN_CUDA_EXITS", -1),
    .level = -1,
    .wide = is_set ("DELTACNN_CUDA_WIDE"),
    .small_kib = !is_set ("DELTACNN_CUDA_SMALL") ? 0 :
        kib >= 64 ? (guint) kib : 99,
    .tf32 = is_set ("DELTACNN_CUDA_TF32"),
    .times = is_set ("DELTACNN_CUDA_TIMES"),
    .dump = is_set ("DELTACNN_CUDA_DUMP") };
}
