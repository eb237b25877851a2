"""The result of COCO's evaluation: two tables, and the twelve numbers that are means of their parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The axes of the tables, rounded as in COCO's own program, with whose numbers ours are compared: ten of the
# recalls are a little more than they should be, such as 0.5700000000000001, which 57 of 100 objects miss.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
AREA_RANGES_PX = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
MAX_DETECTIONS = (1, 10, 100)

NUMBERS = {  # name: what is averaged, IoU (None: all of them), objects, detections per class and image
    "ap": ("precision", None, "all", 100),
    "ap50": ("precision", 0.5, "all", 100),
    "ap75": ("precision", 0.75, "all", 100),
    "ap_small": ("precision", None, "small", 100),
    "ap_medium": ("precision", None, "medium", 100),
    "ap_large": ("precision", None, "large", 100),
    "ar1": ("recall", None, "all", 1),
    "ar10": ("recall", None, "all", 10),
    "ar100": ("recall", None, "all", 100),
    "ar_small": ("recall", None, "small", 100),
    "ar_medium": ("recall", None, "medium", 100),
    "ar_large": ("recall", None, "large", 100),
}


@dataclass(frozen=True, eq=False)
class COCOResult:
    """COCO's twelve numbers, and the tables behind them; `print` shows them.

    An average over nothing, such as the precision on large objects where there are none, is NaN; COCO's own
    program prints -1. Numbers without an IoU in their name are means over the ten thresholds.

    Attributes
    ----------
    ap, ap50, ap75 : float
        Average precision: COCO's main number; at IoU .5, the nearest to VOC's; at IoU .75.
    ap_small, ap_medium, ap_large : float
        On objects of at most 32 x 32 pixels, from there to 96 x 96, and of at least 96 x 96.
    ar1, ar10, ar100 : float
        Average recall, with so many detections per class and image.
    ar_small, ar_medium, ar_large : float
    precision : ndarray, (T, R, K, A, M)
        The best precision at each recall or beyond, for threshold T, recall R, class K, range of area A and
        limit on detections M, in the order of `IOU_THRESHOLDS`, `RECALL_POINTS`, `labels`, `AREA_RANGES_PX`
        and `MAX_DETECTIONS`. 0 at a recall that is not reached, NaN where the class has no object to find.
    recall : ndarray, (T, K, A, M)
        Part of the objects that is found in the end.
    labels : ndarray of int64, (K,)
        The classes that occur, ascending.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    precision: np.ndarray
    recall: np.ndarray
    labels: np.ndarray

    @classmethod
    def of_tables(cls, precision, recall, labels):
        """Make the result whose tables these are."""
        tables = {"precision": precision, "recall": recall}
        numbers = {name: _mean(tables[table], *part) for name, (table, *part) in NUMBERS.items()}
        return cls(**numbers, precision=precision, recall=recall, labels=labels)

    @property
    def mAP(self):
        """The same as `ap`, which is a mean over the classes too."""
        return self.ap

    @property
    def numbers(self):
        """The twelve as a dictionary, in COCO's order."""
        return {name: getattr(self, name) for name in NUMBERS}

    @property
    def class_ap(self):
        """Average precision of each class over all thresholds, NaN without objects: dict of int to float."""
        of_class = self.precision[..., 0, -1].mean(axis=(0, 1))  # (K,)
        return dict(zip(self.labels.tolist(), of_class.tolist()))

    def __str__(self):
        """The twelve numbers as a table."""
        lines = [f"{'':10} {'IoU':8} {'objects':8} detections   value"]
        for name, (_, iou, area, limit) in NUMBERS.items():
            iou = ".50-.95" if iou is None else f"{iou:.2f}".lstrip("0")
            lines.append(f"{name:10} {iou:8} {area:8} {limit:10} {getattr(self, name):7.4f}")
        return "\n".join(lines)

    def class_table(self, class_names):
        """Average precision per class, and their mean, as text.

        Parameters
        ----------
        class_names : sequence of str
            Names of the classes 1, 2, ...

        Returns
        -------
        str
        """
        rows = [(class_names[label - 1], ap) for label, ap in self.class_ap.items()] + [("ap", self.ap)]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}} {ap:7.4f}" for name, ap in rows)


def _mean(table, iou, area, limit):
    """Mean of a part of a table, over classes that have objects; NaN if none has."""
    part = table[..., list(AREA_RANGES_PX).index(area), MAX_DETECTIONS.index(limit)]
    if iou is not None:
        part = part[np.isclose(IOU_THRESHOLDS, iou)]
    part = part[~np.isnan(part)]
    return float(part.mean()) if part.size else float("nan")
