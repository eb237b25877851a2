"""What both normalizations do with dtypes, with empty batches and with wrong inputs."""

import numpy as np
import pytest
from backends import every_backend

from minissd.errors import InputError
from minissd.nn import BatchNorm2d, L2Norm

pytestmark = every_backend("L2Norm", "BatchNorm2d")


@pytest.mark.parametrize("norm", [lambda: L2Norm(3), lambda: BatchNorm2d(3)], ids=["L2Norm", "BatchNorm2d"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_inputs_and_empty_batches(norm, dtype, rng):
    layer = norm()
    x = rng.standard_normal((2, 3, 4, 5)).astype(dtype)
    before = x.copy()
    y = layer.forward(x)
    dy = rng.standard_normal(y.shape).astype(dtype)
    dy_before = dy.copy()
    dx = layer.backward(dy)
    assert {a.dtype for a in (y, dx, *layer.grads.values())} == {np.dtype(dtype)}
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(dy, dy_before)
    buffers = {name: buffer.copy() for name, buffer in layer.buffers.items()}
    empty = np.zeros((0, 3, 4, 5), dtype)
    assert layer.backward(layer.forward(empty)).shape == empty.shape
    for name, grad in layer.grads.items():
        np.testing.assert_array_equal(grad, 0, err_msg=name)
    for name, buffer in layer.buffers.items():
        np.testing.assert_array_equal(buffer, buffers[name], err_msg=name)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", [lambda: L2Norm(3), lambda: BatchNorm2d(3)], ids=["L2Norm", "BatchNorm2d"])
@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (2, 1, 4, 4), (3, 4, 4)])
def test_inputs_of_other_channels_are_named(norm, training, shape):
    """Compiled code does not check its indices: without the check it would read foreign memory."""
    with pytest.raises(InputError, match=r"input of shape.*expected"):
        norm().train(training).forward(np.ones(shape, np.float32))
