/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_version.c - see deltacnn/version.h.
 */
#include "deltacnn/version.h"

const char *
dcnn_version (void)
{
  return DCNN_VERSION;
}
