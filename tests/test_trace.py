"""A trace: the same detections as prediction, where each comes from, and what it suppressed."""

import dataclasses

import numpy as np
import pytest
from command_line import SMALL
from twins import suppress
from two_maps import TWO_MAPS

from minissd.codec import decode
from minissd.config import SSD300_VOC
from minissd.data import network_input
from minissd.data.resample import resize
from minissd.errors import InputError
from minissd.models import SSD, ssd
from minissd.models.tiny import tiny_stages
from minissd.nms import suppressed_by
from minissd.nn import L2Norm
from minissd.places import Place
from minissd.predict import predict
from minissd.softmax import softmax
from minissd.trace import as_picture, trace

THRESHOLDS = [
    {},
    {"score_threshold": 0.4},
    {"score_threshold": 0.2, "iou_threshold": 0.2},
    {"score_threshold": 0.3, "top_k": 20, "keep_top_k": 15},
    {"score_threshold": 0.3, "keep_top_k": None, "top_k": None, "inclusive_nms": True, "clip": True},
    {"score_threshold": 0.3, "class_agnostic": True, "max_log_size": 0.1},
]


@pytest.fixture(scope="module")
def model():
    return SSD(dataclasses.replace(SMALL, num_classes=3), np.random.default_rng(0))


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(1).integers(0, 256, (50, 80, 3), dtype=np.uint8)


def predictions(model, image):
    """Decoded boxes (P, 4) and probabilities (P, C)."""
    loc, conf = model.eval().forward(network_input([image], model.config))
    return decode(loc[0], model.priors_cxcywh, model.config.variances), softmax(conf[0])


# -- the same as prediction --------------------------------------------------------------------------------


@pytest.mark.parametrize("thresholds", THRESHOLDS, ids=str)
def test_the_detections_are_those_of_prediction_to_the_last_bit(thresholds, model, image):
    (expected,) = predict(model, [image], **thresholds)
    seen = trace(model, image, **thresholds)
    assert len(expected) > 0
    for field in ("boxes_xyxy", "scores", "labels", "priors"):
        np.testing.assert_array_equal(getattr(seen.detections, field), getattr(expected, field))
    np.testing.assert_array_equal([one.box_xyxy for one in seen.found], expected.boxes_xyxy)
    assert [one.score for one in seen.found] == expected.scores.tolist()
    assert [(one.label, one.prior) for one in seen.found] == list(zip(expected.labels, expected.priors))


@pytest.mark.parametrize("convention", ["torchvision", "chainercv", "d2l"])
def test_a_model_is_followed_by_the_rules_of_its_convention(convention, image):
    config = dataclasses.replace(SMALL, num_classes=3, convention=convention)
    model = SSD(config, np.random.default_rng(0))
    (expected,) = predict(model, [image], score_threshold=0.4)
    seen = trace(model, image, score_threshold=0.4)
    np.testing.assert_array_equal(seen.detections.boxes_xyxy, expected.boxes_xyxy)
    lost = {
        (int(p), int(c)) for one in seen.found for p, c in zip(one.suppressed.priors, one.suppressed.labels)
    }
    kept = set(zip(expected.priors.tolist(), expected.labels.tolist()))
    assert lost and not lost & kept


def test_the_offsets_make_the_box_and_the_probabilities_the_score(model, image):
    for one in trace(model, image, score_threshold=0.3).found:
        box_xyxy = decode(one.offsets, one.prior_cxcywh, model.config.variances)
        np.testing.assert_allclose(box_xyxy, one.box_xyxy, atol=1e-6)
        assert one.probabilities[one.label] == pytest.approx(one.score, abs=1e-6)
        assert one.probabilities.sum() == pytest.approx(1, abs=1e-6)
        np.testing.assert_array_equal(one.prior_cxcywh, model.priors_cxcywh[one.prior])


@pytest.mark.parametrize("training", [True, False])
def test_model_and_image_stay_as_they_were(training, model, image):
    model.train(training)
    arrays, pixels = {name: array.copy() for name, array in model.buffers.items()}, image.copy()
    trace(model, image)
    assert model.training is training
    assert all((model.buffers[name] == array).all() for name, array in arrays.items())
    np.testing.assert_array_equal(image, pixels)
    with pytest.raises(InputError, match=r"images\[0\]"):
        trace(model, image.astype(float))
    assert model.training is training


def test_a_trace_keeps_its_numbers_when_the_model_goes_on(model, image):
    seen = trace(model, image)
    before = [seen.input.copy(), *(maps.copy() for maps in seen.sources.values())]
    trace(model, 255 - image)
    for old, new in zip(before, [seen.input, *seen.sources.values()]):
        np.testing.assert_array_equal(old, new)


# -- input and feature maps --------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_the_input_turned_back_is_the_resized_picture(order, image):
    config = dataclasses.replace(SSD300_VOC, channel_order=order, pixel_scale=50.0)
    (x,) = network_input([image], config)
    np.testing.assert_array_equal(as_picture(x, config), resize(image, 300, 300))


def test_the_source_maps_are_what_the_network_computed(model, image):
    seen, outputs = trace(model, image), {}
    x = network_input([image], model.config)
    model.eval().forward(x, outputs)
    np.testing.assert_array_equal(seen.input, x[0])
    assert list(seen.sources) == model.source_names and seen.normalized == ()
    for name, maps in seen.sources.items():
        np.testing.assert_array_equal(maps, outputs[name][0])


def test_a_normalised_map_is_shown_as_its_head_sees_it(monkeypatch, image):
    def stages_with_norm(config, rng):
        first, *others = tiny_stages(config, rng)
        return [dataclasses.replace(first, norm=("conv4_2_norm", L2Norm(64, scale=20.0))), *others]

    monkeypatch.setitem(ssd.BASES, "tiny", stages_with_norm)
    seen = trace(SSD(SMALL, np.random.default_rng(0)), image)
    assert seen.normalized == ("conv4_2",)
    length = np.sqrt((seen.sources["conv4_2"].astype(float) ** 2).sum(axis=0))  # (H, W)
    np.testing.assert_allclose(length[length > 1], 20, rtol=1e-4)
    assert (length > 1).any()


# -- suppression -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thresholds", THRESHOLDS[:4], ids=str)
def test_suppressed_are_those_that_suppressed_by_names(thresholds, model, image):
    boxes_xyxy, probability = predictions(model, image)
    seen = trace(model, image, **thresholds)
    for one in seen.found:
        scores = probability[:, one.label]
        rows = np.flatnonzero(scores > seen.options["score_threshold"])
        by = suppressed_by(
            boxes_xyxy[rows], scores[rows], seen.options["iou_threshold"], seen.options["top_k"]
        )
        expected = rows[by == rows.tolist().index(one.prior)]
        assert set(one.suppressed.priors) == set(expected)
        assert set(one.suppressed.labels) <= {one.label}
        np.testing.assert_array_equal(one.suppressed.boxes_xyxy, boxes_xyxy[one.suppressed.priors])
        np.testing.assert_array_equal(one.suppressed.scores, scores[one.suppressed.priors])
        assert (np.diff(one.suppressed.scores) <= 0).all() and (
            one.suppressed.scores <= one.score + 1e-6
        ).all()
        assert (one.ious > seen.options["iou_threshold"] - 1e-6).all()


def test_suppressed_are_those_that_the_slow_twin_names(model, image):
    boxes_xyxy, probability = predictions(model, image)
    seen = trace(model, image, score_threshold=0.4, top_k=None, keep_top_k=None)
    counts = []
    for label in (1, 2):
        rows = np.flatnonzero(probability[:, label] > 0.4)
        twin = suppress(boxes_xyxy[rows], probability[rows, label], 0.45)
        expected = {rows[kept]: {rows[lost] for lost in losers} for kept, losers in twin.items()}
        found = {one.prior: set(one.suppressed.priors) for one in seen.found if one.label == label}
        assert found == expected
        counts += [len(losers) for losers in found.values()]
    assert sum(counts) > 5


@pytest.fixture
def scripted(monkeypatch):
    """A network of two maps whose predictions are written by hand.

    Class 2: prior 68, in the lower left cell of the coarse map, is moved and made twice as high, and
    suppresses 69 at the same place (IoU 0.54). 66, upper right, suppresses 67 (IoU 256 / 384). Class 1:
    prior 69 again, which no other box of its class disputes.
    """
    model = SSD(TWO_MAPS, np.random.default_rng(0))
    probability = np.tile([0.998, 0.001, 0.001], (72, 1))
    probability[[68, 69, 66, 67]] = [0.05, 0.05, 0.9], [0.1, 0.3, 0.6], [0.48, 0.02, 0.5], [0.57, 0.03, 0.4]
    loc = np.zeros((1, 72, 4), np.float32)
    loc[0, 68] = 1, 0, 0, 5 * np.log(2)
    real, conf = model.forward, np.log(probability).astype(np.float32)[None]

    def forward(x, outputs=None):
        real(x, outputs)
        return loc, conf

    monkeypatch.setattr(model, "forward", forward)
    return model


BLACK = np.zeros((32, 32, 3), np.uint8)


def outline(seen):
    """Prior, label, suppressed priors of each detection."""
    return [(one.prior, one.label, one.suppressed.priors.tolist()) for one in seen.found]


def test_a_trace_worked_out_by_hand(scripted):
    seen = trace(scripted, BLACK, score_threshold=0.2)
    assert outline(seen) == [(68, 2, [69]), (66, 2, [67]), (69, 1, [])]
    best, second, _ = seen.found
    assert best.place == Place(1, 1, 0, 0) and not best.cut
    np.testing.assert_allclose(best.prior_cxcywh * 32, [8, 24, 16, 16])
    np.testing.assert_allclose(best.box_xyxy * 32, [1.6, 8, 17.6, 40], rtol=1e-6)
    np.testing.assert_allclose(best.probabilities, [0.05, 0.05, 0.9], rtol=1e-6)
    np.testing.assert_allclose(best.suppressed.scores, [0.6], rtol=1e-6)
    side = np.sqrt(16 * 24)  # of the large square
    shared = 16 * side
    np.testing.assert_allclose(best.ious, shared / (16 * 32 + side**2 - shared), rtol=1e-5)
    np.testing.assert_allclose(second.ious, 256 / 384, rtol=1e-5)


def test_boxes_by_the_rules_of_torchvision(scripted):
    """Of 68 the lower quarter is beyond the border; with half as much stretching nothing is."""
    (best, *_) = trace(scripted, BLACK, score_threshold=0.2, clip=True).found
    np.testing.assert_allclose(best.box_xyxy * 32, [1.6, 8, 17.6, 32], rtol=1e-6)
    assert best.cut and not any(one.cut for one in trace(scripted, BLACK, score_threshold=0.2).found)
    limited = {"clip": True, "max_log_size": np.log(1.5)}
    (best, *_) = trace(scripted, BLACK, score_threshold=0.2, **limited).found
    np.testing.assert_allclose(best.box_xyxy * 32, [1.6, 12, 17.6, 32], rtol=1e-6)  # 12 to 36
    assert best.cut
    (best, *_) = trace(scripted, BLACK, score_threshold=0.2, clip=True, max_log_size=0).found
    np.testing.assert_allclose(best.box_xyxy * 32, [1.6, 16, 17.6, 32], rtol=1e-6)
    assert not best.cut


def test_infinite_boxes_are_traced_without_a_warning(scripted):
    loc, _ = scripted.forward(np.zeros((1, 3, 32, 32), np.float32))
    loc[0, 66, 2:] = 500, 9999  # e^100 and e^2000 in float32
    endless = trace(scripted, BLACK, score_threshold=0.2).found[1]
    assert endless.prior == 66 and np.isinf(endless.box_xyxy).all() and not endless.cut
    cut = trace(scripted, BLACK, score_threshold=0.2, clip=True).found[1]
    assert cut.prior == 66 and cut.cut
    np.testing.assert_array_equal(cut.box_xyxy, [0, 0, 1, 1])
    loc[0, 66] = np.nan
    (no_number,) = (one for one in trace(scripted, BLACK, score_threshold=0.45).found if one.prior == 66)
    assert np.isnan(no_number.box_xyxy).all() and not no_number.cut


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        ({"keep_top_k": 1}, [(68, 2, [69])]),  # 66 was cut off, not suppressed; nor is 67 anyone's here
        ({"top_k": 1}, [(68, 2, []), (69, 1, [])]),  # 69 and the others never entered the suppression
        ({"top_k": 3}, [(68, 2, [69]), (66, 2, []), (69, 1, [])]),
        ({"iou_threshold": 0.6}, [(68, 2, []), (69, 2, []), (66, 2, [67]), (69, 1, [])]),
        ({"score_threshold": 0.45}, [(68, 2, [69]), (66, 2, [])]),
        ({"score_threshold": 0.95}, []),
        ({"class_agnostic": True}, [(68, 2, [69]), (66, 2, [67])]),  # 69 speaks for class 2 only
    ],
    ids=str,
)
def test_thresholds_decide_what_is_suppressed(thresholds, expected, scripted):
    assert outline(trace(scripted, BLACK, **{"score_threshold": 0.2} | thresholds)) == expected
