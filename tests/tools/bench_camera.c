/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench_camera.c - by hand: what alignment saves on a photograph that a camera
 * of known motion looks at, and how well the results agree with dense ones on
 * the same window; without alignment beside it.
 *
 *   bench_camera MODEL PICTURE.ppm [rotate|shake|tripod] [FRAMES] [NAME=VALUE...]
 *
 * PICTURE: P6, larger than 640x480. Frames of 640x480 are rendered from it with
 * sensor noise and a walker; the motion that is told is off by `error` pixels
 * (rms, default 0.1), as an estimate is. NAME: error, noise (rms levels,
 * default 1.5), forgive, t0, t, dilation, width and height (of the network's
 * input), speed (px a frame, default 1 to 10).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/agree.h"
#include "deltacnn/anchor.h"
#include "deltacnn/modelinfo.h"

#define WIDTH 640
#define HEIGHT 480

typedef struct Picture {
  gint width, height;
  guint8 *rgb;
} Picture;

typedef struct Camera {
  gdouble x, y, roll, speed_x, speed_y;
  GRand *rand;
} Camera;

typedef struct Run {
  DcnnSession *session, *dense;
  DcnnDecoder *a, *b;
  DcnnAnchor anchor;
  BenchAgreement agreement;
  gdouble macs, changed;
  guint frames, dense_frames;
} Run;

static gdouble error_px = 0.1, noise = 1.5, speed = 0;

static gboolean
read_ppm (const char *path, Picture *p)
{
  FILE *f = fopen (path, "rb");
  gint most;
  gsize n;

  if (f == NULL || fscanf (f, "P6 %d %d %d", &p->width, &p->height, &most) !=
      3 || fgetc (f) == EOF || p->width < WIDTH + 64 ||
      p->height < HEIGHT + 64)
    return FALSE;
  n = (gsize) p->width * p->height * 3;
  p->rgb = g_malloc (n);
  n -= fread (p->rgb, 1, n, f);
  fclose (f);
  return n == 0;
}

/* About normal. */
static gdouble
bell (GRand *rand)
{
  gdouble sum = 0;

  for (gint i = 0; i < 6; i++)
    sum += g_rand_double (rand);
  return (sum - 3) * G_SQRT2;
}

static void
move_axis (GRand *rand, gdouble *at, gdouble *v, gdouble most)
{
  gdouble fast = speed > 0 ? speed : 10, slow = speed > 0 ? speed : 1;

  *v += 0.6 * bell (rand);
  if (fabs (*v) > fast || fabs (*v) < slow)
    *v = copysign (CLAMP (fabs (*v), slow, fast), *v);
  if (*at + *v < 8 || *at + *v > most - 8)
    *v = -*v;
  *at += *v;
}

/* The camera's matrix: frame pixels -> the picture's. */
static void
look (Camera *c, const char *kind, const Picture *p, gdouble m[9])
{
  gdouble x = c->x, y = c->y, roll = 0;

  if (strcmp (kind, "rotate") == 0) {
    move_axis (c->rand, &c->x, &c->speed_x, p->width - WIDTH);
    c->speed_y = 0.2 * bell (c->rand) + 0.9 * c->speed_y;
    c->y = CLAMP (c->y + c->speed_y, 8, p->height - HEIGHT - 8);
    c->roll = 0.95 * c->roll + 0.001 * bell (c->rand);
    x = c->x;
    y = c->y;
    roll = c->roll;
  } else if (strcmp (kind, "shake") == 0) {
    c->speed_x = 0.7 * c->speed_x + 2 * bell (c->rand);
    c->speed_y = 0.7 * c->speed_y + 2 * bell (c->rand);
    c->roll = 0.7 * c->roll + 0.002 * bell (c->rand);
    x += c->speed_x;
    y += c->speed_y;
    roll = c->roll;
  }
  m[0] = m[4] = cos (roll);
  m[3] = sin (roll);
  m[1] = -m[3];
  m[2] = x + WIDTH / 2 - m[0] * WIDTH / 2 - m[1] * HEIGHT / 2;
  m[5] = y + HEIGHT / 2 - m[3] * WIDTH / 2 - m[4] * HEIGHT / 2;
  m[6] = m[7] = 0;
  m[8] = 1;
}

static gdouble
at (const Picture *p, gdouble x, gdouble y, guint c)
{
  gint x0 = (gint) CLAMP (x - 0.5, 0, p->width - 2);
  gint y0 = (gint) CLAMP (y - 0.5, 0, p->height - 2);
  gdouble fx = CLAMP (x - 0.5 - x0, 0, 1), fy = CLAMP (y - 0.5 - y0, 0, 1);
  const guint8 *r = p->rgb + 3 * ((gsize) y0 * p->width + x0) + c;
  const guint8 *s = r + 3 * (gsize) p->width;

  return (r[0] * (1 - fx) + r[3] * fx) * (1 - fy) + (s[0] * (1 - fx) + s[3] *
      fx) * fy;
}

/* A pixel is the mean over its area; a walker, a piece of the picture, crosses. */
static void
render (const Picture *p, const gdouble m[9], guint frame, GRand *rand,
    guint8 *rgb)
{
  gdouble walker_x = p->width * 0.5 + 250 * sin (frame * 0.012);
  gdouble walker_y = p->height * 0.4;

  for (gint v = 0; v < HEIGHT; v++)
    for (gint u = 0; u < WIDTH; u++)
      for (guint c = 0; c < 3; c++) {
        gdouble sum = 0;
        for (gint s = 0; s < 4; s++) {
          gdouble fx = u + 0.25 + 0.5 * (s & 1), fy = v + 0.25 + 0.25 * (s & 2);
          gdouble x = m[0] * fx + m[1] * fy + m[2];
          gdouble y = m[3] * fx + m[4] * fy + m[5];
          gboolean walks = fabs (x - walker_x) < 35 && fabs (y - walker_y) <
              90;
          sum += walks ? at (p, x - walker_x + 300, y - walker_y + 200, c) :
              at (p, x, y, c);
        }
        sum = sum / 4 + noise * bell (rand);
        rgb[3 * (v * WIDTH + u) + c] = (guint8) CLAMP (sum + 0.5, 0, 255);
      }
}

static DcnnSession *
new_session (DcnnModel *model, const DcnnModelInfo *info, DcnnMode mode,
    char **settings)
{
  g_autoptr (GError) error = NULL;
  DcnnSessionOptions options;
  DcnnSession *session;

  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (info, &options);
  options.tuning.mode = mode;
  for (; *settings; settings++) {
    gfloat value = (gfloat) atof (strchr (*settings, '=') + 1);
    if (g_str_has_prefix (*settings, "forgive="))
      options.tuning.forgive = value;
    if (g_str_has_prefix (*settings, "t0="))
      options.tuning.input_threshold = value;
    if (g_str_has_prefix (*settings, "t="))
      options.tuning.threshold = value;
    if (g_str_has_prefix (*settings, "dilation="))
      options.tuning.dilation = (guint) value;
  }
  session = dcnn_session_new (model, &options, &error);
  if (session == NULL)
    g_error ("%s", error->message);
  return session;
}

static void
compare (Run *run, DcnnModel *model)
{
  gfloat score = dcnn_decoder_get_score_threshold (run->b);
  gfloat low = MAX (0, score - BENCH_NEAR_SCORE);
  const DcnnResults *a, *b;
  DcnnTransform transform;

  bench_agreement_add_outputs (&run->agreement, model, run->session,
      run->dense);
  dcnn_session_get_transform (run->dense, 0, &transform);
  a = dcnn_decoder_run (run->a, run->session, 0, score);
  b = dcnn_decoder_run (run->b, run->dense, 0, score);
  bench_agreement_add_results (&run->agreement, a, b, &transform);
  if (a->detections == NULL || b->detections == NULL)
    return;
  a = dcnn_decoder_run (run->a, run->session, 0, low);
  b = dcnn_decoder_run (run->b, run->dense, 0, low);
  bench_agreement_add_boxes (&run->agreement, a->detections, b->detections,
      score);
}

static void
step (Run *run, DcnnModel *model, const DcnnFrame *frame, const gdouble *m)
{
  g_autoptr (GError) error = NULL;
  DcnnFrameStats stats;
  DcnnMotion motion = { 0 };

  if (m)
    dcnn_anchor_next (&run->anchor, DCNN_SEEN_ALIGNED, m, WIDTH, HEIGHT,
        &motion);
  if (!dcnn_session_push_frame (run->session, 0, frame, &motion, &error) ||
      !dcnn_session_push_frame (run->dense, 0, frame, &motion, &error))
    g_error ("%s", error->message);
  dcnn_session_get_stats (run->session, 0, &stats);
  if (m)
    dcnn_anchor_account (&run->anchor, &stats);
  if (run->frames++ == 0)
    return;
  run->macs += (gdouble) stats.macs_done / (gdouble) stats.macs_dense;
  run->changed += stats.changed_share;
  run->dense_frames += stats.dense != 0;
  compare (run, model);
}

static void
report (const char *name, const Run *run)
{
  g_autofree char *text = bench_agreement_text (&run->agreement);

  printf ("%-9s work %.3f, changed pixels %.3f, dense frames %u, restarts %u, "
      "aside %u; %s\n", name, run->macs / (run->frames - 1), run->changed /
      (run->frames - 1), run->dense_frames, (guint) run->anchor.restarts,
      (guint) run->anchor.aside_frames, text);
}

static void
run_init (Run *run, DcnnModel *model, const DcnnModelInfo *info,
    char **settings)
{
  g_autoptr (GError) error = NULL;

  memset (run, 0, sizeof *run);
  run->session = new_session (model, info, DCNN_MODE_AUTO, settings);
  run->dense = new_session (model, info, DCNN_MODE_DENSE, settings);
  run->a = dcnn_decoder_new (info, model, &error);
  run->b = dcnn_decoder_new (info, model, &error);
  if (run->a == NULL || run->b == NULL)
    g_error ("no decoder: %s", error ? error->message : "none named");
  dcnn_anchor_init (&run->anchor);
}

static void
run_clear (Run *run)
{
  dcnn_decoder_free (run->a);
  dcnn_decoder_free (run->b);
  dcnn_session_free (run->session);
  dcnn_session_free (run->dense);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  const char *kind = argc > 3 ? argv[3] : "rotate";
  guint frames = argc > 4 ? (guint) atoi (argv[4]) : 60, width = 0, height = 0;
  char **settings = argv + MIN (argc, 5);
  Camera camera = { .rand = g_rand_new_with_seed (1), .speed_x = 4 };
  guint8 *rgb = g_malloc (3 * WIDTH * HEIGHT);
  DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = WIDTH, .height =
    HEIGHT, .planes = { rgb }, .strides = { 3 * WIDTH } };
  DcnnModelInfo *info;
  DcnnModel *model;
  Picture picture;
  Run aligned, plain;

  if (argc < 3 || !read_ppm (argv[2], &picture)) {
    fprintf (stderr, "usage: bench_camera MODEL PICTURE.ppm [rotate|shake|"
        "tripod] [FRAMES] [NAME=VALUE...]\n");
    return 2;
  }
  for (char **s = settings; *s; s++) {
    gdouble value = strchr (*s, '=') ? atof (strchr (*s, '=') + 1) : 0;
    error_px = g_str_has_prefix (*s, "error=") ? value : error_px;
    noise = g_str_has_prefix (*s, "noise=") ? value : noise;
    speed = g_str_has_prefix (*s, "speed=") ? value : speed;
    width = g_str_has_prefix (*s, "width=") ? (guint) value : width;
    height = g_str_has_prefix (*s, "height=") ? (guint) value : height;
  }
  model = dcnn_model_load (argv[1], width, height, &info, &error);
  if (model == NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  run_init (&aligned, model, info, settings);
  run_init (&plain, model, info, settings);
  camera.x = picture.width / 2.0 - WIDTH / 2;
  camera.y = picture.height / 2.0 - HEIGHT / 2;
  for (guint f = 0; f < frames; f++) {
    gdouble m[9];
    look (&camera, kind, &picture, m);
    render (&picture, m, f, camera.rand, rgb);
    step (&plain, model, &frame, NULL);
    m[2] += error_px * bell (camera.rand) / G_SQRT2;
    m[5] += error_px * bell (camera.rand) / G_SQRT2;
    step (&aligned, model, &frame, m);
  }
  report ("aligned", &aligned);
  report ("unaligned", &plain);
  run_clear (&aligned);
  run_clear (&plain);
  dcnn_modelinfo_free (info);
  dcnn_model_unref (model);
  g_rand_free (camera.rand);
  g_free (picture.rgb);
  g_free (rgb);
  return 0;
}
