"""The whole SSD300 and SSD512 against torchvision's and lufficc's networks with the same drawn weights.

The weights are not stored but drawn by a recipe from each parameter's name; the outputs are those of
../shared/reference/numbers/ssd300.npz and ssd512.npz.
"""

import zlib
from functools import lru_cache

import numpy as np
import pytest

from minissd.config import SSD300_VOC, SSD512_VOC
from minissd.models import SSD, Head
from minissd.weights import translate
from minissd.weights.layouts import AMDEGROOT, CHAINERCV, LUFFICC, TORCHVISION


def drawn_weights(numbers):
    """Every parameter by torchvision's name, float64."""
    shapes = [tuple(side for side in padded if side) for padded in numbers["param_shape"].tolist()]
    return dict(drawn_once(int(numbers["seed"]), tuple(zip(numbers["param_name"].tolist(), shapes))))


@lru_cache(maxsize=1)
def drawn_once(seed, parameters):
    """The arrays of these names and shapes, read-only: drawing 25 million numbers takes long."""
    weights = {}
    for name, shape in parameters:
        z = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape)
        if name == "backbone.scale_weight":
            weights[name] = 20 + z
        else:
            weights[name] = z * np.sqrt(2 / np.prod(shape[1:])) if len(shape) == 4 else 0.1 * z
        weights[name].setflags(write=False)
    return weights


# Whose network it is, and where its names are.
ORIGINS = {300: (TORCHVISION, "param_name"), 512: (LUFFICC, "param_name_lufficc")}


def translated_weights(numbers, model):
    """The drawn weights by minissd's names, read by those of the implementation that was run."""
    layout, names = ORIGINS[model.config.image_size]
    theirs = dict(zip(numbers[names].tolist(), drawn_weights(numbers).values(), strict=True))
    return translate.from_layout(theirs, layout, model, "drawn")


def loaded_model(config, dtype, numbers):
    """The network with the drawn weights."""
    model = SSD(config).astype(dtype).eval()
    for name, array in translated_weights(numbers, model).items():
        model.params[name] = array.astype(dtype)
    return model


def input_image(numbers, side):
    return np.random.default_rng([int(numbers["seed"]), side]).standard_normal((1, 3, side, side)) * 2


def ssd300_after_backward(numbers):
    """The network after the reference's one step backward, its objective, and the gradient of the image."""
    model = loaded_model(SSD300_VOC, np.float64, numbers).train()
    loc, conf = model.forward(input_image(numbers, 300))
    rng = np.random.default_rng([int(numbers["seed"]), 300, 1])
    dloc, dconf = rng.standard_normal(loc.shape), rng.standard_normal(conf.shape)
    objective = ((loc * dloc).sum() + (conf * dconf).sum()) / 8732
    return model, objective, model.backward(dloc / 8732, dconf / 8732)


def gradients_of(model, numbers):
    """The gradient of each of torchvision's parameters, and its row in the numbers; first the row."""
    row = {name: i for i, name in enumerate(numbers["param_name"].tolist())}
    for ours, theirs in TORCHVISION.arrays(6).items():
        for name, part in zip(theirs, split_like(model, ours), strict=True):
            yield row[name], part


def split_like(model, name):
    """The gradient of this name, a head's cut into its offsets and its logits."""
    layer = model.layers[name.split(".")[0]]
    cuts = [4 * layer.boxes_per_cell] if isinstance(layer, Head) else []
    return np.split(model.grads[name], cuts)


@pytest.mark.parametrize("config", [SSD300_VOC, SSD512_VOC], ids=["ssd300", "ssd512"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_predictions_agree(config, dtype, tolerance, shared_numbers):
    numbers = shared_numbers(f"ssd{config.image_size}")
    model = loaded_model(config, dtype, numbers)
    trace = {}
    loc, conf = model.forward(input_image(numbers, config.image_size).astype(dtype), trace)
    rows = numbers["prior_idx"]
    bits = np.dtype(dtype).itemsize * 8
    for ours, name in ((loc, "loc"), (conf, "conf")):
        theirs = numbers[f"{name}_f64"]
        assert np.abs(ours[0, rows] - theirs).max() < tolerance * np.abs(theirs).max(), name
        assert ours.dtype == dtype
    for k, name in enumerate(model.source_names):
        source = trace[f"{name}_norm"] if k == 0 else trace[name]
        values = numbers[f"feat{k}_val_f{bits}"]
        np.testing.assert_allclose(
            source.ravel()[numbers[f"feat{k}_idx"]], values, rtol=0, atol=tolerance * 30
        )


def test_every_gradient_of_ssd300_agrees(shared_numbers):
    numbers = shared_numbers("ssd300")
    model, objective, dimages = ssd300_after_backward(numbers)
    assert abs(objective - numbers["grad_objective_f64"]) < 1e-9 * abs(objective)
    for i, gradient in gradients_of(model, numbers):
        name = numbers["param_name"][i]
        assert abs(np.abs(gradient).sum() / numbers["grad_param_abssum_f64"][i] - 1) < 1e-8, name
        found, values = gradient.ravel()[numbers["grad_param_idx"][i]], numbers["grad_param_val_f64"][i]
        np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-10, err_msg=name)
    values = dimages.ravel()[numbers["grad_input_idx"]]
    np.testing.assert_allclose(values, numbers["grad_input_val_f64"], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(
    ("config", "layout"),
    [(SSD300_VOC, AMDEGROOT), (SSD512_VOC, LUFFICC), (SSD512_VOC, CHAINERCV)],
    ids=["ssd300-amdegroot", "ssd512-lufficc", "ssd512-chainercv"],
)
def test_the_same_weights_by_other_names(config, layout, shared_numbers):
    """The stored names of each implementation lead to the very arrays of the network that was run."""
    numbers = shared_numbers(f"ssd{config.image_size}")
    drawn = drawn_weights(numbers)
    theirs = dict(zip(numbers[f"param_name_{layout.name}"].tolist(), drawn.values(), strict=True))
    if layout is CHAINERCV:  # the rows of its offsets are (dy, dx, dh, dw)
        for name, array in theirs.items():
            if "/loc/" in name:
                boxes = array.reshape(-1, 4, *array.shape[1:])
                theirs[name] = boxes[:, [1, 0, 3, 2]].reshape(array.shape)
    assert translate.recognize(theirs) == (layout, len(config.feature_maps))
    model = SSD(config)
    expected = translated_weights(numbers, model)
    found = translate.from_layout(theirs, layout, model, "drawn")
    assert found.keys() == expected.keys() == set(model.params)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
