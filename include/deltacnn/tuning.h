/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tuning.h - what may change while frames flow: the one list of these settings,
 * with their ranges, defaults and what they are. The struct, its defaults and
 * its checks, the element's properties, a descriptor's [tuning], the keys of
 * --set and docs/kernels.md are made of it.
 *
 * For: whoever sets them by name. Code that knows which one it wants writes to
 * the struct.
 */
#ifndef DCNN_TUNING_H
#define DCNN_TUNING_H

#include <glib.h>

#include "deltacnn/frame.h"

G_BEGIN_DECLS
#pragma GCC visibility push(default)

/* X (ENUM, name, what it is) */
#define DCNN_MODES(X)                                                          \
  X (AUTO, "auto", "Only what changed, dense where that is cheaper")           \
  X (SPARSE, "sparse", "Only what changed, always")                            \
  X (DENSE, "dense", "Every frame from scratch")

typedef enum DcnnMode {
#define DCNN_X(e, n, b) DCNN_MODE_##e,
  DCNN_MODES (DCNN_X)
#undef DCNN_X
  DCNN_MODE_COUNT
} DcnnMode;

/* When a change counts, d_c being a channel's difference:
 * NRMS       sqrt (mean_c (d_c / spread_c)^2) > t: the default
 * RMS        sqrt (mean_c d_c^2) > t
 * MAX        max_c |d_c| > t, as in the papers
 * INFLUENCE  what the change does to the outputs against the work that passing
 *            it on makes: sum_c (s_c d_c)^2 > t^2 price sqrt (area), with s_c
 *            from DcnnSessionOptions.influence, the price a share of a dense
 *            frame's work, the area that of the node's pixels in pixels of the
 *            largest map. Nodes of unknown influence go by nrms
 * X (ENUM, name, what it is) */
#define DCNN_CRITERIA(X)                                                       \
  X (NRMS, "nrms", "Root mean square, each channel by its spread")             \
  X (RMS, "rms", "Root mean square over channels")                             \
  X (MAX, "max", "Largest channel, as in the DeltaCNN papers")                 \
  X (INFLUENCE, "influence", "Effect on the outputs against the work it makes (what deltacnn-tune measured)")

typedef enum DcnnCriterion {
#define DCNN_X(e, n, b) DCNN_CRITERION_##e,
  DCNN_CRITERIA (DCNN_X)
#undef DCNN_X
  DCNN_CRITERION_COUNT
} DcnnCriterion;

#define DCNN_THRESHOLD_MOST 1e6f
#define DCNN_DILATION_MOST 64u /* px */

/* X (field, name, kind, least, most, default, TOLD by a descriptor or OWN, what
 * it is). Notes on some:
 * threshold       t of every node without its own
 * input_threshold t_0
 * gate_threshold  a normalisation's moments count by what they do to the
 *                 normalised map, and take the lower of this and threshold
 * dilation        px of the input's update mask; up to twice as much of a frame
 *                 that is sampled between its pixels: what lies beside a
 *                 change is then as of another shift
 * forgive         px: where a frame is sampled through a matrix that is no shift
 *                 by whole pixels; nothing at an input_threshold of 0
 * interest        dcnn_session_set_interest(): input_threshold near the results, up
 *                 to 2.5 times it elsewhere
 * moving_interest likewise, only of a frame that is sampled between its pixels: 0.3
 *                 of input_threshold near them, up to twice it elsewhere, and
 *                 refreshing where they lie in three rounds of four;
 *                 with interest off, results in less than half of it, and at
 *                 most half of the last frame changed */
#define DCNN_TUNINGS(X)                                                        \
  X (mode, "mode", MODE, 0, DCNN_MODE_COUNT - 1, DCNN_MODE_AUTO, OWN, "What is recomputed") \
  X (criterion, "criterion", CRITERION, 0, DCNN_CRITERION_COUNT - 1, DCNN_CRITERION_NRMS, TOLD, "How a change inside the network is measured") \
  X (threshold, "threshold", FLOAT, 0, DCNN_THRESHOLD_MOST, 0.05, TOLD, "A change inside the network below this is not passed on; 0 = every change is") \
  X (input_threshold, "input-threshold", FLOAT, 0, 1, 0.05, TOLD, "A pixel whose channels all changed by less, on a scale of 0 to 1, has not changed") \
  X (gate_threshold, "gate-threshold", FLOAT, 0, DCNN_THRESHOLD_MOST, 0.2, TOLD, "The threshold of gates (squeeze and excite), relative to their own strength") \
  X (dilation, "dilation", UINT, 0, DCNN_DILATION_MOST, 3, TOLD, "Pixels of the network's input by which what changed is widened") \
  X (forgive, "forgive", FLOAT, 0, 1, 0.5, OWN, "With a moving camera: a change at an edge does not count where a shift by so many pixels of the network's input explains it") \
  X (noise_suppression, "noise-suppression", BOOL, 0, 1, FALSE, OWN, "Drop changes of single pixels (noisy cameras with a low input-threshold)") \
  X (interest, "interest", BOOL, 0, 1, FALSE, OWN, "Weigh changes by how near they are to the previous results") \
  X (settle, "settle", BOOL, 0, 1, TRUE, OWN, "When the scene is still, recompute what the thresholds left until the result equals the dense one") \
  X (settle_budget, "settle-budget", FLOAT, 0, 1, 0.1, OWN, "Share of a dense frame's work that settling may take a frame") \
  X (refresh, "refresh", FLOAT, 0, 1, 0.2, TOLD, "While the scene is busy, settle one band of the picture after the other, for at most this much of the work that changes cost; 0 = not; needs settle") \
  X (sampling, "sampling", SAMPLING, 0, DCNN_SAMPLING_COUNT - 1, DCNN_SAMPLING_CUBIC, OWN, "How pixels are taken between those of a moving camera's picture") \
  X (moving_interest, "moving-interest", BOOL, 0, 1, FALSE, TOLD, "With a moving camera: compare more closely near the previous results, less closely elsewhere")

#define DCNN_TUNING_TYPE_MODE DcnnMode
#define DCNN_TUNING_TYPE_CRITERION DcnnCriterion
#define DCNN_TUNING_TYPE_SAMPLING DcnnSampling
#define DCNN_TUNING_TYPE_FLOAT gfloat
#define DCNN_TUNING_TYPE_UINT guint
#define DCNN_TUNING_TYPE_BOOL gboolean

typedef struct DcnnTuning {
#define DCNN_X(field, n, kind, l, m, d, t, b) DCNN_TUNING_TYPE_##kind field;
  DCNN_TUNINGS (DCNN_X)
#undef DCNN_X
  gpointer reserved[3];      /* 0; what is added later comes out of it */
} DcnnTuning;

/* The place of each in the list: DCNN_TUNES_threshold and so on. */
typedef enum DcnnTunes {
#define DCNN_X(field, n, k, l, m, d, t, b) DCNN_TUNES_##field,
  DCNN_TUNINGS (DCNN_X)
#undef DCNN_X
  DCNN_TUNES_COUNT
} DcnnTunes;

typedef enum DcnnTuningKind {
  DCNN_TUNING_KIND_MODE,      /* one of names */
  DCNN_TUNING_KIND_CRITERION, /* one of names */
  DCNN_TUNING_KIND_FLOAT,
  DCNN_TUNING_KIND_UINT,
  DCNN_TUNING_KIND_BOOL,
  DCNN_TUNING_KIND_SAMPLING,  /* one of names */
} DcnnTuningKind;

/* A line of the list. Static storage. */
typedef struct DcnnTuningInfo {
  const char *name;        /* "input-threshold" */
  const char *field;       /* "input_threshold" */
  DcnnTuningKind kind;
  gdouble least, most, value; /* value: the default */
  gboolean told;           /* a model's descriptor may say it */
  const char *what;        /* a sentence without its full stop */
  const char *const *names; /* of a choice, by value; NULL-terminated; else
                              NULL */
} DcnnTuningInfo;

/* NULL past DCNN_TUNES_COUNT. Any thread. */
const DcnnTuningInfo *dcnn_tuning_info (guint tunes);
/* The place of the one of that name; DCNN_TUNES_COUNT: there is none. */
guint dcnn_tuning_find (const char *name);
/* Reads and writes one; unchecked, dcnn_session_set_tuning() checks. tunes is
 * under DCNN_TUNES_COUNT. */
gdouble dcnn_tuning_get (const DcnnTuning *tuning, guint tunes);
void dcnn_tuning_set (DcnnTuning *tuning, guint tunes, gdouble value);
/* Text to a value: a name of a choice, or a number in range (C locale). FALSE:
 * neither; the error says what would do (DCNN_ERROR_ARGUMENT). */
gboolean dcnn_tuning_parse (guint tunes, const char *text, gdouble *value,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

#pragma GCC visibility pop
G_END_DECLS

#endif
