"""Checks of hard negative mining."""

import numpy as np

from minissd.assignments.marking import points


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
