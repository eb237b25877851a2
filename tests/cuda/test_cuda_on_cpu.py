"""The stand-in for a GPU is as strict as a GPU, and finds what a GPU would not even report."""

import os

import numpy as np
import pytest
from cuda_on_cpu import cupy_stand_in
from cuda_on_cpu.compiler import Kernel

SUMS = """
extern "C" __global__ void __launch_bounds__(128) sums(const float* __restrict__ x, float* results, int n) {
  extern __shared__ float numbers[];
  __shared__ float of_warps[4];
  const int t = threadIdx.x;
  float value = 0;
  for (int i = t; i < n; i += blockDim.x) value += x[i];
  numbers[t] = value;
  BARRIER;
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (t < half) numbers[t] += numbers[t + half];
    BARRIER;
  }
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(0xffffffffu, value, step);
  if (t % 32 == 0) of_warps[t / 32] = value;
  const unsigned thirds = __ballot_sync(0xffffffffu, t % 3 == 0);
  const int many = __syncthreads_count(t < 70);
  if (t == 0) {
    results[0] = numbers[0];
    results[1] = of_warps[0] + of_warps[1] + of_warps[2] + of_warps[3];
    results[2] = __popc(thirds);
    results[3] = many;
  }
}
"""
UNEQUAL = """
extern "C" __global__ void meet(float* x) {
  if (threadIdx.x < 5)
    __syncthreads();
  else
    x[threadIdx.x] = 1;
  __syncthreads();
}
extern "C" __global__ void half_a_shuffle(float* x) {
  if (threadIdx.x < 16) x[threadIdx.x] = __shfl_xor_sync(0xffffu, x[threadIdx.x], 16);
}
"""
ROUNDING = """
extern "C" __global__ void products(float a, float same, float b, float small, float* results) {
  results[0] = a * a - b;
  results[1] = __fmul_rn(same, same) - b;
  results[2] = small * small;
  results[3] = small * 1e-8f * 1e8f;
#ifdef __FP_FAST_FMAF
  results[4] = true;
#else
  results[4] = false;
#endif
}
"""


@pytest.fixture
def cupy(pretend_cuda):
    return pretend_cuda.cupy


def run_sums(cupy, barrier="__syncthreads()"):
    x, results = np.arange(1000, dtype=np.float32), cupy.empty(4, np.float32)
    kernel = cupy.RawModule(code=SUMS, options=(f"-DBARRIER={barrier}",)).get_function("sums")
    kernel((1,), (128,), (cupy.asarray(x), results, np.int32(1000)), shared_mem=4 * 128)
    return results.get().tolist()


@pytest.mark.parametrize("order", ["forward", "backward"])
def test_threads_wait_and_exchange(cupy, order, monkeypatch):
    monkeypatch.setitem(os.environ, "CUDA_ON_CPU_ORDER", order)
    assert run_sums(cupy) == [499500, 499500, 11, 70]


def test_a_missing_barrier_is_noticed(cupy, monkeypatch):
    found = []
    for order in ("forward", "backward"):
        monkeypatch.setitem(os.environ, "CUDA_ON_CPU_ORDER", order)
        found.append(run_sums(cupy, barrier="(void)0")[0])
    assert found != [499500, 499500]


PARTED = {"meet": "different barriers, in lines 4 and 7", "half_a_shuffle": "takes no part"}


@pytest.mark.parametrize(("name", "message"), PARTED.items())
def test_threads_that_part(cupy, name, message):
    with pytest.raises(RuntimeError, match=message):
        Kernel(UNEQUAL, (), name)((1,), (64,), (np.zeros(64, np.float32),))
    assert run_sums(cupy)[0] == 499500  # all is well again


ARGUMENTS = np.zeros(4, np.float32), np.zeros(4, np.float32), np.int32(4)


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (2, 4, "int .give NumPy scalars"),
        (2, 4.0, "float .give NumPy scalars"),
        (2, np.int64(4), "int64 for a parameter of kind i4"),
        (2, np.float32(4), "float32 for a parameter of kind i4"),
        (0, np.zeros(4), "array of float64 for a parameter of kind .f4"),
        (0, np.zeros((4, 2), np.float32)[:, 0], "not contiguous"),
        (0, None, "NoneType"),
    ],
)
def test_the_wrong_kind_of_argument(pretend_cuda, place, wrong, message):
    arguments = list(ARGUMENTS)
    arguments[place] = wrong
    kernel = Kernel(SUMS, ("-DBARRIER=__syncthreads()",), "sums")
    with pytest.raises(TypeError, match=message):
        kernel((1,), (128,), arguments, 512)
    with pytest.raises(TypeError, match="takes 3 arguments, not 2"):
        kernel((1,), (128,), arguments[:2], 512)


STARTS = [((0,), (1,), 0), ((1, 70000), (1,), 0), ((1,), (2048,), 0), ((1,), (1,), 1 << 16)]


@pytest.mark.parametrize(("grid", "block", "shared"), STARTS)
def test_the_limits_of_a_start(pretend_cuda, grid, block, shared):
    with pytest.raises(RuntimeError):
        Kernel(SUMS, ("-DBARRIER=__syncthreads()",), "sums")(grid, block, ARGUMENTS, shared)


MIXTURES = [
    lambda x: np.asarray(x),
    lambda x: x + np.ones(4),
    lambda x: np.ones(4) + x,
    lambda x: np.sum(x),
    lambda x: np.maximum(x, np.ones(4)),
    lambda x: x[np.arange(2)],
    lambda x: x.__setitem__(0, np.ones(4)),
    lambda x: x.__iadd__(np.ones(4)),
]


@pytest.mark.parametrize("mix", MIXTURES, ids=range(len(MIXTURES)))
def test_arrays_of_numpy_do_not_mix(cupy, mix):
    x = cupy.zeros((3, 4), np.float32)
    with pytest.raises(TypeError):
        mix(x)
    assert type(x).__module__ == "cupy" and (2 * x + np.float32(1)).dtype == np.float32


REFUSED = [
    lambda cupy, x: cupy.sum(x, where=x > 1),
    lambda cupy, x: x.max(initial=0),
    lambda cupy, x: cupy.maximum(x, 1, where=x > 1),
    lambda cupy, x: cupy.clip(x, min=0),
    lambda cupy, x: cupy.argsort(x, kind="quicksort"),
    lambda cupy, x: cupy.concatenate([x, [1.0]]),
    lambda cupy, x: cupy.where(True, x, 0),
    lambda cupy, x: cupy.lexsort((x, x)),
    lambda cupy, x: cupy.isin(x, [1, 2]),
    lambda cupy, x: cupy.split(x, cupy.asarray(np.ones(1, int))),
    lambda cupy, x: cupy.asarray([1.0, x[0]]),
    lambda cupy, x: cupy.ascontiguousarray(np.ones(3)),
    lambda cupy, x: x.astype(np.int32, casting="safe"),
    lambda cupy, x: x.item(0),
    lambda cupy, x: x.__setitem__(slice(2), [1, 2]),
    lambda cupy, x: x.set(np.ones(4, np.float32)),
]


@pytest.mark.parametrize("wrong", REFUSED, ids=range(len(REFUSED)))
def test_what_cupy_does_not_take_is_refused(cupy, wrong):
    """On a real CuPy all of these raise something too."""
    with pytest.raises((TypeError, ValueError)):
        wrong(cupy, cupy.ones(4))
    assert cupy.ascontiguousarray(cupy.zeros(())).shape == (1,)


WAITING = [
    lambda x: float(x[0]),
    lambda x: int(x[0]),
    lambda x: bool(x[0] > 0),
    lambda x: str(x),
    lambda x: x.item(),
    lambda x: x.get(),
    lambda x: x[x > 0],
    lambda x: x.nonzero(),
]


@pytest.mark.parametrize("wait", WAITING, ids=range(len(WAITING)))
def test_waiting_is_counted(pretend_cuda, wait):
    x = pretend_cuda.cupy.ones(1)
    pretend_cuda.reset()
    assert (x + 1).sum().shape == () and pretend_cuda.synchronisations == 0
    wait(x)
    assert pretend_cuda.synchronisations == 1


def test_numbers_are_rounded_as_under_cupys_compiler(cupy):
    """A product is fused with its sum but where the text forbids it, and subnormal numbers are 0."""
    a, results = 1 + 2.0**-12, cupy.empty(5, np.float32)
    kernel = cupy.RawModule(code=ROUNDING).get_function("products")
    kernel((1,), (1,), (*map(np.float32, (a, a, 1 + 2.0**-11, 1e-31)), results))
    *numbers, can_fuse = results.get().tolist()
    assert numbers == [2.0**-24 if can_fuse else 0, 0, 0, 0]
    assert np.float32(1e-31) * np.float32(1e-8) > 0, "on the CPU all is as before"


def test_new_memory_is_not_zero_and_is_limited(cupy):
    assert np.isnan(cupy.empty((2, 3)).get()).all()
    pool = cupy.get_default_memory_pool()
    used = pool.used_bytes()
    x = cupy.zeros(1000)
    assert pool.used_bytes() == used + 8000
    del x
    assert pool.used_bytes() == used
    pool.set_limit(size=used + 100)
    with pytest.raises(MemoryError, match="Out of memory allocating 8,000 bytes"):
        cupy.zeros(1000)


def test_the_stand_in_has_only_what_cupy_has():
    cupy = pytest.importorskip("cupy", reason="needs CuPy")
    stand_in = cupy_stand_in.make()
    for ours, theirs in ((stand_in, cupy), (stand_in.ndarray, cupy.ndarray), (stand_in.cuda, cupy.cuda)):
        missing = {name for name in vars(ours) if not name.startswith("_") and not hasattr(theirs, name)}
        assert not missing, f"not in {theirs}"
