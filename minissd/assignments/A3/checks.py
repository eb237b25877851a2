"""Checks of A3: convolution forwards and backwards, the gradient check, columns, pooling, L2 normalisation.

The numbers are small and whole, so that a student can follow them, and sums of them are exact in float32.
"""

import numpy as np

from minissd.assignments.marking import points
from minissd.assignments.submission import Given

PLAIN = {"stride": 1, "padding": 0, "dilation": 1}
STRIDED, PADDED, DILATED = PLAIN | {"stride": 2}, PLAIN | {"padding": 1}, PLAIN | {"dilation": 2}
ALL_TWO = {"stride": 2, "padding": 2, "dilation": 2}


def maps(*rows):
    """One image with one channel, (1, 1, H, W)."""
    return np.array(rows, float)[None, None]


def channels(*values):
    """One image of a single place, with these channels, (1, C, 1, 1)."""
    return np.array(values, float).reshape(1, -1, 1, 1)


def whole_numbers(rng, *shape, dtype=float):
    """Random numbers from -3 to 3."""
    return rng.integers(-3, 4, shape).astype(dtype)


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


# -- gradient_check -----------------------------------------------------------------------------------------


@points("gradient_check", 3)
def test_differences_are_central(ask):
    """The variance of two numbers is a parabola: central differences are exact, even with a step of 1/2."""
    ask("numerical_gradient", Given("numpy", "var"), np.array([1.0, 3.0]), step=0.5).is_close([-1, 1])


@points("gradient_check", 2)
def test_gradient_of_a_determinant(ask):
    """The gradient by a matrix is a matrix: that of ad - bc is [[d, -c], [-b, a]]."""
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    ask("numerical_gradient", Given("numpy.linalg", "det"), x).is_close([[5, -3], [-2, 1]])


@points("gradient_check", 2)
def test_gradient_of_a_length(ask, rng):
    """The length of a vector grows in the direction of the vector: its gradient is x / |x|."""
    x = rng.standard_normal(6)
    ask("numerical_gradient", Given("numpy.linalg", "norm"), x).is_close(x / np.linalg.norm(x))


@points("gradient_check", 2)
def test_largest_difference_over_largest_magnitude(ask):
    """[1, 100] and [2, 100] differ by 1 at the most, and 100 is the largest magnitude: 0.01."""
    ask("relative_error", np.array([1.0, 100.0]), np.array([2.0, 100.0])).is_close(0.01)


@points("gradient_check", 1)
def test_magnitudes_are_absolute_values_of_both(ask):
    """-5 is larger in magnitude than 1, and it does not matter which array it is in."""
    ask("relative_error", np.array([-4.0, 1.0]), np.array([-5.0, 1.0])).is_close(0.2)
    ask("relative_error", np.array([-5.0, 1.0]), np.array([-4.0, 1.0])).is_close(0.2)


@points("gradient_check", 1)
def test_zeros_are_equal(ask):
    """Two arrays of zeros have the error 0, one of zeros and one of ones have the error 1."""
    ask("relative_error", np.zeros(2), np.ones(2)).is_close(1.0)
    ask("relative_error", np.zeros(2), np.zeros(2)).is_close(0.0)


@points("gradient_check", 1)
def test_error_of_any_two_arrays(ask, rng, reference):
    """Random arrays with two axes that differ a little."""
    a = rng.standard_normal((3, 4))
    b = a + 0.1 * rng.standard_normal((3, 4))
    ask("relative_error", a, b).is_close(reference.relative_error(a, b))


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


# -- im2col -------------------------------------------------------------------------------------------------


def columns_back(ask, dcolumns, dx, *geometry):
    """What is in dx after `col2im`: the second of its arguments, behind the result."""
    return ask.in_place("col2im", dcolumns, dx, *geometry)[2]


@points("im2col", 3)
def test_windows_become_columns(ask):
    """The example of the docstring: a window of 2x2 is a column, a weight is a row."""
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    expected = np.array([[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]])
    ask("im2col", x, (1, 2, 2, 1, 2, 2), 0, **PLAIN).is_close(expected.reshape(1, 2, 2, 1, 2, 2))


@points("im2col", 2)
def test_channels_come_before_images(ask):
    """Channels are rows of the matrix, images are among its columns."""
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).reshape(2, 3, 1, 1)  # two images, three channels
    expected = np.array([[1, 4], [2, 5], [3, 6]]).reshape(3, 1, 1, 2, 1, 1)
    ask("im2col", x, (3, 1, 1, 2, 1, 1), 0, **PLAIN).is_close(expected)


@points("im2col", 2)
def test_columns_of_some_rows(ask):
    """The columns of one row of the output are a part of all columns."""
    x = np.arange(15.0).reshape(1, 1, 5, 3)
    expected = np.array([6, 7, 9, 10]).reshape(1, 2, 2, 1, 1, 1)
    ask("im2col", x, (1, 2, 2, 1, 1, 1), 1, **STRIDED).is_close(expected)


@points("im2col", 3)
def test_columns_of_a_batch(ask, rng, reference):
    """Several images and channels, with stride, padding and dilation of 2, float32."""
    x, shape = whole_numbers(rng, 2, 3, 7, 6, dtype=np.float32), (3, 3, 3, 2, 2, 3)
    answer = ask("im2col", x, shape, first_row=1, **ALL_TWO)
    answer.is_close(reference.im2col(x, shape, first_row=1, **ALL_TWO)).has(dtype=np.float32)


@points("im2col", 3)
def test_columns_are_added_to_their_patches(ask):
    """Columns of ones count how many windows contain each place."""
    dx = columns_back(ask, np.ones((1, 2, 2, 1, 2, 2)), np.zeros((1, 1, 3, 3)), 0, 1, 0, 1)
    dx.is_close(maps([1, 2, 1], [2, 4, 2], [1, 2, 1]))


@points("im2col", 2)
def test_what_dx_held_is_kept(ask):
    """col2im adds to what is in dx already."""
    dcolumns, held = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1, 1, 1), maps([10, 20], [30, 40])
    columns_back(ask, dcolumns, held, 0, 1, 0, 1).is_close(maps([11, 22], [33, 44]))


@points("im2col", 3)
def test_columns_of_a_batch_go_back(ask, rng, reference):
    """Several images and channels, with stride, padding and dilation of 2."""
    dcolumns, held = whole_numbers(rng, 3, 3, 3, 2, 2, 3), whole_numbers(rng, 2, 3, 7, 6)
    expected = held.copy()
    reference.col2im(dcolumns, expected, 1, 2, 2, 2)
    columns_back(ask, dcolumns, held, 1, 2, 2, 2).is_close(expected)


# -- pooling ------------------------------------------------------------------------------------------------


def pooled(ask, x, y_shape, kernel, stride, padding):
    """What `pool_forward` answers: y and winner."""
    return ask("pool_forward", x, y_shape, kernel=kernel, stride=stride, padding=padding).parts(2)


@points("pooling", 2)
def test_largest_values(ask):
    """Two windows of 2x2, side by side."""
    y, _ = pooled(ask, maps([1, 5, 2, 0], [3, 4, 0, 7]), (1, 1, 1, 2), 2, 2, 0)
    y.is_close(maps([5, 7]))


@points("pooling", 2)
def test_where_the_largest_values_stand(ask):
    """The example of the docstring: 5 at the upper right of its window, 7 at the lower right."""
    _, winner = pooled(ask, maps([1, 5, 2, 0], [3, 4, 0, 7]), (1, 1, 1, 2), 2, 2, 0)
    winner.equals(maps([1, 3]))


@points("pooling", 1)
def test_of_equal_values_the_first_wins(ask):
    """Where two values are equal, the first one, row by row, receives the gradient."""
    _, winner = pooled(ask, maps([0, 3, 0, 0], [3, 0, 0, 0]), (1, 1, 1, 2), 2, 2, 0)
    winner.equals(maps([1, 0]))


@points("pooling", 2)
def test_the_border_never_wins(ask):
    """All values are negative, and every window of 3x3 reaches over the border."""
    y, _ = pooled(ask, maps([-1, -2], [-3, -4], [-6, -5]), (1, 1, 2, 1), 3, 2, 1)
    y.is_close(maps([-1], [-3]))


@points("pooling", 1)
def test_places_outside_the_map_are_counted_too(ask):
    """With padding 1 the upper left value of the map is the middle of the first window of 3x3: place 4."""
    _, winner = pooled(ask, maps([9, 2], [3, 8], [6, 5]), (1, 1, 2, 1), 3, 2, 1)
    winner.equals(maps([4], [2]))


@points("pooling", 2)
def test_the_last_window_may_be_cut(ask):
    """Three values a side, two windows of 2x2: those at the end see what is left of the map, in float32."""
    x = -np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    y, _ = pooled(ask, x, (1, 1, 2, 2), 2, 2, 0)
    y.is_close(maps([-1, -3], [-7, -9])).has(dtype=np.float32)


@points("pooling", 2)
def test_a_value_that_won_two_windows_gets_both_gradients(ask):
    """Windows of 2x2 with stride 1: the middle of the row wins both."""
    winner = maps([1, 0]).astype(np.uint8)
    answer = ask("pool_backward", maps([10, 5]), winner, (1, 1, 2, 3), kernel=2, stride=1, padding=0)
    answer.is_close(maps([0, 15, 0], [0, 0, 0]))


@points("pooling", 2)
def test_gradients_of_pooling_go_back_over_the_padding(ask, rng, reference):
    """Windows of 3x3 with stride 2 and padding 1, on two images with two channels."""
    x, dy = whole_numbers(rng, 2, 2, 5, 6), whole_numbers(rng, 2, 2, 3, 3)
    winner = reference.pool_forward(x, dy.shape, 3, 2, 1)[1]
    answer = ask("pool_backward", dy, winner, x.shape, kernel=3, stride=2, padding=1)
    answer.is_close(reference.pool_backward(dy, winner, x.shape, 3, 2, 1))


# -- l2norm_forward -----------------------------------------------------------------------------------------


@points("l2norm_forward", 2)
def test_three_and_four_have_length_five(ask):
    """The channels (3, 4) have length 5; with the factors 10 and 20 they become (6, 16)."""
    y, norm = ask("l2norm_forward", channels(3, 4), np.array([10.0, 20.0]), eps=0.0).parts(2)
    y.is_close(channels(6, 16))
    norm.is_close(maps([5]))


@points("l2norm_forward", 1)
def test_every_place_by_itself(ask):
    """Two places, two channels: (3, 4) becomes (0.6, 0.8), and (0, 2) becomes (0, 1)."""
    x = np.array([[3.0, 0.0], [4.0, 2.0]]).reshape(1, 2, 1, 2)
    y, norm = ask("l2norm_forward", x, np.array([1.0, 10.0]), eps=0.0).parts(2)
    y.is_close(np.array([[0.6, 0], [8, 10]]).reshape(1, 2, 1, 2))
    norm.is_close(maps([5, 2]))


@points("l2norm_forward", 1)
def test_epsilon_is_under_the_root(ask):
    """With eps = 9 a single channel of 4 has the norm sqrt(16 + 9) = 5; one of 0 stays 0."""
    y, norm = ask("l2norm_forward", maps([4, 0]), np.array([10.0]), eps=9.0).parts(2)
    norm.is_close(maps([5, 3]))
    y.is_close(maps([8, 0]))


@points("l2norm_forward", 1)
def test_normalisation_of_a_batch(ask, rng, reference):
    """Two images with four channels, in float32."""
    x, weight = whole_numbers(rng, 2, 4, 3, 4, dtype=np.float32), whole_numbers(rng, 4, dtype=np.float32)
    y, norm = ask("l2norm_forward", x, weight, eps=0.25).parts(2)
    expected = reference.l2norm_forward(x, weight, eps=0.25)
    y.is_close(expected[0], rtol=1e-5, atol=1e-6).has(dtype=np.float32)
    norm.is_close(expected[1], rtol=1e-5).has(dtype=np.float32)


# -- l2norm_backward ----------------------------------------------------------------------------------------


@points("l2norm_backward", 3)
def test_what_makes_x_longer_changes_nothing(ask):
    """At x = (3, 4), dy = (5, 0) becomes dx = (0.64, -0.48), which is at right angles to x."""
    dx, _ = ask("l2norm_backward", channels(5, 0), channels(3, 4), maps([5]), np.ones(2)).parts(2)
    dx.is_close(channels(0.64, -0.48))


@points("l2norm_backward", 2)
def test_every_channel_has_a_factor_of_its_own(ask):
    """With the factors 10 and 5 what goes back through the norm is weighted with them, too."""
    factors = np.array([10.0, 5.0])
    dx, _ = ask("l2norm_backward", channels(1, 2), channels(3, 4), maps([5]), factors).parts(2)
    dx.is_close(channels(0.32, -0.24))


@points("l2norm_backward", 2)
def test_factors_take_part_at_every_place(ask):
    """One channel, two images of two places: the gradient of the factor is the sum of all four."""
    x, dy = (np.array(v).reshape(2, 1, 1, 2) for v in ([2.0, 2.0, -2.0, 2.0], [1.0, 10.0, 100.0, 1000.0]))
    _, dweight = ask("l2norm_backward", dy, x, np.full((2, 1, 1, 2), 2.0), np.array([3.0])).parts(2)
    dweight.is_close([911])


@points("l2norm_backward", 2)
def test_gradients_of_the_normalisation_of_a_batch(ask, rng, reference):
    """Two images with three channels, where epsilon is part of the norm."""
    x, dy = rng.standard_normal((2, 2, 3, 2, 4))
    weight = rng.standard_normal(3)
    norm = reference.l2norm_forward(x, weight, 0.5)[1]
    expected = reference.l2norm_backward(dy, x, norm, weight)
    dx, dweight = ask("l2norm_backward", dy, x, norm, weight).parts(2)
    dx.is_close(expected[0])
    dweight.is_close(expected[1])
