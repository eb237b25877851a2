"""A picture with three objects, for all tests of pictures."""

import numpy as np
import pytest

from minissd.detect import Detections


@pytest.fixture
def scene():
    """Image uint8 (60, 90, 3), gt_xyxy (4, 4), labels (4,)."""
    rng = np.random.default_rng(7)
    image = rng.integers(90, 130, (60, 90, 3)).astype(np.uint8)
    gt_xyxy = np.array(
        [[0.1, 0.2, 0.4, 0.6], [0.5, 0.3, 0.9, 0.95], [0.15, 0.7, 0.3, 0.85], [0.6, 0.1, 0.72, 0.25]]
    )
    for (x1, y1, x2, y2), color in zip(
        gt_xyxy * [90, 60, 90, 60], ([200, 40, 40], [40, 60, 200], [220, 200, 30])
    ):
        image[int(y1) : int(y2), int(x1) : int(x2)] = color
    return image, gt_xyxy, np.array([1, 2, 3, 1])


@pytest.fixture
def detections(scene):
    """Four detections near the objects, best first."""
    _, gt_xyxy, labels = scene
    return Detections(gt_xyxy + 0.01, np.array([0.95, 0.8, 0.5, 0.2]), labels, np.arange(4))


@pytest.fixture
def by_gid():
    """A function: the shapes of a panel that were drawn in a role."""

    def find(ax, gid):
        return [patch for patch in ax.patches if patch.get_gid() == gid]

    return find
