"""Checks of im2col and col2im."""

import numpy as np

from minissd.assignments.marking import points

from . import ALL_TWO, PLAIN, STRIDED, maps, whole_numbers


def columns_back(ask, dcolumns, dx, *geometry):
    """What is in dx after `col2im`: the second of its arguments, behind the result."""
    return ask.in_place("col2im", dcolumns, dx, *geometry)[2]


@points("im2col", 3)
def test_windows_become_columns(ask):
    """The example of the docstring: a window of 2x2 is a column, a weight is a row."""
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    expected = np.array([[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]])
    ask("im2col", x, (1, 2, 2, 1, 2, 2), 0, **PLAIN).is_close(expected.reshape(1, 2, 2, 1, 2, 2))


@points("im2col", 2)
def test_channels_come_before_images(ask):
    """Channels are rows of the matrix, images are among its columns."""
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).reshape(2, 3, 1, 1)  # two images, three channels
    expected = np.array([[1, 4], [2, 5], [3, 6]]).reshape(3, 1, 1, 2, 1, 1)
    ask("im2col", x, (3, 1, 1, 2, 1, 1), 0, **PLAIN).is_close(expected)


@points("im2col", 2)
def test_columns_of_some_rows(ask):
    """The columns of one row of the output are a part of all columns."""
    x = np.arange(15.0).reshape(1, 1, 5, 3)
    expected = np.array([6, 7, 9, 10]).reshape(1, 2, 2, 1, 1, 1)
    ask("im2col", x, (1, 2, 2, 1, 1, 1), 1, **STRIDED).is_close(expected)


@points("im2col", 3)
def test_columns_of_a_batch(ask, rng, reference):
    """Several images and channels, with stride, padding and dilation of 2, float32."""
    x, shape = whole_numbers(rng, 2, 3, 7, 6, dtype=np.float32), (3, 3, 3, 2, 2, 3)
    answer = ask("im2col", x, shape, first_row=1, **ALL_TWO)
    answer.is_close(reference.im2col(x, shape, first_row=1, **ALL_TWO)).has(dtype=np.float32)


@points("im2col", 3)
def test_columns_are_added_to_their_patches(ask):
    """Columns of ones count how many windows contain each place."""
    dx = columns_back(ask, np.ones((1, 2, 2, 1, 2, 2)), np.zeros((1, 1, 3, 3)), 0, 1, 0, 1)
    dx.is_close(maps([1, 2, 1], [2, 4, 2], [1, 2, 1]))


@points("im2col", 2)
def test_what_dx_held_is_kept(ask):
    """col2im adds to what is in dx already."""
    dcolumns, held = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1, 1, 1), maps([10, 20], [30, 40])
    columns_back(ask, dcolumns, held, 0, 1, 0, 1).is_close(maps([11, 22], [33, 44]))


@points("im2col", 3)
def test_columns_of_a_batch_go_back(ask, rng, reference):
    """Several images and channels, with stride, padding and dilation of 2."""
    dcolumns, held = whole_numbers(rng, 3, 3, 3, 2, 2, 3), whole_numbers(rng, 2, 3, 7, 6)
    expected = held.copy()
    reference.col2im(dcolumns, expected, 1, 2, 2, 2)
    columns_back(ask, dcolumns, held, 1, 2, 2, 2).is_close(expected)
