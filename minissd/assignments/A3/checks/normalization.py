"""Checks of L2 normalisation, forwards and backwards."""

import numpy as np

from minissd.assignments.marking import points

from . import channels, maps, whole_numbers

# -- l2norm_forward -----------------------------------------------------------------------------------------


@points("l2norm_forward", 2)
def test_three_and_four_have_length_five(ask):
    """The channels (3, 4) have length 5; with the factors 10 and 20 they become (6, 16)."""
    y, norm = ask("l2norm_forward", channels(3, 4), np.array([10.0, 20.0]), eps=0.0).parts(2)
    y.is_close(channels(6, 16))
    norm.is_close(maps([5]))


@points("l2norm_forward", 1)
def test_every_place_by_itself(ask):
    """Two places, two channels: (3, 4) becomes (0.6, 0.8), and (0, 2) becomes (0, 1)."""
    x = np.array([[3.0, 0.0], [4.0, 2.0]]).reshape(1, 2, 1, 2)
    y, norm = ask("l2norm_forward", x, np.array([1.0, 10.0]), eps=0.0).parts(2)
    y.is_close(np.array([[0.6, 0], [8, 10]]).reshape(1, 2, 1, 2))
    norm.is_close(maps([5, 2]))


@points("l2norm_forward", 1)
def test_epsilon_is_under_the_root(ask):
    """With eps = 9 a single channel of 4 has the norm sqrt(16 + 9) = 5; one of 0 stays 0."""
    y, norm = ask("l2norm_forward", maps([4, 0]), np.array([10.0]), eps=9.0).parts(2)
    norm.is_close(maps([5, 3]))
    y.is_close(maps([8, 0]))


@points("l2norm_forward", 1)
def test_normalisation_of_a_batch(ask, rng, reference):
    """Two images with four channels, in float32."""
    x, weight = whole_numbers(rng, 2, 4, 3, 4, dtype=np.float32), whole_numbers(rng, 4, dtype=np.float32)
    y, norm = ask("l2norm_forward", x, weight, eps=0.25).parts(2)
    expected = reference.l2norm_forward(x, weight, eps=0.25)
    y.is_close(expected[0], rtol=1e-5, atol=1e-6).has(dtype=np.float32)
    norm.is_close(expected[1], rtol=1e-5).has(dtype=np.float32)


# -- l2norm_backward ----------------------------------------------------------------------------------------


@points("l2norm_backward", 3)
def test_what_makes_x_longer_changes_nothing(ask):
    """At x = (3, 4), dy = (5, 0) becomes dx = (0.64, -0.48), which is at right angles to x."""
    dx, _ = ask("l2norm_backward", channels(5, 0), channels(3, 4), maps([5]), np.ones(2)).parts(2)
    dx.is_close(channels(0.64, -0.48))


@points("l2norm_backward", 2)
def test_every_channel_has_a_factor_of_its_own(ask):
    """With the factors 10 and 5 what goes back through the norm is weighted with them, too."""
    factors = np.array([10.0, 5.0])
    dx, _ = ask("l2norm_backward", channels(1, 2), channels(3, 4), maps([5]), factors).parts(2)
    dx.is_close(channels(0.32, -0.24))


@points("l2norm_backward", 2)
def test_factors_take_part_at_every_place(ask):
    """One channel, two images of two places: the gradient of the factor is the sum of all four."""
    x, dy = (np.array(v).reshape(2, 1, 1, 2) for v in ([2.0, 2.0, -2.0, 2.0], [1.0, 10.0, 100.0, 1000.0]))
    _, dweight = ask("l2norm_backward", dy, x, np.full((2, 1, 1, 2), 2.0), np.array([3.0])).parts(2)
    dweight.is_close([911])


@points("l2norm_backward", 2)
def test_gradients_of_the_normalisation_of_a_batch(ask, rng, reference):
    """Two images with three channels, where epsilon is part of the norm."""
    x, dy = rng.standard_normal((2, 2, 3, 2, 4))
    weight = rng.standard_normal(3)
    norm = reference.l2norm_forward(x, weight, 0.5)[1]
    expected = reference.l2norm_backward(dy, x, norm, weight)
    dx, dweight = ask("l2norm_backward", dy, x, norm, weight).parts(2)
    dx.is_close(expected[0])
    dweight.is_close(expected[1])
