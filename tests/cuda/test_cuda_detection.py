"""Detection on a GPU: the same detections as on the CPU, to the last bit, and one wait for a batch."""

import platform

import llvmlite.binding
import numpy as np
import pytest
from backends import on_every_gpu
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minissd import boxes, codec, detect
from minissd.detect import NO_DEVIATION, Deviations
from minissd.kernels.cuda import detection as on_gpu
from minissd.kernels.cuda import detection_readable as readable
from minissd.kernels.postprocess import rules_of
from minissd.softmax import softmax

USUAL = {"score_threshold": 0.01, "iou_threshold": 0.45, "top_k": 400, "keep_top_k": 200}
COLUMNS = ("labels", "priors", "scores", "boxes_xyxy")
# Where the processor has no instruction for a product and a sum, its scores are rounded otherwise.
FUSES = platform.machine() in ("arm64", "aarch64") or llvmlite.binding.get_host_cpu_features().get(
    "fma", False
)

RULES = st.builds(
    Deviations,
    inclusive_scores=st.booleans(),
    inclusive_nms=st.booleans(),
    clip=st.booleans(),
    max_log_size=st.sampled_from([None, 0.5]),
)


def some_priors(rng, count):
    return np.hstack([rng.random((count, 2)), rng.uniform(0.05, 0.4, (count, 2))])


def some_predictions(rng, num_images=2, num_priors=300, num_classes=5, sharpness=2.0):
    loc = rng.standard_normal((num_images, num_priors, 4)).astype(np.float32)
    conf = (sharpness * rng.standard_normal((num_images, num_priors, num_classes))).astype(np.float32)
    return loc, conf, some_priors(rng, num_priors)


def rules_for(conf, deviations=NO_DEVIATION, variances=(0.1, 0.2), **options):
    return rules_of(conf.shape, *(USUAL | options).values(), variances, deviations)


def assert_same(found, expected):
    for name in COLUMNS:
        result, wanted = getattr(found, name), getattr(expected, name)
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result, wanted, err_msg=name)


def assert_like_the_cpu(backend, loc, conf, priors_cxcywh, **options):
    options = USUAL | options
    found = backend.of(detect.detect)(loc, conf, priors_cxcywh, **options)
    expected = detect.detect(loc, conf, priors_cxcywh, **options)
    assert len(found) == len(expected) == len(conf)
    for one, other in zip(found, expected):
        if FUSES:
            assert_same(one, other)
        else:
            np.testing.assert_allclose(one.scores, other.scores, rtol=1e-6)
    return found


class TestKernels:
    """Each against its twin in NumPy."""

    @on_every_gpu
    @pytest.mark.parametrize("num_priors", [1, 127, 129, 300])
    @pytest.mark.parametrize("num_classes", [2, 5, 21, 200])
    def test_softmax(self, num_priors, num_classes, rng, backend):
        conf = some_predictions(rng, 2, num_priors, num_classes, sharpness=6)[1]
        scores = backend.of(on_gpu.softmax)(conf)
        np.testing.assert_allclose(scores, readable.softmax(conf), rtol=2e-6)

    @on_every_gpu
    def test_softmax_of_far_apart_logits(self, backend):
        conf = np.array([[1000, 0, -1000], [0, 95, 0], [-np.inf, 0, 0], [0, -87, -88]], np.float32)[None]
        scores = backend.of(on_gpu.softmax)(conf)
        expected = readable.softmax(conf.astype(np.float64))
        expected[expected < np.finfo(np.float32).tiny] = 0  # as on every GPU
        np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=0)
        assert scores[0, 0, 3] > 0 == scores[0, 1, 3]  # e^-87, and e^-88, which is no normal float32 any more

    @on_every_gpu
    @pytest.mark.parametrize(
        "deviations", [NO_DEVIATION, Deviations(clip=True), Deviations(max_log_size=0.2)], ids=str
    )
    def test_decode(self, deviations, rng, backend):
        loc, conf, priors_cxcywh = some_predictions(rng)
        loc[0, 3], loc[1, 4] = np.nan, [0, 0, np.inf, -np.inf]
        rules = rules_for(conf, deviations, variances=(0.15, 0.3))
        boxes_xyxy = backend.of(on_gpu.decode)(loc, priors_cxcywh, rules)
        with np.errstate(invalid="ignore"):
            expected = readable.decode(loc, priors_cxcywh, rules)
        np.testing.assert_allclose(boxes_xyxy, expected, rtol=1e-6, atol=1e-6)

    @on_every_gpu
    @pytest.mark.parametrize("top_k", [1, 7, 400])
    @pytest.mark.parametrize("keep_top_k", [1, 9, 200])
    @pytest.mark.parametrize("ties", [False, True])
    def test_suppress_and_merge(self, top_k, keep_top_k, ties, rng, backend):
        loc, conf, priors_cxcywh = some_predictions(rng, 2, 260, 4)
        scores = readable.softmax(conf.round() if ties else conf)
        rules = rules_for(conf, top_k=top_k, keep_top_k=keep_top_k)
        boxes_xyxy = readable.decode(loc, priors_cxcywh, rules)
        kept, num_kept = backend.of(on_gpu.suppress)(scores, boxes_xyxy, rules)
        wanted, num_wanted = readable.suppress(scores, boxes_xyxy, rules)
        np.testing.assert_array_equal(num_kept, num_wanted)
        there = np.arange(kept.shape[2]) < num_kept[..., None]
        np.testing.assert_array_equal(kept[there], wanted[there])

        found = backend.of(on_gpu.merge)(kept, num_kept, scores, boxes_xyxy, rules.keep_top_k)
        expected = readable.merge(wanted, num_wanted, scores, boxes_xyxy, rules.keep_top_k)
        np.testing.assert_array_equal(found.view(np.int32), expected.view(np.int32))


@on_every_gpu
@pytest.mark.parametrize("sharpness", [0.0, 0.3, 2.0, 8.0])
def test_the_detections_of_the_cpu(sharpness, rng, backend):
    found = assert_like_the_cpu(backend, *some_predictions(rng, 3, sharpness=sharpness))
    assert all(len(detections) > 20 for detections in found)


@on_every_gpu
def test_detections_of_given_scores(rng, backend):
    """Of the GPU's own scores and boxes the steps one after the other make the same."""
    loc, conf, priors_cxcywh = some_predictions(rng, 2, 400, 6)
    found = backend.of(detect.detect)(loc, conf, priors_cxcywh, **USUAL)
    scores = backend.of(on_gpu.softmax)(conf)
    boxes_xyxy = backend.of(on_gpu.decode)(loc, priors_cxcywh, rules_for(conf))
    for n, detections in enumerate(found):
        probability = np.vstack([np.zeros((1, 400), np.float32), scores[n]]).T
        assert_same(detections, detect.best_detections(boxes_xyxy[n], probability, **USUAL))


@on_every_gpu
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 70),
    st.integers(2, 5),
    st.sampled_from([-1.0, 0.0, 0.01, 0.3]),
    st.sampled_from([0.0, 0.2, 0.45, 1.0]),
    st.sampled_from([None, 0, 1, 7, 400]),
    st.sampled_from([None, 0, 1, 9, 200]),
    st.booleans(),
    RULES,
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sizes_thresholds_and_ties(backend, seed, count, classes, score, iou, top_k, keep, ties, rules):
    loc, conf, priors_cxcywh = some_predictions(np.random.default_rng(seed), 2, count, classes)
    if ties:
        loc, conf = loc.round(), conf.round()
    options = {"score_threshold": score, "iou_threshold": iou, "top_k": top_k, "keep_top_k": keep}
    assert_like_the_cpu(backend, loc, conf, priors_cxcywh, **options, **vars(rules))


@on_every_gpu
def test_many_candidates(rng, backend):
    """More priors than a class may bring to the suppression, and more boxes kept than there are threads."""
    loc, conf, _ = some_predictions(rng, 1, 1500, 3)
    priors_cxcywh = some_priors(rng, 1500) * [1, 1, 0.1, 0.1]
    found = assert_like_the_cpu(backend, loc, conf, priors_cxcywh, top_k=1000, keep_top_k=None)
    assert len(found[0]) > 600


@on_every_gpu
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("label", [0, 2])
def test_a_logit_that_is_no_number_silences_its_prior_alone(bad, label, rng, backend):
    loc, conf, priors_cxcywh = some_predictions(rng, 1, 40, 4)
    conf[0, 21, label] = bad
    found = assert_like_the_cpu(backend, loc, conf, priors_cxcywh)[0]
    assert 21 not in found.priors
    assert len(found) > 20


@on_every_gpu
@pytest.mark.parametrize("iou_threshold", [0.0, 0.45])
@pytest.mark.parametrize("rules", [NO_DEVIATION, Deviations(inclusive_nms=True, clip=True)], ids=str)
def test_offsets_that_are_no_numbers(iou_threshold, rules, rng, backend):
    loc, conf, priors_cxcywh = some_predictions(rng, 1, 60, 3)
    for column in range(4):
        loc[0, 5 * column : 5 * column + 3, column] = [np.nan, np.inf, -np.inf]
    assert_like_the_cpu(backend, loc, conf, priors_cxcywh, iou_threshold=iou_threshold, **vars(rules))


@on_every_gpu
@pytest.mark.parametrize("shape", [(0, 5), (2, 0)])
def test_no_predictions(shape, backend):
    loc, conf = np.zeros((*shape, 4), np.float32), np.zeros((*shape, 3), np.float32)
    assert_like_the_cpu(backend, loc, conf, np.full((shape[1], 4), 0.5))


@on_every_gpu
@pytest.mark.parametrize(
    "options",
    [{"class_agnostic": True}, {"top_k": None}, {"keep_top_k": -1}, {"dtype": np.float64}],
    ids=str,
)
def test_what_it_is_not_made_for(options, rng, backend):
    """The predictions travel, and the CPU detects."""
    options = dict(options)
    loc, conf, priors_cxcywh = some_predictions(rng, 1, 1100, 3)
    dtype = options.pop("dtype", np.float32)
    loc, conf, options = loc.astype(dtype), conf.astype(dtype), USUAL | options
    found = backend.of(detect.detect)(loc, conf, priors_cxcywh, **options)[0]
    expected = detect.detect(loc, conf, priors_cxcywh, **options)[0]
    assert_same(found, expected)


@on_every_gpu
def test_against_the_readable_steps(rng, backend):
    """No kernel, no short cut: probabilities and boxes of float64, and NumPy's sorting."""
    loc, conf, priors_cxcywh = some_predictions(rng, 1, 200, 4)
    found = backend.of(detect.detect)(loc, conf, priors_cxcywh, **USUAL)[0]
    exact_loc, exact_conf = loc[0].astype(np.float64), conf[0].astype(np.float64)
    boxes_xyxy, probability = codec.decode(exact_loc, priors_cxcywh), softmax(exact_conf)
    expected = detect.best_detections(boxes_xyxy, probability, **USUAL)
    np.testing.assert_array_equal(found.priors, expected.priors)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-6)
    assert boxes.area(found.boxes_xyxy).min() > 0


def test_one_wait_for_a_batch(rng, pretend_cuda):
    loc, conf, priors_cxcywh = map(pretend_cuda.cupy.asarray, some_predictions(rng, 3, 50, 3))
    pretend_cuda.reset()
    assert len(detect.detect(loc, conf, priors_cxcywh)) == 3
    assert pretend_cuda.reasons == ["get"]
    assert not pretend_cuda.uploads
