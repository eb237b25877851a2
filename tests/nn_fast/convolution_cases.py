"""What the tests of the fast convolutions share: cases, and how to run and compare them."""

import numpy as np
import pytest

from minissd.nn import conv_im2col, conv_loops
from minissd.nn.conv_shape import output_side
from minissd.nn.fast.choose import AUTO, DIRECT, WINOGRAD
from minissd.nn.fast.layout import empty_channels_last

ALGORITHMS = {
    "loops": conv_loops,
    "im2col": conv_im2col,
    "winograd": WINOGRAD,
    "direct": DIRECT,
    "auto": AUTO,
}
TOLERANCE = 2e-5  # of the largest value

# input shape, output channels, kernel, stride, padding, dilation
CASES = {
    "one-tile": ((1, 16, 4, 4), 16, 3, 1, 1, 1),
    "odd-sizes": ((2, 16, 13, 7), 32, 3, 1, 1, 1),
    "ragged-channels": ((2, 5, 9, 6), 19, 3, 1, 1, 1),
    "more-than-one-vector": ((1, 37, 6, 5), 50, 3, 1, 1, 1),
    "one-channel": ((2, 1, 5, 5), 1, 3, 1, 1, 1),
    "one-row": ((1, 3, 1, 9), 4, 3, 1, 1, 1),
    "one-column": ((1, 3, 9, 1), 4, 3, 1, 1, 1),
    "one-place": ((3, 2, 1, 1), 2, 3, 1, 1, 1),
    "no-padding": ((1, 4, 8, 9), 3, 3, 1, 0, 1),
    "padding-2": ((1, 4, 5, 6), 3, 3, 1, 2, 1),
    "padding-beyond-the-kernel": ((1, 2, 4, 3), 3, 3, 1, 5, 1),
    "dilation-2": ((2, 4, 11, 8), 5, 3, 1, 2, 2),
    "dilation-6": ((1, 3, 19, 17), 5, 3, 1, 6, 6),
    "dilation-above-the-side": ((1, 2, 3, 4), 3, 3, 1, 7, 7),
    "dilation-16-channels": ((1, 16, 9, 7), 32, 3, 1, 2, 2),
    "channels-15": ((2, 15, 7, 6), 17, 3, 1, 1, 1),
    "channels-47": ((1, 47, 5, 8), 31, 3, 1, 1, 1),
    "two-rows": ((2, 16, 2, 11), 16, 3, 1, 1, 1),
    "one-tile-and-a-row": ((1, 16, 5, 4), 16, 3, 1, 1, 1),
    "many-channels-few-places": ((1, 96, 5, 5), 160, 3, 1, 1, 1),
    "many-places": ((3, 8, 40, 44), 16, 3, 1, 1, 1),
    "no-images": ((0, 4, 6, 6), 8, 3, 1, 1, 1),
    "no-images-many-weights": ((0, 160, 5, 5), 256, 3, 1, 1, 1),
    "no-images-stride-2": ((0, 4, 6, 6), 8, 3, 2, 1, 1),
    "1x1-no-images": ((0, 4, 6, 6), 8, 1, 1, 0, 1),
    "many-weights": ((2, 160, 6, 5), 256, 3, 1, 1, 1),
    "1x1-many-weights": ((1, 512, 7, 8), 544, 1, 1, 0, 1),
    "stride-2": ((2, 5, 10, 13), 18, 3, 2, 1, 1),
    "stride-3": ((1, 20, 9, 8), 4, 2, 3, 0, 1),
    "stride-2-dilated": ((1, 3, 12, 9), 4, 3, 2, 2, 2),
    "stride-beyond-the-kernel": ((1, 3, 10, 10), 4, 2, 3, 1, 1),
    "1x1": ((2, 33, 3, 5), 17, 1, 1, 0, 1),
    "1x1-stride-2": ((1, 16, 5, 6), 8, 1, 2, 0, 1),
    "1x1-padded": ((1, 2, 3, 2), 2, 1, 1, 1, 1),
    "1x1-one-row": ((1, 18, 1, 31), 5, 1, 1, 0, 1),
    "stride-2-one-row": ((2, 16, 1, 12), 16, 3, 2, 1, 1),
    "stride-2-many-weights": ((1, 160, 7, 6), 272, 3, 2, 1, 1),
    "4x4-to-one-place": ((2, 16, 2, 2), 32, 4, 1, 1, 1),
    "5x5-first-layer": ((1, 3, 12, 12), 8, 5, 1, 2, 1),
    "stride-2-many-channels": ((1, 64, 9, 9), 160, 3, 2, 1, 1),
}


def applies(name, case):
    """Winograd's algorithm is for 3x3 of stride 1; the loops would take minutes for the large ones."""
    shape, outputs, kernel, stride, _, _ = CASES[case]
    if name == "loops":
        return np.prod(shape) * outputs < 20000
    return name != "winograd" or (kernel, stride) == (3, 1)


def with_cases(*names, cases=tuple(CASES)):
    """Parametrise with every algorithm and every case that it is for."""
    pairs = [(name, case) for name in names for case in cases if applies(name, case)]
    return pytest.mark.parametrize(("name", "case"), pairs)


def arrays(case, rng, dtype=np.float32):
    """x, weight, bias, dy and (stride, padding, dilation) of a case."""
    shape, outputs, kernel, *geometry = CASES[case]
    sides = [output_side(side, kernel, *geometry) for side in shape[2:]]
    x = rng.standard_normal(shape).astype(dtype)
    weight = rng.standard_normal((outputs, shape[1], kernel, kernel)).astype(dtype)
    dy = rng.standard_normal((shape[0], outputs, *sides)).astype(dtype)
    return x, weight, rng.standard_normal(outputs).astype(dtype), dy, geometry


def run(algorithm, x, weight, bias, dy, geometry):
    y = algorithm.forward(x, weight, bias, *geometry)
    return y, *algorithm.backward(dy, x, weight, *geometry)


def assert_close(results, expected, tolerance=TOLERANCE):
    for name, result, right in zip(("y", "dx", "dweight", "dbias"), results, expected):
        assert result.shape == right.shape, name
        if right.size:
            error = np.abs(result - right).max() / max(np.abs(right).max(), 1e-30)
            assert error < tolerance, f"{name}: largest error {error:.1e} of the largest value"


def in_float64(x, weight, bias, dy, geometry):
    return run(conv_im2col, *(a.astype(np.float64) for a in (x, weight, bias, dy)), geometry)


def channels_last(x):
    y = empty_channels_last(x.shape, x.dtype)
    y[...] = x
    return y


def every_other(x):
    """The same numbers in memory that has gaps and runs backwards."""
    gaps = np.full((*x.shape[:3], 2 * x.shape[3]), np.nan, x.dtype)[..., ::-2]
    gaps[...] = x
    return gaps


def read_only(x):
    x = channels_last(x)
    x.flags.writeable = False
    return x
