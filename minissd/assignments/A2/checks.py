"""Checks of A2: softmax and cross entropy, hard negative mining, and the multibox loss."""

import numpy as np

from minissd.assignments.marking import points

FIELDS = ("value", "conf", "loc", "num_pos", "hard_negatives", "conf_loss", "dloc", "dconf")


def random_batch(rng, num_images=3, num_priors=40, num_classes=4, share=0.1):
    """Predictions and targets: loc, conf, loc_target, conf_target."""
    shape = num_images, num_priors
    loc, loc_target = 2 * rng.normal(size=(2, *shape, 4))
    conf_target = rng.integers(1, num_classes, shape) * (rng.uniform(size=shape) < share)
    return loc, 2 * rng.normal(size=(*shape, num_classes)), loc_target, conf_target


def uniform_batch(*conf_target):
    """Logits that are all 0, of 2 classes, and offsets that are all right, for these targets."""
    shape = np.shape(conf_target)
    return np.zeros((*shape, 4)), np.zeros((*shape, 2)), np.zeros((*shape, 4)), np.array(conf_target)


# -- softmax ------------------------------------------------------------------------------------------------


@points("softmax", 2)
def test_probabilities_of_two_rows(ask):
    """Exponentials 1 and 3 have the probabilities 1/4 and 3/4; equal logits share equally."""
    ask("softmax", np.log([[1.0, 3.0], [2.0, 2.0]])).is_close([[0.25, 0.75], [0.5, 0.5]])


@points("softmax", 3)
def test_large_logits(ask):
    """Logits of 1000 give the same probabilities as logits of 0: only differences matter."""
    ask("softmax", [[1000.0, 1000.0 + np.log(3)]]).is_close([[0.25, 0.75]])


@points("softmax", 3)
def test_a_small_row_beside_a_large_one(ask):
    """Each row stands for itself, also beside a row of logits around 1000."""
    logits = np.log([[1.0, 3.0], [3.0, 1.0]]) + [[1000.0], [0.0]]
    ask("softmax", logits).is_close([[0.25, 0.75], [0.75, 0.25]])


@points("softmax", 2)
def test_several_images(ask, rng, reference):
    """Logits of shape (N, P, C): the classes are the last axis."""
    logits = 5 * rng.normal(size=(2, 7, 4))
    ask("softmax", logits).is_close(reference.softmax(logits))


# -- softmax_cross_entropy ----------------------------------------------------------------------------------


@points("softmax_cross_entropy", 3)
def test_loss_of_each_row(ask):
    """A true class of probability 3/4 costs ln 4/3, one of 1/4 costs ln 4, one of 1/2 costs ln 2."""
    answer = ask("softmax_cross_entropy", np.log([[1.0, 3.0], [1.0, 3.0], [2.0, 2.0]]), np.array([1, 0, 0]))
    answer.parts(2)[0].is_close(np.log([4 / 3, 4, 2]))


@points("softmax_cross_entropy", 2)
def test_the_softmax_comes_too(ask):
    """The second value is the softmax of the logits."""
    logits = np.log([[1.0, 3.0], [3.0, 1.0]]) + [[1000.0], [0.0]]
    ask("softmax_cross_entropy", logits, np.array([1, 0])).parts(2)[1].is_close([[0.25, 0.75], [0.75, 0.25]])


@points("softmax_cross_entropy", 4)
def test_a_very_wrong_prediction(ask):
    """A true class 1000 below the predicted one costs 1000, however small its probability."""
    answer = ask("softmax_cross_entropy", [[0.0, 1000.0], [100.0, 0.0]], np.array([0, 1]))
    answer.parts(2)[0].is_close([1000, 100])


@points("softmax_cross_entropy", 3)
def test_loss_of_a_small_row_beside_a_large_one(ask):
    """The loss of a row does not depend on the other rows."""
    logits = np.log([[1.0, 3.0], [3.0, 1.0]]) + [[0.0], [-1000.0]]
    ask("softmax_cross_entropy", logits, np.array([1, 1])).parts(2)[0].is_close(np.log([4 / 3, 4]))


@points("softmax_cross_entropy", 4)
def test_losses_of_several_images(ask, rng, reference):
    """Logits of shape (N, P, C) and targets of shape (N, P)."""
    logits, target = 5 * rng.normal(size=(2, 7, 4)), rng.integers(0, 4, (2, 7))
    loss, probability = ask("softmax_cross_entropy", logits, target).parts(2)
    expected_loss, expected_probability = reference.softmax_cross_entropy(logits, target)
    loss.is_close(expected_loss)
    probability.is_close(expected_probability)


# -- cross_entropy_gradient ---------------------------------------------------------------------------------


@points("cross_entropy_gradient", 3)
def test_gradient_of_one_row(ask):
    """The true class gets its probability minus 1, the other its probability."""
    ask("cross_entropy_gradient", [[0.25, 0.75]], np.array([1])).is_close([[0.25, -0.25]])


@points("cross_entropy_gradient", 3)
def test_each_row_has_its_own_class(ask):
    """Two rows with different true classes."""
    probability = [[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]]
    answer = ask("cross_entropy_gradient", probability, np.array([0, 1]))
    answer.is_close([[-0.5, 0.25, 0.25], [0.125, -0.875, 0.75]])


@points("cross_entropy_gradient", 4)
def test_gradients_of_several_images(ask, rng, reference):
    """Probabilities of shape (N, P, C)."""
    probability, target = reference.softmax(rng.normal(size=(2, 7, 4))), rng.integers(0, 4, (2, 7))
    expected = reference.cross_entropy_gradient(probability, target)
    ask("cross_entropy_gradient", probability, target).is_close(expected)


# -- hard_negatives -----------------------------------------------------------------------------------------


@points("hard_negatives", 3)
def test_three_negatives_for_one_positive(ask):
    """One positive, so the three negatives of largest loss."""
    conf_loss = [[4.0, 9.0, 1.0, 7.0, 8.0, 6.0]]
    positive = np.array([[False, False, True, False, False, False]])
    ask("hard_negatives", conf_loss, positive).equals([[False, True, False, True, True, False]])


@points("hard_negatives", 4)
def test_every_image_by_itself(ask):
    """Image 0 has one positive, image 1 two, image 2 none and so no negatives, whatever its losses."""
    conf_loss = [[1.0, 2, 3, 4, 5, 6, 7, 8], [0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [9.0] * 8]
    positive = np.zeros((3, 8), bool)
    positive[0, 0] = positive[1, :2] = True
    chosen = np.zeros((3, 8), bool)
    chosen[0, 5:] = chosen[1, 2:] = True
    ask("hard_negatives", conf_loss, positive).equals(chosen)


@points("hard_negatives", 1)
def test_other_ratios(ask):
    """With 1.5 negatives for each positive, one positive brings one and two bring three."""
    conf_loss = [[1.0, 2.0, 3.0, 5.0, 4.0]] * 2
    positive = np.array([[True] + [False] * 4, [True] * 2 + [False] * 3])
    expected = [[False, False, False, True, False], [False, False, True, True, True]]
    ask("hard_negatives", conf_loss, positive, neg_pos_ratio=1.5).equals(expected)


@points("hard_negatives", 3)
def test_a_positive_is_never_a_negative(ask):
    """The positive has the largest loss of all, and is no negative all the same."""
    conf_loss = [[4.0, 9.0, 1.0, 7.0, 8.0, 6.0]]
    positive = np.array([[False, True, False, False, False, False]])
    ask("hard_negatives", conf_loss, positive).equals([[False, False, False, True, True, True]])


@points("hard_negatives", 2)
def test_negatives_run_out(ask):
    """Two positives want six negatives, but there are only three: all of them, and nothing else."""
    positive = np.array([[True, False, True, False, False]])
    ask("hard_negatives", [[5.0, 1.0, 2.0, 4.0, 3.0]], positive).equals(~positive)


@points("hard_negatives", 2)
def test_equal_losses(ask):
    """On equal losses the lower prior comes first: priors 1, 2 and 3."""
    positive = np.arange(60)[None] == 0
    expected = (np.arange(60) >= 1) & (np.arange(60) <= 3)
    ask("hard_negatives", np.full((1, 60), 0.5), positive).equals(expected[None])


@points("hard_negatives", 3)
def test_images_without_objects(ask):
    """With min_negatives=2 an image without objects gives its two hardest; one with three gives three."""
    conf_loss, positive = [[1.0, 5.0, 3.0, 4.0, 2.0]] * 2, np.array([[False] * 5, [True] + [False] * 4])
    expected = [[False, True, False, True, False], [False, True, True, True, False]]
    ask("hard_negatives", conf_loss, positive, min_negatives=2).equals(expected)


@points("hard_negatives", 2)
def test_many_priors(ask, rng, reference):
    """Four images of 300 priors."""
    conf_loss = rng.uniform(size=(4, 300))
    positive = rng.uniform(size=(4, 300)) < [[0.02], [0.1], [0.0], [0.4]]
    ask("hard_negatives", conf_loss, positive).equals(reference.hard_negatives(conf_loss, positive))


# -- smooth_l1 ----------------------------------------------------------------------------------------------


@points("smooth_l1", 4)
def test_losses_near_and_far(ask):
    """A difference of 1/2 costs 1/8, one of -3 costs 5/2."""
    ask("smooth_l1", np.array([0.5, -3.0])).parts(2)[0].is_close([0.125, 2.5])


@points("smooth_l1", 4)
def test_slopes_near_and_far(ask):
    """The slope is the difference itself near 0, and 1 or -1 beyond, by its sign."""
    ask("smooth_l1", np.array([0.5, -0.25, 3.0, -3.0])).parts(2)[1].is_close([0.5, -0.25, 1, -1])


@points("smooth_l1", 4)
def test_many_differences(ask, rng, reference):
    """An array of shape (3, 5, 4), and the places 1, -1 and 0 where the branches meet."""
    for difference in np.array([1.0, -1.0, 0.0]), 2 * rng.normal(size=(3, 5, 4)):
        loss, slope = ask("smooth_l1", difference).parts(2)
        expected_loss, expected_slope = reference.smooth_l1(difference)
        loss.is_close(expected_loss)
        slope.is_close(expected_slope)


# -- localisation_loss --------------------------------------------------------------------------------------


@points("localisation_loss", 3)
def test_only_the_positives_count(ask):
    """One matched prior with the differences 1/2 and -3, one of the background that says nonsense."""
    loc = np.array([[[0.5, -3.0, 0.0, 0.0], [9.0, 9.0, 9.0, 9.0]]])
    value, dloc = ask("localisation_loss", loc, np.zeros((1, 2, 4)), np.array([[True, False]]), 1).parts(2)
    value.is_close(2.625)
    dloc.is_close([[[0.5, -1, 0, 0], [0, 0, 0, 0]]])


@points("localisation_loss", 3)
def test_the_divisor(ask):
    """The divisor divides the value and the gradient."""
    loc, loc_target = np.array([[[1.5, 0.0, 0.5, 0.0]]]), np.array([[[0.0, 2.0, 0.5, 0.5]]])
    value, dloc = ask("localisation_loss", loc, loc_target, np.array([[True]]), 4).parts(2)
    value.is_close((1 + 1.5 + 0 + 0.125) / 4)
    dloc.is_close([[[0.25, -0.25, 0, -0.125]]])


@points("localisation_loss", 3)
def test_alpha_weighs_the_gradient(ask):
    """The gradient is that of alpha times the value; the value itself is without alpha."""
    loc, positive = np.array([[[0.5, -3.0, 0.0, 0.0]]]), np.array([[True]])
    value, dloc = ask("localisation_loss", loc, np.zeros((1, 1, 4)), positive, 2, alpha=10.0).parts(2)
    value.is_close(1.3125)
    dloc.is_close([[[2.5, -5, 0, 0]]])


@points("localisation_loss", 3)
def test_offsets_of_a_batch(ask, rng, reference):
    """Three images of 40 priors."""
    loc, _, loc_target, conf_target = random_batch(rng)
    arguments = loc, loc_target, conf_target > 0, 7, 0.5
    value, dloc = ask("localisation_loss", *arguments).parts(2)
    expected_value, expected_dloc = reference.localisation_loss(*arguments)
    value.is_close(expected_value)
    dloc.is_close(expected_dloc)


# -- multibox_loss ------------------------------------------------------------------------------------------


@points("multibox_loss", 4)
def test_four_times_the_logarithm_of_two(ask):
    """Logits of 0 and one positive among six priors: it and three negatives cost ln 2 each."""
    loss = ask("multibox_loss", *uniform_batch([0, 1, 0, 0, 0, 0]))
    loss["conf"].is_close(4 * np.log(2))
    loss["value"].is_close(4 * np.log(2))
    loss["num_pos"].equals(1)
    loss["hard_negatives"].equals([[True, False, True, True, False, False]])


@points("multibox_loss", 4)
def test_one_n_for_the_whole_batch(ask):
    """N counts the matched priors of all images: here 1 + 3 positives and 3 + 2 negatives."""
    loc, *others = uniform_batch([0, 0, 1, 0, 0], [1, 1, 0, 1, 0])
    loss = ask("multibox_loss", loc + 0.5, *others)
    loss["conf"].is_close(9 * np.log(2) / 4)
    loss["loc"].is_close(4 * 4 * 0.125 / 4)
    loss["num_pos"].equals(4)


@points("multibox_loss", 3)
def test_a_batch_without_objects(ask):
    """Without a matched prior the loss is 0, not NaN; with min_negatives it is that of the negatives."""
    batch = uniform_batch([0, 0, 0, 0], [0, 0, 0, 0])
    loss = ask("multibox_loss", *batch)
    for name in ("value", "dloc", "dconf"):
        loss[name].is_close(np.zeros(np.shape(loss[name].value)))
    ask("multibox_loss", *batch, min_negatives=2)["value"].is_close(4 * np.log(2))


@points("multibox_loss", 3)
def test_gradient_of_the_logits(ask):
    """It is there for positives and mined negatives only, and divided by N."""
    loss = ask("multibox_loss", *uniform_batch([0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]))
    positive, negative, unused = [0.25, -0.25], [-0.25, 0.25], [0, 0]
    first = [negative, positive, negative, negative, unused, unused]
    loss["dconf"].is_close([first, [positive, negative, negative, negative, unused, unused]])


@points("multibox_loss", 3)
def test_alpha_and_the_gradient_of_the_offsets(ask):
    """alpha weighs the localisation loss in the value and in the gradient, not in the field `loc`."""
    loc, *others = uniform_batch([0, 1, 0, 0, 0, 1])
    loss = ask("multibox_loss", loc + 0.5, *others, alpha=10.0)
    loss["loc"].is_close(0.5)
    loss["value"].is_close(3 * np.log(2) + 5)
    loss["dloc"].is_close(np.where(others[-1][..., None] > 0, np.full((1, 6, 4), 2.5), 0))


@points("multibox_loss", 3)
def test_a_batch_of_predictions(ask, rng, reference):
    """Every field of the result, for three images of 40 priors and 4 classes."""
    batch = random_batch(rng)
    loss, expected = ask("multibox_loss", *batch, 2, 0.5, 1), reference.multibox_loss(*batch, 2, 0.5, 1)
    for name in FIELDS:
        loss[name].is_close(getattr(expected, name))
