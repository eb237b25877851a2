// Enough of CUDA to run a kernel on a CPU, in one thread, for tests: slow, simple and strict.
//
// Blocks run one after the other. The threads of a block run one after the other too, until they meet
// a barrier or an exchange within a warp: there a thread is put aside on a stack of its own (a "fiber") and
// the next one runs. A barrier that some threads wait at and others leave out ends with an error, not
// silently as it may on a GPU. The threads run in ascending or, with CUDA_ON_CPU_ORDER=backward in the
// environment, in descending order; a kernel that lacks a barrier is wrong in one of the two.
//
// Numbers are those of a GPU under CuPy's compiler, as far as the processor can: what is smaller than the smallest
// normal number is 0 (of double too, which a GPU keeps), and a product is fused with the sum that it goes into.
//
// Compile a kernel file with  g++ -x c++ -include emulation.h -DCUDA_ON_CPU ...  and end it with
// EMULATE(name) for every kernel. `extern __shared__` has to be rewritten to DYNAMIC_SHARED before, which
// compiler.py does.

#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

// The words that CUDA adds to C++ -----------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __constant__ const
#define __shared__ static
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define CUDA_VECTORS(type, name)                                                                  \
  struct alignas(2 * sizeof(type)) name##2 {                                                      \
    type x, y;                                                                                    \
  };                                                                                              \
  struct alignas(4 * sizeof(type) > 16 ? 16 : 4 * sizeof(type)) name##4 {                         \
    type x, y, z, w;                                                                              \
  };                                                                                              \
  static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                         \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

CUDA_VECTORS(float, float)
CUDA_VECTORS(double, double)
CUDA_VECTORS(int, int)
CUDA_VECTORS(unsigned, uint)
CUDA_VECTORS(signed char, char)
CUDA_VECTORS(unsigned char, uchar)
CUDA_VECTORS(long long, longlong)

// A block and its threads -------------------------------------------------------------------------------

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

namespace emulation {

constexpr std::size_t STACK_BYTES = 128 << 10;
constexpr unsigned WARP = 32;

// A place where threads wait for each other: when the last one has come, `generation` grows.
struct Barrier {
  unsigned generation = 0, arrived = 0, line = 0;
};

// What the lanes of a warp tell each other; two rooms, because the next exchange may begin in one while a
// slow lane still reads the other.
struct Exchange {
  Barrier barrier;
  std::uint64_t values[2][WARP];
  unsigned mask = 0, present[2] = {0, 0};
};

struct Fiber {
  ucontext_t context;  // where it begins
  jmp_buf place;       // where it goes on: a jump, unlike swapcontext, does not ask the operating system
  bool begun = false;
  std::unique_ptr<char[]> stack{new char[STACK_BYTES]};
  const unsigned* watched = nullptr;  // runs on when this number is no longer `seen`
  unsigned seen = 0, thread = 0;
  bool finished = false;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

static std::function<void()> body;
static std::vector<std::unique_ptr<Fiber>> fibers;
static jmp_buf scheduler;
static Fiber* current = nullptr;
static Barrier block_barrier;
static std::vector<Exchange> exchanges;
static std::vector<char> done;
static unsigned threads, started, alive;
static bool backward;
static std::string failure;
static void* scheduler_fake_stack = nullptr;
static const void* scheduler_stack = nullptr;
static std::size_t scheduler_stack_size = 0;
static std::unique_ptr<char[]> dynamic_memory;

static inline char* dynamic_shared() { return dynamic_memory.get(); }

static void switch_to_scheduler(bool for_good) {
  Fiber* fiber = current;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fiber->fake_stack, scheduler_stack,
                                 scheduler_stack_size);
#endif
  if (!_setjmp(fiber->place)) _longjmp(scheduler, 1);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fiber->fake_stack, nullptr, nullptr);
#endif
}

static void switch_to(Fiber* fiber) {
  current = fiber;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber->stack.get(), STACK_BYTES);
#endif
  if (!_setjmp(scheduler)) {
    if (fiber->begun) _longjmp(fiber->place, 1);
    fiber->begun = true;
    setcontext(&fiber->context);
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

// Index of the current thread in its block.
static inline unsigned index_in_block() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}

static void set_thread(unsigned index) {
  threadIdx = {index % blockDim.x, index / blockDim.x % blockDim.y, index / (blockDim.x * blockDim.y)};
}

static void fail(const std::string& message) {
  if (failure.empty()) failure = message;
}

static void wait(const unsigned* watched, unsigned seen) {
  current->watched = watched;
  current->seen = seen;
  switch_to_scheduler(false);
  current->watched = nullptr;
}

static void release_if_all_came(Barrier& barrier, unsigned expected) {
  if (barrier.arrived > 0 && barrier.arrived == expected) {
    barrier.arrived = 0;
    barrier.generation++;
  }
}

static void synchronize(unsigned line) {
  if (block_barrier.arrived > 0 && block_barrier.line != line)
    fail("threads of a block wait at different barriers, in lines " + std::to_string(block_barrier.line) +
         " and " + std::to_string(line));
  block_barrier.line = line;
  const unsigned seen = block_barrier.generation;
  block_barrier.arrived++;
  release_if_all_came(block_barrier, alive);
  if (block_barrier.generation == seen) wait(&block_barrier.generation, seen);
}

static inline unsigned lane() { return index_in_block() % WARP; }

// Lanes of this thread's warp that have not returned.
static unsigned living_lanes(unsigned warp) {
  unsigned mask = 0;
  for (unsigned i = 0; i < WARP && warp * WARP + i < threads; i++)
    if (!done[warp * WARP + i]) mask |= 1u << i;
  return mask;
}

// Give a value to the others of the warp; returns the room where all the values are, and who gave one.
static std::pair<const std::uint64_t*, unsigned> exchange(unsigned mask, std::uint64_t value, unsigned line) {
  Exchange& warp = exchanges[index_in_block() / WARP];
  if (!(mask >> lane() & 1)) fail("a lane is not in its own mask, in line " + std::to_string(line));
  if (warp.barrier.arrived > 0 && warp.mask != mask)
    fail("lanes of a warp exchange with different masks, in line " + std::to_string(line));
  const unsigned seen = warp.barrier.generation, room = seen & 1;
  if (warp.barrier.arrived == 0) warp.present[room] = 0;
  warp.mask = mask;
  warp.values[room][lane()] = value;
  warp.present[room] |= 1u << lane();
  warp.barrier.arrived++;
  release_if_all_came(warp.barrier, __builtin_popcount(mask & living_lanes(index_in_block() / WARP)));
  if (warp.barrier.generation == seen) wait(&warp.barrier.generation, seen);
  return {warp.values[room], warp.present[room]};
}

static void finish_thread(unsigned index) {
  done[index] = 1;
  alive--;
  release_if_all_came(block_barrier, alive);
  Exchange& warp = exchanges[index / WARP];
  release_if_all_came(warp.barrier, __builtin_popcount(warp.mask & living_lanes(index / WARP)));
}

// A fiber runs thread after thread; one that has to wait leaves the rest to other fibers.
static void fiber_main() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size);
#endif
  Fiber* fiber = current;
  while (started < threads && failure.empty()) {
    const unsigned number = started++;
    fiber->thread = backward ? threads - 1 - number : number;
    set_thread(fiber->thread);
    body();
    finish_thread(fiber->thread);
  }
  fiber->finished = true;
  switch_to_scheduler(true);
}

static void start_fiber(Fiber* fiber) {
  fiber->finished = fiber->begun = false;
  fiber->watched = nullptr;
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack.get();
  fiber->context.uc_stack.ss_size = STACK_BYTES;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, fiber_main, 0);
  switch_to(fiber);
}

static void run_block() {
  threads = alive = blockDim.x * blockDim.y * blockDim.z;
  started = 0;
  block_barrier = Barrier();
  exchanges.assign((threads + WARP - 1) / WARP, Exchange());
  done.assign(threads, 0);
  std::size_t used = 0;  // fibers of this block
  while (alive > 0 && failure.empty()) {
    bool progress = false;
    for (std::size_t i = 0; i < used; i++) {
      Fiber* fiber = fibers[i].get();
      if (fiber->finished || *fiber->watched == fiber->seen) continue;
      set_thread(fiber->thread);
      switch_to(fiber);
      progress = true;
    }
    if (started < threads && failure.empty()) {
      if (used == fibers.size()) fibers.emplace_back(new Fiber);
      start_fiber(fibers[used++].get());
      progress = true;
    }
    if (!progress) fail("threads wait for others that never come");
  }
}

template <class T>
std::string name_of() {
  using Plain = std::remove_cv_t<T>;
  if constexpr (std::is_pointer_v<Plain>)
    return "*" + name_of<std::remove_pointer_t<Plain>>();
  else if constexpr (std::is_same_v<Plain, bool>)
    return "?1";
  else if constexpr (std::is_floating_point_v<Plain>)
    return "f" + std::to_string(sizeof(Plain));
  else if constexpr (std::is_integral_v<Plain>)
    return (std::is_signed_v<Plain> ? "i" : "u") + std::to_string(sizeof(Plain));
  else if constexpr (std::is_void_v<Plain>)
    return "v1";
  else
    return "V" + std::to_string(sizeof(Plain));
}

template <class... Arguments, std::size_t... I>
void call(void (*kernel)(Arguments...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_cv_t<Arguments>*>(arguments[I])...);
}

// As long as it lives, numbers that are too small to be normal count as 0.
struct SmallIsZero {
#if defined(__SSE__)
  const unsigned before = _mm_getcsr();
  SmallIsZero() { _mm_setcsr(before | 0x8040); }  // of results, and of what is computed with
  ~SmallIsZero() { _mm_setcsr(before); }
#else
  SmallIsZero() {}
#endif
};

// Run all blocks; returns 0, or 1 with a message in `message`.
template <class... Arguments>
int launch(void (*kernel)(Arguments...), const unsigned* grid, const unsigned* block, std::size_t shared_bytes,
           void** arguments, char* message, std::size_t room) {
  const char* order = std::getenv("CUDA_ON_CPU_ORDER");
  backward = order && std::string(order) == "backward";
  const SmallIsZero rule;
  failure.clear();
  gridDim = dim3(grid[0], grid[1], grid[2]);
  blockDim = dim3(block[0], block[1], block[2]);
  dynamic_memory.reset(new char[shared_bytes]);
  body = [&] { call(kernel, arguments, std::index_sequence_for<Arguments...>()); };
  const unsigned long long blocks = 1ull * grid[0] * grid[1] * grid[2];
  for (unsigned long long i = 0; i < blocks && failure.empty(); i++) {
    const unsigned long long b = backward ? blocks - 1 - i : i;
    blockIdx = {unsigned(b % grid[0]), unsigned(b / grid[0] % grid[1]), unsigned(b / grid[0] / grid[1])};
    std::memset(dynamic_shared(), 0xff, shared_bytes);  // NaN: nobody may count on what was there
    run_block();
  }
  if (!failure.empty()) fibers.clear();  // some still wait
  std::snprintf(message, room, "%s", failure.c_str());
  return failure.empty() ? 0 : 1;
}

template <class... Arguments>
void describe(void (*)(Arguments...), char* text, std::size_t room) {
  std::string all;
  ((all += name_of<Arguments>() + " "), ...);
  std::snprintf(text, room, "%s", all.c_str());
}

}  // namespace emulation

#define EMULATE(name)                                                                                      \
  extern "C" int launch_##name(const unsigned* grid, const unsigned* block, std::size_t shared_bytes,      \
                               void** arguments, char* message, std::size_t room) {                        \
    return emulation::launch(&name, grid, block, shared_bytes, arguments, message, room);                  \
  }                                                                                                        \
  extern "C" void describe_##name(char* text, std::size_t room) { emulation::describe(&name, text, room); }

#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(emulation::dynamic_shared())

// Functions of CUDA ---------------------------------------------------------------------------------------

#define __syncthreads() emulation::synchronize(__LINE__)
#define __syncwarp(...) ((void)emulation::exchange(emulation::mask_or_all(__VA_ARGS__), 0, __LINE__))
#define __ballot_sync(mask, predicate) emulation::ballot(mask, (predicate) != 0, __LINE__)
#define __any_sync(mask, predicate) (emulation::ballot(mask, (predicate) != 0, __LINE__) != 0)
#define __all_sync(mask, predicate) (emulation::ballot(mask, (predicate) == 0, __LINE__) == 0)
#define __shfl_sync(mask, value, ...) emulation::shuffle(emulation::INDEX, mask, value, __LINE__, __VA_ARGS__)
#define __shfl_up_sync(mask, value, ...) emulation::shuffle(emulation::UP, mask, value, __LINE__, __VA_ARGS__)
#define __shfl_down_sync(mask, value, ...) \
  emulation::shuffle(emulation::DOWN, mask, value, __LINE__, __VA_ARGS__)
#define __shfl_xor_sync(mask, value, ...) emulation::shuffle(emulation::XOR, mask, value, __LINE__, __VA_ARGS__)

static inline int synchronize_and_count(int predicate, unsigned line);
#define __syncthreads_count(predicate) synchronize_and_count((predicate) != 0, __LINE__)
#define __syncthreads_or(predicate) (synchronize_and_count((predicate) != 0, __LINE__) > 0)
#define __syncthreads_and(predicate) (synchronize_and_count((predicate) == 0, __LINE__) == 0)

static inline int synchronize_and_count(int predicate, unsigned line) {
  static int counts[2], turn;
  const int room = turn;
  if (emulation::block_barrier.arrived == 0) counts[room] = 0;
  counts[room] += predicate;
  emulation::synchronize(line);
  const int count = counts[room];
  emulation::synchronize(line);
  return count;
}

namespace emulation {

enum Shuffle { INDEX, UP, DOWN, XOR };

static inline unsigned mask_or_all(unsigned mask = 0xffffffffu) { return mask; }

static inline unsigned ballot(unsigned mask, bool predicate, unsigned line) {
  auto [values, present] = exchange(mask, predicate, line);
  unsigned result = 0;
  for (unsigned i = 0; i < WARP; i++)
    if ((present >> i & 1) && values[i]) result |= 1u << i;
  return result;
}

template <class T>
T shuffle(Shuffle kind, unsigned mask, T value, unsigned line, int number, int width = WARP) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  auto [values, present] = exchange(mask, bits, line);
  const int own = lane(), first = own & ~(width - 1);
  int source = own;
  if (kind == INDEX) source = first + (number & (width - 1));
  if (kind == UP) source = own - number >= first ? own - number : own;
  if (kind == DOWN) source = own + number < first + width ? own + number : own;
  if (kind == XOR) source = (own ^ number) < first + width ? own ^ number : own;
  if (!(present >> source & 1)) {
    fail("a shuffle reads a lane that takes no part, in line " + std::to_string(line));
    return value;
  }
  std::memcpy(&value, &values[source], sizeof value);
  return value;
}

}  // namespace emulation

template <class T>
static inline T __ldg(const T* p) {
  return *p;
}


namespace emulation {
template <class T>
struct Same {
  using type = T;
};
template <class T>
using same = typename Same<T>::type;  // keeps a second argument from deciding about the template
}  // namespace emulation

#define CUDA_ATOMIC(name, result)                                \
  template <class T>                                             \
  static inline T atomic##name(T* p, emulation::same<T> value) { \
    const T old = *p;                                            \
    *p = result;                                                 \
    return old;                                                  \
  }

CUDA_ATOMIC(Add, old + value)
CUDA_ATOMIC(Sub, old - value)
CUDA_ATOMIC(Max, old > value ? old : value)
CUDA_ATOMIC(Min, old < value ? old : value)
CUDA_ATOMIC(And, old& value)
CUDA_ATOMIC(Or, old | value)
CUDA_ATOMIC(Xor, old ^ value)
CUDA_ATOMIC(Exch, value)

template <class T>
static inline T atomicCAS(T* p, emulation::same<T> expected, emulation::same<T> value) {
  const T old = *p;
  if (old == expected) *p = value;
  return old;
}

static inline void __threadfence() {}
static inline void __threadfence_block() {}

template <class A, class B>
static inline auto min(A a, B b) {
  using T = std::common_type_t<A, B>;
  return T(b) < T(a) ? T(b) : T(a);
}

template <class A, class B>
static inline auto max(A a, B b) {
  using T = std::common_type_t<A, B>;
  return T(a) < T(b) ? T(b) : T(a);
}

template <class To, class From>
static inline To cuda_bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

static inline int __float_as_int(float x) { return cuda_bits<int>(x); }
static inline unsigned __float_as_uint(float x) { return cuda_bits<unsigned>(x); }
static inline float __int_as_float(int x) { return cuda_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return cuda_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return cuda_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return cuda_bits<double>(x); }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }

static inline unsigned __brev(unsigned x) {
  unsigned result = 0;
  for (int i = 0; i < 32; i++) result |= (x >> i & 1) << (31 - i);
  return result;
}

static inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
static inline double rsqrt(double x) { return 1 / std::sqrt(x); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
// Rounded before it goes on: nothing fuses what is volatile.
template <class T>
static inline T rounded_product(T a, T b) {
  const volatile T result = a * b;
  return result;
}
static inline float __fmul_rn(float a, float b) { return rounded_product(a, b); }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float x) { return std::sqrt(x); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return rounded_product(a, b); }
static inline float __saturatef(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
static inline int __float2int_rn(float x) { return int(std::nearbyint(x)); }
static inline int __float2int_rd(float x) { return int(std::floor(x)); }
static inline int __mul24(int a, int b) { return a * b; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (1ull * a * b) >> 32; }

// Names that the C library has for itself, so they can only be macros.
#define __expf(x) std::exp(float(x))
#define __logf(x) std::log(float(x))
#define __log2f(x) std::log2(float(x))
#define __powf(x, y) std::pow(float(x), float(y))
