/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnlog.c - the debug category of deltacnn, for all of its files.
 */
#include "gstdeltacnn.h"

GstDebugCategory *gst_delta_cnn_debug;
