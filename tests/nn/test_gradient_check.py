"""The checker passes right layers, and tells a student what is wrong with wrong ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minissd.nn import (
    BatchNorm2d,
    Conv2d,
    ConvBlock,
    GradientCheckError,
    L2Norm,
    Layer,
    MaxPool2d,
    ReLU,
    Sequential,
    check_gradient,
    check_layer,
    gradient_check,
    numerical_gradient,
)
from minissd.nn.gradient_hints import find_hint, hint_from_shape, relative_error


class Scale(Layer):
    """y = w x with one factor for each of the columns; right as it stands."""

    def __init__(self):
        super().__init__()
        self.params["weight"] = np.array([[2.0, -1.0, 0.7], [0.5, 3.0, -4.0]], np.float32)

    def forward(self, x):
        self._save(x)
        return x * self.params["weight"]

    def backward(self, dy):
        (x,) = self._recall()
        self.grads["weight"] = (dy * x).sum(axis=0)
        return dy * self.params["weight"]


def test_a_right_layer_passes_and_reports_its_errors(rng):
    errors = check_layer(Scale(), rng.standard_normal((4, 2, 3)), rng)
    assert set(errors) == {"x", "weight"}
    assert max(errors.values()) < 1e-9


# Wrong layers, one mistake each ---------------------------------------------------------------------------


class SignFlipped(Scale):
    def backward(self, dy):
        return -super().backward(dy)


class Doubled(Scale):
    def backward(self, dy):
        return 2 * super().backward(dy)


class Halved(Scale):
    def backward(self, dy):
        return super().backward(dy) / 2


class WrongConstant(Scale):
    def backward(self, dy):
        return 1.7 * super().backward(dy)


class NeverFilled(Scale):
    def backward(self, dy):
        return np.zeros_like(super().backward(dy))


class ForgotReturn(Scale):
    def backward(self, dy):
        super().backward(dy)


class ForgotGrads(Scale):
    def backward(self, dy):
        return dy * self.params["weight"]


class MisspeltGrads(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["wieght"] = self.grads.pop("weight")
        return dx


class ForgotTheBatchSum(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"] = dy * self._saved[0]
        return dx


class SummedTooMuch(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"] = self.grads["weight"].sum(axis=0)
        return dx


class Averaged(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"] = (dy * self._saved[0]).mean(axis=0)
        return dx


class TimesBatch(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"] = self.grads["weight"] * len(dy)
        return dx


class LeftOutARow(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"][-1] = 0
        return dx


class WrongRow(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"][0] *= [3, 2, 5]
        return dx


class Accumulates(Scale):
    def backward(self, dy):
        before = self.grads.get("weight", 0)
        dx = super().backward(dy)
        self.grads["weight"] = self.grads["weight"] + before
        return dx


class AccumulatesInDx(Scale):
    total = 0.0

    def backward(self, dy):
        self.total = self.total + super().backward(dy)
        return self.total


class CountsItsCalls(Scale):
    calls = 0

    def backward(self, dy):
        dx = super().backward(dy)
        self.calls += 1
        self.grads["weight"] = self.grads["weight"] + 0.1 * self.calls
        return dx


class ChangesX(Scale):
    def forward(self, x):
        y = super().forward(x.copy())
        x[x < 0] = 0
        return y


class ChangesDy(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        dy *= 2
        return dx


class ChangesItsWeight(Scale):
    def backward(self, dy):
        dx = super().backward(dy)
        self.params["weight"] -= 0.1 * self.grads["weight"]
        return dx


class ReturnsFloat32(Scale):
    def backward(self, dy):
        return super().backward(dy).astype(np.float32)


class ForwardFloat32(Scale):
    def forward(self, x):
        return super().forward(x).astype(np.float32)


class DividesByZero(Scale):
    def backward(self, dy):
        with np.errstate(divide="ignore", invalid="ignore"):
            return super().backward(dy) / np.float64(0)


class ForwardNotFinite(Scale):
    def forward(self, x):
        return super().forward(x) * np.nan


class IgnoresItsWeight(Scale):
    def forward(self, x):
        super().forward(x)
        return 3 * x

    def backward(self, dy):
        super().backward(dy)
        return 3 * dy


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (SignFlipped, "^gradient of x: .*All signs are flipped"),
        (Doubled, "twice the right one"),
        (Halved, "half the right one"),
        (WrongConstant, r"1\.7 times the right one in every entry"),
        (NeverFilled, "gradient of x: .*all zero"),
        (ForgotReturn, "gradient of x: it is missing. backward did not return it"),
        (ForgotGrads, r'gradient of weight: it is missing. backward did not fill grads\["weight"\]'),
        (MisspeltGrads, r'gradient of weight: it is missing. backward did not fill grads\["weight"\]'),
        (ForgotTheBatchSum, r"weight: shape \(5, 2, 3\), but weight has \(2, 3\). Sum over the axes"),
        (SummedTooMuch, r"shape \(3,\), but weight has \(2, 3\). Was it summed over an axis too many"),
        (
            Averaged,
            "weight: .* 1/5 of the right one, and there are 5 images: averaged where it should be",
        ),
        (TimesBatch, "5 times the right one, and there are 5 images"),
        (LeftOutARow, "3 of 6 entries are wrong, and all of these are 0: they were left out"),
        (WrongRow, "3 of 6 entries are wrong, all of them at index 0 along axis 0"),
        (Accumulates, r"gradient of weight: twice as large .*overwrite it \(= and not \+=\)"),
        (
            AccumulatesInDx,
            "gradient of x: twice as large .*Backward adds to what an earlier call left",
        ),
        (CountsItsCalls, "gradient of weight: another value .*Something is left behind"),
        (ChangesX, "^x was changed in place by forward. Work on a copy"),
        (ChangesDy, "^dy was changed in place by backward"),
        (ChangesItsWeight, "^weight was changed in place by backward"),
        (ReturnsFloat32, "gradient of x: dtype float32, but x has float64"),
        (ForwardFloat32, "^output: dtype float32 from an input of float64"),
        (DividesByZero, r"gradient of x: not finite, -?inf at \(0, 0, 0\). Look for a division by 0"),
        (ForwardNotFinite, "gradient of x: the forward pass itself gives nan"),
        (IgnoresItsWeight, "gradient of weight: .*differences are all zero: does the forward pass use"),
    ],
)
def test_a_wrong_layer_is_told_what_it_looks_like(wrong, message, rng):
    with pytest.raises(GradientCheckError, match=message):
        check_layer(wrong(), rng.standard_normal((5, 2, 3)), rng)


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


class NoGate(ReLU):
    def backward(self, dy):
        return dy.copy()


class AllOnesUpstream(BatchNorm2d):
    """Wrong in a way that an upstream gradient of ones cannot see: its dx is 0, as is the right one then."""

    def backward(self, dy):
        return 0 * super().backward(dy)


class ConstantStatistics(BatchNorm2d):
    """The mistake of most first tries: mean and variance taken for constants."""

    def backward(self, dy):
        super().backward(dy)
        _, _, inverse_std = self._recall()
        return dy * (self.params["weight"] * inverse_std)[:, None, None]


def test_a_relu_without_its_mask(rng):
    with pytest.raises(GradientCheckError, match=r"all of these should be 0: is a mask \(x > 0"):
        check_layer(NoGate(), rng.standard_normal((3, 4)), rng)


@pytest.mark.parametrize("wrong", [AllOnesUpstream, ConstantStatistics])
def test_batch_normalisation_is_checked_with_a_random_upstream(wrong, rng):
    with pytest.raises(GradientCheckError, match="gradient of x"):
        check_layer(wrong(3), rng.standard_normal((4, 3, 2, 2)), rng)


@pytest.mark.parametrize("x", [np.array([1.0, 0.0, -2.0]), np.array([1.0, 5e-6, -2.0])])
def test_a_kink_is_told_from_a_mistake(x, rng):
    """At 0 there is no gradient to check; the layer is right."""
    with pytest.raises(GradientCheckError, match=r"At \(1,\).*there is a kink so close"):
        check_layer(ReLU(), x, rng)
    check_layer(ReLU(), x + 0.1, rng)


def test_a_wrong_gradient_of_a_strongly_curved_function_is_not_called_a_kink(rng):
    x = np.array([0.001, 1.0])
    with pytest.raises(GradientCheckError, match="All signs are flipped"):
        check_gradient(lambda v: float((1000 * v**2).sum()), x, -2000 * x)


def test_equal_values_in_a_maximum_are_a_kink(rng):
    with pytest.raises(GradientCheckError, match="equal values in a maximum"):
        check_layer(MaxPool2d(2), np.ones((1, 1, 2, 2)), rng)


# What is not a mistake ------------------------------------------------------------------------------------


def test_a_gradient_that_is_0_but_for_rounding_passes(rng):
    """Normalisation takes away the bias of the convolution before it."""
    net = Sequential([Conv2d(2, 3, 3, rng=rng), BatchNorm2d(3), ConvBlock(3, 2, 1, batch_norm=True, rng=rng)])
    errors = check_layer(net, rng.standard_normal((3, 2, 5, 5)), rng, samples=30)
    assert errors["0.bias"] < 1e-6


def test_dx_may_be_left_out_only_where_the_layer_says_so(rng):
    conv = Conv2d(2, 3, 3)
    conv.needs_input_gradient = False
    assert set(check_layer(conv, rng.standard_normal((1, 2, 4, 4)), rng)) == {"weight", "bias"}


def test_the_layer_and_its_input_stay_as_they_are(rng):
    """Also running statistics and dtypes: a check may be put anywhere in a notebook."""
    net = Sequential([ConvBlock(2, 3, 3, batch_norm=True), L2Norm(3)])
    x = rng.standard_normal((3, 2, 4, 4)).astype(np.float32)
    before = x.copy()
    stores = (net.params, net.buffers)
    arrays = [{name: (array, array.copy()) for name, array in store.items()} for store in stores]
    check_layer(net, x, rng, samples=10)
    np.testing.assert_array_equal(x, before)
    for store, expected in zip(stores, arrays):
        for name, (array, copy) in expected.items():
            assert store[name] is array
            np.testing.assert_array_equal(array, copy)
    assert not net.grads


def test_a_layer_in_inference_mode_cannot_be_checked(rng):
    with pytest.raises(RuntimeError, match="training mode"):
        check_layer(ReLU().eval(), np.ones(2), rng)


# The parts ------------------------------------------------------------------------------------------------


def test_message_names_the_worst_entry_and_both_values():
    x = np.array([[1.0, 2.0, 3.0]])
    wrong = np.array([[2.5, 4.0, 9.0]])  # of sum(x^2): 2, 4, 6
    message = r"^gradient of w: relative error 3\.3e-01. At \(0, 2\) backward says 9, the differences say 6"
    with pytest.raises(GradientCheckError, match=message):
        check_gradient(lambda v: (v**2).sum(), x, wrong, "w")


def test_a_single_wrong_entry_of_many_is_found_when_all_are_checked(rng):
    x = rng.standard_normal((5, 7))
    analytic = 2 * x
    analytic[3, 4] += 1e-4
    with pytest.raises(GradientCheckError, match=r"At \(3, 4\) .*at index 3 along axis 0"):
        check_gradient(lambda v: (v**2).sum(), x, analytic)


def test_large_arrays_are_sampled_with_the_generator(rng):
    x = rng.standard_normal(20_000)
    calls = []

    def value(v):
        calls.append(np.flatnonzero(v != x).tolist())
        return float((v**2).sum())

    check_gradient(value, x, 2 * x, samples=50, rng=np.random.default_rng(1), tolerance=1e-5)
    assert len(calls) == 100
    assert len({i for (i,) in calls}) == 50, "no entry twice"
    first, calls[:] = list(calls), []
    check_gradient(value, x, 2 * x, samples=50, rng=np.random.default_rng(2), tolerance=1e-5)
    assert calls != first
    with pytest.raises(GradientCheckError, match="signs are flipped"):
        check_gradient(value, x, -2 * x, samples=50, rng=rng, tolerance=1e-5)


@given(scale=st.floats(1e-2, 1e3), seed=st.integers(0, 20))
def test_the_relative_error_knows_no_scale(scale, seed):
    x = np.random.default_rng(seed).standard_normal(4)
    assert check_gradient(lambda v: scale * np.sin(v).sum(), x, scale * np.cos(x)) < 1e-7
    with pytest.raises(GradientCheckError):
        check_gradient(lambda v: scale * np.sin(v).sum(), x, scale * np.cos(x) * (1 + 1e-5))


def test_numerical_gradient_leaves_x_alone_and_matches_calculus(rng):
    x = rng.standard_normal((3, 4))
    before = x.copy()
    gradient = numerical_gradient(lambda v: float(np.sin(v).sum()), x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(gradient, np.cos(x), rtol=1e-7)
    np.testing.assert_allclose(numerical_gradient(lambda v: v[:, 0].sum(), x.T).T[0], 1, rtol=1e-9)
    np.testing.assert_array_equal(numerical_gradient(np.sum, x.T[::-1]).shape, (4, 3))


def test_central_differences_are_exact_for_parabolas_whatever_the_step():
    """(f(x + h) - f(x - h)) / 2h of x^2 is 2x; one-sided differences would be off by h."""
    slope = numerical_gradient(lambda v: float(v[0] ** 2), np.array([3.0]), step=0.5)
    np.testing.assert_allclose(slope, [6.0])


def test_entries_are_flat_indices():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(numerical_gradient(lambda v: (v**2).sum(), x, entries=[2, 1]), [6, 4])


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


def test_noise_is_small_beside_what_is_checked():
    """Gradients of 1e-8 pass unseen; those of the layers here are of the order of 1."""
    assert gradient_check.NOISE * 1e-6 <= 1e-8
