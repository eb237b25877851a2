"""From which background a network learns, while it learns."""

from __future__ import annotations

from minissd import mining as miner
from minissd.errors import InputError
from minissd.explore.view import View, paragraphs, slider, value_slider
from minissd.priors import prior_boxes
from minissd.softmax import softmax_cross_entropy
from minissd.targets import make_targets


def mining(image, gt_xyxy, labels, snapshots, config):
    """Show the positive, the mined and the ignored default boxes; change the ratio and the step of training.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    gt_xyxy : ndarray, (G, 4)
    labels : ndarray of int, (G,)
    snapshots : sequence of Snapshot
        Predictions for this image, from `record_training`; one is enough.
    config : SSDConfig
        Of the network that predicted them.

    Returns
    -------
    View
        With the controls ``step``, one of the snapshots' steps, and ``ratio``, negatives per positive.

    Raises
    ------
    InputError
        If there are no snapshots.
    """
    return MiningView(image, gt_xyxy, labels, snapshots, config)


class MiningView(View):
    """The view that `mining` returns."""

    def __init__(self, image, gt_xyxy, labels, snapshots, config):
        if not len(snapshots):
            raise InputError("snapshots: there are none (give those of record_training)")
        self.pictured, self.priors_cxcywh = image, prior_boxes(config)
        conf_target = class_targets(gt_xyxy, labels, self.priors_cxcywh)
        self.positive = conf_target != 0  # (P,)
        self.losses = {one.step: softmax_cross_entropy(one.conf, conf_target)[0] for one in snapshots}
        controls = {
            "step": value_slider("steps of training", list(self.losses)),
            "ratio": slider("negatives per positive", 3.0, 0, 10, 0.5, ".1f"),
        }
        super().__init__(controls)

    def draw(self, step, ratio):
        """The image with the mined negatives, and the sorted losses with the cut."""
        from minissd.viz.mined import draw_mined

        conf_loss = self.losses[step]
        mined = miner.hard_negatives(conf_loss[None], self.positive[None], ratio)[0]
        figure = draw_mined(self.pictured, self.priors_cxcywh, self.positive, conf_loss, mined)
        return figure, paragraphs(describe_mining(conf_loss, self.positive, mined))


def class_targets(gt_xyxy, labels, priors_cxcywh):
    """Return the class that each default box is to learn, 0 for the background, (P,)."""
    return make_targets(gt_xyxy, labels, priors_cxcywh)[1]


def describe_mining(conf_loss, positive, mined):
    """Say how many default boxes take part, and how much of the loss of all negatives the mined ones have.

    Parameters
    ----------
    conf_loss : ndarray, (P,)
    positive, mined : ndarray of bool, (P,)

    Returns
    -------
    list of str

    Examples
    --------
    >>> conf_loss, positive = np.array([2.0, 3.0, 0.5, 0.5]), np.array([True, False, False, False])
    >>> for line in describe_mining(conf_loss, positive, np.array([False, True, False, False])):
    ...     print(line)
    positive: 1, mean loss 2.000
    mined: 1, mean loss 3.000, the smallest 3.000; 75.0 % of the loss of all negatives
    ignored: 2, mean loss 0.500
    """
    ignored = ~(positive | mined)
    lines = [
        f"{name}: {rows.sum()}" + (f", mean loss {conf_loss[rows].mean():.3f}" if rows.any() else "")
        for name, rows in (("positive", positive), ("mined", mined), ("ignored", ignored))
    ]
    if mined.any():
        share = conf_loss[mined].sum() / conf_loss[~positive].sum()
        least = f", the smallest {conf_loss[mined].min():.3f}"
        lines[1] += f"{least}; {100 * share:.1f} % of the loss of all negatives"
    return lines
