"""A small base network with batch normalisation, for learning and for two CPU cores.

It has the shape of VGG16, 3x3 convolutions and 2x2 pooling with more channels the coarser the map, but
trains from scratch in minutes: 256 pixels in, source maps of side 32, 16, 8 and 4.
"""

from __future__ import annotations

from minissd.models.stage import Stage
from minissd.nn import ConvBlock, MaxPool2d

STEM_CHANNELS = (16, 32, 64)  # at side 256, 128 and 64; each is followed by pooling
SOURCE_CHANNELS = (64, 96, 96, 96)  # of the source maps


def tiny_stages(config, rng):
    """Build the stages of TinySSD.

    Parameters
    ----------
    config : SSDConfig
        With at most four feature maps.
    rng : numpy.random.Generator
        Draws the initial weights (He's).

    Returns
    -------
    list of Stage
        Their sources are conv4, conv5, conv6 and conv7.
    """
    layers, channels = [], 3
    for number, width in enumerate(STEM_CHANNELS, start=1):
        layers.append((f"conv{number}", ConvBlock(channels, width, 3, padding=1, batch_norm=True, rng=rng)))
        layers.append((f"pool{number}", MaxPool2d(2)))
        channels = width
    stages = []
    for number, width in enumerate(SOURCE_CHANNELS[: len(config.feature_maps)], start=4):
        if number > 4:
            layers.append((f"pool{number - 1}", MaxPool2d(2)))
        layers.append((f"conv{number}", ConvBlock(channels, width, 3, padding=1, batch_norm=True, rng=rng)))
        stages.append(Stage(layers, width))
        layers, channels = [], width
    return stages
