"""Checks of the optimiser."""

from types import SimpleNamespace

import numpy as np

from minissd.assignments.marking import points

from . import ONE_MAP


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
