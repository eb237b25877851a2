"""Access to tests/reference: numbers of other implementations, copied so that the tests need nothing else.

Where they come from is told in tests/reference/method.md.
"""

from pathlib import Path
from unittest import mock

import numpy as np

from minissd import boxes, codec, config, matching, priors
from minissd.evaluate import GroundTruth

REFERENCE = Path(__file__).parent / "reference"


def copied_numbers(name):
    """All arrays of tests/reference/<name>.npz as a dictionary."""
    with np.load(REFERENCE / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def split(rows, offsets):
    """Cut the rows of all images into one array per image."""
    return np.split(rows, offsets[1:-1])


def under(prefix, numbers):
    """The arrays whose keys have this prefix, by the rest of the key."""
    return {key.removeprefix(prefix): value for key, value in numbers.items() if key.startswith(prefix)}


def matched_by_iou(match, iou):
    """What a function of ground truths and priors gives for a matrix of IoUs, (P, G), instead of boxes."""
    with (
        mock.patch.object(boxes, "iou", lambda priors_xyxy, gt_xyxy: iou.copy()),
        mock.patch.object(matching.kernel, "RULES", {}),  # which never make a matrix
    ):
        return match(np.zeros((iou.shape[1], 4)), np.zeros((len(iou), 4)))


def drawn_predictions(seed, recipe, loc_shape, conf_shape):
    """Offsets and logits as the recipes of the reference numbers draw them."""
    tag, loc_scale, conf_scale, background_bias = recipe
    generator = np.random.default_rng([int(seed), int(tag)])
    loc = generator.standard_normal(loc_shape) * loc_scale
    conf = generator.standard_normal(conf_shape) * conf_scale
    conf[..., 0] += background_bias
    return loc, conf


def detection_case(numbers, case):
    """Offsets and logits of SSD300 for one image of the detection reference, checked to be those stored."""
    loc, conf = drawn_predictions(numbers["seed"], numbers[f"det{case}_recipe"], (8732, 4), (8732, 21))
    if f"det{case}_over_prior" in numbers:  # objects painted over the noise
        prior = numbers[f"det{case}_over_prior"]
        loc[prior] = numbers[f"det{case}_over_loc"]
        conf[prior, numbers[f"det{case}_over_class"]] += numbers[f"det{case}_over_add"]
    np.testing.assert_allclose([loc.sum(), *loc[0]], numbers[f"det{case}_loc_check"], rtol=1e-12)
    np.testing.assert_allclose([conf.sum(), *conf[0, :5]], numbers[f"det{case}_logit_check"], rtol=1e-12)
    return loc[None], conf[None]


def evaluation_set(numbers, case, with_crowds=False):
    """Detections and ground truths of a set of the evaluation reference, one entry per image, in pixels."""
    of = under(f"s{case}_", numbers)
    crowd = of["gt_crowd"].astype(bool) if with_crowds else np.zeros(len(of["gt_class"]), bool)
    difficult = of["gt_difficult"].astype(bool)
    detections, ground_truths = [], []
    for image in range(numbers["num_images"][case]):
        found, wanted = of["det_image"] == image, of["gt_image"] == image
        detections.append((of["det_box"][found], of["det_score"][found], of["det_class"][found]))
        objects = of["gt_box"][wanted], of["gt_class"][wanted]
        ground_truths.append(GroundTruth(*objects, difficult[wanted], crowd[wanted]))
    return detections, ground_truths


class LossCase:
    """One batch of the loss reference: predictions, and targets in float64 made by our matching and code."""

    def __init__(self, numbers, case, **matching_options):
        self.expected = under(f"c{case}_", numbers)
        batch, num_priors, num_classes = self.expected["shape"]
        self.loc, self.conf = drawn_predictions(
            numbers["seed"],
            self.expected["recipe"],
            (batch, num_priors, 4),
            (batch, num_priors, num_classes),
        )
        priors_cxcywh = self.expected.get("priors_cxcywh", priors.prior_boxes(config.SSD300_VOC))
        self.loc_target = np.zeros_like(self.loc)
        self.conf_target = np.zeros((batch, num_priors), dtype=np.int64)
        self.matched_gt = np.full((batch, num_priors), matching.BACKGROUND)
        gts = split(self.expected["gts"], self.expected["gt_offsets"])
        labels = split(self.expected["gt_labels"], self.expected["gt_offsets"])
        for n, gt_xyxy in enumerate(gts):
            matched_gt = matching.match(gt_xyxy, priors_cxcywh, **matching_options)
            positive = matched_gt >= 0
            own_gt_xyxy = gt_xyxy[matched_gt[positive]]
            self.loc_target[n, positive] = codec.encode(own_gt_xyxy, priors_cxcywh[positive])
            self.conf_target[n, positive] = labels[n][matched_gt[positive]]
            self.matched_gt[n] = matched_gt

    @property
    def predictions_and_targets(self):
        """The first four arguments of `multibox_loss`."""
        return self.loc, self.conf, self.loc_target, self.conf_target
