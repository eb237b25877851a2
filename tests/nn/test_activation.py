"""ReLU: by hand, at 0, PyTorch's numbers."""

import numpy as np
import pytest

from minissd.nn import ReLU, check_layer


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_by_hand_and_gradient_0_at_0(dtype):
    relu = ReLU()
    x = np.array([-2.0, -0.0, 0.0, 3.0], dtype)
    before = x.copy()
    y = relu.forward(x)
    dx = relu.backward(np.array([5.0, 6.0, 7.0, 8.0], dtype))
    np.testing.assert_array_equal(y, [0, 0, 0, 3])
    np.testing.assert_array_equal(dx, [0, 0, 0, 8])
    np.testing.assert_array_equal(x, before)
    assert y.dtype == dx.dtype == dtype


def test_not_a_number_stays_visible():
    assert np.isnan(ReLU().forward(np.array([np.nan]))).all()


def test_gradients(rng):
    x = rng.standard_normal((2, 3, 4, 5))
    check_layer(ReLU(), x + 0.1 * np.sign(x), rng)  # away from the kink


def test_empty_batch():
    relu = ReLU()
    assert relu.backward(relu.forward(np.zeros((0, 3, 2, 2)))).shape == (0, 3, 2, 2)


def agrees_with(numbers):
    relu = ReLU()
    np.testing.assert_array_equal(relu.forward(numbers["relu_x"]), numbers["relu_y"])
    np.testing.assert_array_equal(relu.backward(numbers["relu_gy"]), numbers["relu_gx"])


def test_agrees_with_pytorch(copied_numbers):
    agrees_with(copied_numbers)


def test_agrees_with_all_of_pytorchs_numbers(shared_numbers):
    agrees_with(shared_numbers("layers"))


def test_the_output_is_not_the_input():
    x = np.ones(3)
    assert not np.shares_memory(ReLU().forward(x), x)


def test_backward_needs_a_forward_in_training_mode():
    relu = ReLU().eval()
    relu.forward(np.ones(2))
    with pytest.raises(RuntimeError, match=r"ReLU\.backward needs a forward pass"):
        relu.backward(np.ones(2))
