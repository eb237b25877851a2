// Batch normalisation of maps (images, channels, places): sums over a channel, and scaling of its numbers.
//
// Sums: one block does one run of places (see sums.cuh); its two results go to sums (2, images, channels, runs).
// The rest: one thread does one number, `blocks` blocks do one map.

#include "sums.cuh"

__device__ __forceinline__ void write_sums(double* sums, double first, double second) {
  write_sum(sums, first);
  write_sum(sums + gridDim.x, second);
}

// Whether the ReLU behind the normalisation lets a gradient through: where scale * x + shift is positive.
__device__ __forceinline__ bool passes(float x, float scale, float shift) { return x * scale + shift > 0; }

// Sums of x and of its squares.
extern "C" __global__ void moments(const float* __restrict__ x, double* __restrict__ sums, int channels, int places,
                                   int runs) {
  const Run run = run_of(blockIdx.x, channels, places, runs);
  double sum = 0, squares = 0;
#pragma unroll 4
  for (int i = run.begin + threadIdx.x; i < run.end; i += THREADS) {
    const double value = x[run.map + i];
    sum += value;
    squares += value * value;
  }
  write_sums(sums, sum, squares);
}

// Sums of dy and of dy * (x - mean); with `relu`, of the dy that it lets through.
extern "C" __global__ void gradient_sums(const float* __restrict__ dy, const float* __restrict__ x,
                                         const double* __restrict__ mean, int relu, const float* __restrict__ scale,
                                         const float* __restrict__ shift, double* __restrict__ sums, int channels,
                                         int places, int runs) {
  const Run run = run_of(blockIdx.x, channels, places, runs);
  const double center = mean[run.channel];
  double sum_dy = 0, sum_dy_x = 0;
#pragma unroll 4
  for (int i = run.begin + threadIdx.x; i < run.end; i += THREADS) {
    const float value = x[run.map + i];
    if (relu && !passes(value, scale[run.channel], shift[run.channel])) continue;
    const double gradient = dy[run.map + i];
    sum_dy += gradient;
    sum_dy_x += gradient * (value - center);
  }
  write_sums(sums, sum_dy, sum_dy_x);
}

// y = max(scale * x + shift, low).
extern "C" __global__ void scale_shift(const float* __restrict__ x, const float* __restrict__ scale,
                                       const float* __restrict__ shift, float low, float* __restrict__ y,
                                       int channels, int places, unsigned blocks) {
  const unsigned map = blockIdx.x / blocks, channel = map % channels;
  const int place = blockIdx.x % blocks * blockDim.x + threadIdx.x;
  if (place >= places) return;
  const long long i = (long long)map * places + place;
  const float value = x[i] * scale[channel] + shift[channel];
  y[i] = value < low ? low : value;  // NaN stays NaN
}

// dx = dy_factor * dy + x_factor * x + offset; with `relu`, of the dy that it lets through.
extern "C" __global__ void combine(const float* __restrict__ dy, const float* __restrict__ x,
                                   const float* __restrict__ dy_factor, const float* __restrict__ x_factor,
                                   const float* __restrict__ offset, int relu, const float* __restrict__ scale,
                                   const float* __restrict__ shift, float* __restrict__ dx, int channels, int places,
                                   unsigned blocks) {
  const unsigned map = blockIdx.x / blocks, channel = map % channels;
  const int place = blockIdx.x % blocks * blockDim.x + threadIdx.x;
  if (place >= places) return;
  const long long i = (long long)map * places + place;
  const bool kept = !relu || passes(x[i], scale[channel], shift[channel]);
  const float gradient = kept ? dy[i] : 0.0f;
  dx[i] = gradient * dy_factor[channel] + x[i] * x_factor[channel] + offset[channel];
}
