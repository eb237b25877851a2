// Max pooling of maps (images * channels, height, width). `blocks` blocks of threads do one map; neighbouring threads
// have neighbouring places of it.
//
// Defines: KERNEL, side of a window; STRIDE, step from window to window; PADDING. With them known, the compiler can
// unroll all loops.

// y: the largest value of every window; winner: its place in the window, row by row, the first of equal ones. NaN
// is larger than nothing, so it never wins. One thread does one window.
extern "C" __global__ void pool(const float* __restrict__ x, float* __restrict__ y, unsigned char* __restrict__ winner,
                                int height, int width, int out_height, int out_width, unsigned blocks) {
  const int place = blockIdx.x % blocks * blockDim.x + threadIdx.x;
  if (place >= out_height * out_width) return;
  const long long map = blockIdx.x / blocks;
  const int top = place / out_width * STRIDE - PADDING, left = place % out_width * STRIDE - PADDING;
  const float* source = x + map * height * width;
  const float lowest = __int_as_float(0xff800000);  // -infinity
  float best = lowest;
  int place_of_best = max(0, -top) * KERNEL + max(0, -left);  // the first one on the map
  for (int i = 0; i < KERNEL; i++)
    for (int j = 0; j < KERNEL; j++) {
      const int row = top + i, column = left + j;
      const bool inside = row >= 0 && row < height && column >= 0 && column < width;
      const float value = inside ? source[(long long)row * width + column] : lowest;
      if (value > best) {
        best = value;
        place_of_best = i * KERNEL + j;
      }
    }
  const long long target = map * out_height * out_width + place;
  y[target] = best;
  winner[target] = place_of_best;
}

// dx: to every place the gradients of all windows that it has won.
//
// One thread does a square of STRIDE x STRIDE places, those from the corner of window (r, q) on; there are `across`
// squares in a row. Row i of the square is row i + k * STRIDE of window r - k, while that is less than KERNEL.
extern "C" __global__ void unpool(const float* __restrict__ dy, const unsigned char* __restrict__ winner,
                                  float* __restrict__ dx, int height, int width, int out_height, int out_width,
                                  int across, unsigned blocks) {
  constexpr int MOST = (KERNEL - 1) / STRIDE;
  const int square = blockIdx.x % blocks * blockDim.x + threadIdx.x, r = square / across, q = square % across;
  const long long map = blockIdx.x / blocks, start = map * out_height * out_width;
  for (int i = 0; i < STRIDE; i++)
    for (int j = 0; j < STRIDE; j++) {
      const int row = r * STRIDE + i - PADDING, column = q * STRIDE + j - PADDING;
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      float sum = 0;
      for (int k = MOST; k >= 0; k--)
        for (int l = MOST; l >= 0; l--) {
          const int i_of_window = i + k * STRIDE, j_of_window = j + l * STRIDE;
          if (i_of_window >= KERNEL || j_of_window >= KERNEL) continue;
          if (r < k || r - k >= out_height || q < l || q - l >= out_width) continue;
          const long long window = start + (long long)(r - k) * out_width + q - l;
          const float gradient = dy[window];  // read without waiting for the winner
          sum += winner[window] == i_of_window * KERNEL + j_of_window ? gradient : 0.0f;
        }
      dx[(map * height + row) * width + column] = sum;
    }
}
