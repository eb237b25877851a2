"""The view of the suppression goes through its rounds."""

import html

import numpy as np
import pytest

from minissd import explore
from minissd.boxes import iou
from minissd.codec import decode
from minissd.explore import Snapshot
from minissd.nms import nms, suppressed_by
from minissd.priors import prior_boxes
from minissd.softmax import softmax
from minissd.viz.suppression_round import suppression_rounds


def test_rounds_by_hand():
    """Box 2 is best and suppresses 0 and 4; then 1, which suppresses 3; then 5, alone. Box 6 was left out."""
    scores = np.array([0.5, 0.8, 0.9, 0.1, 0.6, 0.3, 0.05])
    rounds = suppression_rounds(scores, np.array([2, -1, -1, 1, 2, -1, -2]))
    assert [(kept, suppressed.tolist()) for kept, suppressed in rounds] == [(2, [4, 0]), (1, [3]), (5, [])]


def test_every_box_has_its_fate_in_one_round(rng):
    boxes_xyxy, scores = np.tile([0.2, 0.2, 0.6, 0.6], (80, 1)) + rng.normal(0, 0.1, (80, 4)), rng.random(80)
    rounds = suppression_rounds(scores, suppressed_by(boxes_xyxy, scores))
    assert [kept for kept, _ in rounds] == nms(boxes_xyxy, scores).tolist()
    assert sorted(row for kept, others in rounds for row in (kept, *others)) == list(range(80))


@pytest.fixture
def view(widgets, image, snapshots, config):
    return explore.nms(image, snapshots[1], config, class_names=["cat", "dog", "cow"])


def lines(view):
    return html.unescape(view.text.value).split("<br>")


def test_the_class_of_the_best_score_comes_first(view, snapshots):
    best = softmax(snapshots[1].conf)[:, 1:].max(axis=0).argmax() + 1
    assert view.controls["label"].value == best
    assert [name for name, _ in view.controls["label"].options] == ["cat", "dog", "cow"]


def test_each_round_says_what_is_kept_and_what_is_suppressed_with_which_iou(view, snapshots, config):
    view.set(label=1)
    boxes_xyxy = decode(snapshots[1].loc, prior_boxes(config), config.variances)
    scores = softmax(snapshots[1].conf)[:, 1]
    found = np.flatnonzero(scores > 0.1)
    kept = found[nms(boxes_xyxy[found], scores[found])]
    assert view.controls["round"].max == len(kept) > 1
    for number, prior in enumerate(kept, 1):
        view.controls["round"].value = number
        first, second, *rest = lines(view)
        assert first == f"{len(found)} boxes, {len(kept)} rounds"
        best = f"the box of prior {prior}, score {scores[prior]:.3f}"
        assert second.startswith(f"round {number}: {best}, is kept")
        for line in rest:
            if line.startswith("prior"):
                other = int(line.split()[1].rstrip(","))
                overlap = iou(boxes_xyxy[[prior]], boxes_xyxy[[other]])[0, 0]
                assert overlap > 0.45 and line.endswith(f"IoU {overlap:.3f}")


def test_a_higher_iou_threshold_leaves_more_rounds(view):
    counts = []
    for threshold in (0.0, 0.45, 0.95):
        view.controls["iou_threshold"].value = threshold
        counts.append(view.controls["round"].max)
    assert counts[0] <= counts[1] < counts[2]


def test_previous_and_next(view):
    view.controls["next"].click()
    assert view.drawings == 2 and lines(view)[1].startswith("round 2")
    view.controls["previous"].click()
    assert view.drawings == 3 and lines(view)[1].startswith("round 1")


def test_no_candidates(view):
    view.set(label=3)  # there is no cow
    assert view.text.value == "no box has a score over the threshold"
    assert view.controls["round"].disabled


def test_a_network_with_all_priors_over_the_threshold(widgets, image, config):
    """As many boxes as there are default boxes: the best 400 enter."""
    size = config.num_priors
    conf = np.zeros((size, config.num_classes), np.float32)
    view = explore.nms(image, Snapshot(0, np.zeros((size, 4), np.float32), conf), config)
    assert f"{size} boxes" in lines(view)[0]
    assert sum(1 + len(others) for _, others in view.rounds) == 400
