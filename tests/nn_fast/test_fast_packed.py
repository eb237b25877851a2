"""Packed weights: kept while a layer is in inference, and made anew when anything they came from changes."""

import copy

import numpy as np
import pytest
from two_maps import TWO_MAPS

from minissd import weights
from minissd.models import SSD
from minissd.nn import Conv2d, ConvBlock
from minissd.nn.fast import direct, winograd
from minissd.nn.fast.choose import PackedWeights

NAMED = pytest.mark.parametrize("algorithm", ["winograd", "direct"])


@pytest.fixture
def packs(monkeypatch):
    """A list that grows by a module's name whenever it packs weights."""
    calls = []
    for name, module in (("winograd", winograd), ("direct", direct)):

        def pack(*arguments, original=module.pack, name=name, **options):
            calls.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(module, "pack", pack)
    return calls


@pytest.fixture
def x(rng):
    return rng.standard_normal((1, 17, 12, 13)).astype(np.float32)


def layer(algorithm, **options):
    return Conv2d(17, 19, 3, padding=1, algorithm=algorithm, rng=np.random.default_rng(3), **options)


def fresh(conv, x, **options):
    """What a new layer with these parameters gives."""
    other = layer(conv.algorithm, **options)
    for name, array in conv.params.items():
        other.params[name] = array.copy()
    return other.forward(x)


CHANGES = {
    "all in place": lambda params: params["weight"].__imul__(2),
    "one number": lambda params: params["weight"].__setitem__((18, 16, 2, 2), 0.5),
    "the smallest step": lambda params: params["weight"].__setitem__(
        (0, 0, 0, 0), np.nextafter(params["weight"][0, 0, 0, 0], np.float32(9))
    ),
    "a sign": lambda params: params["weight"].__setitem__((3, 4, 1, 1), -params["weight"][3, 4, 1, 1]),
    "all signs": lambda params: np.negative(params["weight"], out=params["weight"]),
    "two outputs exchanged": lambda params: params["weight"].__setitem__([0, 1], params["weight"][[1, 0]]),
    "another array": lambda params: params.__setitem__("weight", params["weight"] + np.float32(1)),
    "float64": lambda params: params.__setitem__("weight", params["weight"].astype(np.float64) * 3),
    "not contiguous": lambda params: params.__setitem__("weight", np.asfortranarray(params["weight"])[::-1]),
    "the bias": lambda params: params["bias"].__iadd__(1),
}


@NAMED
@pytest.mark.parametrize("change", CHANGES)
def test_changed_weights_are_noticed(algorithm, change, x):
    conv = layer(algorithm).eval()
    before = conv.forward(x)
    CHANGES[change](conv.params)
    y = conv.forward(x)
    np.testing.assert_array_equal(y, fresh(conv, x))
    assert not np.array_equal(y, before) or change == "the smallest step"
    CHANGES[change](conv.params)
    np.testing.assert_array_equal(conv.forward(x), fresh(conv, x))


@pytest.mark.parametrize("factor", [-1, 2, 0.5])
def test_weights_that_all_change_alike_are_noticed(factor, rng):
    """512 x 512 numbers: a checksum that only adds would see none of these changes."""
    conv = Conv2d(512, 512, 1).eval()
    x = rng.standard_normal((1, 512, 4, 4)).astype(np.float32)
    y = conv.forward(x)
    conv.params["weight"] *= np.float32(factor)
    np.testing.assert_allclose(conv.forward(x), factor * y, rtol=1e-5, atol=1e-5)


@NAMED
def test_unchanged_weights_are_packed_once(algorithm, x, packs):
    conv = layer(algorithm).eval()
    expected = conv.forward(x)
    for size in (1, 1, 3):
        y = conv.forward(np.repeat(x, size, axis=0))
        np.testing.assert_array_equal(y, np.repeat(expected, size, axis=0))
    assert packs == [algorithm]
    conv.params["bias"] += 1
    conv.forward(x)
    assert packs == [algorithm]


@NAMED
def test_leaving_inference_drops_them(algorithm, x, packs):
    conv = layer(algorithm).eval()
    conv.forward(x)
    conv.train()
    conv.forward(x)
    conv.forward(x)
    assert len(packs) == 3, "in training every pass packs, and keeps nothing"
    conv.eval()
    conv.forward(x)
    conv.forward(x)
    assert len(packs) == 4
    assert np.array_equal(conv.forward(x), fresh(conv, x))


@NAMED
def test_inference_gives_the_bits_of_training(algorithm, x):
    conv = layer(algorithm, relu=True)
    np.testing.assert_array_equal(conv.forward(x), conv.eval().forward(x))


def test_maps_of_different_sizes_may_need_both_algorithms(rng, packs):
    conv = Conv2d(32, 32, 3, padding=1, rng=rng).eval()
    small, large = (rng.standard_normal((1, 32, side, side)).astype(np.float32) for side in (3, 40))
    for _ in range(2):
        for x in (small, large):
            exact = conv.forward(x.astype(np.float64))
            assert np.abs(conv.forward(x) - exact).max() < 2e-5 * np.abs(exact).max()
    assert sorted(packs) == ["direct", "winograd"]


def test_a_scale_belongs_to_what_is_packed(rng):
    weight = rng.standard_normal((5, 3, 3, 3)).astype(np.float32)
    packed, scale = PackedWeights(), np.arange(1.0, 6.0)
    plain = packed.of(direct, weight)
    scaled = packed.of(direct, weight, scale)
    np.testing.assert_array_equal(scaled, direct.pack(weight * scale.astype(np.float32)[:, None, None, None]))
    np.testing.assert_array_equal(packed.of(direct, weight), plain)
    assert packed.of(direct, weight) is packed.of(direct, weight)


NORM_CHANGES = [
    ("norm.weight", "params"),
    ("norm.bias", "params"),
    ("norm.running_mean", "buffers"),
    ("norm.running_var", "buffers"),
    ("weight", "params"),
]


@NAMED
@pytest.mark.parametrize(("name", "store"), NORM_CHANGES)
@pytest.mark.parametrize("in_place", [True, False])
def test_changed_statistics_and_factors_are_noticed(algorithm, name, store, in_place, x, rng):
    block = ConvBlock(17, 19, 3, padding=1, batch_norm=True, algorithm=algorithm, rng=rng)
    block.forward(x + 1)  # gives it statistics
    block.eval()
    before = block.forward(x)
    arrays = getattr(block, store)
    if in_place:
        arrays[name][...] = arrays[name] * 2 + 1
    else:
        arrays[name] = arrays[name] * 2 + 1
    y = block.forward(x)
    np.testing.assert_array_equal(y, copy.deepcopy(block).train().eval().forward(x))
    exact = block.forward(x.astype(np.float64))
    assert np.abs(y - exact).max() < 2e-5 * np.abs(exact).max()
    assert not np.array_equal(y, before)


@NAMED
def test_a_step_of_training_between_two_inferences(algorithm, x, rng):
    block = ConvBlock(17, 19, 3, padding=1, batch_norm=True, algorithm=algorithm, rng=rng)
    before = block.eval().forward(x)
    block.train()
    block.backward(np.ones_like(block.forward(x)))
    for name, grad in block.grads.items():
        block.params[name] -= np.float32(0.1) * grad
    after = block.eval().forward(x)
    assert not np.array_equal(before, after)
    exact = block.forward(x.astype(np.float64))
    assert np.abs(after - exact).max() < 2e-5 * np.abs(exact).max()


def test_loaded_weights_are_noticed(tmp_path, rng):
    model, other = (SSD(TWO_MAPS, np.random.default_rng(seed)).eval() for seed in (1, 2))
    images = rng.standard_normal((1, 3, 32, 32)).astype(np.float32)
    before, expected = model.forward(images), other.forward(images)
    weights.save(other, tmp_path / "other.safetensors", class_names=("a", "b"))
    weights.load(model, tmp_path / "other.safetensors")
    after = model.forward(images)
    for result, right, old in zip(after, expected, before):
        np.testing.assert_array_equal(result, right)
        assert not np.array_equal(result, old)


def test_two_models_do_not_share_them(rng):
    model = SSD(TWO_MAPS, rng).eval()
    images = rng.standard_normal((1, 3, 32, 32)).astype(np.float32)
    expected = model.forward(images)
    other = copy.deepcopy(model)
    for array in other.params.values():
        array *= 2
    assert not np.array_equal(other.forward(images)[0], expected[0])
    for result, right in zip(model.forward(images), expected):
        np.testing.assert_array_equal(result, right)
