// Winograd's F(m x m, 3x3): from maps to transformed tiles, and from products back to maps.
//
// A tile is a square of m x m outputs and the (m + 2) x (m + 2) inputs under it; with dilation d its places are d
// apart, and it lies on one of d x d interleaved maps. `Tiles` says where each tile begins. Transformed tiles are
// arrays of (parts, POINTS, channels, pitch): the number of point p, channel c and tile t of a part. `pitch` is a
// multiple of 32; tiles behind the last are 0.
//
// In every kernel over tiles one thread does one tile of one channel, with all its numbers in registers.
// Neighbouring threads have neighbouring tiles, so the reads or writes of a warp are whole lines of memory.
//
// OUTPUT_SIDE: m, 4 or 6. The larger one has a fifth less to multiply and to move, and loses a digit.

#include "winograd_transforms.cuh"

constexpr int THREADS = 128, WARP = 32;  // threads of a block, and those that work in step

// Where tiles lie: `per_row` of them side by side on each of the interleaved maps, `per_column` one below the
// other; `images` maps of them in all.
struct Tiles {
  int images, per_column, per_row, dilation;
};

struct Place {
  int image, row, column;  // of the first output
};

__device__ __forceinline__ Place place_of(int tile, Tiles tiles) {
  const int columns = tiles.per_row * tiles.dilation, rows = tiles.per_column * tiles.dilation;
  const int column = tile % columns, rest = tile / columns, row = rest % rows, image = rest / rows;
  if (tiles.dilation == 1) return {image, row * OUTPUT_SIDE, column * OUTPUT_SIDE};  // without more divisions
  const int side = OUTPUT_SIDE * tiles.dilation;
  return {image, row / tiles.per_column + row % tiles.per_column * side,
          column / tiles.per_row + column % tiles.per_row * side};
}

// One thread's share of (parts, channels, pitch).
struct Share {
  int channel, tile;
  long long start;  // of point 0; the next points are `channels * pitch` apart
};

__device__ __forceinline__ Share share_of(unsigned index, int channels, int pitch, int first) {
  const unsigned lane = index % pitch, rest = index / pitch, part = rest / channels;
  const int channel = rest % channels;
  const long long points = (long long)part * POINTS * channels;
  return {channel, int(first + part * pitch + lane), (points + channel) * pitch + lane};
}

// Read a square of SIDE x SIDE places of a map, `step` apart; 0 outside the map.
template <int SIDE>
__device__ __forceinline__ void read_apart(const float* __restrict__ map, int height, int width, int top, int left,
                                           int step, float (&square)[SIDE][SIDE]) {
#pragma unroll
  for (int i = 0; i < SIDE; i++) {
    const int row = top + i * step;
    const bool row_inside = row >= 0 && row < height;
    const float* line = map + (long long)row * width;
#pragma unroll
    for (int j = 0; j < SIDE; j++) {
      const int column = left + j * step;
      square[i][j] = row_inside && column >= 0 && column < width ? line[column] : 0.0f;
    }
  }
}

// The same. Where the step is 1, the compiler knows all addresses from that of a row: up to a sixth fewer instructions.
template <int SIDE>
__device__ __forceinline__ void read_square(const float* __restrict__ map, int height, int width, int top, int left,
                                            int step, float (&square)[SIDE][SIDE]) {
  if (step == 1)
    read_apart(map, height, width, top, left, 1, square);
  else
    read_apart(map, height, width, top, left, step, square);
}

// Write a transformed tile, its numbers `step` apart.
__device__ __forceinline__ void write_points(const float (&square)[INPUT_SIDE][INPUT_SIDE], float* target,
                                             long long step) {
#pragma unroll
  for (int point = 0; point < POINTS; point++) target[point * step] = square[point / INPUT_SIDE][point % INPUT_SIDE];
}

// v = B^T d B of the inputs x (images, channels, height, width), which begin `padding` before the outputs.
extern "C" __global__ void __launch_bounds__(THREADS)
    transform_input(const float* __restrict__ x, float* __restrict__ v, int channels, int height, int width,
                    int padding, int images, int per_column, int per_row, int dilation, int first, int last,
                    int pitch, unsigned count) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const Share share = share_of(index, channels, pitch, first);
  const long long step = (long long)channels * pitch;
  float d[INPUT_SIDE][INPUT_SIDE] = {};
  if (share.tile < last) {
    const Place place = place_of(share.tile, {images, per_column, per_row, dilation});
    const float* map = x + ((long long)place.image * channels + share.channel) * height * width;
    read_square<INPUT_SIDE>(map, height, width, place.row - padding, place.column - padding, dilation, d);
  }
  constexpr float matrix[INPUT_SIDE][INPUT_SIDE] = INPUT_MATRIX;
  float result[INPUT_SIDE][INPUT_SIDE];
  transform(matrix, d, result);
  write_points(result, v + share.start, step);
}

// v = A d A^T of the gradients dy (images, channels, height, width) of the outputs.
extern "C" __global__ void __launch_bounds__(THREADS)
    transform_gradient(const float* __restrict__ dy, float* __restrict__ v, int channels, int height, int width,
                       int images, int per_column, int per_row, int dilation, int first, int last, int pitch,
                       unsigned count) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const Share share = share_of(index, channels, pitch, first);
  const long long step = (long long)channels * pitch;
  float d[OUTPUT_SIDE][OUTPUT_SIDE] = {};
  if (share.tile < last) {
    const Place place = place_of(share.tile, {images, per_column, per_row, dilation});
    const float* map = dy + ((long long)place.image * channels + share.channel) * height * width;
    read_square<OUTPUT_SIDE>(map, height, width, place.row, place.column, dilation, d);
  }
  constexpr float matrix[OUTPUT_SIDE][INPUT_SIDE] = OUTPUT_MATRIX;
  float result[INPUT_SIDE][INPUT_SIDE];
  transform_back(matrix, d, result);
  write_points(result, v + share.start, step);
}

// max(value, low), but NaN stays NaN.
__device__ __forceinline__ float at_least(float value, float low) { return value < low ? low : value; }

// square = max(A^T m A + bias, low) of the products m of one tile.
__device__ __forceinline__ void outputs_of(const float* __restrict__ m, long long step, float bias, float low,
                                           float (&square)[OUTPUT_SIDE][OUTPUT_SIDE]) {
  float products[INPUT_SIDE][INPUT_SIDE];
#pragma unroll
  for (int point = 0; point < POINTS; point++) products[point / INPUT_SIDE][point % INPUT_SIDE] = m[point * step];
  constexpr float matrix[OUTPUT_SIDE][INPUT_SIDE] = OUTPUT_MATRIX;
  transform(matrix, products, square);
#pragma unroll
  for (int i = 0; i < OUTPUT_SIDE; i++)
#pragma unroll
    for (int j = 0; j < OUTPUT_SIDE; j++) square[i][j] = at_least(square[i][j] + bias, low);
}

// The outputs y (images, channels, height, width) of the products m. Without a bias, `bias` is not read.
//
// The squares of a warp are 32 neighbours: they are written row by row, by way of shared memory, so that neighbouring
// threads write neighbouring places: number e of a row of 32 * m is column e % m of the square of thread e / m.
extern "C" __global__ void __launch_bounds__(THREADS)
    transform_output(const float* __restrict__ m, const float* __restrict__ bias, int has_bias, float low,
                     float* __restrict__ y, int channels, int height, int width, int images, int per_column,
                     int per_row, int dilation, int first, int last, int pitch, unsigned count) {
  __shared__ float squares[THREADS / WARP][OUTPUT_SIDE][WARP * OUTPUT_SIDE];
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x, all = 0xffffffffu;
  if (index >= count) return;  // a whole warp, because pitch is a multiple of 32
  const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const Share share = share_of(index, channels, pitch, first);
  float square[OUTPUT_SIDE][OUTPUT_SIDE];
  outputs_of(m + share.start, (long long)channels * pitch, has_bias ? bias[share.channel] : 0.0f, low, square);
#pragma unroll
  for (int i = 0; i < OUTPUT_SIDE; i++)
#pragma unroll
    for (int j = 0; j < OUTPUT_SIDE; j++) squares[warp][i][lane * OUTPUT_SIDE + j] = square[i][j];
  __syncwarp();

  const Place own = place_of(share.tile, {images, per_column, per_row, dilation});
  const int own_row = share.tile < last ? own.row : height;  // outside
  const long long own_map = ((long long)own.image * channels + share.channel) * height * width;
#pragma unroll
  for (int k = 0; k < OUTPUT_SIDE; k++) {
    const int number = k * WARP + lane, owner = number / OUTPUT_SIDE;
    const long long map = __shfl_sync(all, own_map, owner);
    const int row = __shfl_sync(all, own_row, owner);
    const int column = __shfl_sync(all, own.column, owner) + number % OUTPUT_SIDE * dilation;
#pragma unroll
    for (int i = 0; i < OUTPUT_SIDE; i++) {
      const int line = row + i * dilation;
      if (line < height && column < width) y[map + (long long)line * width + column] = squares[warp][i][number];
    }
  }
}

// The largest of every 2x2 of the outputs, (images, channels, pooled_height, pooled_width), where the
// dilation is 1. A tile begins at an even place, so no window is cut in two. Only a larger value takes a place: NaN is
// left out.
extern "C" __global__ void __launch_bounds__(THREADS)
    transform_output_pooled(const float* __restrict__ m, const float* __restrict__ bias, int has_bias, float low,
                            float* __restrict__ y, int channels, int height, int width, int pooled_height,
                            int pooled_width, int images, int per_column, int per_row, int dilation, int first,
                            int last, int pitch, unsigned count) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const Share share = share_of(index, channels, pitch, first);
  if (share.tile >= last) return;
  float square[OUTPUT_SIDE][OUTPUT_SIDE];
  outputs_of(m + share.start, (long long)channels * pitch, has_bias ? bias[share.channel] : 0.0f, low, square);
  const Place place = place_of(share.tile, {images, per_column, per_row, dilation});
  float* map = y + ((long long)place.image * channels + share.channel) * pooled_height * pooled_width;
#pragma unroll
  for (int i = 0; i < OUTPUT_SIDE; i += 2)
#pragma unroll
    for (int j = 0; j < OUTPUT_SIDE; j += 2) {
      const int row = (place.row + i) / 2, column = (place.column + j) / 2;
      if (row >= pooled_height || column >= pooled_width) continue;
      float best = __int_as_float(0xff800000);  // -infinity
#pragma unroll
      for (int k = 0; k < 4; k++) {
        const int r = i + k / 2, q = j + k % 2;
        const bool inside = place.row + r < height && place.column + q < width;
        if (inside && square[r][q] > best) best = square[r][q];
      }
      map[(long long)row * pooled_width + column] = best;
    }
}

// u = G g G^T of the weights (outputs * inputs, 3, 3), times a factor for every output, into (POINTS,
// outputs * inputs); with `rotated` of the weights turned by 180 degrees, as the gradient for the input needs them.
//
// One thread does one pair of an output and an input. `known` holds the weights that u was made from the last
// time; where they are the same still, u is left as it is.
extern "C" __global__ void __launch_bounds__(THREADS)
    transform_weight(const float* __restrict__ weight, const float* __restrict__ factors, int has_factors,
                     float* __restrict__ known, int has_known, float* __restrict__ u, int pairs, int inputs,
                     int rotated) {
  const int pair = blockIdx.x * blockDim.x + threadIdx.x;
  if (pair >= pairs) return;
  const float factor = has_factors ? factors[pair / inputs] : 1.0f;
  float g[3][3];
  bool changed = !has_known;
#pragma unroll
  for (int k = 0; k < TAPS; k++) {
    const long long place = (long long)pair * TAPS + k;
    const float value = weight[place] * factor;
    if (rotated)
      g[2 - k / 3][2 - k % 3] = value;
    else
      g[k / 3][k % 3] = value;
    if (has_known && __float_as_int(known[place]) != __float_as_int(value)) {
      known[place] = value;
      changed = true;
    }
  }
  if (!changed) return;
  constexpr float matrix[INPUT_SIDE][3] = WEIGHT_MATRIX;
  float result[INPUT_SIDE][INPUT_SIDE];
  transform(matrix, g, result);
  write_points(result, u + pair, pairs);
}

// The gradient G^T u G of the weights (outputs * inputs, 3, 3), from the gradients u (parts, POINTS, outputs * inputs)
// of the transformed weights, whose parts are added up. One thread does one pair of an output and an input.
extern "C" __global__ void __launch_bounds__(THREADS)
    transform_weight_gradient(const float* __restrict__ u, float* __restrict__ dweight, int parts, int pairs) {
  const int pair = blockIdx.x * blockDim.x + threadIdx.x;
  if (pair >= pairs) return;
  float sums[INPUT_SIDE][INPUT_SIDE] = {};
  for (int part = 0; part < parts; part++)
#pragma unroll
    for (int point = 0; point < POINTS; point++)
      sums[point / INPUT_SIDE][point % INPUT_SIDE] += u[((long long)part * POINTS + point) * pairs + pair];
  constexpr float matrix[INPUT_SIDE][3] = WEIGHT_MATRIX;
  float result[3][3];
  transform_back(matrix, sums, result);
#pragma unroll
  for (int k = 0; k < TAPS; k++) dweight[(long long)pair * TAPS + k] = result[k / 3][k % 3];
}
