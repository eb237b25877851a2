"""Checks of the gradient check."""

import numpy as np

from minissd.assignments.marking import points
from minissd.assignments.submission import Given


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
