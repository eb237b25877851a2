"""Docstrings for students: only what is to go has gone."""

import pytest

from minissd.assignments.docstrings import mentioned, replaced, trimmed
from minissd.errors import InputError

TEXT = r"""Suppress boxes.

An inclusive threshold, in words, is no parameter: \alpha.

Parameters
----------
boxes_xyxy : ndarray, (B, 4)
    Boxes of one class:

    ``"corners"``
        As they are.
scores, inclusive : ndarray, (B,)
limit : int
    At most so many.

    And a paragraph.
**deviations
    More.

Returns
-------
ndarray of int64, (K,)
    Best first.

Raises
------
InputError
    If there is not one score per box.

Examples
--------
Two boxes.

>>> nms(two_boxes, limit=1)
array([0])
>>> nms(two_boxes)
array([0, 1])

Three of them:

>>> for number in range(3):
...     nms(three_boxes, limit=number)
>>> len(three_boxes)
3
"""


def test_the_section_on_exceptions_goes_and_the_rest_stays():
    before, after = TEXT.split("Raises\n------\n")
    assert trimmed(TEXT) == before + after[after.index("Examples") :].rstrip()


def test_a_text_without_sections_stays():
    assert trimmed("One line.") == "One line."
    assert trimmed("A line.\n\n.. math:: a - b\n\nMore.") == "A line.\n\n.. math:: a - b\n\nMore."


def test_parameters_go_with_their_descriptions():
    text = trimmed(TEXT, ["limit", "deviations"])
    assert "At most" not in text and "And a paragraph" not in text and "More." not in text
    assert "scores, inclusive : ndarray, (B,)\n\nReturns" in text
    assert '    ``"corners"``\n        As they are.\n' in text


def test_a_parameter_among_others_goes_alone():
    assert "\nscores : ndarray, (B,)\nlimit : int\n" in trimmed(TEXT, ["inclusive"])
    assert "\ninclusive : ndarray, (B,)\nlimit : int\n" in trimmed(TEXT, ["scores"])


def test_a_section_that_is_empty_goes():
    text = trimmed("Add.\n\nParameters\n----------\neps : float\n\nReturns\n-------\nfloat\n", ["eps"])
    assert text == "Add.\n\nReturns\n-------\nfloat"


def test_examples_that_pass_a_parameter_go():
    text = trimmed(TEXT, ["limit"])
    assert text.endswith(
        "Two boxes.\n\n>>> nms(two_boxes)\narray([0, 1])\n\nThree of them:\n\n>>> len(three_boxes)\n3"
    )
    assert "number=" not in TEXT and trimmed(TEXT, ["number"]) == trimmed(TEXT)


def test_words_are_replaced_in_the_docstring_that_has_them():
    texts = replaced({"a": "the first", "b": "the second"}, [("second", "last"), ("the last", "one")])
    assert texts == {"a": "the first", "b": "one"}


@pytest.mark.parametrize(("old", "times"), [("third", "0 times"), ("the", "2 times")])
def test_words_must_occur_once(old, times):
    with pytest.raises(InputError, match=f"'{old}' occurs {times} in a, b"):
        replaced({"a": "the first", "b": "the second"}, [(old, "new")])


def test_what_is_still_mentioned():
    assert mentioned("see `rule`", ["rule"]) == ["rule"]
    assert mentioned("f(x, rule='argmax')", ["rule"]) == ["rule"]
    assert mentioned("`**rest` and `args`", ["rest", "args"]) == ["rest", "args"]
    assert mentioned("a rule, the `rules`, my_rule=3, rule == 2", ["rule"]) == []
