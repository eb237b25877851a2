"""Three pictures of animals with 2, 1 and 0 objects, and folders of them in VOC's and COCO's format."""

import numpy as np
import pytest
from animals import CLASSES

from minissd.data import Sample, write_coco, write_voc


@pytest.fixture
def samples(rng):
    """Three pictures of 40 x 20 with 2, 1 and 0 objects."""
    return [
        Sample(
            rng.integers(0, 256, (20, 40, 3), dtype=np.uint8),
            np.array([[0.25, 0.5, 0.75, 1.0], [0.125, 0.0, 0.2625, 0.33]])[:count],
            np.array([2, 1])[:count],
            np.array([False, True])[:count],
        )
        for count in (2, 1, 0)
    ]


@pytest.fixture
def voc_root(tmp_path, samples):
    """The pictures as split train."""
    return write_voc(tmp_path / "pets", "train", samples, CLASSES, image_format="png")


@pytest.fixture
def coco_root(tmp_path, samples):
    """The pictures as split train."""
    return write_coco(tmp_path / "pets", "train", samples, CLASSES, image_format="png")
