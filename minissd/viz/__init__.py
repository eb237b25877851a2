"""Pictures of every step of SSD. This package alone imports matplotlib.

Each ``draw_*`` function takes plain arrays and returns a figure; `save` writes it to a file.
"""

from minissd.viz.augmentation import draw_augmentation
from minissd.viz.bench import draw_ratios
from minissd.viz.boxes import draw_boxes, draw_image_boxes
from minissd.viz.curves import draw_precision_recall, draw_training_curves
from minissd.viz.detections import draw_detections
from minissd.viz.features import draw_feature_maps
from minissd.viz.matches import draw_matches, match_summary, object_names
from minissd.viz.mining import draw_mining
from minissd.viz.offsets import draw_offsets
from minissd.viz.picture import paint_detections, write_detection_picture
from minissd.viz.priors import draw_prior_scales, draw_priors, layer_slices, shape_names
from minissd.viz.saving import save
from minissd.viz.style import class_color, class_name
from minissd.viz.suppression import draw_suppression
from minissd.viz.trace import (
    draw_channels,
    draw_input,
    draw_origin,
    draw_probabilities,
    draw_suppressed,
)

__all__ = [
    "class_color",
    "class_name",
    "draw_augmentation",
    "draw_boxes",
    "draw_channels",
    "draw_detections",
    "draw_feature_maps",
    "draw_image_boxes",
    "draw_input",
    "draw_matches",
    "draw_mining",
    "draw_offsets",
    "draw_origin",
    "draw_precision_recall",
    "draw_prior_scales",
    "draw_priors",
    "draw_probabilities",
    "draw_ratios",
    "draw_suppressed",
    "draw_suppression",
    "draw_training_curves",
    "layer_slices",
    "match_summary",
    "object_names",
    "paint_detections",
    "save",
    "shape_names",
    "write_detection_picture",
]
