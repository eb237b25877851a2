"""Data: where samples come from, how they are augmented, how they become batches.

======================  ==========================================================================
`Sample`                one picture with its objects
`VOCDetection`          a folder in VOC's format; `write_voc` makes one
`DrawnScenes`           endless drawn pictures with exact boxes
`SSDAugmentation`       the paper's augmentation; `mild` a gentle one; `Resize` none
`BatchLoader`           batches, prepared in the background
`read_image`            a file as RGB; `network_input` makes the network's input of it
======================  ==========================================================================
"""

from minissd.data.annotated import read_annotated
from minissd.data.augmentation import Chain, Resize, SSDAugmentation, mild
from minissd.data.batches import Batch, BatchLoader, collate
from minissd.data.classes import VOC_CLASSES
from minissd.data.image import image_size, network_input, read_image
from minissd.data.photometric import Photometric
from minissd.data.resample import resize
from minissd.data.sample import Sample
from minissd.data.scenes import DrawnScenes
from minissd.data.voc import Annotation, AnnotationWarning, VOCDetection
from minissd.data.voc_write import write_voc

__all__ = [
    "VOC_CLASSES",
    "Annotation",
    "AnnotationWarning",
    "Batch",
    "BatchLoader",
    "Chain",
    "DrawnScenes",
    "Photometric",
    "Resize",
    "SSDAugmentation",
    "Sample",
    "VOCDetection",
    "collate",
    "image_size",
    "mild",
    "network_input",
    "read_annotated",
    "read_image",
    "resize",
    "write_voc",
]
