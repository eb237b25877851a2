"""The loss: hand-worked values, gradients against central differences, and what it takes and returns."""

import dataclasses
import inspect
from math import log

import numpy as np
import pytest
from backends import every_backend
from random_batch import random_batch
from twins import numerical_gradient, relative_error

from minissd.errors import InputError
from minissd.loss import LOC_LOSSES, NORMALIZATIONS, multibox_loss

pytestmark = every_backend("multibox_loss")


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

    def test_the_mined_negatives_are_those_of_highest_loss(self):
        loc, conf, loc_target, conf_target = self.zeros([[1, 0, 0, 0, 0, 0]])
        conf[0, :, 0] = [0, 5, -5, 4, -4, -3]  # logit of the background: low means a wrong alarm
        result = multibox_loss(loc, conf, loc_target, conf_target)
        np.testing.assert_array_equal(np.flatnonzero(result.hard_negatives[0]), [2, 4, 5])
        assert result.conf == pytest.approx(log(3) + sum(log(2 + np.exp(-x)) + x for x in (5, 4, 3)))


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

    def test_a_prior_that_is_counted_twice_has_twice_the_gradient(self, rng):
        loc, conf, loc_target, conf_target = random_batch(rng, num_images=1)
        conf_target[0, 2:] = 1
        once = multibox_loss(loc, conf, loc_target, conf_target)
        twice = multibox_loss(loc, conf, loc_target, conf_target, mining_overflow=True)
        times = 1 + (conf_target > 0)
        np.testing.assert_allclose(twice.dconf, times[..., None] * once.dconf, rtol=1e-14)
        np.testing.assert_array_equal(twice.dloc, once.dloc)

    def test_rows_of_the_logit_gradient_sum_to_zero(self, rng):
        dconf = multibox_loss(*random_batch(rng)).dconf
        np.testing.assert_allclose(dconf.sum(axis=-1), 0, atol=1e-15)


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


def test_caffes_weight_of_the_localisation_is_1():
    """ssd_pascal.py: loc_weight = (neg_pos_ratio + 1.) / 4."""
    defaults = {name: p.default for name, p in inspect.signature(multibox_loss).parameters.items()}
    assert defaults["alpha"] == (defaults["neg_pos_ratio"] + 1) / 4 == 1
