"""A picture with three objects on the small network's default boxes, and made-up predictions for it."""

from dataclasses import replace

import numpy as np
import pytest

from minissd import codec
from minissd.config import TINY
from minissd.explore import Snapshot
from minissd.matching import explain
from minissd.priors import prior_boxes

NEEDS = "needs the extra 'notebooks': pip install -e '.[notebooks]'"


@pytest.fixture
def widgets():
    """The module ipywidgets, or skip."""
    return pytest.importorskip("ipywidgets", reason=NEEDS)


@pytest.fixture
def config():
    return replace(TINY, num_classes=4)


@pytest.fixture
def image():
    return np.random.default_rng(7).integers(90, 130, (60, 60, 3)).astype(np.uint8)


@pytest.fixture
def objects():
    """gt_xyxy (3, 4), labels (3,)."""
    gt_xyxy = np.array([[0.1, 0.2, 0.4, 0.6], [0.5, 0.3, 0.95, 0.95], [0.15, 0.7, 0.3, 0.85]])
    return gt_xyxy, np.array([1, 2, 1])


@pytest.fixture
def snapshots(objects, config):
    """Predictions at steps 0 and 10: nothing is known, then every matched default box finds its object."""
    gt_xyxy, labels = objects
    priors_cxcywh, rng = prior_boxes(config), np.random.default_rng(3)
    owner = explain(gt_xyxy, priors_cxcywh, 0.4).matched_gt
    matched = owner >= 0
    loc = rng.normal(0, 0.3, (len(owner), 4)).astype(np.float32)
    loc[matched] += codec.encode(gt_xyxy[owner[matched]], priors_cxcywh[matched], config.variances)
    conf = np.zeros((len(owner), config.num_classes), np.float32)
    conf[:, 0] = 8
    conf[matched, 0] = 0
    conf[matched, labels[owner[matched]]] = rng.uniform(3, 8, matched.sum())
    untrained = Snapshot(0, np.zeros_like(loc), rng.normal(0, 1, conf.shape).astype(np.float32))
    return [untrained, Snapshot(10, loc, conf)]
