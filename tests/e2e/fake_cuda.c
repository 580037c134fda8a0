/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fake_cuda.c - a libcuda.so.1 as an old driver's: there, and too old. */

#pragma GCC visibility push(default)
int cuInit (unsigned flags);
int cuDriverGetVersion (int *version);

int
cuInit (unsigned flags)
{
  return flags ? 1 : 0;
}

int
cuDriverGetVersion (int *version)
{
  *version = 11000;
  return 0;
}
