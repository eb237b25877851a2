"""The base network of the paper: VGG16 without its classifier, and the extra layers behind it.

Changed against VGG16 (paper, section 3): fc6 and fc7 became convolutions, fc6 with 3x3 of its 7x7 weights
spread out by dilation 6; pool5 went from 2x2 stride 2 to 3x3 stride 1, so that fc6 sees a map of 19x19;
pool3 rounds its size up (75 to 38), as pooling in Caffe always does. Dropout and fc8 are gone.
"""

from __future__ import annotations

from minissd.models.stage import Stage
from minissd.nn import ConvBlock, L2Norm, MaxPool2d

CONV4_3_SCALE = 20.0  # initial scale of the L2 normalisation, paper section 3.1

# Extra layers, two to a stage, per size of the input: (kernel, stride, padding) of the second.
EXTRA_LAYERS = {
    300: ((3, 2, 1), (3, 2, 1), (3, 1, 0), (3, 1, 0)),
    512: ((3, 2, 1), (3, 2, 1), (3, 2, 1), (3, 2, 1), (4, 1, 1)),
}


def vgg16_stages(config, rng):
    """Build the stages of SSD300 or SSD512.

    Parameters
    ----------
    config : SSDConfig
        ``len(config.feature_maps)`` decides between the layers of SSD300 (6 maps) and SSD512 (7);
        ``l2norm_guard`` and ``l2norm_epsilon`` are those of conv4_3's normalisation.
    rng : numpy.random.Generator
        Draws the initial weights: He's for the base, Caffe's "xavier" for the extra layers.

    Returns
    -------
    list of Stage
        Their sources are conv4_3, fc7, conv8_2, conv9_2, conv10_2, conv11_2 and for SSD512 conv12_2.
    """
    extra_layers = EXTRA_LAYERS[300 if len(config.feature_maps) == 6 else 512]
    stages = [_to_conv4_3(config, rng), _to_fc7(rng)]
    channels = 1024
    for number, shape in enumerate(extra_layers, start=8):
        narrow, wide = (256, 512) if number == 8 else (128, 256)
        stages.append(_extra_stage(number, channels, narrow, wide, shape, rng))
        channels = wide
    return stages


def _to_conv4_3(config, rng):
    layers, channels = [], 3
    for group, (depth, width) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512)], start=1):
        if group > 1:
            layers.append((f"pool{group - 1}", MaxPool2d(2, ceil_mode=True)))
        for number in range(1, depth + 1):
            layers.append((f"conv{group}_{number}", ConvBlock(channels, width, 3, padding=1, rng=rng)))
            channels = width
    norm = L2Norm(channels, CONV4_3_SCALE, config.l2norm_epsilon, config.l2norm_guard)
    return Stage(layers, channels, norm=("conv4_3_norm", norm))


def _to_fc7(rng):
    layers = [("pool4", MaxPool2d(2, ceil_mode=True))]
    layers += [(f"conv5_{number}", ConvBlock(512, 512, 3, padding=1, rng=rng)) for number in (1, 2, 3)]
    layers += [
        ("pool5", MaxPool2d(3, stride=1, padding=1)),
        ("fc6", ConvBlock(512, 1024, 3, padding=6, dilation=6, rng=rng)),
        ("fc7", ConvBlock(1024, 1024, 1, rng=rng)),
    ]
    return Stage(layers, 1024)


def _extra_stage(number, channels, narrow, wide, shape, rng):
    kernel, stride, padding = shape
    squeeze = ConvBlock(channels, narrow, 1, rng=rng, init="xavier")
    expand = ConvBlock(narrow, wide, kernel, stride=stride, padding=padding, rng=rng, init="xavier")
    return Stage([(f"conv{number}_1", squeeze), (f"conv{number}_2", expand)], wide)
