"""What a trace has to tell, in sentences and in the rows of a table."""

from __future__ import annotations

import numpy as np

from minissd.viz.priors import shape_names

OFFSETS = ("x", "y", "width", "height")
WAYS = (("to the left", "to the right"), ("up", "down"))


def describe_input(trace):
    """Say what was done to the image before the network saw it."""
    config, (height, width) = trace.config, trace.image.shape[:2]
    mean = ", ".join(f"{value:g}" for value in config.mean_rgb)
    scale = f", and the rest is divided by {config.pixel_scale:g}" if config.pixel_scale != 1 else ""
    return (
        f"The picture of {width} × {height} is resized to {config.image_size} × {config.image_size}, "
        f"whatever its shape. The mean of red, green and blue ({mean}) is subtracted{scale}. The "
        f"channels go in as {config.channel_order.upper()}, in numbers from {trace.input.min():.2f} to "
        f"{trace.input.max():.2f}."
    )


def describe_source(trace, k):
    """Say what source map `k` is and what a cell of it stands for."""
    config, (name, maps) = trace.config, list(trace.sources.items())[k]
    (channels, side, _), field = maps.shape, trace.receptive_fields[name]
    small, large = config.min_sizes[k], np.sqrt(config.min_sizes[k] * config.max_sizes[k])
    cells = "one cell" if side == 1 else f"{side} × {side} cells, {config.steps[k]:g} px apart"
    normalized = ", L2-normalised as its head sees them" if name in trace.normalized else ""
    everything = field >= 2 * config.image_size  # from a corner, too, it reaches the other corner
    reach = "the whole picture" if everything else f"{field} × {field} px around it"
    return (
        f"{channels} channels of {cells}{normalized}. What is predicted for a cell depends on {reach}, and "
        f"starts from default boxes such as squares of {small:.0f} and {large:.0f} px."
    )


def describe_origin(trace, one):
    """Say where one of the detections comes from, and how many boxes it suppressed."""
    config, place = trace.config, one.place
    side, name = config.feature_maps[place.map], list(trace.sources)[place.map]
    width, height = one.prior_cxcywh[2:] * config.image_size
    others = len(one.suppressed) or "no"
    return (
        f"Found on map {place.map} ({name}, {side} × {side} cells) in row {place.row}, column "
        f"{place.column}, from the default box “{shape_name(config, place)}” of {width:.0f} × {height:.0f} "
        f"px, number {one.prior} of {config.num_priors}. It suppressed {others} other "
        f"{'box' if others == 1 else 'boxes'}."
    )


def shape_name(config, place):
    """Which of the shapes of a cell a default box has, see `minissd.viz.shape_names`."""
    return shape_names(config, place.map)[place.box]


def describe_threshold(options, name):
    """Say what a score, or an IoU, has to be: ``"over 0.4"``, or by some rules ``"at least 0.4"``."""
    inclusive = {"score": "inclusive_scores", "iou": "inclusive_nms"}[name]
    return f"{'at least' if options[inclusive] else 'over'} {options[f'{name}_threshold']:g}"


def describe_offsets(trace, one):
    """Say of each offset what it does to the default box, and whether the border cut the result.

    Parameters
    ----------
    trace : minissd.trace.Trace
    one : minissd.trace.TracedDetection

    Returns
    -------
    list of (str, str, str, str)
        Name, value, how it is applied (paper, equation 2) and what comes of it, such as ``("width",
        "+0.611", "e^(0.611 × 0.2)", "1.13 times as wide: 54 to 61 px")``.
    """
    lengths_px = one.prior_cxcywh[2:] * trace.config.image_size
    offsets = one.offsets.astype(float)
    effects = [_moved(trace, *of_axis) for of_axis in zip(offsets[:2], lengths_px, WAYS)]
    effects += [_resized(trace, *of_axis) for of_axis in zip(offsets[2:], lengths_px, ("wide", "high"))]
    rows = [(name, f"{offset:+.3f}", *effect) for name, offset, effect in zip(OFFSETS, offsets, effects)]
    return [*rows, _cut(trace, one)] if one.cut else rows


def _moved(trace, offset, length_px, ways):
    scale = trace.options["variances"][0]
    move = offset * scale * length_px
    effect = f"moved {abs(move):.1f} px {ways[int(move > 0)]}" if abs(move) >= 0.05 else "not moved"
    return f"{offset:.3f} × {scale:g} × {length_px:.0f} px", effect


def _resized(trace, offset, length_px, word):
    scale, limit = trace.options["variances"][1], trace.options["max_log_size"]
    how, log_size = f"e^({offset:.3f} × {scale:g})", offset * scale
    if limit is not None and log_size > limit:
        how, log_size = f"{how}, at most {np.exp(limit):.3g}", limit
    with np.errstate(over="ignore"):
        factor = np.exp(log_size)
    return how, f"{_amount(factor, 2)} times as {word}: {length_px:.0f} to {_amount(length_px * factor)} px"


def _amount(number, decimals=0):
    return f"{number:.{decimals}f}" if number < 1e5 else f"{number:.1e}"


def _cut(trace, one):
    width, height = (one.box_xyxy[2:] - one.box_xyxy[:2]) * trace.config.image_size
    return "border", "", "", f"cut at the border, to {width:.0f} × {height:.0f} px"
