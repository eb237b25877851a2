"""Checks of a step of training, and of a whole run."""

import numpy as np

from minissd.assignments.marking import points
from minissd.boxes import cxcywh_to_xyxy, iou
from minissd.codec import encode

from . import ROWS, TWO_MAPS, schedule_of


def random_batch(rng):
    """Images and targets for `TWO_MAPS` that mean nothing: eight boxes of 176 hold an object."""
    conf_target = np.zeros((2, sum(ROWS)), int)
    conf_target[:, rng.choice(sum(ROWS), 8, replace=False)] = rng.integers(1, 3, 8)
    return rng.normal(size=(2, 3, 32, 32)), rng.normal(size=(2, sum(ROWS), 4)), conf_target


def pair_of(reference, *options):
    """A network with its optimiser, as the library makes them."""
    network = reference.SmallSSD(*TWO_MAPS)
    return network, reference.SGD(network, *options)


# -- train_step ---------------------------------------------------------------------------------------------


@points("train_step", 3)
def test_loss_before_the_update(ask, rng, reference):
    """The loss of a batch, as the network is at the beginning."""
    batch = random_batch(rng)
    network = ask.new("SmallSSD", *TWO_MAPS)
    expected = reference.train_step(*pair_of(reference), *batch, 0.1)
    ask("train_step", network, ask.new("SGD", network), *batch, 0.1).is_close(expected)


@points("train_step", 4)
def test_parameters_after_one_step(ask, rng, reference):
    """All parameters have moved along their gradients, at the rate that the step was given."""
    batch, (ours, optimizer) = random_batch(rng), pair_of(reference)
    theirs = ask.new("SmallSSD", *TWO_MAPS)
    ask("train_step", theirs, ask.new("SGD", theirs), *batch, 0.05)
    reference.train_step(ours, optimizer, *batch, 0.05)
    found = theirs.get("params")
    for name, expected in reversed(ours.params.items()):
        found[name].is_close(expected)


@points("train_step", 3)
def test_each_step_uses_its_own_gradients(ask, rng, reference):
    """Three steps with different batches and rates."""
    theirs, (ours, optimizer) = ask.new("SmallSSD", *TWO_MAPS), pair_of(reference)
    their_optimizer = ask.new("SGD", theirs)
    for rate in (0.02, 0.05, 0.01):
        batch = random_batch(rng)
        expected = reference.train_step(ours, optimizer, *batch, rate)
        ask("train_step", theirs, their_optimizer, *batch, rate).is_close(expected)


# -- train --------------------------------------------------------------------------------------------------

COLORS = np.array([[2.0, -1.0, -1.0], [-1.0, -1.0, 2.0]])  # of classes 1 and 2: red and blue squares
SQUARES = np.array([[4, 4, 12, 12], [16, 14, 28, 26], [18, 2, 26, 10], [2, 16, 14, 28]]) / 32
LABELS = np.array([[1, 2], [2, 1]])


def default_boxes():
    """Priors of `TWO_MAPS` (cx, cy, w, h): squares of two sizes on the first map, three on the next."""
    boxes_cxcywh = []
    for side, sizes in ((8, (0.2, 0.3)), (4, (0.35, 0.45, 0.6))):
        cy, cx, size = np.meshgrid(*[(np.arange(side) + 0.5) / side] * 2, sizes, indexing="ij")
        boxes_cxcywh.append(np.stack([cx, cy, size, size], axis=-1).reshape(-1, 4))
    return np.concatenate(boxes_cxcywh)


def two_images():
    """Two images with two squares each, and what the network should say of them."""
    images, targets = np.zeros((2, 3, 32, 32)), []
    for image, gt_xyxy, labels in zip(images, SQUARES.reshape(2, 2, 4), LABELS):
        for (x1, y1, x2, y2), label in zip(np.rint(gt_xyxy * 32).astype(int), labels):
            image[:, y1:y2, x1:x2] = COLORS[label - 1][:, None, None]
        overlaps = iou(cxcywh_to_xyxy(default_boxes()), gt_xyxy)  # (P, G)
        matched = (overlaps >= 0.5) | (overlaps == overlaps.max(axis=0))
        which = np.where(matched, overlaps, -1).argmax(axis=1)
        conf_target = np.where(matched.any(axis=1), labels[which], 0)
        targets.append((encode(gt_xyxy[which], default_boxes()) * (conf_target > 0)[:, None], conf_target))
    loc_target, conf_target = (np.stack(each) for each in zip(*targets))
    return images, loc_target.astype(float), conf_target


def mean_average_precision(predictions):
    """mAP of the predictions for `two_images`."""
    from minissd.detect import detect
    from minissd.evaluate import evaluate_voc

    loc, conf = (np.asarray(each, float) for each in predictions)
    found = detect(loc, conf, default_boxes(), score_threshold=0.3)
    return evaluate_voc(found, list(zip(SQUARES.reshape(2, 2, 4), LABELS))).mAP


@points("train", 4)
def test_first_ten_losses(ask, rng, reference):
    """Ten batches at random, with a warm-up of four steps and a milestone at step 6."""
    batches = [random_batch(rng) for _ in range(10)]
    schedule = reference.warm_up(reference.step_decay(0.02, (6,)), 4)
    expected = reference.train(*pair_of(reference), batches, schedule)
    network = ask.new("SmallSSD", *TWO_MAPS)
    schedule = schedule_of(ask("warm_up", schedule_of(ask("step_decay", 0.02, (6,))), 4))
    losses = ask("train", network, ask.new("SGD", network), batches, schedule)
    losses.is_close(expected)


@points("train", 4)
def test_two_images_learnt_by_heart(ask):
    """After 100 steps with the same two images their four squares are detected with an mAP of 1."""
    network, batch = ask.new("SmallSSD", *TWO_MAPS), two_images()
    optimizer, schedule = ask.new("SGD", network), schedule_of(ask("step_decay", 0.03, (70,)))
    ask("train", network, optimizer, [batch] * 100, schedule)
    network.call("forward", batch[0]).satisfies(
        lambda predictions: mean_average_precision(predictions) > 0.99,
        "predictions whose detections have an mAP of 1",
        "Compare the losses from step to step: they should fall below a tenth of the first.",
    )
