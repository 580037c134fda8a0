/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * modelinfo_sweep_test.c - every key of every group of a descriptor, given
 * nonsense: what the key cannot mean is refused, and the message names file,
 * line, group, key, what was given and what would be right. Which keys there
 * are is read from the messages themselves, so a new one that is not in
 * known[] fails.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "decoders/dcnn_decoder.h"
#include "deltacnn/modelinfo.h"

#define ORIGIN "/nowhere/x.modelinfo"
#define HEAD "[modelinfo]\nversion=1.0\n"

typedef enum Kind {
  TEXT,   /* anything but nothing */
  NUMBER, /* from lo to hi */
  WHOLE,  /* the same, without a fraction */
  LIST,   /* 1 to most numbers from lo to hi */
  NAMES,  /* one of those, and no nonsense is one */
  FORM,   /* none of the nonsense has its form */
} Kind;

typedef struct Known {
  const char *head; /* the text before [group], with what the key needs */
  const char *group, *key;
  Kind kind;
  gdouble lo, hi;
  guint most;
  const char *right; /* what a refusal says is right; NULL: from lo to hi */
  const char *with;  /* further lines of the group */
} Known;

static const Known known[] = {
  { "", "modelinfo", "version", FORM, .right = "use 1.0" },
  { "", "modelinfo", "group-id", TEXT, .with = "version=1.0\n" },
  { HEAD, "deltacnn", "name", TEXT },
  { HEAD, "deltacnn", "task", TEXT },
  { HEAD, "deltacnn", "licence", TEXT },
  { HEAD, "deltacnn", "source", TEXT },
  { HEAD, "deltacnn", "outputs", TEXT },
  { HEAD, "deltacnn", "sha256", FORM, .right = "64 hexadecimal digits" },
  { HEAD, "deltacnn", "decoder", NAMES, .right = "there are: segmentation" },
  { HEAD, "deltacnn", "input-size", FORM, .right = "WIDTHxHEIGHT" },
  { HEAD, "deltacnn", "input-multiple", WHOLE, 1, 1024 },
  { HEAD, "deltacnn", "input-multiple-rest", WHOLE, 0, 1023,
    .with = "input-multiple=1024\n" },
  { HEAD, "input", "channel-order", NAMES, .right = "rgb, bgr" },
  { HEAD, "input", "mean", LIST, -1e4, 1e4, 3 },
  { HEAD, "input", "scale", LIST, -1e4, 1e4, 3 },
  { HEAD, "input", "ranges", FORM, .right = "" },
  { HEAD, "input", "fill", LIST, 0, 255, 3 },
  { HEAD, "input", "frames", WHOLE, 1, 16 },
  { HEAD, "input", "frame-order", NAMES, .right = "newest-first" },
  { HEAD, "input", "resize", NAMES, .right = "letterbox" },
  { HEAD, "input:a", "value", LIST, -1e30, 1e30, 64 },
  { HEAD, "input:a", "state", TEXT, .with = "value=1\n" },
  { HEAD, "output:a", "dir", NAMES, .right = "input, output" },
  { HEAD, "output:a", "id", TEXT },
  { HEAD, "output:a", "group-id", TEXT },
  { HEAD, "output:a", "tensor", TEXT },
  { HEAD, "output:a", "type", NAMES, .right = "float32, float16" },
  { HEAD, "output:a", "dims-order", NAMES, .right = "row-major" },
  { HEAD, "output:a", "dims", FORM, .right = "" },
  { HEAD, "output:a", "semantics", TEXT },
  { HEAD "[deltacnn]\ndecoder=yolox\n", "output:a", "semantics", NAMES,
    .right = "it reads: boxes" },
  { HEAD, "output:a", "activation", NAMES, .right = "none, sigmoid, softmax" },
  { HEAD, "output:a", "layout", NAMES, .right = "nchw, nhwc" },
  { HEAD, "labels", "file", NAMES, .right = "" },
  { HEAD, "thresholds", "a-node", NUMBER, -1, 1e9 },
  { HEAD, "influence", "a-node", FORM, .right = "deltacnn-tune" },
};

/* None is a size, a name or a sum; no list has so many numbers. */
static const char *const nonsense[] = { "", " ", "twelve", "-7", "-0.25", "2.5",
  "1e300", "-1e300", "nan", "inf", "-inf", "1;2;3;x", "1;;2", "0x", "1 2",
  "99999999999999999999", "\xc3\xa9", "true;", "None",
  "1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;"
  "25;26;27;28;29;30;31;32;33;34;35;36;37;38;39;40;41;42;43;44;45;46;"
  "47;48;49;50;51;52;53;54;55;56;57;58;59;60;61;62;63;64;65;66" };

static DcnnModelInfo *
load (const char *text, GError **error)
{
  return dcnn_modelinfo_load_data (text, strlen (text), ORIGIN, error);
}

static gboolean
is_number (const Known *k, const char *text, gboolean whole)
{
  char *end;
  gdouble v = g_ascii_strtod (text, &end);

  return end != text && *end == '\0' && isfinite (v) && v >= k->lo
      && v <= k->hi && !(whole && v != floor (v));
}

/* Whether the key may mean that, by a reading of the test's own. */
static gboolean
means (const Known *k, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, ";", -1);
  gboolean ok = parts[0] != NULL && g_strv_length (parts) <= k->most;

  switch (k->kind) {
    case TEXT:
      return text[strspn (text, " ")] != '\0';
    case NUMBER:
    case WHOLE:
      return is_number (k, text, k->kind == WHOLE);
    case LIST:
      for (guint i = 0; ok && parts[i] != NULL; i++)
        ok = is_number (k, parts[i], strcmp (k->key, "fill") == 0);
      return ok;
    default:
      return FALSE;
  }
}

/* Whether a message holds what was given, or the part of it that is wrong. */
static gboolean
tells (const char *message, const char *given)
{
  g_auto (GStrv) parts = g_strsplit_set (given, ";", -1);
  g_autofree char *start = g_strndup (given, 18);

  if (strstr (message, g_strstrip (start)) != NULL)
    return *start != '\0' || strstr (message, "\"\"") != NULL
        || strstr (message, " 0;") != NULL;
  for (guint i = 0; parts[i] != NULL; i++) {
    g_autofree char *quoted = g_strdup_printf ("\"%s\"", parts[i]);
    if (strstr (message, quoted) != NULL)
      return TRUE;
  }
  return FALSE;
}

static void
check_refusal (const Known *k, const char *given, guint line,
    const GError *error)
{
  g_autofree char *where = g_strdup_printf (ORIGIN ":%u: [%s] %s: ", line,
      k->group, k->key);
  g_autofree char *range = g_strdup_printf ("from %g to %g", k->lo, k->hi);
  g_autofree char *count = g_strdup_printf ("1 to %u numbers", k->most);
  const char *right = k->right != NULL ? k->right : range;

  if (k->kind == TEXT || strstr (error->message, "\"\" is no value") != NULL)
    right = "wants text";
  if (!g_str_has_prefix (error->message, where))
    g_error ("%s=%s: \"%s\" does not begin with \"%s\"", k->key, given,
        error->message, where);
  if (!tells (error->message + strlen (where), given))
    g_error ("%s=%s: \"%s\" does not say what was given", k->key, given,
        error->message);
  if (strstr (error->message, right) == NULL
      && !(k->kind == LIST && strstr (error->message, count) != NULL))
    g_error ("%s=%s: \"%s\" does not say \"%s\"", k->key, given,
        error->message, right);
}

static guint
lines_of (const char *text)
{
  guint n = 0;

  for (; (text = strchr (text, '\n')) != NULL; text++)
    n++;
  return n;
}

static void
sweep_key (const Known *k)
{
  g_autofree char *before = g_strdup_printf ("%s[%s]\n%s", k->head, k->group,
      k->with ? k->with : "");

  for (guint i = 0; i < G_N_ELEMENTS (nonsense); i++) {
    g_autofree char *text = g_strdup_printf ("%s%s=%s\n", before, k->key,
        nonsense[i]);
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModelInfo) info = load (text, &error);

    if ((info != NULL) != means (k, nonsense[i]))
      g_error ("[%s] %s=%s was %s", k->group, k->key, nonsense[i],
          info != NULL ? "taken" : error->message);
    if (info == NULL)
      check_refusal (k, nonsense[i], lines_of (before) + 1, error);
  }
}

static void
test_keys (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    sweep_key (&known[i]);
}

/* Every key that a group says it has is in known[]. */
static void
test_complete (void)
{
  static const char *const groups[] = { "[deltacnn]\n", "[input]\n",
    "[input:a]\nvalue=1\n", "[output:a]\n", "[labels]\n" };
  guint seen = 0;

  for (guint g = 0; g < G_N_ELEMENTS (groups); g++) {
    g_autofree char *text = g_strconcat (HEAD, groups[g], "no-such=1\n", NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModelInfo) info = load (text, &error);
    const char *list;
    g_auto (GStrv) keys = NULL;

    g_assert_null (info);
    list = strstr (error->message, "this group has: ");
    g_assert_nonnull (list);
    keys = g_strsplit (list + strlen ("this group has: "), ", ", -1);
    for (guint i = 0; keys[i] != NULL; i++) {
      gboolean found = strcmp (keys[i], "list") == 0; /* labels may be any */
      for (guint k = 0; k < G_N_ELEMENTS (known); k++)
        found = found || strcmp (known[k].key, keys[i]) == 0;
      if (!found)
        g_error ("%s is in no line of known[]", keys[i]);
      seen++;
    }
  }
  g_assert_cmpuint (seen, >, 30);
}

/* Every parameter of every decoder. */
static void
test_decoders (void)
{
  static const Kind kinds[] = {
    [DCNN_PARAM_NUMBER] = NUMBER, [DCNN_PARAM_INTEGER] = WHOLE,
    [DCNN_PARAM_BOOLEAN] = NAMES, [DCNN_PARAM_CHOICE] = NAMES,
    [DCNN_PARAM_LIST] = LIST,
  };
  const char *const *names = dcnn_decoder_names ();
  guint params = 0;

  for (guint i = 0; names[i] != NULL; i++) {
    const DcnnDecoderClass *class = dcnn_decoder_class_find (names[i]);
    g_autofree char *head = g_strdup_printf (HEAD "[deltacnn]\ndecoder=%s\n",
        names[i]);

    for (const DcnnParamSpec *p = class->params; p->key != NULL; p++) {
      g_auto (GStrv) choices = g_strsplit (p->kind == DCNN_PARAM_CHOICE
          ? p->choices : "false|true", "|", -1);
      g_autofree char *list = g_strjoinv (", ", choices);
      const Known k = { head, "decoder", p->key, kinds[p->kind], p->lo, p->hi,
        DCNN_KEYS_MAX_LIST, kinds[p->kind] == NAMES ? list : NULL, NULL };

      sweep_key (&k);
      params++;
    }
  }
  g_assert_cmpuint (params, >, 100);
}

/* Every setting that a descriptor may tell. */
static void
test_tuning (void)
{
  guint told = 0;

  for (guint i = 0; i < DCNN_TUNES_COUNT; i++) {
    const DcnnTuningInfo *t = dcnn_tuning_info (i);
    g_autofree char *list = t->names ? g_strjoinv (", ", (char **) t->names)
        : NULL;
    const Known k = { HEAD, "tuning", t->name, list ? NAMES
          : t->kind == DCNN_TUNING_KIND_FLOAT ? NUMBER : WHOLE, t->least,
      t->most, 0, list, NULL };

    if (t->told) {
      sweep_key (&k);
      told++;
    }
  }
  g_assert_cmpuint (told, >, 3);
}

/* text, what its refusal says of what stands there twice */
static const char *const again[][2] = {
  { HEAD "version=1.0\n",
    ":3: [modelinfo] version: is said twice, in lines 2 and 3;" },
  { HEAD "[deltacnn]\nname=a\nname = a\n",
    ":5: [deltacnn] name: is said twice, in lines 4 and 5;" },
  { HEAD "[thresholds]\nn=1\nm=1\nn=2\n",
    ":6: [thresholds] n: is said twice, in lines 4 and 6;" },
  { HEAD "[a]\ndir=input\n[b]\ndir=output\ndir=output\n",
    ":7: [b] dir: is said twice, in lines 6 and 7;" },
};

static void
test_again (void)
{
  /* a group goes on where its name stands again */
  g_autoptr (GError) none = NULL;
  g_autoptr (DcnnModelInfo) joined = load (HEAD "[deltacnn]\nname=a\ntask=t\n"
      "[input]\n[deltacnn]\nname=b\n", &none);

  g_assert_no_error (none);
  g_assert_cmpstr (joined->name, ==, "b");
  g_assert_cmpstr (joined->task, ==, "t");
  for (guint i = 0; i < G_N_ELEMENTS (again); i++) {
    g_autofree char *where = g_strconcat (ORIGIN, again[i][1], NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModelInfo) info = load (again[i][0], &error);

    if (info != NULL)
      g_error ("case %u was taken", i);
    if (!g_str_has_prefix (error->message, where))
      g_error ("case %u: \"%s\" does not begin with \"%s\"", i,
          error->message, where);
  }
}

/* Tensors that the model has not are no tensors to speak of, with a decoder or
 * without. */
static void
test_tensors (void)
{
  static const char *const groups[] = { "[output:nosuch]\nactivation=sigmoid\n",
    "[nosuch]\ndir=output\n", "[nosuch]\ndir=input\n",
    "[input:nosuch]\nvalue=1\n", "[deltacnn]\noutputs=nosuch\n",
    "[thresholds]\nnosuch=1\n", "[influence]\nnosuch=1;0\n" };
  g_autofree char *folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "m.onnx", NULL);
  g_autofree char *beside = g_strconcat (path, ".modelinfo", NULL);
  g_autofree char *bytes = NULL;
  gsize length = 0;

  g_assert_true (g_file_get_contents (DCNN_TEST_SOURCE_ROOT
          "/tests/onnx/corpus/seed_prelu.onnx", &bytes, &length, NULL));
  g_assert_true (g_file_set_contents (path, bytes, (gssize) length, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++) {
    g_autofree char *text = g_strconcat (HEAD, groups[i], NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModelInfo) info = NULL;
    g_autoptr (DcnnModel) model = NULL;
    g_autoptr (DcnnSession) session = NULL;
    DcnnSessionOptions options;

    g_assert_true (g_file_set_contents (beside, text, -1, NULL));
    model = dcnn_model_load (path, 0, 0, &info, &error);
    g_assert_true ((model == NULL) == (error != NULL));
    if (model != NULL) { /* names of nodes are looked for by the session */
      dcnn_session_options_init (&options);
      dcnn_modelinfo_apply (info, &options);
      session = dcnn_session_new (model, &options, &error);
    }
    if (error == NULL || strstr (error->message, "nosuch") == NULL)
      g_error ("%s: %s", groups[i], error ? error->message : "was taken");
  }
  g_remove (beside);
  g_remove (path);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/modelinfo/sweep/keys", test_keys);
  g_test_add_func ("/modelinfo/sweep/complete", test_complete);
  g_test_add_func ("/modelinfo/sweep/decoders", test_decoders);
  g_test_add_func ("/modelinfo/sweep/tuning", test_tuning);
  g_test_add_func ("/modelinfo/sweep/again", test_again);
  g_test_add_func ("/modelinfo/sweep/tensors", test_tensors);
  return g_test_run ();
}
