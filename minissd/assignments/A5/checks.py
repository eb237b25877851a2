"""Checks of A5: assemble and train."""

from types import SimpleNamespace

import numpy as np

from minissd.assignments.asking import RemoteObject
from minissd.assignments.marking import points
from minissd.boxes import cxcywh_to_xyxy, iou
from minissd.codec import encode

# -- the head -----------------------------------------------------------------------------------------------


def numbered(height, width, channels):
    """A map in which 1000 c + 10 r + q stands in channel c, row r and column q."""
    c, r, q = np.ogrid[:channels, :height, :width]
    return (1000 * c + 10 * r + q)[None].astype(float)


@points("flatten", 3)
def test_one_box_in_two_cells(ask):
    """The example of the docstring: a map of one row, two columns and one box in each cell."""
    y = 10.0 * np.arange(6).reshape(1, 6, 1, 1) + np.arange(2)
    loc, conf = ask("flatten_predictions", y, 1, 2).parts(2)
    loc.equals([[[0, 10, 20, 30], [1, 11, 21, 31]]])
    conf.equals([[[40, 50], [41, 51]]])


@points("flatten", 4)
def test_offsets_of_all_boxes_come_before_the_logits(ask):
    """One cell with two boxes: channels 0-3 and 4-7 are their offsets, 8-10 and 11-13 their logits."""
    loc, conf = ask("flatten_predictions", np.arange(14.0).reshape(1, 14, 1, 1), 2, 3).parts(2)
    loc.equals([[[0, 1, 2, 3], [4, 5, 6, 7]]])
    conf.equals([[[8, 9, 10], [11, 12, 13]]])


@points("flatten", 4)
def test_rows_go_by_row_column_box(ask):
    """Two rows, three columns, two boxes: those of the first cell, then those of the cell to its right."""
    loc, _ = ask("flatten_predictions", numbered(2, 3, 12), 2, 2).parts(2)
    first_offsets = [0, 4000, 1, 4001, 2, 4002, 10, 4010, 11, 4011, 12, 4012]
    loc.equals(np.array(first_offsets)[None, :, None] + 1000 * np.arange(4))


@points("flatten", 3)
def test_batch_of_maps(ask, rng, reference):
    """Three maps of 4 rows and 5 columns with three boxes of four classes, at random."""
    y = rng.normal(size=(3, 24, 4, 5))
    ask("flatten_predictions", y, 3, 4).is_close(reference.flatten_predictions(y, 3, 4))


@points("unflatten", 3)
def test_two_rows_become_two_cells(ask):
    """Two rows with one box and two classes return to a map of one row and two columns."""
    dloc, dconf = np.array([[[0, 10, 20, 30], [1, 11, 21, 31.0]]]), np.array([[[40, 50], [41, 51.0]]])
    expected = 10 * np.arange(6).reshape(1, 6, 1, 1) + np.arange(2)
    ask("unflatten_gradients", dloc, dconf, (1, 6, 1, 2)).equals(expected)


@points("unflatten", 3)
def test_cell_by_cell_and_box_by_box(ask):
    """Two rows, three columns, two boxes: each number returns to its channel, row and column."""
    y = numbered(2, 3, 12)[0].transpose(1, 2, 0)  # (H, W, channels)
    dloc, dconf = y[..., :8].reshape(1, 12, 4), y[..., 8:].reshape(1, 12, 2)
    ask("unflatten_gradients", dloc, dconf, (1, 12, 2, 3)).equals(numbered(2, 3, 12))


@points("unflatten", 4)
def test_gradients_of_a_batch(ask, rng, reference):
    """Three maps of 4 rows and 5 columns with three boxes of four classes, at random."""
    dloc, dconf, shape = rng.normal(size=(3, 60, 4)), rng.normal(size=(3, 60, 4)), (3, 24, 4, 5)
    ask("unflatten_gradients", dloc, dconf, shape).is_close(reference.unflatten_gradients(dloc, dconf, shape))


# -- the network --------------------------------------------------------------------------------------------

TWO_MAPS = ((4, 6), (6,)), (2, 3), 3  # of 8 x 8 and 4 x 4 cells, if the images have 32 x 32 pixels
ROWS = 8 * 8 * 2, 4 * 4 * 3
ONE_MAP = ((5,),), (2,), 3


@points("forward", 3)
def test_network_of_one_map(ask, rng, reference):
    """One stage and its head: images of 8 x 8 pixels, a map of 4 x 4 cells, two boxes in each."""
    images = rng.normal(size=(2, 3, 8, 8))
    expected = reference.SmallSSD(*ONE_MAP).forward(images)
    ask.new("SmallSSD", *ONE_MAP).call("forward", images).is_close(expected)


@points("forward", 5)
def test_rows_of_two_maps(ask, rng, reference):
    """Two stages: 128 rows of the first map, then 48 of the second; logits, not probabilities."""
    images = rng.normal(size=(2, 3, 32, 32))
    loc, conf = ask.new("SmallSSD", *TWO_MAPS).call("forward", images).parts(2)
    expected = reference.SmallSSD(*TWO_MAPS).forward(images)
    loc.is_close(expected[0])
    conf.is_close(expected[1])


@points("forward", 2)
def test_three_maps_and_another_seed(ask, rng, reference):
    """Three stages, of two, one and one convolutions, with other initial weights."""
    network, images = (((4, 4), (6,), (8,)), (1, 2, 4), 5, 7), rng.normal(size=(1, 3, 32, 32))
    expected = reference.SmallSSD(*network).forward(images)
    ask.new("SmallSSD", *network).call("forward", images).is_close(expected)


def compare_gradients(ask, reference, network, images, dloc, dconf):
    """Demand the gradients for the images and for every parameter, from the last layer to the first."""
    theirs, ours = ask.new("SmallSSD", *network), reference.SmallSSD(*network)
    theirs.call("forward", images)
    ours.forward(images)
    answer, dimages = theirs.call("backward", dloc, dconf), ours.backward(dloc, dconf)
    found = theirs.get("grads")
    for name, expected in reversed(ours.grads.items()):
        found[name].is_close(expected)
    answer.is_close(dimages)


@points("backward", 4)
def test_gradients_of_one_map(ask, rng, reference):
    """One stage and its head: the gradients of all parameters and of the images."""
    images, dloc, dconf = (rng.normal(size=s) for s in ((2, 3, 8, 8), (2, 32, 4), (2, 32, 3)))
    compare_gradients(ask, reference, ONE_MAP, images, dloc, dconf)


@points("backward", 4)
def test_gradient_of_the_last_map_alone(ask, rng, reference):
    """Only the second map has errors: they reach the first stage through the second, and no other head."""
    images, dloc, dconf = (rng.normal(size=s) for s in ((2, 3, 32, 32), (2, 176, 4), (2, 176, 3)))
    dloc[:, : ROWS[0]], dconf[:, : ROWS[0]] = 0, 0
    compare_gradients(ask, reference, TWO_MAPS, images, dloc, dconf)


@points("backward", 8)
def test_gradients_are_added_where_a_map_feeds_two(ask, rng, reference):
    """Both maps have errors: at the first, the gradients of its head and of the next stage are added."""
    images, dloc, dconf = (rng.normal(size=s) for s in ((2, 3, 32, 32), (2, 176, 4), (2, 176, 3)))
    compare_gradients(ask, reference, TWO_MAPS, images, dloc, dconf)


@points("backward", 4)
def test_gradient_is_the_slope(ask, rng):
    """A tiny step in a random direction changes the predictions as the gradient for the images says."""
    network = ask.new("SmallSSD", *TWO_MAPS)
    images, dloc, dconf = (rng.normal(size=s) for s in ((1, 3, 32, 32), (1, 176, 4), (1, 176, 3)))
    step = 1e-6 * rng.normal(size=images.shape)
    ahead, behind = (network.call("forward", images + sign * step).value for sign in (1, -1))
    change = sum((d * (a - b)).sum() for d, a, b in zip((dloc, dconf), ahead, behind)) / 2
    network.call("forward", images)
    network.call("backward", dloc, dconf).satisfies(
        lambda dx: abs((dx * step).sum() - change) < 1e-4 * abs(change),
        f"a gradient whose product with the step is {change:.6g}",
    )


# -- learning -----------------------------------------------------------------------------------------------


def model(weight, gradient):
    """Anything with parameters and gradients."""
    return SimpleNamespace(params={"weight": np.array(weight)}, grads={"weight": np.array(gradient)})


def weights_after(ask, made, *rates):
    """Ask for an optimiser, let it take a step for each rate, and return the answers of the weights."""
    optimizer = ask.new("SGD", *made)
    for rate in rates:
        optimizer.call("step", *(() if rate is None else (rate,)))
        yield optimizer.get("model")["params"]["weight"]


@points("sgd", 4)
def test_second_step_remembers_the_first(ask):
    """The example of the docstring: one weight 20 with gradient 10, two steps with momentum 0.9."""
    first, second = weights_after(ask, (model([20.0], [10.0]), 0.1, 0.9, 0.0), None, None)
    first.is_close([19])
    second.is_close([17.1])


@points("sgd", 4)
def test_weight_decay_is_part_of_the_gradient(ask):
    """Without a gradient a weight of 1 and one of -2 shrink; with momentum the decay is remembered too."""
    first, second = weights_after(ask, (model([1.0, -2.0], [0.0, 0.0]), 0.1, 0.5, 0.2), None, None)
    first.is_close([0.98, -1.96])
    second.is_close([0.98 - 0.1 * (0.1 + 0.196), -2 * (0.98 - 0.1 * (0.1 + 0.196))])


@points("sgd", 4)
def test_rate_multiplies_the_whole_velocity(ask):
    """Where the rate falls to a tenth, what is remembered of the step before counts a tenth too."""
    optimizer = model([20.0], [10.0]), 1.0, 0.9, 0.0
    *_, second, third = weights_after(ask, optimizer, 0.1, 0.01, None)
    second.is_close([19 - 0.01 * 19])
    third.is_close([19 - 0.01 * 19 - 1.0 * 27.1])


@points("sgd", 3)
def test_arrays_are_changed_in_place(ask, rng, reference):
    """A layer of a network, which has its own hold of its arrays, sees its parameters change."""
    x, dy = rng.normal(size=(2, 5, 4, 4)), rng.normal(size=(2, 14, 4, 4))
    theirs, ours = ask.new("SmallSSD", *ONE_MAP), reference.SmallSSD(*ONE_MAP)
    their_head, our_head = theirs.get("heads").value[0], ours.heads[0]
    their_head.call("forward", x)
    our_head.forward(x)
    their_head.call("backward", dy)
    our_head.backward(dy)
    optimizer = ask.new("SGD", theirs, 0.1, 0.5, 0.0)
    optimizer.call("step")
    optimizer.call("step")
    for name, weight in our_head.params.items():
        their_head.get("params")[name].is_close(weight - 0.1 * (1 + 1.5) * our_head.grads[name])


@points("sgd", 3)
def test_five_steps_at_random(ask, rng, reference):
    """An array at random and five steps with changing rates, one of them 0; the velocity at the end."""
    weight, gradient, rates = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.uniform(0, 0.1, 5)
    rates[2] = 0
    theirs = ask.new("SGD", model(weight, gradient), 0.1, 0.8, 0.05)
    ours = reference.SGD(model(weight, gradient), 0.1, 0.8, 0.05)
    for rate in rates:
        theirs.call("step", float(rate))
        ours.step(rate)
    theirs.get("model")["params"]["weight"].is_close(ours.model.params["weight"])
    theirs.get("velocity")["weight"].is_close(ours.velocity["weight"])


def schedule_of(answer):
    """The function that came."""
    hint = "Define a function of the step within this one, and return it without calling it."
    return answer.satisfies(lambda it: isinstance(it, RemoteObject), "a function of the step", hint).value


def rates_are(schedule, expected):
    """Demand the learning rates of some steps."""
    for step, rate in expected.items():
        schedule.call("__call__", step).is_close(rate)


@points("schedules", 3)
def test_rate_falls_at_the_milestones(ask):
    """The example of the docstring: the rate falls to a tenth at step 80, and once more at step 100."""
    schedule = schedule_of(ask("step_decay", 1.0, (80, 100)))
    rates_are(schedule, {0: 1, 79: 1, 80: 0.1, 99: 0.1, 100: 0.01, 500: 0.01})


@points("schedules", 1)
def test_another_factor(ask):
    """With the factor 0.5 and three milestones the rate is halved three times."""
    schedule = schedule_of(ask("step_decay", 0.4, (1, 2, 5), 0.5))
    rates_are(schedule, {0: 0.4, 1: 0.2, 4: 0.1, 5: 0.05})


@points("schedules", 3)
def test_rate_grows_to_the_full_rate_and_no_further(ask):
    """The warm-up goes in a line from start_factor at step 0 to the full rate at step 10, and stays there."""
    constant = schedule_of(ask("step_decay", 1.0, ()))
    schedule = schedule_of(ask("warm_up", constant, 10, start_factor=0.5))
    rates_are(schedule, {0: 0.5, 5: 0.75, 9: 0.95, 10: 1, 40: 1})


@points("schedules", 3)
def test_warm_up_before_a_decay(ask):
    """The steps are counted from the beginning of the run: milestones stay where they are."""
    schedule = schedule_of(ask("warm_up", schedule_of(ask("step_decay", 2.0, (6, 12))), 4))
    rates_are(schedule, {0: 0.2, 2: 1.1, 4: 2, 5: 2, 7: 0.2, 13: 0.02})


# -- training -----------------------------------------------------------------------------------------------


def random_batch(rng):
    """Images and targets for `TWO_MAPS` that mean nothing: eight boxes of 176 hold an object."""
    conf_target = np.zeros((2, sum(ROWS)), int)
    conf_target[:, rng.choice(sum(ROWS), 8, replace=False)] = rng.integers(1, 3, 8)
    return rng.normal(size=(2, 3, 32, 32)), rng.normal(size=(2, sum(ROWS), 4)), conf_target


def pair_of(reference, *options):
    """A network with its optimiser, as the library makes them."""
    network = reference.SmallSSD(*TWO_MAPS)
    return network, reference.SGD(network, *options)


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
