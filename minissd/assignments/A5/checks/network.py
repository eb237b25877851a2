"""Checks of the network, forwards and backwards."""

from minissd.assignments.marking import points

from . import ONE_MAP, ROWS, TWO_MAPS

# -- forward ------------------------------------------------------------------------------------------------


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


# -- backward -----------------------------------------------------------------------------------------------


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
