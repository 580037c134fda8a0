/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Descriptors: every key, every refusal, finding models and descriptors, and
 * the descriptors that ship.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "dcnn_graph.h"
#include "dcnn_labels.h"
#include "deltacnn/modelinfo.h"
#include "decoders/dcnn_decoder.h"

#define HEAD "[modelinfo]\nversion=1.0\n"

static DcnnModelInfo *
load (const char *text, GError **error)
{
  return dcnn_modelinfo_load_data (text, strlen (text), "/nowhere/x.modelinfo",
      error);
}

static void
test_full (void)
{
  static const char text[] = HEAD "group-id=g\n"
      "[deltacnn]\nname=net\ntask=t\nlicence=MIT\nsource=s\n"
      "sha256=ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789\n"
      "decoder=yolox\ninput-size=385x193\ninput-multiple=16\n"
      "input-multiple-rest=1\n"
      "[in:0]\ndir=input\nid=i\ntype=float32\ndims=1,3,-1,-1\n"
      "dims-order=row-major\nchannel-order=bgr\nmean=10;20;30\n"
      "scale=0.5;0.25;2\nresize=letterbox-topleft\nfill=1;2;3\n"
      "[output:out]\nsemantics=boxes\nactivation=sigmoid\nlayout=nhwc\n"
      "[decoder]\nscore-threshold=0.25\nstrides=8;16\nnms=all\n"
      "[labels]\nlist=cat;dog \\; wolf\n"
      "[tuning]\nthreshold=0.1\ninput-threshold=0.02\ngate-threshold=0.3\n"
      "dilation=2\nrefresh=0.5\ncriterion=max\n"
      "[thresholds]\nconv/1:0=0.5\na%3Db%25=1e-3\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = load (text, &error);
  DcnnSessionOptions options;
  const DcnnTensorInfo *out;

  g_assert_no_error (error);
  g_assert_cmpstr (info->name, ==, "net");
  g_assert_cmpstr (info->sha256, ==,
      "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789");
  g_assert_cmpuint (info->width, ==, 385);
  g_assert_cmpuint (info->height, ==, 193);
  g_assert_true (info->bgr);
  g_assert_cmpuint (info->tensors->len, ==, 2);
  out = g_ptr_array_index (info->tensors, 1);
  g_assert_cmpstr (out->name, ==, "out");
  g_assert_true (out->nhwc && out->activation == DCNN_ACTIVATION_SIGMOID);
  g_assert_cmpuint (info->n_labels, ==, 2);
  g_assert_cmpstr (info->labels[1], ==, "dog ; wolf");
  memset (&options, 0, sizeof options);
  dcnn_modelinfo_apply (info, &options);
  g_assert_true (options.bgr);
  g_assert_cmpfloat (options.scale[2], ==, 2);
  g_assert_cmpfloat (options.bias[0], ==, -5);
  g_assert_cmpfloat (options.bias[2], ==, -60);
  g_assert_cmpint (options.fit, ==, DCNN_FIT_LETTERBOX_TOPLEFT);
  g_assert_cmpuint (options.fill[2], ==, 3);
  g_assert_cmpfloat (options.tuning.threshold, ==, 0.1f);
  g_assert_cmpfloat (options.tuning.input_threshold, ==, 0.02f);
  g_assert_cmpfloat (options.tuning.gate_threshold, ==, 0.3f);
  g_assert_cmpuint (options.tuning.dilation, ==, 2);
  g_assert_cmpfloat (options.tuning.refresh, ==, 0.5f);
  g_assert_cmpint (options.tuning.criterion, ==, DCNN_CRITERION_MAX);
  g_assert_cmpfloat (*(gdouble *) g_hash_table_lookup (options.thresholds,
          "a=b%"), ==, 1e-3);
  g_assert_cmpfloat (*(gdouble *) g_hash_table_lookup (options.thresholds,
          "conv/1:0"), ==, 0.5);
}

static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = load (HEAD, &error);
  g_autoptr (DcnnModelInfo) plain = dcnn_modelinfo_new_default ();
  DcnnSessionOptions options = { .tuning = { .threshold = 7, .dilation = 9 } };

  g_assert_no_error (error);
  g_assert_null (info->decoder);
  g_assert_cmpfloat (info->scale[1], ==, 1.0f / 255);
  g_assert_cmpfloat (info->bias[1], ==, 0);
  dcnn_modelinfo_apply (plain, &options);
  g_assert_cmpfloat (options.tuning.threshold, ==, 7);
  g_assert_cmpuint (options.tuning.dilation, ==, 9);
  g_assert_null (options.thresholds);
  g_assert_null (options.influence);
}

static void
test_ranges (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = load (HEAD
      "[image]\ndir=input\nranges=-1,1;0,1;0,255\n", &error);

  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (info->scale[0], 2.0 / 255, 1e-8);
  g_assert_cmpfloat (info->bias[0], ==, -1);
  g_assert_cmpfloat (info->scale[2], ==, 1);
}

/* A file as GStreamer's own elements ship it, and what a newer version may have
 * added: loads, with a line on each thing that has no effect. */
static void
test_upstream (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = NULL;
  const DcnnTensorInfo *tensor;

  g_test_expect_message ("deltacnn", G_LOG_LEVEL_WARNING,
      "*x.modelinfo:*: [modelinfo] author is not known here*");
  g_test_expect_message ("deltacnn", G_LOG_LEVEL_WARNING,
      "*x.modelinfo:*: [image] mean-of-means is not known here*");
  g_test_expect_message ("deltacnn", G_LOG_LEVEL_WARNING,
      "*x.modelinfo:*: [scores] quantum is not known here*");
  g_test_expect_message ("deltacnn", G_LOG_LEVEL_WARNING,
      "*x.modelinfo:*: [training] is not known here*");
  info = load ("[modelinfo]\nversion=1.0\ngroup-id=ssd-out\nauthor=someone\n"
      "\n[image]\nid=image\ntype=uint8\ndims=-1,-1,-1,3\ndims-order=row-major\n"
      "dir=input\nranges=0.0,255.0\nmean-of-means=3\n"
      "\n[scores]\nid=ssd-scores\ngroup-id=ssd-out\ntype=float32\n"
      "dims=1,100\ndims-order=row-major\ndir=output\nquantum=2\n"
      "\n[training]\nepochs=300\n", &error);
  g_test_assert_expected_messages ();
  g_assert_no_error (error);
  g_assert_cmpuint (info->tensors->len, ==, 2);
  tensor = g_ptr_array_index (info->tensors, 0);
  g_assert_true (tensor->is_input);
  tensor = g_ptr_array_index (info->tensors, 1);
  g_assert_cmpstr (tensor->name, ==, "scores");
  g_assert_cmpint (tensor->dims[1], ==, 100);
}

/* text, what its error must say */
static const char *const refusals[][2] = {
  { "", "group is missing" },
  { "[modelinfo]\n", "version" },
  { "[modelinfo]\nversion=2.0\n", "use 1.0" },
  { HEAD "[deltacnn]\nnam=x\n", "x.modelinfo:4: [deltacnn] nam: unknown key" },
  { HEAD "[deltacnn]\nsha256=12\n", "64 hexadecimal digits" },
  { HEAD "[deltacnn]\ndecoder=yolow\n", "there are: segmentation" },
  { HEAD "[deltacnn]\ninput-size=0x5\n", "WIDTHxHEIGHT" },
  { HEAD "[deltacnn]\ninput-size=99999999999999999999x5\n", "WIDTHxHEIGHT" },
  { HEAD "[deltacnn]\ninput-size=-4x5\n", "WIDTHxHEIGHT" },
  { HEAD "[deltacnn]\ninput-multiple=0\n", "from 1 to 1024" },
  { HEAD "[deltacnn]\ninput-multiple=4\ninput-multiple-rest=4\n",
    "not less than" },
  { HEAD "[deltacnn]\ninput-size=33x32\ninput-multiple=32\n", "multiple" },
  { HEAD "[what]\n[deltacnn]\n", "unknown group" },
  { HEAD "[what]\n[labels]\nlist=a\n", "thresholds, influence" },
  { HEAD "more=1\n[deltacnn]\n", "unknown key" },
  { HEAD "[o]\ndir=output\nmore=1\n[tuning]\n", "unknown key" },
  { HEAD "[decoder]\nx=1\n", "without a decoder" },
  { HEAD "[deltacnn]\ndecoder=yolox\n[decoder]\nskeleton=none\n",
    "[decoder] skeleton: unknown key; this group has: score-threshold" },
  { HEAD "[deltacnn]\ndecoder=yolox\n[decoder]\nscore-threshold=1.5\n",
    "number from 0 to 1" },
  { HEAD "[deltacnn]\ndecoder=yolox\n[decoder]\nscore-threshold=nan\n",
    "number from 0 to 1" },
  { HEAD "[deltacnn]\ndecoder=yolox\n[decoder]\nmax-results=2.5\n",
    "whole number" },
  { HEAD "[deltacnn]\ndecoder=yolox\n[decoder]\nstrides=8;x\n", "\"x\"" },
  { HEAD "[deltacnn]\ndecoder=yolox\n[decoder]\nnms=some\n", "class, all" },
  { HEAD "[deltacnn]\ndecoder=yolox\n[o]\ndir=output\nsemantics=mask\n",
    "it reads: boxes" },
  { HEAD "[i]\ndir=sideways\n", "input, output" },
  { HEAD "[input]\nmean=1;2\n", "1 or 3 numbers" },
  { HEAD "[input]\nscale=0\n", "is 0" },
  { HEAD "[input]\nmean=inf\n", "number from" },
  { HEAD "[input]\nmean=1\nranges=0,1\n", "keep one" },
  { HEAD "[input]\nranges=1,0\n", "not less" },
  { HEAD "[input]\nranges=1,2;3,4\n", "three" },
  { HEAD "[input]\nfill=256\n", "from 0 to 255" },
  { HEAD "[input]\nresize=crop\n", "letterbox-topleft" },
  { HEAD "[input]\nchannel-order=grb\n", "rgb, bgr" },
  { HEAD "[input]\nsemantics=mask\n", "unknown key" },
  { HEAD "[input]\n[x]\ndir=input\n", "second input" },
  { HEAD "[output:a]\n[a]\ndir=output\n", "says again" },
  { HEAD "[input:a]\nvalue=1\n[a]\ndir=input\nvalue=1\n", "says again" },
  { HEAD "[input]\nvalue=1\n", "with a name" },
  { HEAD "[input:a]\nvalue=one\n", "not a number" },
  { HEAD "[input:a]\nvalue=1\nmean=1\n", "unknown key" },
  { HEAD "[input:a]\nstate=b\nvalue=1;2\n", "one number" },
  { HEAD "[input]\nframes=0\n", "from 1 to 16" },
  { HEAD "[input]\nframe-order=any\n", "newest-first" },
  { HEAD "[deltacnn]\noutputs=;\n", "names of tensors" },
  { HEAD "[deltacnn]\noutputs=a;b;a\n", "twice" },
  { HEAD "[output:a]\ndims=1,2.5\n", "whole numbers" },
  { HEAD "[output:a]\ndims=1,2,3,4,5,6,7,8,9\n", "1 to 8" },
  { HEAD "[output:a]\ntype=complex\n", "float32" },
  { HEAD "[labels]\n", "either" },
  { HEAD "[labels]\nlist=a\nfile=b\n", "either" },
  { HEAD "[labels]\nlist=\n", "labels" },
  { HEAD "[labels]\nfile=../../etc/passwd\n", "plain file name" },
  { HEAD "[labels]\nfile=.hidden\n", "plain file name" },
  { HEAD "[labels]\nfile=none.txt\n", "no file none.txt" },
  { HEAD "[thresholds]\nx=-2\n", "number from -1" },
  { HEAD "[thresholds]\n%zz=1\n", "escape" },
  { HEAD "[tuning]\ndilation=1000\n", "from 0 to 64" },
  { HEAD "[tuning]\nrefresh=-1\n", "refresh" },
  { HEAD "[tuning]\ncriterion=l1\n", "nrms, rms, max, influence" },
  { HEAD "[influence]\na=1\n", "x.modelinfo:4: [influence] a: not a number" },
  { HEAD "[influence]\na=1;0\nb/c:0=\n",
    "x.modelinfo:5: [influence] b/c:0: not" },
  { HEAD "[influence]\na=;0\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=1;\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=one;0\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=1x;0\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=1,0\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=-1;0\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=nan;0\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=inf;0\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=1e31;0\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=1;0 1\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=1;0;1\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\na=1;\xc3\xa9\n", "x.modelinfo:4: [influence] a: not" },
  { HEAD "[influence]\n%zz=1;0\n", "x.modelinfo:4: [influence] %zz: not" },
  { HEAD "[[x]]\n", "no descriptor" },
  { HEAD "no equals\n", "no descriptor" },
  { "\x89PNG\r\n", "not UTF-8" },
};

static void
test_refusals (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModelInfo) info = load (refusals[i][0], &error);

    if (info != NULL)
      g_error ("case %u was taken: %s", i, refusals[i][0]);
    g_assert_true (error->domain == DCNN_ERROR);
    if (strstr (error->message, refusals[i][1]) == NULL)
      g_error ("case %u: \"%s\" does not say \"%s\"", i, error->message,
          refusals[i][1]);
    g_assert_true (g_str_has_prefix (error->message, "/nowhere/x.modelinfo"));
  }
}

static void
test_too_long (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strnfill (2 * 1024 * 1024, '#');
  g_autofree char *value = g_strnfill (5000, 'a');
  g_autofree char *key = g_strconcat (HEAD "[deltacnn]\nname=", value, NULL);
  char nul[] = HEAD "\0[x]";

  g_assert_null (load (text, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_LIMIT);
  g_clear_error (&error);
  g_assert_null (load (key, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (dcnn_modelinfo_load_data (nul, sizeof nul, "x", &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_INVALID);
}

static void
test_sizes (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = load (HEAD
      "[deltacnn]\ninput-multiple=16\ninput-multiple-rest=1\n", &error);

  g_assert_no_error (error);
  g_assert_true (dcnn_modelinfo_check_size (info, 0, 0, &error));
  g_assert_true (dcnn_modelinfo_check_size (info, 385, 17, &error));
  g_assert_false (dcnn_modelinfo_check_size (info, 384, 17, &error));
  g_assert_nonnull (strstr (error->message, "369 and 385"));
  g_clear_error (&error);
  g_assert_false (dcnn_modelinfo_check_size (info, 17, G_MAXUINT, &error));
  g_clear_error (&error);
  info->multiple_rest = 0;
  g_assert_false (dcnn_modelinfo_check_size (info, 5, 16, &error));
  g_assert_nonnull (strstr (error->message, "multiples of 16; the nearest is 16"));
}

/* ---- influence ---------------------------------------------------------- */

/* The values of a node, written and read again; the node's name is a=b%. */
static GArray *
round_trip (const gfloat *values, guint n)
{
  g_autofree char *text = dcnn_influence_to_text (values, n);
  g_autofree char *file = g_strconcat (HEAD
      "[tuning]\ncriterion=influence\n[influence]\nother=3;0\na%3Db%25=", text,
      "\n", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = load (file, &error);
  DcnnSessionOptions options = { 0 };
  GArray *read;

  g_assert_no_error (error);
  dcnn_modelinfo_apply (info, &options);
  g_assert_cmpint (options.tuning.criterion, ==, DCNN_CRITERION_INFLUENCE);
  g_assert_cmpuint (g_hash_table_size (options.influence), ==, 2);
  read = g_hash_table_lookup (options.influence, "a=b%");
  g_assert_nonnull (read);
  g_assert_cmpuint (read->len, ==, n);
  return g_array_ref (read);
}

/* Steps of a fourth of an octave: nothing is off by more than half of one,
 * but what is 2^-15.6 of the largest and less is 0, as are zeros. */
static void
test_influence (void)
{
  static const gfloat scales[] = { 1e-12f, 0.003f, 1, 7e5f, 9e29f };
  gfloat values[200];

  for (guint k = 0; k < G_N_ELEMENTS (scales); k++) {
    g_autoptr (GArray) read = NULL;
    for (guint c = 0; c < G_N_ELEMENTS (values); c++)
      values[c] = c % 9 == 4 ? 0 : scales[k] * exp2f (-0.083f * (gfloat)
          (c * 37 % 200));
    read = round_trip (values, G_N_ELEMENTS (values));
    for (guint c = 0; c < G_N_ELEMENTS (values); c++) {
      gdouble v = g_array_index (read, gfloat, c), octaves = -4 * log2 (
          (gdouble) values[c] / scales[k]);
      if (values[c] == 0 || octaves > 62.51)
        g_assert_cmpfloat (v, ==, 0);
      else if (octaves < 62.49)
        g_assert_cmpfloat (fabs (log2 (v / (gdouble) values[c])), <=,
            1.0 / 8 + 1e-3);
    }
  }
}

static void
test_influence_zeros (void)
{
  static const gfloat zeros[5] = { 0 }, one[1] = { 0.125f };
  g_autofree char *text = dcnn_influence_to_text (zeros, 5);
  g_autoptr (GArray) none = round_trip (zeros, 5);
  g_autoptr (GArray) single = round_trip (one, 1);

  g_assert_cmpstr (text, ==, "0;_____");
  for (guint c = 0; c < 5; c++)
    g_assert_cmpfloat (g_array_index (none, gfloat, c), ==, 0);
  g_assert_cmpfloat (g_array_index (single, gfloat, 0), ==, 0.125f);
}

static void
test_influence_limits (void)
{
  g_autofree char *channels = g_strnfill (65536, '7');
  g_autofree char *most = g_strconcat (HEAD "[influence]\na=1;", channels,
      "\n", NULL);
  g_autofree char *more = g_strconcat (HEAD "[influence]\na=1;7", channels,
      "\n", NULL);
  g_autoptr (GString) nodes = g_string_new (HEAD "[influence]\n");
  g_autoptr (DcnnModelInfo) info = NULL;
  g_autoptr (GError) error = NULL;

  info = load (most, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (((GArray *) g_hash_table_lookup (info->influence, "a"))
      ->len, ==, 65536);
  g_assert_null (load (more, &error));
  g_assert_nonnull (strstr (error->message, "x.modelinfo:4: [influence] a:"));
  g_clear_error (&error);
  for (guint i = 0; i < 4097; i++)
    g_string_append_printf (nodes, "n%u=1;0\n", i);
  g_assert_null (load (nodes->str, &error));
  g_assert_nonnull (strstr (error->message, "x.modelinfo:3: [influence]"));
  g_assert_nonnull (strstr (error->message, "4096 nodes"));
}

/* ---- files ------------------------------------------------------------- */

static char *folder; /* DELTACNN_MODEL_PATH */

static char *
put (const char *name, const char *text)
{
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static void
test_find (void)
{
  static const char sum[] = /* of "model" */
      "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4";
  g_autofree char *model = put ("one.onnx", "model");
  g_autofree char *other = put ("two.onnx", "other");
  g_autofree char *good = g_strdup_printf (HEAD
      "[deltacnn]\nname=first\nsha256=%s\n", sum);
  g_autofree char *descriptor = put ("one.onnx.modelinfo", good);
  g_autofree char *wrong = NULL, *path = NULL, *sha = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = NULL;

  sha = dcnn_model_sha256 (model, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (sha, ==, sum);
  path = dcnn_model_find_file ("first", &error); /* by name= */
  g_assert_no_error (error);
  g_assert_cmpstr (path, ==, model);
  g_clear_pointer (&path, g_free);
  path = dcnn_model_find_file ("two", &error); /* by file */
  g_assert_cmpstr (path, ==, other);
  info = dcnn_modelinfo_find (model, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (info->name, ==, "first");
  g_clear_pointer (&info, dcnn_modelinfo_free);
  info = dcnn_modelinfo_find (other, &error); /* none: defaults */
  g_assert_no_error (error);
  g_assert_null (info->path);
  wrong = put ("two.onnx.modelinfo", good);
  g_assert_null (dcnn_modelinfo_find (other, &error));
  g_assert_nonnull (strstr (error->message, "descriptor for another file"));
  g_clear_error (&error);
  g_assert_null (dcnn_model_find_file ("absent", &error));
  g_assert_nonnull (strstr (error->message, folder));
  g_assert_nonnull (strstr (error->message, "deltacnn-models get absent"));
  g_clear_error (&error);
  g_assert_null (dcnn_model_find_file ("no/such.onnx", &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "no such file"));
  g_clear_error (&error);
  g_assert_null (dcnn_model_find_file (folder, &error)); /* it is there */
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "this is a folder"));
  g_clear_error (&error);
  g_assert_null (dcnn_model_find_file ("/dev/null", &error));
  g_assert_nonnull (strstr (error->message, "a device"));
  g_unlink (model);
  g_unlink (other);
  g_unlink (descriptor);
  g_unlink (wrong);
}

/* A renamed model is known by its SHA-256. */
static void
test_find_by_sum (void)
{
  g_autofree char *model = put ("renamed.onnx", "model");
  g_autofree char *descriptor = put ("original.onnx.modelinfo", HEAD
      "[deltacnn]\nname=original\nsha256="
      "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4\n");
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = dcnn_modelinfo_find (model, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (info->name, ==, "original");
  g_unlink (model);
  g_unlink (descriptor);
}

static void
test_label_file (void)
{
  g_autofree char *labels = put ("l.txt", "\xef\xbb\xbf" "a\r\n\nc\n\n");
  g_autofree char *descriptor =
      put ("d.modelinfo", HEAD "[labels]\nfile=l.txt\n");
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModelInfo) info = dcnn_modelinfo_load (descriptor, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (info->n_labels, ==, 3);
  g_assert_cmpstr (info->labels[0], ==, "a");
  g_assert_cmpstr (info->labels[1], ==, "");
  g_assert_cmpstr (info->labels[2], ==, "c");
  g_clear_pointer (&info, dcnn_modelinfo_free);
  info = dcnn_modelinfo_load (folder, &error);
  g_assert_null (info);
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_FILE);
  g_unlink (labels);
  g_unlink (descriptor);
}

/* A label file has 1 to DCNN_LABELS_MAX labels. */
static void
test_label_counts (void)
{
  static const char *const empty[] = { "", "\n", " \n\n", "\xef\xbb\xbf" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) many = g_string_new (NULL);
  g_auto (GStrv) labels = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (empty); i++) {
    g_assert_null (dcnn_labels_parse (empty[i], strlen (empty[i]), "l.txt",
            &error));
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_INVALID);
    g_assert_nonnull (strstr (error->message, "l.txt: 0 labels; "));
    g_clear_error (&error);
  }
  for (guint i = 0; i < DCNN_LABELS_MAX; i++)
    g_string_append (many, "a\n");
  labels = dcnn_labels_parse (many->str, many->len, "l.txt", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (labels), ==, DCNN_LABELS_MAX);
  g_string_append (many, "a\n");
  g_assert_null (dcnn_labels_parse (many->str, many->len, "l.txt", &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_INVALID);
}

/* Where the model lies beside its descriptor, the SHA-256 is its own. */
static void
check_model_beside (const char *descriptor, const DcnnModelInfo *info)
{
  g_autofree char *model = g_strndup (descriptor,
      strlen (descriptor) - strlen (".modelinfo"));
  g_autofree char *sum = NULL;

  if (!g_file_test (model, G_FILE_TEST_EXISTS))
    return;
  sum = dcnn_model_sha256 (model, NULL);
  g_assert_cmpstr (sum, ==, info->sha256);
}

/* Every descriptor of the source tree is read without a complaint, names a
 * model of its own, and has its SHA-256. */
static void
test_shipped (void)
{
  static const char *const folders[] = { "descriptors", "zoo" };
  g_autoptr (GHashTable) names =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *path = g_build_filename (DCNN_TEST_SOURCE_ROOT, "models",
        "data", folders[i], NULL);
    g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
      g_autofree char *file = g_build_filename (path, name, NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (DcnnModelInfo) info = NULL;

      if (!g_str_has_suffix (name, ".modelinfo"))
        continue;
      info = dcnn_modelinfo_load (file, &error);
      g_assert_no_error (error);
      g_assert_nonnull (info->name);
      g_assert_nonnull (info->sha256);
      check_model_beside (file, info);
      g_assert_nonnull (info->decoder);
      g_assert_nonnull (info->licence);
      g_assert_true (g_hash_table_add (names, g_strdup (info->name)));
    }
  }
  g_assert_cmpuint (g_hash_table_size (names), >=, 17);
}

/* A decoder's row of README.md with the notes that it points to; new text. */
static char *
row_with_notes (const char *text, const char *row)
{
  static const char *const marks[] = { "\u00b9", "\u00b2", "\u00b3",
    "\u2074" };
  GString *all = g_string_new_len (row, (gssize) strcspn (row, "\n"));
  g_autofree char *own = g_strdup (all->str);

  for (guint i = 0; i < G_N_ELEMENTS (marks); i++) {
    g_autofree char *start = g_strdup_printf ("\n%u. ", i + 1);
    g_autofree char *next = g_strdup_printf ("\n%u. ", i + 2);
    const char *note = strstr (text, start), *end;

    if (strstr (own, marks[i]) == NULL)
      continue;
    g_assert_nonnull (note);
    end = strstr (note, next);
    if (end == NULL)
      end = strstr (note, "\n\n");
    g_assert_nonnull (end);
    g_string_append_len (all, note, end - note);
  }
  return g_string_free (all, FALSE);
}

/* models/README.md has every decoder, role and parameter. */
static void
test_documented (void)
{
  g_autofree char *path = g_build_filename (DCNN_TEST_SOURCE_ROOT, "models",
      "README.md", NULL);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  for (guint i = 0; dcnn_decoder_names ()[i] != NULL; i++) {
    const DcnnDecoderClass *class =
        dcnn_decoder_class_find (dcnn_decoder_names ()[i]);
    g_autofree char *start = g_strdup_printf ("\n| `%s` |", class->name);
    char *row = strstr (text, start);
    g_autofree char *line = NULL;

    if (row == NULL)
      g_error ("README.md has no row for decoder %s", class->name);
    line = row_with_notes (text, row + 1);
    for (guint k = 0; class->params[k].key != NULL; k++)
      if (strstr (line, class->params[k].key) == NULL)
        g_error ("README.md: %s lacks %s", class->name, class->params[k].key);
    for (guint k = 0; class->roles[k].name != NULL; k++)
      if (strstr (line, class->roles[k].name) == NULL)
        g_error ("README.md: %s lacks %s", class->name, class->roles[k].name);
  }
}

int
main (int argc, char **argv)
{
  int code;

  folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  g_setenv ("DELTACNN_MODEL_PATH", folder, TRUE);
  g_setenv ("XDG_DATA_HOME", folder, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/modelinfo/full", test_full);
  g_test_add_func ("/modelinfo/defaults", test_defaults);
  g_test_add_func ("/modelinfo/ranges", test_ranges);
  g_test_add_func ("/modelinfo/refusals", test_refusals);
  g_test_add_func ("/modelinfo/upstream", test_upstream);
  g_test_add_func ("/modelinfo/too-long", test_too_long);
  g_test_add_func ("/modelinfo/sizes", test_sizes);
  g_test_add_func ("/modelinfo/influence", test_influence);
  g_test_add_func ("/modelinfo/influence-zeros", test_influence_zeros);
  g_test_add_func ("/modelinfo/influence-limits", test_influence_limits);
  g_test_add_func ("/modelinfo/find", test_find);
  g_test_add_func ("/modelinfo/find-by-sum", test_find_by_sum);
  g_test_add_func ("/modelinfo/label-file", test_label_file);
  g_test_add_func ("/modelinfo/label-counts", test_label_counts);
  g_test_add_func ("/modelinfo/shipped", test_shipped);
  g_test_add_func ("/modelinfo/documented", test_documented);
  code = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return code;
}
