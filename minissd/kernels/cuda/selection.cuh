// The best of many numbers, found by a block of threads without sorting them.
//
// Each number becomes a key, a whole number of 64 bits: the better, the smaller, and no two keys are equal.
// So "the best 400, of equals the first" are simply the 400 smallest keys, and what separates them from the
// others is one number, the bound. selection.py has the twins in NumPy.

using Key = unsigned long long;

constexpr Key NO_KEY = ~0ull;  // of what takes no part; no key is so large
constexpr int DIGIT_BITS = 8;
constexpr int DIGITS = 1 << DIGIT_BITS;  // and at least so many threads has a block

// The key of a number and of its place: smaller for a larger number, and of equals for the first. In front
// stand the bits of the float, turned so that they fall when it rises; NaN comes last, and -0, which 0 equals,
// has the key of 0. (To add 0 would make it 0 too, but CuPy's compiler then takes all below 1e-38 for 0.)
__device__ Key key_of(float value, unsigned place) {
  const unsigned own = __float_as_uint(value), bits = own == 1u << 31 ? 0 : own;
  const unsigned rising = bits >> 31 ? ~bits : bits | 1u << 31;
  const unsigned falling = value == value ? ~rising : ~0u;
  return Key(falling) << 32 | place;
}

__device__ unsigned place_of(Key key) { return unsigned(key); }

// Turn the counts of all digits into how many keys have this digit or a smaller one.
__device__ void add_up(int* counts) {
  const int digit = threadIdx.x;
  for (int step = 1; step < DIGITS; step *= 2) {
    const int before = digit >= step && digit < DIGITS ? counts[digit - step] : 0;
    __syncthreads();
    if (digit < DIGITS) counts[digit] += before;
    __syncthreads();
  }
}

// A bound with `wanted` of the keys key_at(0), ... key_at(size - 1) below it, or all if there are no more.
// All threads of the block call this together.
//
// A radix select: count the keys by their first eight bits; then it is known in which of the 256 groups the
// last wanted key is. The next eight bits divide that group, and so on until a bound falls between groups.
template <class KeyAt>
__device__ Key bound_of_best(KeyAt key_at, long long size, int wanted) {
  __shared__ int counts[DIGITS];
  __shared__ int chosen;
  Key group = 0;  // what its keys begin with
  if (wanted == 0) return 0;
  for (int shift = 64 - DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
    if (threadIdx.x < DIGITS) counts[threadIdx.x] = 0;
    __syncthreads();
    for (long long i = threadIdx.x; i < size; i += blockDim.x) {
      const Key key = key_at(i);
      const bool inside = key != NO_KEY && key >> shift >> DIGIT_BITS == group;
      if (inside) atomicAdd(&counts[key >> shift & (DIGITS - 1)], 1);
    }
    __syncthreads();
    add_up(counts);
    if (counts[DIGITS - 1] <= wanted) return NO_KEY;  // only where the group is still that of all keys
    const int digit = threadIdx.x, before = digit == 0 || digit >= DIGITS ? 0 : counts[digit - 1];
    if (digit < DIGITS && before < wanted && wanted <= counts[digit]) chosen = digit;
    __syncthreads();
    group = group << DIGIT_BITS | chosen;
    if (counts[chosen] == wanted) return (group + 1) << shift;
    wanted -= chosen ? counts[chosen - 1] : 0;
    __syncthreads();
  }
  return NO_KEY;  // not reached: the last digits divide groups of one key each
}
