"""Which default boxes learn which object, as thresholds, rules and the objects themselves are changed."""

from __future__ import annotations

import numpy as np

from minissd import matching as matcher
from minissd.errors import InputError
from minissd.explore.priors import named_layers
from minissd.explore.view import View, choice, paragraphs, set_last, slider, stepper, table
from minissd.priors import prior_boxes

ALL = -1  # as the number of a map
MOST_UNMATCHED = 10
SIDES = ("x", "y", "width", "height")


def matching(image, gt_xyxy, labels, config, class_names=None):
    """Show which default boxes are matched; change the threshold and the rule, and move the objects.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    gt_xyxy : ndarray, (G, 4)
        At least one object. The array is not changed when the view's objects are moved.
    labels : ndarray of int, (G,)
    config : SSDConfig
    class_names : sequence of str, optional
        Names of classes 1...C-1.

    Returns
    -------
    View
        With the controls ``threshold``, ``rule``, ``layer`` (-1 is all), ``object`` and its ``x``, ``y``,
        ``width`` and ``height`` in pixels of the network's input, ``number`` of the explained box in the
        list of `worth_explaining`, from 1, ``previous`` and ``next``.

    Raises
    ------
    InputError
        If there is no object, or not one label for each.
    """
    return MatchingView(image, gt_xyxy, labels, config, class_names)


class MatchingView(View):
    """The view that `matching` returns; `explanation` is what is shown."""

    def __init__(self, image, gt_xyxy, labels, config, class_names=None):
        from minissd import viz

        self.pictured, self.config, self.class_names = image, config, class_names
        self.gt_xyxy, self.labels = matcher.checked_ground_truths(gt_xyxy), labels
        if len(self.gt_xyxy) == 0 or len(labels) != len(self.gt_xyxy):
            raise InputError(f"gt_xyxy: {len(self.gt_xyxy)} boxes, {len(labels)} labels (give one or more)")
        self.names = viz.object_names(labels, class_names)
        self.priors_cxcywh, self.slices = prior_boxes(config), [slice(None), *viz.layer_slices(config)]
        size = config.image_size
        controls = {
            "threshold": slider("IoU threshold", 0.5, 0.05, 0.95, 0.01),
            "rule": choice("rule", list(matcher.RULES)),
            "layer": choice("feature map", [("all", ALL), *named_layers(config)]),
            "object": choice("object", [(name, g) for g, name in enumerate(self.names)]),
            **{name: slider(f"{name}, px", 0.0, 0, size - 4.0, 1.0, ".0f") for name in SIDES[:2]},
            **{name: slider(f"{name}, px", 4.0, 4.0, size, 1.0, ".0f") for name in SIDES[2:]},
            **stepper("number", "explained"),
        }
        super().__init__(controls)

    def follow(self, changed=None):
        """Move the object or the sliders, then match again."""
        if changed in ("object", None):
            self._set_sliders()
        elif changed in SIDES:
            self._move_object()
        if changed != "number":
            values = self.values
            options = values["threshold"], values["rule"]
            self.explanation = matcher.explain(self.gt_xyxy, self.priors_cxcywh, *options)
            self.listed = worth_explaining(self.explanation, self.slices[values["layer"] + 1])
            set_last(self.controls["number"], len(self.listed))

    def _set_sliders(self):
        x1, y1, x2, y2 = self.gt_xyxy[self.controls["object"].value] * self.config.image_size
        for name, value in zip(SIDES, (x1, y1, x2 - x1, y2 - y1)):
            self.controls[name].value = value

    def _move_object(self):
        x, y, width, height = (self.controls[name].value for name in SIDES)
        box_px = np.array([x, y, x + width, y + height])
        self.gt_xyxy[self.controls["object"].value] = (box_px / self.config.image_size).clip(0, 1)

    def draw(self, layer, number, **_):
        """The matches, and one default box with the reason for what became of it."""
        from minissd.viz.match import draw_match

        rows, prior = self.slices[layer + 1], self.listed[number - 1]
        scene = self.pictured, self.gt_xyxy, self.labels, self.priors_cxcywh
        figure = draw_match(*scene, self.explanation, prior, rows, self.class_names)
        counts = match_counts(self.explanation, len(self.names), self.slices[1:])
        maps = [f"map {k}" for k in range(counts.shape[1])]
        lines = [[name, *of_maps, sum(of_maps)] for name, of_maps in zip(self.names, counts.tolist())]
        reason = f"{number} of {len(self.listed)}: {self.explanation.describe(prior)}"
        return figure, paragraphs([reason]) + table(["matched default boxes", *maps, "all"], lines)


def worth_explaining(explanation, rows=slice(None), most_unmatched=MOST_UNMATCHED):
    """List the default boxes whose fate is worth a look: those that are matched, then the best of the others.

    Parameters
    ----------
    explanation : minissd.matching.Explanation
    rows : slice or ndarray
        Among which priors; all by default.
    most_unmatched : int

    Returns
    -------
    list of int
        Numbers of priors: forced ones first, then those over the threshold, then background; each from the
        highest IoU to the lowest.
    """
    priors = np.arange(len(explanation.reason))[rows]
    reason, best_iou = explanation.reason[priors], explanation.best_iou[priors]
    priors = priors[np.lexsort((-best_iou, -reason))]  # FORCED > OVER_THRESHOLD > BELOW_THRESHOLD
    matched = int((reason != matcher.BELOW_THRESHOLD).sum())
    return priors[: matched + most_unmatched].tolist()


def match_counts(explanation, num_objects, slices):
    """Count the default boxes that are matched to each object on each feature map.

    Parameters
    ----------
    explanation : minissd.matching.Explanation
    num_objects : int
        G
    slices : list of slice
        From `minissd.viz.layer_slices`.

    Returns
    -------
    ndarray of int, (G, len(slices))
    """
    owners = [explanation.matched_gt[rows] for rows in slices]
    return np.stack([np.bincount(own[own >= 0], minlength=num_objects) for own in owners], axis=1)
