"""Conventions: the rules of each implementation as data, and what they do."""

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest

from minissd import conventions, priors
from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_VOC
from minissd.convention_table import differences, markdown_table, settings_of
from minissd.conventions import CONVENTIONS
from minissd.errors import InputError

TABLE = Path(conventions.__file__).with_suffix(".md")


def test_conventions_md_holds_the_table():
    assert markdown_table() in TABLE.read_text()


def test_caffe_is_what_every_function_does_by_default():
    """All but the evaluation, whose defects Caffe's convention has too."""
    caffe = CONVENTIONS["caffe"]
    assert caffe.config(SSD300_VOC) == SSD300_VOC
    for part, function in (
        ("matching", conventions.matching.match),
        ("encoding", conventions.codec.encode),
        ("loss", conventions.loss.multibox_loss),
        ("detection", conventions.detect.detect),
    ):
        defaults = {name: p.default for name, p in inspect.signature(function).parameters.items()}
        defaults |= vars(conventions.detect.NO_DEVIATION) | vars(conventions.loss.Deviations())
        for name, value in vars(getattr(caffe, part)).items():
            assert defaults[name] == value, f"{part}.{name}"


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_convention_can_be_followed_from_boxes_to_average_precision(name, rng):
    convention = CONVENTIONS[name]
    config = convention.config(SSD300_VOC)
    assert config.convention == name
    priors_cxcywh = priors.prior_boxes(config)
    gt_xyxy = np.array([[0.1, 0.2, 0.5, 0.6], [0.4, 0.4, 0.9, 0.8]])
    matched_gt = convention.match(gt_xyxy, priors_cxcywh)
    positive = matched_gt >= 0
    loc_target = np.zeros((1, len(priors_cxcywh), 4))
    loc_target[0, positive] = convention.encode(gt_xyxy[matched_gt[positive]], priors_cxcywh[positive])
    conf_target = (positive * 7)[None]
    conf = rng.standard_normal((1, len(priors_cxcywh), 21))
    result = convention.multibox_loss(loc_target, conf, loc_target, conf_target)
    assert result.loc == 0 < result.conf

    conf = np.full_like(conf, -4.0)  # predictions that say the targets
    conf[0, np.arange(conf.shape[1]), conf_target[0]] = 9
    found = convention.detect(loc_target, conf, priors_cxcywh)[0]
    assert set(found.labels) == {7}
    size_px = np.array([300, 300, 300, 300])
    answer = (found.boxes_xyxy * size_px, found.scores, found.labels)
    truth = (gt_xyxy * size_px, np.array([7, 7]))
    assert convention.evaluate([answer], [truth]).mAP == pytest.approx(1)


class TestDefaultBoxes:
    """test_priors_reference.py compares whole arrays of each implementation; conventions lead to them."""

    @pytest.mark.parametrize(
        ("name", "config", "changed"),
        [
            ("caffe", SSD300_VOC, 0),
            ("chainercv", SSD300_VOC, 0),
            ("amdegroot", SSD300_VOC, 134),
            ("lufficc", SSD300_VOC, 134),
            ("amdegroot", SSD300_COCO, 116),
            ("torchvision", SSD300_COCO, 2),
        ],
    )
    def test_boxes_that_clipping_changes(self, name, config, changed):
        usual = priors.prior_boxes(config)
        own = priors.prior_boxes(CONVENTIONS[name].config(config))
        assert (np.abs(own - usual) > 1e-12).any(axis=1).sum() == changed

    def test_column_sums_of_sgrvinod(self):
        sums = priors.prior_boxes(CONVENTIONS["sgrvinod"].config(SSD300_VOC)).sum(axis=0)
        np.testing.assert_allclose(sums, [4366, 4366, 1516.329, 1516.471], atol=1e-3)

    def test_centres_of_the_paper_are_inside_the_image_and_up_to_19_pixels_away(self):
        own = priors.prior_boxes(CONVENTIONS["paper"].config(SSD300_VOC))
        assert own[:, :2].max() < 1
        usual = priors.prior_boxes(SSD300_VOC)
        off_px = np.abs(own - usual)[:, :2].max(axis=1) * 300
        ends = np.cumsum([5776, 2166, 600, 150, 36, 4])
        by_map = [part.max() for part in np.split(off_px, ends[:-1])]
        np.testing.assert_allclose(by_map, [3.95, 3.89, 19, 18, 0, 0], atol=0.01)

    def test_lufficc_wrote_537_65(self):
        own, usual = (priors.prior_boxes(CONVENTIONS[n].config(SSD512_VOC)) for n in ("lufficc", "chainercv"))
        different = np.abs(own[-4:, 2:] - usual[-4:, 2:].clip(0, 1)).max(axis=1) > 1e-9
        assert own.shape == usual.shape
        assert CONVENTIONS["lufficc"].config(SSD512_VOC).max_sizes[-1] == 537.65
        assert different.tolist() == [False, True, False, False]  # the large square


def test_differences_are_what_the_definition_says():
    assert differences(CONVENTIONS["caffe"]) == {}
    assert differences(CONVENTIONS["torchvision"]) == {
        "boxes.clip": "size",
        "boxes.l2norm_guard": "clamp",
        "boxes.l2norm_epsilon": 1e-12,
        "matching.rule": "torchvision",
        "loss.mining_overflow": True,
        "detection.clip": True,
        "detection.max_log_size": pytest.approx(np.log(1000 / 16)),
        "evaluation.metric": "coco",
        "evaluation.inclusive_pixels": False,
    }


def test_no_two_conventions_are_the_same():
    settings = [settings_of(convention) for convention in CONVENTIONS.values()]
    assert all(a != b for i, a in enumerate(settings) for b in settings[:i])


def test_a_convention_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CONVENTIONS["caffe"].matching.rule = "argmax"


def test_an_unknown_convention_is_refused_with_those_that_there_are():
    config = dataclasses.replace(SSD300_VOC, convention="darknet")
    with pytest.raises(InputError, match=r"no convention 'darknet' \(choose one of caffe, caffe_integer"):
        conventions.convention_of(config)
