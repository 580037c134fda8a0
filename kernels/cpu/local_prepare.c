/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_prepare.c - parameters and tables of the primaries that are no
 * convolutions; one block each, read by every level.
 */
#include "local.h"

#include <string.h>

static DcnnLocal *
local_new (uint32_t channels, size_t table_bytes, char **tables)
{
  size_t head = DCNN_ALIGN64 (sizeof (DcnnLocal));
  DcnnLocal *local = dcnn_prepared_new (head + table_bytes);
  if (!local)
    return NULL;
  local->channels = channels;
  if (tables)
    *tables = (char *) local + head;
  return local;
}

/* Copies an array behind the tables made so far. */
static const void *
table_put (char **tables, const void *from, size_t bytes)
{
  void *at = *tables;
  if (from)
    memcpy (at, from, bytes);
  *tables += DCNN_ALIGN64 (bytes);
  return at;
}

DcnnPrepared *
dcnn_k_pool_prepare (const DcnnPoolParams *params, uint32_t channels)
{
  DcnnLocal *local = local_new (channels, 0, NULL);
  if (!local)
    return NULL;
  for (int d = 0; d < 2; d++) {
    local->kernel[d] = (int32_t) params->window.kernel[d];
    local->stride[d] = (int32_t) params->window.stride[d];
    local->dilation[d] = (int32_t) params->window.dilation[d];
    local->pad_begin[d] = (int32_t) params->window.pad_begin[d];
    local->pad_end[d] = (int32_t) params->window.pad_end[d];
  }
  local->count_pad = params->count_include_pad;
  return &local->base;
}

/* Splits the sources into runs; returns how many. runs NULL: only counts. */
static uint32_t
make_runs (uint32_t channels, const uint32_t *source, DcnnRun *runs)
{
  uint32_t n = 0, start = 0;
  for (uint32_t c = 1; c <= channels; c++) {
    uint32_t from = source[start];
    uint32_t next = from == UINT32_MAX ? UINT32_MAX : from + (c - start);
    if (c < channels && source[c] == next)
      continue;
    if (runs)
      runs[n] = (DcnnRun) { start, from, c - start };
    n++;
    start = c;
  }
  return n;
}

DcnnPrepared *
dcnn_k_copy_prepare (uint32_t channels, const uint32_t *source, float value)
{
  DcnnRun identity = { 0, 0, channels };
  uint32_t n = source ? make_runs (channels, source, NULL) : 1;
  char *tables;
  DcnnLocal *local = local_new (channels, DCNN_ALIGN64 (n * sizeof (DcnnRun))
      + DCNN_ALIGN64 (channels * sizeof *source), &tables);
  if (!local)
    return NULL;
  local->value = value;
  local->n_runs = n;
  local->gather = n > 2 && n > channels / 4;
  local->runs = table_put (&tables, source ? NULL : &identity,
      n * sizeof (DcnnRun));
  local->source = table_put (&tables, source, channels * sizeof *source);
  if (source)
    make_runs (channels, source, (DcnnRun *) (uintptr_t) local->runs);
  return &local->base;
}

DcnnPrepared *
dcnn_k_resample_prepare (uint32_t channels, uint32_t height,
    const uint32_t *source_y, uint32_t width, const uint32_t *source_x,
    float value)
{
  char *tables;
  DcnnLocal *local = local_new (channels, DCNN_ALIGN64 (4 * (size_t) height)
      + DCNN_ALIGN64 (4 * (size_t) width), &tables);
  if (!local)
    return NULL;
  local->value = value;
  local->index_y = table_put (&tables, source_y, 4 * (size_t) height);
  local->index_x = table_put (&tables, source_x, 4 * (size_t) width);
  return &local->base;
}

DcnnPrepared *
dcnn_k_resize_prepare (uint32_t channels, uint32_t height, uint32_t taps_y,
    const uint32_t *index_y, const float *weight_y, uint32_t width,
    uint32_t taps_x, const uint32_t *index_x, const float *weight_x)
{
  size_t n_y = 4 * (size_t) height * taps_y, n_x = 4 * (size_t) width * taps_x;
  char *tables;
  DcnnLocal *local = local_new (channels, 2 * (DCNN_ALIGN64 (n_y)
          + DCNN_ALIGN64 (n_x)), &tables);
  if (!local)
    return NULL;
  local->taps_y = taps_y;
  local->taps_x = taps_x;
  local->index_y = table_put (&tables, index_y, n_y);
  local->weight_y = table_put (&tables, weight_y, n_y);
  local->index_x = table_put (&tables, index_x, n_x);
  local->weight_x = table_put (&tables, weight_x, n_x);
  return &local->base;
}

DcnnPrepared *
dcnn_k_space_to_depth_prepare (uint32_t block, uint32_t in_channels)
{
  DcnnLocal *local = local_new (in_channels, 0, NULL);
  if (!local)
    return NULL;
  local->block = block;
  return &local->base;
}

DcnnPrepared *
dcnn_k_depth_to_space_prepare (const DcnnDepthParams *params,
    uint32_t out_channels)
{
  DcnnLocal *local = local_new (out_channels, 0, NULL);
  if (!local)
    return NULL;
  local->block = (uint32_t) params->block;
  local->crd = params->crd;
  return &local->base;
}

DcnnPrepared *
dcnn_k_softmax_prepare (uint32_t channels, bool log_form)
{
  DcnnLocal *local = local_new (channels, 0, NULL);
  if (!local)
    return NULL;
  local->flag = log_form;
  return &local->base;
}

DcnnPrepared *
dcnn_k_arg_max_prepare (uint32_t channels, bool select_last)
{
  DcnnLocal *local = local_new (channels, 0, NULL);
  if (!local)
    return NULL;
  local->flag = select_last;
  return &local->base;
}

DcnnPrepared *
dcnn_k_channel_reduce_prepare (uint32_t channels, DcnnChannelReduce kind)
{
  DcnnLocal *local = local_new (channels, 0, NULL);
  if (!local)
    return NULL;
  local->kind = kind;
  return &local->base;
}

DcnnPrepared *
dcnn_k_layer_norm_prepare (uint32_t channels, float epsilon,
    const float *scale, const float *bias)
{
  size_t room = DCNN_ALIGN64 (((size_t) channels + 16) * sizeof (float));
  char *tables;
  DcnnLocal *local = local_new (channels, 2 * room, &tables);
  if (!local)
    return NULL;
  float *own_scale = (float *) (void *) tables;
  float *own_bias = (float *) (void *) (tables + room);
  for (uint32_t c = 0; c < channels; c++) {
    own_scale[c] = scale ? scale[c] : 1.0f;
    own_bias[c] = bias ? bias[c] : 0.0f;
  }
  local->epsilon = epsilon;
  local->scale = own_scale;
  local->bias = own_bias;
  return &local->base;
}
