/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * modelinfo.h - what an ONNX file does not say: how to feed the network
 * and what its outputs mean. Read from NAME.onnx.modelinfo (GKeyFile) beside
 * the model or from a descriptor folder; see models/README.md for the keys.
 *
 * Immutable after loading; share freely.
 */
#ifndef DCNN_MODELINFO_H
#define DCNN_MODELINFO_H

#include <glib.h>

#include "deltacnn/session.h"

G_BEGIN_DECLS
#pragma GCC visibility push(default)

/* The activation that a decoder still has to apply to an output. */
typedef enum DcnnActivation {
  DCNN_ACTIVATION_NONE,
  DCNN_ACTIVATION_SIGMOID,
  DCNN_ACTIVATION_SOFTMAX, /* over channels */
} DcnnActivation;

/* What a descriptor says of one tensor. */
typedef struct DcnnTensorInfo {
  char *name;              /* NULL: the image input, whatever its name */
  gboolean is_input;
  char *semantics;         /* role for the decoder; NULL: the name is it */
  DcnnActivation activation;
  gboolean nhwc;           /* a map is [1,H,W,C] (else [1,C,H,W]) */
  guint rank;              /* 0: dims not stated */
  gint dims[8];            /* -1: any */
  guint n_values;          /* of an input: it is this constant, or a state whose
                              first frame finds values[0] */
  gdouble *values;
  char *state;             /* of an input: the value that it was in the last
                              frame; NULL: none */
  gint frames;             /* of the picture: how many its channels hold */
  gboolean newest_first;
  char *id;                /* what upstream's tensor decoders look for; NULL:
                              not stated */
} DcnnTensorInfo;

typedef struct DcnnModelInfo {
  char *path;              /* of the descriptor; NULL: made from defaults */
  char *name, *task, *licence, *source;
  char *sha256;            /* of the model file, lower case; NULL: any */
  char **outputs;          /* values to end at; NULL: the file's outputs */
  char *decoder;           /* "segmentation", "yolox" ...; NULL: tensors only */
  GKeyFile *keys;          /* the whole file, for decoders' parameters */
  guint width, height;     /* network input size to use; 0: the file's */
  guint multiple;          /* sizes must be k * multiple (+ multiple_rest) */
  guint multiple_rest;
  gboolean bgr;
  gfloat scale[3], bias[3];/* network value = pixel (0..255) * scale + bias,
                              in the network's channel order */
  DcnnFit fit;
  guint8 fill[3];          /* R, G, B */
  GPtrArray *tensors;      /* of DcnnTensorInfo*, in the file's order */
  char **labels;           /* NULL-terminated, or NULL */
  guint n_labels;
  GHashTable *thresholds;  /* char* -> gdouble*; NULL: none */
  GHashTable *influence;   /* char* -> GArray* of gfloat; NULL: none */
  /* Session tuning that suits the model, by DcnnTunes; < 0: not stated. */
  gdouble tuning[DCNN_TUNES_COUNT];
} DcnnModelInfo;

/* Reads a descriptor. Unknown groups, keys and decoders and values out of
 * range are errors (DCNN_ERROR_INVALID) that name file, line and key and say
 * what would do. Labels are read with it: a label file is a plain name, found
 * beside the descriptor, in labels/ or ../labels/ there, or in the descriptor
 * folders. (Whether their number fits the model is seen by
 * dcnn_decoder_new().) */
DcnnModelInfo *dcnn_modelinfo_load (const char *path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* The same from memory; origin: the file name that it would have (for
 * messages and to find label files). */
DcnnModelInfo *dcnn_modelinfo_load_data (const char *data, gsize length,
    const char *origin, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Plain defaults: RGB, 0..1, letterbox, no decoder. Never NULL. */
DcnnModelInfo *dcnn_modelinfo_new_default (void);
void dcnn_modelinfo_free (DcnnModelInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcnnModelInfo, dcnn_modelinfo_free)

/* Finds the descriptor of a model file: beside it, else in the descriptor
 * folders (DELTACNN_MODEL_PATH, user's and system's data folders; run from
 * a build, the source tree's) by file name, else by the file's SHA-256. Returns new,
 * defaults when there is none (with one warning a process where not even one
 * of the folders exists), NULL with error when one is wrong or is for another
 * file (SHA-256 differs). */
DcnnModelInfo *dcnn_modelinfo_find (const char *model_path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* A model by path or by name ("people-seg"): searches the folders above for
 * NAME.onnx. Returns a new path, or NULL with an error that lists where was
 * looked. */
char *dcnn_model_find_file (const char *name_or_path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Is this size one that the descriptor allows (input-multiple)? 0 stands for
 * the file's own and always passes. Else an error that names the nearest that
 * are. */
gboolean dcnn_modelinfo_check_size (const DcnnModelInfo *info, guint width,
    guint height, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The folders searched for models and descriptors, best first; new,
 * NULL-terminated. Some need not exist. */
char **dcnn_model_folders (void);

/* SHA-256 of a file as 64 lower-case hex digits; new text. Reads it in
 * pieces. */
char *dcnn_model_sha256 (const char *path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Copies what the descriptor says of input, tuning, thresholds and influence
 * into options (the two tables are borrowed from info). */
void dcnn_modelinfo_apply (const DcnnModelInfo *info,
    DcnnSessionOptions *options);

/* Influence of n channels (>= 0) as the value of a key in [influence]; new
 * text. */
char *dcnn_influence_to_text (const gfloat *values, guint n);

/* File to model in one call: find, read the descriptor, import with the size
 * (width, height; 0: the descriptor's, else the file's), plan. info: set to a
 * new descriptor on success. */
DcnnModel *dcnn_model_load (const char *name_or_path, guint width,
    guint height, DcnnModelInfo **info, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

#pragma GCC visibility pop
G_END_DECLS

#endif
