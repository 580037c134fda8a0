/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_input.h - the input stage: from a video frame to the network's stored
 * input S_0 and its update mask U_0.
 *
 * One pass over the network's pixels: scaling or letterboxing, colour
 * conversion (matrix and range from the caps), comparison with the stored
 * input, normalisation of what changed. Then, each on or off by itself: noise
 * suppression, region-of-interest scaling, mask dilation.
 *
 * The planes are scaled, each by itself, and the result is converted: only
 * the network's pixels are ever converted to RGB. Chroma covers two luma
 * pixels each way and is centred between them; where the picture is not
 * scaled the nearest sample is taken. Every instruction set level gives the
 * same bytes; the conversion is within 1 of the exact formula on 8-bit YUV,
 * bilinear scaling within 1 of OpenCV's INTER_LINEAR.
 *
 * The comparison is done on 8-bit RGB after scaling (what training frameworks
 * feed their networks, so results match them to rounding): the stage keeps
 * that 8-bit picture (`reference`), and S_0 holds (value * scale + bias) of it
 * for every pixel, always: the two never disagree.
 *
 * Cost matters: this runs on every pixel of every frame, changed or not. A
 * 768x576 frame at network size should take well under a millisecond on one
 * core with AVX2. Rows can be split over threads.
 */
#ifndef DCNN_INPUT_H
#define DCNN_INPUT_H

#include "dcnn_look.h"
#include "dcnn_map.h"
#include "dcnn_mask.h"

typedef struct DcnnInputStage DcnnInputStage;

/* Returns new, or NULL when out of memory. threads: how many may call
 * dcnn_input_convert_rows() at a time (scratch is made for each). The picture
 * must lie inside the window; a region that leaves the frame is clipped. */
DcnnInputStage *dcnn_input_stage_new (const DcnnInputGeometry *geometry,
    uint32_t frame_width, uint32_t frame_height, DcnnPixelFormat format,
    unsigned threads);
void dcnn_input_stage_free (DcnnInputStage *stage);
size_t dcnn_input_stage_bytes (const DcnnInputStage *stage);

/* ---- the window through a matrix ----------------------------------------
 *
 * Without a view, the picture is the window. With one, a frame takes two
 * passes over the rows: dcnn_input_picture_rows() converts and scales it as
 * ever, dcnn_input_sample_rows() takes the window's pixels from that, each
 * once, and compares them. What the frame does not cover stays as stored.
 */

/* For the next frame; NULL: none. how: gets how it will be sampled. The first
 * view takes memory, and the first with a shadow; false: there is none, and the
 * stage is as it was. */
bool dcnn_input_set_view (DcnnInputStage *stage, const DcnnInputView *view,
    DcnnInputSampling *how);
/* The matrix that this comes to: shifts are by whole pixels then. */
void dcnn_input_get_view (const DcnnInputStage *stage, double matrix[9]);
/* Rows y0 .. y1-1 of the picture; threads as of dcnn_input_convert_rows(). */
void dcnn_input_picture_rows (DcnnInputStage *stage,
    const DcnnInputParams *params, const DcnnFrame *frame, unsigned thread,
    uint32_t y0, uint32_t y1);
/* The rest of step 1 below, once all rows of the picture are there. */
void dcnn_input_sample_rows (DcnnInputStage *stage,
    const DcnnInputParams *params, unsigned thread, uint32_t y0, uint32_t y1,
    const DcnnMask *force, DcnnMask *changed, DcnnMask *differs);
/* The share of pixels (every fourth row's) that this frame would have changed
 * had every frame been compared where it lies, by the same threshold and
 * without refining; negative: not known yet. */
float dcnn_input_shadow_share (const DcnnInputStage *stage);

/* Step 1, rows y0 .. y1-1 of the window (y0 a multiple of 8): converts and
 * scales into the stage's 8-bit picture, compares with the reference under
 * params->threshold (scaled by interest) and writes the words of `changed`
 * (whole words: block rows y0/8 ...) and of `differs` (any difference at all;
 * may be NULL: not wanted). Pixels set in `force` (may be NULL) count as
 * changed. Thread-safe for disjoint rows and thread indices. Only without a
 * view. */
void dcnn_input_convert_rows (DcnnInputStage *stage,
    const DcnnInputParams *params, const DcnnFrame *frame, unsigned thread,
    uint32_t y0, uint32_t y1, const DcnnMask *force, DcnnMask *changed,
    DcnnMask *differs);

/* Step 2, whole mask: noise suppression and dilation as params say, in place,
 * after all rows are converted and before anything is stored (it looks at the
 * picture and the reference). Pixels set in `force` stay. */
void dcnn_input_refine_mask (DcnnInputStage *stage,
    const DcnnInputParams *params, const DcnnMask *force, DcnnMask *changed);

/* Step 3: stores the picture's pixels that are set in `changed` into the
 * reference and, normalised, into s0 (channels 1 or 3; 4 floats a pixel;
 * lane 3 is written 0). block rows by0 .. by1-1; thread-safe for disjoint
 * ones. The reference is kept in window coordinates; see _shift. */
void dcnn_input_store (DcnnInputStage *stage, const DcnnInputParams *params,
    const DcnnMask *changed, DcnnMap *s0, uint32_t by0, uint32_t by1);

/* The window moved over the canvas: reference(y, x) becomes
 * reference(y + dy, x + dx); what enters is undefined (force it). */
void dcnn_input_shift (DcnnInputStage *stage, int32_t dy, int32_t dx);

/* The window's 8-bit picture of the last frame: packed RGB, width * 3 bytes a row. */
const uint8_t *dcnn_input_picture (const DcnnInputStage *stage);

/* Forces the portable C path (tests). */
void dcnn_input_force_portable (DcnnInputStage *stage, bool portable);

#endif
