"""Checks of max pooling, forwards and backwards."""

import numpy as np

from minissd.assignments.marking import points

from . import maps, whole_numbers


def pooled(ask, x, y_shape, kernel, stride, padding):
    """What `pool_forward` answers: y and winner."""
    return ask("pool_forward", x, y_shape, kernel=kernel, stride=stride, padding=padding).parts(2)


@points("pooling", 2)
def test_largest_values(ask):
    """Two windows of 2x2, side by side."""
    y, _ = pooled(ask, maps([1, 5, 2, 0], [3, 4, 0, 7]), (1, 1, 1, 2), 2, 2, 0)
    y.is_close(maps([5, 7]))


@points("pooling", 2)
def test_where_the_largest_values_stand(ask):
    """The example of the docstring: 5 at the upper right of its window, 7 at the lower right."""
    _, winner = pooled(ask, maps([1, 5, 2, 0], [3, 4, 0, 7]), (1, 1, 1, 2), 2, 2, 0)
    winner.equals(maps([1, 3]))


@points("pooling", 1)
def test_of_equal_values_the_first_wins(ask):
    """Where two values are equal, the first one, row by row, receives the gradient."""
    _, winner = pooled(ask, maps([0, 3, 0, 0], [3, 0, 0, 0]), (1, 1, 1, 2), 2, 2, 0)
    winner.equals(maps([1, 0]))


@points("pooling", 2)
def test_the_border_never_wins(ask):
    """All values are negative, and every window of 3x3 reaches over the border."""
    y, _ = pooled(ask, maps([-1, -2], [-3, -4], [-6, -5]), (1, 1, 2, 1), 3, 2, 1)
    y.is_close(maps([-1], [-3]))


@points("pooling", 1)
def test_places_outside_the_map_are_counted_too(ask):
    """With padding 1 the upper left value of the map is the middle of the first window of 3x3: place 4."""
    _, winner = pooled(ask, maps([9, 2], [3, 8], [6, 5]), (1, 1, 2, 1), 3, 2, 1)
    winner.equals(maps([4], [2]))


@points("pooling", 2)
def test_the_last_window_may_be_cut(ask):
    """Three values a side, two windows of 2x2: those at the end see what is left of the map, in float32."""
    x = -np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    y, _ = pooled(ask, x, (1, 1, 2, 2), 2, 2, 0)
    y.is_close(maps([-1, -3], [-7, -9])).has(dtype=np.float32)


@points("pooling", 2)
def test_a_value_that_won_two_windows_gets_both_gradients(ask):
    """Windows of 2x2 with stride 1: the middle of the row wins both."""
    winner = maps([1, 0]).astype(np.uint8)
    answer = ask("pool_backward", maps([10, 5]), winner, (1, 1, 2, 3), kernel=2, stride=1, padding=0)
    answer.is_close(maps([0, 15, 0], [0, 0, 0]))


@points("pooling", 2)
def test_gradients_of_pooling_go_back_over_the_padding(ask, rng, reference):
    """Windows of 3x3 with stride 2 and padding 1, on two images with two channels."""
    x, dy = whole_numbers(rng, 2, 2, 5, 6), whole_numbers(rng, 2, 2, 3, 3)
    winner = reference.pool_forward(x, dy.shape, 3, 2, 1)[1]
    answer = ask("pool_backward", dy, winner, x.shape, kernel=3, stride=2, padding=1)
    answer.is_close(reference.pool_backward(dy, winner, x.shape, 3, 2, 1))
