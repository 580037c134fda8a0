/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decode_clip - a model on raw RGB frames through a session: one line of JSON
 * a frame, as decode_raw prints it.
 *
 *   decode_clip MODEL FRAMES.rgb WIDTHxHEIGHT [NETWxNETH] [--mask FILE.pgm]
 *
 * Beside the decoder that follows the session from frame to frame a second
 * one decodes every frame from scratch; any difference is an error (exit 1).
 */
#include <stdio.h>
#include <string.h>

#include "deltacnn/decode.h"
#include "deltacnn/modelinfo.h"
#include "print_results.h"

#define MAX_OUTPUTS 64

typedef struct Clip {
  DcnnModel *model;
  DcnnModelInfo *info;
  DcnnSession *session;
  DcnnDecoder *follower, *fresh;
  guint n_outputs;
} Clip;

static gboolean
open_model (Clip *clip, const char *name, guint width, guint height,
    GError **error)
{
  DcnnSessionOptions options;
  DcnnModelSummary summary;

  clip->model = dcnn_model_load (name, width, height, &clip->info, error);
  if (clip->model == NULL)
    return FALSE;
  dcnn_model_get_summary (clip->model, &summary);
  clip->n_outputs = MIN (summary.n_outputs, MAX_OUTPUTS);
  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (clip->info, &options);
  clip->follower = dcnn_decoder_new (clip->info, clip->model, error);
  if (clip->follower == NULL)
    return FALSE;
  clip->fresh = dcnn_decoder_new (clip->info, clip->model, error);
  clip->session = dcnn_session_new (clip->model, &options, error);
  return clip->fresh != NULL && clip->session != NULL;
}

static void
close_model (Clip *clip)
{
  dcnn_decoder_free (clip->follower);
  dcnn_decoder_free (clip->fresh);
  g_clear_pointer (&clip->session, dcnn_session_free);
  g_clear_pointer (&clip->model, dcnn_model_unref);
  g_clear_pointer (&clip->info, dcnn_modelinfo_free);
}

static const DcnnResults *
decode_fresh (Clip *clip)
{
  const DcnnTensor *tensors[MAX_OUTPUTS];
  DcnnTransform transform;

  for (guint i = 0; i < clip->n_outputs; i++)
    tensors[i] = &dcnn_session_get_output (clip->session, 0, i)->tensor;
  dcnn_session_get_transform (clip->session, 0, &transform);
  return dcnn_decoder_run_tensors (clip->fresh, tensors, clip->n_outputs,
      &transform, -1);
}

static gboolean
same_array (const GArray *a, const GArray *b, gsize bytes)
{
  return a->len == b->len && (a->len == 0 ||
      memcmp (a->data, b->data, a->len * bytes) == 0);
}

static gboolean
same_results (const DcnnResults *a, const DcnnResults *b)
{
  const DcnnSegmentation *s = &a->segmentation, *t = &b->segmentation;

  return same_array (a->detections, b->detections, sizeof (DcnnDetection))
      && same_array (a->poses, b->poses, sizeof (DcnnPose))
      && same_array (a->keypoints, b->keypoints, sizeof (DcnnKeypoint))
      && same_array (a->labels, b->labels, sizeof (DcnnLabel))
      && same_array (a->values, b->values, sizeof (gfloat))
      && g_strcmp0 (a->text, b->text) == 0
      && (!a->has_picture || memcmp (a->picture.data, b->picture.data,
              (gsize) a->picture.width * a->picture.height
              * a->picture.channels) == 0)
      && (!a->has_segmentation || (s->x == t->x && s->w == t->w
          && memcmp (s->data, t->data, (gsize) s->width * s->height) == 0));
}

static gboolean
write_mask (const char *path, const DcnnSegmentation *mask)
{
  FILE *file = fopen (path, "wb");

  if (file == NULL)
    return FALSE;
  fprintf (file, "P5 %u %u 255\n", mask->width, mask->height);
  fwrite (mask->data, mask->width, mask->height, file);
  return fclose (file) == 0;
}

/* Runs every frame of the file. */
static gboolean
run_clip (Clip *clip, FILE *file, guint width, guint height, const char *mask,
    GError **error)
{
  gsize bytes = (gsize) width * height * 3;
  g_autofree guint8 *pixels = g_malloc (bytes);
  DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = width,
    .height = height, .planes = { pixels }, .strides = { (gint) width * 3 } };
  guint n = 0;

  while (fread (pixels, 1, bytes, file) == bytes) {
    const DcnnResults *results;

    if (!dcnn_session_push_frame (clip->session, 0, &frame, NULL, error))
      return FALSE;
    results = dcnn_decoder_run (clip->follower, clip->session, 0, -1);
    if (results == NULL || !same_results (results, decode_fresh (clip))) {
      fprintf (stderr, "frame %u: decoding what changed gives another result "
          "than decoding all\n", n);
      return FALSE;
    }
    print_results (results);
    if (mask != NULL && results->has_segmentation
        && !write_mask (mask, &results->segmentation))
      return FALSE;
    n++;
  }
  return n > 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  guint width, height, net_w = 0, net_h = 0;
  const char *mask = NULL;
  Clip clip = { NULL };
  FILE *file;
  gboolean ok;

  if (argc < 4 || sscanf (argv[3], "%ux%u", &width, &height) != 2
      || width == 0 || height == 0 || width > 16384 || height > 16384) {
    fprintf (stderr, "usage: %s MODEL FRAMES.rgb WxH [NETWxNETH] "
        "[--mask FILE]\n", argv[0]);
    return 2;
  }
  for (int i = 4; i < argc; i++)
    if (strcmp (argv[i], "--mask") == 0 && i + 1 < argc)
      mask = argv[++i];
    else if (sscanf (argv[i], "%ux%u", &net_w, &net_h) != 2)
      return 2;
  file = fopen (argv[2], "rb");
  ok = file != NULL && open_model (&clip, argv[1], net_w, net_h, &error)
      && run_clip (&clip, file, width, height, mask, &error);
  if (error != NULL)
    fprintf (stderr, "%s\n", error->message);
  if (file != NULL)
    fclose (file);
  close_model (&clip);
  return ok ? 0 : 1;
}
