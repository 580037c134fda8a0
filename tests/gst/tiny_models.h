/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tiny_models.h - ONNX models of a few hundred bytes, with descriptors, for
 * the element tests: one convolution each, whose results can be told from the
 * picture by hand.
 *
 * The encoder writes ONNX's protobuf wire format by hand, so the tests need
 * no Python.
 */
#ifndef TINY_MODELS_H
#define TINY_MODELS_H

#include <glib.h>

G_BEGIN_DECLS

/* What a model does with a picture of RGB 0..1. */
typedef enum
{
  TINY_MASK,       /* [1,1,H,W]: sigmoid (20 (mean of R, G, B - 0.5)); bright
                      is object */
  TINY_BLIND,      /* the same, never above 1e-4: finds nothing */
  TINY_CLASSES,    /* [1,3,H,W]: R, G, B themselves; argmax */
  TINY_BOXES,      /* [1,7,H/8,W/8], FastestDet: brightness of a cell of 8x8 is
                      objectness; 2 classes; half the picture in size */
  TINY_POSE,       /* [1,3,H/8,W/8] heatmaps of R, G and B, one person */
  TINY_LABEL,      /* [1,3,1,1]: the mean of R, of G, of B of a picture of 8x8;
                      classes red, green, blue */
} TinyKind;

/* Writes DIR/NAME.onnx of W x H (multiples of 8), and beside it its
 * descriptor, with `extra` appended to it (NULL: nothing; "" alone: no
 * descriptor at all). Returns the model's path, new. Aborts the test program
 * when it cannot. */
gchar *tiny_model_write (const gchar * dir, const gchar * name, TinyKind kind,
    guint width, guint height, const gchar * extra);

/* A folder of this test's own; removed with tiny_folder_remove(). New. */
gchar *tiny_folder_new (void);
void tiny_folder_remove (const gchar * dir);

G_END_DECLS

#endif
