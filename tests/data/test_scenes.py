"""Drawn scenes: that boxes are exact, scenes repeatable, settings kept."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minissd.data.scenes import DEFAULT_CLASSES, DrawnScenes
from minissd.data.shapes import SHAPES, shape_mask
from minissd.errors import InputError


@pytest.mark.parametrize("side", [18, 40, 150])
@pytest.mark.parametrize("name", SHAPES)
def test_masks_are_tight_and_of_the_size_asked_for(name, side):
    mask = shape_mask(name, side)
    assert max(mask.shape) == pytest.approx(side, abs=1.01)
    assert mask.min() >= 0
    assert mask.max() == 1
    for border in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert border.max() >= 1 / 3


def test_area_of_masks_in_closed_form():
    inner = 0.58
    cross_arm = 0.32
    for name, share in (
        ("square", 1.0),
        ("circle", np.pi / 4),
        ("ring", np.pi / 4 * (1 - inner**2)),
        ("cross", 2 * cross_arm - cross_arm**2),
    ):
        assert shape_mask(name, 120).sum() / 120**2 == pytest.approx(share, rel=0.02), name
    triangle = shape_mask("triangle", 120)  # equilateral: height sqrt(3)/2, area half of the box
    assert triangle.shape[0] / triangle.shape[1] == pytest.approx(0.866, abs=0.02)
    assert triangle.mean() == pytest.approx(0.5, abs=0.015)


def test_turned_square_has_the_box_that_trigonometry_says():
    # Side a turned by t: its box has side a (cos t + sin t). The mask is scaled to 100, so a = 100 / 1.2817.
    mask = shape_mask("square", 100, degrees=20)
    a = 100 / (np.cos(np.deg2rad(20)) + np.sin(np.deg2rad(20)))
    assert mask.sum() == pytest.approx(a * a, rel=0.02)


def test_scene_is_the_same_whatever_the_order_and_thread():
    scenes = DrawnScenes(length=6, image_size=128, seed=5)
    forward = [scenes[i] for i in range(6)]
    backward = [DrawnScenes(length=6, image_size=128, seed=5)[i] for i in reversed(range(6))][::-1]
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(scenes.__getitem__, range(6)))
    for a, b, c in zip(forward, backward, threaded, strict=True):
        for other in (b, c):
            np.testing.assert_array_equal(a.image, other.image)
            np.testing.assert_array_equal(a.gt_xyxy, other.gt_xyxy)
            np.testing.assert_array_equal(a.labels, other.labels)
        assert a.image.flags.c_contiguous


def test_scenes_differ_by_index_and_seed():
    images = [DrawnScenes(image_size=64, seed=seed)[i].image for seed in (0, 1) for i in (0, 1)]
    for i, a in enumerate(images):
        assert all((a != b).any() for b in images[:i])


def test_length_does_not_change_a_scene():
    a, b = DrawnScenes(length=3, image_size=64)[2], DrawnScenes(length=300, image_size=64)[2]
    np.testing.assert_array_equal(a.image, b.image)


def test_samples_are_sound():
    scenes = DrawnScenes(length=60, image_size=128, max_objects=4)
    labels = []
    for sample in scenes:
        assert (sample.image.shape, sample.image.dtype) == ((128, 128, 3), np.uint8)
        assert (sample.gt_xyxy.dtype, sample.labels.dtype) == (np.float64, np.int64)
        assert 1 <= len(sample.gt_xyxy) == len(sample.labels) <= 4
        assert ((sample.gt_xyxy >= 0) & (sample.gt_xyxy <= 1)).all()
        side = (sample.gt_xyxy[:, 2:] - sample.gt_xyxy[:, :2]).max(axis=1)
        assert (side >= 0.08 - 1 / 128).all()
        assert (side <= 0.58 + 1 / 128).all()
        np.testing.assert_allclose(sample.gt_xyxy * 128, np.rint(sample.gt_xyxy * 128), atol=1e-9)
        labels.extend(sample.labels)
    assert set(labels) == set(range(1, 7))


def test_boxes_are_tight_around_the_drawn_pixels():
    """Without clutter the background is smooth, so a drawn object is where the picture jumps."""
    scenes = DrawnScenes(length=12, image_size=160, max_objects=1, clutter=0, class_names=["square"])
    for sample in scenes:
        x1, y1, x2, y2 = np.rint(sample.gt_xyxy[0] * 160).astype(int)
        pixels = sample.image.astype(int)
        middle = (y1 + y2) // 2
        jump = np.abs(np.diff(pixels[middle], axis=0)).sum(axis=1)  # (159,)
        strong = np.nonzero(jump > 60)[0]
        assert len(strong) >= 2
        # A turned square touches its box with its corners; its edges lie within it.
        assert strong[0] >= x1 - 2
        assert strong[-1] <= x2 + 1


def test_overlap_is_bounded():
    for sample in DrawnScenes(length=40, image_size=128, max_objects=8, max_overlap=0.1):
        boxes_px = sample.gt_xyxy * 128
        for i, a in enumerate(boxes_px):
            for b in boxes_px[:i]:
                size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
                smaller = min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2]))
                assert size.clip(0).prod() <= 0.1 * smaller + 1e-9


def test_settings():
    scenes = DrawnScenes(length=20, image_size=96, class_names=["A", "4"], object_sizes=(0.3, 0.4))
    assert scenes.class_names == ("A", "4")
    labels = np.concatenate([s.labels for s in scenes])
    assert set(labels) == {1, 2}
    assert DrawnScenes().class_names == DEFAULT_CLASSES
    assert len(scenes) == 20
    np.testing.assert_array_equal(scenes[-1].image, scenes[19].image)
    np.testing.assert_array_equal(scenes[np.int64(3)].image, scenes[3].image)
    with pytest.raises(IndexError):
        scenes[20]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("class_names", ["hexagon"]),
        ("class_names", []),
        ("class_names", ["star", "star"]),
        ("max_objects", 0),
        ("object_sizes", (0.5, 0.2)),
        ("object_sizes", (0.5, 1.2)),
        ("max_overlap", -0.1),
        ("clutter", -1),
        ("seed", -1),
        ("image_size", 8),
        ("length", -1),
    ],
)
def test_bad_settings_are_refused(setting, value):
    with pytest.raises(InputError, match=setting):
        DrawnScenes(**{setting: value})
