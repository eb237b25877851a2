"""What a submission answered, and what a check can demand of it."""

from __future__ import annotations

from textwrap import fill

import numpy as np

from minissd.assignments.comparison import array_of, difference, is_numeric, lookalike
from minissd.assignments.display import WIDTH, indented, shown

RTOL, ATOL = 1e-6, 1e-9  # of |came - expected| <= atol + rtol |expected|


class Wrong(AssertionError):
    """An answer is wrong. The message is for the student.

    Attributes
    ----------
    kind : str
        ``"wrong"`` for a wrong value, or the kind of the `StudentError`.
    """

    def __init__(self, message, kind="wrong"):
        super().__init__(message)
        self.kind = kind


def close(a, b):
    """Whether two values are the same up to rounding."""
    return difference(a, b, RTOL, ATOL) is None


class Answer:
    """What came, and what can be demanded of it. Every demand returns the answer, or raises `Wrong`.

    ``answer[0]`` is the answer's first value if it has several, ``answer["boxes"]`` its field of that name.

    Attributes
    ----------
    value : object
    """

    def __init__(self, ask, index, value, path=()):
        self._ask, self._index, self._path, self.value = ask, index, path, value

    def is_close(self, expected, rtol=RTOL, atol=ATOL, hint=""):
        """Demand these numbers, up to rounding.

        Parameters
        ----------
        expected : numbers, arrays, or tuples, lists, dictionaries of them
        rtol, atol : float
            See `minissd.assignments.comparison.difference`.
        hint : str
            Is said if no typical mistake explains what came.
        """
        return self._compare(expected, rtol, atol, hint)

    def equals(self, expected, hint=""):
        """Demand exactly these values."""
        return self._compare(expected, 0.0, 0.0, hint)

    def has(self, shape=None, dtype=None, hint=""):
        """Demand an array of this shape and data type (``np.float32``, or a kind such as ``np.floating``)."""
        words = [f"shape {tuple(shape)}"] if shape is not None else []
        words += [f"dtype {_dtype_name(dtype)}"] if dtype is not None else []
        return self.satisfies(
            lambda value: _fits(array_of(value), shape, dtype),
            f"an array with {' and '.join(words)}",
            hint,
            same=lambda a, b: array_of(a).dtype == array_of(b).dtype and close(a, b),
            came=_shape_and_dtype(self.value),
        )

    def satisfies(self, holds, expected, hint="", same=close, came=""):
        """Demand a property, as in ``answer.satisfies(lambda iou: (iou <= 1).all(), "an IoU of at most 1")``.

        Parameters
        ----------
        holds : callable
            Is given the value; returns a bool.
        expected : str
            What `holds` demands, in words.
        hint : str
        same : callable
            Whether two values are the same mistake.
        came : str
            The value in words.
        """
        if _holds(holds, self.value):
            return self
        mistake = self._mistake(lambda value: not _holds(holds, value) and same(value, self.value))
        raise Wrong(self._message(expected, came or shown(self.value), "", mistake or hint))

    def parts(self, count):
        """Demand a tuple; returns the answer of each value, as in ``boxes, scores = answer.parts(2)``."""
        words = f"{count} values: return them as a tuple"
        self.satisfies(lambda value: isinstance(value, (tuple, list)) and len(value) == count, words)
        return tuple(self[i] for i in range(count))

    def __getitem__(self, key):
        try:
            return Answer(self._ask, self._index, part_of(self.value, (key,)), (*self._path, key))
        except (TypeError, KeyError, IndexError, AttributeError):
            words = f"several values, of which [{key!r}] is one"
            raise Wrong(self._message(words, shown(self.value), "", "")) from None

    def _compare(self, expected, rtol, atol, hint):
        expected = np.asarray(expected) if is_numeric(expected) else expected
        where = difference(self.value, expected, rtol, atol)
        if where is None:
            return self
        mistake = self._mistake(
            lambda value: (
                difference(value, self.value, rtol, atol) is None
                and difference(value, expected, rtol, atol) is not None
            )
        )
        likely = mistake or hint or lookalike(self.value, expected, rtol, atol)
        raise Wrong(self._message(shown(expected), shown(self.value), where, likely))

    def _mistake(self, matches):
        again = lambda wrong: matches(part_of(self._ask.again(self._index, wrong), self._path))  # noqa: E731
        return self._ask.likely_mistake(again)

    def _message(self, expected, came, where, likely):
        rows = (f"{label:10}{indented(text, 10)}" for label, text in (("expected", expected), ("came", came)))
        likely = "\n".join(fill(line, WIDTH) for line in likely.splitlines())
        return "\n".join(filter(None, (self._ask.text_of(self._index, self._path), *rows, where, likely)))


def _holds(holds, value):
    """Whether a value satisfies a demand; one of another type than was thought of does not."""
    try:
        return bool(holds(value))
    except (TypeError, ValueError, AttributeError, KeyError, IndexError):
        return False


def part_of(value, path):
    """Follow indices, keys and names of fields into a value."""
    for key in path:
        value = getattr(value, key) if isinstance(key, str) and not isinstance(value, dict) else value[key]
    return value


def part_text(value, path):
    """The same as it is written behind the value.

    Examples
    --------
    >>> part_text({"conv": [1, 2]}, ("conv", 0))
    "['conv'][0]"
    """
    text = ""
    for key in path:
        text += f".{key}" if isinstance(key, str) and not isinstance(value, dict) else f"[{key!r}]"
        value = part_of(value, (key,))
    return text


def _fits(array, shape, dtype):
    fits = array is not None and (shape is None or array.shape == tuple(shape))
    return fits and (dtype is None or np.issubdtype(array.dtype, dtype))


def _dtype_name(dtype):
    return dtype.__name__ if isinstance(dtype, type) else str(np.dtype(dtype))


def _shape_and_dtype(value):
    array = array_of(value)
    return shown(value) if array is None else f"an array with shape {array.shape} and dtype {array.dtype}"
