/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * node_maps.h - ONNX's node tests reshaped to what a video network sees: maps
 * [1, C, H, W]. A batch becomes one test an image; a tensor of lower rank gets
 * leading ones.
 */
#ifndef DCNN_NODE_MAPS_H
#define DCNN_NODE_MAPS_H

#include <glib.h>

#include "deltacnn/tensor.h"

/* How many maps the test makes; 0: its operator does not work image by image,
 * or it is a map already. inputs[0] is what becomes a map, the others stay. */
gint64 node_maps_count (const guint8 *model, gsize bytes,
    const DcnnTensor *inputs, int n_inputs, const DcnnTensor *wanted,
    int n_wanted);

/* The model with a first input of one map, and no declared output shapes; new,
 * or NULL. */
guint8 *node_maps_model (const guint8 *model, gsize bytes,
    const DcnnTensor *input, gsize *new_bytes);

/* Image i of `count` of a tensor as a map: borrows its data. */
DcnnTensor node_maps_view (const DcnnTensor *tensor, gint64 count, gint64 i);

#endif
