"""Checks of convolution, forwards and backwards."""

import numpy as np

from minissd.assignments.marking import points

from . import ALL_TWO, DILATED, PADDED, PLAIN, STRIDED, channels, maps, whole_numbers

# -- output_side --------------------------------------------------------------------------------------------


@points("output_side", 2)
def test_sides_of_ssd300(ask):
    """A 3x3 kernel with padding 1 keeps 300 at 300; fc6 (padding 6, dilation 6) keeps 19 at 19."""
    ask("output_side", 7, 7).equals(1)
    ask("output_side", 300, 3, padding=1).equals(300)
    ask("output_side", 19, 3, padding=6, dilation=6).equals(19)


@points("output_side", 2)
def test_a_kernel_that_reaches_over_the_end_does_not_count(ask):
    """A 2x2 kernel with stride 2 fits 37 times on a side of 75."""
    ask("output_side", 75, 2, stride=2).equals(37)
    ask("output_side", 19, 3, stride=2, padding=1).equals(10)
    ask("output_side", 12, 3, stride=3, dilation=3).equals(2)


@points("output_side", 1)
def test_a_kernel_that_does_not_fit(ask):
    """There are 0 places where the kernel is larger than the padded side."""
    ask("output_side", 3, 3, dilation=4).equals(0)
    ask("output_side", 2, 3, stride=2).equals(0)
    ask("output_side", 3, 3).equals(1)


# -- conv_forward -------------------------------------------------------------------------------------------


@points("conv_forward", 3)
def test_a_kernel_of_ones_adds_up_its_window(ask):
    """A 2x2 kernel of ones with bias 1 gives the sum of each window plus 1."""
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    ask("conv_forward", x, np.ones((1, 1, 2, 2)), np.array([1.0]), **PLAIN).is_close(maps([9, 13], [21, 25]))


@points("conv_forward", 2)
def test_the_kernel_is_not_turned(ask):
    """A kernel with a 1 at its upper left copies the upper left value of each window."""
    x, weight = np.arange(12.0).reshape(1, 1, 3, 4), maps([1, 0], [0, 0])
    ask("conv_forward", x, weight, None, **PLAIN).is_close(maps([0, 1, 2], [4, 5, 6]))


@points("conv_forward", 3)
def test_input_channels_are_added_up(ask):
    """Each output channel is a sum over the input channels, plus its own bias."""
    x = np.array([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # (1, 2, 1, 2)
    weight = np.array([[10.0, 1.0], [-1.0, 2.0]]).reshape(2, 2, 1, 1)
    expected = np.array([[[[113.0, 124.0]], [[205.0, 206.0]]]])
    ask("conv_forward", x, weight, np.array([100.0, 200.0]), **PLAIN).is_close(expected)


@points("conv_forward", 2)
def test_outside_the_map_there_are_zeros(ask):
    """With padding 1 the first window begins one row above and one column left of the map."""
    weight = maps([1, 0, 0], [0, 0, 0], [0, 0, 0])
    ask("conv_forward", maps([1, 2], [3, 4]), weight, None, **PADDED).is_close(maps([0, 0], [0, 1]))


@points("conv_forward", 2)
def test_stride(ask):
    """With stride 2 every second window counts, in rows and in columns."""
    x, weight = np.arange(20.0).reshape(1, 1, 4, 5), maps([1, 0], [0, 0])
    ask("conv_forward", x, weight, None, **STRIDED).is_close(maps([0, 2], [10, 12]))


@points("conv_forward", 2)
def test_dilation(ask):
    """With dilation 2 a kernel of side 2 looks at values two rows and two columns apart."""
    x, weight = np.arange(12.0).reshape(1, 1, 4, 3), maps([1, 10], [100, 1000])
    ask("conv_forward", x, weight, None, **DILATED).is_close(maps([8620], [11953]))


@points("conv_forward", 2)
def test_convolution_of_a_batch(ask, rng, reference):
    """Several images and channels, a map that is not square, stride, padding and dilation of 2, float32."""
    x, weight = (whole_numbers(rng, *shape, dtype=np.float32) for shape in ((2, 3, 5, 6), (2, 3, 3, 3)))
    arguments = x, weight, np.array([5, -5], np.float32)
    answer = ask("conv_forward", *arguments, **ALL_TWO)
    answer.is_close(reference.conv_forward(*arguments, **ALL_TWO)).has(dtype=np.float32)


# -- conv_backward ------------------------------------------------------------------------------------------


def gradients(ask, dy, x, weight, **geometry):
    """What `conv_backward` answers: dx, dweight, dbias."""
    return ask("conv_backward", dy, x, weight, **geometry).parts(3)


@points("conv_backward", 4)
def test_two_windows_with_a_column_in_common(ask):
    """The example of the docstring: a value in two windows gets the sum of what both send back."""
    dy, x, weight = maps([1, 10]), maps([1, 2, 3], [4, 5, 6]), maps([1, 2], [3, 4])
    dx, dweight, _ = gradients(ask, dy, x, weight, **PLAIN)
    dx.is_close(maps([1, 12, 20], [3, 34, 40]))
    dweight.is_close(maps([21, 32], [54, 65]))


@points("conv_backward", 2)
def test_the_bias_was_added_everywhere(ask):
    """The gradient of a bias is a sum over all images, rows and columns."""
    dy = np.array([[[1.0, 2.0], [10.0, 20.0]], [[3.0, 4.0], [30.0, 40.0]]]).reshape(2, 2, 1, 2)
    _, _, dbias = gradients(ask, dy, np.ones((2, 1, 1, 2)), np.ones((2, 1, 1, 1)), **PLAIN)
    dbias.is_close([10, 100])


@points("conv_backward", 3)
def test_images_are_added_up(ask):
    """A weight takes part in every image: a 1x1 kernel on two images of two values."""
    dy, x = (np.array(v).reshape(2, 1, 1, 2) for v in ([1.0, 2.0, 1.0, 10.0], [1.0, 2.0, 3.0, 4.0]))
    _, dweight, _ = gradients(ask, dy, x, maps([2]), **PLAIN)
    dweight.is_close(maps([1 + 4 + 3 + 40]))


@points("conv_backward", 2)
def test_output_channels_are_added_up_in_dx(ask):
    """An input channel gets something back from every output channel, each through its own weight."""
    weight = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)
    dx, dweight, _ = gradients(ask, channels(1, 10), channels(2, 3), weight, **PLAIN)
    dx.is_close(channels(31, 42))
    dweight.is_close(np.array([[2, 3], [20, 30]]).reshape(2, 2, 1, 1))


@points("conv_backward", 3)
def test_the_padding_gets_nothing(ask):
    """With padding 1 dx has the shape of x, and what belongs to the padding is dropped."""
    dy, x, weight = maps([1, 2], [3, 4]), maps([5, 6], [7, 8]), maps([1, 2, 3], [4, 5, 6], [7, 8, 9])
    dx, dweight, _ = gradients(ask, dy, x, weight, **PADDED)
    dx.is_close(maps([23, 33], [53, 63]))
    dweight.is_close(maps([20, 39, 18], [38, 70, 30], [14, 23, 8]))


@points("conv_backward", 2)
def test_stride_on_the_way_back(ask):
    """With stride 2 two windows of 2x2 lie side by side; a last column that is in no window gets 0."""
    dy, x, weight = maps([1, 10]), maps([1, 2, 3, 4, 5], [6, 7, 8, 9, 0]), maps([1, 2], [3, 4])
    dx, dweight, _ = gradients(ask, dy, x, weight, **STRIDED)
    dx.is_close(maps([1, 2, 10, 20, 0], [3, 4, 30, 40, 0]))
    dweight.is_close(maps([31, 42], [86, 97]))


@points("conv_backward", 2)
def test_dilation_on_the_way_back(ask):
    """With dilation 2 the four weights of a 2x2 kernel send back to the corners of a 3x3 map."""
    x, weight = np.arange(1.0, 10.0).reshape(1, 1, 3, 3), maps([1, 2], [3, 4])
    dx, dweight, _ = gradients(ask, maps([10]), x, weight, **DILATED)
    dx.is_close(maps([10, 0, 20], [0, 0, 0], [30, 0, 40]))
    dweight.is_close(maps([10, 30], [70, 90]))


@points("conv_backward", 3)
def test_gradients_of_a_batch(ask, rng, reference):
    """Several images and channels, a map that is not square, stride, padding and dilation of 2, float32."""
    shapes = (2, 2, 3, 3), (2, 3, 5, 6), (2, 3, 3, 3)
    arrays = [whole_numbers(rng, *shape, dtype=np.float32) for shape in shapes]
    dx, dweight, _ = gradients(ask, *arrays, **ALL_TWO)
    expected = reference.conv_backward(*arrays, **ALL_TWO)
    dx.is_close(expected[0]).has(dtype=np.float32)
    dweight.is_close(expected[1]).has(dtype=np.float32)
