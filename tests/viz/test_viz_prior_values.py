"""A number for every default box, as pictures of the maps."""

from dataclasses import replace

import numpy as np
import pytest

from minissd.config import TINY
from minissd.errors import InputError
from minissd.viz.prior_values import draw_prior_values
from minissd.viz.priors import layer_slices

GT_XYXY = np.array([[0.1, 0.2, 0.4, 0.6], [0.5, 0.3, 0.9, 0.95]])


@pytest.fixture
def loss():
    values = np.zeros(TINY.num_priors)
    third = layer_slices(TINY)[2]  # the 8 x 8 map: cell (3, 5) has the rows from 4 * (3 * 8 + 5)
    values[third][4 * 29 : 4 * 30] = [0.5, 2.0, 0.0, 1.0]
    return values


def panels_of(figure, rows):
    """The panels with maps, (rows, 4) of them: the first of each row holds the name."""
    return np.reshape(figure.axes, (rows, 5))[:, 1:]


def test_a_cell_shows_its_largest_value_and_nothing_where_all_are_zero(loss):
    maps = [ax.images[0].get_array() for ax in panels_of(draw_prior_values({"loss": loss}, TINY), 1)[0]]
    assert [cells.shape for cells in maps] == [(32, 32), (16, 16), (8, 8), (4, 4)]
    assert np.flatnonzero(~np.ma.getmaskarray(maps[2])).tolist() == [29] and maps[2][3, 5] == 2
    assert all(np.ma.getmaskarray(maps[k]).all() for k in (0, 1, 3))


def test_each_row_has_its_own_scale_unless_one_is_given(loss):
    values = {"loss": loss, "ten times": 10 * loss}
    own = [row[0].images[0].get_clim() for row in panels_of(draw_prior_values(values, TINY), 2)]
    given = [row[0].images[0].get_clim() for row in panels_of(draw_prior_values(values, TINY, highest=5), 2)]
    assert own == [(0, 2), (0, 20)] and given == [(0, 5), (0, 5)]
    name = draw_prior_values(values, TINY).axes[5].texts[0].get_text()
    assert name.split("\n") == ["ten times", "", "darkest: 20"]


def test_the_objects_are_on_every_map(loss, by_gid):
    figure = draw_prior_values({"loss": loss}, TINY, GT_XYXY)
    for ax in panels_of(figure, 1)[0]:
        assert [box.get_bbox().extents.tolist() for box in by_gid(ax, "ground-truth")] == GT_XYXY.tolist()


def test_a_map_lies_where_its_cells_are(loss):
    """With a step of 40 px, the 8 cells of the third map reach to 320 of the 256 px."""
    wide = replace(TINY, steps=(8, 16, 40, 64))
    ax = panels_of(draw_prior_values({"loss": loss}, wide), 1)[0][2]
    assert ax.images[0].get_extent() == [0, 1.25, 1.25, 0] and ax.get_xlim() == (0, 1)


def test_zeros_alone_can_be_drawn_and_values_are_left_as_they_are(loss):
    before = loss.copy()
    draw_prior_values({"nothing": 0 * loss, "loss": loss}, TINY).canvas.draw()
    np.testing.assert_array_equal(loss, before)


def test_one_number_for_each_box(loss):
    with pytest.raises(InputError, match=r"values: 'loss' of shape \(5439,\) \(give one for each of 5440\)"):
        draw_prior_values({"loss": loss[1:]}, TINY)
