"""Central differences, what a check looks at and reports, and what it does not take for a mistake."""

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
    MaxPool2d,
    ReLU,
    Sequential,
    check_gradient,
    check_layer,
    gradient_check,
    numerical_gradient,
)

# What is not a mistake ------------------------------------------------------------------------------------


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


def test_noise_is_small_beside_what_is_checked():
    """Gradients of 1e-8 pass unseen; those of the layers here are of the order of 1."""
    assert gradient_check.NOISE * 1e-6 <= 1e-8
