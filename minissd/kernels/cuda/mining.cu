// Hard negative mining; mining.py calls it.

#include "selection.cuh"

// Mark the `counts[n]` largest candidates of row n, of equal values the first; all if there are no more.
//
//   values, candidates, marked  (N, P)
//   counts                      (N,)
//
// Block n is row n; its threads take turns at the row's numbers.
extern "C" __global__ void largest(const float* values, const bool* candidates, const long long* counts,
                                   bool* marked, long long size) {
  const long long row = blockIdx.x * size;
  auto key_at = [=](long long i) {
    return candidates[row + i] ? key_of(values[row + i], unsigned(i)) : NO_KEY;
  };
  const Key bound = bound_of_best(key_at, size, int(min(counts[blockIdx.x], size)));
  for (long long i = threadIdx.x; i < size; i += blockDim.x) marked[row + i] = key_at(i) < bound;
}
