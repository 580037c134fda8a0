/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_shift.cu - what is stored, after the window has moved: in place.
 *
 * Pixel p becomes what pixel p + d was, so pixels form chains of steps d that
 * have nothing to do with each other: a thread takes a unit of one from the end
 * that leaves the view to the end where new pixels come in, which keeps what it
 * holds. No other memory, and nothing to wait for.
 */
#include "dcnn_cuda_device.cuh"

#define THREADS 256
#define BLOCKS 24      /* of a thing and stream */
#define AHEAD 4        /* units that a thread has asked for */
#define HELD 16        /* words of a mask that a thread has read */

/* By how many pixels a thing moves: FALSE, not at all. */
__device__ bool
shift_of (const DcnnCudaShift &t, const int32_t *move, int *dy, int *dx)
{
  if (t.stride[0] == 0 || t.stride[1] == 0)
    return false;
  *dy = move[0] / (int) t.stride[0];
  *dx = move[1] / (int) t.stride[1];
  return (*dy || *dx) && abs (*dy) < (int) t.height &&
      abs (*dx) < (int) t.width;
}

/* Units of a stream's thing, dx of them to a pixel's step along x. */
template<typename T>
__device__ void
shift_units (T *data, int height, int width, int dy, int dx)
{
  int rows = abs (dy), columns = abs (dx);
  int beside = (height - rows) * columns, starts = rows * width + beside;

  for (int i = blockIdx.x * THREADS + threadIdx.x; i < starts;
      i += gridDim.x * THREADS) {
    int y, x;
    if (i < beside) { /* in the rows that others of the thing move into */
      y = i / columns + (dy > 0 ? rows : 0);
      x = i % columns + (dx > 0 ? 0 : width - columns);
    } else {
      y = (i - beside) / width + (dy > 0 ? 0 : height - rows);
      x = (i - beside) % width;
    }
    int64_t at = (int64_t) y * width + x, step = (int64_t) dy * width + dx;
    for (bool more = true; more; ) {
      T held[AHEAD];
      int n = 0;
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        y += more ? dy : 0, x += more ? dx : 0;
        more = more && y >= 0 && y < height && x >= 0 && x < width;
        if (more)
          held[k] = data[at + (k + 1) * step];
        n += more;
      }
#pragma unroll
      for (int k = 0; k < AHEAD; k++)
        if (k < n)
          data[at + k * step] = held[k];
      at += AHEAD * step;
    }
  }
}

/* The bits of 8x8 pixels from (y, x) on, which may lie outside. */
__device__ uint64_t
bits_from (const uint64_t *words, int blocks_y, int blocks_x, int y, int x)
{
  int by = y >> 3, bx = x >> 3, ry = (y & 7) * 8, rx = x & 7;
  uint64_t side[2];

  for (int i = 0; i < 2; i++) {
    bool in = bx + i >= 0 && bx + i < blocks_x;
    uint64_t high = in && by >= 0 && by < blocks_y ?
        words[by * blocks_x + bx + i] : 0;
    uint64_t low = in && ry && by + 1 >= 0 && by + 1 < blocks_y ?
        words[(by + 1) * blocks_x + bx + i] : 0;
    side[i] = ry ? high >> ry | low << (64 - ry) : high;
  }
  uint64_t left = 0x0101010101010101ull * (0xffu >> rx);
  return (side[0] >> rx & left) | (rx ? side[1] << (8 - rx) & ~left : 0);
}

/* A mask, by one block: some rows of words at a time, in the order that reads
 * each before it is overwritten. */
__device__ void
shift_bits (uint64_t *words, int height, int width, int dy, int dx)
{
  int blocks_y = (height + 7) / 8, blocks_x = (width + 7) / 8;
  int band = max (1, THREADS * HELD / blocks_x);

  for (int i = 0; i < blocks_y; i += band) {
    int rows = min (band, blocks_y - i);
    int first = (dy >= 0 ? i : blocks_y - i - rows) * blocks_x;
    uint64_t held[HELD];
#pragma unroll
    for (int k = 0; k < HELD; k++) {
      int w = first + k * THREADS + (int) threadIdx.x;
      if (k * THREADS + (int) threadIdx.x < rows * blocks_x)
        held[k] = bits_from (words, blocks_y, blocks_x,
            w / blocks_x * 8 + dy, w % blocks_x * 8 + dx);
    }
    __syncthreads ();
#pragma unroll
    for (int k = 0; k < HELD; k++)
      if (k * THREADS + (int) threadIdx.x < rows * blocks_x)
        words[first + k * THREADS + threadIdx.x] = held[k];
    __syncthreads ();
  }
}

/* Computes: every thing of every stream that moved. Reads and writes what was
 * in view. Cost: bytes of the things, twice. */
__global__ void __launch_bounds__ (THREADS)
shift_kernel (const DcnnCudaShift *things, const int32_t *moves)
{
  const DcnnCudaShift t = things[blockIdx.y];
  uint32_t s = blockIdx.z;
  char *data = static_cast<char *> (t.data) + s * t.stream;
  int dy, dx;

  if (!shift_of (t, moves + 2 * s, &dy, &dx))
    return;
  if (t.unit == 0) {
    if (blockIdx.x == 0)
      shift_bits (reinterpret_cast<uint64_t *> (data), (int) t.height,
          (int) t.width, dy, dx);
    return;
  }
  int units = (int) (t.pixel / t.unit);
  if (t.unit == 16)
    shift_units (reinterpret_cast<uint4 *> (data), (int) t.height,
        (int) t.width * units, dy, dx * units);
  else
    shift_units (reinterpret_cast<uint8_t *> (data), (int) t.height,
        (int) t.width * units, dy, dx * units);
}

cudaError_t
dcnn_cuda_shift (const DcnnCudaShift *things, uint32_t n, uint32_t n_streams,
    const int32_t *moves, cudaStream_t queue)
{
  void *arguments[] = { &things, &moves };

  return dcnn_cuda_launch ((const void *) shift_kernel,
      dim3 (BLOCKS, n, n_streams), THREADS, 0, 1, arguments,
      DcnnCudaQueue { queue, NULL, false });
}
