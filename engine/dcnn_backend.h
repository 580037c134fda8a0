/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_backend.h - internal: what runs a session's frames. One table of
 * functions a backend, at the level of whole frames, so that a device can keep
 * its state, its graph of kernels and its queue to itself.
 *
 * Above the table (dcnn_session.c): every check of arguments, options and
 * tuning, where the window lies, statistics, and whatever else is the same for
 * all. A function here is never called with arguments that do not fit, and
 * never again after session_new failed.
 *
 * Rules for every backend:
 *  - run may return before the frames are done; wait waits. No other entry on
 *    the frame path may wait for a device;
 *  - a stream has at most one frame that was run and not waited for; reset and
 *    session_free wait for it themselves, retune and run may be called while
 *    other streams have one;
 *  - no allocation in run and wait, but for the first frame of a size and
 *    format, and the first through a matrix;
 *  - the same bits whatever the list, the path, the thread and the other
 *    streams; or session_new says in DcnnSession.rounding how far apart two
 *    computations of one pixel may be, and "any difference" is more than that;
 *  - a function that fails sets error and leaves the session such that
 *    session_free may be called, and nothing else need be;
 *  - a backend that was not built in is a stub whose `available` says so.
 * Thread safety: model_new and model_free are called under one lock, the rest
 * as the session is (deltacnn/session.h).
 */
#ifndef DCNN_BACKEND_H
#define DCNN_BACKEND_H

#include "dcnn_plan.h"
#include "deltacnn/session.h"

G_BEGIN_DECLS

/* What one frame brings. */
typedef struct BackendFrame {
  guint stream;
  const DcnnFrame *picture;  /* or NULL: tensors */
  const DcnnTensor *tensors; /* one a model input */
  gfloat tensor_threshold;
  gint dy, dx;               /* network pixels that the window moved; (0, 0)
                                when stream->first */
  gboolean moved;
  gint64 start_ns;
} BackendFrame;

typedef struct DcnnBackend {
  const char *name;
  /* Is there hardware of its kind, usable or not? NULL: always; else it is a
   * GPU, of which there may be several (DcnnDeviceKind.gpu). What "auto" passes
   * over where there is none is no news. */
  gboolean (*present) (void);
  /* May it run here, on its device number `index` (-1: the first)? The error
   * says what would help. */
  gboolean (*available) (gint index, GError **error);
  /* Can it run this plan with these options? The error names the node or the
   * option. "auto" then goes on to the next backend. */
  gboolean (*accepts) (const DcnnPlan *plan, const DcnnSessionOptions *options,
      GError **error);
  /* How maps are to lie at that precision, any of them: the plan that accepts
   * is asked about is laid out so. */
  PlanLayout (*layout) (DcnnPrecision precision);
  /* What it runs a node with, for people: static storage. refused: gets "name:
   * why" of those that go before it and do not take the node, "; " between
   * them; or NULL. NULL: each operator has one kernel. */
  const char *(*kernel) (const DcnnPlan *plan, const PlanNode *node,
      GString *refused);
  /* Bytes that a stream of that plan will hold. NULL: not known before. */
  gsize (*stream_bytes) (const DcnnPlan *plan);
  /* Feeds states back (DcnnState): it is not asked to run a plan with any
   * otherwise. */
  gboolean keeps_states;
  /* The platform's context that sessions on device `index` live in, for
   * neighbours that share memory with them. NULL: there is no such thing. */
  gboolean (*context) (gint index, gpointer *context);
  /* Bits 1 << DcnnMemory of frames that it takes besides the host's. */
  guint memories;
  /* Its input stage samples through a motion's matrix (dcnn_look.h). Others take
   * frames as they lie, wherever the camera looks: right, but no work is saved. */
  gboolean samples;
  /* Its input stage keeps to a stream's regions. */
  gboolean regions;
  /* The model's operators (PlanNode.op, norm, steps) as the device wants them,
   * shared by the sessions of a model on that device. */
  gpointer (*model_new) (const DcnnPlan *plan, gint index, GError **error);
  void (*model_free) (gpointer weights);
  /* They stay until the model goes; else the last session takes them with it.
   */
  gboolean weights_stay;
  /* Everything the frame path will use, for all streams: fills the streams'
   * outputs and input_mask, and whatever of session and streams is marked as
   * the backend's own. */
  gboolean (*session_new) (DcnnSession *session, GError **error);
  /* Also after a session_new that failed half-way. */
  void (*session_free) (DcnnSession *session);
  /* Bytes held, host and device. */
  gsize (*session_bytes) (const DcnnSession *session);
  /* Bytes of its own memory that it would hold for such a session, of a plan
   * that it accepts; no device need be there. NULL: it has none. */
  gsize (*predict) (const DcnnPlan *plan, const DcnnSessionOptions *options);
  /* tuning is in force; before is what was. */
  void (*retune) (DcnnSession *session, const DcnnTuning *before);
  /* Input stage and nodes, for one frame of each of n different streams. A
   * failure concerns all of them. */
  gboolean (*run) (DcnnSession *session, const BackendFrame *frames, guint n,
      GError **error);
  /* What is wanted (DCNN_WANT_...) of the stream's last frame is in host
   * memory. */
  gboolean (*wait) (DcnnSession *session, guint stream, guint wants,
      GError **error);
  /* For tests, after wait: see dcnn_session_probe(). */
  gboolean (*probe) (DcnnSession *session, guint stream, gint map,
      gfloat *values, DcnnMask *mask, GError **error);
  /* The next frame runs as the first one does. */
  void (*reset) (DcnnSession *session, guint stream);
} DcnnBackend;

#define DCNN_BACKEND(symbol, automatic, description)                           \
  extern const DcnnBackend dcnn_backend_##symbol;
#include "backends.def"
#undef DCNN_BACKEND

/* The one with that name, "NAME" or "NAME:INDEX", whether it can run or not. */
const DcnnBackend *dcnn_backend_named (const char *device, gint *index,
    GError **error);
/* The first that has memory of its own; NULL: none of this build. */
const DcnnBackend *dcnn_backend_predicts (void);
/* Whether it can run the plan with these options, on any device of its kind. */
gboolean dcnn_backend_accepts (const DcnnBackend *backend,
    const DcnnPlan *plan, const DcnnSessionOptions *options, GError **error);

/* The model's plan as it wants it laid out. */
const DcnnPlan *dcnn_backend_plan (const DcnnBackend *backend,
    DcnnModel *model, DcnnPrecision precision, GError **error);

/* The same, and that accepts the model's plan with the options. why: gets what
 * "auto" passed over, as dcnn_session_get_device_why(). fell_back: becomes TRUE
 * where something that is there was passed over. */
const DcnnBackend *dcnn_backend_choose (DcnnModel *model,
    const DcnnSessionOptions *options, gint *index, GString *why,
    gboolean *fell_back, GError **error);
/* The next one after `backend`, on which a session could not be made for the
 * reason `failure`. NULL: failure is the answer (error is not set), since a
 * device was named, or what failed is not the device; or there is none (error). */
const DcnnBackend *dcnn_backend_choose_next (const DcnnBackend *backend,
    const GError *failure, DcnnModel *model, const DcnnSessionOptions *options,
    gint *index, GString *why, gboolean *fell_back, GError **error);

/* For tests on any backend: the values of a plan's map after the stream's last
 * frame, [height][width][channels] in logical channels, and its update mask of
 * that frame (of that size; the caller's). Either may be NULL. Fails for a map
 * that is not stored. */
gboolean dcnn_session_probe (DcnnSession *session, guint stream, gint map,
    gfloat *values, DcnnMask *mask, GError **error);

/* dcnn_weights.c: the model's weights for a backend, made by the first session to ask and
 * freed with the last, or with the model. */
gboolean dcnn_backend_take_weights (DcnnModel *model, const DcnnPlan *plan,
    const DcnnBackend *backend, gint index, gpointer *weights,
    GError **error);
void dcnn_backend_drop_weights (DcnnModel *model, const DcnnPlan *plan,
    const DcnnBackend *backend, gint index);

/* Frees what stayed; the model has no session any more. */
void dcnn_backend_clear_weights (DcnnModel *model);

/* null/null.c: what it holds, for tests: 0 when all is freed. */
gint dcnn_backend_null_live (void);

G_END_DECLS

#endif
