/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nets.h - random networks and random videos for tests of the engine.
 *
 * A net is a function of its seed alone; so is a video. Values are small
 * integers when `integer` is set, so that any difference is an indexing bug.
 */
#ifndef DCNN_TEST_NETS_H
#define DCNN_TEST_NETS_H

#include <math.h>

#include "dcnn_graph.h"
#include "deltacnn/session.h"

typedef struct TestNet {
  guint64 state;      /* of the random numbers */
  DcnnGraph *graph;
  gboolean integer;
  gint names;
} TestNet;

/* A seed on the command line makes loops over seeds run that one alone, and
 * DELTACNN_TEST_SEEDS the first so many of each ten; call after g_test_init().
 * test_seed_runs (0): all run. */
void test_seeds_init (int argc, char **argv);
gboolean test_seed_runs (guint64 seed);

/* What DELTACNN_TEST_DEVICE names, or "cpu": the device that every test of the
 * engine runs on, but where it says another. */
const char *test_device (void);
gboolean test_on_cpu (void);
/* What DELTACNN_TEST_PRECISION names, or auto: test_options_init()'s. */
DcnnPrecision test_precision (void);
/* dcnn_session_options_init() with that device: no test makes them otherwise
 * (tests/lint/lint.py devices). */
void test_options_init (DcnnSessionOptions *options);
/* The same on another device, which may have no such precision. */
void test_options_on (DcnnSessionOptions *options, const char *device);

/* 0 .. n-1 */
guint test_random (guint64 *state, guint n);
/* -1 .. 1; an integer of -2 .. 2 when integer is set. */
gfloat test_random_value (guint64 *state, gboolean integer);

void test_net_begin (TestNet *net, guint64 seed, gboolean integer);
DcnnValueId test_net_input (TestNet *net, gint c, gint h, gint w);
DcnnValueId test_net_constant (TestNet *net, gint rank, const gint64 *dims);
/* Fails the test on an error. */
DcnnValueId test_net_node (TestNet *net, DcnnOp op, const DcnnParams *params,
    gint n_inputs, const DcnnValueId *inputs, const DcnnTensor *shape);
DcnnValueId test_net_conv (TestNet *net, DcnnValueId in, gint out_channels,
    gint kernel, gint stride, gint dilation, gint groups);
DcnnValueId test_net_unary (TestNet *net, DcnnOp op, DcnnValueId in);
DcnnValueId test_net_binary (TestNet *net, DcnnOp op, DcnnValueId a,
    DcnnValueId c);
DcnnValueId test_net_resize2 (TestNet *net, DcnnValueId in,
    DcnnResizeMode mode);
DcnnValueId test_net_reshape (TestNet *net, DcnnValueId in, gint rank,
    const gint64 *dims);
DcnnValueId test_net_transpose (TestNet *net, DcnnValueId in, gint rank,
    const int *perm);
DcnnValueId test_net_concat (TestNet *net, DcnnValueId a, DcnnValueId c);

typedef enum TestNorm {
  TEST_NORM_INSTANCE,
  TEST_NORM_GROUP,         /* four groups, or one */
  TEST_NORM_GROUP_SPELLED, /* Reshape, InstanceNormalization, Reshape, Mul,
                              Add */
  TEST_NORM_LAYER,         /* over channels, between Transposes */
} TestNorm;
DcnnValueId test_net_norm (TestNet *net, DcnnValueId v, TestNorm kind);
/* Layer normalisation as eight operators; axis: where the channels are. */
DcnnValueId test_net_layer_norm_spelled (TestNet *net, DcnnValueId v,
    gint axis);

/* A net of residual blocks, branches, gates, up-sampling and heads. even:
 * sizes stay multiples of the stride, so that the window can move. */
DcnnGraph *test_net_random (guint64 seed, gboolean integer, gboolean even,
    gboolean global);

/* The same of any size: a net's layers and weights do not depend on it. Sizes
 * are multiples of 16. */
DcnnGraph *test_net_sized (guint64 seed, gboolean integer, gboolean global,
    gint height, gint width);

/* For DcnnSessionOptions.influence: every node that can have one gets random
 * values, a fifth of them 0, of a size at which a threshold of 0.04 keeps back
 * some pixels and not others. */
GHashTable *test_random_influence (DcnnModel *model, guint64 *state);

/* A tensor like the model's first input, of random values; owned. */
DcnnTensor test_frame_new (DcnnModel *model, guint64 *state,
    gboolean integer);

/* These must succeed. */
DcnnModel *test_model_new (DcnnGraph *graph); /* takes graph */

DcnnSession *test_session_new (DcnnModel *model,
    const DcnnSessionOptions *options);
/* Pushes a frame as the tensor of stream 0; threshold 0. */
void test_push (DcnnSession *session, const DcnnTensor *frame);

void test_push_frame (DcnnSession *session, guint stream,
    const DcnnFrame *frame);
/* Fails the test with that text, the model's plan, and how to run its seed
 * again. */
void test_fail (DcnnModel *model, guint64 seed, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
/* Whether all outputs of a's stream and of b's stream 0, sessions of one model,
 * have the same bits. */
gboolean test_same_outputs (DcnnSession *a, guint stream, DcnnSession *b);

/* The larger of worst and how far a is from b: infinite, and so for good, where
 * one is no number. (A maximum forgets it: no number is above or below.) */
static inline gdouble
test_further (gdouble worst, gdouble a, gdouble b)
{
  gdouble d = a == b ? 0 : fabs (a - b);

  return isnan (d) ? (gdouble) INFINITY : MAX (worst, d);
}

/* Moves a few squares of random content over tensor [1,C,H,W]. */
void test_video_step (guint64 *state, DcnnTensor *frame, gboolean integer);

#endif
