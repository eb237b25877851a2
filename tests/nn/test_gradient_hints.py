"""The pattern of a wrong gradient is found and named: rotated, transposed, averaged, wrong at the border."""

import numpy as np
import pytest

from minissd.nn import Conv2d, GradientCheckError, check_layer
from minissd.nn.gradient_hints import find_hint, hint_from_shape, relative_error


class SpoiltConv(Conv2d):
    """A convolution whose gradients go through `spoil_dx` and `spoil_dw`."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"] = self.spoil_dw(self.grads["weight"])
        return self.spoil_dx(dx)

    def spoil_dx(self, dx):
        return dx

    def spoil_dw(self, dw):
        return dw


class RotatedKernel(SpoiltConv):
    def spoil_dw(self, dw):
        return dw[..., ::-1, ::-1]


class TransposedKernel(SpoiltConv):
    def spoil_dw(self, dw):
        return dw.swapaxes(2, 3)


class ExchangedChannels(SpoiltConv):
    def spoil_dw(self, dw):
        return dw.swapaxes(0, 1)


class MirroredKernel(SpoiltConv):
    def spoil_dw(self, dw):
        return dw[..., ::-1]


class LostTheBorder(SpoiltConv):
    def spoil_dx(self, dx):
        dx[:, :, 0] *= 0.5
        return dx


class AveragedOverPlaces(SpoiltConv):
    def spoil_dw(self, dw):
        return dw / 20


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (RotatedKernel, "gradient of weight: .*kernel is rotated by 180 degrees"),
        (TransposedKernel, "gradient of weight: .*transposed: rows and columns"),
        (ExchangedChannels, "first two axes are exchanged"),
        (MirroredKernel, "columns are mirrored"),
        (LostTheBorder, "gradient of x: .*at the border of the map: look at the padding"),
        (AveragedOverPlaces, "1/20 of the right one, and there are 20 places of the output: averaged"),
    ],
)
@pytest.mark.parametrize("samples", [10, 200])
def test_a_wrong_convolution_is_told_what_it_looks_like(wrong, message, samples, rng):
    """Also where few entries are checked: the hint looks at the whole array."""
    with pytest.raises(GradientCheckError, match=message):
        check_layer(
            wrong(3, 3, 3, padding=1, rng=rng), rng.standard_normal((2, 3, 5, 4)), rng, samples=samples
        )


def test_relative_error():
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error([1.0, 2.0], [1.0, 2.0]) == 0
    assert relative_error([3.0], [4.0]) == 0.25
    assert relative_error([1.0], [-1.0]) == 2
    assert relative_error([1e-12], [2e-12], floor=1.0) == pytest.approx(1e-12)
    assert relative_error(np.zeros((0, 2)), np.zeros((0, 2))) == 0


def test_hints_for_arrays(rng):
    right = rng.standard_normal((3, 4))
    assert "upside down" in find_hint(right[::-1], right)
    assert "reversed" in find_hint(right[0, ::-1], right[0])
    assert "constant factor" in find_hint(-3 * right, right)
    assert "no pattern" in find_hint(right + rng.standard_normal((3, 4)), right)
    both = find_hint(2 * right, right, {"images": 2})
    assert "twice" in both
    assert "2 images" in both
    assert find_hint(right, right, {"images": 1}).count("images") == 0


@pytest.mark.parametrize(
    ("analytic", "hint"),
    [((3, 2), "transpose"), ((4, 2, 3), "Sum over"), ((6,), "reshape"), ((2,), "an axis too many")],
)
def test_hints_for_shapes(analytic, hint):
    assert hint in hint_from_shape(analytic, (2, 3))
