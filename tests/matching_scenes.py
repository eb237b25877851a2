"""Ground truths and priors to match: some of six boxes, and images with the priors of SSD300."""

import numpy as np
from reference_numbers import copied_numbers, split

from minissd import boxes
from minissd.config import SSD300_VOC
from minissd.priors import prior_boxes

# Caffe's golden boxes.
GOLDEN_GT_XYXY = np.array([[0.1, 0.1, 0.3, 0.3], [0.3, 0.3, 0.6, 0.5]])
GOLDEN_PRIORS_CXCYWH = boxes.xyxy_to_cxcywh(
    np.array(
        [  # IoU with ground truth 0, 1
            [0.1, 0.0, 0.4, 0.3],  # 4/9, 0
            [0.0, 0.1, 0.2, 0.3],  # 1/3, 0
            [0.2, 0.1, 0.4, 0.4],  # 1/4, 1/11
            [0.4, 0.3, 0.7, 0.5],  # 0, 1/2
            [0.5, 0.4, 0.7, 0.7],  # 0, 1/11
            [0.7, 0.7, 0.8, 0.8],  # 0, 0
        ]
    )
)

NUMBERS = copied_numbers("matching")
SCENES = split(NUMBERS["gts"], NUMBERS["gt_offsets"])
SSD300_PRIORS = prior_boxes(SSD300_VOC)
