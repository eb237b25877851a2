"""Captions lie in their frame and never cover each other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Rectangle

from minissd import viz
from minissd.viz.captions import MOST_COVERED, place_captions

FRAME = (0.0, 0.0, 100.0, 100.0)


def shared_area(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


def test_a_caption_stands_on_the_upper_left_corner():
    assert place_captions([(20, 8)], np.array([[30.0, 40, 80, 90]]), FRAME) == [(30, 32, 50, 40)]


def test_at_the_upper_border_it_is_moved_into_the_frame():
    assert place_captions([(20, 8)], np.array([[30.0, 2, 80, 90]]), FRAME) == [(30, 0, 50, 8)]


def test_at_the_right_border_it_is_moved_into_the_frame():
    assert place_captions([(20, 8)], np.array([[95.0, 40, 100, 90]]), FRAME) == [(80, 32, 100, 40)]


def test_a_caption_does_not_hide_a_small_box_where_there_is_room_elsewhere():
    small = [40.0, 0, 50, 10]  # above it there is no room, inside it would be hidden
    (tag,) = place_captions([(20, 8)], np.array([small]), FRAME)
    assert shared_area(tag, small) <= 0.4 * 100


def test_a_caption_larger_than_the_frame_is_left_out():
    assert place_captions([(120, 8), (20, 8)], np.tile([10.0, 20, 50, 60], (2, 1)), FRAME)[0] is None


def test_no_boxes():
    assert place_captions([], np.zeros((0, 4)), FRAME) == []


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_no_two_overlap_and_all_lie_in_the_frame(seed, count):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(-10, 110, (count, 2, 2)), axis=1)
    sizes = list(zip(rng.uniform(5, 30, count), rng.uniform(4, 8, count)))
    tags = [tag for tag in place_captions(sizes, corners.reshape(-1, 4), FRAME) if tag is not None]
    assert tags
    for i, tag in enumerate(tags):
        assert min(tag) >= -1e-9 and max(tag) <= 100 + 1e-9
        assert all(shared_area(tag, other) < 1e-6 for other in tags[:i])
    assert sum((t[2] - t[0]) * (t[3] - t[1]) for t in tags) <= MOST_COVERED * 100 * 100 + 1e-6


def test_the_first_captions_have_the_first_choice():
    boxes = np.tile([10.0, 20, 50, 60], (200, 1))
    tags = place_captions([(20, 8)] * 200, boxes, FRAME)
    written = [tag is not None for tag in tags]
    assert written == sorted(written, reverse=True)  # the first ones have a place, the last ones have none
    assert written[0] and not written[-1]


def test_on_a_figure_tags_and_texts_do_not_overlap(scene):
    image, boxes_xyxy, labels = scene
    crowd = np.repeat(boxes_xyxy, 5, axis=0) + np.random.default_rng(1).normal(0, 0.02, (20, 4))
    figure = viz.draw_image_boxes(image, crowd, np.repeat(labels, 5), np.linspace(1, 0.1, 20))
    (ax,) = figure.axes
    renderer = figure.canvas.get_renderer()
    tags = [p.get_window_extent() for p in ax.patches if p.get_gid() == "caption"]
    texts = [text.get_window_extent(renderer) for text in ax.texts]
    assert len(tags) == len(texts) >= 4
    for boxes in (tags, texts):
        extents = [box.extents for box in boxes]
        pairs = [(a, b) for i, a in enumerate(extents) for b in extents[:i]]
        assert all(shared_area(a, b) < 0.5 for a, b in pairs)  # half a pixel of rounding
    for tag, text in zip(tags, texts):  # each text on its own tag
        assert shared_area(tag.extents, text.extents) > 0.95 * text.width * text.height


def test_a_dollar_sign_is_no_formula(scene):
    image, boxes_xyxy, _ = scene
    figure = viz.draw_image_boxes(image, boxes_xyxy[:1], captions=["$a_{ $"])
    figure.canvas.draw()
    assert figure.axes[0].texts[0].get_text() == "$a_{ $"


def test_tags_are_rectangles_in_the_colour_of_their_box(scene):
    image, boxes_xyxy, labels = scene
    (ax,) = viz.draw_image_boxes(image, boxes_xyxy, labels).axes
    tags = [p for p in ax.patches if p.get_gid() == "caption"]
    assert all(isinstance(tag, Rectangle) for tag in tags)
    frames = [p for p in ax.patches if p.get_gid() == "detection"]
    assert [tag.get_facecolor()[:3] for tag in tags] == [frame.get_edgecolor()[:3] for frame in frames]
