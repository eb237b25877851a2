"""Which objects SSD300's default boxes can match at all, and how many boxes match one object.

The default boxes are those of VOC (ssd_pascal.py); the smallest is 30 x 30 pixels. Objects are drawn at
random places of the image, with sides that differ up to twofold.
"""

import numpy as np
import pytest

from minissd import boxes, matching, priors
from minissd.config import SSD300_VOC

PRIORS_CXCYWH = priors.prior_boxes(SSD300_VOC)
PRIORS_XYXY = boxes.cxcywh_to_xyxy(PRIORS_CXCYWH)


def objects_of(side_px, count):
    """Boxes of the area of a square of this side, wholly in the image, (count, 4)."""
    rng = np.random.default_rng([300, side_px])
    root = np.sqrt(np.exp(rng.uniform(-np.log(2), np.log(2), count)))  # width / height from 1/2 to 2
    size = np.minimum(side_px * np.stack([root, 1 / root], axis=1) / 300, 1)
    top_left = rng.uniform(size=(count, 2)) * (1 - size)
    return np.hstack([top_left, top_left + size])


def best_ious(side_px, count=150):
    return boxes.iou(objects_of(side_px, count), PRIORS_XYXY).max(axis=1)


@pytest.mark.parametrize("side_px", [4, 8, 12, 16, 18, 20])
def test_no_object_up_to_20_pixels_reaches_an_iou_of_half(side_px):
    """IoU is at most the ratio of the areas: 400 / 900 is less than a half, whatever the place."""
    assert best_ious(side_px).max() <= side_px**2 / 30**2 + 1e-12 < 0.5


@pytest.mark.parametrize("side_px", [24, 27, 30, 35, 40, 50, 60, 80, 100, 120, 150, 200, 250, 280])
def test_every_object_from_24_pixels_reaches_an_iou_of_half(side_px):
    assert best_ious(side_px).min() >= 0.5


def test_between_20_and_24_pixels_it_depends_on_the_place():
    reached = np.concatenate([best_ious(22), best_ious(23)]) >= 0.5
    assert 0 < reached.mean() < 1


@pytest.mark.parametrize(
    ("side_px", "expected"),
    [(8, 1), (16, 1), (20, 1), (24, 3.9), (30, 8.3), (40, 11.4), (60, 11.4), (100, 13.7), (150, 13.7),
     (200, 10.1), (280, 6.8)],
)  # fmt: skip
def test_mean_number_of_positives_of_one_object(side_px, expected):
    """Up to 20 pixels the forced match is the only one: without it small objects would have no loss."""
    counts = [
        np.count_nonzero(matching.match(gt_xyxy[None], PRIORS_CXCYWH) >= 0)
        for gt_xyxy in objects_of(side_px, 80)
    ]
    if expected == 1:
        assert set(counts) == {1}
    error = np.std(counts) / len(counts) ** 0.5
    assert abs(np.mean(counts) - expected) <= 4 * error + 0.05 * expected
