"""The pictures of a trace, and the page that shows them."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from two_maps import TWO_MAPS

from minissd import viz
from minissd.boxes import cxcywh_to_xyxy
from minissd.codec import decode
from minissd.models import SSD
from minissd.priors import prior_boxes
from minissd.trace import locate, trace
from minissd.viz import trace as pictures
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
    prior_cxcywh, offsets = prior_boxes(TWO_MAPS)[prior], np.array([1.0, -2.0, 1.5, -1.0])
    place = locate(TWO_MAPS, prior)
    (ax,) = viz.draw_origin(scene[0], TWO_MAPS, place, prior_cxcywh, offsets).axes
    before, after = cxcywh_to_xyxy(prior_cxcywh), decode(offsets, prior_cxcywh)
    np.testing.assert_allclose(corners(by_gid(ax, "prior")), [before])
    np.testing.assert_allclose(corners(by_gid(ax, "detection")), [after])
    size = TWO_MAPS.steps[place.map] / 32
    corner = np.array([place.column, place.row]) * size
    np.testing.assert_allclose(corners(by_gid(ax, "cell")), [[*corner, *(corner + size)]])
    (grid,) = [lines for lines in ax.collections if lines.get_gid() == "cells"]
    assert len(grid.get_segments()) == 2 * (TWO_MAPS.feature_maps[place.map] + 1)
    assert_in_view(ax, [before, after])


def test_a_small_box_is_seen_from_near_and_a_large_one_with_all_of_the_image():
    image = np.zeros((20, 20, 3), np.uint8)
    for box, side in (([0.5, 0.5, 0.52, 0.53], 0.3), ([0.1, 0.1, 0.4, 0.3], 0.48), ([0, 0, 1, 1], 1)):
        (ax,) = viz.draw_suppressed(image, np.array(box, float), np.zeros((0, 4))).axes
        left, top, right, bottom = view(ax)
        assert right - left == pytest.approx(side) and bottom - top == pytest.approx(side)
        assert left >= -1e-9 and top >= -1e-9 and right <= 1 + 1e-9 and bottom <= 1 + 1e-9


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


# -- the page ----------------------------------------------------------------------------------------------


@pytest.fixture
def seen(scene, monkeypatch):
    """Of an untrained network, which finds much at a low score; a page is to explain two."""
    monkeypatch.setattr(pictures, "MOST_EXPLAINED", 2)
    return trace(SSD(TWO_MAPS, np.random.default_rng(0)), scene[0], score_threshold=0.3, iou_threshold=0.1)


def test_the_page_shows_every_picture_it_has(seen, tmp_path):
    page = viz.write_trace(seen, tmp_path / "new", "A & B", ["cat", "dog"])
    text = page.read_text(encoding="utf-8")
    written = {path.name for path in page.parent.iterdir()} - {"index.html"}
    assert page == tmp_path / "new" / "index.html" and "<h1>A &amp; B</h1>" in text
    assert all(f'src="{name}"' in text for name in written)
    assert {"overview.png", "input.png", "map_0.png", "map_1.png", "detection_01.png"} <= written


def test_no_more_than_the_best_are_explained(seen, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_ROWS", 1)
    most = max(len(one.suppressed) for one in seen.found[:2])
    assert len(seen.found) > 2 and most > 1
    text = viz.write_trace(seen, tmp_path).read_text(encoding="utf-8")
    assert (
        f"Detections over the score 0.3: {len(seen.found)}. The best 2 of them are explained below." in text
    )
    assert "Detection 2: " in text and "Detection 3: " not in text
    assert f"The same boxes in numbers, the best 1 of {most}:" in text


def test_the_page_tells_what_the_trace_knows(seen, tmp_path):
    text = viz.write_trace(seen, tmp_path, class_names=["cat", "dog"]).read_text(encoding="utf-8")
    assert seen.describe_input() in text
    assert all(seen.describe_source(k) in text for k in (0, 1))
    for one in seen.found[: pictures.MOST_EXPLAINED]:
        assert seen.describe_origin(one) in text
        assert f"<td>{one.describe_offsets(32)[0]}</td>" in text
        for prior, score in zip(one.suppressed.priors[:10], one.suppressed.scores):
            assert f'<th scope="row">{prior}</th>' in text
            assert f"<td>{['cat', 'dog'][one.label - 1]} {score:.2f}</td>" in text


def test_nothing_found_is_a_page_too(scene, tmp_path):
    seen = trace(SSD(TWO_MAPS), scene[0], score_threshold=1.0)
    text = viz.write_trace(seen, tmp_path).read_text(encoding="utf-8")
    assert "Detections over the score 1: 0." in text and "Detection 1" not in text
