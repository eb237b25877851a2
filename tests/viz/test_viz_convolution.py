"""Pictures of what makes a convolution fast."""

import numpy as np
import pytest

from minissd.errors import InputError
from minissd.nn.fast.layout import empty_channels_last
from minissd.nn.fast.winograd import tile_origins
from minissd.viz import convolution, winograd


def boxes(ax, gid):
    """Corner, width and height of every rectangle with this name."""
    found = [patch for patch in ax.patches if patch.get_gid() == gid]
    return [(patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()) for patch in found]


def test_two_neighbouring_tiles_read_six_places_a_side_and_share_two_columns():
    inputs, outputs = winograd.draw_winograd_tiles(side=10, padding=1).axes
    assert boxes(inputs, "first") == [(-1, -1, 6, 6)]
    assert boxes(inputs, "second") == [(3, -1, 6, 6)]
    assert boxes(inputs, "shared") == [(3, -1, 2, 6)]
    assert boxes(outputs, "first") == [(0, 0, 4, 4)]
    assert boxes(outputs, "second") == [(4, 0, 4, 4)]


@pytest.mark.parametrize(("side", "padding", "outputs"), [(10, 1, 10), (9, 0, 7), (8, 1, 8)])
def test_tiles_begin_where_the_library_has_them(side, padding, outputs):
    figure = winograd.draw_winograd_tiles(side, padding)
    drawn = {(x, y) for x, y, _, _ in boxes(figure.axes[1], "tile")}
    origins = tile_origins(outputs, dilation=1).tolist()
    assert drawn == {(x, y) for x in origins for y in origins}


def test_a_map_of_one_tile_is_refused():
    with pytest.raises(InputError, match="side: 4 gives 4 outputs"):
        winograd.draw_winograd_tiles(side=4)


def test_matrices_show_every_number_in_its_cell_and_zero_is_white():
    first, second = winograd.draw_matrices({"P": [[1.0, -0.5]], "Q": [[0.0], [2 / 3]]}, "two").axes
    texts = {text.get_position(): text.get_text() for ax in (first, second) for text in ax.texts[:-1]}
    assert texts == {(0.5, 0.5): "0", (1.5, 0.5): "−0.5", (0.5, 1.5): "0.67"}
    assert second.patches[0].get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert first.texts[-1].get_text() == "P  (1 × 2)"


def test_colours_of_numbers_of_one_size_and_other_signs_differ_and_all_matrices_share_a_scale():
    large, small = winograd.draw_matrices({"large": [[4.0, -4.0]], "small": [[1.0, -1.0]]}).axes
    colors = [patch.get_facecolor() for ax in (large, small) for patch in ax.patches]
    assert len(set(colors)) == 4


def test_a_matrix_has_two_dimensions():
    with pytest.raises(InputError, match="matrices: G has the shape"):
        winograd.draw_matrices({"G": np.zeros(3)})


def test_memory_is_drawn_in_the_order_that_the_strides_say():
    channels, height, width = 3, 2, 2
    first, last = convolution.draw_layouts(channels, height, width, place=2).axes
    for ax, array in ((first, np.zeros((1, 3, 2, 2), np.float32)), (last, empty_channels_last((1, 3, 2, 2)))):
        _, per_channel, per_row, per_column = (step // 4 for step in array.strides)
        places = [int(text.get_text()) for text in ax.texts]
        for c, h, w in np.ndindex(channels, height, width):
            assert places[c * per_channel + h * per_row + w * per_column] == h * width + w


def test_the_channels_of_a_place_are_many_runs_or_one():
    first, last = convolution.draw_layouts(channels=4, height=2, width=3, place=1).axes
    assert boxes(first, "place") == [(1 + 6 * c, 0, 1, 1) for c in range(4)]
    assert boxes(last, "place") == [(4, 0, 4, 1)]


def test_a_place_that_is_not_on_the_map_is_refused():
    with pytest.raises(InputError, match="place: 6"):
        convolution.draw_layouts(height=2, width=3, place=6)


def test_a_tile_has_a_sum_for_every_row_and_vector():
    (ax,) = convolution.draw_register_tile(rows=6, vectors=2).axes
    assert len(boxes(ax, "sum")) == 12
    assert len(boxes(ax, "left")) == 6 and len(boxes(ax, "right")) == 2
    assert {width for _, _, width, _ in boxes(ax, "sum")} == {16}


def test_bars_end_at_the_rates_and_gains_are_against_the_step_before():
    figure = convolution.draw_rates({"loops": 0.004, "compiled": 2.0, "worse": 1.0}, peak=100.0)
    (ax,) = figure.axes
    (peak,) = [line for line in ax.lines if line.get_gid() == "peak"]
    assert peak.get_xdata()[0] == 100
    np.testing.assert_allclose([x + width for x, _, width, _ in boxes(ax, "rate")], [0.004, 2.0, 1.0])
    texts = [text.get_text() for text in ax.texts]
    assert texts[-3:] == ["", "×500", "×0.50"]
    assert "0.0040" in texts and "2.0" in texts


@pytest.mark.parametrize(("rates", "peak"), [({}, 1.0), ({"a": 0.0}, 1.0), ({"a": 1.0}, -1.0)])
def test_rates_are_above_zero(rates, peak):
    with pytest.raises(InputError, match="rates, peak"):
        convolution.draw_rates(rates, peak)
