"""A small base network with batch normalisation, for learning and for two CPU cores.

It has the shape of VGG16, 3x3 convolutions and 2x2 pooling, but a first convolution of stride 2, few channels
and no layer that needs more than a moment: it trains from scratch in minutes. 256 pixels in, source maps of
side 32, 16, 8 and 4.
"""

from __future__ import annotations

from minissd.models.stage import Stage
from minissd.nn import ConvBlock, MaxPool2d

STEM_CHANNELS = (16, 32, 48)  # of conv1 and conv2, at side 128, and conv3, at side 64
SOURCE_CHANNELS = 64


def tiny_stages(config, rng):
    """Build the stages of TinySSD.

    Parameters
    ----------
    config : SSDConfig
        Its number of feature maps is the number of stages.
    rng : numpy.random.Generator
        Draws the initial weights (He's).

    Returns
    -------
    list of Stage
        Their sources are conv4_2, conv5_2, conv6_2 and conv7_2.
    """
    first, second, third = STEM_CHANNELS
    layers = [
        ("conv1", _block(3, first, rng, stride=2)),
        ("conv2", _block(first, second, rng)),
        ("pool2", MaxPool2d(2)),
        ("conv3", _block(second, third, rng)),
    ]
    stages, channels = [], third
    for number in range(4, 4 + len(config.feature_maps)):
        layers += [
            (f"pool{number - 1}", MaxPool2d(2)),
            (f"conv{number}_1", _block(channels, SOURCE_CHANNELS, rng)),
            (f"conv{number}_2", _block(SOURCE_CHANNELS, SOURCE_CHANNELS, rng)),
        ]
        stages.append(Stage(layers, SOURCE_CHANNELS))
        layers, channels = [], SOURCE_CHANNELS
    return stages


def _block(in_channels, out_channels, rng, stride=1):
    return ConvBlock(in_channels, out_channels, 3, stride=stride, padding=1, batch_norm=True, rng=rng)
