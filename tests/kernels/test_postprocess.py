"""The short cuts to the detections of float32 predictions: the same detections as step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd import boxes, codec, detect, priors
from minissd.config import SSD300_VOC
from minissd.detect import NO_DEVIATION, Deviations
from minissd.kernels import postprocess
from minissd.kernels.softmax import padded, share_softmax
from minissd.nn.fast.team import ALONE, Team
from minissd.softmax import softmax

SSD300_PRIORS = priors.prior_boxes(SSD300_VOC)
USUAL = {"score_threshold": 0.01, "iou_threshold": 0.45, "top_k": 400, "keep_top_k": 200}


RULES = st.builds(
    Deviations,
    inclusive_scores=st.booleans(),
    inclusive_nms=st.booleans(),
    clip=st.booleans(),
    max_log_size=st.sampled_from([None, 0.0]),
)


def some_priors(rng, count):
    return np.hstack([rng.random((count, 2)), rng.uniform(0.05, 0.4, (count, 2))])


def offsets(rng, *shape):
    """Boxes moved but not resized: all ways of computing e to the power of 0 agree to the last bit."""
    loc = rng.standard_normal((*shape, 4)).astype(np.float32)
    loc[..., 2:] = 0
    return loc


def ssd300_predictions(rng, kind):
    """Like those of a trained network, of one in training, and of one that knows nothing."""
    loc, conf = offsets(rng, 1, 8732), rng.standard_normal((1, 8732, 21)).astype(np.float32)
    if kind == "sparse":
        conf[..., 0] += 8
        for label in rng.integers(1, 21, 12):
            distance = np.abs(SSD300_PRIORS[:, :2] - rng.random(2)).max(axis=1)
            conf[0, distance < 0.08, label] += rng.uniform(3, 12, (distance < 0.08).sum())
    elif kind == "mid":
        conf[..., 0] += 3
    return loc, conf


def class_scores(conf, team=ALONE):
    """What the kernel takes for the softmax, (C - 1, P rounded up to sixteens)."""
    num_priors, num_classes = conf.shape
    scores = np.empty((num_classes - 1, padded(num_priors)), np.float32)
    blocks = np.empty((team.size, 16 * num_classes), np.float32)
    team.wake()
    share_softmax(team.mailbox, np.ascontiguousarray(conf), scores, blocks)
    return scores


def probability_of(conf):
    """The same as the readable steps want it, (P, C)."""
    scores = class_scores(conf)[:, : len(conf)].T
    return np.hstack([np.zeros((len(conf), 1), np.float32), scores])


def assert_same(found, expected):
    for name in ("labels", "priors", "scores", "boxes_xyxy"):
        result, wanted = getattr(found, name), getattr(expected, name)
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result, wanted, err_msg=name)


def assert_selects_like_the_twin(loc, conf, priors_cxcywh, rules=NO_DEVIATION, **options):
    """Given the same probabilities, every detection is the same to the last bit."""
    options = USUAL | options
    found = detect.detect(loc, conf, priors_cxcywh, **options, **vars(rules))
    for n in range(len(conf)):
        boxes_xyxy = codec.decode(loc[n], priors_cxcywh, max_log_size=rules.max_log_size)
        boxes_xyxy = boxes.clip(boxes_xyxy) if rules.clip else boxes_xyxy
        probability = probability_of(conf[n])
        assert_same(found[n], detect.best_detections(boxes_xyxy, probability, **options, deviations=rules))
    return found


class TestScores:
    @pytest.mark.parametrize("num_priors", [0, 1, 15, 16, 17, 100])
    @pytest.mark.parametrize("num_classes", [2, 5, 21])
    def test_softmax(self, num_priors, num_classes, rng):
        conf = (rng.standard_normal((num_priors, num_classes)) * 6).astype(np.float32)
        scores = class_scores(conf)
        assert scores.shape == (num_classes - 1, -(-num_priors // 16) * 16)
        shifted = conf - conf.max(axis=1, keepdims=True)  # as rounded in float32; the rest must be exact
        expected = softmax(shifted.astype(np.float64))[:, 1:].T
        np.testing.assert_allclose(scores[:, :num_priors], expected, rtol=5e-7)
        assert (scores[:, num_priors:] == -np.inf).all()

    def test_threads_change_nothing(self, rng):
        conf, team = rng.standard_normal((5999, 7)).astype(np.float32), Team(3)
        alone = class_scores(conf)
        for _ in range(20):
            np.testing.assert_array_equal(class_scores(conf, team), alone)

    def test_far_apart_logits(self):
        conf = np.array([[1000, 0, -1000], [0, 95, 0], [-np.inf, 0, 0]], np.float32)
        scores = class_scores(conf)[:, :3]
        expected = softmax(conf.astype(np.float64))[:, 1:].T
        np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=2e-45)
        assert scores[1, 1] > 0  # e^-95, which is no normal float32 any more

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    @pytest.mark.parametrize("label", [0, 2])
    def test_a_logit_that_is_no_number_silences_its_prior_alone(self, bad, label, rng):
        conf = rng.standard_normal((40, 4)).astype(np.float32)
        before = class_scores(conf)[:, :40]
        conf[21, label] = bad
        after = class_scores(conf)[:, :40]
        assert np.isnan(after[:, 21]).all()
        others = np.arange(40) != 21
        np.testing.assert_array_equal(after[:, others], before[:, others])
        found = detect.detect(offsets(rng, 1, 40), conf[None], some_priors(rng, 40))[0]
        assert 21 not in found.priors
        assert len(found) > 20


@pytest.mark.parametrize("kind", ["sparse", "mid", "dense"])
def test_ssd300(kind, rng):
    loc, conf = ssd300_predictions(rng, kind)
    found = assert_selects_like_the_twin(loc, conf, SSD300_PRIORS)[0]
    assert len(found) > 100

    readable = detect.detect_step_by_step(loc, conf, SSD300_PRIORS, *USUAL.values(), (0.1, 0.2))[0]
    order = [np.lexsort((d.priors, d.labels)) for d in (found, readable)]  # almost equal scores may swap
    for name in ("labels", "priors"):
        np.testing.assert_array_equal(getattr(found, name)[order[0]], getattr(readable, name)[order[1]])
    np.testing.assert_allclose(found.scores, readable.scores, rtol=2e-6)
    np.testing.assert_allclose(found.boxes_xyxy[order[0]], readable.boxes_xyxy[order[1]], atol=1e-6)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 120),
    st.integers(2, 6),
    st.sampled_from([-1.0, 0.0, 0.01, 0.3]),
    st.sampled_from([0.0, 0.2, 0.45, 1.0]),
    st.sampled_from([None, 0, 1, 7, 400]),
    st.sampled_from([None, 0, 1, 9, 200]),
    st.booleans(),
    RULES,
)
@settings(max_examples=200)
def test_any_sizes_thresholds_and_ties(seed, count, num_classes, score, iou, top_k, keep_top_k, ties, rules):
    rng = np.random.default_rng(seed)
    loc, conf = offsets(rng, 1, count), rng.standard_normal((1, count, num_classes)).astype(np.float32) * 2
    if ties:
        conf = conf.round()
        loc = loc.round()
    if rules.max_log_size == 0:  # sizes that the limit makes e to the power of 0 again
        loc[..., 2:] = rng.integers(0, 3, (1, count, 2))
    options = {"score_threshold": score, "iou_threshold": iou, "top_k": top_k, "keep_top_k": keep_top_k}
    assert_selects_like_the_twin(loc, conf, some_priors(rng, count), rules, **options)


class TestQueue:
    def test_all_scores_are_equal(self, rng):
        """The sample tells nothing: no score separates the best few hundred from the others."""
        loc, conf = offsets(rng, 1, 2000), np.zeros((1, 2000, 4), np.float32)
        found = assert_selects_like_the_twin(loc, conf, some_priors(rng, 2000))[0]
        assert len(found) > 50

    def test_the_head_of_the_queue_does_not_suffice(self, rng):
        """All boxes but few lie on each other: thousands are suppressed, piece after piece of the queue."""
        loc, conf = np.zeros((1, 5000, 4), np.float32), rng.standard_normal((1, 5000, 4)).astype(np.float32)
        same_place = np.tile([0.5, 0.5, 0.2, 0.2], (5000, 1))
        same_place[::500, :2] = rng.random((10, 2))
        found = assert_selects_like_the_twin(loc, conf, same_place, top_k=None)[0]
        assert 20 < len(found) < 200

    def test_top_k_counts_candidates_of_each_class_over_all_pieces(self, rng):
        loc, conf = np.zeros((1, 5000, 4), np.float32), rng.standard_normal((1, 5000, 4)).astype(np.float32)
        same_place = np.tile([0.5, 0.5, 0.2, 0.2], (5000, 1))
        conf[0, :, 1] += 2
        loser = conf[0, :, 1].argmin()
        same_place[loser] = [0.1, 0.1, 0.1, 0.1]
        found = assert_selects_like_the_twin(loc, conf, same_place, top_k=2000)[0]
        assert not ((found.priors == loser) & (found.labels == 1)).any()

    def test_a_sample_without_any_candidate(self, rng):
        """One object in the corner that the sample leaves out."""
        conf = np.full((1, 8 * 16, 2), -9, np.float32)
        conf[0, :, 0] = 9
        conf[0, 20:30, 1] = 12 + np.arange(10)
        found = assert_selects_like_the_twin(offsets(rng, 1, 128), conf, some_priors(rng, 128), keep_top_k=3)[
            0
        ]
        assert found.priors[0] == 29


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("num_images", [0, 1, 2, 5, 9])
def test_images_of_a_batch_in_threads(num_images, threads, rng, monkeypatch, use_threads):
    use_threads(threads)
    monkeypatch.setattr(postprocess, "FEW_LOGITS", 0)
    conf = rng.standard_normal((num_images, 600, 6)).astype(np.float32)
    found = assert_selects_like_the_twin(offsets(rng, num_images, 600), conf, some_priors(rng, 600))
    assert len(found) == num_images


def test_sizes_are_decoded(rng):
    loc, conf = rng.standard_normal((2, 1, 300, 4)).astype(np.float32)
    conf, priors_cxcywh = np.concatenate([conf * 2, conf], axis=2), some_priors(rng, 300)
    found = detect.detect(loc, conf, priors_cxcywh)[0]
    decoded = codec.decode(loc[0].astype(np.float64), priors_cxcywh)[found.priors]
    np.testing.assert_allclose(found.boxes_xyxy, decoded, atol=1e-6)


def test_arrays_that_are_read_only_or_strided(rng):
    loc, conf, priors_cxcywh = offsets(rng, 1, 50), rng.random((1, 50, 8), np.float32), some_priors(rng, 50)
    expected = detect.detect(loc, conf[..., ::2].copy(), priors_cxcywh)[0]
    for array in (loc, conf, priors_cxcywh):
        array.flags.writeable = False
    assert_same(detect.detect(loc, conf[..., ::2], priors_cxcywh)[0], expected)


def test_results_do_not_change_with_the_next_image(rng):
    """The scores live in memory that is used again."""
    loc, conf, priors_cxcywh = offsets(rng, 2, 50), rng.random((2, 50, 4), np.float32), some_priors(rng, 50)
    first = detect.detect(loc[:1], conf[:1], priors_cxcywh)[0]
    before = first.scores.copy(), first.boxes_xyxy.copy()
    detect.detect(loc[1:], conf[1:], priors_cxcywh)
    np.testing.assert_array_equal(first.scores, before[0])
    np.testing.assert_array_equal(first.boxes_xyxy, before[1])


def test_what_it_is_not_made_for_goes_step_by_step(rng):
    loc, conf = rng.random((1, 4, 4)), rng.random((1, 4, 3))
    assert not postprocess.fits(loc, conf, 400, 200, NO_DEVIATION)
    loc, conf = loc.astype(np.float32), conf.astype(np.float32)
    assert postprocess.fits(loc, conf, None, None, NO_DEVIATION)
    assert not postprocess.fits(loc, conf, 400, -1, NO_DEVIATION)
    assert not postprocess.fits(loc, conf, 400, 200, Deviations(class_agnostic=True))
    priors_cxcywh = some_priors(rng, 4)
    everything, all_but_one = (detect.detect(loc, conf, priors_cxcywh, keep_top_k=k)[0] for k in (None, -1))
    assert len(all_but_one) == len(everything) - 1
