/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The plot of a run: time of every frame above, shares of pixels and work
 * below. Times are smoothed over a few frames where there are many, with the
 * raw values behind. */
#include "bench.h"
#include "output.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <math.h>
#include <string.h>

#define WIDTH 1100.0
#define HEIGHT 620.0
#define LEFT 76.0
#define RIGHT 196.0
#define TOP 84.0
#define SPLIT 366.0  /* where the upper panel ends */
#define GAP 44.0
#define BOTTOM 52.0

typedef struct Colour { double r, g, b; } Colour;

static const Colour ink = { 0.13, 0.16, 0.20 };
static const Colour faint = { 0.55, 0.59, 0.64 };
static const Colour grid = { 0.90, 0.91, 0.93 };
static const Colour blue = { 0.07, 0.42, 0.74 };
static const Colour grey = { 0.42, 0.45, 0.50 };
static const Colour orange = { 0.87, 0.46, 0.05 };
static const Colour green = { 0.10, 0.56, 0.38 };

typedef struct Panel {
  cairo_t *cr;
  double x, y, width, height;
  double top;          /* value at the upper edge */
  guint n;             /* frames */
} Panel;

static void
set_colour (cairo_t *cr, Colour c, double alpha)
{
  cairo_set_source_rgba (cr, c.r, c.g, c.b, alpha);
}

static void
text_at (cairo_t *cr, double x, double y, double size, Colour colour,
    gboolean bold, double align, const char *text)
{
  cairo_text_extents_t extents;
  cairo_select_font_face (cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
      bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, size);
  cairo_text_extents (cr, text, &extents);
  cairo_move_to (cr, x - align * extents.x_advance, y);
  set_colour (cr, colour, 1);
  cairo_show_text (cr, text);
}

/* 1, 2 or 5 times a power of ten, so that about `count` fit below `top`. */
static double
nice_step (double top, double count)
{
  double raw = top / count, power = pow (10, floor (log10 (raw)));
  double unit = raw / power;
  return power * (unit <= 1 ? 1 : unit <= 2 ? 2 : unit <= 5 ? 5 : 10);
}

static void
draw_grid (const Panel *panel, const char *format, double scale)
{
  cairo_t *cr = panel->cr;
  double step = nice_step (panel->top, 5);
  cairo_set_line_width (cr, 1);
  for (double v = 0; v <= panel->top * 1.0001; v += step) {
    double y = panel->y + panel->height * (1 - v / panel->top);
    g_autofree char *label = g_strdup_printf (format, v * scale);
    set_colour (cr, grid, 1);
    cairo_move_to (cr, panel->x, floor (y) + 0.5);
    cairo_line_to (cr, panel->x + panel->width, floor (y) + 0.5);
    cairo_stroke (cr);
    text_at (cr, panel->x - 10, y + 4, 12, faint, FALSE, 1, label);
  }
}

static double
x_of (const Panel *panel, guint i)
{
  return panel->x + panel->width * (panel->n > 1
      ? (double) i / (panel->n - 1) : 0.5);
}

static double
y_of (const Panel *panel, double value)
{
  double v = CLAMP (value / panel->top, 0, 1);
  return panel->y + panel->height * (1 - v);
}

/* Median of the frames around i. */
static double
smoothed (const GArray *values, guint i, guint radius)
{
  double window[64];
  guint n = 0;
  for (gint64 k = (gint64) i - radius; k <= (gint64) i + radius; k++)
    if (k >= 0 && k < values->len && n < G_N_ELEMENTS (window))
      window[n++] = g_array_index (values, double, k);
  for (guint a = 1; a < n; a++)
    for (guint b = a; b > 0 && window[b - 1] > window[b]; b--) {
      double swap = window[b];
      window[b] = window[b - 1];
      window[b - 1] = swap;
    }
  return n ? window[n / 2] : 0;
}

static void
draw_line (const Panel *panel, const GArray *values, Colour colour,
    guint radius, gboolean fill)
{
  cairo_t *cr = panel->cr;
  for (int pass = radius ? 0 : 1; pass < 2; pass++) {
    cairo_new_path (cr);
    for (guint i = 0; i < values->len; i++) {
      double v = pass ? smoothed (values, i, radius)
          : g_array_index (values, double, i);
      cairo_line_to (cr, x_of (panel, i), y_of (panel, v));
    }
    if (pass && fill) {
      cairo_path_t *path = cairo_copy_path (cr);
      cairo_line_to (cr, panel->x + panel->width, panel->y + panel->height);
      cairo_line_to (cr, panel->x, panel->y + panel->height);
      cairo_close_path (cr);
      set_colour (cr, colour, 0.12);
      cairo_fill (cr);
      cairo_append_path (cr, path);
      cairo_path_destroy (path);
    }
    set_colour (cr, colour, pass ? 1 : 0.22);
    cairo_set_line_width (cr, pass ? 2 : 1);
    cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke (cr);
  }
}

typedef struct Label { double y; Colour colour; char *name, *value; } Label;

static int
higher_first (gconstpointer a, gconstpointer b)
{
  const Label *p = a, *q = b;
  return (p->y > q->y) - (p->y < q->y);
}

/* Names beside the lines' ends, moved apart where they would touch. */
static void
draw_labels (const Panel *panel, Label *labels, guint n)
{
  qsort (labels, n, sizeof *labels, higher_first);
  double least = panel->y + 6;
  for (guint i = 0; i < n; i++) {
    double y = MAX (labels[i].y, least);
    double room = panel->y + panel->height - 36.0 * (n - 1 - i) - 8;
    y = MIN (y, room);
    text_at (panel->cr, panel->x + panel->width + 14, y + 2, 13,
        labels[i].colour, TRUE, 0, labels[i].name);
    text_at (panel->cr, panel->x + panel->width + 14, y + 18, 12, grey,
        FALSE, 0, labels[i].value);
    least = y + 36;
    g_free (labels[i].name);
    g_free (labels[i].value);
  }
}

static Label
time_label (const Panel *panel, const GArray *values, const char *name,
    Colour colour)
{
  double median = bench_quantile (values, 0.5);
  return (Label) { y_of (panel, median), colour, g_strdup (name),
    g_strdup_printf ("%.2f ms (median)", median) };
}

static void
draw_times (Panel *panel, const BenchRun *run, guint radius)
{
  const GArray *all[] = { run->dense_ms, run->peer_ms, run->sparse_ms };
  const Colour colours[] = { grey, orange, blue };
  const char *names[] = { "dense", run->options->peer, "sparse" };
  Label labels[3];
  guint n = 0;
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    panel->top = MAX (panel->top, bench_quantile (all[i], 0.98) * 1.15);
  if (panel->top <= 0)
    panel->top = 1;
  draw_grid (panel, panel->top < 2 ? "%.2f" : "%g", 1);
  cairo_save (panel->cr);
  cairo_rectangle (panel->cr, panel->x, panel->y - 2, panel->width,
      panel->height + 4);
  cairo_clip (panel->cr);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    if (all[i]->len)
      draw_line (panel, all[i], colours[i], radius, i == 2);
  cairo_restore (panel->cr);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    if (all[i]->len)
      labels[n++] = time_label (panel, all[i], names[i], colours[i]);
  draw_labels (panel, labels, n);
}

static void
draw_shares (Panel *panel, const BenchRun *run, guint radius)
{
  double most = MAX (bench_quantile (run->mac_share, 0.99),
      bench_quantile (run->changed, 0.99));
  panel->top = CLAMP (most * 1.15, 0.02, 1);
  draw_grid (panel, "%g %%", 100);
  draw_line (panel, run->mac_share, green, radius, TRUE);
  draw_line (panel, run->changed, orange, radius, FALSE);
  double work = bench_mean (run->mac_share), pixels = bench_mean (run->changed);
  Label labels[2] = {
    { y_of (panel, work), green, g_strdup ("work done"),
      g_strdup_printf ("%.1f %% of dense", 100 * work) },
    { y_of (panel, pixels), orange, g_strdup ("pixels changed"),
      g_strdup_printf ("%.1f %%", 100 * pixels) },
  };
  draw_labels (panel, labels, 2);
}

static void
draw_heading (cairo_t *cr, const BenchRun *run)
{
  g_autofree char *model = g_path_get_basename (run->model_path);
  g_autofree char *clip = run->options->clip
      ? g_path_get_basename (run->options->clip)
      : g_strdup_printf ("synthetic picture, %g %% changing",
          100 * run->options->synthetic);
  g_autofree char *title = g_strdup_printf ("%s on %s", model, clip);
  g_autofree char *agreement = run->sparse && run->dense
      ? bench_agreement_text (&run->agreement) : g_strdup ("");
  GString *text = g_string_new (NULL);
  double sparse = bench_quantile (run->sparse_ms, 0.5);
  if (run->sparse && run->dense && sparse > 0)
    g_string_append_printf (text, "%.1f x against dense",
        bench_quantile (run->dense_ms, 0.5) / sparse);
  if (run->sparse && run->peer && sparse > 0)
    g_string_append_printf (text, "%s%.1f x against %s",
        text->len ? ", " : "", bench_quantile (run->peer_ms, 0.5) / sparse,
        bench_peer_version (run->peer));
  if (*agreement)
    g_string_append_printf (text, "; agreement with dense: %s",
        agreement);
  text_at (cr, LEFT, 32, 19, ink, TRUE, 0, title);
  text_at (cr, LEFT, 54, 13, grey, FALSE, 0, text->str);
  g_string_free (text, TRUE);
}

static void
draw (cairo_t *cr, const BenchRun *run)
{
  guint n = run->sparse ? run->sparse_ms->len : run->dense_ms->len;
  guint radius = n > 600 ? 7 : n > 150 ? 3 : n > 60 ? 1 : 0;
  Panel above = { cr, LEFT, TOP, WIDTH - LEFT - RIGHT, SPLIT - TOP, 0, n };
  Panel below = { cr, LEFT, SPLIT + GAP, WIDTH - LEFT - RIGHT,
    HEIGHT - BOTTOM - SPLIT - GAP, 0, n };
  const Panel *last = run->sparse ? &below : &above;
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_paint (cr);
  draw_heading (cr, run);
  text_at (cr, LEFT, TOP - 10, 12, faint, FALSE, 0, "ms a frame");
  draw_times (&above, run, radius);
  if (run->sparse) {
    text_at (cr, LEFT, SPLIT + GAP - 10, 12, faint, FALSE, 0,
        "share of a whole frame");
    draw_shares (&below, run, radius);
  }
  double y = last->y + last->height;
  double step = MAX (1, nice_step (n, 8));
  for (double f = 0; f < n; f += step) {
    g_autofree char *label = g_strdup_printf ("%g", f);
    text_at (cr, x_of (last, (guint) f), y + 20, 12, faint, FALSE, 0.5,
        label);
  }
  text_at (cr, last->x + last->width + 14, y + 20, 12, faint, FALSE, 0,
      "frame");
}

gboolean
bench_plot (const BenchRun *run, const char *path, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new (); /* of an .svg */
  gboolean good, svg = g_str_has_suffix (path, ".svg");
  double zoom = svg ? 1 : 1.5;
  cairo_surface_t *surface = svg
      ? cairo_svg_surface_create_for_stream (tool_append_bytes, bytes,
          WIDTH, HEIGHT)
      : cairo_image_surface_create (CAIRO_FORMAT_RGB24,
          (int) (WIDTH * zoom), (int) (HEIGHT * zoom));
  cairo_t *cr = cairo_create (surface);
  cairo_scale (cr, zoom, zoom);
  draw (cr, run);
  cairo_status_t status = cairo_status (cr);
  cairo_destroy (cr);
  good = status == CAIRO_STATUS_SUCCESS
      && (svg || tool_write_png (path, surface, error));
  cairo_surface_finish (surface); /* of an .svg, its bytes are whole then */
  if (status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_status (surface);
  cairo_surface_destroy (surface);
  if (good && svg)
    good = tool_write_file (path, bytes->data, bytes->len, error);
  if (status != CAIRO_STATUS_SUCCESS)
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "cannot draw %s: %s",
        path, cairo_status_to_string (status));
  return good;
}
