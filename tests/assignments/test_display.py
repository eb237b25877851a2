"""Values and calls as text: what is shown can be pasted and gives the same, unless it is long."""

from types import SimpleNamespace

import numpy as np
import pytest

from minissd.assignments.display import call_text, shown
from minissd.assignments.submission import Given


@pytest.mark.parametrize(
    "array",
    [
        np.array([[0.0, 0.5], [1 / 3, -2.0]]),
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.array([True, False]),
        np.array(2.5),
        np.zeros((0, 4), np.float32),
        np.arange(48.0).reshape(2, 3, 8),
    ],
)
def test_a_pasted_array_is_the_array(array):
    again = eval(shown(array, pasted=True), {"np": np, "array": np.array})
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    np.testing.assert_allclose(again, array, rtol=1e-7)


def test_a_long_array_is_described():
    assert shown(np.arange(100.0)) == "array of shape (100,), float64, values from 0 to 99"
    undefined = np.where(np.arange(100) < 3, np.nan, 1.0)
    assert shown(undefined) == "array of shape (100,), float64, 3 of its values NaN"
    assert shown(np.zeros(100, bool)) == "array of shape (100,), bool"


@pytest.mark.parametrize(
    "value, text",
    [
        (None, "None"),
        (Given("minissd.config", "TINY"), "minissd.config.TINY"),
        ("cat", "'cat'"),
        (np.float32(0.5), "0.5"),
        ((np.array([1, 2]), 3), "([1, 2], 3)"),
        ([np.array([1, 2])], "[[1, 2]]"),
        ((1,), "(1,)"),
        (SimpleNamespace(boxes=np.array([1.5]), name="a"), "(boxes=[1.5], name='a')"),
        ("x" * 500, "'" + "x" * 99 + " ... " + "x" * 99 + "'"),
    ],
)
def test_shown(value, text):
    assert shown(value) == text


def test_whole_numbers_are_shown_without_exponents():
    assert shown(np.array([0.0, 12.0, 11012.0])) == "[    0.,    12., 11012.]"
    assert shown(np.array([0.00001, 11012.0])) == "[1.0000e-05, 1.1012e+04]"
    assert shown(np.array([1e20, 1.0])) == "[1.e+20, 1.e+00]"
    assert shown(np.array([np.inf, np.nan, 2.0])) == "[inf, nan,  2.]"


def test_a_long_list_of_arguments_is_told_by_its_first():
    pairs = [(np.arange(9.0) / 7, "cat")] * 20
    assert shown(pairs, pasted=True).startswith("20 in a list, the first of them\n(np.array([0.")
    assert len(shown(pairs, pasted=True)) < 200


def test_an_empty_array_can_be_pasted():
    assert shown(np.zeros((0, 4), bool), pasted=True) == "np.zeros((0, 4), bool)"


def test_a_short_call_is_one_line():
    assert call_text("iou", {"a": np.array([[0, 1]]), "k": 3}, "[0]") == "iou(np.array([[0, 1]]), 3)[0]"


def test_a_long_call_names_its_arguments():
    text = call_text("f", {"x": np.arange(6.0).reshape(3, 2), "long": np.zeros(100), "k": 2})
    assert text.splitlines() == [
        "f(x, long, k) with",
        "    x = np.array([[0., 1.],",
        "                  [2., 3.],",
        "                  [4., 5.]])",
        "    long = array of shape (100,), float64, values from 0 to 0",
        "    k = 2",
    ]
