/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_switches.h - internal: the environment's switches of the backend cuda, for
 * tests and to measure. None changes what a map holds, but for tf32. Not for users:
 * what is best is what is on.
 */
#ifndef DCNN_ENGINE_CUDA_SWITCHES_H
#define DCNN_ENGINE_CUDA_SWITCHES_H

#include <glib.h>

G_BEGIN_DECLS

/* As they were when a session, or a model's weights, were made. */
typedef struct CudaSwitches {
  gboolean early;          /* DELTACNN_CUDA_EARLY=0: FALSE. Nodes that need no list of
                              their own to begin have it made by their launch */
  gboolean whole;          /* DELTACNN_CUDA_WHOLE=0: FALSE. Frames that are dense in all
                              streams have a graph of whole maps */
  gint squares;            /* DELTACNN_CUDA_SQUARES=0: none; 1: all sessions, frames and
                              convolutions that can go by them; -1: as it is */
  gint longs;              /* DELTACNN_CUDA_LONG=0: none; 1: all convolutions that can
                              go by longer lists; -1: as it is */
  gint exits;              /* DELTACNN_CUDA_EXITS=N: at least N launches from one place
                              where a frame may end to the next; 0: none; -1: as it
                              is */
  gint level;              /* set by tests: the graph that every frame takes, if it
                              may; -1: chosen by the work */
  gboolean wide;           /* DELTACNN_CUDA_WIDE: wide tiles for lists of any length */
  guint small_kib;         /* DELTACNN_CUDA_SMALL=N: as on a device without clusters
                              and whole maps, with N KiB of shared memory
                              (99 where N is under 64); 0: as it is */
  gboolean tf32;           /* DELTACNN_CUDA_TF32: floats on tensor cores, rounded */
  gboolean times;          /* DELTACNN_CUDA_TIMES: nodes one after the other, and
                              DcnnNodeStats.time_ns (of stream 0) is the device's time
                              of each */
  gboolean dump;           /* DELTACNN_CUDA_DUMP: what each graph launches, on standard
                              error */
} CudaSwitches;

void dcnn_cuda_read_switches (CudaSwitches *self);

G_END_DECLS

#endif
