/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * inspect_suggest.h - a first descriptor for a model that has none: from names,
 * shapes, ranges and a look at a frame.
 */
#ifndef DCNN_TOOLS_INSPECT_SUGGEST_H
#define DCNN_TOOLS_INSPECT_SUGGEST_H

#include "common.h"

G_BEGIN_DECLS

/* An output as it was on the frame. */
typedef struct SuggestOutput {
  const char *name;        /* borrowed from the model */
  guint rank;              /* without dimensions of 1 at the front */
  gint64 dims[8];
  gint64 count;
  float *values;           /* owned; NULL: no frame was run */
  float low, high;
  /* what it is taken for */
  const char *role;        /* NULL: not known */
  const char *activation;  /* NULL: none */
  gboolean nhwc;
} SuggestOutput;

typedef struct Suggest {
  guint width, height, channels; /* of the picture; 0: none was found */
  gboolean pair;           /* another input has the picture's shape */
  SuggestOutput *outputs;
  guint n_outputs;
  float *luma;             /* of the frame as the network saw it, 0..1; NULL */
  const char *decoder;     /* NULL: none suits */
  GString *keys;           /* lines of [decoder] */
  GString *notes;          /* lines of comment */
} Suggest;

/* Finds decoder, roles and keys from the outputs. */
void suggest_decoder (Suggest *suggest);

/* Prints a descriptor of the model file to standard output. clip: what to take
 * the frame from; NULL: a made one. */
gboolean suggest_print (const char *path, const char *clip, guint width,
    guint height, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
