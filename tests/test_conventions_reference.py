"""The conventions are proven: by its rules each reproduces the numbers of its implementation."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from compare_conventions import CHECKS
from prior_configs import with_percents_of_the_paper
from reference_numbers import copied_numbers

from minissd import boxes, priors
from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_COCO, SSD512_VOC
from minissd.convention_table import differences
from minissd.conventions import CAFFE, CONVENTIONS
from minissd.nn import L2Norm

COPIES = {
    "layers": ("layers",),
    "priors": ("priors",),
    "matching": ("matching",),
    "encode": ("codec",),
    "multibox_loss": ("loss",),
    "nms": ("nms",),
    "ap": ("evaluate", "coco"),
}
STORED = [(file, name) for file, (_, names) in CHECKS.items() for name in names]


@functools.cache
def copied(file):
    return {key: value for name in COPIES[file] for key, value in copied_numbers(name).items()}


def compared(file, convention):
    """All comparisons of a convention with the numbers copied from a file."""
    return list(CHECKS[file][0](copied(file), convention))


@pytest.mark.parametrize(("file", "name"), STORED)
def test_a_convention_gives_the_numbers_of_its_implementation(file, name):
    comparisons = compared(file, CONVENTIONS[name])
    assert comparisons
    for c in comparisons:
        assert c.holds, f"{c.quantity}: {c.equal} of {len(c.pairs)} equal, relative error {c.error:.1e}"


def with_caffes(convention, setting):
    """The convention with Caffe's value of one setting, as in ``"matching.rule"``."""
    part, name = setting.split(".")
    of_caffe = replace(getattr(convention, part), **{name: getattr(getattr(CAFFE, part), name)})
    return replace(convention, **{part: of_caffe})


@pytest.mark.parametrize(
    ("file", "name", "setting"),
    [
        ("layers", "amdegroot", "boxes.l2norm_guard"),
        ("layers", "torchvision", "boxes.l2norm_guard"),
        ("priors", "amdegroot", "boxes.clip"),
        ("priors", "torchvision", "boxes.clip"),
        ("priors", "lufficc", "boxes.sizes"),
        ("priors", "sgrvinod", "boxes.centers"),
        ("priors", "sgrvinod", "boxes.clip"),
        ("priors", "sgrvinod", "boxes.sizes"),
        ("priors", "caffe_integer", "boxes.integer_sizes"),
        ("matching", "amdegroot", "matching.rule"),
        ("matching", "torchvision", "matching.rule"),
        ("matching", "lufficc", "matching.rule"),
        ("matching", "lufficc", "matching.union_epsilon"),
        ("matching", "d2l", "matching.rule"),
        ("encode", "d2l", "encoding.log_epsilon"),
        ("encode", "torchvision", "detection.max_log_size"),
        ("multibox_loss", "amdegroot", "matching.rule"),
        ("multibox_loss", "torchvision", "matching.rule"),
        ("multibox_loss", "lufficc", "matching.rule"),
        ("multibox_loss", "amdegroot", "loss.normalization"),
        ("multibox_loss", "lufficc", "loss.normalization"),
        ("multibox_loss", "torchvision", "loss.mining_overflow"),
        ("nms", "amdegroot", "detection.top_k"),
        ("nms", "amdegroot", "detection.keep_top_k"),
        ("nms", "torchvision", "detection.clip"),
        ("nms", "chainercv", "detection.inclusive_nms"),
        ("ap", "chainercv", "evaluation.metric"),
    ],
)
def test_the_numbers_need_every_one_of_these_rules(file, name, setting):
    """With Caffe's rule in its place the same comparison fails: the numbers tell the two apart."""
    convention = CONVENTIONS[name]
    assert setting in differences(convention)
    assert not all(c.holds for c in compared(file, with_caffes(convention, setting)))


def test_caffes_numbers_need_its_own_metric():
    """Its fourth class of the exact set has a recall of exactly .7."""
    eleven = replace(CAFFE, evaluation=replace(CAFFE.evaluation, metric="11point"))
    assert not all(c.holds for c in compared("ap", eleven))


@pytest.mark.parametrize("config", [SSD300_VOC, SSD300_COCO, SSD512_VOC, SSD512_COCO], ids=lambda c: c.name)
def test_caffes_sizes_are_those_of_its_scripts_cut_to_whole_pixels(config):
    whole = CONVENTIONS["caffe_integer"].config(config)
    assert replace(whole, convention="caffe") == priors.integer_sizes(config)
    assert CAFFE.config(config) == config


@with_percents_of_the_paper
def test_sizes_of_the_paper_are_equation_4(config, percents):
    smallest, largest, first = (percent / 100 for percent in percents)
    own = CONVENTIONS["paper"].config(config)
    scales = [first, *priors.paper_scales(len(config.feature_maps) - 1, smallest, largest)]
    scales.append(2 * scales[-1] - scales[-2])  # s_{m+1}, for the large square of the last map
    np.testing.assert_allclose(np.divide(own.min_sizes, config.image_size), scales[:-1], rtol=1e-12)
    np.testing.assert_allclose(np.divide(own.max_sizes, config.image_size), scales[1:], rtol=1e-12)


class TestDiveIntoDeepLearning:
    """The examples of its chapter on anchors, by its convention: no run of its detection is stored."""

    D2L = CONVENTIONS["d2l"]
    DOG_AND_CAT = np.array([[0.1, 0.08, 0.52, 0.92], [0.55, 0.2, 0.9, 0.88]])

    def test_labels_and_offsets(self):
        anchors_xyxy = [[0, 0.1, 0.2, 0.3], [0.15, 0.2, 0.4, 0.4], [0.63, 0.05, 0.88, 0.98],
                        [0.66, 0.45, 0.8, 0.8], [0.57, 0.3, 0.92, 0.9]]  # fmt: skip
        anchors_cxcywh = boxes.xyxy_to_cxcywh(np.array(anchors_xyxy))
        matched_gt = self.D2L.match(self.DOG_AND_CAT, anchors_cxcywh)
        np.testing.assert_array_equal(matched_gt + 1, [0, 1, 2, 0, 2])
        positive = matched_gt >= 0
        offsets = self.D2L.encode(self.DOG_AND_CAT[matched_gt[positive]], anchors_cxcywh[positive])
        expected = [[1.40, 10.0, 2.59, 7.18], [-1.20, 0.269, 1.68, -1.57], [-0.571, -1.0, 0.0, 0.626]]
        np.testing.assert_allclose(offsets, expected, atol=5e-3)

    def test_detections(self):
        """Dogs of .9, .8 and .7, of which the best suppresses the others, whatever their class; and a cat."""
        anchors_xyxy = [[0.1, 0.08, 0.52, 0.92], [0.08, 0.2, 0.56, 0.95], [0.15, 0.3, 0.62, 0.91],
                        [0.55, 0.2, 0.9, 0.88]]  # fmt: skip
        probability = np.array([[1e-9, 0.9, 0.1], [1e-9, 0.8, 0.2], [1e-9, 0.7, 0.3], [1e-9, 0.1, 0.9]])
        anchors_cxcywh = boxes.xyxy_to_cxcywh(np.array(anchors_xyxy))
        found = self.D2L.detect(np.zeros((1, 4, 4)), np.log(probability)[None], anchors_cxcywh)[0]
        assert sorted(zip(found.priors.tolist(), found.labels.tolist())) == [(0, 1), (3, 2)]

    def test_loss(self):
        """Cross entropy over all anchors, ln 2 each; L1 over all numbers, 10 for the one that is matched."""
        loc_target, conf_target = np.full((1, 5, 4), 2.5), np.array([[0, 0, 1, 0, 0]])
        result = self.D2L.multibox_loss(np.zeros((1, 5, 4)), np.zeros((1, 5, 2)), loc_target, conf_target)
        assert result.value == pytest.approx(np.log(2) + 10 / 20)


def test_sgrvinods_loss():
    """L1 as a mean of four numbers per positive, cross entropies over the positives: 2.5 and (1 + 3) ln 2."""
    loc_target, conf_target = np.full((1, 5, 4), 2.5), np.array([[0, 0, 1, 0, 0]])
    arrays = np.zeros((1, 5, 4)), np.zeros((1, 5, 2)), loc_target, conf_target
    result = CONVENTIONS["sgrvinod"].multibox_loss(*arrays)
    assert (result.loc, result.conf) == (2.5, pytest.approx(4 * np.log(2)))


@pytest.mark.parametrize(
    ("name", "most"), [("caffe", 200), ("lufficc", 100), ("chainercv", 600), ("amdegroot", 400)]
)
def test_how_many_detections_an_image_keeps(name, most):
    """300 priors apart, all equally sure of two classes; of each class 400 may enter, or 200, or all."""
    place = (np.arange(300) + 0.5) / 300
    priors_cxcywh = np.column_stack([place, place, np.full((300, 2), 1 / 300)])
    found = CONVENTIONS[name].detect(np.zeros((1, 300, 4)), np.zeros((1, 300, 3)), priors_cxcywh)[0]
    assert len(found) == most


@pytest.mark.parametrize(
    ("name", "norm"),
    [
        ("caffe", np.sqrt(25e-10 + 1e-10)),
        ("amdegroot", 5e-5 + 1e-10),
        ("lufficc", 5e-5 + 1e-10),
        ("chainercv", 5e-5 + 1e-5),
        ("torchvision", 5e-5),
        ("sgrvinod", 5e-5),
    ],
)
def test_guard_of_each_l2_norm(name, norm):
    """(3e-5, 4e-5) has length 5e-5. Where all is 0 only sgrvinod, without a guard, has NaN."""
    config = CONVENTIONS[name].config(SSD300_VOC)
    layer = L2Norm(2, scale=1.0, eps=config.l2norm_epsilon, guard=config.l2norm_guard)
    x = np.array([[3e-5, 0.0], [4e-5, 0.0]]).reshape(1, 2, 1, 2)
    y = layer.forward(x).reshape(2, 2)
    np.testing.assert_allclose(y[:, 0], [3e-5 / norm, 4e-5 / norm], rtol=1e-12)
    np.testing.assert_array_equal(y[:, 1], np.nan if name == "sgrvinod" else 0)
