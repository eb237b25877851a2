"""Checks of the loss of offsets, and of the multibox loss."""

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
