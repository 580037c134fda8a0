/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * real_models.c - every model of a folder, unmodified, against ONNX Runtime on
 * a real picture: 1e-4 relative. Some at another input size as well.
 *
 *   real_models [NAME [WxH]]     WxH: of a model that leaves its size open
 *
 * With DELTACNN_TEST_QUICK=1 only the models below 2 MiB.
 *
 * $DELTACNN_TEST_DATA: a folder with models/ in it (or models themselves) and
 * perhaps a picture under videos/; without it ../shared/data beside the
 * sources. Absent: exit status 77.
 */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "against_ort.h"

static const char *
data_folder (void)
{
  const char *folder = g_getenv ("DELTACNN_TEST_DATA");
  return folder && *folder ? folder : SHARED_DATA;
}

#define QUICK_BYTES (2 << 20)

/* Part of a name, and a size that is not the file's own. */
static const struct {
  const char *part;
  int width, height;
} other_sizes[] = {
  { "yolox_192", 256, 160 },
  { "hourglass", 256, 128 },
  { "selfie", 320, 192 },
  { "prismanet", 160, 224 },
  { "movenet_lightning", 256, 256 },
};

/* Files that leave their size open. */
static const struct {
  const char *part;
  int width, height;
} open_sizes[] = {
  { "textangle", 192, 48 },
};

/* Nets whose values are ill conditioned: the first takes moments over whole
 * maps and channels layer after layer, the next two end in a sigmoid far from
 * its middle (ONNX Runtime differs from itself by 4e-4 and 8e-5). The mask of
 * the last moves by 1.4e-3 when its input is rounded by 3e-7. */
static const struct {
  const char *part;
  double tolerance;
} loose[] = {
  { "reid_retail_0288", 1e-3 },
  { "hand_landmark_224", 1e-3 },
  { "seg_selfie", 4e-4 },
  { "pose_blazepose", 5e-3 },
};

static gint
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
is_wanted (const char *path)
{
  const char *quick = g_getenv ("DELTACNN_TEST_QUICK");
  GStatBuf status;
  return !quick || strcmp (quick, "1") != 0
      || (g_stat (path, &status) == 0 && status.st_size < QUICK_BYTES);
}

/* One model at its own size (open: one of its own, or zeros), and at another
 * where the table has one. */
static guint
check_model (const char *path, const char *image, gboolean resize,
    const int open[2])
{
  OrtCase one = { path, open[0], open[1], image, 1e-4 };
  guint failed;
  for (gsize i = 0; i < G_N_ELEMENTS (open_sizes); i++) {
    if (!strstr (path, open_sizes[i].part))
      continue;
    one.width = open_sizes[i].width;
    one.height = open_sizes[i].height;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (loose); i++)
    if (strstr (path, loose[i].part))
      one.tolerance = loose[i].tolerance;
  failed = !ort_check (&one);
  for (gsize i = 0; resize && i < G_N_ELEMENTS (other_sizes); i++) {
    if (!strstr (path, other_sizes[i].part))
      continue;
    one.width = other_sizes[i].width;
    one.height = other_sizes[i].height;
    failed += !ort_check (&one);
  }
  return failed;
}

/* Adds the paths of all .onnx files of a folder whose name contains pattern. */
static void
list_models (GPtrArray *paths, const char *folder, const char *pattern)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir)))
    if (g_str_has_suffix (name, ".onnx")
        && (!pattern || strstr (name, pattern)))
      g_ptr_array_add (paths, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (paths, by_name);
}

int
main (int argc, char **argv)
{
  const char *root = data_folder ();
  g_autofree char *models = g_build_filename (root, "models", NULL);
  g_autofree char *image = g_build_filename (root, "videos", "stills_coco_kp",
      "000000000785.jpg", NULL);
  g_autofree char *wild = g_build_filename (root, "wild", NULL);
  const char *pattern = argc > 1 ? argv[1] : NULL;
  int open[2] = { 0 };
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  gboolean has_image = g_file_test (image, G_FILE_TEST_EXISTS);
  guint failed = 0, count = 0;
  gboolean resize;

  if (argc > 2 && sscanf (argv[2], "%dx%d", &open[0], &open[1]) != 2) {
    printf ("%s is no size\n", argv[2]);
    return 2;
  }
  list_models (paths, g_file_test (models, G_FILE_TEST_IS_DIR) ? models : root,
      pattern);
  list_models (paths, wild, pattern);
  if (paths->len == 0) {
    printf ("SKIP: no models in %s: set DELTACNN_TEST_DATA to a folder of "
        "them\n", root);
    return 77;
  }
  if (!ort_available (NULL)) {
    printf ("SKIP: %s has no onnxruntime: set DELTACNN_PYTHON\n",
        ort_python ());
    return 77;
  }
  resize = ort_available ("onnx");
  for (guint i = 0; i < paths->len; i++) {
    if (!is_wanted (paths->pdata[i]))
      continue;
    failed += check_model (paths->pdata[i], has_image ? image : NULL, resize,
        open);
    count++;
  }
  printf ("%u of %u models, %u failed\n", count, paths->len, failed);
  if (count == 0) {
    printf ("SKIP: of the models in %s, none is small enough for a quick run\n",
        root);
    return 77;
  }
  if (failed > 0)
    printf ("rerun one: %s NAME\n", argv[0]);
  return failed > 0;
}
