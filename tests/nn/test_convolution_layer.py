"""The layer Conv2d: its arguments, dtypes and weights, and the algorithms that it can be given."""

import subprocess
import sys

import numpy as np
import pytest
from backends import on_every_backend

from minissd.errors import InputError
from minissd.nn import ALGORITHMS, Conv2d, check_layer, conv_im2col, register_algorithm

SENT = on_every_backend("Conv2d")


@SENT
def test_a_bias_is_optional(rng):
    conv = Conv2d(2, 3, 3, bias=False)
    x = rng.standard_normal((1, 2, 4, 4))
    check_layer(conv, x, rng)
    conv.backward(conv.forward(x))
    assert set(conv.params) == set(conv.grads) == {"weight"}


@SENT
def test_dtype_follows_the_input_not_the_parameters(rng):
    conv = Conv2d(2, 3, 3, padding=1)
    assert {p.dtype for p in conv.params.values()} == {np.dtype(np.float32)}
    for dtype in (np.float32, np.float64):
        x = rng.standard_normal((1, 2, 4, 4)).astype(dtype)
        y = conv.forward(x)
        dx = conv.backward(np.ones_like(y))
        assert {a.dtype for a in (y, dx, *conv.grads.values())} == {np.dtype(dtype)}


@pytest.mark.parametrize("algorithm", ["loops", "im2col"])
def test_input_gradient_can_be_left_out(algorithm, rng):
    conv = Conv2d(2, 3, 3, algorithm=algorithm)
    x, dy = rng.standard_normal((1, 2, 5, 5)), rng.standard_normal((1, 3, 3, 3))
    conv.forward(x)
    conv.backward(dy)
    expected = conv.grads["weight"].copy()
    conv.needs_input_gradient = False
    assert conv.backward(dy) is None
    np.testing.assert_array_equal(conv.grads["weight"], expected)


@SENT
@pytest.mark.parametrize("shape", [(1, 4, 5, 5), (3, 5, 5), (1, 3, 2, 5)])
def test_wrong_inputs_are_named(shape):
    with pytest.raises(InputError, match="Conv2d: input of shape"):
        Conv2d(3, 2, 3).forward(np.zeros(shape))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("in_channels", 0),
        ("out_channels", 0),
        ("kernel_size", 0),
        ("stride", 0),
        ("dilation", 0),
        ("padding", -1),
    ],
)
def test_sizes_that_make_no_convolution_are_named(argument, value):
    """A stride of 0 would divide by 0; a dilation of 0 would put the whole kernel on one place."""
    sizes = {"in_channels": 2, "out_channels": 3, "kernel_size": 3} | {argument: value}
    with pytest.raises(InputError, match=rf"{argument}: {value} \(give {value + 1} or more\)"):
        Conv2d(**sizes)


def test_unknown_algorithm_and_initialiser_are_named():
    with pytest.raises(InputError, match=r"algorithm.*fft"):
        Conv2d(1, 1, 1, algorithm="fft")
    with pytest.raises(InputError, match=r"init.*zeros"):
        Conv2d(1, 1, 1, init="zeros")


def test_algorithms_can_be_registered(monkeypatch):
    class Doubled:
        @staticmethod
        def forward(x, weight, bias, stride, padding, dilation):
            return 2 * conv_im2col.forward(x, weight, bias, stride, padding, dilation)

    monkeypatch.delitem(ALGORITHMS, "doubled", raising=False)
    register_algorithm("doubled", Doubled)
    try:
        x = np.ones((1, 1, 2, 2))
        np.testing.assert_array_equal(
            Conv2d(1, 1, 1, algorithm="doubled").forward(x), 2 * Conv2d(1, 1, 1).forward(x)
        )
    finally:
        del ALGORITHMS["doubled"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_algorithm_is_given_one_dtype_only(dtype, monkeypatch, rng):
    """Of two dtypes NumPy would compute in the larger, at half the speed, and nobody would see it."""
    seen = []

    class Spy:
        @staticmethod
        def forward(x, weight, bias, *geometry):
            seen.extend((x.dtype, weight.dtype, bias.dtype))
            return conv_im2col.forward(x, weight, bias, *geometry)

        @staticmethod
        def backward(dy, x, weight, *geometry):
            seen.extend((dy.dtype, x.dtype, weight.dtype))
            return conv_im2col.backward(dy, x, weight, *geometry)

    monkeypatch.setitem(ALGORITHMS, "spy", Spy)
    conv = Conv2d(2, 3, 3, algorithm="spy").astype(np.float32 if dtype == np.float64 else np.float64)
    conv.backward(conv.forward(rng.standard_normal((1, 2, 4, 4)).astype(dtype)))
    assert seen == [np.dtype(dtype)] * 6


def test_same_seed_same_weights_and_no_global_state():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    weights = [Conv2d(2, 3, 3, rng=np.random.default_rng(5)).params["weight"] for _ in range(2)]
    np.testing.assert_array_equal(*weights)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_nothing_compiles_at_import():
    code = (
        "import sys, minissd.nn; from numba.core.registry import CPUDispatcher as D; "
        "print(sum(len(f.signatures) for n, m in list(sys.modules.items()) if n.startswith('minissd') "
        "for f in vars(m).values() if isinstance(f, D)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "0"
