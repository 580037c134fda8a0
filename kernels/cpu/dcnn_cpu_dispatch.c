/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cpu_dispatch.c - which instruction set level runs: the ladder of
 * tables, what the machine can do, and DELTACNN_ISA.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_table.h"
#include "prepared.h"

/* The build says which levels it contains (DCNN_HAVE_AVX2 ...). */
static const DcnnCpuKernels *const tables[DCNN_LEVEL_COUNT] = {
  [DCNN_LEVEL_C] = &dcnn_cpu_table__c,
#ifdef DCNN_HAVE_AVX2
  [DCNN_LEVEL_AVX2] = &dcnn_cpu_table__avx2,
#endif
#ifdef DCNN_HAVE_AVX512
  [DCNN_LEVEL_AVX512] = &dcnn_cpu_table__avx512,
#endif
};

/* Levels are asked for in order, so a level may rely on the ones below. */
static bool
level_runs (DcnnIsa level)
{
#if defined DCNN_HAVE_AVX2 || defined DCNN_HAVE_AVX512
  __builtin_cpu_init ();
  if (level == DCNN_LEVEL_AVX2)
    return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma") &&
        __builtin_cpu_supports ("bmi2") && __builtin_cpu_supports ("popcnt");
  if (level == DCNN_LEVEL_AVX512)
    return level_runs (DCNN_LEVEL_AVX2) && __builtin_cpu_supports ("avx512f") &&
        __builtin_cpu_supports ("avx512bw") &&
        __builtin_cpu_supports ("avx512vl") &&
        __builtin_cpu_supports ("avx512dq");
#endif
  return level == DCNN_LEVEL_C;
}

const DcnnCpuKernels *
dcnn_cpu_kernels_at (unsigned i)
{
  if (i >= DCNN_LEVEL_COUNT || !tables[i] || !level_runs ((DcnnIsa) i))
    return NULL;
  return tables[i];
}

static DcnnIsa
choose_level (void)
{
  const char *wanted = getenv ("DELTACNN_ISA");
  DcnnIsa best = DCNN_LEVEL_C;

  for (unsigned i = 0; i < DCNN_LEVEL_COUNT; i++) {
    const DcnnCpuKernels *table = dcnn_cpu_kernels_at (i);
    if (!table)
      break;
    best = (DcnnIsa) i;
    if (wanted && strcmp (wanted, table->isa) == 0)
      break;
  }
  return best;
}

/* Racing threads choose the same level. */
static DcnnIsa
chosen_level (void)
{
  static _Atomic int chosen = -1;
  int level = atomic_load_explicit (&chosen, memory_order_relaxed);

  if (level < 0) {
    level = (int) choose_level ();
    atomic_store_explicit (&chosen, level, memory_order_relaxed);
  }
  return (DcnnIsa) level;
}

const DcnnCpuKernels *
dcnn_cpu_kernels (void)
{
  return tables[chosen_level ()];
}

static atomic_bool all_levels;

void
dcnn_cpu_prepare_all_levels (void)
{
  atomic_store (&all_levels, true);
}

bool
dcnn_cpu_level_wanted (DcnnIsa level)
{
  if (atomic_load (&all_levels))
    return dcnn_cpu_kernels_at (level) != NULL;
  return level == chosen_level ();
}

/* ---- prepared operators ------------------------------------------------ */
