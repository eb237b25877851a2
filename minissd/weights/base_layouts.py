"""Whose names: the layouts of a VGG16 that has learned to classify images."""

from __future__ import annotations

from dataclasses import dataclass

from minissd.weights.layouts import BGR, IMAGENET_STD, PLACES, RGB, UNIT_STD, VGG_LAYERS, in_sequence

NUM_CONVOLUTIONS = 13  # the layers before fc6


@dataclass(frozen=True)
class BaseLayout:
    """How one implementation names the layers of VGG16.

    Attributes
    ----------
    name : str
    layers : tuple of str
        Names of the layers in `VGG_LAYERS`; fc6 and fc7 may be fully connected.
    channel_order, std_rgb
        As in `minissd.weights.layouts.Layout`.
    """

    name: str
    layers: tuple[str, ...]
    channel_order: str = RGB
    std_rgb: tuple[float, float, float] = UNIT_STD


BASE_LAYOUTS = (
    BaseLayout("amdegroot's vgg16_reducedfc", in_sequence("")),
    BaseLayout(
        "torchvision's vgg16",
        (*in_sequence("features.", PLACES[:NUM_CONVOLUTIONS]), "classifier.0", "classifier.3"),
        std_rgb=IMAGENET_STD,
    ),
    BaseLayout("Caffe's VGG16", VGG_LAYERS, channel_order=BGR),
)


def recognize_base(names):
    """Return the base layout whose convolutions are all among these names of arrays, or None."""
    for layout in BASE_LAYOUTS:
        if all(f"{layer}.weight" in names for layer in layout.layers[:NUM_CONVOLUTIONS]):
            return layout
    return None
