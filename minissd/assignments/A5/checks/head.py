"""Checks of the head."""

import numpy as np

from minissd.assignments.marking import points


def numbered(height, width, channels):
    """A map in which 1000 c + 10 r + q stands in channel c, row r and column q."""
    c, r, q = np.ogrid[:channels, :height, :width]
    return (1000 * c + 10 * r + q)[None].astype(float)


# -- flatten ------------------------------------------------------------------------------------------------


@points("flatten", 3)
def test_one_box_in_two_cells(ask):
    """The example of the docstring: a map of one row, two columns and one box in each cell."""
    y = 10.0 * np.arange(6).reshape(1, 6, 1, 1) + np.arange(2)
    loc, conf = ask("flatten_predictions", y, 1, 2).parts(2)
    loc.equals([[[0, 10, 20, 30], [1, 11, 21, 31]]])
    conf.equals([[[40, 50], [41, 51]]])


@points("flatten", 4)
def test_offsets_of_all_boxes_come_before_the_logits(ask):
    """One cell with two boxes: channels 0-3 and 4-7 are their offsets, 8-10 and 11-13 their logits."""
    loc, conf = ask("flatten_predictions", np.arange(14.0).reshape(1, 14, 1, 1), 2, 3).parts(2)
    loc.equals([[[0, 1, 2, 3], [4, 5, 6, 7]]])
    conf.equals([[[8, 9, 10], [11, 12, 13]]])


@points("flatten", 4)
def test_rows_go_by_row_column_box(ask):
    """Two rows, three columns, two boxes: those of the first cell, then those of the cell to its right."""
    loc, _ = ask("flatten_predictions", numbered(2, 3, 12), 2, 2).parts(2)
    first_offsets = [0, 4000, 1, 4001, 2, 4002, 10, 4010, 11, 4011, 12, 4012]
    loc.equals(np.array(first_offsets)[None, :, None] + 1000 * np.arange(4))


@points("flatten", 3)
def test_batch_of_maps(ask, rng, reference):
    """Three maps of 4 rows and 5 columns with three boxes of four classes, at random."""
    y = rng.normal(size=(3, 24, 4, 5))
    ask("flatten_predictions", y, 3, 4).is_close(reference.flatten_predictions(y, 3, 4))


# -- unflatten ----------------------------------------------------------------------------------------------


@points("unflatten", 3)
def test_two_rows_become_two_cells(ask):
    """Two rows with one box and two classes return to a map of one row and two columns."""
    dloc, dconf = np.array([[[0, 10, 20, 30], [1, 11, 21, 31.0]]]), np.array([[[40, 50], [41, 51.0]]])
    expected = 10 * np.arange(6).reshape(1, 6, 1, 1) + np.arange(2)
    ask("unflatten_gradients", dloc, dconf, (1, 6, 1, 2)).equals(expected)


@points("unflatten", 3)
def test_cell_by_cell_and_box_by_box(ask):
    """Two rows, three columns, two boxes: each number returns to its channel, row and column."""
    y = numbered(2, 3, 12)[0].transpose(1, 2, 0)  # (H, W, channels)
    dloc, dconf = y[..., :8].reshape(1, 12, 4), y[..., 8:].reshape(1, 12, 2)
    ask("unflatten_gradients", dloc, dconf, (1, 12, 2, 3)).equals(numbered(2, 3, 12))


@points("unflatten", 4)
def test_gradients_of_a_batch(ask, rng, reference):
    """Three maps of 4 rows and 5 columns with three boxes of four classes, at random."""
    dloc, dconf, shape = rng.normal(size=(3, 60, 4)), rng.normal(size=(3, 60, 4)), (3, 24, 4, 5)
    ask("unflatten_gradients", dloc, dconf, shape).is_close(reference.unflatten_gradients(dloc, dconf, shape))
