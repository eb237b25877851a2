// L2 normalisation of the channels at every place of maps (images, channels, places).
//
// In `forward` and `backward` a block of 32 x GROUPS threads does 32 neighbouring places of one image: threadIdx.x
// is the place, and the channels are shared out among the threadIdx.y, whose sums are put together in shared memory.
// `blocks` blocks do one image.

#include "sums.cuh"

constexpr int LANES = 32, GROUPS = 16;  // threads along the places and along the channels

// Sum over the threads that share a place, in the same order every time.
__device__ __forceinline__ float sum_of_groups(float value) {
  __shared__ float parts[GROUPS][LANES];
  parts[threadIdx.y][threadIdx.x] = value;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int group = 0; group < GROUPS; group++) sum += parts[group][threadIdx.x];
  return sum;
}

// y = weight * x / norm, norm = sqrt(sum of squares + eps).
extern "C" __global__ void __launch_bounds__(LANES* GROUPS)
    forward(const float* __restrict__ x, const float* __restrict__ weight, float eps, float* __restrict__ y,
            float* __restrict__ norm, int channels, int places, unsigned blocks) {
  const int place = blockIdx.x % blocks * LANES + threadIdx.x;
  const long long image = blockIdx.x / blocks, start = image * channels * places + place;
  float squares = 0;
  if (place < places)
#pragma unroll 4
    for (int c = threadIdx.y; c < channels; c += GROUPS) {
      const float value = x[start + (long long)c * places];
      squares += value * value;
    }
  const float length = sqrtf(sum_of_groups(squares) + eps), inverse = 1.0f / length;
  if (place >= places) return;
  if (threadIdx.y == 0) norm[image * places + place] = length;
#pragma unroll 4
  for (int c = threadIdx.y; c < channels; c += GROUPS) {
    const long long i = start + (long long)c * places;
    y[i] = x[i] * inverse * weight[c];
  }
}

// dx = (g - u (u . g)) / norm with u = x / norm and g = weight * dy.
extern "C" __global__ void __launch_bounds__(LANES* GROUPS)
    backward(const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ norm,
             const float* __restrict__ weight, float* __restrict__ dx, int channels, int places, unsigned blocks) {
  const int place = blockIdx.x % blocks * LANES + threadIdx.x;
  const long long image = blockIdx.x / blocks, start = image * channels * places + place;
  const float inverse = place < places ? 1.0f / norm[image * places + place] : 0.0f;
  float along = 0;
  if (place < places)
#pragma unroll 4
    for (int c = threadIdx.y; c < channels; c += GROUPS) {
      const long long i = start + (long long)c * places;
      along += x[i] * inverse * dy[i] * weight[c];
    }
  along = sum_of_groups(along);
  if (place >= places) return;
#pragma unroll 4
  for (int c = threadIdx.y; c < channels; c += GROUPS) {
    const long long i = start + (long long)c * places;
    dx[i] = (dy[i] * weight[c] - x[i] * inverse * along) * inverse;
  }
}

// The sums of dy * x / norm, for the gradient of the weight: one block does one run (see sums.cuh).
extern "C" __global__ void weight_gradient(const float* __restrict__ dy, const float* __restrict__ x,
                                           const float* __restrict__ norm, double* __restrict__ sums, int channels,
                                           int places, int runs) {
  const Run run = run_of(blockIdx.x, channels, places, runs);
  const float* lengths = norm + (long long)run.image * places;
  double sum = 0;
#pragma unroll 4
  for (int i = run.begin + threadIdx.x; i < run.end; i += THREADS)
    sum += dy[run.map + i] * (x[run.map + i] / lengths[i]);
  write_sum(sums, sum);
}
