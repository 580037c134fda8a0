/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_modelinfo_influence.h - reads the group [influence] of a descriptor.
 *
 * For: dcnn_modelinfo.c. Not public.
 */
#ifndef DCNN_MODELINFO_INFLUENCE_H
#define DCNN_MODELINFO_INFLUENCE_H

#include "dcnn_keys.h"
#include "deltacnn/modelinfo.h"

G_BEGIN_DECLS

/* Sets *influence to a new table as DcnnSessionOptions.influence takes it, or
 * leaves it when there is no such group. */
gboolean dcnn_influence_read (const DcnnKeys *keys, GHashTable **influence,
    GError **error);

G_END_DECLS

#endif
