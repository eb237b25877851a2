"""The network: shapes, names, order of the predictions, the fork, and the whole backward pass."""

import dataclasses

import numpy as np
import pytest
from two_maps import TWO_MAPS

from minissd.config import SSD300_VOC, SSD512_VOC, TINY
from minissd.errors import InputError
from minissd.loss import multibox_loss
from minissd.models import SSD, Head, Stage
from minissd.models.ssd import BASES
from minissd.nn import ConvBlock


def test_ssd300_has_the_papers_parameters_and_maps(rng):
    model = SSD(SSD300_VOC, rng).eval()
    assert sum(p.size for p in model.params.values()) == 26_285_486
    trace = {}
    loc, conf = model.forward(rng.standard_normal((1, 3, 300, 300)).astype(np.float32), trace)
    assert loc.shape == (1, 8732, 4)
    assert conf.shape == (1, 8732, 21)
    assert trace["conv3_3"].shape == (1, 256, 75, 75)
    shapes = {
        "conv4_3": (512, 38, 38),
        "fc7": (1024, 19, 19),
        "conv8_2": (512, 10, 10),
        "conv9_2": (256, 5, 5),
        "conv10_2": (256, 3, 3),
        "conv11_2": (256, 1, 1),
    }
    assert model.source_names == list(shapes)
    for name, shape in shapes.items():
        assert trace[name].shape == (1, *shape), name
        assert trace[name].min() >= 0, "a named convolution is the map after its ReLU"
    norm = np.sqrt((trace["conv4_3_norm"] ** 2).sum(axis=1))
    np.testing.assert_allclose(norm, 20.0, rtol=1e-4)
    assert {a.dtype for a in (loc, conf, trace["fc7"])} == {np.dtype(np.float32)}


def test_ssd512_has_the_papers_parameters_and_maps():
    model = SSD(SSD512_VOC)
    assert sum(p.size for p in model.params.values()) == 27_188_676
    assert model.source_names[-1] == "conv12_2"
    assert model.params["conv12_2.weight"].shape == (256, 128, 4, 4)
    assert len(model.priors_cxcywh) == 24564


def test_tiny_is_small_and_its_maps_fit_its_priors(rng):
    model = SSD(TINY, rng)
    trace = {}
    loc, conf = model.forward(rng.standard_normal((2, 3, 256, 256)).astype(np.float32), trace)
    assert loc.shape == (2, TINY.num_priors, 4)
    assert conf.shape == (2, TINY.num_priors, 21)
    assert [trace[name].shape[-1] for name in model.source_names] == list(TINY.feature_maps)
    small = SSD(dataclasses.replace(TINY, num_classes=4))
    assert 0.3e6 < sum(p.size for p in small.params.values()) < 0.45e6


def test_one_prior_speaks_where_its_cell_is_lit():
    """Row p of the predictions is the prior that `map_priors` lists as p: row, column, box."""
    head = Head(channels=1, boxes_per_cell=2, num_classes=3, rng=np.random.default_rng(0))
    head.params["weight"][...] = 0
    head.params["weight"][:, 0, 1, 1] = 1 + np.arange(14)  # each filter sees only its own cell
    source = np.zeros((1, 1, 3, 4), np.float32)
    source[0, 0, 1, 2] = 1
    loc, conf = head.forward(source)
    first = (1 * 4 + 2) * 2  # row 1, column 2, box 0
    np.testing.assert_array_equal(np.flatnonzero(loc.any(axis=2)), [first, first + 1])
    np.testing.assert_array_equal(loc[0, first : first + 2], [[1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(conf[0, first : first + 2], [[9, 10, 11], [12, 13, 14]])


def test_the_first_map_gets_gradients_from_its_head_and_from_the_next_stage(rng):
    model = SSD(TWO_MAPS, rng).astype(np.float64)
    images = rng.standard_normal((1, 3, 32, 32))
    loc, conf = model.forward(images)
    dloc, dconf = rng.standard_normal(loc.shape), rng.standard_normal(conf.shape)
    rows = 4 * 4 * TWO_MAPS.boxes_per_cell[0]

    def gradient_of_first_stage(near, far):
        scale = np.r_[np.full(rows, near), np.full(loc.shape[1] - rows, far)][None, :, None]
        model.forward(images)  # its backward pass uses up what was kept
        model.backward(dloc * scale, dconf * scale)
        return model.grads["conv1.weight"].copy()

    both, head_only, next_only = (gradient_of_first_stage(*s) for s in ((1, 1), (1, 0), (0, 1)))
    assert np.abs(head_only).max() > 0
    assert np.abs(next_only).max() > 0
    np.testing.assert_allclose(both, head_only + next_only, rtol=1e-9)


@pytest.mark.parametrize(
    ("config", "num_images"),
    [(TWO_MAPS, 2), (dataclasses.replace(TINY, num_classes=4), 1)],
    ids=["two-maps", "tiny"],
)
def test_gradient_of_the_mined_loss_through_the_whole_network(config, num_images, rng):
    """Central differences of the training loss along every parameter array, in float64."""
    model = SSD(config, rng).astype(np.float64)
    x = rng.standard_normal((num_images, 3, config.image_size, config.image_size))
    conf_target = np.zeros((num_images, config.num_priors), np.int64)
    conf_target[:, 5::97] = 1 + np.arange(len(conf_target[0, 5::97])) % (config.num_classes - 1)
    loc_target = rng.standard_normal((num_images, config.num_priors, 4))

    def loss():
        return multibox_loss(*model.forward(x), loc_target, conf_target)

    first = loss()
    model.backward(first.dloc, first.dconf)
    grads = {name: grad.copy() for name, grad in model.grads.items()}
    assert grads.keys() == model.params.keys()
    for name, grad in grads.items():
        direction = rng.standard_normal(grad.shape)
        direction /= np.linalg.norm(direction)
        analytic = float((grad * direction).sum())
        numeric = directional_derivative(lambda: loss().value, model.params[name], direction)
        assert abs(analytic - numeric) <= 1e-4 * max(abs(analytic), abs(numeric), 1e-3), name


def directional_derivative(value, array, direction, step=1e-7):
    """Central difference of `value()` when `array` moves along `direction`.

    The step is small because thousands of ReLUs and pooling windows have kinks close by, and no smaller
    because the loss, near 13, is rounded to 2e-15 and that is divided by it.
    """
    original = array.copy()
    array[...] = original + step * direction
    above = value()
    array[...] = original - step * direction
    below = value()
    array[...] = original
    return (above - below) / (2 * step)


def test_params_write_through_to_the_layers(rng):
    model = SSD(TWO_MAPS, rng)
    model.params["conv4_2_head.bias"] = np.full_like(model.params["conv4_2_head.bias"], 7)
    model.params["conv4_2_head.weight"][...] = 0
    loc, _ = model.forward(np.zeros((1, 3, 32, 32), np.float32))
    np.testing.assert_array_equal(loc[0, : 4 * 4 * 4], 7)


def test_the_same_seed_gives_the_same_network():
    one, two, other = (SSD(TWO_MAPS, np.random.default_rng(s)) for s in (1, 1, 2))
    assert all((one.params[n] == two.params[n]).all() for n in one.params)
    assert any((one.params[n] != other.params[n]).any() for n in one.params)


def test_inference_uses_running_statistics_and_keeps_nothing(rng):
    model = SSD(TWO_MAPS, rng)
    x = rng.standard_normal((2, 3, 32, 32)).astype(np.float32)
    model.forward(x)
    model.eval()
    together, _ = model.forward(x)
    alone, _ = model.forward(x[:1])
    np.testing.assert_allclose(together[:1], alone, rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match="forward pass in training mode"):
        model.backward(np.zeros_like(together), np.zeros((*together.shape[:2], 3), np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_watching_an_inference_changes_no_bit_of_it(dtype, rng):
    """Without a trace, convolution and pooling are one pass."""
    model = SSD(dataclasses.replace(TINY, num_classes=4), rng).eval()
    x, trace = rng.standard_normal((2, 3, 256, 256)).astype(dtype), {}
    for result, watched in zip(model.forward(x), model.forward(x, trace)):
        np.testing.assert_array_equal(result, watched)
    assert set(model.layers) <= {name.split(".")[0] for name in trace}


def test_a_new_base_is_one_entry(monkeypatch, rng):
    """README's promise: a backbone is swapped by adding a function to BASES."""
    monkeypatch.setitem(BASES, "other", lambda config, rng: BASES["tiny"](config, rng))
    model = SSD(dataclasses.replace(TWO_MAPS, base="other"), rng)
    assert model.forward(np.zeros((1, 3, 32, 32), np.float32))[0].shape[1] == TWO_MAPS.num_priors


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dataclasses.replace(TINY, base="resnet"), "no base network 'resnet'"),
        (dataclasses.replace(TINY, base="vgg16"), "4 feature maps, but base 'vgg16' has 7"),
    ],
)
def test_configurations_that_fit_no_base_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        SSD(config)


def test_images_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"\(1, 3, 30, 32\).*takes \(N, 3, 32, 32\)"):
        SSD(TWO_MAPS).forward(np.zeros((1, 3, 30, 32), np.float32))


def make_base(strides, last_names):
    """A base with one convolution per map."""

    def stages(config, rng):
        channels, made = 3, []
        for stride, name in zip(strides, last_names):
            made.append(Stage([(name, ConvBlock(channels, 4, 3, stride=stride, padding=1, rng=rng))], 4))
            channels = 4
        return made

    return stages


def test_maps_without_the_cells_of_the_default_boxes_are_refused(monkeypatch):
    """Else row after row would speak for the wrong box."""
    config = dataclasses.replace(TWO_MAPS, base="coarse")
    monkeypatch.setitem(BASES, "coarse", make_base((16, 2), ("a", "b")))
    with pytest.raises(InputError, match="the map a has 2 x 2 cells, but feature_maps says 4 x 4"):
        SSD(config).forward(np.zeros((1, 3, 32, 32), np.float32))


def test_two_layers_of_one_name_are_refused(monkeypatch):
    """Else one of the two would be neither trained nor saved."""
    monkeypatch.setitem(BASES, "twins", make_base((8, 2), ("a", "a")))
    with pytest.raises(InputError, match="two layers are called 'a'"):
        SSD(dataclasses.replace(TWO_MAPS, base="twins"))
