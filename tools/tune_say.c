/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tune_say.c - a line on progress, and the wish to stop.
 */
#include "tune.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

volatile gint tune_stopped;

static void
on_interrupt (int number)
{
  (void) number;
  g_atomic_int_set (&tune_stopped, 1);
}

void
tune_stop_on_interrupt (void)
{
  struct sigaction action = { .sa_handler = on_interrupt,
    .sa_flags = (int) SA_RESETHAND };
  sigaction (SIGINT, &action, NULL);
}

void
tune_say (Tuner *tuner, gboolean keep, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  if (keep)
    g_string_append_printf (tuner->log, "%s\n", text);
  if (tuner->options->quiet)
    return;
  gboolean terminal = isatty (STDERR_FILENO);
  double seconds =
      (double) (g_get_monotonic_time () - tuner->started_us) / 1e6;
  if (terminal)
    fprintf (stderr, "\r\033[K[%4.0f s] %.110s%s", seconds, text,
        keep ? "\n" : "");
  else if (keep)
    fprintf (stderr, "[%4.0f s] %s\n", seconds, text);
  fflush (stderr);
}
