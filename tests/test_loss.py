"""The loss: hand-worked values, other implementations' values and gradients, central differences."""

import dataclasses
import inspect
from math import log

import numpy as np
import pytest
from backends import every_backend
from reference_numbers import LossCase, copied_numbers
from twins import image_losses, normalized_losses, numerical_gradient, relative_error

from minissd.errors import InputError
from minissd.loss import (
    LOC_LOSSES,
    NORMALIZATIONS,
    cross_entropy_gradient,
    l1,
    multibox_loss,
    smooth_l1,
    softmax,
    softmax_cross_entropy,
)
from minissd.mining import SCOPES

pytestmark = every_backend(
    "multibox_loss", "softmax", "softmax_cross_entropy", "cross_entropy_gradient", "smooth_l1", "l1"
)
NUMBERS = copied_numbers("loss")
every_case = pytest.mark.parametrize("case", range(int(NUMBERS["n_cases"])), ids=NUMBERS["case_name"])

# Options of the matching and of the loss by which other implementations' numbers are met.
PEERS = {
    "caffe": ({}, {}),
    "ccv": ({}, {}),
    "tv": ({"rule": "torchvision"}, {"mining_overflow": True}),
    "amd": ({"rule": "argmax"}, {"normalization": "positives_or_nan"}),
    "luf": ({"rule": "argmax", "union_epsilon": 1e-5}, {"normalization": "positives_or_nan"}),
}


def random_batch(rng, num_images=2, num_priors=12, num_classes=4):
    """Predictions and targets with 2, 3, ... positives; differences on both sides of 1, none near it."""
    loc = rng.normal(size=(num_images, num_priors, 4)) * 2
    conf = rng.normal(size=(num_images, num_priors, num_classes)) * 2
    loc_target = loc - rng.choice([-3, -0.6, 0.3, 0.8, 2.5], loc.shape)
    conf_target = np.zeros((num_images, num_priors), dtype=np.int64)
    for n in range(num_images):
        conf_target[n, rng.choice(num_priors, 2 + n, replace=False)] = rng.integers(1, num_classes, 2 + n)
    return loc, conf, loc_target, conf_target


class TestOtherImplementations:
    @every_case
    def test_the_drawn_inputs_are_the_stored_ones(self, case):
        batch = LossCase(NUMBERS, case)
        loc_check = [batch.loc.sum(), *batch.loc[0, 0, :4]]
        conf_check = [batch.conf.sum(), *batch.conf[0, 0, :5]]
        np.testing.assert_allclose(loc_check, batch.expected["loc_check"], rtol=1e-12)
        np.testing.assert_allclose(conf_check, batch.expected["conf_check"], rtol=1e-12)
        np.testing.assert_array_equal(batch.matched_gt, batch.expected["match"])

    @every_case
    def test_values(self, case):
        batch = LossCase(NUMBERS, case)
        result = multibox_loss(*batch.predictions_and_targets)
        assert result.num_pos == batch.expected["num_pos"].sum()
        np.testing.assert_array_equal(result.hard_negatives.sum(axis=1), batch.expected["num_neg"])
        assert result.loc == pytest.approx(float(batch.expected["loss_loc"]), rel=1e-12)
        assert result.conf == pytest.approx(float(batch.expected["loss_conf"]), rel=1e-12)
        assert result.value == pytest.approx(float(batch.expected["caffe_total"]), rel=1e-6)  # float32 boxes

    @every_case
    def test_gradients(self, case):
        batch = LossCase(NUMBERS, case)
        result = multibox_loss(*batch.predictions_and_targets)
        for name, gradient in (("gloc", result.dloc), ("gconf", result.dconf)):
            sums = gradient.sum(), np.abs(gradient).sum(), (gradient**2).sum()
            expected_sums = [batch.expected[f"{name}_{kind}"] for kind in ("sum", "abssum", "sqsum")]
            np.testing.assert_allclose(sums, expected_sums, rtol=1e-12, atol=1e-12)
            entries = gradient.ravel()[batch.expected[f"{name}_idx"]]
            np.testing.assert_allclose(entries, batch.expected[f"{name}_val"], rtol=1e-12, atol=1e-12)

    @every_case
    @pytest.mark.parametrize("peer", PEERS)
    def test_every_peers_loss_by_its_options(self, case, peer):
        """Among them is NaN for a batch without objects."""
        matching_options, loss_options = PEERS[peer]
        batch = LossCase(NUMBERS, case, **matching_options)
        result = multibox_loss(*batch.predictions_and_targets, **loss_options)
        assert result.num_pos == batch.expected.get(f"{peer}_num_pos", batch.expected["num_pos"]).sum()
        if peer == "caffe":  # its own are sums
            expected = [
                batch.expected[f"caffe_loss_{part}_sum"] / max(result.num_pos, 1) for part in ("loc", "conf")
            ]
        else:
            expected = [batch.expected[f"{peer}_loss_{part}"] for part in ("loc", "conf")]
        tolerance = 1e-6 if peer == "caffe" else 1e-12  # Caffe's boxes are float32
        np.testing.assert_allclose([result.loc, result.conf], expected, rtol=tolerance)

    @every_case
    @pytest.mark.parametrize("peer", ["ccv", "tv", "amd"])
    def test_every_peers_gradient_by_its_options(self, case, peer):
        matching_options, loss_options = PEERS[peer]
        batch = LossCase(NUMBERS, case, **matching_options)
        result = multibox_loss(*batch.predictions_and_targets, **loss_options)
        for name, gradient in (("gloc", result.dloc), ("gconf", result.dconf)):
            sums = gradient.sum(), np.abs(gradient).sum(), (gradient**2).sum()
            names = [f"{peer}_{name}_{kind}" for kind in ("sum", "abssum", "sqsum")]
            expected = [batch.expected.get(key, 0) for key in names]  # of the empty batch it is not stored
            np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-12)

    def test_the_losers_of_a_conflict_change_the_loss(self):
        case = NUMBERS["case_name"].tolist().index("conflict")
        losses = [
            multibox_loss(*LossCase(NUMBERS, case, rule=rule).predictions_and_targets).loc
            for rule in ("bipartite", "argmax")
        ]
        assert losses[0] != pytest.approx(losses[1], rel=1e-4)

    def test_no_prior_is_counted_twice_when_the_negatives_run_out(self):
        """torchvision lets positives slip into its negatives there, and counts them again."""
        case = NUMBERS["case_name"].tolist().index("few_negatives")
        batch = LossCase(NUMBERS, case)
        once = multibox_loss(*batch.predictions_and_targets)
        assert (once.hard_negatives | (batch.conf_target > 0))[0].all()
        assert not (once.hard_negatives & (batch.conf_target > 0)).any()
        twice = multibox_loss(*batch.predictions_and_targets, mining_overflow=True)
        assert twice.hard_negatives[0].all()
        assert once.conf < twice.conf * 0.8

    @pytest.mark.parametrize("normalization", NORMALIZATIONS)
    def test_no_objects(self, normalization):
        """0 and not NaN, but where the division is by N as it is; the gradients are 0 all the same."""
        case = NUMBERS["case_name"].tolist().index("empty")
        batch = LossCase(NUMBERS, case)
        result = multibox_loss(*batch.predictions_and_targets, normalization=normalization)
        expected = np.nan if normalization in ("positives_or_nan", "coordinates") else 0
        np.testing.assert_array_equal([result.value, result.conf, result.loc], expected)
        assert result.num_pos == 0
        assert not result.dloc.any()
        assert not result.dconf.any()


class TestByHand:
    """Logits of 0: every prior's cross entropy is ln C, whatever its class."""

    def zeros(self, conf_target, num_classes=3):
        conf_target = np.array(conf_target)
        shape = conf_target.shape
        return np.zeros((*shape, 4)), np.zeros((*shape, num_classes)), np.zeros((*shape, 4)), conf_target

    def test_one_positive_brings_three_negatives(self):
        result = multibox_loss(*self.zeros([[0, 0, 2, 0, 0, 0]]))
        assert result.conf == pytest.approx((1 + 3) * log(3))
        assert result.loc == 0
        np.testing.assert_array_equal(result.hard_negatives, [[True, True, False, True, False, False]])

    def test_the_division_is_by_the_positives_of_the_whole_batch(self):
        # (1 + 3 + 2 + 6) ln 3 / 3. Dividing each image by its own positives would give 8 ln 3,
        # dividing by the images 6 ln 3.
        result = multibox_loss(*self.zeros([[0, 0, 2, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]]))
        assert result.num_pos == 3
        assert result.conf == pytest.approx(12 * log(3) / 3)

    def test_an_image_without_objects_teaches_nothing(self):
        alone = multibox_loss(*self.zeros([[0, 0, 2, 0, 0, 0]]))
        beside = multibox_loss(*self.zeros([[0, 0, 2, 0, 0, 0], [0] * 6]))
        assert beside.value == alone.value
        assert not beside.dconf[1].any()

    def test_unless_a_least_number_of_negatives_is_asked_for(self):
        result = multibox_loss(*self.zeros([[0, 0, 2, 0, 0, 0], [0] * 6]), min_negatives=2)
        assert result.conf == pytest.approx((1 + 3 + 2) * log(3))
        only_background = multibox_loss(*self.zeros([[0] * 6]), min_negatives=2)
        assert only_background.value == pytest.approx(2 * log(3))  # divided by 1, not by 0
        assert only_background.num_pos == 0
        assert only_background.dconf.any()
        assert not only_background.dloc.any()

    def test_localisation_is_summed_over_four_coordinates_of_positives(self):
        loc, conf, loc_target, conf_target = self.zeros([[0, 1, 0, 0, 0, 2]])
        loc[0, 1] = [0.5, -0.5, 2.0, -3.0]  # 1/8 + 1/8 + 3/2 + 5/2 = 17/4
        loc[0, 5] = [0.0, 0.0, 1.0, 0.0]  # 1/2
        loc[0, 0] = loc_target[0, 2] = 99.0  # background: ignored
        result = multibox_loss(loc, conf, loc_target, conf_target)
        assert result.loc == pytest.approx((17 / 4 + 1 / 2) / 2)  # N = 2, not 4 N
        expected = np.zeros((1, 6, 4))
        expected[0, 1] = [0.25, -0.25, 0.5, -0.5]
        expected[0, 5] = [0, 0, 0.5, 0]
        np.testing.assert_allclose(result.dloc, expected, atol=1e-16)

    def test_alpha_weighs_the_localisation_alone(self, rng):
        batch = random_batch(rng)
        one, three = multibox_loss(*batch), multibox_loss(*batch, alpha=3)
        assert (three.conf, three.loc) == (one.conf, one.loc)
        assert three.value == pytest.approx(one.conf + 3 * one.loc, rel=1e-15)
        np.testing.assert_allclose(three.dloc, 3 * one.dloc, rtol=1e-14)
        np.testing.assert_array_equal(three.dconf, one.dconf)

    def test_gradient_of_the_logits(self):
        result = multibox_loss(*self.zeros([[0, 0, 2, 0, 0, 0]]))
        negative, positive, easy = [-2 / 3, 1 / 3, 1 / 3], [1 / 3, 1 / 3, -2 / 3], [0, 0, 0]
        expected = [[negative, negative, positive, negative, easy, easy]]
        np.testing.assert_allclose(result.dconf, expected, atol=1e-15)

    def test_caffes_golden_cross_entropies(self):
        # two logits .1 apart: ln(1 + e^-.1) and ln(1 + e^.1)
        loss, _ = softmax_cross_entropy(np.array([[0.1, 0.0], [0.1, 0.0]]), np.array([0, 1]))
        np.testing.assert_allclose(loss, [0.644397, 0.744397], atol=5e-7)

    def test_the_mined_negatives_are_those_of_highest_loss(self):
        loc, conf, loc_target, conf_target = self.zeros([[1, 0, 0, 0, 0, 0]])
        conf[0, :, 0] = [0, 5, -5, 4, -4, -3]  # logit of the background: low means a wrong alarm
        result = multibox_loss(loc, conf, loc_target, conf_target)
        np.testing.assert_array_equal(np.flatnonzero(result.hard_negatives[0]), [2, 4, 5])
        assert result.conf == pytest.approx(log(3) + sum(log(2 + np.exp(-x)) + x for x in (5, 4, 3)))


class TestNormalizations:
    """Logits of 0, two classes: each counted prior loses ln 2. Images with one, two and no positives."""

    CONF_TARGET = np.zeros((3, 10), dtype=np.int64)
    CONF_TARGET[0, 4] = CONF_TARGET[1, 2] = CONF_TARGET[1, 7] = 1  # 1 + 3 counted, then 2 + 6, then none

    def result(self, **options):
        zeros = np.zeros((3, 10, 4))
        loc_target = np.where(
            self.CONF_TARGET[..., None], np.full(4, 2.5), 99
        )  # 4 x 2 per positive (of l1: 4 x 2.5)
        return multibox_loss(zeros, np.zeros((3, 10, 2)), loc_target, self.CONF_TARGET, **options)

    @pytest.mark.parametrize(
        ("normalization", "conf", "loc"),
        [
            ("positives", 12 / 3, 24 / 3),
            ("positives_or_nan", 12 / 3, 24 / 3),
            ("coordinates", 12 / 3, 24 / 12),
            ("priors", 12 / 30, 24 / 120),
            ("per_image", (4 / 1 + 8 / 2 + 0) / 3, (8 / 1 + 16 / 2 + 0) / 3),
            ("batch_size", 12 / 3, 24 / 3),
        ],
    )
    def test_by_hand(self, normalization, conf, loc):
        result = self.result(normalization=normalization)
        assert result.conf == pytest.approx(conf * log(2))
        assert result.loc == pytest.approx(loc)
        assert result.value == result.conf + result.loc

    def test_the_number_of_positives_is_not_that_of_images(self):
        """Here both are 3. With one image twice, the first is 2 and the second still the number of images."""
        zeros, conf_target = np.zeros((2, 10, 4)), np.repeat(self.CONF_TARGET[1:2], 2, axis=0)
        losses = [
            multibox_loss(zeros, np.zeros((2, 10, 2)), zeros, conf_target, normalization=name).conf / log(2)
            for name in ("positives", "batch_size", "per_image")
        ]
        np.testing.assert_allclose(losses, [16 / 4, 16 / 2, 8 / 2])

    def test_per_image_a_positive_of_a_crowd_weighs_less(self):
        dloc = self.result(normalization="per_image").dloc
        assert dloc[0, 4, 0] == pytest.approx(-1 / 3)
        assert dloc[1, 2, 0] == dloc[1, 7, 0] == pytest.approx(-1 / 6)

    def test_per_image_an_image_without_objects_counts_nothing(self):
        """Its mined negatives do not either: the original multiplies by 0."""
        with_negatives = self.result(normalization="per_image", min_negatives=2)
        assert with_negatives.hard_negatives[2].sum() == 2
        assert with_negatives.value == self.result(normalization="per_image").value
        assert not with_negatives.dconf[2].any()

    def test_dive_into_deep_learning_means(self):
        """Every prior counts, so the mean cross entropy is ln 2; L1 has 10 for each positive."""
        result = self.result(normalization="priors", mining_scope="none", loc_loss="l1")
        assert result.conf == pytest.approx(log(2))
        assert result.loc == pytest.approx(30 / 120)

    def test_sgrvinods_quarter(self):
        result = self.result(normalization="coordinates", loc_loss="l1")
        assert result.loc == pytest.approx(2.5)  # the mean difference

    def test_negatives_of_the_whole_batch(self):
        result = self.result(mining_scope="batch")  # 3 positives, 9 negatives: the first of equals
        np.testing.assert_array_equal(result.hard_negatives.sum(axis=1), [9, 0, 0])
        assert result.conf == pytest.approx(12 / 3 * log(2))

    def test_an_unknown_deviation(self):
        with pytest.raises(TypeError, match="normalisation"):
            self.result(normalisation="per_image")

    @pytest.mark.parametrize("option", ["normalization", "loc_loss", "mining_scope"])
    def test_an_unknown_name(self, option):
        with pytest.raises(InputError, match=r"no .* 'mean' \(choose one of (positives|smooth_l1|image),"):
            self.result(**{option: "mean"})


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("loc_loss", LOC_LOSSES)
@pytest.mark.parametrize("mining_scope", SCOPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestSlowTwin:
    """Prior by prior, with what was mined given. In image 2 negatives run out, image 3 has no objects."""

    def test_value(self, rng, normalization, loc_loss, mining_scope, dtype):
        loc, conf, loc_target, conf_target = random_batch(rng, num_images=4)
        conf_target[2, 3:] = 1
        conf_target[3] = 0
        arrays = loc.astype(dtype), conf.astype(dtype), loc_target.astype(dtype), conf_target
        options = {"loc_loss": loc_loss, "normalization": normalization, "mining_scope": mining_scope}
        result = multibox_loss(*arrays, **options, mining_overflow=True, alpha=0.7)
        images = [image_losses(*image, loc_loss) for image in zip(*arrays, result.hard_negatives)]
        conf_value, loc_value = normalized_losses(images, normalization, num_priors=12)
        tolerance = 1e-12 if dtype == np.float64 else 1e-5
        assert result.conf == pytest.approx(conf_value, rel=tolerance)
        assert result.loc == pytest.approx(loc_value, rel=tolerance)
        assert result.value == pytest.approx(conf_value + 0.7 * loc_value, rel=tolerance)
        assert result.dloc.dtype == result.dconf.dtype == dtype


@pytest.mark.large
class TestGradients:
    """Gradients against central differences of the value itself."""

    OPTIONS = ({}, {"alpha": 0.3}, {"neg_pos_ratio": 1}, {"min_negatives": 9}, {"mining_scope": "batch"})
    OPTIONS += ({"mining_scope": "none"}, {"mining_overflow": True, "neg_pos_ratio": 5})
    OPTIONS += tuple({"loc_loss": x, "normalization": name} for x in LOC_LOSSES for name in NORMALIZATIONS)

    @pytest.mark.parametrize("options", OPTIONS, ids=str)
    def test_multibox_loss(self, rng, options):
        loc, conf, loc_target, conf_target = random_batch(rng)

        def value_of_loc(changed):
            return multibox_loss(changed, conf, loc_target, conf_target, **options).value

        def value_of_conf(changed):
            return multibox_loss(loc, changed, loc_target, conf_target, **options).value

        result = multibox_loss(loc, conf, loc_target, conf_target, **options)
        assert relative_error(result.dloc, numerical_gradient(value_of_loc, loc)) < 1e-6
        assert relative_error(result.dconf, numerical_gradient(value_of_conf, conf)) < 1e-6

    def test_softmax_cross_entropy(self, rng):
        logits, target, upstream = rng.normal(size=(5, 4)), rng.integers(0, 4, 5), rng.normal(size=5)
        _, probability = softmax_cross_entropy(logits, target)
        gradient = upstream[:, None] * cross_entropy_gradient(probability, target)

        def weighted_loss(changed):
            return (upstream * softmax_cross_entropy(changed, target)[0]).sum()

        assert relative_error(gradient, numerical_gradient(weighted_loss, logits)) < 1e-6

    def test_smooth_l1(self, rng):
        difference = rng.choice([-2.5, -0.7, 0.0, 0.4, 1.9], (6, 4))
        upstream = rng.normal(size=(6, 4))
        gradient = upstream * smooth_l1(difference)[1]

        def weighted_loss(changed):
            return (upstream * smooth_l1(changed)[0]).sum()

        assert relative_error(gradient, numerical_gradient(weighted_loss, difference)) < 1e-6

    def test_a_prior_that_is_counted_twice_has_twice_the_gradient(self, rng):
        loc, conf, loc_target, conf_target = random_batch(rng, num_images=1)
        conf_target[0, 2:] = 1
        once = multibox_loss(loc, conf, loc_target, conf_target)
        twice = multibox_loss(loc, conf, loc_target, conf_target, mining_overflow=True)
        times = 1 + (conf_target > 0)
        np.testing.assert_allclose(twice.dconf, times[..., None] * once.dconf, rtol=1e-14)
        np.testing.assert_array_equal(twice.dloc, once.dloc)

    def test_l1(self, rng):
        difference = rng.choice([-2.5, -0.7, 0.4, 1.9], (6, 4))
        upstream = rng.normal(size=(6, 4))

        def weighted_loss(changed):
            return (upstream * l1(changed)[0]).sum()

        gradient = upstream * l1(difference)[1]
        assert relative_error(gradient, numerical_gradient(weighted_loss, difference)) < 1e-6
        assert l1(np.zeros(1))[1] == 0

    def test_rows_of_the_logit_gradient_sum_to_zero(self, rng):
        dconf = multibox_loss(*random_batch(rng)).dconf
        np.testing.assert_allclose(dconf.sum(axis=-1), 0, atol=1e-15)


class TestSoftmax:
    def test_values_and_gradients_of_pytorch(self):
        """Among the rows one is scaled by 300, one shifted by 1000, one by -1000."""
        logits, target = NUMBERS["ce_logits"], NUMBERS["ce_target"]
        loss, probability = softmax_cross_entropy(logits, target)
        np.testing.assert_allclose(loss, NUMBERS["ce_loss"], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(probability, NUMBERS["ce_softmax"], rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(softmax(logits), NUMBERS["ce_softmax"], rtol=1e-12, atol=1e-300)
        gradient = NUMBERS["ce_gloss"][:, None] * cross_entropy_gradient(probability, target)
        np.testing.assert_allclose(gradient, NUMBERS["ce_glogits"], rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_huge_row_does_not_drown_the_others(self, dtype):
        """Subtracting the maximum of all rows, instead of each row's own, would turn the last to log 0."""
        logits = np.array([[1e4, 0], [0, 1e4], [-1e4, -1e4]], dtype=dtype)
        loss, probability = softmax_cross_entropy(logits, np.array([0, 0, 0]))
        np.testing.assert_allclose(loss, [0, 1e4, log(2)], rtol=1e-6)
        np.testing.assert_allclose(probability, [[1, 0], [0, 1], [0.5, 0.5]], rtol=1e-6)
        assert loss.dtype == probability.dtype == dtype

    def test_a_shift_of_a_row_changes_nothing(self, rng):
        logits, target = rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
        shift = np.array([0, 1, -1, 64, -64, 512.0])[:, None]
        np.testing.assert_allclose(
            softmax_cross_entropy(logits + shift, target)[0],
            softmax_cross_entropy(logits, target)[0],
            rtol=1e-12,
            atol=1e-12,
        )

    @pytest.mark.parametrize("wrong", [-1, 4])
    def test_a_class_without_a_logit_is_refused(self, wrong):
        with pytest.raises(InputError, match=r"conf_target: classes .* for 4 logits .0 is the background"):
            softmax_cross_entropy(np.zeros((2, 4)), np.array([0, wrong]))

    def test_no_rows(self):
        loss, probability = softmax_cross_entropy(np.zeros((0, 4)), np.zeros(0, dtype=int))
        assert loss.shape == (0,)
        assert probability.shape == (0, 4)


class TestSmoothL1:
    def test_values_and_gradients_of_pytorch(self):
        """Among the differences are 0, +-.999999, +-1.000001 and 50."""
        loss, slope = smooth_l1(NUMBERS["smoothl1_pred"] - NUMBERS["smoothl1_target"])
        np.testing.assert_allclose(loss, NUMBERS["smoothl1_loss"], rtol=1e-12, atol=1e-12)
        gradient = NUMBERS["smoothl1_gloss"] * slope
        np.testing.assert_allclose(gradient, NUMBERS["smoothl1_gpred"], rtol=1e-12, atol=1e-12)

    def test_the_two_pieces_meet_at_one(self):
        loss, slope = smooth_l1(np.array([-2, -1, -0.5, 0, 0.5, 1, 2]))
        np.testing.assert_array_equal(loss, [1.5, 0.5, 0.125, 0, 0.125, 0.5, 1.5])
        np.testing.assert_array_equal(slope, [-1, -1, -0.5, 0, 0.5, 1, 1])

    def test_it_is_not_the_absolute_value(self):
        """A loss that is called smooth L1 elsewhere is |x|: its value at 1/2 is 1/2, not 1/8."""
        assert smooth_l1(np.array([0.5]))[0] == 0.125
        assert l1(np.array([0.5]))[0] == 0.5


class TestArrays:
    @pytest.mark.parametrize("target_dtype", [np.float32, np.float64])
    def test_float32_stays_float32(self, rng, target_dtype):
        loc, conf, loc_target, conf_target = random_batch(rng)
        exact = multibox_loss(loc, conf, loc_target, conf_target)
        single = multibox_loss(
            loc.astype(np.float32), conf.astype(np.float32), loc_target.astype(target_dtype), conf_target
        )
        assert single.dloc.dtype == single.dconf.dtype == single.conf_loss.dtype == np.float32
        assert single.value == pytest.approx(exact.value, rel=1e-5)
        np.testing.assert_allclose(single.dloc, exact.dloc, atol=1e-6)
        np.testing.assert_allclose(single.dconf, exact.dconf, atol=1e-6)

    def test_float64_predictions_keep_their_digits_beside_float32_targets(self, rng):
        loc, conf, loc_target, conf_target = random_batch(rng)
        assert multibox_loss(loc, conf, loc_target.astype(np.float32), conf_target).dloc.dtype == np.float64

    def test_inputs_are_unchanged(self, rng):
        batch = random_batch(rng)
        before = [array.copy() for array in batch]
        multibox_loss(*batch)
        for array, original in zip(batch, before):
            np.testing.assert_array_equal(array, original)

    def test_what_is_returned(self, rng):
        result = multibox_loss(*random_batch(rng))
        shapes = {field.name: np.shape(getattr(result, field.name)) for field in dataclasses.fields(result)}
        assert shapes == {
            "value": (),
            "conf": (),
            "loc": (),
            "num_pos": (),
            "hard_negatives": (2, 12),
            "conf_loss": (2, 12),
            "dloc": (2, 12, 4),
            "dconf": (2, 12, 4),
        }
        assert type(result.value) is type(result.conf) is type(result.loc) is float


@pytest.mark.parametrize(
    ("name", "shape"),
    [("loc", (2, 5, 3)), ("conf", (5, 3)), ("loc_target", (1, 5, 4)), ("conf_target", (2, 4))],
)
def test_shapes_that_do_not_belong_together(name, shape):
    """One image's targets for a batch of two would broadcast without a word."""
    arrays = {"loc": np.zeros((2, 5, 4)), "conf": np.zeros((2, 5, 3)), "loc_target": np.zeros((2, 5, 4))}
    arrays["conf_target"] = np.zeros((2, 5), int)
    multibox_loss(**arrays)
    with pytest.raises(InputError, match=f"^{name}: shape "):
        multibox_loss(**{**arrays, name: np.zeros(shape, int)})
    with pytest.raises(InputError, match="conf_target: dtype float64"):
        multibox_loss(**{**arrays, "conf_target": np.zeros((2, 5))})


class TestSeveralProcessors:
    """Caffe divides on each GPU by the positives of that GPU, chainercv by their mean over the GPUs."""

    @pytest.fixture
    def halves(self, rng):
        """A batch of two images with 2 and 3 positives, and the losses of these, one for each processor."""
        batch = random_batch(rng)
        return batch, [multibox_loss(*(array[n : n + 1] for array in batch)) for n in (0, 1)]

    def test_chainercvs_mean_of_positives_is_the_whole_batch(self, halves):
        batch, losses = halves
        mean = np.mean([loss.num_pos for loss in losses])
        by_mean = np.mean([loss.value * loss.num_pos / mean for loss in losses])
        assert by_mean == pytest.approx(multibox_loss(*batch).value, rel=1e-12)

    def test_caffes_own_positives_are_the_mean_of_the_images(self, halves):
        """With one image per GPU it is the normalisation of each image by its own positives."""
        batch, losses = halves
        by_own = np.mean([loss.value for loss in losses])
        assert by_own == pytest.approx(multibox_loss(*batch, normalization="per_image").value, rel=1e-12)
        assert by_own != pytest.approx(multibox_loss(*batch).value, rel=1e-4)

    def test_kerass_factor_of_the_batch_undoes_its_mean(self, rng):
        """It returns B (conf + loc) / max(1, N) of each of B images, and Keras takes the mean of them."""
        batch = random_batch(rng)
        result = multibox_loss(*batch)
        sums = [image_losses(*image, "smooth_l1") for image in zip(*batch, result.hard_negatives)]
        of_images = [2 * (conf + loc) / max(1, result.num_pos) for conf, loc, _ in sums]
        assert np.mean(of_images) == pytest.approx(result.value, rel=1e-12)


def test_caffes_weight_of_the_localisation_is_1():
    """ssd_pascal.py: loc_weight = (neg_pos_ratio + 1.) / 4."""
    defaults = {name: p.default for name, p in inspect.signature(multibox_loss).parameters.items()}
    assert defaults["alpha"] == (defaults["neg_pos_ratio"] + 1) / 4 == 1
