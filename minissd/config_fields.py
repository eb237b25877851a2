"""What the fields of a configuration must be: one table, because configurations also come from files."""

from __future__ import annotations

import math
from numbers import Integral, Real

MOST = 10_000  # pixels, cells, classes...: more is a mistake
MOST_PRIORS = 2_000_000  # SSD512 has 24,564


def _is_text(value):
    return isinstance(value, str) and value.isprintable()


def _is_bool(value):
    return isinstance(value, bool)


def _is_whole(value):
    return isinstance(value, Integral) and not isinstance(value, bool) and 1 <= value <= MOST


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and abs(value) <= MOST


def _is_size(value):
    return _is_number(value) and value > 0


def _all(holds, count=None):
    """A check of a tuple: every entry, and how many there are."""
    return lambda value: (
        isinstance(value, tuple) and len(value) == (count or len(value)) and all(map(holds, value))
    )


SIZES = f"numbers over 0, up to {MOST}"

FIELDS = (  # names, what they must be, whether they are
    ("name base channel_order resize l2norm_guard convention", "a word", _is_text),
    ("num_classes", f"2 or more, up to {MOST}: count the background too", lambda v: _is_whole(v) and v >= 2),
    ("image_size", f"a whole number from 1 to {MOST}", _is_whole),
    ("feature_maps", f"whole numbers from 1 to {MOST}", _all(_is_whole)),
    ("steps min_sizes max_sizes", SIZES, _all(_is_size)),
    ("aspect_ratios", f"a tuple of {SIZES} per map", _all(_all(_is_size))),
    ("variances", f"two {SIZES}", _all(_is_size, 2)),
    ("mean_rgb", "three numbers", _all(_is_number, 3)),
    ("pixel_scale", f"a number over 0, up to {MOST}", _is_size),
    ("flip", "True or False", _is_bool),
    ("clip", "False, True or a word", lambda v: _is_bool(v) or _is_text(v)),
    ("l2norm_epsilon", "a number of 0 or more", lambda v: _is_number(v) and math.copysign(1, v) > 0),
    ("channel_order", "rgb or bgr", lambda v: v in ("rgb", "bgr")),
)


def faults_of(config):
    """Say what is wrong with the fields of a configuration.

    Parameters
    ----------
    config : SSDConfig

    Yields
    ------
    str
        The field, its value and what it must be.
    """
    for names, wanted, holds in FIELDS:
        for name in names.split():
            value = getattr(config, name)
            if not holds(value):
                yield f"{name} is {repr(value)[:60]} (give {wanted})"
    for name in ("steps", "min_sizes", "max_sizes", "aspect_ratios"):
        count = len(getattr(config, name))
        if count != len(config.feature_maps):
            maps = len(config.feature_maps)
            yield f"{name} has {count} entries for {maps} feature maps (give one entry per map)"
    if config.num_priors > MOST_PRIORS:
        yield f"feature_maps make {config.num_priors} default boxes (give smaller maps)"
