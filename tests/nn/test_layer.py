"""What every layer promises: dtypes, arguments left alone, grads overwritten, nothing kept at inference."""

import numpy as np
import pytest

from minissd.errors import InputError
from minissd.nn import BatchNorm2d, Conv2d, ConvBlock, L2Norm, Layer, MaxPool2d, ReLU, Sequential, check_layer


def chain():
    first = ConvBlock(3, 4, 3, padding=1, batch_norm=True)
    return Sequential([first, MaxPool2d(2, ceil_mode=True), Conv2d(4, 3, 1), BatchNorm2d(3), L2Norm(3)])


LAYERS = {  # each takes (N, 3, H, W)
    "conv-loops": lambda: Conv2d(3, 2, 3, padding=1, algorithm="loops"),
    "conv": lambda: Conv2d(3, 2, 3, padding=1),
    "conv-stride-2": lambda: Conv2d(3, 2, 3, stride=2, padding=1),
    "conv-dilation-6": lambda: Conv2d(3, 2, 3, padding=6, dilation=6),
    "conv-no-bias": lambda: Conv2d(3, 2, 2, stride=3, bias=False),
    "pool": lambda: MaxPool2d(2),
    "pool-ceil": lambda: MaxPool2d(2, ceil_mode=True),
    "pool-overlapping": lambda: MaxPool2d(3, stride=1, padding=1),
    "relu": ReLU,
    "l2norm": lambda: L2Norm(3),
    "batch-norm": lambda: BatchNorm2d(3),
    "block": lambda: ConvBlock(3, 4, 3, padding=1),
    "block-batch-norm": lambda: ConvBlock(3, 4, 3, padding=1, batch_norm=True),
    "chain": chain,
}
EVERY_LAYER_HERE = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
EVERY_LAYER = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS, indirect=True)  # on every backend
SHAPE = (3, 3, 5, 7)


@pytest.fixture
def make(request, backend):
    """A function that makes the layer of a test on a backend; the loops are for the CPU alone."""
    loops = request.param is LAYERS["conv-loops"]
    return request.param if loops else lambda: backend.of(request.param())


def spread(shape, rng):
    """Values at least 0.01 apart and away from 0: no kink of a ReLU or a maximum is near."""
    size = int(np.prod(shape))
    values = 0.01 * (rng.permutation(size) - size // 2).astype(np.float64)
    return (values + 0.005 * np.where(values < 0, -1, 1)).reshape(shape)


def trained(make, rng, dtype=np.float64):
    """A layer whose parameters are not their initial ones, which would hide many mistakes."""
    layer = make().astype(dtype)
    for name, array in layer.params.items():
        layer.params[name] = (array + rng.uniform(0.3, 0.7, array.shape)).astype(dtype)
    return layer


@EVERY_LAYER
@pytest.mark.parametrize("shape", [SHAPE, (1, 3, 4, 4), (7, 3, 3, 2)], ids=str)
def test_gradients(make, shape, rng):
    """The batch of seven is larger than the number of threads, and no multiple of it."""
    layer = trained(make, rng)
    errors = check_layer(layer, spread(shape, rng), rng, samples=40)
    assert set(errors) == {"x", *layer.params}
    assert max(errors.values()) < 1e-6


@EVERY_LAYER
@pytest.mark.parametrize("params", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_follow_the_input_whatever_the_parameters_are(make, params, dtype, rng):
    layer = trained(make, rng, params)
    y = layer.forward(spread(SHAPE, rng).astype(dtype))
    dx = layer.backward(rng.standard_normal(y.shape).astype(dtype))
    assert {a.dtype for a in (y, dx, *layer.grads.values())} == {np.dtype(dtype)}
    assert {p.dtype for p in (*layer.params.values(), *layer.buffers.values())} <= {np.dtype(params)}
    assert layer.eval().forward(spread(SHAPE, rng).astype(dtype)).dtype == dtype


@EVERY_LAYER
def test_float32_is_float64_rounded(make, rng):
    x, dy = spread(SHAPE, rng), None
    results = []
    for dtype in (np.float64, np.float32):
        layer = trained(make, np.random.default_rng(1), dtype)
        y = layer.forward(x.astype(dtype))
        dy = rng.standard_normal(y.shape) if dy is None else dy
        dx = layer.backward(dy.astype(dtype))
        results.append((y, dx, *(layer.grads[name] for name in layer.params)))
    for exact, rounded in zip(*results):
        np.testing.assert_allclose(rounded, exact, atol=2e-4 * max(1, np.abs(exact).max()))


@EVERY_LAYER_HERE
def test_arguments_and_parameters_are_left_alone(make, rng):
    layer = trained(make, rng)
    x = spread(SHAPE, rng)
    x_before = x.copy()
    params = {name: (array, array.copy()) for name, array in layer.params.items()}
    y = layer.forward(x)
    y_before, dy = y.copy(), rng.standard_normal(y.shape)
    dy_before = dy.copy()
    layer.backward(dy)
    for now, before in ((x, x_before), (dy, dy_before), (y, y_before)):
        np.testing.assert_array_equal(now, before)
    for name, (array, before) in params.items():
        assert layer.params[name] is array
        np.testing.assert_array_equal(array, before)


@EVERY_LAYER_HERE
def test_arguments_that_must_not_be_written_to_are_taken(make, rng):
    layer = trained(make, rng)
    x = spread(SHAPE, rng)
    x.flags.writeable = False
    dy = rng.standard_normal(layer.forward(x).shape)
    dy.flags.writeable = False
    assert layer.backward(dy).shape == x.shape


@EVERY_LAYER
def test_memory_order_does_not_matter(make, rng):
    """Arrays that are views of (N, H, W, C) give what their copies give."""
    layer = trained(make, rng)
    x = spread(SHAPE, rng)
    dy = rng.standard_normal(layer.forward(x).shape)
    expected = [layer.forward(x), layer.backward(dy), *layer.grads.values()]
    x_view, dy_view = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (x, dy))
    for result, right in zip(
        [layer.forward(x_view), layer.backward(dy_view), *layer.grads.values()], expected
    ):
        np.testing.assert_allclose(result, right, rtol=1e-9, atol=1e-9)


@EVERY_LAYER
def test_backward_overwrites_and_gives_the_same_to_the_bit(make, rng):
    layer = trained(make, rng)
    x = spread(SHAPE, rng)
    dy = rng.standard_normal(layer.forward(x).shape)
    runs = []
    for _ in range(4):
        y = layer.forward(x)
        runs.append([y, layer.backward(dy), *(layer.grads[name].copy() for name in layer.params)])
    dx_without_forward = layer.backward(dy)
    for run in runs[1:]:
        for one, other in zip(runs[0], run):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(dx_without_forward, runs[0][1])


@EVERY_LAYER
def test_backward_is_linear_in_dy(make, rng):
    layer = trained(make, rng)
    y = layer.forward(spread(SHAPE, rng))
    one, two = rng.standard_normal((2, *y.shape))

    def gradients(dy):
        return [layer.backward(dy), *(layer.grads[name] for name in layer.params)]

    for a, b, both in zip(gradients(one), gradients(two), gradients(3 * one - two)):
        np.testing.assert_allclose(both, 3 * a - b, rtol=1e-9, atol=1e-8)


@EVERY_LAYER
def test_an_empty_batch_goes_through(make):
    layer = make()
    y = layer.forward(np.zeros((0, *SHAPE[1:]), np.float32))
    assert len(y) == 0
    assert layer.backward(y).shape == (0, *SHAPE[1:])
    for name, array in layer.params.items():
        assert layer.grads[name].shape == array.shape
        assert not layer.grads[name].any()


@EVERY_LAYER
def test_inference_keeps_nothing(make, rng):
    layer = make()
    x = spread(SHAPE, rng).astype(np.float32)
    y = layer.forward(x)
    assert layer.eval() is layer
    with pytest.raises(RuntimeError, match="needs a forward pass in training mode"):
        layer.backward(y)  # what the forward pass in training mode saved is forgotten
    layer.forward(x)
    with pytest.raises(RuntimeError, match="needs a forward pass in training mode"):
        layer.backward(y)
    assert all(part._saved is None for part in [layer, *getattr(layer, "layers", {}).values()])


@EVERY_LAYER
def test_backward_before_any_forward_is_explained(make):
    with pytest.raises(RuntimeError, match="needs a forward pass in training mode before it"):
        make().backward(np.zeros((1, 2, 3, 3), np.float32))


@EVERY_LAYER
def test_an_upstream_gradient_of_another_shape_is_named(make, rng):
    """Compiled code does not check its indices: it would read and write beyond the end of the arrays."""
    layer = make()
    y = layer.forward(spread(SHAPE, rng).astype(np.float32))
    for wrong in (y[:1], y[..., :1], np.zeros((*y.shape[:2], 40, 40), np.float32), y[0]):
        with pytest.raises(InputError, match=r"backward: dy of shape .* expected the output's"):
            layer.backward(wrong)


@EVERY_LAYER_HERE
def test_whole_numbers_are_refused(make):
    """A weight converted to the input's dtype would be 0."""
    if make is ReLU:
        pytest.skip("ReLU has nothing to convert")
    with pytest.raises(InputError, match=r"dtype uint8 \(convert it"):
        make().forward(np.ones(SHAPE, np.uint8))


def test_a_layer_must_say_what_it_does():
    with pytest.raises(NotImplementedError):
        Layer().forward(np.ones(1))
    with pytest.raises(NotImplementedError):
        Layer().backward(np.ones(1))


def test_copied_numbers_are_those_of_their_source(copied_numbers, shared_numbers):
    source = shared_numbers("layers")
    for key, array in copied_numbers.items():
        expected = source[key] if array.ndim == 0 else source[key][: len(array)]
        np.testing.assert_array_equal(array, expected, err_msg=key)
