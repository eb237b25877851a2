"""Non-maximum suppression, one round after the other."""

from __future__ import annotations

import numpy as np

from minissd import codec
from minissd.boxes import iou
from minissd.explore.view import View, choice, paragraphs, set_last, slider, stepper
from minissd.nms import suppressed_by
from minissd.priors import prior_boxes
from minissd.softmax import softmax

TOP_K = 400
MOST_LISTED = 8


def nms(image, snapshot, config, class_names=None):
    """Show one round of non-maximum suppression; change the thresholds, the class and the round.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    snapshot : Snapshot
        Predictions for this image: ``snapshot(model, image)`` of any network.
    config : SSDConfig
        Of the network.
    class_names : sequence of str, optional
        Names of classes 1...C-1.

    Returns
    -------
    View
        With the controls ``label``, at first the class of the highest score, ``score_threshold``,
        ``iou_threshold``, ``round`` from 1, ``previous`` and ``next``.
    """
    return NMSView(image, snapshot, config, class_names)


class NMSView(View):
    """The view that `nms` returns."""

    def __init__(self, image, snapshot, config, class_names=None):
        from minissd import viz

        self.pictured, self.class_names = image, class_names
        self.probability = softmax(snapshot.conf)  # (P, C)
        self.decoded_xyxy = codec.decode(snapshot.loc, prior_boxes(config), config.variances)
        labels = [(viz.class_name(k, class_names), k) for k in range(1, config.num_classes)]
        controls = {
            "label": choice("class", labels),
            "score_threshold": slider("score threshold", 0.1, 0.01, 0.99, 0.01),
            "iou_threshold": slider("IoU threshold", 0.45, 0.0, 0.95, 0.01),
            **stepper("round", "round"),
        }
        controls["label"].value = int(self.probability[:, 1:].max(axis=0).argmax()) + 1
        super().__init__(controls)

    def follow(self, changed=None):
        """Other thresholds make other rounds."""
        from minissd.viz.suppression_round import suppression_rounds

        if changed != "round":
            values = self.values
            scores = self.probability[:, values["label"]]
            self.rows = np.flatnonzero(scores > values["score_threshold"])
            self.boxes_xyxy, self.scores = self.decoded_xyxy[self.rows], scores[self.rows]
            self.suppressor = suppressed_by(self.boxes_xyxy, self.scores, values["iou_threshold"], TOP_K)
            self.rounds = suppression_rounds(self.scores, self.suppressor)
            set_last(self.controls["round"], len(self.rounds))

    def draw(self, label, iou_threshold, round, **_):
        """The boxes, and their IoU with the one that is kept in this round."""
        from minissd.viz import class_name
        from minissd.viz.suppression_round import draw_suppression_round

        candidates = self.boxes_xyxy, self.scores, self.suppressor
        name = class_name(label, self.class_names)
        figure = draw_suppression_round(self.pictured, *candidates, round - 1, iou_threshold, name)
        return figure, paragraphs(self.describe(round))

    def describe(self, number):
        """Say which box a round keeps, and which it suppresses; numbers are those of the default boxes."""
        if not self.rounds:
            return ["no box has a score over the threshold"]
        kept, suppressed = self.rounds[number - 1]
        overlap = iou(self.boxes_xyxy[suppressed], self.boxes_xyxy[[kept]])[:, 0]
        lines = [
            f"{len(self.rows)} boxes, {len(self.rounds)} rounds",
            f"round {number}: the box of prior {self.rows[kept]}, score {self.scores[kept]:.3f}, is kept "
            f"and suppresses {len(suppressed)}",
        ]
        for row, share in list(zip(suppressed, overlap))[:MOST_LISTED]:
            lines.append(f"prior {self.rows[row]}, score {self.scores[row]:.3f}: IoU {share:.3f}")
        more = len(suppressed) - MOST_LISTED
        return [*lines, f"and {more} more"] if more > 0 else lines
