"""The checker passes a right layer, and tells a student what is wrong with wrong ones."""

import numpy as np
import pytest

from minissd.nn import BatchNorm2d, GradientCheckError, Layer, ReLU, check_layer


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
