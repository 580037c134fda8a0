/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decode_raw - runs a descriptor's decoder on output tensors from files and
 * prints what it finds as JSON: the C decoders on any other engine's outputs.
 *
 *   decode_raw MODELINFO NETWxNETH FRAMEWxFRAMEH [--mask FILE.pgm]
 *              NAME:DIM,DIM,...:FILE.f32 ...
 *
 * FILE.f32 is raw little-endian float32. How the frame lies in the network's
 * input follows from the descriptor's resize mode.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deltacnn/decode.h"
#include "fit.h"
#include "print_results.h"

#define MAX_OUTPUTS 16

typedef struct Output {
  char *name;
  DcnnTensor tensor;
} Output;

/* NAME:DIMS:FILE; NAME may hold colons. */
static gboolean
read_output (const char *text, Output *output)
{
  const char *file = strrchr (text, ':'), *dims = file;
  g_auto (GStrv) parts = NULL;
  g_autofree char *list = NULL;
  gsize bytes = 0;
  gint64 count = 4;

  while (dims != NULL && dims > text && *--dims != ':');
  if (dims == NULL || dims == text)
    return FALSE;
  output->name = g_strndup (text, (gsize) (dims - text));
  list = g_strndup (dims + 1, (gsize) (file - dims - 1));
  parts = g_strsplit (list, ",", DCNN_MAX_RANK);
  output->tensor.dtype = DCNN_DTYPE_F32;
  for (guint i = 0; parts[i] != NULL; i++) {
    output->tensor.dims[output->tensor.rank++] = atoll (parts[i]);
    count *= atoll (parts[i]);
  }
  return g_file_get_contents (file + 1, (char **) &output->tensor.data, &bytes,
      NULL) && (gint64) bytes == count;
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

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = NULL;
  g_autoptr (DcnnDecoder) decoder = NULL;
  Output outputs[MAX_OUTPUTS] = { { NULL } };
  const DcnnTensor *tensors[MAX_OUTPUTS];
  const char *names[MAX_OUTPUTS], *mask = NULL;
  const DcnnResults *results;
  DcnnTransform transform;
  guint n = 0, net_w, net_h, frame_w, frame_h;

  if (argc < 5 || sscanf (argv[2], "%ux%u", &net_w, &net_h) != 2
      || sscanf (argv[3], "%ux%u", &frame_w, &frame_h) != 2) {
    fprintf (stderr, "usage: %s MODELINFO NETWxH FRAMEWxH [--mask F.pgm] "
        "NAME:DIMS:FILE.f32 ...\n", argv[0]);
    return 2;
  }
  for (int i = 4; i < argc && n < MAX_OUTPUTS; i++) {
    if (strcmp (argv[i], "--mask") == 0 && i + 1 < argc) {
      mask = argv[++i];
    } else if (read_output (argv[i], &outputs[n])) {
      names[n] = outputs[n].name;
      tensors[n] = &outputs[n].tensor;
      n++;
    } else {
      fprintf (stderr, "cannot read %s\n", argv[i]);
      return 2;
    }
  }
  info = dcnn_modelinfo_load (argv[1], &error);
  if (info != NULL)
    decoder = dcnn_decoder_new_for_tensors (info, n, names, tensors, net_w,
        net_h, &error);
  if (decoder == NULL) {
    fprintf (stderr, "%s\n", error != NULL ? error->message : "no decoder");
    return 1;
  }
  fit_transform (info->fit, frame_w, frame_h, net_w, net_h, &transform);
  results = dcnn_decoder_run_tensors (decoder, tensors, n, &transform, -1);
  if (results == NULL)
    return 1;
  print_results (results);
  if (mask != NULL && results->has_segmentation)
    return write_mask (mask, &results->segmentation) ? 0 : 1;
  for (guint i = 0; i < n; i++) {
    g_free (outputs[i].name);
    g_free (outputs[i].tensor.data);
  }
  return 0;
}
