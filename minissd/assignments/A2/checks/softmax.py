"""Checks of softmax and cross entropy."""

import numpy as np

from minissd.assignments.marking import points

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
