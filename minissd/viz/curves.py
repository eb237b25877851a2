"""Curves of training, and of precision over recall."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from minissd.errors import InputError
from minissd.plural import counted
from minissd.viz.page import as_chart, new_page
from minissd.viz.style import CAPTION_SIZE, CHART_COLORS, DASHES, INK, TEXT_SIZE, class_name

LOSSES = {"loss": INK, "conf": "#D55E00", "loc": "#0072B2"}
LOSS_LABELS = {"loss": "total loss", "conf": "confidence", "loc": "localisation"}
MAP_COLOR = "#009E73"
MOST_CLASSES = 20


def draw_training_curves(rows, title=""):
    """Draw the losses of a training run over its steps, and the mAP where it was measured.

    Parameters
    ----------
    rows : sequence of dict
        Each with ``step`` and any of ``loss``, ``conf``, ``loc``, ``mAP``; a missing value, None or NaN
        leaves a gap.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        The losses, a running mean over the faint measured values; below it the mAP, if there is any.

    Raises
    ------
    InputError
        If there are no rows, or one has no step.
    """
    if not rows:
        raise InputError("rows: there are none (train for at least one step first)")
    for number, row in enumerate(rows):
        if "step" not in row:
            raise InputError(f"rows: row {number} has no 'step' (it has {', '.join(row)})")
    steps = np.array([row["step"] for row in rows], dtype=float)
    mean_ap = _column(rows, "mAP")
    charts = 2 if np.isfinite(mean_ap).any() else 1
    figure, axes = new_page(charts, 1, 0.34 if charts == 2 else 0.5, title)
    for ax in axes:
        as_chart(ax)
        ax.set_xlim(*_limits(steps))
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes[-1].set_xlabel("step", fontsize=TEXT_SIZE, color=INK)
    _draw_losses(axes[0], rows, steps)
    if charts == 2:
        _draw_map(axes[1], steps, mean_ap)
    return figure


def _draw_losses(ax, rows, steps):
    ax.set_ylabel("loss", fontsize=TEXT_SIZE, color=INK)
    few, top = len(rows) < 20, 0.0
    for key, color in LOSSES.items():
        values = _column(rows, key)
        if not np.isfinite(values).any():
            continue
        smooth = running_mean(values, max(len(values) // 30, 1))
        top = max(top, float(np.nanmax(smooth)) * 1.15, float(np.nanpercentile(values, 99)))
        ax.plot(steps, values, color=color, alpha=0.25, linewidth=0.8, gid=f"raw-{key}")
        style = {"linewidth": 2, "marker": "o" if few else "", "markersize": 5, "gid": f"smooth-{key}"}
        ax.plot(steps, smooth, color=color, label=LOSS_LABELS[key], **style)
    ax.set_ylim(0, top or 1)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper right", fontsize=TEXT_SIZE, labelcolor=INK, framealpha=0.9, edgecolor="none")


def _draw_map(ax, steps, mean_ap):
    measured = np.isfinite(mean_ap)
    style = {"color": MAP_COLOR, "linewidth": 2, "marker": "o", "markersize": 6, "gid": "mAP"}
    ax.plot(steps[measured], mean_ap[measured], **style)
    ax.set_ylabel("mAP", fontsize=TEXT_SIZE, color=INK)
    ax.set_ylim(0, 1)
    step, value = steps[measured][-1], mean_ap[measured][-1]
    side = {"ha": "right", "va": "bottom" if value < 0.85 else "top"}
    offset = (-2, 8 if value < 0.85 else -10)
    style = {"fontsize": TEXT_SIZE, "fontweight": "bold", "color": MAP_COLOR, "textcoords": "offset points"}
    ax.annotate(f"{value:.3f}", (step, value), xytext=offset, **side, **style)


def _column(rows, key):
    values = [row.get(key) for row in rows]
    values = np.array([np.nan if value is None else value for value in values], dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def _limits(steps):
    first, last = float(steps.min()), float(steps.max())
    space = 0.015 * (last - first) or 1
    return first - space, last + space


def running_mean(values, window):
    """Mean of each value and its neighbours, of those that are not NaN.

    Parameters
    ----------
    values : ndarray, (n,)
    window : int
        How many neighbours on each side.

    Returns
    -------
    ndarray of float64, (n,)
        NaN where a value and all its neighbours are.

    Examples
    --------
    >>> running_mean(np.array([1.0, 3.0, np.nan, 5.0]), 1)
    array([2., 2., 4., 5.])
    """
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    position = np.arange(len(values))
    first, last = np.maximum(position - window, 0), np.minimum(position + window + 1, len(values))
    number = count[last] - count[first]
    return np.where(number > 0, total[last] - total[first], np.nan) / np.maximum(number, 1)


def draw_precision_recall(result, class_names=None, title=""):
    """Draw precision over recall, a line per class, best average precision first in the legend.

    Of more than 20 classes, the 10 best and the 10 worst are coloured and named, the others are grey.

    Parameters
    ----------
    result : minissd.evaluate.VOCResult
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    labels = [label for label in result.curves if not np.isnan(result.ap[label])]
    labels.sort(key=lambda label: -result.ap[label])
    half = MOST_CLASSES // 2
    named = labels if len(labels) <= MOST_CLASSES else labels[:half] + labels[-half:]
    title = title or f"mAP {result.mAP:.3f} over {counted(len(labels), 'class', 'classes')}"
    _, (ax,) = new_page(1, 1, 0.62, title)
    as_chart(ax, "recall", "precision")
    lines = []
    for rank, label in enumerate(named):
        look = {"color": CHART_COLORS[rank % 7], "linestyle": DASHES[rank // 7], "linewidth": 2, "zorder": 3}
        text = f"{class_name(label, class_names)} {result.ap[label]:.3f}"
        lines.append(_draw_class(ax, f"class-{label}", result.curves[label], label=text, **look))
    others = [label for label in labels if label not in named]
    thin = {"color": "#C8C8C8", "linewidth": 0.8}
    grey = [_draw_class(ax, f"class-{label}", result.curves[label], **thin) for label in others]
    if grey:
        grey[0].set_label(f"{len(grey)} more")
        lines.insert(half, grey[0])
    ax.set_xlim(0, 1.005)
    ax.set_ylim(0, 1.02)
    _add_class_legend(ax, lines)
    return ax.figure


def _draw_class(ax, gid, curve, **style):
    recall = np.concatenate([[0.0], curve.recall])
    precision = np.concatenate([curve.precision[:1], curve.precision])  # level up to the first detection
    (line,) = ax.plot(recall[: len(precision)], precision, gid=gid, **style)
    return line


def _add_class_legend(ax, handles):
    """Add the legend to the right of the chart, which makes room for it."""
    if not handles:
        return
    box = ax.get_position()
    ax.set_position((box.x0, box.y0, box.width * 0.72, box.height))
    style = {"frameon": False, "labelcolor": INK, "fontsize": CAPTION_SIZE, "title": "average precision"}
    legend = ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.02), **style)
    legend.get_title().set(fontsize=CAPTION_SIZE, color=INK, fontweight="bold")
