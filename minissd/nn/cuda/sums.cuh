// Sums over the threads of a block, and which numbers of a channel a block sums up.

// Threads of a block, as in source.py. A loop whose step is a constant can be unrolled even if its end is unknown: a
// thread then waits for several numbers at once.
constexpr int THREADS = 256;

// Sum over all threads of a block, in the same order every time; all threads receive it.
__device__ __forceinline__ double block_sum(double value) {
  __shared__ double parts[THREADS];
  __syncthreads();  // somebody may still read the parts of the sum before
  parts[threadIdx.x] = value;
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    __syncthreads();
  }
  return parts[0];
}

// Write the sum over all threads of a block to the block's place.
__device__ __forceinline__ void write_sum(double* sums, double value) {
  const double sum = block_sum(value);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// A block's share of the maps (images, channels, places): a run of places of one channel of one image. There are
// `runs` of them in a map; block b has run b % runs of map b / runs.
struct Run {
  int image, channel, begin, end;
  long long map;  // where the map begins
};

__device__ __forceinline__ Run run_of(unsigned block, int channels, int places, int runs) {
  const unsigned map = block / runs, run = block % runs;
  const int length = (places + runs - 1) / runs, begin = run * length;
  return {int(map / channels), int(map % channels), begin, min(begin + length, places), (long long)map * places};
}
