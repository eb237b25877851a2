"""COCO's evaluation beside pycocotools' numbers, and beside a plain twin."""

import functools

import numpy as np
import pytest
from coco_sets import NUM_CLASSES, check_number, drawn_set
from coco_twin import plain_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools_form import twelve, with_all_classes
from reference_numbers import copied_numbers, evaluation_set

from minissd.coco_result import AREA_RANGES_PX, IOU_THRESHOLDS, MAX_DETECTIONS, RECALL_POINTS
from minissd.evaluate import GroundTruth, evaluate_coco

DATA, COPIED, DRAWN = (copied_numbers(name) for name in ("evaluate", "coco", "coco_drawn"))
images_of = functools.partial(evaluation_set, DATA | COPIED)
every_set = pytest.mark.parametrize("case", range(int(DATA["n_sets"])), ids=DATA["set_kind"])
every_drawn_set = pytest.mark.parametrize(
    ("kind", "seed"), [(str(kind), int(seed)) for kind in DRAWN["kinds"] for seed in DRAWN["seeds"]]
)


class TestPycocotools:
    @every_set
    @pytest.mark.parametrize("prefix", ["coco", "coco_nocrowd"])
    def test_the_collected_sets(self, case, prefix):
        result = evaluate_coco(*images_of(case, with_crowds=prefix == "coco"))
        expected = {name: COPIED[f"s{case}_{prefix}_{name}"] for name in ("stats", "class_ap", "class_ap50")}
        np.testing.assert_allclose(twelve(result), expected["stats"], atol=1e-12)
        precision = with_all_classes(result.precision, result.labels, 4, axis=2)[..., -1]  # (T, R, K, A)
        np.testing.assert_allclose(precision.mean(axis=(0, 1)), expected["class_ap"], atol=1e-12)
        np.testing.assert_allclose(precision[0, :, :, 0].mean(axis=0), expected["class_ap50"], atol=1e-12)
        by_iou = precision[:, :, :, 0].mean(axis=1).T  # (K, T)
        np.testing.assert_allclose(by_iou, COPIED[f"s{case}_{prefix}_class_ap_by_iou"], atol=1e-12)
        recall = with_all_classes(result.recall, result.labels, 4, axis=1)[:, :, 0].mean(axis=0)  # (K, M)
        np.testing.assert_allclose(recall, COPIED[f"s{case}_{prefix}_class_ar"], atol=1e-12)

    def test_the_axes(self):
        np.testing.assert_array_equal(IOU_THRESHOLDS, COPIED["coco_iou_thrs"])
        np.testing.assert_array_equal(RECALL_POINTS, COPIED["coco_rec_thrs"])

    @every_drawn_set
    def test_the_drawn_sets(self, kind, seed):
        images = drawn_set(seed, kind)
        expected = {name: DRAWN[f"{kind}{seed}_{name}"] for name in ("check", "stats", "precision", "recall")}
        assert check_number(*images) == pytest.approx(expected["check"], rel=1e-12)
        result = evaluate_coco(*images)
        np.testing.assert_allclose(twelve(result), expected["stats"], atol=1e-12)
        precision = with_all_classes(result.precision, result.labels, NUM_CLASSES, axis=2)
        np.testing.assert_allclose(precision.mean(axis=1), expected["precision"], atol=1e-12)
        recall = with_all_classes(result.recall, result.labels, NUM_CLASSES, axis=1)
        np.testing.assert_allclose(recall, expected["recall"], atol=1e-12)
        if f"{kind}{seed}_curve" in DRAWN:
            np.testing.assert_allclose(precision[..., 0, 2], DRAWN[f"{kind}{seed}_curve"], atol=1e-12)

    def test_the_copies_are_those_of_their_source(self, shared_numbers):
        source = shared_numbers("ap")
        for key, values in COPIED.items():
            np.testing.assert_array_equal(values, source[key], err_msg=key)


@st.composite
def small_sets(draw):
    """A few boxes on a coarse grid, whose IoUs and areas hit the thresholds exactly."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    detections, truths = [], []
    for _ in range(draw(st.integers(1, 3))):
        counts = draw(st.integers(0, 4)), draw(st.integers(0, 14))
        boxes = [
            np.hstack([low, low + rng.choice([16, 32, 64, 96], (count, 2))]).astype(float)
            for count, low in ((count, rng.integers(0, 4, (count, 2)) * 8) for count in counts)
        ]
        area = np.prod(boxes[0][:, 2:] - boxes[0][:, :2], axis=1)
        crowd = rng.random(counts[0]) < 0.2
        truths.append(GroundTruth(boxes[0], rng.integers(1, 3, counts[0]), crowd=crowd, area_px=area))
        scores = rng.integers(0, 5, counts[1]) / 5
        detections.append((boxes[1], scores, rng.integers(1, 3, counts[1])))
    return detections, truths


@given(small_sets())
@settings(max_examples=40)
def test_the_plain_twin_agrees(images):
    result = evaluate_coco(*images)
    for k, label in enumerate(result.labels):
        for a, area_range in enumerate(AREA_RANGES_PX.values()):
            for t, m in ((0, 2), (0, 1), (4, 0), (5, 2), (9, 2)):
                curve, recall = plain_tables(*images, label, IOU_THRESHOLDS[t], area_range, MAX_DETECTIONS[m])
                np.testing.assert_allclose(result.precision[t, :, k, a, m], curve, atol=1e-12)
                np.testing.assert_allclose(result.recall[t, k, a, m], recall, atol=1e-12)
