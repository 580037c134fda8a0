/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tune.h - the parts of deltacnn-tune: frames with their dense results, the
 * score of a setting, the search, the check on what was held back, the
 * descriptor and the report.
 *
 * Errors and budgets are in the metric's unit, 0 for none: 1 - IoU, pixels of
 * the network's input, 1 - F1, relative rms.
 */
#ifndef DCNN_TOOLS_TUNE_H
#define DCNN_TOOLS_TUNE_H

#include "agree.h"
#include "common.h"
#include "source.h"

G_BEGIN_DECLS

/* Boxes are compared at scores of 0.3 to 0.7. */
#define TUNE_LEAST_SCORE (0.3f - BENCH_NEAR_SCORE)

typedef enum TuneMetric {
  TUNE_IOU,
  TUNE_KEYPOINT,
  TUNE_F1,
  TUNE_RELATIVE,
} TuneMetric;

/* What the command line asks for; strings owned. */
typedef struct TuneOptions {
  char *model, *size, *metric_text, *effort_text, *out, *report;
  char **clips, **keep;
  double budget;             /* < 0: the metric's own */
  gint frames, check, threads, weight_bits;
  gboolean quiet, dry, quantise, apart;
} TuneOptions;

/* ---- frames (tune_clip.c) ------------------------------------------------ */

typedef struct TuneFrame {
  DcnnFrame frame;
  guint8 *bytes;             /* of the planes */
  DcnnResults results;       /* of the dense run; owned copies */
  DcnnTransform transform;
  guint8 *outputs;           /* all outputs, one behind the other, each
                                tune_output_bytes(); only for TUNE_RELATIVE */
} TuneFrame;

/* Stretches of a clip, each of frames that follow one another. */
typedef struct TuneSet {
  char *name;
  gboolean held_back;        /* for the check only */
  GPtrArray *stretches;      /* of GPtrArray of TuneFrame* */
  guint frames;
} TuneSet;
void tune_set_free (TuneSet *set);
/* An output's bytes, up to the next multiple of 8. */
gsize tune_output_bytes (const DcnnTensor *output);

/* How many frames a clip has, by reading it. A live or very short one is an error. */
gboolean tune_count_frames (const char *clip, guint64 *total, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- settings and scores ------------------------------------------------- */

/* A setting of every variable. */
typedef struct TuneSetting {
  DcnnTuning tuning;         /* threshold is that of outputs and of nothing */
  float *thresholds;         /* a node; < 0: passes everything on */
} TuneSetting;

typedef struct TuneScore {
  double error;
  gboolean blind;            /* there was nothing to be right or wrong about */
  double changed, macs;      /* shares */
  double *candidates, *joined; /* a node: mean share a frame */
  gboolean *passes;
} TuneScore;
void tune_score_clear (TuneScore *score);

/* What is known of a node. */
typedef struct TuneNode {
  DcnnNodeInfo info;
  gboolean free;             /* its threshold may be chosen */
  gint group;                /* of nodes that change together; -1: fixed */
  /* Time of all sparse work so far, and the shares of the map that it was
   * spent on: [0] judging, [1] passing. */
  double ns[2], share[2];
} TuneNode;

typedef enum TuneEffort { TUNE_ONE, TUNE_GROUPS, TUNE_NODES } TuneEffort;

typedef struct Tuner {
  const TuneOptions *options;
  TuneMetric metric;
  TuneEffort effort;
  char *model_path;
  DcnnModel *model;
  DcnnModelInfo *info;
  DcnnModelSummary summary;
  TuneNode *nodes;           /* [summary.n_nodes] */
  guint n_groups;
  gboolean gates;            /* some node is one */
  GHashTable *squares;       /* of influence, while it is being measured */
  guint estimates;           /* that are summed in squares */
  GPtrArray *sets;           /* of TuneSet*; the first is tuned on */
  double budget;             /* as asked for */
  double allowed;            /* on sets->pdata[0]; see tune_allow() */
  double *allowed_held;      /* a set */
  DcnnTuning start;
  double slope;              /* -d log (time) / d log (error) */
  double other_ns;           /* a frame, besides nodes: sums and count */
  guint64 other_frames;
  /* progress */
  guint evaluations;
  guint64 frames_run;
  gint64 started_us;
  GString *log;              /* a line a step, for the report */
} Tuner;

extern volatile gint tune_stopped;     /* set by SIGINT */
void tune_stop_on_interrupt (void);

/* Opens the model alone; tuner need not be set. Close it in any case. */
gboolean tune_open_model (Tuner *tuner, const TuneOptions *options,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Opens model and clips; runs dense. */
gboolean tune_open (Tuner *tuner, const TuneOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void tune_close (Tuner *tuner);
/* Reads the frames of a clip: n of its first two thirds in stretches when
 * tuned (else none), and held of its last third. Adds one or two sets. */
gboolean tune_read_clip (Tuner *tuner, const char *clip, guint n, guint held,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- scores (tune_score.c) ------------------------------------------------- */

TuneSetting *tune_setting_new (const Tuner *tuner, float threshold);
TuneSetting *tune_setting_copy (const Tuner *tuner,
    const TuneSetting *setting);
/* All thresholds times a factor; nodes that pass go on passing. */
void tune_setting_scale (const Tuner *tuner, TuneSetting *setting,
    double factor);
void tune_setting_free (TuneSetting *setting);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TuneSetting, tune_setting_free)

/* Thresholds of a setting by name, for DcnnSessionOptions; borrows names. */
GHashTable *tune_setting_table (const Tuner *tuner,
    const TuneSetting *setting);
/* A session of the setting, or of its input stage in dense mode. */
DcnnSession *tune_session_new (const Tuner *tuner,
    const TuneSetting *setting, DcnnMode mode, gboolean store_all,
    GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Runs a setting over a set. Clear the score. */
gboolean tune_evaluate (Tuner *tuner, const TuneSetting *setting,
    const TuneSet *set, TuneScore *score, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* What an agreement is in the metric's unit. blind: set to whether there was
 * nothing to be right or wrong about. */
double tune_error_of (const Tuner *tuner, const BenchAgreement *agreement,
    gboolean *blind);

/* Milliseconds a frame by what every node's pixels have cost so far: free of
 * the moment's noise. */
double tune_time (const Tuner *tuner, const TuneScore *score);

/* Median milliseconds of dense, default and this setting, frame by frame in
 * turn, over the first set. */
typedef struct TuneTimes { double dense, before, after; } TuneTimes;
gboolean tune_race (Tuner *tuner, const TuneSetting *before,
    const TuneSetting *after, TuneTimes *times, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- search (tune_search.c) -------------------------------------------------- */

/* Sets tuner->allowed from the budget and what the input stage alone costs.
 * Fails when nothing can keep the budget. */
gboolean tune_allow (Tuner *tuner, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* One threshold for all nodes. Returns new. */
TuneSetting *tune_search_global (Tuner *tuner, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* From there, by groups of nodes (by nodes too, when thorough) and the other
 * variables. Returns new. */
TuneSetting *tune_search_groups (Tuner *tuner, const TuneSetting *from,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- check, results (tune_check.c, tune_report.c) --------------------------- */

/* A setting on every set. */
typedef struct TuneCheck {
  const char *name;
  TuneSetting *setting;      /* owned */
  TuneScore *scores;         /* a set */
  double scale;              /* that thresholds were multiplied by to hold */
  gboolean holds;
} TuneCheck;
void tune_check_clear (const Tuner *tuner, TuneCheck *check);
/* Modelled milliseconds a frame, mean over the sets. */
double tune_check_time (const Tuner *tuner, const TuneCheck *check);

/* Makes the thresholds smaller until every set is within the budget. Takes
 * setting. */
gboolean tune_check (Tuner *tuner, const char *name, TuneSetting *setting,
    TuneCheck *check, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Scores without making anything smaller. Takes setting. */
gboolean tune_check_as_is (Tuner *tuner, const char *name,
    TuneSetting *setting, TuneCheck *check, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

typedef struct TuneResult {
  TuneCheck before, global, groups;
  const TuneCheck *chosen;
  TuneTimes times;
  char *written;             /* the descriptor, or NULL */
} TuneResult;

/* What is written, by the options, for a model of this path: a descriptor, or an
 * int8 model. Returns new text. */
char *tune_destination (const TuneOptions *options, const char *model_path);

/* The descriptor with the chosen setting, complete or not at all. */
gboolean tune_write (Tuner *tuner, TuneResult *result, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean tune_report (const Tuner *tuner, const TuneResult *result,
    const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void tune_print (const Tuner *tuner, const TuneResult *result);

/* ---- int8 models (tune_quantise.c) ----------------------------------------- */

/* What tune_find_threshold() found: shares of a dense run's work, and errors
 * against the model's own dense run. */
typedef struct TuneThreshold {
  double threshold;
  double plain_macs, plain_error; /* the float32 model as its descriptor has it */
  double first_macs;         /* the int8 model at the threshold it came with */
  double macs, error;        /* at the one that was found */
} TuneThreshold;
/* A threshold for an int8 model of tuner's; info: its descriptor. On stretches
 * of the first clip's first two thirds. */
gboolean tune_find_threshold (const Tuner *tuner, DcnnModel *model,
    const DcnnModelInfo *info, TuneThreshold *found, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* The whole run of --quantize: reads, writes, prints. */
gboolean tune_quantise (const TuneOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* "0.31 px", "IoU 0.9951": an error as people say it; new text. */
char *tune_error_text (const Tuner *tuner, double error);
const char *tune_metric_name (TuneMetric metric);
/* A line on progress; also kept for the report when keep is set. */
void tune_say (Tuner *tuner, gboolean keep, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

G_END_DECLS

#endif
