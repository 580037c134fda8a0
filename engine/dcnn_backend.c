/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_backend.c - which backend a device's name means, and which can run a
 * model.
 */
#include "dcnn_engine.h"

#include <string.h>

static const struct {
  const DcnnBackend *table;
  const char *name;
  gboolean automatic;
  const char *what;
} backends[] = {
#define DCNN_BACKEND(symbol, automatic, description)                           \
  { &dcnn_backend_##symbol, #symbol, automatic, description },
#include "backends.def"
#undef DCNN_BACKEND
};

gboolean
dcnn_backend_accepts (const DcnnBackend *backend, const DcnnPlan *plan,
    const DcnnSessionOptions *options, GError **error)
{
  if (plan->states->len == 0 || backend->keeps_states)
    return backend->accepts (plan, options, error);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "device=%s does not feed a network's states back; use device=cpu",
      backend->name);
  return FALSE;
}

const DcnnPlan *
dcnn_backend_plan (const DcnnBackend *backend, DcnnModel *model,
    DcnnPrecision precision, GError **error)
{
  PlanLayout layout = backend->layout (precision);

  return dcnn_model_plan (model, &layout, error);
}

/* It is asked about the plan as it would run it: what is a view in one layout
 * is a copy in another. */
static gboolean
may_run (const DcnnBackend *backend, gint index, DcnnModel *model,
    const DcnnSessionOptions *options, GError **error)
{
  const DcnnPlan *plan;

  if (!backend->available (index, error))
    return FALSE;
  if (model == NULL)
    return TRUE;
  plan = dcnn_backend_plan (backend, model, options->precision, error);
  return plan && dcnn_backend_accepts (backend, plan, options, error);
}

static void
pass_over (guint i, const GError *why_not, GString *why, gboolean *fell_back)
{
  g_string_append_printf (why, "%s%s: %s", why->len ? "\n" : "",
      backends[i].name, why_not->message);
  *fell_back |= backends[i].table->present == NULL ||
      backends[i].table->present ();
}

/* From the one with that number on. model NULL: any. index: the number of the
 * device, of those kinds that may be absent; becomes the one chosen. */
static const DcnnBackend *
best_backend (guint first, DcnnModel *model,
    const DcnnSessionOptions *options, gint *index, GString *why,
    gboolean *fell_back, GError **error)
{
  for (guint i = first; i < G_N_ELEMENTS (backends); i++) {
    g_autoptr (GError) refusal = NULL;
    gint number = backends[i].table->present ? *index : -1;
    if (!backends[i].automatic)
      continue;
    if (may_run (backends[i].table, number, model, options, &refusal)) {
      *index = number;
      return backends[i].table;
    }
    pass_over (i, refusal, why, fell_back);
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "no device can run this: %s", why->str);
  return NULL;
}

/* "" or ":3". */
static gboolean
parse_index (const char *text, gint *index)
{
  guint64 value;

  *index = -1;
  if (*text == '\0')
    return TRUE;
  if (*text != ':' ||
      !g_ascii_string_to_unsigned (text + 1, 10, 0, 255, &value, NULL))
    return FALSE;
  *index = (gint) value;
  return TRUE;
}

const DcnnBackend *
dcnn_backend_named (const char *device, gint *index, GError **error)
{
  g_autoptr (GString) names = g_string_new ("auto");
  const char *many = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    gsize length = strlen (backends[i].name);
    g_string_append_printf (names, ", %s", backends[i].name);
    many = many || backends[i].table->present == NULL ? many :
        backends[i].name;
    if (strncmp (device, backends[i].name, length) == 0 &&
        parse_index (device + length, index))
      return backends[i].table;
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "device=%s is none of %s; %s:1 and so on choose among several", device,
      names->str, many ? many : "NAME");
  return NULL;
}

/* What DELTACNN_DEVICE has in place of "auto"; NULL: nothing, or a device is
 * named. */
static const char *
wished_device (const char *device)
{
  const char *wish = g_getenv ("DELTACNN_DEVICE");

  return (device == NULL || strcmp (device, "auto") == 0) && wish && *wish ?
      wish : NULL;
}

/* Is the first that can to be taken? index: as in "auto:3". */
static gboolean
is_automatic (const char *device, gint *index)
{
  const char *wish = wished_device (device);

  device = wish ? wish : device;
  *index = -1;
  return device == NULL || (g_str_has_prefix (device, "auto") &&
      parse_index (device + 4, index));
}

static const DcnnBackend *
find (const char *device, DcnnModel *model,
    const DcnnSessionOptions *options, gint *index, GString *why,
    gboolean *fell_back, GError **error)
{
  const char *wish = wished_device (device);
  const DcnnBackend *backend;

  if (is_automatic (device, index))
    return best_backend (0, model, options, index, why, fell_back, error);
  backend = dcnn_backend_named (wish ? wish : device, index, error);
  if (backend && may_run (backend, *index, model, options, error))
    return backend;
  if (wish)
    g_prefix_error (error, "DELTACNN_DEVICE is %s: ", wish);
  return NULL;
}

/* The one with that name or "auto", without a model; it may fail to run here. */
static const DcnnBackend *
find_device (const char *device, gint *index, GError **error)
{
  g_autoptr (GString) why = g_string_new (NULL);
  gboolean fell_back = FALSE;

  return find (device, NULL, NULL, index, why, &fell_back, error);
}

const DcnnBackend *
dcnn_backend_choose (DcnnModel *model, const DcnnSessionOptions *options,
    gint *index, GString *why, gboolean *fell_back, GError **error)
{
  return find (options->device, model, options, index, why, fell_back, error);
}

const DcnnBackend *
dcnn_backend_choose_next (const DcnnBackend *backend, const GError *failure,
    DcnnModel *model, const DcnnSessionOptions *options, gint *index,
    GString *why, gboolean *fell_back, GError **error)
{
  guint i = 0;

  if (!is_automatic (options->device, index) || backend->present == NULL ||
      !g_error_matches (failure, DCNN_ERROR, DCNN_ERROR_DEVICE))
    return NULL;
  while (backends[i].table != backend)
    i++;
  pass_over (i, failure, why, fell_back);
  return best_backend (i + 1, model, options, index, why, fell_back, error);
}

/* ---- kinds ------------------------------------------------------------------------ */

static const DcnnDeviceKind *
all_kinds (void)
{
  static DcnnDeviceKind kinds[G_N_ELEMENTS (backends)];
  static gsize filled;

  if (g_once_init_enter (&filled)) {
    for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
      const DcnnBackend *table = backends[i].table;
      kinds[i] = (DcnnDeviceKind) { .name = backends[i].name,
        .what = backends[i].what, .automatic = backends[i].automatic,
        .gpu = table->present != NULL, .samples = table->samples,
        .regions = table->regions,
        .memories = table->memories | 1u << DCNN_MEMORY_HOST };
    }
    g_once_init_leave (&filled, 1);
  }
  return kinds;
}

const DcnnDeviceKind *
dcnn_device_kind (guint i)
{
  return i < G_N_ELEMENTS (backends) ? &all_kinds ()[i] : NULL;
}

static const DcnnDeviceKind *
kind_of (const DcnnBackend *backend)
{
  for (guint i = 0; backend && i < G_N_ELEMENTS (backends); i++)
    if (backends[i].table == backend)
      return dcnn_device_kind (i);
  return NULL;
}

const DcnnDeviceKind *
dcnn_device_named (const char *device)
{
  gint index;

  return device ? kind_of (dcnn_backend_named (device, &index, NULL)) : NULL;
}

const DcnnDeviceKind *
dcnn_device_which (const char *device, GError **error)
{
  gint index;

  return kind_of (find_device (device, &index, error));
}

const DcnnBackend *
dcnn_backend_predicts (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++)
    if (backends[i].table->predict)
      return backends[i].table;
  return NULL;
}

gboolean
dcnn_device_context (const char *device, gpointer *context, gint *index)
{
  const DcnnBackend *backend = find_device (device, index, NULL);

  *index = MAX (*index, 0);
  return backend && backend->context && backend->context (*index, context);
}

gboolean
dcnn_device_check (const char *device, GError **error)
{
  gint index;

  return find_device (device, &index, error) != NULL;
}
