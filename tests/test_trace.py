"""A trace: the same detections as prediction, where each comes from, and what it suppressed."""

import dataclasses

import numpy as np
import pytest
from command_line import SMALL
from twins import suppress
from two_maps import TWO_MAPS

from minissd.codec import decode
from minissd.config import SSD300_VOC, TINY
from minissd.data import network_input
from minissd.data.resample import resize
from minissd.errors import InputError
from minissd.models import SSD, ssd
from minissd.models.tiny import tiny_stages
from minissd.nms import suppressed_by
from minissd.nn import L2Norm
from minissd.predict import predict
from minissd.priors import prior_boxes
from minissd.softmax import softmax
from minissd.trace import Place, as_picture, locate, trace

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
    assert "L2-normalised" in seen.describe_source(0) and "L2" not in seen.describe_source(1)


# -- places ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [SSD300_VOC, TINY, TWO_MAPS], ids=lambda config: config.name)
def test_every_default_box_is_centred_on_its_cell(config):
    places = [locate(config, prior) for prior in range(config.num_priors)]
    assert len(set(places)) == config.num_priors
    steps = np.array([config.steps[place.map] for place in places])
    rows, columns = (np.array([getattr(place, way) for place in places]) for way in ("row", "column"))
    centers = (np.column_stack([columns, rows]) + 0.5) * steps[:, None] / config.image_size
    np.testing.assert_allclose(prior_boxes(config)[:, :2], centers, atol=1e-12)


def test_places_worked_out_by_hand():
    """TWO_MAPS: 4 x 4 cells of 4 boxes, then 2 x 2 cells of 2."""
    assert locate(TWO_MAPS, 0) == Place(0, 0, 0, 0)
    assert locate(TWO_MAPS, 63) == Place(0, 3, 3, 3)
    assert locate(TWO_MAPS, 64) == Place(1, 0, 0, 0)
    assert locate(TWO_MAPS, 69) == Place(1, 1, 0, 1)
    for prior in (-1, 72):
        with pytest.raises(InputError, match=rf"prior: {prior} of two-maps \(choose 0...71\)"):
            locate(TWO_MAPS, prior)


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
    assert (best.place, best.map_name, best.shape) == (Place(1, 1, 0, 0), "conv5_2", "small square 1")
    np.testing.assert_allclose(best.prior_cxcywh * 32, [8, 24, 16, 16])
    np.testing.assert_allclose(best.box_xyxy * 32, [1.6, 8, 17.6, 40], rtol=1e-6)
    assert best.describe_offsets(32) == [
        "moved 1.6 px to the right",
        "not moved",
        "1.00 times as wide: 16 to 16 px",
        "2.00 times as high: 16 to 32 px",
    ]
    np.testing.assert_allclose(best.probabilities, [0.05, 0.05, 0.9], rtol=1e-6)
    np.testing.assert_allclose(best.suppressed.scores, [0.6], rtol=1e-6)
    side = np.sqrt(16 * 24)  # of the large square
    shared = 16 * side
    np.testing.assert_allclose(best.ious, shared / (16 * 32 + side**2 - shared), rtol=1e-5)
    np.testing.assert_allclose(second.ious, 256 / 384, rtol=1e-5)
    assert seen.describe_origin(best) == (
        "Found by map 1 (conv5_2, 2 × 2 cells), row 1, column 0, with the default box “small square 1”, "
        "number 68 of 72."
    )


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


# -- in words ----------------------------------------------------------------------------------------------


def test_the_input_in_words(model, image):
    seen = trace(model, image)
    assert seen.describe_input().startswith(
        "The picture of 80 × 50 is resized to 64 × 64, whatever its shape."
    )
    assert "(127.5, 127.5, 127.5) is subtracted, and the rest is divided by 64." in seen.describe_input()
    config = dataclasses.replace(seen.config, pixel_scale=1.0, channel_order="bgr")
    words = dataclasses.replace(seen, config=config).describe_input()
    assert "divided" not in words and "go in as BGR" in words


def test_a_source_map_in_words(model, image):
    """TINY's first source: 53 pixels, and its head one cell of 8 more on each side."""
    assert trace(model, image).describe_source(0) == (
        "64 channels of 8 × 8 cells, 8 px apart. What is predicted for a cell depends on 69 × 69 px around "
        "it, and starts from default boxes such as squares of 8 and 11 px."
    )
