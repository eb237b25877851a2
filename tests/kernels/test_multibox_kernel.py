"""The compiled multibox loss against the readable one in float64: odd shapes, extreme logits, any threads."""

import numpy as np
import pytest

from minissd import loss, mining
from minissd.kernels import multibox

SHAPES = [(2, 9, 1), (3, 16, 2), (1, 33, 15), (2, 17, 16), (1, 50, 17), (2, 37, 21), (1, 5, 32), (1, 21, 91)]
SHAPES += [(0, 7, 21), (2, 0, 21)]


def batch(rng, shape, spread=3):
    """Predictions and targets in float32, every tenth prior matched."""
    images, priors, classes = shape
    conf = (rng.standard_normal(shape) * spread).astype(np.float32)
    loc, loc_target = rng.standard_normal((2, images, priors, 4)).astype(np.float32) * 2
    conf_target = np.where(rng.random((images, priors)) < 0.1, rng.integers(0, classes, (images, priors)), 0)
    return loc, conf, loc_target, conf_target


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy(shape, rng):
    _, conf, _, conf_target = batch(rng, shape)
    expected, _ = loss.softmax_cross_entropy(conf.astype(np.float64), conf_target)
    result = multibox.cross_entropy(conf, conf_target)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_confidence_gradient(shape, share, rng):
    _, conf, _, conf_target = batch(rng, shape)
    counted = rng.random(shape[:2]) < share
    rows = np.flatnonzero(counted)
    scale = rng.choice([1 / 7, 2 / 7, 0.01], len(rows))
    expected = loss.confidence_gradient(conf.astype(np.float64), conf_target, rows, scale)
    result = multibox.confidence_gradient(conf, conf_target, rows, scale)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-7)
    assert not result[~counted].any()


OTHERS = {"normalization": "per_image", "mining_overflow": True, "loc_loss": "l1"}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("options", [{}, OTHERS, {"normalization": "priors"}], ids=str)
def test_the_whole_loss(shape, options, rng):
    arrays = batch(rng, shape)
    options = {"alpha": 0.7, "min_negatives": 2, **options}
    single = loss.multibox_loss(*arrays, **options)
    conf_target = arrays[3]
    exact = loss.multibox_loss(*(a.astype(np.float64) for a in arrays[:3]), conf_target, **options)
    overflow = options.get("mining_overflow", False)
    np.testing.assert_array_equal(
        single.hard_negatives,
        mining.hard_negatives(single.conf_loss, conf_target > 0, min_negatives=2, overflow=overflow),
    )
    for name in ("value", "conf", "loc", "num_pos"):
        assert getattr(single, name) == pytest.approx(getattr(exact, name), rel=1e-6, nan_ok=shape[1] == 0)
    if shape[2] > 1:  # with one class all losses are 0
        np.testing.assert_array_equal(single.hard_negatives, exact.hard_negatives)
    np.testing.assert_allclose(single.dconf, exact.dconf, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(single.dloc, exact.dloc, rtol=1e-5, atol=1e-7)
    assert single.dconf.dtype == single.dloc.dtype == single.conf_loss.dtype == np.float32


@pytest.mark.parametrize("classes", [2, 21])
def test_extreme_logits(classes):
    """Each row has its own maximum: no row overflows, and none is drowned by another."""
    conf = np.zeros((1, 6, classes), np.float32)
    conf[0, :, 0] = [1e4, -1e4, 88.8, -104, 3e38, -3e38]
    conf[0, 1] -= 1e4
    target = np.zeros((1, 6), int)
    expected, probability = loss.softmax_cross_entropy(conf.astype(np.float64), target)
    np.testing.assert_allclose(multibox.cross_entropy(conf, target), expected, rtol=1e-6, atol=1e-30)
    gradient = multibox.confidence_gradient(conf, target, np.arange(6), np.ones(6))
    np.testing.assert_allclose(gradient, loss.cross_entropy_gradient(probability, target), atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 15, 16, 20])
def test_what_is_no_number_stays_in_its_row_and_is_not_hidden(bad, place, rng):
    loc, conf, loc_target, conf_target = batch(rng, (1, 40, 21))
    conf_target[0, :2] = [3, 0]
    conf[0, 30, place] = bad
    conf_target[0, 30] = 0
    with np.errstate(invalid="ignore"):
        expected = loss.softmax_cross_entropy(conf, conf_target)[0]
    result = loss.multibox_loss(loc, conf, loc_target, conf_target)
    np.testing.assert_array_equal(np.isnan(result.conf_loss), np.isnan(expected))
    np.testing.assert_array_equal(np.isnan(result.conf_loss[0]), np.arange(40) == 30)
    assert np.isnan(result.dconf[0, 30]).any() and np.isnan(result.value)
    assert np.isfinite(np.delete(result.dconf[0], 30, axis=0)).all()


@pytest.mark.parametrize("target_dtype", [np.uint8, np.int32, np.int64])
def test_layouts_and_dtypes_of_the_arguments(target_dtype, rng):
    arrays = batch(rng, (2, 25, 21))
    expected = loss.multibox_loss(*arrays)
    odd = [np.asfortranarray(a) for a in arrays[:3]] + [
        np.repeat(arrays[3].astype(target_dtype), 2, 1)[:, ::2]
    ]
    for array in odd:
        array.flags.writeable = False
    result = loss.multibox_loss(*odd)
    assert result.value == expected.value
    np.testing.assert_array_equal(result.dconf, expected.dconf)
    np.testing.assert_array_equal(result.dloc, expected.dloc)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_the_number_of_threads_changes_nothing(threads, rng, monkeypatch, use_threads):
    loc, conf, loc_target, conf_target = batch(rng, (3, 777, 21))
    expected = loss.multibox_loss(loc, conf, loc_target, conf_target)
    use_threads(threads)
    monkeypatch.setattr(multibox, "FEW_LOGITS", 0)
    result = loss.multibox_loss(loc, conf, loc_target, conf_target)
    assert result.value == expected.value
    np.testing.assert_array_equal(result.dconf, expected.dconf)
    np.testing.assert_array_equal(result.conf_loss, expected.conf_loss)


def test_only_float32_in_numpy_is_compiled(rng):
    conf = np.zeros((1, 3, 4), np.float32)
    assert multibox.fits(conf)
    assert not multibox.fits(conf.astype(np.float64))
    assert not multibox.fits(conf[..., :0])
