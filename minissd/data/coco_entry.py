"""An entry of a list in a file of COCO's: its fields, read and judged one by one."""

from __future__ import annotations

from dataclasses import dataclass

from minissd.errors import input_error

LARGEST_NUMBER = 1e18  # of any kind; NaN is not below it either


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list in a file, and readers of its fields that name it in their errors.

    Attributes
    ----------
    path : str or Path
        Of the file.
    list_name : str
        Of the list, such as ``"annotations"``.
    position : int
        In the list, from 0.
    fields : object
        What stands there, a dict if all is well.

    Examples
    --------
    >>> Entry("val.json", "images", 3, {"id": 7.0}).whole("id")
    7
    >>> Entry("val.json", "images", 3, {"id": 7.5}).whole("id")
    Traceback (most recent call last):
    minissd.errors.InputError: val.json: images[3] has id 7.5 (give a whole number)
    """

    path: object
    list_name: str
    position: int
    fields: object

    def error(self, problem, fix):
        """The InputError that names the entry."""
        return input_error(self.path, f"{self.list_name}[{self.position}] {problem}", fix)

    def get(self, field, *default):
        """The value of a field; the default, if there is one, where it is missing or null."""
        if not isinstance(self.fields, dict):
            raise self.error(f"is a {type(self.fields).__name__}", "it must be an object in { }")
        value = self.fields.get(field)
        if value is None:
            if not default:
                raise self.error(f"has no {field!r}", "export the file again")
            return default[0]
        return value

    def whole(self, field, *default):
        """The same, which must be a whole number."""
        value = self.get(field, *default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"has {field} {value!r:.40}", "give a whole number")
        return value

    def number(self, field, *default):
        """The same, which must be a finite number."""
        return self._as_number(field, self.get(field, *default))

    def text(self, field):
        """The text of a field, not empty."""
        value = self.get(field)
        if not isinstance(value, str) or not value.strip() or any("\ud800" <= c <= "\udfff" for c in value):
            raise self.error(f"has {field} {value!r:.40}", "give a text")
        return value

    def flag(self, field):
        """The bool of a field, 0 where it is missing."""
        value = self.get(field, 0)
        if value not in (0, 1):  # also true and false
            raise self.error(f"has {field} {value!r:.40}", "give 0 or 1")
        return bool(value)

    def box(self):
        """The four numbers of ``bbox``: left, top, width, height."""
        box = self.get("bbox")
        if not isinstance(box, list) or len(box) != 4:
            raise self.error(f"has bbox {box!r:.40}", "give four numbers: left, top, width, height")
        return [self._as_number("bbox", value) for value in box]

    def known(self, field, known, kind):
        """The id in a field, which must be one of those known."""
        value = self.whole(field)
        if value not in known:
            raise self.error(f"names the {kind} {value!r:.40}", f"no {kind} of the data set has this id")
        return value

    def _as_number(self, field, value):
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER:
            return float(value)
        raise self.error(f"has {field} {value!r:.40}", "give a finite number")
