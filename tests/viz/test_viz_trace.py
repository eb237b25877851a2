"""The pictures of a trace."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from two_maps import TWO_MAPS

from minissd import viz
from minissd.boxes import cxcywh_to_xyxy
from minissd.codec import decode
from minissd.places import locate
from minissd.priors import prior_boxes
from minissd.viz.style import DETECTION


def corners(patches):
    return np.array([[*p.get_xy(), p.get_x() + p.get_width(), p.get_y() + p.get_height()] for p in patches])


def view(ax):
    """Left, top, right, bottom of what a panel shows."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    return np.array([left, top, right, bottom])


def assert_in_view(ax, boxes_xyxy):
    left, top, right, bottom = view(ax)
    assert right - left == pytest.approx(bottom - top)
    assert (np.array(boxes_xyxy).reshape(-1, 4) >= [left, top, left, top]).all()
    assert (np.array(boxes_xyxy).reshape(-1, 4) <= [right, bottom, right, bottom]).all()


# -- what the network sees ---------------------------------------------------------------------------------


def test_the_input_is_beside_the_picture_each_in_its_own_shape(scene):
    seen = np.zeros((32, 32, 3), np.uint8)
    left, right = viz.draw_input(scene[0], seen).axes
    assert left.get_title("left") == "the picture: 90 × 60"
    assert right.get_title("left") == "what the network sees: 32 × 32"
    np.testing.assert_array_equal(right.images[0].get_array(), seen)
    for ax, aspect in ((left, 60 / 90), (right, 1)):
        ax.apply_aspect()
        box = ax.get_window_extent()
        assert box.height / box.width == pytest.approx(aspect, rel=0.01)


def channels(figure):
    (image,) = figure.axes[0].images
    assert image.get_gid() == "channels"
    return image.get_array()


def test_channels_that_vary_most_are_shown_in_their_order():
    """Channel 0 varies by 1, 1 by 0, 2 by 3, 3 by 2; each fills the range 0...1."""
    maps = np.array([[[0, 1]], [[5, 5]], [[3, 0]], [[7, 9]]], dtype=float)
    tiles = channels(viz.draw_channels(maps, 2))
    np.testing.assert_array_equal(tiles.filled(-1), [[1, 0, -1, 0, 1]])
    assert channels(viz.draw_channels(maps, 4)).shape == (3, 5)


def test_channels_of_one_cell_are_the_squares_of_one_picture():
    maps = np.array([0.0, 4.0, 1.0, 3.0, 2.0]).reshape(5, 1, 1)  # the strongest four
    np.testing.assert_allclose(channels(viz.draw_channels(maps)), [[1, 0], [2 / 3, 1 / 3]])


def test_a_silent_map_is_drawn():
    assert (channels(viz.draw_channels(np.zeros((3, 2, 2)))).compressed() == 0).all()


# -- one detection -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [0, 21, 63, 64, 69])
def test_the_default_box_its_cell_and_the_box_it_becomes(prior, scene, by_gid):
    prior_cxcywh, place = prior_boxes(TWO_MAPS)[prior], locate(TWO_MAPS, prior)
    offsets = np.array([1.0, -2.0, 1.5, -1.0])
    before, after = cxcywh_to_xyxy(prior_cxcywh), decode(offsets, prior_cxcywh)
    (ax,) = viz.draw_origin(scene[0], TWO_MAPS, place, prior_cxcywh, offsets, after).axes
    np.testing.assert_allclose(corners(by_gid(ax, "prior")), [before])
    np.testing.assert_allclose(corners(by_gid(ax, "detection")), [after])
    size = TWO_MAPS.steps[place.map] / 32
    corner = np.array([place.column, place.row]) * size
    np.testing.assert_allclose(corners(by_gid(ax, "cell")), [[*corner, *(corner + size)]])
    (grid,) = [lines for lines in ax.collections if lines.get_gid() == "cells"]
    assert len(grid.get_segments()) == 2 * (TWO_MAPS.feature_maps[place.map] + 1)
    assert_in_view(ax, [before, after])


def arrows(ax, kind):
    """Start and end of the arrows of a kind."""
    patches = [patch for patch in ax.patches if patch.get_gid() == f"offset-{kind}"]
    return np.array([patch._posA_posB for patch in patches])


def test_a_box_that_was_cut_is_drawn_as_it_is_left(scene, by_gid):
    """The centre is where the offsets move it; a line on the border is seen in its full width."""
    prior_cxcywh, offsets = np.array([0.25, 0.25, 0.4, 0.4]), np.array([-2.5, 0, 5 * np.log(2), 0])
    cut = np.array([0.0, 0.05, 0.55, 0.45])  # of -0.25 to 0.55, around 0.15
    origin = locate(TWO_MAPS, 0), prior_cxcywh, offsets, cut
    figure = viz.draw_origin(scene[0], TWO_MAPS, *origin, cut=True)
    (ax,) = figure.axes
    np.testing.assert_allclose(corners(by_gid(ax, "detection")), [cut])
    np.testing.assert_allclose(arrows(ax, "center"), [[[0.25, 0.25], [0.15, 0.25]]])
    np.testing.assert_allclose(arrows(ax, "corner")[:, 1], [cut[:2], cut[2:]])
    left, *_ = view(ax)
    assert -0.02 < left < -0.005
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["default box", "cell", "box, cut"]


def test_the_head_of_an_arrow_is_not_longer_than_its_way(scene):
    """Matplotlib draws heads of a fixed size, and a short arrow would be a blob."""
    prior_cxcywh, heads = np.array([0.5, 0.5, 0.4, 0.4]), []
    for offset in (5.0, 0.25):  # tenths of its width
        offsets = np.array([offset, 0, 0, 0])
        origin = locate(TWO_MAPS, 0), prior_cxcywh, offsets, decode(offsets, prior_cxcywh)
        (ax,) = viz.draw_origin(scene[0], TWO_MAPS, *origin).axes
        heads += [patch.get_mutation_scale() for patch in ax.patches if patch.get_gid() == "offset-center"]
    assert heads[0] == 14 and 4 <= heads[1] < 10


@pytest.mark.parametrize(
    "box_xyxy",
    [
        [-np.inf, -np.inf, np.inf, np.inf],
        [-1e30, 0.2, 1e30, 0.4],
        [0.2, -3e38, 0.4, np.inf],
        [np.nan] * 4,
        [5.0, 5.0, 6.0, 6.0],
    ],
    ids=str,
)
def test_boxes_without_end_are_drawn(box_xyxy, scene, by_gid, tmp_path):
    box_xyxy = np.array(box_xyxy, np.float32)
    prior_cxcywh = prior_boxes(TWO_MAPS)[5]
    offsets = np.array([np.nan, np.inf, 9999, 9999])
    origin = viz.draw_origin(scene[0], TWO_MAPS, locate(TWO_MAPS, 5), prior_cxcywh, offsets, box_xyxy)
    kept = viz.draw_suppressed(scene[0], box_xyxy, np.array([[0.2, 0.2, 0.5, 0.5], box_xyxy]))
    for number, figure in enumerate((origin, kept)):
        (ax,) = figure.axes
        assert np.isfinite(corners(by_gid(ax, "detection"))).all() and np.isfinite(arrows(ax, "center")).all()
        left, top, right, bottom = view(ax)
        assert -0.3 < left < right < 1.3 and -0.3 < top < bottom < 1.3
        viz.save(figure, tmp_path / f"{number}.png")


def test_offsets_without_end_are_drawn(scene, by_gid, tmp_path):
    priors_cxcywh, loc = np.full((2, 4), 0.5), np.array([[0, 0, 5000.0, 450.0], [0, 0, 0, 5 * np.log(4)]])
    figure = viz.draw_offsets(scene[0], priors_cxcywh, loc)
    drawn = corners(by_gid(figure.axes[0], "detection"))
    assert np.isfinite(drawn).all() and np.abs(drawn).max() <= 10
    np.testing.assert_allclose(drawn[1], [0.25, -0.5, 0.75, 1.5])
    viz.save(figure, tmp_path / "offsets.png")


def test_offsets_by_the_rules_of_torchvision(scene, by_gid):
    priors_cxcywh, loc = np.full((1, 4), 0.5), np.array([[2.0, 0, 50.0, 5 * np.log(4)]])
    rules = {"max_log_size": np.log(1.5), "clip": True}
    (ax,) = viz.draw_offsets(scene[0], priors_cxcywh, loc, **rules).axes
    # 1.5 times as large as 0.5, around 0.6 and 0.5
    np.testing.assert_allclose(corners(by_gid(ax, "detection")), [[0.225, 0.125, 0.975, 0.875]])
    (ax,) = viz.draw_offsets(scene[0], priors_cxcywh, loc, clip=True).axes
    np.testing.assert_allclose(corners(by_gid(ax, "detection")), [[0, 0, 1, 1]])


def test_a_small_box_is_seen_from_near_and_a_large_one_with_all_of_the_image():
    image = np.zeros((20, 20, 3), np.uint8)
    for box, side in (([0.5, 0.5, 0.52, 0.53], 0.3), ([0.1, 0.1, 0.4, 0.3], 0.48), ([0, 0, 1, 1], 1.022)):
        (ax,) = viz.draw_suppressed(image, np.array(box, float), np.zeros((0, 4))).axes
        left, top, right, bottom = view(ax)
        assert right - left == pytest.approx(side) and bottom - top == pytest.approx(side)
        assert min(left, top) >= -0.0111 and max(right, bottom) <= 1.0111


def test_suppressed_boxes_are_dashed_around_the_kept_one(scene, by_gid):
    kept, lost = np.array([0.2, 0.2, 0.5, 0.6]), np.array([[0.22, 0.2, 0.5, 0.6], [-0.05, 0.2, 0.5, 0.7]])
    (ax,) = viz.draw_suppressed(scene[0], kept, lost).axes
    np.testing.assert_allclose(corners(by_gid(ax, "detection")), [kept])
    np.testing.assert_allclose(corners(by_gid(ax, "suppressed")), lost)
    assert all(patch._dash_pattern[1] for patch in by_gid(ax, "suppressed"))
    assert not by_gid(ax, "detection")[0]._dash_pattern[1]
    assert_in_view(ax, [kept, *lost])


def bars(figure):
    """Length and colour of the bars, and the texts at them."""
    (ax,) = figure.axes
    found = [patch for patch in ax.patches if patch.get_gid() == "probability"]
    texts = [text.get_text() for text in ax.texts]
    colors = [to_hex(patch.get_facecolor()).upper() for patch in found]
    return [patch.get_width() for patch in found], colors, texts


def test_the_most_probable_classes_are_bars_best_first():
    widths, colors, texts = bars(viz.draw_probabilities(np.array([0.2, 0.1, 0.7]), 2, ["cat", "dog"]))
    assert widths == [0.7, 0.2, 0.1]
    assert texts == ["dog", "0.7000", "background", "0.2000", "cat", "0.1000"]
    assert colors[0] == DETECTION.color and DETECTION.color not in colors[1:]


def test_the_least_probabilities_are_not_called_nothing():
    _, _, texts = bars(viz.draw_probabilities(np.array([4e-5, 6e-5, 0.9999]), 2))
    assert texts[1::2] == ["0.9999", "0.0001", "under 0.0001"]


def test_of_many_classes_there_are_five_and_the_background_in_any_case():
    probabilities = np.full(81, 0.01)
    probabilities[[0, 80, 3, 7, 9, 11]] = 0.001, 0.5, 0.1, 0.05, 0.04, 0.03
    widths, _, texts = bars(viz.draw_probabilities(probabilities, 80))
    np.testing.assert_allclose(widths, [0.5, 0.1, 0.05, 0.04, 0.001])
    assert texts[::2] == ["class 80", "class 3", "class 7", "class 9", "background"]


def test_texts_at_the_bars_do_not_overlap():
    names = [f"a class with quite a long name, number {number}" for number in range(4)]
    figure = viz.draw_probabilities(np.array([0.1, 0.5, 0.3, 0.06, 0.04]), 1, names)
    figure.canvas.draw()
    extents = [text.get_window_extent().extents for text in figure.axes[0].texts]
    for i, (x1, y1, x2, y2) in enumerate(extents):
        assert x1 >= 0 and x2 <= figure.bbox.width and y1 >= 0 and y2 <= figure.bbox.height
        for other in extents[i + 1 :]:
            assert x2 <= other[0] or other[2] <= x1 or y2 <= other[1] or other[3] <= y1
