"""What `minissd show` shows and says."""

import dataclasses

import numpy as np
import pytest

from minissd import matching, mining, nms, priors, show
from minissd.config import TINY
from minissd.errors import InputError
from minissd.loss import softmax, softmax_cross_entropy

CONFIG = dataclasses.replace(TINY, num_classes=4)
NAMES = ["circle", "square", "triangle"]
GT_XYXY = np.array([[0.1, 0.2, 0.4, 0.6], [0.5, 0.3, 0.9, 0.95]])
LABELS = np.array([1, 2])


class FakeModel:
    """Predictions that follow from a seed; remembers how it was used."""

    def __init__(self, loc=None, conf=None):
        rng = np.random.default_rng(5)
        self.config, self.training, self.modes = CONFIG, True, []
        self.loc = rng.normal(0, 0.5, (1, CONFIG.num_priors, 4)).astype(np.float32) if loc is None else loc
        self.conf = rng.normal(0, 1, (1, CONFIG.num_priors, 4)).astype(np.float32) if conf is None else conf

    def train(self, training=True):
        self.training = training
        return self

    def eval(self):
        return self.train(False)

    def forward(self, images):
        assert images.shape == (1, 3, 256, 256) and images.dtype == np.float32
        self.modes.append(self.training)
        return self.loc, self.conf


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)


def test_priors_of_all_maps(image):
    figure, lines = show.show_priors(image, CONFIG)
    assert len(figure.axes) == 4
    assert lines[0] == "tiny: 5440 default boxes on 4 feature maps"
    assert lines[2] == "map 1: 16 × 16 cells of 16 px, 4 boxes a cell, 1024 boxes; small square 38 px"


def test_priors_of_one_cell(image):
    figure, lines = show.show_priors(image, CONFIG, layer=3, cell=(0, 0))
    assert len(figure.axes) == 1 and len(lines) == 5
    assert lines[3] == "ratio 2: 199.4 × 99.7 px"  # 141 sqrt 2, 141 / sqrt 2
    with pytest.raises(InputError, match="layer"):
        show.show_priors(image, CONFIG, cell=(0, 0))


def test_matches_are_counted_and_the_forced_ones_explained(image):
    figure, lines = show.show_matches(image, GT_XYXY, LABELS, CONFIG, NAMES)
    explanation = matching.explain(GT_XYXY, priors.prior_boxes(CONFIG))
    matched = explanation.matched_gt >= 0
    assert len(figure.axes) == 4
    assert lines[0] == f"{matched.sum()} of 5440 default boxes are matched to 2 objects"
    assert lines[1].startswith("0 circle: forced 1") and lines[2].startswith("1 square: forced 1")
    assert [int(line.split(": ")[1].split()[0]) for line in lines[3:7]] == [
        matched[:4096].sum(), matched[4096:5120].sum(), matched[5120:5376].sum(), matched[5376:].sum()
    ]  # fmt: skip
    forced = np.flatnonzero(explanation.reason == matching.FORCED)
    assert lines[7:] == [explanation.describe(prior) for prior in forced]


def test_matches_of_no_objects(image):
    _, lines = show.show_matches(image, np.zeros((0, 4)), np.zeros(0, int), CONFIG)
    assert lines[0] == "0 of 5440 default boxes are matched to 0 objects"


def test_mining_follows_the_loss_of_the_model(image):
    model = FakeModel()
    figure, lines = show.show_mining(image, GT_XYXY, LABELS, model, top=2)
    matched_gt = matching.match(GT_XYXY, priors.prior_boxes(CONFIG))
    target = np.where(matched_gt >= 0, LABELS[matched_gt], 0)
    loss, _ = softmax_cross_entropy(model.conf[0], target)
    negative = mining.hard_negatives(loss[None], (target > 0)[None])[0]
    positives = int((target > 0).sum())
    assert lines[0] == f"{positives} positives, {3 * positives} hard negatives, {5440 - 4 * positives} unused"
    assert lines[1] == f"the cut: negatives take part from a loss of {loss[negative].min():.3f}"
    hardest = int(np.where(negative, loss, 0).argmax())
    assert len(lines) == 4 and lines[2].startswith(f"loss {loss[hardest]:.3f}: prior {hardest}: background")
    assert len(figure.axes) == 2


def test_mining_without_objects(image):
    _, lines = show.show_mining(image, np.zeros((0, 4)), np.zeros(0, int), FakeModel())
    assert lines == ["0 positives, 0 hard negatives, 5440 unused"]


def test_nms_of_the_class_that_the_model_is_surest_of(image):
    conf = np.zeros((1, CONFIG.num_priors, 4), np.float32)
    conf[..., 0] = 9
    first = 5120 + 4 * (3 * 8 + 3)  # four boxes of one cell of the 8 x 8 map: the two squares overlap most
    conf[0, first : first + 4, 2] = [14, 13, 9, 9]
    _, lines = show.show_nms(image, FakeModel(np.zeros_like(conf[..., :4]), conf), class_names=NAMES)
    boxes_xyxy = priors.prior_boxes(CONFIG)[first : first + 4]
    boxes_xyxy = np.hstack(
        [boxes_xyxy[:, :2] - boxes_xyxy[:, 2:] / 2, boxes_xyxy[:, :2] + boxes_xyxy[:, 2:] / 2]
    )
    scores = softmax(conf[0, first : first + 4])[:, 2]
    suppressor = nms.suppressed_by(boxes_xyxy, scores)
    kept = int((suppressor == nms.KEPT).sum())
    assert lines[0] == f"4 candidates of square over score 0.1: {kept} kept, {4 - kept} suppressed"
    beaten = int((suppressor == 0).sum())
    assert beaten > 0
    assert (
        lines[1]
        == f"detection 0 (square {scores[0]:.2f}) suppressed {beaten} box{'es' if beaten > 1 else ''}"
    )


def test_nms_says_how_many_boxes_did_not_take_part(image):
    _, lines = show.show_nms(image, FakeModel(), label=1, score_threshold=0.5, top_k=10)
    assert "have too low a score for the best 10" in lines[1]
    with pytest.raises(InputError, match=r"1\.\.\.3"):
        show.show_nms(image, FakeModel(), label=4)


def test_nothing_over_the_threshold(image):
    _, lines = show.show_nms(image, FakeModel(), label=3, score_threshold=0.9999)
    assert lines == ["0 candidates of class 3 over score 0.9999: 0 kept, 0 suppressed"]


def test_the_model_predicts_in_inference_mode_and_gets_its_mode_back(image):
    model = FakeModel()
    show.show_nms(image, model, score_threshold=0.8)
    assert model.modes == [False] and model.training is True
