/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_modelinfo.h - what an ONNX file does not say: how to feed the network
 * and what its outputs mean. Read from NAME.onnx.modelinfo (GKeyFile) beside
 * the model or from a descriptor folder; see models/README.md for the keys.
 *
 * Immutable after loading; share freely.
 */
#ifndef DCNN_MODELINFO_H
#define DCNN_MODELINFO_H

#include <glib.h>

#include "dcnn_session.h"

G_BEGIN_DECLS

typedef struct DcnnModelInfo {
  char *path;              /* of the descriptor; NULL: made from defaults */
  char *name, *task, *licence, *sha256;
  char *decoder;           /* "segmentation", "yolox" ...; NULL: tensors only */
  GKeyFile *keys;          /* the whole file, for decoders' parameters */
  guint width, height;     /* network input size to use; 0: the file's */
  guint multiple;          /* sizes must be k * multiple (+ multiple_rest) */
  guint multiple_rest;
  gboolean bgr;
  gfloat scale[3], bias[3];/* network value = pixel (0..255) * scale + bias */
  DcnnFit fit;
  guint8 fill[3];
  char **labels;           /* NULL-terminated, or NULL */
  GHashTable *thresholds;  /* char* -> gdouble*; NULL: none */
} DcnnModelInfo;

/* Reads a descriptor. Unknown groups and keys, values out of range and
 * labels of the wrong length are errors that name the key and the line. */
DcnnModelInfo *dcnn_modelinfo_load (const char *path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
DcnnModelInfo *dcnn_modelinfo_load_data (const char *data, gsize length,
    const char *origin, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Plain defaults: RGB, 0..1, stretch, no decoder. Never NULL. */
DcnnModelInfo *dcnn_modelinfo_new_default (void);
void dcnn_modelinfo_free (DcnnModelInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcnnModelInfo, dcnn_modelinfo_free)

/* Finds the descriptor of a model file: beside it, else in the descriptor
 * folders (DELTACNN_MODEL_PATH, user's and system's data folders, the build's
 * models/descriptors) by file name, else by the file's SHA-256. Returns new,
 * defaults when there is none, NULL with error when one is wrong or is for
 * another file (SHA-256 differs). */
DcnnModelInfo *dcnn_modelinfo_find (const char *model_path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* A model by path or by name ("people-seg"): searches the folders above for
 * NAME.onnx. Returns a new path, or NULL with an error that lists where was
 * looked. */
char *dcnn_model_find_file (const char *name_or_path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Copies what the descriptor says of input and thresholds into options (the
 * thresholds table is borrowed from info). */
void dcnn_modelinfo_apply (const DcnnModelInfo *info,
    DcnnSessionOptions *options);

/* File to model in one call: find, read the descriptor, import with the size
 * (width, height; 0: the descriptor's, else the file's), plan. info: set to a
 * new descriptor on success. */
DcnnModel *dcnn_model_load (const char *name_or_path, guint width,
    guint height, DcnnModelInfo **info, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
