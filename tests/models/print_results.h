/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * print_results.h - a decoder's results as one line of JSON on stdout.
 */
#ifndef TESTS_PRINT_RESULTS_H
#define TESTS_PRINT_RESULTS_H

#include "deltacnn/decode.h"

void print_results (const DcnnResults *results);

#endif
