"""The terms of the loss of one prior: softmax cross entropy, smooth L1 and L1, and their gradients."""

from math import log

import numpy as np
import pytest
from backends import every_backend
from reference_numbers import copied_numbers
from twins import numerical_gradient, relative_error

from minissd.errors import InputError
from minissd.loss import cross_entropy_gradient, l1, smooth_l1, softmax, softmax_cross_entropy

pytestmark = every_backend("softmax", "softmax_cross_entropy", "cross_entropy_gradient", "smooth_l1", "l1")
NUMBERS = copied_numbers("loss")


@pytest.mark.large
class TestGradients:
    """Gradients against central differences, with a random upstream."""

    def test_softmax_cross_entropy(self, rng):
        logits, target, upstream = rng.normal(size=(5, 4)), rng.integers(0, 4, 5), rng.normal(size=5)
        _, probability = softmax_cross_entropy(logits, target)
        gradient = upstream[:, None] * cross_entropy_gradient(probability, target)

        def weighted_loss(changed):
            return (upstream * softmax_cross_entropy(changed, target)[0]).sum()

        assert relative_error(gradient, numerical_gradient(weighted_loss, logits)) < 1e-6

    def test_smooth_l1(self, rng):
        difference = rng.choice([-2.5, -0.7, 0.0, 0.4, 1.9], (6, 4))
        upstream = rng.normal(size=(6, 4))
        gradient = upstream * smooth_l1(difference)[1]

        def weighted_loss(changed):
            return (upstream * smooth_l1(changed)[0]).sum()

        assert relative_error(gradient, numerical_gradient(weighted_loss, difference)) < 1e-6

    def test_l1(self, rng):
        difference = rng.choice([-2.5, -0.7, 0.4, 1.9], (6, 4))
        upstream = rng.normal(size=(6, 4))

        def weighted_loss(changed):
            return (upstream * l1(changed)[0]).sum()

        gradient = upstream * l1(difference)[1]
        assert relative_error(gradient, numerical_gradient(weighted_loss, difference)) < 1e-6
        assert l1(np.zeros(1))[1] == 0


class TestSoftmax:
    def test_caffes_golden_cross_entropies(self):
        # two logits .1 apart: ln(1 + e^-.1) and ln(1 + e^.1)
        loss, _ = softmax_cross_entropy(np.array([[0.1, 0.0], [0.1, 0.0]]), np.array([0, 1]))
        np.testing.assert_allclose(loss, [0.644397, 0.744397], atol=5e-7)

    def test_values_and_gradients_of_pytorch(self):
        """Among the rows one is scaled by 300, one shifted by 1000, one by -1000."""
        logits, target = NUMBERS["ce_logits"], NUMBERS["ce_target"]
        loss, probability = softmax_cross_entropy(logits, target)
        np.testing.assert_allclose(loss, NUMBERS["ce_loss"], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(probability, NUMBERS["ce_softmax"], rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(softmax(logits), NUMBERS["ce_softmax"], rtol=1e-12, atol=1e-300)
        gradient = NUMBERS["ce_gloss"][:, None] * cross_entropy_gradient(probability, target)
        np.testing.assert_allclose(gradient, NUMBERS["ce_glogits"], rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_huge_row_does_not_drown_the_others(self, dtype):
        """Subtracting the maximum of all rows, instead of each row's own, would turn the last to log 0."""
        logits = np.array([[1e4, 0], [0, 1e4], [-1e4, -1e4]], dtype=dtype)
        loss, probability = softmax_cross_entropy(logits, np.array([0, 0, 0]))
        np.testing.assert_allclose(loss, [0, 1e4, log(2)], rtol=1e-6)
        np.testing.assert_allclose(probability, [[1, 0], [0, 1], [0.5, 0.5]], rtol=1e-6)
        assert loss.dtype == probability.dtype == dtype

    def test_a_shift_of_a_row_changes_nothing(self, rng):
        logits, target = rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
        shift = np.array([0, 1, -1, 64, -64, 512.0])[:, None]
        np.testing.assert_allclose(
            softmax_cross_entropy(logits + shift, target)[0],
            softmax_cross_entropy(logits, target)[0],
            rtol=1e-12,
            atol=1e-12,
        )

    @pytest.mark.parametrize("wrong", [-1, 4])
    def test_a_class_without_a_logit_is_refused(self, wrong):
        with pytest.raises(InputError, match=r"conf_target: classes .* for 4 logits .0 is the background"):
            softmax_cross_entropy(np.zeros((2, 4)), np.array([0, wrong]))

    def test_no_rows(self):
        loss, probability = softmax_cross_entropy(np.zeros((0, 4)), np.zeros(0, dtype=int))
        assert loss.shape == (0,)
        assert probability.shape == (0, 4)


class TestSmoothL1:
    def test_values_and_gradients_of_pytorch(self):
        """Among the differences are 0, +-.999999, +-1.000001 and 50."""
        loss, slope = smooth_l1(NUMBERS["smoothl1_pred"] - NUMBERS["smoothl1_target"])
        np.testing.assert_allclose(loss, NUMBERS["smoothl1_loss"], rtol=1e-12, atol=1e-12)
        gradient = NUMBERS["smoothl1_gloss"] * slope
        np.testing.assert_allclose(gradient, NUMBERS["smoothl1_gpred"], rtol=1e-12, atol=1e-12)

    def test_the_two_pieces_meet_at_one(self):
        loss, slope = smooth_l1(np.array([-2, -1, -0.5, 0, 0.5, 1, 2]))
        np.testing.assert_array_equal(loss, [1.5, 0.5, 0.125, 0, 0.125, 0.5, 1.5])
        np.testing.assert_array_equal(slope, [-1, -1, -0.5, 0, 0.5, 1, 1])

    def test_it_is_not_the_absolute_value(self):
        """A loss that is called smooth L1 elsewhere is |x|: its value at 1/2 is 1/2, not 1/8."""
        assert smooth_l1(np.array([0.5]))[0] == 0.125
        assert l1(np.array([0.5]))[0] == 0.5
