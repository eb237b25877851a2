"""The checker passes right layers, and tells a student what is wrong with wrong ones."""

import numpy as np
import pytest

from minissd.nn import Conv2d, Layer
from minissd.nn.gradient_check import (
    GradientCheckError,
    check_gradient,
    check_layer,
    find_hint,
    numerical_gradient,
    relative_error,
)


class Scale(Layer):
    """y = w x, with a backward pass that can be spoiled."""

    def __init__(self, spoil_dx=lambda dx: dx, spoil_grad=lambda grad: grad, add=False):
        super().__init__()
        self.params["weight"] = np.array([[2.0, -1.0], [0.5, 3.0]])
        self.spoil_dx, self.spoil_grad, self.add = spoil_dx, spoil_grad, add

    def forward(self, x):
        self._save(x)
        return x * self.params["weight"]

    def backward(self, dy):
        (x,) = self._recall()
        grad = self.spoil_grad((dy * x).sum(axis=0))
        self.grads["weight"] = grad + (self.grads.get("weight", 0) if self.add else 0)
        return self.spoil_dx(dy * self.params["weight"])


def test_a_right_layer_passes_and_reports_its_errors(rng):
    errors = check_layer(Scale(), rng.standard_normal((3, 2, 2)), rng)
    assert set(errors) == {"x", "weight"}
    assert max(errors.values()) < 1e-9


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ({"spoil_dx": lambda dx: -dx}, "gradient of x.*signs are flipped"),
        ({"spoil_dx": lambda dx: 2 * dx}, "twice too large"),
        ({"spoil_dx": lambda dx: dx / 2}, "half"),
        ({"spoil_dx": lambda dx: 0 * dx}, "all zero"),
        ({"spoil_dx": lambda dx: 1.7 * dx}, "1.7 times"),
        ({"spoil_dx": lambda dx: dx[:1]}, "shape"),
        ({"spoil_dx": lambda dx: dx / 0.0 if dx.any() else dx}, "not finite|division by 0"),
        ({"spoil_grad": lambda g: g / 3}, "gradient of weight.*too small by the batch size"),
        ({"spoil_grad": lambda g: g * 3}, "too large by the batch size"),
        ({"spoil_grad": lambda g: g[::-1, ::-1]}, "rotated"),
        ({"spoil_grad": lambda g: g.T}, "Rows and columns"),
        ({"spoil_grad": lambda g: None}, "is missing"),
        ({"add": True}, "overwrite grads"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_wrong_layer_is_told_what_it_looks_like(spoiled, message, rng):
    if "spoil_grad" in spoiled and spoiled["spoil_grad"](np.ones((2, 2))) is None:
        layer = Scale()
        layer.backward = lambda dy: dy * layer.params["weight"]
    else:
        layer = Scale(**spoiled)
    with pytest.raises(GradientCheckError, match=message):
        check_layer(layer, rng.standard_normal((3, 2, 2)), rng)


def test_message_names_the_worst_entry_and_both_values():
    x = np.array([1.0, 2.0, 3.0])
    wrong = np.array([2.0, 4.0, 9.0])  # of sum(x^2): the last should be 6
    with pytest.raises(GradientCheckError, match=r"At \(2,\) backward says 9, the differences say 6"):
        check_gradient(lambda v: (v**2).sum(), x, wrong)


@pytest.mark.parametrize("spoil", [lambda x: x.__imul__(2), lambda x: x.__iadd__(1)])
def test_a_layer_that_changes_its_input_fails(spoil, rng):
    class InPlace(Scale):
        def forward(self, x):
            y = super().forward(x.copy())
            spoil(x)
            return y

    with pytest.raises(GradientCheckError, match="x was changed in place"):
        check_layer(InPlace(), rng.standard_normal((3, 2, 2)), rng)


def test_a_layer_that_changes_dy_fails(rng):
    class InPlace(Scale):
        def backward(self, dy):
            dx = super().backward(dy)
            dy += 1
            return dx

    with pytest.raises(GradientCheckError, match="dy was changed in place"):
        check_layer(InPlace(), rng.standard_normal((3, 2, 2)), rng)


def test_hint_for_rotated_kernel_of_a_convolution(rng):
    class Rotated(Conv2d):
        def backward(self, dy):
            dx = super().backward(dy)
            self.grads["weight"] = self.grads["weight"][..., ::-1, ::-1]
            return dx

    with pytest.raises(GradientCheckError, match=r"weight.*kernel is rotated"):
        check_layer(Rotated(2, 3, 3, padding=1), rng.standard_normal((2, 2, 5, 4)), rng)


def test_hint_for_exchanged_channels_and_for_borders(rng):
    numeric = rng.standard_normal((3, 3, 5, 5))
    assert "first two axes" in find_hint(numeric.swapaxes(0, 1), numeric)
    border = numeric.copy()
    border[..., 0, :] += 1
    assert "padding" in find_hint(border, numeric)


def test_large_arrays_are_sampled_and_the_hint_sees_the_sample(rng):
    x = rng.standard_normal(20_000)
    calls = []

    def f(v):
        calls.append(1)
        return float((v**2).sum())

    check_gradient(f, x, 2 * x, max_entries=50, rng=rng, tolerance=1e-5)
    assert len(calls) == 100
    with pytest.raises(GradientCheckError, match="signs are flipped"):
        check_gradient(f, x, -2 * x, max_entries=50, rng=rng, tolerance=1e-5)


def test_numerical_gradient_leaves_x_alone_and_matches_calculus(rng):
    x = rng.standard_normal((3, 4))
    before = x.copy()
    gradient = numerical_gradient(lambda v: float(np.sin(v).sum()), x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(gradient, np.cos(x), rtol=1e-7)


def test_relative_error():
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0
    assert relative_error(np.array([3.0]), np.array([4.0])) == 0.25
