/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnmetas.h - all metas in one include.
 */
#ifndef GST_DELTA_CNN_METAS_H
#define GST_DELTA_CNN_METAS_H

#include "gstdeltacnnclassmeta.h"
#include "gstdeltacnndetectionmeta.h"
#include "gstdeltacnnmotionmeta.h"
#include "gstdeltacnnpicturemeta.h"
#include "gstdeltacnnposemeta.h"
#include "gstdeltacnnsegmentationmeta.h"
#include "gstdeltacnnstatsmeta.h"
#include "gstdeltacnntensormeta.h"
#include "gstdeltacnnupdatemeta.h"
#include "gstdeltacnnvaluemeta.h"

#endif
