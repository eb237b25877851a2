"""The layers and whole networks of minissd beside PyTorch's, torchvision's and lufficc's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from comparison import FLOAT32, FLOAT64, NETWORK_FLOAT32, Comparison, pairs_of_gradient
from models.test_reference_networks import (
    drawn_weights,
    gradients_of,
    input_image,
    loaded_model,
    ssd300_after_backward,
)

from minissd.config import SSD300_VOC, SSD512_VOC
from minissd.loss import smooth_l1
from minissd.nn import SGD, Conv2d, L2Norm, MaxPool2d, ReLU
from minissd.softmax import cross_entropy_gradient, softmax, softmax_cross_entropy

# Layers --------------------------------------------------------------------------------------------------


def compare_layers(numbers):
    """Forward and backward, with the algorithms that minissd chooses for these sizes and precisions."""
    for dtype, tolerance in ((np.float64, FLOAT64), (np.float32, FLOAT32)):
        peer, of = f"PyTorch, {np.dtype(dtype)}", {"conv": [], "pool": [], "relu": []}
        for i, geometry in enumerate(numbers["conv_params"].tolist()):
            of["conv"] += of_convolution(numbers, f"conv{i}_", geometry, dtype)
        for i, (*geometry, ceil_mode) in enumerate(numbers["pool_params"].tolist()):
            of["pool"] += of_layer(numbers, f"pool{i}_", MaxPool2d(*geometry, bool(ceil_mode)), dtype)
        of["relu"] = of_layer(numbers, "relu_", ReLU(), dtype)
        for layer, pairs in of.items():
            yield Comparison(f"{layer}, forward and backward", peer, pairs, tolerance)
    norm = L2Norm(33)
    norm.params["weight"] = numbers["l2norm1_gamma"]
    norm.forward(numbers["l2norm1_x"])
    pairs = [(norm.backward(numbers["l2norm1_gy"]), numbers["l2norm1_gx_caffe"])]
    yield Comparison("L2 norm, gx where the scales differ", "caffe", pairs, FLOAT64)
    yield from compare_loss_functions(numbers)
    yield Comparison("SGD, parameters and velocities", "PyTorch", list(of_sgd(numbers)), FLOAT64)


def of_layer(numbers, prefix, layer, dtype):
    y = layer.forward(numbers[f"{prefix}x"].astype(dtype))
    dx = layer.backward(numbers[f"{prefix}gy"].astype(dtype))
    return [(y, numbers[f"{prefix}y"]), (dx, numbers[f"{prefix}gx"])]


def of_convolution(numbers, prefix, geometry, dtype):
    weight = numbers[f"{prefix}w"]
    conv = Conv2d(weight.shape[1], weight.shape[0], *geometry).astype(dtype)
    conv.params["weight"], conv.params["bias"] = (numbers[f"{prefix}{part}"].astype(dtype) for part in "wb")
    pairs = of_layer(numbers, prefix, conv, dtype)
    return pairs + [
        (conv.grads["weight"], numbers[f"{prefix}gw"]),
        (conv.grads["bias"], numbers[f"{prefix}gb"]),
    ]


def compare_loss_functions(numbers):
    loss, probability = softmax_cross_entropy(numbers["ce_logits"], numbers["ce_target"])
    dlogits = numbers["ce_gloss"][:, None] * cross_entropy_gradient(probability, numbers["ce_target"])
    pairs = [(loss, numbers["ce_loss"]), (dlogits, numbers["ce_glogits"])]
    pairs.append((softmax(numbers["ce_logits"]), numbers["ce_softmax"]))
    yield Comparison("softmax cross entropy", "PyTorch", pairs, FLOAT64)
    loss, slope = smooth_l1(numbers["smoothl1_pred"] - numbers["smoothl1_target"])
    pairs = [(loss, numbers["smoothl1_loss"]), (numbers["smoothl1_gloss"] * slope, numbers["smoothl1_gpred"])]
    yield Comparison("smooth L1", "PyTorch", pairs, FLOAT64)


def of_sgd(numbers):
    options = {name: float(numbers[f"sgd_{name}"]) for name in ("momentum", "weight_decay")}
    for i in (0, 1):
        model = SimpleNamespace(params={"weight": numbers[f"sgd{i}_p0"].copy()}, grads={})
        optimizer = SGD(model, **options)
        for step, rate in enumerate(numbers[f"sgd{i}_lr"]):
            model.grads["weight"] = numbers[f"sgd{i}_grads"][step]
            optimizer.step(float(rate))
            yield model.params["weight"].copy(), numbers[f"sgd{i}_p"][step]
            yield optimizer.velocity["weight"].copy(), numbers[f"sgd{i}_v"][step]


# Networks ------------------------------------------------------------------------------------------------


def compare_ssd300(numbers):
    yield from compare_network(numbers, SSD300_VOC, "torchvision")
    yield from compare_gradients(numbers)


def compare_ssd512(numbers):
    yield from compare_network(numbers, SSD512_VOC, "lufficc")


def compare_network(numbers, config, peer):
    drawn = drawn_weights(numbers).values()
    pairs = [(array.sum(), total) for array, total in zip(drawn, numbers["param_sum"], strict=True)]
    yield Comparison("sums of the drawn weights", peer, pairs, FLOAT64)
    for dtype, tolerance in ((np.float64, FLOAT64), (np.float32, NETWORK_FLOAT32)):
        stored = numbers | stored_of(numbers, f"_f{8 * np.dtype(dtype).itemsize}")
        model, trace = loaded_model(config, dtype, numbers), {}
        outputs = model.forward(input_image(numbers, config.image_size).astype(dtype), trace)
        maps = [trace[f"{name}_norm"] if k == 0 else trace[name] for k, name in enumerate(model.source_names)]
        for quantity, pairs in pairs_of_network(config, outputs, maps, stored).items():
            yield Comparison(quantity, f"{peer}, {np.dtype(dtype)}", pairs, tolerance)


def pairs_of_network(config, outputs, maps, stored):
    outputs = {name: array[0] for name, array in zip(("loc", "conf"), outputs)}
    ends = np.cumsum([k * side**2 for k, side in zip(config.boxes_per_cell, config.feature_maps)])
    parts = {"feat": maps} | {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
    return {
        "offsets and logits": [(array[stored["prior_idx"]], stored[name]) for name, array in outputs.items()],
        "source maps, 60 places of each": [
            (array.ravel()[stored[f"feat{k}_idx"]], stored[f"feat{k}_val"]) for k, array in enumerate(maps)
        ],
        "statistics of all maps and outputs": [
            (five_numbers(part), stored[f"{name}{k}_stat"])
            for name, of_name in parts.items()
            for k, part in enumerate(of_name)
        ],
    }


def stored_of(numbers, end):
    """The arrays whose keys end so, by the rest of the key."""
    return {key.removesuffix(end): value for key, value in numbers.items() if key.endswith(end)}


def five_numbers(array):
    array = array.astype(np.float64)
    return array.mean(), np.abs(array).mean(), array.std(), array.min(), array.max()


def compare_gradients(numbers):
    model, objective, dimages = ssd300_after_backward(numbers)
    yield Comparison("objective", "torchvision", [(objective, numbers["grad_objective_f64"])], FLOAT64)
    sums, places = [], []
    for i, gradient in gradients_of(model, numbers):
        stored = (numbers[f"grad_param_{kind}_f64"][i] for kind in ("sum", "abssum", "sqsum"))
        sums += pairs_of_gradient(gradient, *stored)
        places.append((gradient.ravel()[numbers["grad_param_idx"][i]], numbers["grad_param_val_f64"][i]))
    yield Comparison("gradients of all parameters, sums", "torchvision", sums, FLOAT64)
    yield Comparison("gradients of all parameters, 4 places", "torchvision", places, FLOAT64)
    of_input = pairs_of_gradient(dimages, *numbers["grad_input_sum_abssum_sqsum_f64"])
    of_input.append((dimages.ravel()[numbers["grad_input_idx"]], numbers["grad_input_val_f64"]))
    yield Comparison("gradient of the image", "torchvision", of_input, FLOAT64)
