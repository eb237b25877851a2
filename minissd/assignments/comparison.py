"""Comparing what a submission returned with what was expected, and saying where they differ.

What came is plain data: numbers, arrays, texts, None, and tuples, lists, dictionaries and objects of these.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

NUMBER = (bool, int, float, complex, np.number, np.bool_)
FEW_VALUES = 2  # one value alone is always some multiple of what was expected


def difference(came, expected, rtol=0.0, atol=0.0):
    """Say where two values differ, or return None if they do not.

    Shapes are compared first, then what is not a number (NaN), then values. A list may stand for an array,
    and the data type of an array does not matter.

    Parameters
    ----------
    came, expected : numbers, ndarray, text, None, or tuples, lists, dictionaries and objects of these
    rtol, atol : float
        Numbers are equal if ``|came - expected| <= atol + rtol * |expected|``; NaN equals NaN.

    Returns
    -------
    str or None

    Examples
    --------
    >>> difference([1.0, 2.5], np.array([1.0, 2.0]))
    '1 of 2 values differs: 2.5 instead of 2 at [1].'
    >>> difference((1, "cat"), (1, "cat")) is None
    True
    """
    if came is None and expected is not None:
        return "Nothing came: the function returned None. Does every way through it end in a return?"
    if is_numeric(expected):
        return _difference_of_arrays(came, np.asarray(expected), rtol, atol)
    if isinstance(expected, (tuple, list)):
        return _difference_of_items(came, expected, rtol, atol)
    if fields_of(expected) is not None:
        return _difference_of_fields(came, fields_of(expected), rtol, atol)
    equal = type(came) is type(expected) and came == expected
    return None if equal else _instead(came, _kind(expected))


def is_numeric(value):
    """Whether a value is a number, an array of numbers, or a nested list of numbers that forms an array."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufc"
    return isinstance(value, NUMBER) or (is_list_of_numbers(value) and array_of(value) is not None)


def is_list_of_numbers(value):
    """Whether a value is a list or tuple, maybe nested, that holds numbers, and nothing but numbers."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(isinstance(each, NUMBER) or is_list_of_numbers(each) for each in value)


def array_of(value):
    """The value as an array of numbers; None if it is not one, as rows of different lengths are not."""
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array if array.dtype.kind in "biufc" else None


def fields_of(value):
    """The named parts of a value as a dictionary; None if it has none."""
    if isinstance(value, SimpleNamespace):
        return vars(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return value if isinstance(value, dict) else None


def lookalike(came, expected, rtol, atol):
    """Say what a wrong array has in common with the right one: a transpose, a factor, another order.

    Returns ``""`` if they have nothing in common, or are not arrays.

    Examples
    --------
    >>> lookalike([2.0, 4.0], [1.0, 2.0], 1e-6, 0)
    'Every value is 2 times what it should be.'
    """
    came = array_of(came)
    if came is None or not is_numeric(expected):
        return ""
    expected = np.asarray(expected)
    close = lambda a, b: a.shape == b.shape and not _differs(a, b, rtol, atol).any()  # noqa: E731
    looks = _LOOKS_OF_SHAPES if came.shape != expected.shape else _LOOKS_OF_VALUES
    with np.errstate(all="ignore"):
        return next(filter(None, (look(came, expected, close) for look in looks)), "")


def shown_number(number, other=None):
    """A number with so many digits that it is seen to differ from another one."""
    if np.asarray(number).dtype.kind not in "fc":
        return str(number)
    digits = (6, 9, 17)
    texts = (f"{number:.{d}g}" for d in digits if other is None or f"{number:.{d}g}" != f"{other:.{d}g}")
    return next(texts, repr(number))


def _difference_of_arrays(came, expected, rtol, atol):
    array = array_of(came)
    if array is None:
        return _instead(came, "a number" if expected.ndim == 0 else "an array of numbers")
    if array.shape != expected.shape:
        return f"The shape is {array.shape} instead of {expected.shape}."
    wrong = _differs(array, expected, rtol, atol)
    if not wrong.any():
        return None
    with np.errstate(all="ignore"):
        undefined = wrong & ~np.isfinite(array) & np.isfinite(expected)
    return _difference_of_values(array, expected, undefined if undefined.any() else wrong)


def _difference_of_values(came, expected, wrong):
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    a, b, number = came[place], expected[place], np.count_nonzero(wrong)
    pair = f"{shown_number(a, b)} instead of {shown_number(b, a)}"
    if came.size == 1:
        return f"{pair}."
    where = f"[{', '.join(map(str, place))}]"
    count = f"{number} of {wrong.size} values {'differs' if number == 1 else 'differ'}"
    return f"{count}: {pair} at {where}." if number == 1 else f"{count}; the first: {pair} at {where}."


def _differs(came, expected, rtol, atol):
    """Where two arrays of one shape differ."""
    with np.errstate(all="ignore"):
        if rtol or atol:
            return ~np.isclose(came, expected, rtol, atol, equal_nan=True)
        return (came != expected) & ~((came != came) & (expected != expected))


def _difference_of_items(came, expected, rtol, atol):
    if isinstance(came, np.ndarray) and came.ndim and len(came) == len(expected):
        came = list(came)
    if not isinstance(came, (tuple, list)):
        return _instead(came, f"{len(expected)} values")
    if len(came) != len(expected):
        return f"{len(came)} values came instead of {len(expected)}."
    names = [f"Value {i + 1} of {len(expected)}" for i in range(len(expected))]
    return _first_difference(names, came, expected, rtol, atol)


def _difference_of_fields(came, expected, rtol, atol):
    came_fields = fields_of(came)
    if came_fields is None:
        return _instead(came, f"one with the fields {', '.join(map(str, expected))}")
    for words, names in (
        ("is missing", expected.keys() - came_fields.keys()),
        ("is too much", came_fields.keys() - expected.keys()),
    ):
        if names:
            return f"{min(names, key=str)!r} {words}."
    names = list(expected)
    return _first_difference(names, [came_fields[name] for name in names], expected.values(), rtol, atol)


def _first_difference(names, came, expected, rtol, atol):
    for name, a, b in zip(names, came, expected):
        if (sentence := difference(a, b, rtol, atol)) is not None:
            return f"{name}: {sentence}"
    return None


def _instead(value, wanted):
    kind = _kind(value)
    return f"{kind[0].upper()}{kind[1:]} came instead of {wanted}."


def _kind(value):
    """What a value is, in words."""
    if isinstance(value, (str, bool, int, float)) or value is None:
        return repr(value) if len(repr(value)) <= 60 else f"a long {type(value).__name__}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (tuple, list)) and any(each is None for each in value):
        return f"a {type(value).__name__} that holds None"
    return f"a {getattr(value, 'type_name', type(value).__name__)}"


def _transposed(came, expected, close):
    return close(came.T, expected) and "It is the transpose of what was expected."


def _other_shape(came, expected, close):
    same = came.size == expected.size and close(came.reshape(expected.shape), expected)
    return same and "The values are right, only the shape is not."


def _inverted(came, expected, close):
    both = came.dtype == expected.dtype == bool
    return both and close(~came, expected) and "It is True where False is right."


def _other_sign(came, expected, close):
    return expected.any() and close(-1 * came, expected) and "The sign is the wrong way round."


def _factor(came, expected, close):
    if np.count_nonzero(expected) < FEW_VALUES or not came.any():
        return ""
    largest = np.abs(expected).argmax()
    factor = came.flat[largest] / expected.flat[largest]
    words = f"Every value is {shown_number(factor)} times what it should be."
    return close(came / factor, expected) and words


def _offset(came, expected, close):
    if came.size < FEW_VALUES:
        return ""
    offset = came.flat[0] - 1.0 * expected.flat[0]
    words = f"Every value is {shown_number(abs(offset))} too {'large' if offset > 0 else 'small'}."
    return close(came - offset, expected) and words


def _less_precise(came, expected, close):
    single = came.dtype == np.float32 and np.allclose(came, expected, 1e-4, 1e-6)
    return single and "The values are right to the precision of float32 only. Was something converted to it?"


def _other_order(came, expected, close):
    same = close(np.sort(came, axis=None), np.sort(expected, axis=None))
    return same and "The values are right, but in another order."


_LOOKS_OF_SHAPES = (_transposed, _other_shape)
_LOOKS_OF_VALUES = (_less_precise, _inverted, _other_sign, _factor, _offset, _other_order)
