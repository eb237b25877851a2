"""The losses as curves: of an offset, of a probability, and of all negatives of an image in order."""

from __future__ import annotations

import numpy as np

from minissd.loss import l1, smooth_l1
from minissd.mining import hard_negatives
from minissd.softmax import cross_entropy_gradient, softmax_cross_entropy
from minissd.viz.mining import plot_losses
from minissd.viz.page import as_chart, new_page, set_panel_title
from minissd.viz.style import DASHES, HARD_NEGATIVE, INK, TEXT_SIZE

CURVES = {  # colour, width and dashes; where curves coincide, the dashes lie on the solid line
    "smooth L1": ("#D55E00", 3.4, DASHES[0]),
    "L1": (INK, 1.8, DASHES[1]),
    "L2": ("#0072B2", 2.2, DASHES[2]),
}
REACH = 3.0  # offsets are drawn from -REACH to REACH
CURVE_POINTS = 601


def draw_loss_curves():
    """Draw the losses of SSD and their gradients.

    Returns
    -------
    matplotlib.figure.Figure
        Above, smooth L1 (the paper's, equation 2) between its relatives, L2 (half the square) and L1, over
        the difference of predicted and wanted offset, and their slopes. Below, the cross entropy of the
        right class over the probability that it is given (equation 3), and its slope for the class's logit.
    """
    title = "What a mistake costs, and how hard it pulls"
    figure, axes = new_page(2, 2, 0.68, title, panel_titles=True)
    difference = np.linspace(-REACH, REACH, CURVE_POINTS)
    values = {"L2": l2(difference), "L1": l1(difference), "smooth L1": smooth_l1(difference)}
    for number, (ax, name) in enumerate(zip(axes, ("loss of an offset", "its gradient"))):
        _as_panel(ax, name, "predicted − wanted offset")
        for label, (color, width, dashes) in CURVES.items():
            style = {"color": color, "linewidth": width, "linestyle": dashes, "gid": f"{label}-{number}"}
            ax.plot(difference, values[label][number], label=label, **style)
        ax.set_xlim(-REACH, REACH)
        ax.set_ylim((-0.1, 3.2) if number == 0 else (-2.2, 2.2))
    axes[0].legend(fontsize=TEXT_SIZE - 1, labelcolor=INK, frameon=False, loc="upper center")
    _draw_cross_entropy(*axes[2:])
    return figure


def l2(difference):
    """Half the square of each difference, and its slope, the difference.

    Examples
    --------
    >>> l2(np.array([0.5, -3.0]))
    (array([0.125, 4.5  ]), array([ 0.5, -3. ]))
    """
    return difference**2 / 2, difference


def _draw_cross_entropy(loss_ax, slope_ax):
    """The loss of the right class over its probability, by the library's own functions."""
    logits = np.linspace(-7.0, 7.0, CURVE_POINTS)
    conf = np.stack([np.zeros_like(logits), logits], axis=-1)  # (n, 2), class 1 is right
    right = np.ones(len(logits), dtype=int)
    loss, probabilities = softmax_cross_entropy(conf, right)
    probability, slope = probabilities[:, 1], cross_entropy_gradient(probabilities, right)[:, 1]
    style = {"color": CURVES["smooth L1"][0], "linewidth": 3}
    for ax, name, values, gid in (
        (loss_ax, "loss of a class: −log p", loss, "cross-entropy"),
        (slope_ax, "its gradient for the logit: p − 1", slope, "cross-entropy-slope"),
    ):
        _as_panel(ax, name, "probability p of the right class")
        ax.plot(probability, values, gid=gid, **style)
        ax.set_xlim(0, 1)
    loss_ax.set_ylim(0, 7)
    slope_ax.set_ylim(-1.1, 0.1)


def _as_panel(ax, title, xlabel):
    as_chart(ax, xlabel, left=0.4, bottom=0.5, right=0.1)
    set_panel_title(ax, title)


def draw_sorted_losses(conf_loss, positive, neg_pos_ratio=3, titles=None, title=""):
    """Draw the losses of all negatives, hardest first, and where hard negative mining cuts.

    Parameters
    ----------
    conf_loss : ndarray, (N, P)
        Confidence loss of each prior, of one image or of one image at N moments of training.
    positive : ndarray of bool, (N, P)
        Matched priors.
    neg_pos_ratio : float
        Negatives per positive.
    titles : sequence of str, optional
        One per row, written over its panel before the numbers.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        A panel per row, each with its own scale of losses and a logarithmic axis of ranks. The area under
        the curve left of the cut is filled: what is learned from.
    """
    conf_loss, positive = np.atleast_2d(np.asarray(conf_loss, float)), np.atleast_2d(positive).astype(bool)
    chosen = hard_negatives(conf_loss, positive, neg_pos_ratio)
    figure, axes = new_page(1, len(conf_loss), 0.9 if len(conf_loss) > 1 else 0.55, title, panel_titles=True)
    for row, ax in enumerate(axes):
        as_chart(ax, "negatives, hardest first", "confidence loss" if row == 0 else "", left=0.5)
        set_panel_title(ax, titles[row] if titles else "")
        losses = np.sort(conf_loss[row, ~positive[row]])[::-1]
        _draw_cut(ax, losses, int(chosen[row].sum()), int(positive[row].sum()))
    return figure


def _draw_cut(ax, losses, num_neg, num_pos):
    """One curve on a logarithmic axis of ranks, with what is mined filled, and what that means in numbers."""
    plot_losses(ax, losses, num_neg, logarithmic=True)
    ax.set_ylim(0, 1.42 * float(losses.max(initial=0)) or 1.0)  # with room for the words
    if num_neg:
        style = {"color": HARD_NEGATIVE.color, "linewidth": 2, "linestyle": HARD_NEGATIVE.linestyle}
        ax.plot((num_neg, num_neg), (0, losses[num_neg - 1]), gid="cut", **style)
    mean = [float(part.mean()) if len(part) else 0.0 for part in (losses[:num_neg], losses[num_neg:])]
    lines = f"{num_pos} positives\n{num_neg} negatives mined, mean loss {mean[0]:.2g}\n"
    lines += f"{len(losses) - num_neg} left out, mean loss {mean[1]:.2g}"
    style = {"ha": "right", "va": "top", "fontsize": TEXT_SIZE - 1, "color": INK, "linespacing": 1.4}
    ax.text(0.99, 0.98, lines, transform=ax.transAxes, **style)
