"""Access to tests/reference: numbers of other implementations, copied so that the tests need nothing else.

Where they come from is told in tests/reference/method.md.
"""

from pathlib import Path

import numpy as np

from minissd import codec, config, matching, priors

REFERENCE = Path(__file__).parent / "reference"


def copied_numbers(name):
    """All arrays of tests/reference/<name>.npz as a dictionary."""
    with np.load(REFERENCE / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def split(rows, offsets):
    """Cut the rows of all images into one array per image."""
    return np.split(rows, offsets[1:-1])


def drawn_predictions(seed, recipe, loc_shape, conf_shape):
    """Offsets and logits as the recipes of the reference numbers draw them."""
    tag, loc_scale, conf_scale, background_bias = recipe
    generator = np.random.default_rng([int(seed), int(tag)])
    loc = generator.standard_normal(loc_shape) * loc_scale
    conf = generator.standard_normal(conf_shape) * conf_scale
    conf[..., 0] += background_bias
    return loc, conf


class LossCase:
    """One batch of the loss reference: predictions, and targets in float64 made by our matching and code."""

    def __init__(self, numbers, case, **matching_options):
        self.expected = {
            key.removeprefix(f"c{case}_"): value
            for key, value in numbers.items()
            if key.startswith(f"c{case}_")
        }
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
