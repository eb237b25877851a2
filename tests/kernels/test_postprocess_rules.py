"""The short cuts by the rules of other implementations: still the same detections as step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_numbers import copied_numbers, detection_case
from test_postprocess import (
    RULES,
    SSD300_PRIORS,
    USUAL,
    assert_same,
    assert_selects_like_the_twin,
    offsets,
    some_priors,
    ssd300_predictions,
)

from minissd import detect
from minissd.conventions import CONVENTIONS
from minissd.detect import NO_DEVIATION, Deviations


def rules_and_limits(name):
    """A convention's deviations, and its thresholds and counts."""
    limits = dict(vars(CONVENTIONS[name].detection))
    return Deviations(**{rule: limits.pop(rule) for rule in vars(NO_DEVIATION)}), limits


def step_by_step(loc, conf, priors_cxcywh, rules, **options):
    numbers = (USUAL | options).values()
    return detect.detect_step_by_step(loc, conf, priors_cxcywh, *numbers, (0.1, 0.2), rules)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_all_conventions_but_one_take_the_short_cut(name, rng, monkeypatch):
    arrays = rng.random((1, 4, 4), np.float32), rng.random((1, 4, 3), np.float32), some_priors(rng, 4)
    monkeypatch.setattr(detect, "detect_step_by_step", lambda *arguments: "step by step")
    found = CONVENTIONS[name].detect(*arrays)
    assert (found == "step by step") == (name == "d2l")


@pytest.mark.parametrize("kind", ["sparse", "mid"])
@pytest.mark.parametrize("name", ["torchvision", "chainercv", "amdegroot", "lufficc", "sgrvinod"])
def test_ssd300_by_the_rules_of_others(name, kind, rng):
    rules, limits = rules_and_limits(name)
    found = assert_selects_like_the_twin(*ssd300_predictions(rng, kind), SSD300_PRIORS, rules, **limits)[0]
    assert len(found) >= (limits["keep_top_k"] or 500)


@pytest.mark.parametrize("name", ["torchvision", "chainercv", "amdegroot"])
@pytest.mark.parametrize("case", [1, 4])
def test_predictions_of_the_reference(name, case):
    """Boxes that are moved and resized, some of them over the border."""
    loc, conf = (array.astype(np.float32) for array in detection_case(copied_numbers("nms"), case))
    rules, limits = rules_and_limits(name)
    (found,) = detect.detect(loc, conf, SSD300_PRIORS, **limits, **vars(rules))
    (wanted,) = step_by_step(loc, conf, SSD300_PRIORS, rules, **limits)
    assert len(found) == len(wanted)
    found, wanted = (d.select(np.lexsort((d.priors, d.labels))) for d in (found, wanted))  # near ties swap
    np.testing.assert_array_equal(found.priors, wanted.priors)
    np.testing.assert_array_equal(found.labels, wanted.labels)
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=2e-6)
    np.testing.assert_allclose(found.boxes_xyxy, wanted.boxes_xyxy, atol=1e-6)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 80),
    st.integers(2, 5),
    st.sampled_from([0.0, 0.01, 0.25, 1 / 3, 0.5]),
    st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 1.0]),
    RULES,
)
@settings(max_examples=150)
def test_ties_and_numbers_at_the_very_thresholds(seed, count, num_classes, score, iou, rules):
    """With logits of 0 and -200 every probability is 1/k or 0, in every implementation; boxes on a grid."""
    rng = np.random.default_rng(seed)
    loc = np.zeros((1, count, 4), np.float32)
    conf = rng.choice([0, -200], (1, count, num_classes)).astype(np.float32)
    priors_cxcywh = np.hstack([rng.integers(0, 9, (count, 2)) / 8, rng.integers(1, 5, (count, 2)) / 4])
    thresholds = {"score_threshold": score, "iou_threshold": iou}
    (found,) = detect.detect(loc, conf, priors_cxcywh, **thresholds, **vars(rules))
    assert_same(found, step_by_step(loc, conf, priors_cxcywh, rules, **thresholds)[0])


@pytest.mark.parametrize("rules", [{}, {"clip": True}, {"clip": True, "max_log_size": 0.0}], ids=str)
def test_boxes_that_are_no_numbers(rules, rng):
    """They overlap nothing, so nothing suppresses them, and they suppress nothing."""
    loc, conf = offsets(rng, 1, 60), rng.standard_normal((1, 60, 3)).astype(np.float32)
    loc[0, 5], loc[0, 9, 0], loc[0, 12, 2] = np.nan, np.inf, 1000
    with np.errstate(all="ignore"):
        found = assert_selects_like_the_twin(loc, conf, some_priors(rng, 60), Deviations(**rules))[0]
    assert np.isnan(found.boxes_xyxy).any()
    assert np.isinf(found.boxes_xyxy).any() != bool(rules)
