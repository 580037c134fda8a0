/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tail_rows.c - which rows of dense tensors are new.
 */
#include "dcnn_tail.h"

#include <string.h>

gsize
dcnn_tensor_rows (const DcnnTensor *t)
{
  gsize length = dcnn_tail_row_length (t);

  return length > 0 ? (gsize) dcnn_tensor_count (t) / length : 0;
}

gboolean
dcnn_forget_rows (DcnnStream *stream, gint tensor)
{
  guint8 *rows = stream->cpu->tensor_rows ? stream->cpu->tensor_rows[tensor] :
      NULL;

  if (rows)
    memset (rows, 0, dcnn_tensor_rows (&stream->cpu->tensors[tensor]));
  return rows != NULL;
}

void
dcnn_mark_rows (DcnnStream *stream, gint tensor, gint64 from, gint64 to)
{
  guint8 *rows = stream->cpu->tensor_rows ? stream->cpu->tensor_rows[tensor] :
      NULL;

  if (rows == NULL)
    return;
  if (from == 0 && to < 0)
    to = (gint64) dcnn_tensor_rows (&stream->cpu->tensors[tensor]) - 1;
  memset (rows + from, 1, (gsize) (to - from + 1));
}

void
dcnn_tail_list_rows (TailRun *run, guint32 follow, gboolean all)
{
  gsize rows = dcnn_tensor_rows (run->out);
  guint32 *list = run->session->cpu->tail_rows;

  run->n_rows = 0;
  for (gsize r = 0; r < rows; r++) {
    gboolean wanted = all;
    for (int i = 0; i < run->gn->n_inputs && !wanted; i++)
      wanted = (follow >> i & 1) && run->index[i] >= 0 &&
          run->stream->cpu->tensor_changed[run->index[i]] &&
          run->stream->cpu->tensor_rows[run->index[i]][r];
    if (wanted)
      list[run->n_rows++] = (guint32) r;
  }
  run->rows = list;
}

void
dcnn_tail_share_out (TailRun *run, gsize cost_of_row, DcnnPoolFn fn)
{
  dcnn_run_parallel (run->session, run->n_rows,
      MAX (24, (run->n_rows / (run->session->threads * 4) + 23) / 24 * 24),
      run->n_rows * cost_of_row, fn, run);
}
