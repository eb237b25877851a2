"""Boxes over an image, and the picture at the image's own size."""

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from minissd import viz
from minissd.detect import Detections
from minissd.errors import InputError
from minissd.viz.page import new_page
from minissd.viz.picture import font_size_px, line_width_px
from minissd.viz.style import DETECTION, GROUND_TRUTH, class_color

NAMES = ["circle", "square", "triangle"]
NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), np.zeros(0, int))


def corners(patch):
    return [
        patch.get_x(),
        patch.get_y(),
        patch.get_x() + patch.get_width(),
        patch.get_y() + patch.get_height(),
    ]


def test_every_box_is_a_rectangle_at_its_place_in_the_colour_of_its_class(scene, by_gid):
    image, gt_xyxy, labels = scene
    (ax,) = viz.draw_image_boxes(image, gt_xyxy, labels, class_names=NAMES, role=GROUND_TRUTH).axes
    patches = by_gid(ax, "ground-truth")
    np.testing.assert_allclose([corners(p) for p in patches], gt_xyxy)
    assert [to_hex(p.get_edgecolor()).upper() for p in patches] == [class_color(label) for label in labels]
    assert [text.get_text() for text in ax.texts] == ["circle", "square", "triangle", "circle"]


def test_without_labels_the_boxes_have_the_colour_of_their_role(scene, by_gid):
    image, gt_xyxy, _ = scene
    (ax,) = viz.draw_image_boxes(image, gt_xyxy).axes
    assert {to_hex(p.get_edgecolor()).upper() for p in by_gid(ax, "detection")} == {DETECTION.color}
    assert not ax.texts


def test_the_best_detection_is_on_top_and_captions_have_scores(scene, by_gid):
    image, gt_xyxy, labels = scene
    (ax,) = viz.draw_image_boxes(image, gt_xyxy, labels, np.array([0.2, 0.9, 0.5, 0.4]), NAMES).axes
    top = max(by_gid(ax, "detection"), key=lambda p: p.get_zorder())
    np.testing.assert_allclose(corners(top), gt_xyxy[1])
    assert ax.texts[0].get_text() == "square 0.90"


def test_boxes_are_cut_at_the_border_of_the_image(scene, by_gid):
    (ax,) = viz.draw_image_boxes(scene[0], [[-0.5, 0.2, 1.5, 0.8]]).axes
    np.testing.assert_allclose(corners(*by_gid(ax, "detection")), [0, 0.2, 1, 0.8])


def test_the_panel_has_the_shape_of_the_image(scene):
    (ax,) = viz.draw_image_boxes(scene[0], scene[1]).axes
    ax.apply_aspect()
    box = ax.get_window_extent()
    assert box.height / box.width == pytest.approx(60 / 90, rel=0.01)


def test_it_draws_on_an_axes_that_it_is_given(scene):
    figure, axes = new_page(1, 2)
    assert viz.draw_image_boxes(scene[0], scene[1], ax=axes[1], title="here") is figure
    assert len(axes[0].patches) == 0 and axes[1].get_title("left") == "here"


@pytest.mark.parametrize("count", [0, 200])
@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3)])
def test_any_image_and_any_number_of_boxes(size, count, by_gid):
    rng = np.random.default_rng(0)
    boxes_xyxy = np.sort(rng.random((count, 2, 2)), axis=1).reshape(-1, 4)
    image = np.zeros((*size, 3), np.uint8)
    figure = viz.draw_image_boxes(image, boxes_xyxy, rng.integers(1, 21, count), rng.random(count))
    figure.canvas.draw()
    assert len(by_gid(figure.axes[0], "detection")) == count


def test_inputs_are_unchanged(scene, detections):
    image, gt_xyxy, labels = scene
    before = [a.copy() for a in (image, gt_xyxy, labels, detections.boxes_xyxy)]
    viz.draw_detections(image, detections, gt_xyxy, labels, NAMES)
    viz.paint_detections(image, detections, NAMES)
    for old, new in zip(before, (image, gt_xyxy, labels, detections.boxes_xyxy)):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_an_image_that_is_not_uint8_rgb_is_refused(image):
    with pytest.raises(InputError, match="uint8"):
        viz.draw_image_boxes(image, [])


def test_detections_are_beside_the_ground_truths_and_weak_ones_are_left_out(scene, detections, by_gid):
    image, gt_xyxy, labels = scene
    left, right = viz.draw_detections(image, detections, gt_xyxy, labels, NAMES, score_threshold=0.3).axes
    assert len(by_gid(left, "ground-truth")) == 4 and len(by_gid(right, "detection")) == 3
    assert left.get_title("left") == "ground truth: 4 objects"
    assert right.get_title("left") == "detections: 3 of score 0.3 or more"


def test_without_ground_truths_there_is_one_panel(scene):
    figure = viz.draw_detections(scene[0], NOTHING)
    assert len(figure.axes) == 1


# --- the picture at its own size ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 32), (60, 90), (1, 1), (700, 500)])
def test_the_picture_has_the_size_of_the_image_and_its_lines_the_colour_of_the_class(size, tmp_path):
    image = np.full((*size, 3), 77, np.uint8)
    found = Detections(np.array([[0.25, 0.25, 0.75, 0.75]]), np.array([0.9]), np.array([2]), np.array([0]))
    path = viz.write_detection_picture(image, found, NAMES, tmp_path / "found.png")
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == image.shape
    color = np.round(np.array(to_rgb(class_color(2))) * 255)
    left, bottom = int(np.round(size[1] * 0.25)), int(np.round(size[0] * 0.75)) - 1
    np.testing.assert_array_equal(pixels[max(bottom, 0), left], color)
    if size[0] > 1:
        np.testing.assert_array_equal(pixels[-1, -1], [77, 77, 77])


def test_a_thumbnail_has_boxes_but_no_caption_that_would_cover_it():
    image = np.full((32, 32, 3), 77, np.uint8)
    found = Detections(np.array([[0.25, 0.5, 0.5, 0.75]]), np.array([0.9]), np.array([1]), np.array([0]))
    changed = (np.asarray(viz.paint_detections(image, found, NAMES)) != 77).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 23, 8, 15)


def test_line_and_text_grow_with_the_picture_and_are_bounded():
    sizes = [(32, 32), (300, 300), (1920, 1080), (8660, 5773), (30000, 20000)]
    lines, fonts = [line_width_px(s) for s in sizes], [font_size_px(s) for s in sizes]
    assert lines == sorted(lines) and fonts == sorted(fonts)
    assert (lines[0], lines[-1], fonts[0], fonts[-1]) == (1, 24, 9, 200)


def test_no_detections_leave_the_image_as_it_is(scene):
    np.testing.assert_array_equal(np.asarray(viz.paint_detections(scene[0], NOTHING)), scene[0])


def test_a_picture_is_written_whole_or_not_at_all(scene, detections, tmp_path, monkeypatch):
    path = tmp_path / "found.png"
    path.write_bytes(b"older")

    def fail(*args, **kwargs):
        raise RuntimeError("interrupted")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(RuntimeError):
        viz.write_detection_picture(scene[0], detections, NAMES, path)
    assert path.read_bytes() == b"older" and [p.name for p in tmp_path.iterdir()] == ["found.png"]


def test_an_unknown_suffix_is_refused(scene, detections, tmp_path):
    with pytest.raises(InputError, match=r"\.png"):
        viz.write_detection_picture(scene[0], detections, NAMES, tmp_path / "found.tif")
    assert not list(tmp_path.iterdir())
