"""Targets: by hand, against matching and encoding one after the other, and in batches."""

import numpy as np
import pytest

from minissd import matching
from minissd.config import SSD300_VOC
from minissd.errors import InputError
from minissd.priors import prior_boxes
from minissd.targets import make_batch_targets, make_targets, match_and_encode

PRIORS_CXCYWH = np.array([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5]])


def test_targets_by_hand():
    gt_xyxy = np.array([[0.55, 0.5, 1.05, 1.0], [0.0, 0.0, 0.5, 0.5]])
    loc_target, conf_target = make_targets(gt_xyxy, np.array([7, 2]), PRIORS_CXCYWH)
    np.testing.assert_array_equal(conf_target, [2, 7, 0])
    # ground truth 0 is 0.05 to the right of prior 1, a tenth of its width: 0.1 / 0.1 = 1
    np.testing.assert_allclose(loc_target, [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], atol=1e-6)
    assert loc_target.dtype == np.float32


def test_an_image_without_objects_is_all_background():
    loc_target, conf_target = make_targets(np.zeros((0, 4)), np.zeros(0, int), PRIORS_CXCYWH)
    assert not loc_target.any()
    assert not conf_target.any()


def test_labels_that_fit_no_object_are_refused():
    """Labels that count from 0 would turn the first class into background without a word."""
    gt_xyxy = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    with pytest.raises(InputError, match=r"labels: 0 is no class of objects \(count from 1"):
        make_targets(gt_xyxy, np.array([0, 1]), PRIORS_CXCYWH)
    with pytest.raises(InputError, match="labels: 1 for 2 boxes"):
        make_targets(gt_xyxy, np.array([1]), PRIORS_CXCYWH)


SSD300_PRIORS = prior_boxes(SSD300_VOC)


def scene(rng, count):
    start = rng.uniform(0, 0.9, (count, 2))
    return np.hstack([start, start + rng.uniform(0.02, 0.5, (count, 2))]), rng.integers(1, 21, count)


def assert_same_targets(ours, expected):
    """The same classes, and the same offsets but for rounding: the logarithm is another library's."""
    np.testing.assert_array_equal(ours[1], expected[1])
    np.testing.assert_array_max_ulp(ours[0], expected[0], maxulp=1)
    assert (ours[0].dtype, ours[1].dtype) == (np.float32, np.int64)


class TestSlowTwin:
    @pytest.mark.parametrize("rule", matching.RULES)
    @pytest.mark.parametrize("count", [0, 1, 5, 50])
    def test_one_image(self, rng, rule, count):
        gt_xyxy, labels = scene(rng, count)
        for settings in ((SSD300_PRIORS, 0.5, rule), (SSD300_PRIORS, 0.3, rule, (0.2, 0.5))):
            assert_same_targets(
                make_targets(gt_xyxy, labels, *settings), match_and_encode(gt_xyxy, labels, *settings)
            )

    @pytest.mark.parametrize("num_images", [1, 2, 3, 4, 9])
    def test_a_batch_is_its_images(self, rng, num_images):
        scenes = [scene(rng, int(rng.integers(0, 12))) for _ in range(num_images)]
        loc_target, conf_target = make_batch_targets(*zip(*scenes), SSD300_PRIORS)
        assert loc_target.shape == (num_images, 8732, 4)
        assert conf_target.shape == (num_images, 8732)
        for n, objects in enumerate(scenes):
            assert_same_targets((loc_target[n], conf_target[n]), match_and_encode(*objects, SSD300_PRIORS))
            loc_alone, conf_alone = make_targets(*objects, SSD300_PRIORS)
            np.testing.assert_array_equal(loc_target[n], loc_alone)
            np.testing.assert_array_equal(conf_target[n], conf_alone)

    def test_a_batch_without_images(self):
        loc_target, conf_target = make_batch_targets([], [], PRIORS_CXCYWH)
        assert (loc_target.shape, conf_target.shape) == ((0, 3, 4), (0, 3))


def test_a_rule_of_your_own(monkeypatch, rng):
    """One entry in RULES is enough: the first prior goes to the first object, whatever they overlap."""

    def force_first(iou):
        forced_prior = np.full(iou.shape[1], matching.BACKGROUND)
        forced_prior[0] = 0
        return forced_prior

    monkeypatch.setitem(matching.RULES, "first", force_first)
    gt_xyxy, labels = scene(rng, 4)
    matched_gt = matching.match(gt_xyxy, SSD300_PRIORS, rule="first")
    assert matched_gt[0] == 0
    np.testing.assert_array_equal(
        matched_gt[1:], matching.match(gt_xyxy, SSD300_PRIORS, rule="threshold")[1:]
    )
    assert matching.explain(gt_xyxy, SSD300_PRIORS, rule="first").reason[0] == matching.FORCED
    loc_target, conf_target = make_batch_targets([gt_xyxy] * 2, [labels] * 2, SSD300_PRIORS, rule="first")
    assert (conf_target[:, 0] == labels[0]).all()
    assert loc_target[:, 0].any()


class TestOptions:
    """What other implementations do differently reaches the matching and the code."""

    HALF = np.array([[0.0, 0.0, 0.25, 0.5]])  # of prior 0
    OPTIONS = (
        {"strict": True},
        {"union_epsilon": 1e-5},
        {"log_epsilon": 1e-6},
        {"rule": "d2l", "log_epsilon": 1e-6},
        {"rule": "argmax", "union_epsilon": 1e-5, "strict": True, "variances": (0.2, 0.5)},
    )

    @pytest.mark.parametrize("options", OPTIONS, ids=str)
    def test_a_batch_is_its_images(self, rng, options):
        scenes = [scene(rng, count) for count in (4, 0, 9, 1)]
        loc_target, conf_target = make_batch_targets(*zip(*scenes), SSD300_PRIORS, **options)
        for n, objects in enumerate(scenes):
            expected = match_and_encode(*objects, SSD300_PRIORS, **options)
            assert_same_targets((loc_target[n], conf_target[n]), expected)
            assert_same_targets(make_targets(*objects, SSD300_PRIORS, **options), expected)

    @pytest.mark.parametrize(
        ("options", "expected"), [({}, 5), ({"strict": True}, 0), ({"union_epsilon": 1e-5}, 0)]
    )
    def test_exactly_half(self, options, expected):
        _, conf_target = make_targets(self.HALF, np.array([5]), PRIORS_CXCYWH, rule="threshold", **options)
        np.testing.assert_array_equal(conf_target, [expected, 0, 0])

    def test_the_epsilon_in_the_logarithm(self):
        loc_target, _ = make_targets(self.HALF, np.array([5]), PRIORS_CXCYWH, log_epsilon=0.5)
        np.testing.assert_allclose(loc_target[0], [-2.5, 0, 5 * np.log(1), 5 * np.log(1.5)], atol=1e-6)


class TestInputs:
    def test_an_object_that_has_no_code_is_refused(self):
        """By the arg-max rule an object without overlap takes prior 0, be it without area too."""
        gt_xyxy = np.array([[0.5, 0.5, 1.0, 1.0], [0.2, 0.2, 0.2, 0.4]])
        with pytest.raises(InputError, match=r"gt_xyxy: box 0 has width 0 and height 0\.2 "):
            make_targets(gt_xyxy, np.array([1, 2]), PRIORS_CXCYWH, rule="argmax")
        _, conf_target = make_targets(gt_xyxy, np.array([1, 2]), PRIORS_CXCYWH)
        np.testing.assert_array_equal(conf_target, [0, 1, 0])

    def test_a_batch_names_the_image(self):
        fine, labels = np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([1])
        for bad_xyxy, bad_labels, message in (
            (fine * np.nan, labels, r"gt_xyxy\[1\]: box 0 is \[nan"),
            (np.ones((1, 5)), labels, r"gt_xyxy\[1\]: its shape is \(1, 5\)"),
            (fine, labels - 1, r"labels\[1\]: 0 is no class"),
            (fine, np.array([1, 2]), r"labels\[1\]: 2 for 1 boxes"),
        ):
            with pytest.raises(InputError, match=message):
                make_batch_targets([fine, bad_xyxy], [labels, bad_labels], PRIORS_CXCYWH)
        with pytest.raises(InputError, match="labels: of 1 images for boxes of 2"):
            make_batch_targets([fine, fine], [labels], PRIORS_CXCYWH)

    def test_settings_that_do_not_exist(self):
        fine, labels = np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([1])
        with pytest.raises(InputError, match="rule: no matching rule 'hungarian'"):
            make_targets(fine, labels, PRIORS_CXCYWH, rule="hungarian")
        with pytest.raises(InputError, match="priors_cxcywh: shape"):
            make_targets(fine, labels, np.zeros((0, 4)))

    def test_read_only_float32_and_strided(self, rng):
        gt_xyxy, labels = scene(rng, 6)
        gt_xyxy = gt_xyxy.astype(np.float32)
        expected = make_targets(gt_xyxy.astype(np.float64), labels, SSD300_PRIORS)
        read_only = SSD300_PRIORS.copy()
        read_only.setflags(write=False)
        gt_xyxy.setflags(write=False)
        for other_gt, other_priors in (
            (gt_xyxy, read_only),
            (np.asfortranarray(gt_xyxy), np.asfortranarray(SSD300_PRIORS)),
        ):
            ours = make_targets(other_gt, labels.astype(np.int32), other_priors)
            np.testing.assert_array_equal(ours[0], expected[0])
            np.testing.assert_array_equal(ours[1], expected[1])

    def test_they_are_unchanged_and_not_shared(self, rng):
        gt_xyxy, labels = scene(rng, 6)
        before = gt_xyxy.copy(), labels.copy(), SSD300_PRIORS.copy()
        make_targets(gt_xyxy, labels, SSD300_PRIORS)
        for array, copy in zip((gt_xyxy, labels, SSD300_PRIORS), before):
            np.testing.assert_array_equal(array, copy)
