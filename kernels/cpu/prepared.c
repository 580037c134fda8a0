/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * prepared.c - how prepared operators are held: see prepared.h.
 */
#include "prepared.h"

#include <stdlib.h>
#include <string.h>

void *
dcnn_prepared_new (size_t bytes)
{
  DcnnPrepared *prepared = aligned_alloc (64, DCNN_ALIGN64 (bytes));

  if (!prepared)
    return NULL;
  memset (prepared, 0, DCNN_ALIGN64 (bytes));
  return prepared;
}

void
dcnn_prepared_free (DcnnPrepared *prepared)
{
  free (prepared);
}
