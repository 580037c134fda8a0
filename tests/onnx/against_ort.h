/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * against_ort.h - one model through the reference operators, through plan and
 * kernels (sparse and dense sessions), and through ONNX Runtime, in a Python
 * program beside this file (oracle.py).
 */
#ifndef DCNN_AGAINST_ORT_H
#define DCNN_AGAINST_ORT_H

#include "dcnn_onnx.h"

typedef struct OrtCase {
  const char *model; /* path */
  int width, height; /* 0: the file's own */
  const char *image; /* path of a picture, or NULL */
  double tolerance; /* of max |difference| / max |value|, each output (of
                     * whole numbers: of the share that differs); or
                     * twice ONNX Runtime's own noise where that is more */
} OrtCase;

/* The interpreter: $DELTACNN_PYTHON, else python3. */
const char *ort_python (void);

/* Whether it has the modules the tests need (numpy, onnxruntime and the given
 * one, which may be NULL). */
gboolean ort_available (const char *module);

/* Runs a program with arguments (NULL-terminated); prints what it says when
 * it fails. */
gboolean ort_run (const char *const *arguments);

/* Removes the files of a folder that holds no folders. */
void ort_clear_folder (const char *folder);

/* Prints one line; FALSE when the outputs differ or anything fails. */
gboolean ort_check (const OrtCase *self);

#endif
