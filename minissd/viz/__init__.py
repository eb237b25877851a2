"""Pictures of every step of SSD. This package alone imports matplotlib.

Each ``draw_*`` function takes plain arrays, a configuration or a network, and returns a figure; `save` writes
it to a file.
"""

from minissd.viz.architecture import draw_architecture
from minissd.viz.augmentation import draw_augmentation
from minissd.viz.average_precision import draw_average_precision
from minissd.viz.bench import draw_ratios
from minissd.viz.boxes import draw_boxes, draw_image_boxes
from minissd.viz.cell import draw_cell_shapes
from minissd.viz.charts import draw_histograms, draw_lines
from minissd.viz.convolution import draw_layouts, draw_rates, draw_register_tile
from minissd.viz.curves import draw_precision_recall, draw_training_curves
from minissd.viz.detections import draw_detections
from minissd.viz.detectors import draw_speed_accuracy, draw_table
from minissd.viz.features import draw_feature_maps
from minissd.viz.layers import draw_effective_fields, draw_layer_costs
from minissd.viz.losses import draw_loss_curves, draw_sorted_losses
from minissd.viz.map_matches import draw_map_matches
from minissd.viz.match import draw_match
from minissd.viz.matches import draw_matches, match_summary, object_names
from minissd.viz.mined import draw_mined
from minissd.viz.mining import draw_mining
from minissd.viz.object_sizes import draw_object_sizes
from minissd.viz.offsets import draw_offsets
from minissd.viz.picture import paint_detections, write_detection_picture
from minissd.viz.prior_values import draw_prior_values
from minissd.viz.priors import draw_prior_scales, draw_priors, layer_slices, shape_names
from minissd.viz.receptive import draw_atrous_taps, draw_receptive_fields
from minissd.viz.saving import save
from minissd.viz.scales import draw_scales
from minissd.viz.style import class_color, class_name
from minissd.viz.suppression import draw_suppression
from minissd.viz.suppression_round import draw_suppression_round
from minissd.viz.suppression_steps import draw_suppression_steps
from minissd.viz.trace import (
    draw_channels,
    draw_input,
    draw_origin,
    draw_probabilities,
    draw_suppressed,
)
from minissd.viz.winograd import draw_matrices, draw_winograd_tiles

__all__ = [
    "class_color",
    "class_name",
    "draw_architecture",
    "draw_atrous_taps",
    "draw_augmentation",
    "draw_average_precision",
    "draw_boxes",
    "draw_cell_shapes",
    "draw_channels",
    "draw_detections",
    "draw_effective_fields",
    "draw_feature_maps",
    "draw_histograms",
    "draw_image_boxes",
    "draw_input",
    "draw_layer_costs",
    "draw_layouts",
    "draw_lines",
    "draw_loss_curves",
    "draw_map_matches",
    "draw_match",
    "draw_matches",
    "draw_matrices",
    "draw_mined",
    "draw_mining",
    "draw_object_sizes",
    "draw_offsets",
    "draw_origin",
    "draw_precision_recall",
    "draw_prior_scales",
    "draw_prior_values",
    "draw_priors",
    "draw_probabilities",
    "draw_rates",
    "draw_ratios",
    "draw_receptive_fields",
    "draw_register_tile",
    "draw_scales",
    "draw_sorted_losses",
    "draw_speed_accuracy",
    "draw_suppressed",
    "draw_suppression",
    "draw_suppression_round",
    "draw_suppression_steps",
    "draw_table",
    "draw_training_curves",
    "draw_winograd_tiles",
    "layer_slices",
    "match_summary",
    "object_names",
    "paint_detections",
    "save",
    "shape_names",
    "write_detection_picture",
]
