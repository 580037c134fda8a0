/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
bool check_steps (Rng *rng) { (void) rng; return true; }
