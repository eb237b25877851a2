// The gradients of a ReLU and of a bias, of maps (images, channels, places).
//
// One block does one run of places; its threads go over it side by side. What it finds goes to sums (images,
// channels, runs).

#include "sums.cuh"

// dx = dy where y is positive, 0 elsewhere; and its sums.
extern "C" __global__ void relu_gradient(const float* __restrict__ dy, const float* __restrict__ y,
                                         float* __restrict__ dx, double* __restrict__ sums, int channels, int places,
                                         int runs) {
  const Run run = run_of(blockIdx.x, channels, places, runs);
  double sum = 0;
#pragma unroll 4
  for (int i = run.begin + threadIdx.x; i < run.end; i += THREADS) {
    const float gradient = dy[run.map + i], value = y[run.map + i] > 0 ? gradient : 0.0f;
    dx[run.map + i] = value;
    sum += value;
  }
  write_sum(sums, sum);
}

// The sums of dy.
extern "C" __global__ void bias_gradient(const float* __restrict__ dy, double* __restrict__ sums, int channels,
                                         int places, int runs) {
  const Run run = run_of(blockIdx.x, channels, places, runs);
  double sum = 0;
#pragma unroll 4
  for (int i = run.begin + threadIdx.x; i < run.end; i += THREADS) sum += dy[run.map + i];
  write_sum(sums, sum);
}
