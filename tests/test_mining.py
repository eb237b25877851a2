"""Hard negative mining: by hand, beside other implementations' choices, and each image for itself."""

import numpy as np
import pytest
from backends import every_backend
from hypothesis import given
from hypothesis import strategies as st
from reference_numbers import LossCase, copied_numbers, split
from twins import hard_negatives_of_image

from minissd.errors import InputError
from minissd.loss import softmax_cross_entropy
from minissd.mining import SCOPES, hard_negatives

pytestmark = every_backend("hard_negatives")
NUMBERS = copied_numbers("loss")


def mined(conf_loss, positive, **options):
    """Mined priors of a single image, as a list."""
    selected = hard_negatives(np.array([conf_loss], dtype=float), np.array([positive], dtype=bool), **options)
    return np.flatnonzero(selected[0]).tolist()


def test_three_of_the_hardest_per_positive():
    #         the positive is the hardest of all, and must not take the place of a negative
    conf_loss = [1, 9, 2, 8, 3, 7, 4]
    positive_ = [0, 1, 0, 0, 0, 0, 0]
    assert mined(conf_loss, positive_) == [3, 5, 6]


def test_every_image_has_its_own_quota():
    """Mining over the batch would take all three negatives from the second image, where the losses are."""
    conf_loss = np.array([[0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [5.0, 6.0, 7.0, 8.0, 9.0, 9.5]])
    positive = np.zeros((2, 6), dtype=bool)
    positive[0, 0] = True
    expected = [[False, False, False, True, True, True], [False] * 6]
    np.testing.assert_array_equal(hard_negatives(conf_loss, positive), expected)


def test_when_the_negatives_run_out_no_positive_is_taken():
    assert mined([5, 9, 1, 2], [1, 1, 0, 0]) == [2, 3]  # six wanted, two there
    assert mined([5, 9, 1, 2], [1, 1, 1, 1]) == []


def test_without_positives_there_is_nothing_to_learn():
    assert mined([5, 9, 1, 2], [0, 0, 0, 0]) == []


@pytest.mark.parametrize(
    ("positive", "min_negatives", "expected"),
    [
        ([0, 0, 0, 0, 0, 0], 2, [0, 1]),  # an image without objects
        ([1, 0, 0, 0, 0, 0], 2, [1, 3, 4]),  # three is more than two
        ([1, 0, 0, 0, 0, 0], 4, [1, 3, 4, 5]),
        ([1, 0, 0, 0, 0, 1], 99, [1, 2, 3, 4]),  # never more than there are, never a positive
    ],
)
def test_a_least_number(positive, min_negatives, expected):
    assert mined([9, 8, 1, 5, 7, 2], positive, min_negatives=min_negatives) == expected


def test_a_fraction_of_a_negative_is_dropped():
    conf_loss = [9, 8, 7, 6, 5, 4]
    assert mined(conf_loss, [1, 0, 0, 0, 0, 0], neg_pos_ratio=2.5) == [1, 2]
    assert mined(conf_loss, [1, 1, 0, 0, 0, 0], neg_pos_ratio=0.5) == [2]
    assert mined(conf_loss, [1, 1, 1, 0, 0, 0], neg_pos_ratio=0) == []


def test_of_equal_losses_the_lowest_prior():
    assert mined([2, 2, 2, 2, 2, 2], [0, 0, 1, 0, 0, 0]) == [0, 1, 3]


@given(
    st.data(),
    st.integers(1, 4),
    st.integers(1, 12),
    st.sampled_from([0, 0.5, 1, 3]),
    st.integers(0, 3),
    st.booleans(),
)
def test_twin_on_losses_with_ties(data, num_images, num_priors, neg_pos_ratio, min_negatives, overflow):
    def table(values):
        row = st.lists(values, min_size=num_priors, max_size=num_priors)
        return np.array(data.draw(st.lists(row, min_size=num_images, max_size=num_images)))

    conf_loss, positive = table(st.sampled_from([0.0, 0.5, 1.0, 1.5])), table(st.booleans())
    options = {"neg_pos_ratio": neg_pos_ratio, "min_negatives": min_negatives, "overflow": overflow}
    selected = hard_negatives(conf_loss, positive, **options)
    assert selected.dtype == bool
    for n in range(num_images):
        expected = hard_negatives_of_image(conf_loss[n], positive[n], **options)
        assert set(np.flatnonzero(selected[n])) == expected
    together = hard_negatives(conf_loss, positive, **options, scope="batch")
    expected = hard_negatives_of_image(conf_loss.ravel(), positive.ravel(), **options)
    assert set(np.flatnonzero(together)) == expected


def test_an_image_does_not_depend_on_its_batch(rng):
    conf_loss, positive = rng.exponential(size=(8, 200)), rng.random((8, 200)) < 0.15
    selected = hard_negatives(conf_loss, positive)
    np.testing.assert_array_equal(
        selected.sum(axis=1), np.minimum(3 * positive.sum(axis=1), 200 - positive.sum(axis=1))
    )
    assert not (selected & positive).any()
    shuffled = rng.permutation(8)
    np.testing.assert_array_equal(hard_negatives(conf_loss[shuffled], positive[shuffled]), selected[shuffled])
    for n in range(8):
        np.testing.assert_array_equal(
            hard_negatives(conf_loss[n : n + 1], positive[n : n + 1])[0], selected[n]
        )


class TestOverflow:
    """torchvision's ranking goes on into the positives, whose loss it has set to minus infinity."""

    def test_the_positives_come_after_the_negatives_the_lowest_first(self):
        assert mined([5, 9, 1, 2], [1, 1, 0, 0], overflow=True) == [0, 1, 2, 3]  # six wanted, four there
        assert mined([5, 9, 1, 2], [1, 1, 0, 0], neg_pos_ratio=1.5, overflow=True) == [0, 2, 3]  # three
        assert mined([5, 9, 1, 2], [1, 1, 1, 1], overflow=True) == [0, 1, 2, 3]

    def test_it_changes_nothing_while_there_are_negatives(self, rng):
        conf_loss, positive = rng.exponential(size=(4, 100)), rng.random((4, 100)) < 0.1
        np.testing.assert_array_equal(
            hard_negatives(conf_loss, positive, overflow=True), hard_negatives(conf_loss, positive)
        )

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_every_image_for_itself(self, dtype):
        conf_loss = np.array([[5, 9, 1, 2], [4, 3, 2, 1]], dtype)
        positive = np.array([[True, True, False, False], [False, False, False, True]])
        expected = [[True] * 4, [True, True, True, False]]
        np.testing.assert_array_equal(hard_negatives(conf_loss, positive, overflow=True), expected)


class TestScopes:
    CONF_LOSS = np.array([[0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [5.0, 6.0, 7.0, 8.0, 9.0, 9.5]])
    POSITIVE = np.array([[True, False, False, False, False, False], [False] * 6])

    def test_the_hardest_of_the_batch(self):
        """Keras and balancap: the one positive of the first image brings three negatives of the second."""
        expected = [[False] * 6, [False, False, False, True, True, True]]
        np.testing.assert_array_equal(hard_negatives(self.CONF_LOSS, self.POSITIVE, scope="batch"), expected)

    def test_the_batch_counts_in_all(self, rng):
        """min(r n, all negatives); the image with five positives of six would have one negative by itself."""
        positive = np.array([[True] * 5 + [False], [False] * 6])
        conf_loss = rng.exponential(size=(2, 6))
        for ratio, expected in ((0.5, 2), (1, 5), (3, 7)):
            selected = hard_negatives(conf_loss, positive, ratio, scope="batch")
            assert selected.sum() == expected
            assert not (selected & positive).any()
        selected = hard_negatives(conf_loss, positive & False, min_negatives=4, scope="batch")
        assert selected.sum() == 4  # Keras' n_neg_min

    def test_a_batch_of_one_image_is_an_image(self, rng):
        conf_loss, positive = rng.exponential(size=(1, 100)), rng.random((1, 100)) < 0.1
        for overflow in (False, True):
            np.testing.assert_array_equal(
                hard_negatives(conf_loss, positive, scope="batch", overflow=overflow),
                hard_negatives(conf_loss, positive, overflow=overflow),
            )

    def test_no_choice(self):
        """Dive into Deep Learning: all that is background is learned."""
        selected = hard_negatives(self.CONF_LOSS, self.POSITIVE, scope="none")
        np.testing.assert_array_equal(selected, ~self.POSITIVE)

    @pytest.mark.parametrize("scope", SCOPES)
    @pytest.mark.parametrize("shape", [(0, 5), (3, 0), (2, 5)])
    def test_shapes(self, scope, shape):
        selected = hard_negatives(np.zeros(shape), np.zeros(shape, int), scope=scope)
        assert (selected.shape, selected.dtype) == (shape, bool)

    def test_an_unknown_one(self):
        with pytest.raises(InputError, match=r"scope: no mining scope 'epoch' \(choose one of image, batch"):
            hard_negatives(self.CONF_LOSS, self.POSITIVE, scope="epoch")


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("overflow", [False, True])
def test_inputs_are_unchanged(rng, scope, overflow):
    conf_loss, positive = rng.exponential(size=(2, 50)), rng.random((2, 50)) < 0.4
    before = conf_loss.copy(), positive.copy()
    hard_negatives(conf_loss, positive, scope=scope, overflow=overflow)
    np.testing.assert_array_equal(conf_loss, before[0])
    np.testing.assert_array_equal(positive, before[1])


@pytest.mark.parametrize("case", range(int(NUMBERS["n_cases"])), ids=NUMBERS["case_name"])
def test_negatives_of_other_implementations(case):
    batch = LossCase(NUMBERS, case)
    conf_loss, _ = softmax_cross_entropy(batch.conf, batch.conf_target)
    selected = hard_negatives(conf_loss, batch.conf_target > 0)
    np.testing.assert_array_equal(selected.sum(axis=1), batch.expected["num_neg"])
    np.testing.assert_array_equal(selected.sum(axis=1), batch.expected["caffe_num_neg"])
    np.testing.assert_array_equal(selected.sum(axis=1), batch.expected["amd_num_neg"])
    expected = split(batch.expected["neg_idx"], batch.expected["neg_offsets"])
    for n, image in enumerate(expected):
        np.testing.assert_array_equal(np.flatnonzero(selected[n]), image)


def test_positives_may_be_zeros_and_ones():
    conf_loss = np.array([[5.0, 9.0, 7.0, 8.0, 5.0]])
    as_numbers = np.array([[0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(
        hard_negatives(conf_loss, as_numbers), hard_negatives(conf_loss, as_numbers == 1)
    )


@pytest.mark.parametrize(("losses", "positives"), [((5,), (5,)), ((1, 5), (1, 4)), ((1, 5), (2, 5))])
def test_shapes_that_do_not_belong_together(losses, positives):
    with pytest.raises(InputError, match="hard_negatives: conf_loss of shape"):
        hard_negatives(np.zeros(losses), np.zeros(positives, bool))


class TestOtherWaysToTheSameNegatives:
    """How the ports to PyTorch say it: the rank of a prior is below the number of negatives wanted."""

    @pytest.fixture
    def batch(self, rng):
        return rng.exponential(size=(6, 60)), rng.random((6, 60)) < 0.15

    @pytest.mark.parametrize("of_positives", [0.0, -np.inf])
    def test_sorting_twice(self, batch, of_positives):
        """amdegroot, NVIDIA, chainercv set the loss of positives to 0, lufficc and torchvision to -inf."""
        conf_loss, positive = batch
        ranked = np.where(positive, of_positives, conf_loss)
        rank = np.argsort(np.argsort(-ranked, axis=1), axis=1)
        np.testing.assert_array_equal(rank < 3 * positive.sum(axis=1, keepdims=True), hard_negatives(*batch))

    def test_a_partition(self, batch):
        conf_loss, positive = batch
        losses, wanted = np.where(positive, -1, conf_loss), 3 * positive.sum(axis=1)
        for n, selected in enumerate(hard_negatives(*batch)):
            hardest = np.argpartition(-losses[n], wanted[n])[: wanted[n]]
            assert set(np.flatnonzero(selected)) == set(hardest)

    @pytest.mark.parametrize("num_pos", [1, 10, 16, 20, 30, 40, 59])
    def test_amdegroots_limit_of_all_priors_but_one(self, rng, num_pos):
        """Positives that slip in when negatives run out do no harm there: what counts is the union."""
        conf_loss, positive = rng.exponential(size=(1, 60)), np.arange(60)[None] < num_pos
        rank = np.argsort(np.argsort(-np.where(positive, 0, conf_loss), axis=1), axis=1)
        theirs = positive | (rank < min(3 * num_pos, 59))
        np.testing.assert_array_equal(theirs, positive | hard_negatives(conf_loss, positive))

    def test_balancap(self, batch):
        """The 3 n + B hardest of a batch of B images, less the last: it takes those strictly harder."""
        conf_loss, positive = batch
        wanted = 3 * positive.sum() + len(conf_loss)
        losses = np.where(positive, -np.inf, conf_loss)
        theirs = losses > np.sort(losses, axis=None)[::-1][wanted - 1]
        ours = hard_negatives(conf_loss, positive, min_negatives=wanted - 1, scope="batch")
        np.testing.assert_array_equal(theirs, ours)


def test_caffes_score_ends_at_87_and_ours_does_not():
    """Caffe's is -ln max(p, FLT_MIN): of two that are very wrong it cannot tell which is worse."""
    conf = np.array([[[0.0, 100.0], [0.0, 200.0], [5.0, 0.0]]])
    conf_loss, _ = softmax_cross_entropy(conf, np.zeros((1, 3), int))
    np.testing.assert_allclose(conf_loss[0, :2], [100, 200], rtol=1e-12)
    caffes = -np.log(np.exp(-conf_loss[0, :2]).clip(np.finfo(np.float32).tiny))
    np.testing.assert_allclose(caffes, 87.3365, atol=1e-4)
