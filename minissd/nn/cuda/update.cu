// Gradient descent, and sums of squares, for many arrays in one start.
//
// The arrays are cut into pieces of NUMBERS numbers, and one block does one piece. `pieces` (arrays + 1) says how
// many pieces come before each array; a block finds its array there by bisection.

#include "sums.cuh"

struct Piece {
  int array;
  long long begin, end;  // its numbers
};

__device__ __forceinline__ Piece piece_of(long long block, const long long* __restrict__ pieces,
                                          const long long* __restrict__ sizes, int arrays) {
  int low = 0, high = arrays - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (pieces[middle] <= block)
      low = middle;
    else
      high = middle - 1;
  }
  const long long begin = (block - pieces[low]) * NUMBERS;
  return {low, begin, min(begin + NUMBERS, sizes[low])};
}

// velocity = momentum * velocity + shrink * gradient + decay * parameter; parameter -= rate * velocity. The rows of
// `addresses` are the parameters, gradients and velocities, those of `rates` the rates and decays. `shrink` is
// multiplied by a number on the GPU where there is one.
extern "C" __global__ void descend(const long long* __restrict__ addresses, const long long* __restrict__ pieces,
                                   const long long* __restrict__ sizes, const float* __restrict__ rates, int arrays,
                                   float momentum, float shrink, const float* __restrict__ factor, int has_factor) {
  const Piece piece = piece_of(blockIdx.x, pieces, sizes, arrays);
  float* parameter = reinterpret_cast<float*>(addresses[piece.array]);
  const float* gradient = reinterpret_cast<const float*>(addresses[arrays + piece.array]);
  float* velocity = reinterpret_cast<float*>(addresses[2 * arrays + piece.array]);
  const float rate = rates[piece.array], decay = rates[arrays + piece.array];
  if (has_factor) shrink *= *factor;
  for (long long i = piece.begin + threadIdx.x; i < piece.end; i += THREADS) {
    const float w = parameter[i], v = velocity[i] * momentum + gradient[i] * shrink + w * decay;
    velocity[i] = v;
    parameter[i] = w - v * rate;
  }
}

// The sum of the squares of every piece.
extern "C" __global__ void sum_of_squares(const long long* __restrict__ addresses,
                                          const long long* __restrict__ pieces, const long long* __restrict__ sizes,
                                          int arrays, double* __restrict__ sums) {
  const Piece piece = piece_of(blockIdx.x, pieces, sizes, arrays);
  const float* numbers = reinterpret_cast<const float*>(addresses[piece.array]);
  double sum = 0;
  for (long long i = piece.begin + threadIdx.x; i < piece.end; i += THREADS) sum += double(numbers[i]) * numbers[i];
  write_sum(sums, sum);
}
