/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Decoders on any numbers: whatever a network's outputs hold, no decoder may
 * crash, and its results stay within their bounds. The first byte chooses a
 * case (decoder, descriptor, shapes), the rest become the numbers.
 *
 * With libFuzzer: fuzz_decode -max_total_time=60
 * Without (DCNN_FUZZ_REPLAY): runs every case on numbers of a generator.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "deltacnn/decode.h"

#define MAX_OUTPUTS 4
#define NET_W 64
#define NET_H 32

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct Case {
  const char *decoder, *groups;
  struct {
    const char *name;
    gint dims[6];
  } outputs[MAX_OUTPUTS];
} Case;

static const Case cases[] = {
  { "segmentation", "", { { "mask", { 1, 3, 8, 16 } } } },
  { "heatmap-pose", "", { { "heatmap", { 1, 17, 8, 16 } } } },
  { "movenet", "", { { "heatmap", { 1, 17, 8, 16 } },
      { "center", { 1, 1, 8, 16 } }, { "regress", { 1, 34, 8, 16 } },
      { "offset", { 1, 34, 8, 16 } } } },
  { "posenet", "", { { "heatmap", { 1, 17, 5, 9 } },
      { "offset", { 1, 34, 5, 9 } }, { "displacement_fwd", { 1, 32, 5, 9 } },
      { "displacement_bwd", { 1, 32, 5, 9 } } } },
  { "people-pose", "", { { "heatmaps", { 1, 17, 8, 16 } },
      { "center", { 1, 1, 8, 16 } }, { "offsets", { 1, 34, 8, 16 } } } },
  { "yolox", "", { { "boxes", { 1, 42, 7 } } } },
  { "centernet", "", { { "heatmap", { 1, 2, 8, 16 } },
      { "ltrb", { 1, 4, 8, 16 } } } },
  { "fastestdet", "", { { "boxes", { 1, 8, 8, 16 } } } },
  { "landmarks", "[decoder]\nvalues=3\nscore-value=2\n",
    { { "landmarks", { 1, 30 } }, { "presence", { 1, 1 } },
      { "mask", { 1, 1, 8, 16 } } } },
  { "classification", "", { { "scores", { 1, 20 } } } },
  { "yolo", "[labels]\nlist=a;b\n", { { "boxes", { 1, 10, 40 } },
      { "protos", { 1, 4, 8, 16 } } } },
  { "yolo", "[decoder]\noriented=true\nkeypoints=2\n",
    { { "boxes", { 1, 13, 40 } } } },
  { "yolo-anchors", "[decoder]\nanchors=10;13;16;30\n",
    { { "head1", { 1, 14, 4, 8 } } } },
  { "yolo-dfl", "", { { "head-8", { 1, 66, 4, 8 } },
      { "head-16", { 1, 66, 2, 4 } } } },
  { "nanodet", "", { { "rows", { 1, 43, 35 } } } },
  { "picodet", "", { { "scores-8", { 1, 32, 3 } },
      { "boxes-8", { 1, 32, 32 } } } },
  { "scrfd", "", { { "scores-8", { 64, 1 } }, { "boxes-8", { 64, 4 } },
      { "points-8", { 64, 10 } } } },
  { "yunet", "", { { "scores-8", { 1, 32, 1 } }, { "objects-8", { 1, 32, 1 } },
      { "boxes-8", { 1, 32, 4 } }, { "points-8", { 1, 32, 10 } } } },
  { "end-to-end", "[decoder]\nkeypoints=1\n",
    { { "detections", { 1, 12, 13 } }, { "protos", { 1, 4, 8, 16 } } } },
  { "end-to-end", "", { { "boxes", { 1, 12, 4 } }, { "scores", { 1, 12 } },
      { "classes", { 1, 12 } }, { "count", { 1 } } } },
  { "detr", "[output:logits]\nactivation=softmax\n",
    { { "logits", { 1, 12, 4 } }, { "boxes", { 1, 12, 4 } } } },
  { "ssd", "", { { "scores", { 1, 12, 4 } }, { "boxes", { 1, 12, 4 } },
      { "anchors", { 12, 4 } } } },
  { "ultraface", "", { { "scores", { 1, 12, 2 } }, { "boxes", { 1, 12, 4 } } } },
  { "retinaface", "[decoder]\nstrides=16\nsizes=8\n",
    { { "scores", { 1, 8, 2 } }, { "boxes", { 1, 8, 4 } },
      { "points", { 1, 8, 10 } } } },
  { "blazeface", "[decoder]\nstrides=16\n[output:scores]\n"
    "activation=sigmoid\n", { { "scores", { 1, 8, 1 } },
      { "boxes", { 1, 8, 16 } } } },
  { "picture", "", { { "picture", { 1, 3, 8, 16 } } } },
  { "values", "", { { "values", { 1, 3 } } } },
  { "embedding", "", { { "embedding", { 1, 64 } } } },
  { "ctc", "[labels]\nlist=a;b;c\n", { { "scores", { 1, 20, 4 } } } },
  { "lines", "", { { "map", { 1, 6, 8, 16 } } } },
  { "flow", "", { { "flow", { 1, 2, 8, 16 } } } },
  { "mask-queries", "[output:logits]\nactivation=softmax\n[output:masks]\n"
    "activation=sigmoid\n", { { "logits", { 1, 9, 5 } },
      { "masks", { 1, 9, 8, 16 } } } },
  /* other forms of the same */
  { "yolo", "[decoder]\nbox=xyxy\nrows=last\nunits=unit\nmask=instance\n",
    { { "boxes", { 1, 40, 11 } }, { "protos", { 1, 4, 8, 16 } } } },
  { "yolo-anchors", "[decoder]\nanchors=10;13;16;30\nform=v3\n",
    { { "head1", { 1, 2, 4, 8, 7 } } } },
  { "yolo-dfl", "[decoder]\nbins=8\n", { { "scores-8", { 1, 2, 4, 8 } },
      { "boxes-8", { 1, 32, 4, 8 } } } },
  { "end-to-end", "[decoder]\norder=image-class-score-box\nfirst-class=1\n",
    { { "detections", { 12, 7 } } } },
  { "end-to-end", "[decoder]\noriented=true\nunits=unit\n",
    { { "detections", { 1, 12, 7 } } } },
  { "detr", "[decoder]\nno-object=none\nbox=xyxy\n[output:logits]\n"
    "activation=sigmoid\n", { { "logits", { 1, 12, 4 } },
      { "boxes", { 1, 12, 4 } } } },
  { "scrfd", "", { { "scores-16", { 1, 2, 2, 4 } },
      { "boxes-16", { 1, 8, 2, 4 } }, { "points-16", { 1, 20, 2, 4 } } } },
  { "ssd", "[decoder]\nencoding=corners\n", { { "scores", { 1, 12, 4 } },
      { "boxes", { 1, 12, 4 } } } },
  { "ssd", "[decoder]\nencoding=tf\nbackground=none\nanchor-rule=tf\n"
    "strides=16;32\nmin-scale=0.2\nmax-scale=0.9\naspect-ratios=1;2\n",
    { { "scores", { 1, 36, 3 } }, { "boxes", { 1, 36, 4 } } } },
  { "landmarks", "[decoder]\nvalues=2\nscore-value=-1\nunits=unit\n",
    { { "landmarks", { 1, 468, 2 } } } },
  { "picture", "[output:picture]\nlayout=nhwc\n[decoder]\nscale=1\n"
    "channel-order=bgr\n", { { "picture", { 1, 8, 16, 3 } } } },
  { "picture", "", { { "picture", { 1, 1, 8, 16 } } } },
  { "ctc", "[decoder]\nblank=last\nrows=first\n[labels]\nlist=a;b;c\n",
    { { "scores", { 1, 4, 20 } } } },
  { "segmentation", "[decoder]\nforeground-class=1\n[output:mask]\n"
    "layout=nhwc\n", { { "mask", { 1, 8, 16, 2 } } } },
  { "flow", "[decoder]\nscale=20\nlongest=8\n", { { "flow", { 1, 2, 8, 16 } } } },
  { "mask-queries", "[decoder]\nform=instance\nmask=class\n"
    "nms-threshold=0.5\n[output:logits]\nactivation=sigmoid\n",
    { { "logits", { 1, 9, 5 } }, { "masks", { 1, 9, 8, 16 } } } },
  { "mask-queries", "[decoder]\nform=panoptic\nno-object=none\n"
    "overlap-threshold=0\n[output:masks]\nlayout=nhwc\n",
    { { "logits", { 1, 16, 3 } }, { "masks", { 1, 8, 16, 16 } } } },
};

/* Two bytes a number: mostly small ones, some that no network should give. */
static gfloat
number (const uint8_t *data, size_t size, size_t i)
{
  static const gfloat odd[8] = { NAN, INFINITY, -INFINITY, 1e30f, -1e30f,
    1e-30f, 3e9f, -0.0f };
  guint a = size > 0 ? data[2 * i % size] : 0;
  guint b = size > 0 ? data[(2 * i + 1) % size] : 0;

  if (a >= 250)
    return odd[b % 8];
  return ((gfloat) (gint8) (guint8) b / 128) * (a < 128 ? 1
      : a < 200 ? 16 : 500);
}

static void
check (gboolean ok)
{
  if (!ok)
    __builtin_trap ();
}

static void
check_results (const DcnnResults *r)
{
  for (guint i = 0; i < r->detections->len; i++) {
    DcnnDetection d = g_array_index (r->detections, DcnnDetection, i);
    check (isfinite (d.x) && isfinite (d.y) && d.width > 0 && d.height > 0
        && isfinite (d.width) && isfinite (d.height) && isfinite (d.angle));
    check (d.score >= 0 && d.score <= 1 && d.class_id >= 0);
  }
  for (guint i = 0; i < r->poses->len; i++) {
    DcnnPose pose = g_array_index (r->poses, DcnnPose, i);
    check (pose.score >= 0 && pose.score <= 1
        && pose.first + pose.n_keypoints <= r->keypoints->len);
  }
  for (guint i = 0; i < r->keypoints->len; i++) {
    DcnnKeypoint k = g_array_index (r->keypoints, DcnnKeypoint, i);
    check (isfinite (k.x) && isfinite (k.y) && k.score >= 0 && k.score <= 1);
  }
  for (guint i = 0; i < r->values->len; i++)
    check (isfinite (g_array_index (r->values, gfloat, i)));
  check (r->text == NULL || (r->text_score >= 0 && r->text_score <= 1));
  for (guint i = 0; i < r->labels->len; i++) {
    DcnnLabel l = g_array_index (r->labels, DcnnLabel, i);
    check (l.class_id >= 0 && l.score >= 0 && l.score <= 1);
  }
}

static guint
make_outputs (const Case *one, const uint8_t *data, size_t size,
    DcnnTensor *tensors, const DcnnTensor **list, const char **names)
{
  guint n = 0;
  size_t at = 0;

  for (; n < MAX_OUTPUTS && one->outputs[n].name != NULL; n++) {
    DcnnTensor *tensor = &tensors[n];
    gint64 count;

    tensor->dtype = DCNN_DTYPE_F32;
    while (one->outputs[n].dims[tensor->rank] != 0) {
      tensor->dims[tensor->rank] = one->outputs[n].dims[tensor->rank];
      tensor->rank++;
    }
    count = dcnn_tensor_count (tensor);
    tensor->data = g_new (gfloat, (gsize) count);
    for (gint64 i = 0; i < count; i++)
      ((gfloat *) tensor->data)[i] = number (data, size, at++);
    list[n] = tensor;
    names[n] = one->outputs[n].name;
  }
  return n;
}

static void
run_case (const Case *one, const uint8_t *data, size_t size)
{
  DcnnTensor tensors[MAX_OUTPUTS] = { { 0 } };
  const DcnnTensor *list[MAX_OUTPUTS] = { NULL };
  const char *names[MAX_OUTPUTS] = { NULL };
  DcnnTransform transform = { 0.5f, 0.25f, 0, 4, 128, 96, NET_W, NET_H };
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf ("[modelinfo]\nversion=1.0\n"
      "[deltacnn]\ndecoder=%s\n%s", one->decoder, one->groups);
  g_autoptr (DcnnModelInfo) info = dcnn_modelinfo_load_data (text,
      strlen (text), "fuzz", &error);
  g_autoptr (DcnnDecoder) decoder = NULL;
  guint n = make_outputs (one, data, size, tensors, list, names);

  if (info != NULL)
    decoder = dcnn_decoder_new_for_tensors (info, n, names, list, NET_W,
        NET_H, &error);
  if (decoder == NULL) { /* every case fits its decoder */
    fprintf (stderr, "%s: %s\n", one->decoder,
        error != NULL ? error->message : "no decoder");
    __builtin_trap ();
  }
  for (guint pass = 0; pass < 2; pass++) {
    const DcnnResults *results = dcnn_decoder_run_tensors (decoder, list, n,
        &transform, pass == 0 ? -1 : 0);
    check (results != NULL);
    check_results (results);
  }
  for (guint i = 0; i < n; i++)
    g_free (tensors[i].data);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size > 0)
    run_case (&cases[data[0] % G_N_ELEMENTS (cases)], data + 1, size - 1);
  return 0;
}

#ifdef DCNN_FUZZ_REPLAY
/* Every decoder must have a case. */
static gboolean
all_covered (void)
{
  const char *const *names = dcnn_decoder_names ();

  for (guint i = 0; names[i] != NULL; i++) {
    gboolean found = FALSE;
    for (guint k = 0; k < G_N_ELEMENTS (cases); k++)
      found |= strcmp (cases[k].decoder, names[i]) == 0;
    if (!found) {
      fprintf (stderr, "decoder %s has no case in fuzz_decode.c\n", names[i]);
      return FALSE;
    }
  }
  return TRUE;
}

int
main (int argc, char **argv)
{
  uint8_t data[4096];
  guint64 state = 88172645463325252u;
  guint n = 0;

  for (int i = 1; i < argc; i++) { /* files that a fuzzer left */
    g_autofree char *text = NULL;
    gsize length = 0;
    if (g_file_get_contents (argv[i], &text, &length, NULL))
      (void) LLVMFuzzerTestOneInput ((const uint8_t *) text, length);
  }
  for (guint round = 0; round < 40 * G_N_ELEMENTS (cases); round++, n++) {
    for (guint i = 0; i < sizeof data; i++) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      data[i] = (uint8_t) (state >> 24);
      if (i % 2 == 1 && round / G_N_ELEMENTS (cases) % 2 == 0)
        data[i] &= 127; /* tamer rounds find more */
    }
    data[0] = (uint8_t) (round % G_N_ELEMENTS (cases));
    (void) LLVMFuzzerTestOneInput (data, sizeof data - round % 7 * 500);
  }
  printf ("%u runs of %u cases\n", n, (guint) G_N_ELEMENTS (cases));
  return all_covered () ? 0 : 1;
}
#endif
