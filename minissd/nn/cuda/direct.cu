// Convolution of few input channels, as the definition says it; made for the first layer.
//
// Defines: OUTPUTS, output channels of a thread (a multiple of 4); PLACES, output places of a thread.
//
// A block does blockDim.x * PLACES places of one image, and OUTPUTS channels. It keeps its weights in shared memory,
// from where all threads read the same four at a time; each is then used for PLACES places, each input for OUTPUTS
// channels. A thread's places are blockDim.x apart, so that neighbouring threads have neighbouring places.

constexpr int MOST_WEIGHTS = 64;  // of an output: channels * kernel * kernel

extern "C" __global__ void __launch_bounds__(128)
    convolve(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias,
             int has_bias, float low, float* __restrict__ y, int channels, int height, int width, int outputs,
             int kernel, int stride, int padding, int dilation, int out_height, int out_width, int blocks) {
  __shared__ float4 weights[MOST_WEIGHTS * OUTPUTS / 4];
  const int image = blockIdx.x / blocks, first_output = blockIdx.y * OUTPUTS, length = channels * kernel * kernel;
  for (int i = threadIdx.x; i < length * OUTPUTS; i += blockDim.x) {
    const int output = first_output + i % OUTPUTS;
    reinterpret_cast<float*>(weights)[i] = output < outputs ? weight[output * length + i / OUTPUTS] : 0.0f;
  }
  __syncthreads();

  const int first_place = blockIdx.x % blocks * blockDim.x * PLACES + threadIdx.x, places = out_height * out_width;
  int top[PLACES], left[PLACES];
#pragma unroll
  for (int p = 0; p < PLACES; p++) {
    const int place = first_place + p * blockDim.x;
    top[p] = place / out_width * stride - padding;
    left[p] = place % out_width * stride - padding;
  }
  float sums[PLACES][OUTPUTS] = {};
  const float4* next = weights;
  for (int c = 0; c < channels; c++) {
    const float* map = x + ((long long)image * channels + c) * height * width;
    for (int i = 0; i < kernel; i++)
      for (int j = 0; j < kernel; j++, next += OUTPUTS / 4) {
        float values[PLACES];
#pragma unroll
        for (int p = 0; p < PLACES; p++) {
          const int row = top[p] + i * dilation, column = left[p] + j * dilation;
          const bool inside = row >= 0 && row < height && column >= 0 && column < width;
          values[p] = inside ? map[(long long)row * width + column] : 0.0f;
        }
#pragma unroll
        for (int o = 0; o < OUTPUTS; o += 4) {
          const float4 w = next[o / 4];
#pragma unroll
          for (int p = 0; p < PLACES; p++) {
            sums[p][o] += values[p] * w.x;
            sums[p][o + 1] += values[p] * w.y;
            sums[p][o + 2] += values[p] * w.z;
            sums[p][o + 3] += values[p] * w.w;
          }
        }
      }
  }
#pragma unroll
  for (int o = 0; o < OUTPUTS; o++) {
    const int output = first_output + o;
    if (output >= outputs) break;
    const float offset = has_bias ? bias[output] : 0.0f;
    float* target = y + ((long long)image * outputs + output) * places;
#pragma unroll
    for (int p = 0; p < PLACES; p++) {
      const int place = first_place + p * blockDim.x;
      const float value = sums[p][o] + offset;
      if (place < places) target[place] = value < low ? low : value;  // NaN stays NaN
    }
  }
}
