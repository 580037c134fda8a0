/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * glib_order.c - tells ThreadSanitizer what the locks of GLib and GStreamer
 * order. Their libraries are not compiled with it, and GLib's locks are made of
 * futexes: without this each access that a GMutex guards is reported.
 *
 * Preloaded (LD_PRELOAD) into test programs that are built with
 * -Db_sanitize=thread. Each function here calls the one it stands before;
 * "release" and "acquire" on an address order what was done before the one and
 * after the other. In a program without the sanitizer it does nothing.
 *
 * What is not told: reference counts order more here than they do (any two
 * calls on one object), so a race beside one may be missed; none is made up.
 */
#include <dlfcn.h>

#include <gst/gst.h>

#pragma GCC visibility push(default)

extern void __tsan_acquire (void *address) __attribute__ ((weak));
extern void __tsan_release (void *address) __attribute__ ((weak));

static void
acquire (gconstpointer address)
{
  if (__tsan_acquire && address)
    __tsan_acquire ((void *) address);
}

static void
release (gconstpointer address)
{
  if (__tsan_release && address)
    __tsan_release ((void *) address);
}

/* Declares `real`, the function of that name that this one stands before. */
#define REAL(type, name, ...)                                                 \
  static type (*real) (__VA_ARGS__);                                          \
  if (__atomic_load_n (&real, __ATOMIC_RELAXED) == NULL)                      \
    __atomic_store_n (&real,                                                  \
        (type (*) (__VA_ARGS__)) dlsym (RTLD_NEXT, #name), __ATOMIC_RELAXED)

/* ---- locks ------------------------------------------------------------- */

#define LOCK(name, Type)                                                      \
  void (name) (Type *lock)                                                    \
  {                                                                           \
    REAL (void, name, Type *);                                                \
    real (lock);                                                              \
    acquire (lock);                                                           \
  }
#define TRYLOCK(name, Type)                                                   \
  gboolean (name) (Type *lock)                                                \
  {                                                                           \
    REAL (gboolean, name, Type *);                                            \
    gboolean got = real (lock);                                               \
    if (got)                                                                  \
      acquire (lock);                                                         \
    return got;                                                               \
  }
#define UNLOCK(name, Type)                                                    \
  void (name) (Type *lock)                                                    \
  {                                                                           \
    REAL (void, name, Type *);                                                \
    release (lock);                                                           \
    real (lock);                                                              \
  }

LOCK (g_mutex_lock, GMutex)
TRYLOCK (g_mutex_trylock, GMutex)
UNLOCK (g_mutex_unlock, GMutex)
LOCK (g_rec_mutex_lock, GRecMutex)
TRYLOCK (g_rec_mutex_trylock, GRecMutex)
UNLOCK (g_rec_mutex_unlock, GRecMutex)
LOCK (g_rw_lock_writer_lock, GRWLock)
TRYLOCK (g_rw_lock_writer_trylock, GRWLock)
UNLOCK (g_rw_lock_writer_unlock, GRWLock)
LOCK (g_rw_lock_reader_lock, GRWLock)
TRYLOCK (g_rw_lock_reader_trylock, GRWLock)
UNLOCK (g_rw_lock_reader_unlock, GRWLock)

void
(g_cond_wait) (GCond *cond, GMutex *mutex)
{
  REAL (void, g_cond_wait, GCond *, GMutex *);
  release (mutex);
  real (cond, mutex);
  acquire (mutex);
}

gboolean
(g_cond_wait_until) (GCond *cond, GMutex *mutex, gint64 end_time)
{
  REAL (gboolean, g_cond_wait_until, GCond *, GMutex *, gint64);
  release (mutex);
  gboolean signalled = real (cond, mutex, end_time);
  acquire (mutex);
  return signalled;
}

gboolean
(g_once_init_enter) (volatile void *location)
{
  REAL (gboolean, g_once_init_enter, volatile void *);
  gboolean first = real (location);
  acquire ((gconstpointer) location);
  return first;
}

/* The quick way of g_once_init_enter() is an atomic load of the location, in
 * the program's own code: the sanitizer joins it with this. */
void
(g_once_init_leave) (volatile void *location, gsize result)
{
  REAL (void, g_once_init_leave, volatile void *, gsize);
  release ((gconstpointer) location);
  real (location, result);
}

/* ---- queues -------------------------------------------------------------- */

void
(g_async_queue_push) (GAsyncQueue *queue, gpointer data)
{
  REAL (void, g_async_queue_push, GAsyncQueue *, gpointer);
  release (queue);
  real (queue, data);
}

gpointer
(g_async_queue_pop) (GAsyncQueue *queue)
{
  REAL (gpointer, g_async_queue_pop, GAsyncQueue *);
  gpointer data = real (queue);
  acquire (queue);
  return data;
}

gpointer
(g_async_queue_try_pop) (GAsyncQueue *queue)
{
  REAL (gpointer, g_async_queue_try_pop, GAsyncQueue *);
  gpointer data = real (queue);
  acquire (queue);
  return data;
}

gpointer
(g_async_queue_timeout_pop) (GAsyncQueue *queue, guint64 timeout)
{
  REAL (gpointer, g_async_queue_timeout_pop, GAsyncQueue *, guint64);
  gpointer data = real (queue, timeout);
  acquire (queue);
  return data;
}

gboolean
(gst_bus_post) (GstBus *bus, GstMessage *message)
{
  REAL (gboolean, gst_bus_post, GstBus *, GstMessage *);
  release (bus);
  return real (bus, message);
}

GstMessage *
(gst_bus_timed_pop_filtered) (GstBus *bus, GstClockTime timeout,
    GstMessageType types)
{
  REAL (GstMessage *, gst_bus_timed_pop_filtered, GstBus *, GstClockTime,
      GstMessageType);
  GstMessage *message = real (bus, timeout, types);
  acquire (bus);
  return message;
}

/* Threads of GStreamer's tasks come from a pool of GLib's. */
typedef struct {
  GFunc fn;
  gpointer data;
} PoolWork;

static void
pool_work (gpointer item, gpointer data)
{
  const PoolWork *work = data;

  acquire (item);
  work->fn (item, work->data);
}

/* The few bytes of each pool are kept: there is one in a process. */
GThreadPool *
(g_thread_pool_new) (GFunc fn, gpointer data, gint max_threads,
    gboolean exclusive, GError **error)
{
  REAL (GThreadPool *, g_thread_pool_new, GFunc, gpointer, gint, gboolean,
      GError **);
  PoolWork *work = g_new (PoolWork, 1);

  *work = (PoolWork) { fn, data };
  return real (pool_work, work, max_threads, exclusive, error);
}

gboolean
(g_thread_pool_push) (GThreadPool *pool, gpointer item, GError **error)
{
  REAL (gboolean, g_thread_pool_push, GThreadPool *, gpointer, GError **);
  release (item);
  return real (pool, item, error);
}

/* ---- reference counts ------------------------------------------------------ */

#define REF(name, Type)                                                       \
  Type *(name) (Type *object)                                                 \
  {                                                                           \
    REAL (Type *, name, Type *);                                              \
    acquire (object);                                                         \
    return real (object);                                                     \
  }
#define UNREF(name, Type)                                                     \
  void (name) (Type *object)                                                  \
  {                                                                           \
    REAL (void, name, Type *);                                                \
    release (object);                                                         \
    acquire (object);                                                         \
    real (object);                                                            \
  }

REF (g_bytes_ref, GBytes)
UNREF (g_bytes_unref, GBytes)
REF (gst_mini_object_ref, GstMiniObject)
UNREF (gst_mini_object_unref, GstMiniObject)

gpointer
(g_object_ref) (gpointer object)
{
  REAL (gpointer, g_object_ref, gpointer);
  acquire (object);
  return real (object);
}

void
(g_object_unref) (gpointer object)
{
  REAL (void, g_object_unref, gpointer);
  release (object);
  acquire (object);
  real (object);
}
