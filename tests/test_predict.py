"""Prediction on pictures of any size, and evaluation of a model."""

import numpy as np
import pytest
from command_line import CLASSES, SCENES, SMALL

from minissd import predict
from minissd.codec import decode
from minissd.config import SSDConfig
from minissd.data import Sample, network_input
from minissd.detect import detect
from minissd.evaluate import GroundTruth, evaluate_coco, evaluate_voc
from minissd.models import SSD

CONFIG = SSDConfig.from_dict(SMALL.to_dict() | {"num_classes": len(CLASSES) + 1})


@pytest.fixture(scope="module")
def model():
    return SSD(CONFIG, np.random.default_rng(0))


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    return [
        rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((64, 64), (1, 1), (90, 30), (33, 200))
    ]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        np.testing.assert_array_equal(a.labels, b.labels)
        np.testing.assert_allclose(a.boxes_xyxy, b.boxes_xyxy, atol=1e-5)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_each_picture_is_detected_as_if_it_were_alone(batch_size, model, images):
    alone = [predict.predict(model, [image])[0] for image in images]
    assert all(len(found) for found in alone)
    assert_same(predict.predict(model, images, batch_size), alone)


def test_the_steps_are_those_of_detection(model, images):
    loc, conf = model.eval().forward(network_input(images[2:3], CONFIG))
    expected = detect(loc, conf, model.priors_cxcywh, score_threshold=0.3, top_k=50, keep_top_k=7)
    found = predict.predict(model, images[2:3], score_threshold=0.3, top_k=50, keep_top_k=7)
    assert_same(found, expected)
    assert len(found[0]) == 7
    rows = found[0].priors
    np.testing.assert_allclose(
        found[0].boxes_xyxy, decode(loc[0, rows], model.priors_cxcywh[rows]), atol=1e-6
    )


def test_variances_are_those_of_the_configuration(images):
    other = SSD(SSDConfig.from_dict(CONFIG.to_dict() | {"variances": (0.5, 0.9)}), np.random.default_rng(0))
    loc, conf = other.eval().forward(network_input(images[:1], CONFIG))
    assert_same(
        predict.predict(other, images[:1]), detect(loc, conf, other.priors_cxcywh, variances=(0.5, 0.9))
    )


def test_no_pictures_no_detections(model):
    assert predict.predict(model, []) == []


@pytest.mark.parametrize("training", [True, False])
def test_the_model_comes_back_as_it_was(training, model, images):
    model.train(training)
    before = {name: array.copy() for name, array in model.buffers.items()}
    predict.predict(model, images)
    assert model.training is training
    with pytest.raises(ValueError, match=r"images\[0\]"):
        predict.predict(model, [images[0].astype(float)])
    assert model.training is training
    assert all((model.buffers[name] == before[name]).all() for name in before)  # no statistics were taken


def test_pictures_are_not_changed(model, images):
    before = [image.copy() for image in images]
    predict.predict(model, images)
    assert all((a == b).all() for a, b in zip(images, before))


@pytest.mark.parametrize("options", [{}, {"iou_threshold": 0.2, "metric": "11point"}, {"batch_size": 2}])
def test_evaluation_judges_the_predictions(options, model):
    found = predict.predict(model, [sample.image for sample in SCENES])
    truths = [GroundTruth(s.gt_xyxy, s.labels, s.difficult) for s in SCENES]
    settings = {"iou_threshold": 0.5, "metric": "area"} | {
        k: v for k, v in options.items() if k != "batch_size"
    }
    expected = evaluate_voc(found, truths, **settings)
    result = predict.evaluate_model(model, SCENES, **options)
    assert result.mAP == pytest.approx(expected.mAP, abs=1e-4)
    assert result.ap.keys() == expected.ap.keys()


def test_evaluation_as_coco_does_it(model):
    """Boxes count in pixels of each picture; the same result on anything that gives samples."""
    found = predict.predict(model, [sample.image for sample in SCENES])
    expected = evaluate_coco(found, list(SCENES))  # a sample has the size of its image
    result = predict.evaluate_model(model, SCENES, metric="coco")
    np.testing.assert_allclose(list(result.numbers.values()), list(expected.numbers.values()), atol=1e-4)
    assert result.mAP == result.ap


def test_evaluation_as_coco_does_it_asks_the_data_set_for_crowds(monkeypatch, model):
    """One object and a crowd: the detections in the crowd are no mistakes."""
    crowd = Sample(SCENES[0].image, np.array([[0.5, 0.5, 1.0, 1.0]]), np.array([1]))
    one = np.array([[0.0, 0.0, 0.25, 0.25]])

    class Dataset(list):
        def ground_truth(self, index):
            return GroundTruth(
                np.vstack([one, crowd.gt_xyxy]),
                np.array([1, 1]),
                crowd=np.array([False, True]),
                image_size=(80, 80),
            )

    inside = np.array([[0.6, 0.6, 0.7, 0.7], [0.8, 0.8, 0.9, 0.9]])
    found = (np.vstack([inside, one]), np.array([0.9, 0.8, 0.7]), np.array([1, 1, 1]))
    monkeypatch.setattr(predict, "predict", lambda *arguments: [found])
    assert predict.evaluate_model(model, Dataset([crowd]), metric="coco").ap == 1
    assert predict.evaluate_model(model, [crowd], metric="coco").ap == 0


def test_evaluation_knows_difficult_objects_and_empty_pictures(model):
    scene = SCENES[0]
    empty = Sample(scene.image, np.zeros((0, 4)), np.zeros(0, np.int64))
    assert np.isnan(predict.evaluate_model(model, [empty]).mAP)
    difficult = Sample(scene.image, scene.gt_xyxy, scene.labels, np.ones(len(scene.labels), bool))
    assert np.isnan(predict.evaluate_model(model, [difficult]).mAP)


def test_a_perfect_model_has_a_map_of_one(monkeypatch, model):
    """Predictions that are the ground truth itself, found by its image."""
    truth = {scene.image.tobytes(): scene for scene in SCENES}

    def know(model, images, batch_size):
        scenes = [truth[image.tobytes()] for image in images]
        return [(s.gt_xyxy, np.linspace(0.9, 0.8, len(s.labels)), s.labels) for s in scenes]

    monkeypatch.setattr(predict, "predict", know)
    assert predict.evaluate_model(model, SCENES, batch_size=4).mAP == 1
