"""Comparison: what counts as equal, and what is said where two values differ."""

from types import SimpleNamespace

import numpy as np
import pytest

from minissd.assignments.comparison import difference, is_numeric, lookalike, shown_number

NAN = float("nan")


@pytest.mark.parametrize(
    "came, expected",
    [
        (1, 1.0),
        ([1, 2], np.array([1.0, 2.0])),
        (np.float32(0.5), 0.5),
        (np.array(True), True),
        ([[NAN, 1.0]], np.array([[NAN, 1.0]])),
        (np.array([np.inf]), [np.inf]),
        ([np.zeros(2), np.ones(3)], (np.zeros(2), np.ones(3))),
        ((np.ones(2), "cat", None), (np.ones(2), "cat", None)),
        ({"a": [1, 2]}, {"a": np.array([1, 2])}),
        (SimpleNamespace(x=1.0), SimpleNamespace(x=1)),
        (None, None),
        (np.zeros((0, 4)), np.zeros((0, 4))),
        ([[1], [1, 2]], [[1], [1, 2]]),
    ],
)
def test_equal(came, expected):
    assert difference(came, expected) is None


@pytest.mark.parametrize(
    "came, expected, sentence",
    [
        (None, [1.0], "Nothing came: the function returned None. Does every way through it end in a return?"),
        ([1.0, 2.0], [[1.0, 2.0]], "The shape is (2,) instead of (1, 2)."),
        ("cat", 1.0, "'cat' came instead of a number."),
        ("cat", [1.0], "'cat' came instead of an array of numbers."),
        ([[1.0], [1.0, 2.0]], [1.0], "A list came instead of an array of numbers."),
        ([None, 1.0], [1.0, 2.0], "A list that holds None came instead of an array of numbers."),
        (np.ones((3, 2)), (np.ones(2), 1), "An array of shape (3, 2) came instead of 2 values."),
        ([1.0, NAN, 5.0], [1.0, 0.5, 4.0], "1 of 3 values differs: nan instead of 0.5 at [1]."),
        ([[1, 2], [4, 4]], [[1, 2], [3, 5]], "2 of 4 values differ; the first: 4 instead of 3 at [1, 0]."),
        (2.0, 3.0, "2 instead of 3."),
        (np.float64(1 + 1e-8), 1.0, "1.00000001 instead of 1."),
        ([True, False], [True, True], "1 of 2 values differs: False instead of True at [1]."),
        ((1.0, 2.0), (1.0, "a"), "Value 2 of 2: 2.0 came instead of 'a'."),
        ((np.ones(2),), (np.ones(2), np.ones(3)), "1 values came instead of 2."),
        (1.0, (np.ones(2), "b"), "1.0 came instead of 2 values."),
        ({"a": 1}, {"a": 1, "b": 2}, "'b' is missing."),
        ({"a": 1, "c": 2}, {"a": 1}, "'c' is too much."),
        (SimpleNamespace(x=1), {"x": 2}, "x: 1 instead of 2."),
        ([1.0], {"x": 2}, "A list came instead of one with the fields x."),
        ("cat", "dog", "'cat' came instead of 'dog'."),
        (np.ones(3), "dog", "An array of shape (3,) came instead of 'dog'."),
        (0, None, "0 came instead of None."),
    ],
)
def test_different(came, expected, sentence):
    assert difference(came, expected) == sentence


def test_what_is_not_finite_is_told_before_smaller_things():
    came, expected = np.array([0.0, np.inf, np.nan]), np.array([1.0, 2.0, np.nan])
    assert difference(came, expected) == "1 of 3 values differs: inf instead of 2 at [1]."


def test_tolerance():
    assert difference([1.0 + 1e-7], [1.0], rtol=1e-6) is None
    assert difference([1.0 + 1e-5], [1.0], rtol=1e-6) == "1.00001 instead of 1."
    assert difference([1e-9], [0.0], atol=1e-8) is None
    assert difference([2**53 + 1], [2**53]) is not None  # exact, also where a float is not


@pytest.mark.parametrize(
    "came, expected, sentence",
    [
        (
            np.arange(6.0).reshape(2, 3),
            np.arange(6.0).reshape(2, 3).T,
            "It is the transpose of what was expected.",
        ),
        ([[1.0, 2.0]], [1.0, 2.0], "The values are right, only the shape is not."),
        ([True, False], [False, True], "It is True where False is right."),
        (-0.5, 0.5, "The sign is the wrong way round."),
        ([0.5, 0.0, 1.0], [1.0, 0.0, 2.0], "Every value is 0.5 times what it should be."),
        ([2.0, 3.0, 5.0], [1.0, 2.0, 4.0], "Every value is 1 too large."),
        ([2, 0, 1], [0, 1, 2], "The values are right, but in another order."),
        (
            np.array([1 / 3, 2 / 3], np.float32),
            [1 / 3, 2 / 3],
            "The values are right to the precision of float32 only. Was something converted to it?",
        ),
        (np.array([0.25, 0.5], np.float32), [1.0, 2.0], "Every value is 0.25 times what it should be."),
        ([1.0, 7.0], [1.0, 2.0], ""),
        ([2.0], [1.0], ""),
        ([0.0, 0.0], [1.0, 2.0], ""),
        (np.zeros(0), np.zeros((0, 4)), "The values are right, only the shape is not."),
        (np.zeros((2, 2)), np.zeros(3), ""),
        ("cat", [1.0], ""),
        ([1.0], "cat", ""),
        ([NAN, 1.0], [1.0, 2.0], ""),
    ],
)
def test_lookalike(came, expected, sentence):
    assert lookalike(came, expected, 1e-6, 1e-9) == sentence


def test_what_is_numeric():
    assert all(map(is_numeric, (1, True, 1.5, np.float32(1), np.ones(2), [[1, 2], [3, 4]], (1, 2))))
    assert not any(map(is_numeric, ("1", None, [], [[1], [1, 2]], [np.ones(2)], np.array(["a"]), {"a": 1})))


def test_digits():
    assert shown_number(0.1 + 0.2) == "0.3"
    assert shown_number(0.1 + 0.2, 0.3) == "0.30000000000000004"
    assert shown_number(3, 4) == "3"
