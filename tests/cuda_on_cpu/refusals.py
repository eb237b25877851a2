"""What NumPy's functions take and CuPy's do not: the stand-in refuses it too, with TypeError as CuPy."""

from __future__ import annotations

# Arguments of any function or method, and those of single functions.
KEYWORDS = {"where", "initial", "casting", "subok", "stable"}
KEYWORDS_OF = {"clip": {"min", "max"}, "count_nonzero": {"keepdims"}}

# A list or tuple may be the first argument of these only: of arrays to be joined, or a shape.
JOINING = {"broadcast_arrays", "concatenate", "dstack", "hstack", "stack", "vstack"}
SHAPED = {"full", "ones", "zeros"}


def refuse(name, args, kwargs, is_array, is_method=False):
    """Raise TypeError where CuPy would raise something.

    Parameters
    ----------
    name : str
        Of a function or method.
    args : sequence
        As the caller gave them.
    kwargs : dict
    is_array : callable
        Whether something is an array on the GPU.
    is_method : bool
        ``x.clip(min=0)`` is possible, ``clip(x, min=0)`` is not.
    """
    unknown = KEYWORDS if is_method else KEYWORDS | KEYWORDS_OF.get(name, set())
    if given := unknown & kwargs.keys():
        raise TypeError(f"{name}: CuPy's has no argument {', '.join(sorted(given))}")
    if kwargs.get("kind") not in (None, "stable"):
        raise TypeError(f"{name}: kind can only be None or 'stable'")
    if args and not is_method:
        _refuse_operands(name, *args[:2], is_array=is_array)


def _refuse_operands(name, first, second=None, *, is_array):
    listed = isinstance(first, (list, tuple))
    if listed and name in JOINING:
        if not all(map(is_array, first)):
            raise TypeError(f"{name}: what is joined must be arrays on the GPU")
    elif listed and name not in SHAPED:
        raise TypeError(f"{name}: {type(first).__name__} in place of an array")
    if name == "isin" and not is_array(second):
        raise TypeError("isin: both must be arrays")
    if name == "where" and not hasattr(first, "astype"):
        raise TypeError("where: the condition must be an array, no bool of Python's")
    if name == "split" and is_array(second):
        raise TypeError("split: the places must be known to the processor")
