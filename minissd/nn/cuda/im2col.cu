// Patches into columns and back, for convolution as matrix products.
//
// Columns are (channels * kernel * kernel, images, places): row (c * kernel + i) * kernel + j holds what the weight
// at (c, i, j) is multiplied with, for every output place. The steps from row to row and from image to image are
// arguments, so that (images, channels * kernel * kernel, places) is possible too.

// One thread copies the patch under one output place, of one channel. Neighbouring threads have neighbouring places,
// so the writes of a warp are whole lines of memory.
extern "C" __global__ void im2col(const float* __restrict__ x, float* __restrict__ columns, long long row_step,
                                  long long image_step, int channels, int height, int width, int kernel, int stride,
                                  int padding, int dilation, int out_height, int out_width, unsigned count) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const int places = out_height * out_width, place = index % places;
  const unsigned map = index / places;
  const int channel = map % channels, image = map / channels;
  const int top = place / out_width * stride - padding, left = place % out_width * stride - padding;
  const float* source = x + (long long)map * height * width;
  float* target = columns + (long long)channel * kernel * kernel * row_step + image * image_step + place;
  for (int i = 0; i < kernel; i++) {
    const int row = top + i * dilation;
    for (int j = 0; j < kernel; j++) {
      const int column = left + j * dilation;
      const bool inside = row >= 0 && row < height && column >= 0 && column < width;
      *target = inside ? source[(long long)row * width + column] : 0.0f;
      target += row_step;
    }
  }
}

// The transpose: one thread gathers all that belongs to one input place, so no two write to the same number.
extern "C" __global__ void col2im(const float* __restrict__ columns, float* __restrict__ dx, long long row_step,
                                  long long image_step, int channels, int height, int width, int kernel, int stride,
                                  int padding, int dilation, int out_height, int out_width, unsigned count) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const int places = height * width, place = index % places;
  const unsigned map = index / places;
  const int channel = map % channels, image = map / channels;
  const int row = place / width + padding, column = place % width + padding;
  const float* source = columns + (long long)channel * kernel * kernel * row_step + image * image_step;
  float sum = 0;
  for (int i = 0; i < kernel; i++) {
    const int down = row - i * dilation, out_row = down / stride;
    const bool row_hit = down >= 0 && down % stride == 0 && out_row < out_height;
    for (int j = 0; j < kernel; j++) {
      const int right = column - j * dilation, out_column = right / stride;
      if (row_hit && right >= 0 && right % stride == 0 && out_column < out_width)
        sum += source[out_row * out_width + out_column];
      source += row_step;
    }
  }
  dx[(long long)map * places + place] = sum;
}

// y (images, channels, places) = max(products + bias, low), where the products may lie in another order, or be y
// itself. One thread does one number. Without a bias, `bias` is not read.
extern "C" __global__ void add_bias(const float* products, const float* __restrict__ bias, int has_bias, float low,
                                    float* y, long long channel_step, long long image_step, int channels, int places,
                                    unsigned blocks) {
  const unsigned map = blockIdx.x / blocks;
  const int channel = map % channels, image = map / channels;
  const int place = blockIdx.x % blocks * blockDim.x + threadIdx.x;
  if (place >= places) return;
  const float value = products[channel * channel_step + image * image_step + place] + (has_bias ? bias[channel] : 0);
  y[(long long)map * places + place] = value < low ? low : value;  // NaN stays NaN
}
