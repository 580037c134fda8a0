/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_decoder.h - what a decoder is made of: its parameters, the outputs that
 * it reads (roles), and three functions. Not public.
 *
 * A new decoder is one file here, one line of DCNN_DECODERS (deltacnn/decode.h)
 * and one of meson.build: it defines dcnn_decoder_class_<suffix>. Its tables
 * make the descriptor's keys known, checked and listed in errors.
 */
#ifndef DCNN_DECODER_H
#define DCNN_DECODER_H

#include <glib.h>

#include "deltacnn/decode.h"
#include "dcnn_keys.h"

G_BEGIN_DECLS

#define DCNN_MAX_ROLES 24

typedef enum DcnnParamKind {
  DCNN_PARAM_NUMBER,  /* lo..hi */
  DCNN_PARAM_INTEGER, /* lo..hi, whole */
  DCNN_PARAM_BOOLEAN, /* 0 or 1 */
  DCNN_PARAM_CHOICE,  /* place in choices */
  DCNN_PARAM_LIST,    /* up to DCNN_KEYS_MAX_LIST numbers in lo..hi */
} DcnnParamKind;

/* A key of [decoder]. Tables end with key NULL. */
typedef struct DcnnParamSpec {
  const char *key;
  DcnnParamKind kind;
  gdouble lo, hi;
  gdouble value;       /* default */
  const char *choices; /* "a|b"; DCNN_PARAM_CHOICE */
} DcnnParamSpec;

/* An output that a decoder reads. Tables end with name NULL. */
typedef struct DcnnRole {
  const char *name; /* as in semantics= */
  gboolean optional;
} DcnnRole;

/* A map or a vector, whatever its layout: element (c, y, x) is
 * data[c * step_c + y * step_y + x * step_x]. */
typedef struct DcnnView {
  const gfloat *data;
  guint channels, height, width;
  gsize step_c, step_y, step_x;
} DcnnView;

static inline gfloat
dcnn_view_at (const DcnnView *view, guint c, guint y, guint x)
{
  return view->data[c * view->step_c + y * view->step_y + x * view->step_x];
}

/* One role of a decoder on one model. */
typedef struct DcnnRoleBinding {
  gint output;         /* index of the model's output; -1: absent */
  DcnnActivation activation;
  gboolean nhwc;
  DcnnDtype dtype;
  DcnnView view;       /* shape and steps; data set for each frame */
  gfloat *converted;   /* owned: float32 copy of an output of another type;
                          NULL: read in place */
} DcnnRoleBinding;

typedef struct DcnnDecoderClass DcnnDecoderClass;

struct DcnnDecoder {
  const DcnnDecoderClass *class;
  const DcnnModelInfo *info; /* valid during init only */
  guint net_width, net_height;
  DcnnRoleBinding roles[DCNN_MAX_ROLES]; /* as in class->roles */
  guint n_outputs;     /* of the model */
  char *name;          /* of the model, for messages */
  guint n_labels;
  gfloat score_threshold; /* the descriptor's */
  DcnnResults results;
  guint8 *mask;        /* owned: data of results.segmentation */
  guint8 (*own_edges)[2]; /* owned: results.edges where not static */
  gpointer state;      /* the decoder's own, freed by class->clear */
  /* What results were made from: */
  DcnnSession *session; /* not owned, only compared; NULL: no results */
  guint stream;
  guint64 frames;
  gfloat last_threshold;
  DcnnTransform transform;
};

/* One call of run. */
typedef struct DcnnDecodeFrame {
  const DcnnTransform *transform;
  gfloat threshold;
  /* Pixels of role 0 that differ from the last run; NULL: all may. */
  const DcnnMask *updated;
} DcnnDecodeFrame;

struct DcnnDecoderClass {
  const char *name;
  const DcnnParamSpec *params;
  const DcnnRole *roles;
  /* Reads parameters, checks shapes, allocates all that run will need. */
  gboolean (*init) (DcnnDecoder *decoder, GError **error);
  /* Fills decoder->results (emptied before). Allocates nothing once its
   * arrays have grown. Any value may be NaN or infinite. */
  void (*run) (DcnnDecoder *decoder, const DcnnDecodeFrame *frame);
  void (*clear) (DcnnDecoder *decoder); /* frees state; may be NULL */
  /* How much an element of a role matters, after run (dcnn_decoder_weigh());
   * NULL: all 1. */
  gfloat (*weight) (const DcnnDecoder *decoder, guint role, guint c, guint y,
      guint x);
};

#define DCNN_DECODER(suffix, name, finds, reads)                               \
  extern const DcnnDecoderClass dcnn_decoder_class_##suffix;
DCNN_DECODERS (DCNN_DECODER)
#undef DCNN_DECODER

/* By name in descriptors, or NULL. */
const DcnnDecoderClass *dcnn_decoder_class_find (const char *name);
/* Place of a role, or -1. */
gint dcnn_decoder_class_role (const DcnnDecoderClass *class,
    const char *role);
/* "heatmap, center"; new text. */
char *dcnn_decoder_class_roles (const DcnnDecoderClass *class);
/* Checks group [decoder] against the class's parameters. */
gboolean dcnn_decoder_class_check (const DcnnDecoderClass *class,
    const DcnnKeys *keys, GError **error);

/* A parameter of the descriptor or its default; during init. Lists: n values
 * into values (n 0: not given). */
gdouble dcnn_decoder_param (const DcnnDecoder *decoder, const char *key);
guint dcnn_decoder_param_list (const DcnnDecoder *decoder, const char *key,
    gdouble *values);

/* Sets DCNN_ERROR_INVALID "model NAME: output ROLE [dims]: TEXT"; FALSE. */
gboolean dcnn_decoder_fail (const DcnnDecoder *decoder, guint role,
    GError **error, const char *format, ...) G_GNUC_PRINTF (4, 5);
/* Role must have this many channels (want 0: any). */
gboolean dcnn_decoder_want_channels (const DcnnDecoder *decoder, guint role,
    guint want, GError **error);
/* Role must have the height and width of role 0. */
gboolean dcnn_decoder_want_same_grid (const DcnnDecoder *decoder, guint role,
    GError **error);
/* Labels, where there are any, must be n. what: "classes", "key points". */
gboolean dcnn_decoder_want_labels (const DcnnDecoder *decoder, guint n,
    const char *what, GError **error);

static inline const DcnnView *
dcnn_decoder_view (const DcnnDecoder *decoder, guint role)
{
  return &decoder->roles[role].view;
}

/* Network pixels (continuous) to frame pixels. */
static inline gfloat
dcnn_frame_x (const DcnnTransform *transform, gfloat x)
{
  return (x - transform->offset_x) / transform->scale_x;
}

static inline gfloat
dcnn_frame_y (const DcnnTransform *transform, gfloat y)
{
  return (y - transform->offset_y) / transform->scale_y;
}

/* results.segmentation's rectangle: the whole network input in the frame. */
void dcnn_decoder_place_mask (DcnnDecoder *decoder,
    const DcnnTransform *transform);
/* Makes the result picture of the first view's size: channels bytes a pixel, zeros, to be
 * freed by the decoder. NULL: out of memory. */
guint8 *dcnn_decoder_make_picture (DcnnDecoder *decoder, guint channels,
    GError **error);
/* Calls span for the columns from x0 up to x1 of each row of the first view that lie in
 * blocks of 8x8 that changed; updated NULL: for all rows, whole. */
void dcnn_decoder_run_spans (const DcnnDecoder *decoder, const DcnnMask *updated,
    void (*span) (const DcnnDecoder *decoder, guint y, guint x0, guint x1));
/* As dcnn_decoder_place_mask(), of results.picture. */
void dcnn_decoder_place_picture (DcnnDecoder *decoder,
    const DcnnTransform *transform);

G_END_DECLS

#endif
