"""The multibox loss on a GPU: value and gradients as on the CPU, and nothing waits."""

import numpy as np
import pytest
from backends import on_every_gpu

from minissd.kernels.cuda import multibox as on_gpu
from minissd.kernels.cuda.rows import MOST_CLASSES
from minissd.loss import LOC_LOSSES, cross_entropy, localisation_loss, multibox_loss
from minissd.loss_deviations import NORMALIZATIONS
from minissd.softmax import softmax_cross_entropy

NUMBERS = ("value", "conf", "loc")


def some_batch(rng, num_images=2, num_priors=150, num_classes=5, share=0.1):
    """Offsets, logits and their targets; in the first image nothing is matched."""
    loc, loc_target = rng.standard_normal((2, num_images, num_priors, 4)).astype(np.float32)
    conf = (3 * rng.standard_normal((num_images, num_priors, num_classes))).astype(np.float32)
    conf_target = rng.integers(1, max(num_classes, 2), (num_images, num_priors))
    conf_target[rng.random(conf_target.shape) > share] = 0
    conf_target[:1] = 0
    return loc, conf, loc_target, np.minimum(conf_target, num_classes - 1)


def in_float64(loc, conf, loc_target, conf_target):
    return loc.astype(np.float64), conf.astype(np.float64), loc_target.astype(np.float64), conf_target


def assert_same_loss(backend, batch, **options):
    """As the CPU's, whose losses of float64 predictions are the measure of the gradients."""
    found = backend.of(multibox_loss)(*batch, **options)
    expected, exact = multibox_loss(*batch, **options), multibox_loss(*in_float64(*batch), **options)
    assert found.num_pos == expected.num_pos
    np.testing.assert_array_equal(found.hard_negatives, expected.hard_negatives)
    for name in NUMBERS:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(found.conf_loss, exact.conf_loss, rtol=1e-6, atol=1e-6)
    for name in ("dloc", "dconf"):
        gradient, wanted = getattr(found, name), getattr(exact, name)
        assert gradient.dtype == np.float32
        np.testing.assert_allclose(gradient, wanted, rtol=1e-5, atol=1e-7, err_msg=name)
    return found


@on_every_gpu
@pytest.mark.parametrize("num_priors", [1, 127, 128, 129, 300])
@pytest.mark.parametrize("num_classes", [2, 5, 21])
def test_sizes_that_fill_blocks_and_that_do_not(num_priors, num_classes, rng, backend):
    assert_same_loss(backend, some_batch(rng, 2, num_priors, num_classes), min_negatives=1)


@on_every_gpu
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("loc_loss", LOC_LOSSES)
def test_normalizations(normalization, loc_loss, rng, backend):
    options = {"normalization": normalization, "loc_loss": loc_loss, "alpha": 0.7}
    assert_same_loss(backend, some_batch(rng), **options)


@on_every_gpu
@pytest.mark.parametrize("scope", ["image", "batch", "none"])
def test_positives_that_are_negatives_too_count_twice(scope, rng, backend):
    batch = some_batch(rng, num_priors=40, share=0.5)
    loss = assert_same_loss(backend, batch, mining_overflow=True, mining_scope=scope)
    assert scope != "image" or (loss.hard_negatives & (batch[3] > 0)).any()


@on_every_gpu
@pytest.mark.parametrize("num_classes", [96, 97, MOST_CLASSES, MOST_CLASSES + 1])
def test_many_classes(num_classes, rng, backend):
    """Blocks of fewer threads, down to one warp; beyond, the readable way."""
    batch = some_batch(rng, 1, 70, num_classes)
    batch[3][0, ::9] = num_classes - 1
    assert_same_loss(backend, batch)


@on_every_gpu
@pytest.mark.parametrize("normalization", ["positives", "per_image", "batch_size"])
def test_no_matched_prior(normalization, rng, backend):
    loc, conf, loc_target, conf_target = some_batch(rng)
    loss = backend.of(multibox_loss)(loc, conf, loc_target, 0 * conf_target, normalization=normalization)
    assert (loss.value, loss.num_pos) == (0, 0)
    assert not loss.dloc.any() and not loss.dconf.any()


@on_every_gpu
def test_no_matched_prior_for_those_who_divide_by_it(rng, backend):
    loc, conf, loc_target, conf_target = some_batch(rng)
    arguments = loc, conf, loc_target, 0 * conf_target
    loss = backend.of(multibox_loss)(*arguments, normalization="positives_or_nan")
    assert np.isnan(loss.value)


@on_every_gpu
@pytest.mark.parametrize("shape", [(0, 6), (2, 0)])
def test_no_predictions(shape, backend):
    loc, conf, target = (
        np.zeros((*shape, 4), np.float32),
        np.zeros((*shape, 3), np.float32),
        np.zeros(shape, int),
    )
    loss = backend.of(multibox_loss)(loc, conf, loc, target)
    assert (loss.value, loss.dconf.shape) == (0, conf.shape)


@on_every_gpu
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("label", [0, 2])
def test_logits_that_are_no_numbers(bad, label, rng, backend):
    """A prior that takes no part otherwise makes the value NaN, unless the logit is merely -inf."""
    loc, conf, loc_target, conf_target = some_batch(rng)
    conf[0, 77, label] = bad
    conf[1, 30], conf[1, 31] = 1000 * np.eye(5)[2], -np.inf
    with np.errstate(invalid="ignore"):
        expected = multibox_loss(loc, conf, loc_target, conf_target)
    found = backend.of(multibox_loss)(loc, conf, loc_target, conf_target)
    np.testing.assert_array_equal(np.isfinite(found.conf_loss), np.isfinite(expected.conf_loss))
    np.testing.assert_array_equal(np.isnan(found.dconf), np.isnan(expected.dconf))
    assert np.isnan(found.value) and np.isnan(expected.value)


@on_every_gpu
@pytest.mark.parametrize("loc_loss", LOC_LOSSES)
def test_differences_of_offsets(loc_loss, backend):
    """At the bends of the losses, and where there is no number."""
    loc = np.array([0, -0.0, 1, -1, 0.5, -0.5, 1.5, -3, np.nan, np.inf, -np.inf, 1e-30], np.float32)
    loc = loc.reshape(1, 3, 4)
    arguments = 3, 2.0, loc_loss
    for prior in range(3):
        positive = np.arange(3)[None] == prior
        value, dloc = backend.of(localisation_loss)(loc, np.zeros_like(loc), positive, *arguments)
        expected, wanted = localisation_loss(loc, np.zeros_like(loc), positive, *arguments)
        np.testing.assert_array_equal(value, expected)
        np.testing.assert_allclose(dloc, wanted, rtol=1e-7)


@on_every_gpu
@pytest.mark.parametrize("wrong", [-1, 4, 2**40])
def test_a_class_without_a_logit_is_no_number(wrong, rng, backend):
    loc, conf, loc_target, conf_target = some_batch(rng, 2, 20, 4)
    conf_target[1, 3] = wrong
    loss = backend.of(multibox_loss)(loc, conf, loc_target, conf_target)
    assert np.isnan(loss.value) and np.isnan(loss.conf_loss[1, 3])
    assert np.isnan(loss.conf_loss).sum() == 1


@on_every_gpu
def test_cross_entropy_of_strided_logits_and_short_targets(rng, backend):
    conf, target = rng.standard_normal((2, 30, 8)).astype(np.float32), rng.integers(0, 4, (2, 30), np.int32)
    found = backend.of(lambda conf, target: cross_entropy(conf[..., ::2], target))(conf, target)
    np.testing.assert_allclose(found, softmax_cross_entropy(conf[..., ::2], target)[0], rtol=1e-6, atol=1e-6)


@on_every_gpu
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_float64_takes_the_readable_way(normalization, rng, backend):
    batch = in_float64(*some_batch(rng, num_priors=30))
    found = backend.of(multibox_loss)(*batch, normalization=normalization)
    expected = multibox_loss(*batch, normalization=normalization)
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-12)
    np.testing.assert_allclose(found.dconf, expected.dconf, atol=1e-14)
    np.testing.assert_allclose(found.dloc, expected.dloc, atol=1e-14)


@on_every_gpu
def test_losses_are_always_added_up_in_the_same_order(rng, backend):
    batch = some_batch(rng, 1, 500, share=0.9)
    batch[3][:] = 1
    loss_of = backend.of(multibox_loss)
    assert len({(loss.value, loss.conf, loss.loc) for loss in (loss_of(*batch) for _ in range(3))}) == 1


def test_nothing_waits(rng, pretend_cuda):
    batch = [pretend_cuda.cupy.asarray(array) for array in some_batch(rng)]
    pretend_cuda.reset()
    for normalization in NORMALIZATIONS:
        loss = multibox_loss(*batch, normalization=normalization, mining_overflow=True)
    assert not pretend_cuda.reasons
    assert all(getattr(loss, name).shape == () for name in (*NUMBERS, "num_pos"))


def test_what_it_is_made_for(rng, pretend_cuda):
    asarray, zeros = pretend_cuda.cupy.asarray, np.zeros((1, 2, 3), np.float32)
    assert on_gpu.fits(asarray(zeros))
    assert not any(map(on_gpu.fits, (zeros, asarray(zeros.astype(np.float64)), asarray(zeros[..., :0]))))
