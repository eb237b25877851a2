// Max pooling of maps (images * channels, height, width) in windows of any size.
//
// One thread does one place of a map: of the output in `pool`, of the input in `unpool`. Neighbouring threads have
// neighbouring places. `blocks` blocks of threads do one map.

// y: the largest value of every window; winner: its place in the window, row by row, the first of equal ones. NaN
// is larger than nothing, so it never wins.
extern "C" __global__ void pool(const float* __restrict__ x, float* __restrict__ y, unsigned char* __restrict__ winner,
                                int height, int width, int out_height, int out_width, int kernel, int stride,
                                int padding, unsigned blocks) {
  const int place = blockIdx.x % blocks * blockDim.x + threadIdx.x;
  if (place >= out_height * out_width) return;
  const long long map = blockIdx.x / blocks;
  const int top = place / out_width * stride - padding, left = place % out_width * stride - padding;
  const float* source = x + map * height * width;
  float best = __int_as_float(0xff800000);                    // -infinity
  int place_of_best = max(0, -top) * kernel + max(0, -left);  // the first one on the map
  for (int i = max(0, -top); i < min(kernel, height - top); i++)
    for (int j = max(0, -left); j < min(kernel, width - left); j++) {
      const float value = source[(long long)(top + i) * width + left + j];
      if (value > best) {
        best = value;
        place_of_best = i * kernel + j;
      }
    }
  const long long target = map * out_height * out_width + place;
  y[target] = best;
  winner[target] = place_of_best;
}

// dx: to every place the gradients of all windows that it has won.
extern "C" __global__ void unpool(const float* __restrict__ dy, const unsigned char* __restrict__ winner,
                                  float* __restrict__ dx, int height, int width, int out_height, int out_width,
                                  int kernel, int stride, int padding, unsigned blocks) {
  const int place = blockIdx.x % blocks * blockDim.x + threadIdx.x;
  if (place >= height * width) return;
  const long long map = blockIdx.x / blocks, start = map * out_height * out_width;
  const int row = place / width + padding, column = place % width + padding;
  // A window r holds the row if r * stride <= row < r * stride + kernel.
  const int first_row = row < kernel ? 0 : (row - kernel) / stride + 1;
  const int first_column = column < kernel ? 0 : (column - kernel) / stride + 1;
  float sum = 0;
  for (int r = first_row; r < out_height && r * stride <= row; r++)
    for (int q = first_column; q < out_width && q * stride <= column; q++) {
      const long long window = start + r * out_width + q;
      if (winner[window] == (row - r * stride) * kernel + column - q * stride) sum += dy[window];
    }
  dx[map * height * width + place] = sum;
}
