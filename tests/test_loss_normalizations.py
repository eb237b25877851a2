"""What the loss is divided by: by hand, beside a slow twin, and on several processors."""

from math import log

import numpy as np
import pytest
from backends import every_backend
from random_batch import random_batch
from twins import image_losses, normalized_losses

from minissd.errors import InputError
from minissd.loss import LOC_LOSSES, NORMALIZATIONS, multibox_loss
from minissd.mining import SCOPES

pytestmark = every_backend("multibox_loss")


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
