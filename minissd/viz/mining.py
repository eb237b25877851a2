"""Hard negative mining: where the mined background is, and how few of all negatives it is."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.lines import Line2D

from minissd.boxes import cxcywh_to_xyxy
from minissd.nms import nms
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.page import as_chart, new_page, set_panel_title
from minissd.viz.panel import show_image
from minissd.viz.style import HARD_NEGATIVE, INK, MATCHED

LOSS_COLORS = colormaps["RdPu"]


def draw_mining(image, priors_cxcywh, positive, conf_loss, hard_negatives, top=3):
    """Draw the positives and the mined negatives of one image, and where the cut in the losses is.

    Mined negatives are often nearly the same rectangle. So each is a dot at its centre, larger and darker
    with its loss, and only the hardest few that differ (IoU at most 0.5) are drawn as boxes.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    priors_cxcywh : ndarray, (P, 4)
    positive, hard_negatives : ndarray of bool, (P,)
    conf_loss : ndarray, (P,)
        Confidence loss of every prior.
    top : int
        How many negatives to draw as boxes.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels: the image, and the losses of all negatives in descending order.
    """
    positive, hard_negatives = np.asarray(positive, bool), np.asarray(hard_negatives, bool)
    conf_loss = np.asarray(conf_loss, dtype=float)
    num_pos, num_neg = int(positive.sum()), int(hard_negatives.sum())
    title = f"{num_pos} positives, {num_neg} hard negatives, {int((~positive).sum()) - num_neg} unused"
    dot = Line2D([], [], marker="o", linestyle="", color=LOSS_COLORS(0.75), label="mined negative")
    legend = [legend_line(MATCHED, "positive"), dot, legend_line(HARD_NEGATIVE, "hardest of them")]
    figure, (picture, chart) = new_page(1, 2, 1.0, title, legend, panel_titles=True)
    show_image(picture, image, square=True, fade=0.5)
    set_panel_title(picture, "where they are")
    priors_xyxy = cxcywh_to_xyxy(np.asarray(priors_cxcywh, dtype=float))
    draw_boxes(picture, priors_xyxy[positive], MATCHED)
    _draw_negatives(picture, priors_cxcywh, conf_loss, hard_negatives)
    _draw_hardest(picture, priors_xyxy, conf_loss, np.flatnonzero(hard_negatives), top)
    _draw_cut(chart, conf_loss[~positive], num_neg, num_pos)
    return figure


def _draw_negatives(ax, priors_cxcywh, conf_loss, hard_negatives):
    rows = np.flatnonzero(hard_negatives)
    rows = rows[np.argsort(conf_loss[rows], kind="stable")]  # the hardest on top
    share = conf_loss[rows] / max(float(conf_loss[rows].max(initial=0)), 1e-12)  # (M,), 0...1
    style = {"edgecolors": INK, "linewidths": 0.5, "zorder": 4, "gid": "hard-negative-centers"}
    centers = np.asarray(priors_cxcywh)[rows, :2]
    ax.scatter(*centers.T, s=12 + 70 * share, color=LOSS_COLORS(0.25 + 0.7 * share), alpha=0.85, **style)


def _draw_hardest(ax, priors_xyxy, conf_loss, rows, top):
    hardest = rows[nms(priors_xyxy[rows], conf_loss[rows], iou_threshold=0.5)[:top]]
    draw_boxes(ax, priors_xyxy[hardest], HARD_NEGATIVE, zorder=5)
    texts = [f"loss {conf_loss[row]:.2g}" for row in hardest]
    write_captions(ax, texts, priors_xyxy[hardest], [HARD_NEGATIVE.color] * len(hardest))


def _draw_cut(ax, losses, num_neg, num_pos):
    """Plot the losses of all negatives, hardest first; those before the cut are mined."""
    as_chart(ax, "negatives, hardest first", "confidence loss")
    losses = np.sort(losses)[::-1]
    plot_losses(ax, losses, num_neg, logarithmic=len(losses) > 50)
    ax.set_ylim(0, max(float(losses.max(initial=0)) * 1.12, 1e-3))
    if num_neg == 0:
        set_panel_title(ax, "nothing is mined: no object" if num_pos == 0 else "nothing is mined")
        return
    ax.axvline(num_neg, color=HARD_NEGATIVE.color, linewidth=2, linestyle=HARD_NEGATIVE.linestyle, gid="cut")
    ratio = f" = {num_neg / num_pos:.3g} per positive" if num_pos else ""
    set_panel_title(ax, f"mined: the {num_neg} hardest{ratio}")


def plot_losses(ax, losses, num_neg, logarithmic):
    """Plot losses (M,), hardest first, over their ranks, and fill the area under those that are mined."""
    rank = np.arange(1, len(losses) + 1)
    ax.plot(rank, losses, color=INK, linewidth=1.8, gid="sorted-loss")
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlim(1, max(len(losses), 2))
    style = {"color": HARD_NEGATIVE.color, "alpha": 0.45, "linewidth": 0, "gid": "mined"}
    ax.fill_between(rank[:num_neg], losses[:num_neg], **style)
