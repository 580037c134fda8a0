/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnseat.c - see gstdeltacnnseat.h.
 *
 * Whoever completes a batch runs it, on its own thread; the others wait for it
 * to be done. Locks: `tables_lock` guards the list of tables and their users;
 * a table's own lock all else of it. They are never held together, and neither
 * while frames run.
 */
#include "gstdeltacnnseat.h"

#include <string.h>

/* A seat without a frame in so many batches is not waited for. */
#define MAX_MISSED 8
#define GPU_WAIT_US 2000

typedef enum
{
  SEAT_IDLE,
  SEAT_PENDING,                 /* has a frame that no batch has taken */
  SEAT_TAKEN,
  SEAT_DONE,
} SeatState;

/* A session and who sits at it. */
typedef struct
{
  gchar *key;                   /* NULL: not shared */
  guint users;                  /* tables_lock */
  GMutex lock;
  GCond changed;
  DcnnSession *session;
  guint growths;                /* how many sessions there have been */
  guint capacity;               /* its streams */
  GstDeltaCnnSeat **seats;      /* [capacity]; NULL: free */
  guint n_seats, pending, held, batch;
  gint64 first_us;              /* when the first pending frame came */
  gint64 wait_us;
  gboolean running;             /* a thread is at the session, without lock */
} Table;

struct GstDeltaCnnSeat
{
  Table *table;
  guint stream;
  DcnnModel *model;
  gint64 wait_us;
  SeatState state;
  guint missed;
  guint ran_in;                 /* growths when it last ran; 0: never */
  gboolean held, ok;
  DcnnSubmission submission;
  const GstDeltaCnnFocus *focus;
  guint wants;                  /* of that frame */
  GError *error;
};

static GMutex tables_lock;
static GList *tables;

/* ---- which sessions are the same ------------------------------------------- */

static gint
by_text (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

/* Of everything that makes two sessions differ. */
static gchar *
make_key (DcnnModel * model, const DcnnSessionOptions * o, gint64 wait_us)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree gchar *device = g_strdup_printf ("%p|%s|%u|%" G_GINT64_FORMAT,
      (gpointer) model, o->device ? o->device : "auto", o->threads, wait_us);
  GHashTable *both[2] = { o->thresholds, o->influence };
  g_autofree gchar *rest = g_strdup_printf ("%d|%d|%d|%d|%d", o->bgr, o->fit,
      o->scaling, o->store_all, o->precision);

  g_checksum_update (sum, (const guchar *) device, -1);
  g_checksum_update (sum, (const guchar *) rest, -1);
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++) {
    const gdouble value = dcnn_tuning_get (&o->tuning, i);
    g_checksum_update (sum, (const guchar *) &value, sizeof value);
  }
  g_checksum_update (sum, (const guchar *) o->scale, sizeof o->scale);
  g_checksum_update (sum, (const guchar *) o->bias, sizeof o->bias);
  g_checksum_update (sum, o->fill, sizeof o->fill);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GList) names = both[i] ? g_hash_table_get_keys (both[i]) : NULL;
    names = g_list_sort (names, by_text);
    for (GList * item = names; item; item = item->next) {
      gpointer value = g_hash_table_lookup (both[i], item->data);
      g_checksum_update (sum, item->data, -1);
      if (i == 0)
        g_checksum_update (sum, value, sizeof (gdouble));
      else
        g_checksum_update (sum, (const guchar *) ((GArray *) value)->data,
            ((GArray *) value)->len * sizeof (gfloat));
    }
  }
  return g_strdup (g_checksum_get_string (sum));
}

/* Is it a GPU that sessions would run on? */
static gboolean
runs_on_gpu (const DcnnSessionOptions * options)
{
  const DcnnDeviceKind *kind = dcnn_device_named (options->device);

  if (!kind)
    kind = dcnn_device_which (options->device, NULL);
  return kind && kind->gpu;
}

/* ---- tables -------------------------------------------------------------------- */

static Table *
table_new (gchar * key, gint64 wait_us)
{
  Table *table = g_new0 (Table, 1);

  table->key = key;
  table->wait_us = wait_us;
  g_mutex_init (&table->lock);
  g_cond_init (&table->changed);
  return table;
}

/* With tables_lock held; key NULL: none has it. */
static Table *
table_find (const gchar * key)
{
  for (GList * item = tables; item && key; item = item->next)
    if (g_str_equal (((Table *) item->data)->key, key))
      return item->data;
  return NULL;
}

/* The table of that key, or a new one; with a user more. Takes key. */
static Table *
table_take (gchar * key, gint64 wait_us)
{
  Table *table;

  g_mutex_lock (&tables_lock);
  table = table_find (key);
  if (table) {
    g_free (key);
  } else {
    table = table_new (key, wait_us);
    if (key)
      tables = g_list_prepend (tables, table);
  }
  table->users++;
  g_mutex_unlock (&tables_lock);
  return table;
}

static void
table_drop (Table * table)
{
  gboolean last;

  g_mutex_lock (&tables_lock);
  last = --table->users == 0;
  if (last)
    tables = g_list_remove (tables, table);
  g_mutex_unlock (&tables_lock);
  if (!last)
    return;
  g_clear_pointer (&table->session, dcnn_session_free);
  g_mutex_clear (&table->lock);
  g_cond_clear (&table->changed);
  g_free (table->seats);
  g_free (table->key);
  g_free (table);
}

/* Room for one seat more, with the lock held: twice the streams. All begin
 * anew, and nobody may be reading. */
static gboolean
table_grow (Table * table, DcnnModel * model,
    const DcnnSessionOptions * options, GError ** error)
{
  DcnnSessionOptions more = *options;
  DcnnSession *session;
  const guint capacity = MAX (1, 2 * table->capacity);

  more.streams = capacity;
  session = dcnn_session_new (model, &more, error);
  if (!session)
    return FALSE;
  g_clear_pointer (&table->session, dcnn_session_free);
  table->session = session;
  table->growths++;
  table->seats = g_renew (GstDeltaCnnSeat *, table->seats, capacity);
  for (guint i = table->capacity; i < capacity; i++)
    table->seats[i] = NULL;
  table->capacity = capacity;
  return TRUE;
}

/* With the lock held: until nobody is at the session; readers: nor reads it. */
static void
wait_until_free (Table * table, gboolean readers)
{
  while (table->running || (readers && table->held > 0))
    g_cond_wait (&table->changed, &table->lock);
}

static gboolean
sit_down (GstDeltaCnnSeat * seat, Table * table,
    const DcnnSessionOptions * options, GError ** error)
{
  gboolean ok = TRUE;

  g_mutex_lock (&table->lock);
  wait_until_free (table, table->n_seats == table->capacity);
  if (table->n_seats == table->capacity)
    ok = table_grow (table, seat->model, options, error);
  if (ok) {
    seat->stream = 0;
    while (table->seats[seat->stream])
      seat->stream++;
    dcnn_session_reset (table->session, seat->stream);
    table->seats[seat->stream] = seat;
    table->n_seats++;
    seat->table = table;
    seat->missed = 0;
  }
  g_mutex_unlock (&table->lock);
  if (!ok)
    table_drop (table);
  return ok;
}

static void
stand_up (GstDeltaCnnSeat * seat)
{
  Table *table = seat->table;

  gst_delta_cnn_seat_release (seat);
  g_mutex_lock (&table->lock);
  table->seats[seat->stream] = NULL;
  table->n_seats--;
  g_cond_broadcast (&table->changed);   /* one less to wait for */
  g_mutex_unlock (&table->lock);
  seat->table = NULL;
  table_drop (table);
}

GstDeltaCnnSeat *
gst_delta_cnn_seat_new (DcnnModel * model, const DcnnSessionOptions * options,
    gint64 wait_us, GError ** error)
{
  GstDeltaCnnSeat *seat = g_new0 (GstDeltaCnnSeat, 1);
  Table *table;

  seat->model = dcnn_model_ref (model);
  seat->wait_us = wait_us >= 0 ? wait_us :
      runs_on_gpu (options) ? GPU_WAIT_US : 0;
  table = table_take (seat->wait_us > 0 ?
      make_key (model, options, seat->wait_us) : NULL, seat->wait_us);
  if (sit_down (seat, table, options, error))
    return seat;
  dcnn_model_unref (seat->model);
  g_free (seat);
  return NULL;
}

void
gst_delta_cnn_seat_free (GstDeltaCnnSeat * seat)
{
  if (!seat)
    return;
  stand_up (seat);
  dcnn_model_unref (seat->model);
  g_clear_error (&seat->error);
  g_free (seat);
}

/* Alone at a table, and no other has the new key: it takes that, and the session
 * the tuning. */
static gboolean
retune_alone (GstDeltaCnnSeat * seat, const DcnnTuning * tuning, gchar ** key,
    gboolean * alone, GError ** error)
{
  Table *table = seat->table;
  gboolean ok = TRUE;

  g_mutex_lock (&tables_lock);
  *alone = table->users == 1 && table_find (*key) == NULL;
  if (*alone) {
    ok = dcnn_session_set_tuning (table->session, tuning, error);
    if (ok && table->key) {
      g_free (table->key);
      table->key = g_steal_pointer (key);
    }
  }
  g_mutex_unlock (&tables_lock);
  return ok;
}

gboolean
gst_delta_cnn_seat_retune (GstDeltaCnnSeat ** place,
    const DcnnSessionOptions * options, GError ** error)
{
  GstDeltaCnnSeat *seat = *place, *other;
  g_autofree gchar *key = seat->wait_us > 0 ?
      make_key (seat->model, options, seat->wait_us) : NULL;
  gboolean alone, ok;

  if (key && g_str_equal (seat->table->key, key))
    return TRUE;
  ok = retune_alone (seat, &options->tuning, &key, &alone, error);
  if (alone)
    return ok;
  other = gst_delta_cnn_seat_new (seat->model, options, seat->wait_us, error);
  if (!other)
    return FALSE;
  gst_delta_cnn_seat_free (seat);
  *place = other;
  return TRUE;
}

/* ---- frames ---------------------------------------------------------------------- */

/* Seats with a frame into the batch, with the lock held. Returns how many. */
static guint
take_batch (Table * table, GstDeltaCnnSeat ** batch)
{
  guint n = 0;

  for (guint i = 0; i < table->capacity; i++) {
    GstDeltaCnnSeat *seat = table->seats[i];
    if (!seat)
      continue;
    seat->missed++;
    if (seat->state != SEAT_PENDING)
      continue;
    seat->state = SEAT_TAKEN;
    seat->missed = 0;
    batch[n++] = seat;
  }
  table->pending = 0;
  table->batch = n;
  return n;
}

static void
run_alone (DcnnSession * session, GstDeltaCnnSeat * seat)
{
  g_clear_error (&seat->error);
  seat->ok = dcnn_session_submit (session, &seat->submission, 1, &seat->error)
      && dcnn_session_wait (session, seat->stream, seat->wants, &seat->error);
}

/* What a device has no regions for was refused before. */
static void
look_at (DcnnSession * session, guint stream, const GstDeltaCnnFocus * focus)
{
  g_autoptr (GError) error = NULL;

  if (focus->interest)
    dcnn_session_set_interest (session, stream, focus->interest);
  if (!dcnn_session_set_regions (session, stream, focus->regions,
          focus->n_regions, focus->margin, &error))
    g_warning ("%s", error->message);
}

/* Without the lock: only this thread is at the session. A frame that the
 * session refuses must not fail its neighbours'. */
static void
run_batch (DcnnSession * session, GstDeltaCnnSeat ** batch, guint n)
{
  g_autofree DcnnSubmission *submissions = g_new (DcnnSubmission, n);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++) {
    submissions[i] = batch[i]->submission;
    look_at (session, batch[i]->stream, batch[i]->focus);
  }
  if (n == 1) {
    run_alone (session, batch[0]);
    return;
  }
  if (dcnn_session_submit (session, submissions, n, &error)) {
    for (guint i = 0; i < n; i++)
      batch[i]->ok = dcnn_session_wait (session, batch[i]->stream,
          batch[i]->wants, &batch[i]->error);
    return;
  }
  for (guint i = 0; i < n; i++) {
    if (g_error_matches (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT)) {
      run_alone (session, batch[i]);
    } else {
      batch[i]->ok = FALSE;
      batch[i]->error = g_error_copy (error);
    }
  }
}

/* With the lock held, which is given up meanwhile. */
static void
lead (Table * table)
{
  g_autofree GstDeltaCnnSeat **batch =
      g_new (GstDeltaCnnSeat *, table->capacity);
  const guint n = take_batch (table, batch);

  table->running = TRUE;
  g_mutex_unlock (&table->lock);
  run_batch (table->session, batch, n);
  g_mutex_lock (&table->lock);
  table->running = FALSE;
  for (guint i = 0; i < n; i++) {
    batch[i]->state = SEAT_DONE;
    batch[i]->held = batch[i]->ok;
    batch[i]->ran_in = table->growths;
    table->held += batch[i]->ok;
  }
  g_cond_broadcast (&table->changed);
}

/* How many frames make a batch complete. */
static guint
awaited (const Table * table)
{
  guint n = 0;

  for (guint i = 0; i < table->capacity; i++)
    n += table->seats[i] && (table->seats[i]->missed < MAX_MISSED
        || table->seats[i]->state == SEAT_PENDING);
  return n;
}

gboolean
gst_delta_cnn_seat_run (GstDeltaCnnSeat * seat, const DcnnFrame * frame,
    const DcnnMotion * motion, const GstDeltaCnnFocus * focus, guint wants,
    GError ** error)
{
  Table *table = seat->table;

  gst_delta_cnn_seat_release (seat);
  g_mutex_lock (&table->lock);
  seat->submission = (DcnnSubmission) { seat->stream, frame, motion };
  seat->focus = focus;
  seat->wants = wants;
  seat->state = SEAT_PENDING;
  if (table->pending++ == 0)
    table->first_us = g_get_monotonic_time ();
  g_cond_broadcast (&table->changed);
  while (seat->state != SEAT_DONE) {
    const gint64 until = table->first_us + table->wait_us;
    if (table->running || seat->state == SEAT_TAKEN)
      g_cond_wait (&table->changed, &table->lock);
    else if (table->pending >= awaited (table)
        || g_get_monotonic_time () >= until)
      lead (table);
    else
      g_cond_wait_until (&table->changed, &table->lock, until);
  }
  seat->state = SEAT_IDLE;
  seat->focus = NULL;
  g_mutex_unlock (&table->lock);
  if (!seat->ok)
    g_propagate_error (error, g_steal_pointer (&seat->error));
  return seat->ok;
}

void
gst_delta_cnn_seat_release (GstDeltaCnnSeat * seat)
{
  Table *table = seat->table;

  if (!seat->held)
    return;
  g_mutex_lock (&table->lock);
  seat->held = FALSE;
  table->held--;
  g_cond_broadcast (&table->changed);
  g_mutex_unlock (&table->lock);
}

DcnnSession *
gst_delta_cnn_seat_session (GstDeltaCnnSeat * seat, guint * stream)
{
  *stream = seat->stream;
  return seat->table->session;
}

DcnnSession *
gst_delta_cnn_seat_hold (GstDeltaCnnSeat * seat, guint * stream)
{
  Table *table = seat->table;

  gst_delta_cnn_seat_release (seat);
  g_mutex_lock (&table->lock);
  seat->held = seat->ran_in == table->growths;
  table->held += seat->held;
  g_mutex_unlock (&table->lock);
  return seat->held ? gst_delta_cnn_seat_session (seat, stream) : NULL;
}

void
gst_delta_cnn_seat_reset (GstDeltaCnnSeat * seat)
{
  Table *table = seat->table;

  gst_delta_cnn_seat_release (seat);
  g_mutex_lock (&table->lock);
  wait_until_free (table, FALSE);
  dcnn_session_reset (table->session, seat->stream);
  g_mutex_unlock (&table->lock);
}

const gchar *
gst_delta_cnn_seat_device (GstDeltaCnnSeat * seat, gchar ** why,
    gboolean * fell_back, guint64 * bytes)
{
  Table *table = seat->table;
  const gchar *device;

  g_mutex_lock (&table->lock);
  wait_until_free (table, FALSE);
  device = dcnn_session_get_device (table->session);
  *why = g_strdup (dcnn_session_get_device_why (table->session));
  *fell_back = dcnn_session_fell_back (table->session);
  *bytes = dcnn_session_get_bytes (table->session) / table->capacity;
  g_mutex_unlock (&table->lock);
  return device;
}

guint
gst_delta_cnn_seat_company (GstDeltaCnnSeat * seat, guint * batch)
{
  Table *table = seat->table;
  guint n;

  g_mutex_lock (&table->lock);
  n = table->n_seats;
  *batch = table->batch;
  g_mutex_unlock (&table->lock);
  return n;
}
