"""Data: where samples come from, how they are augmented, how they become batches.

======================  ==========================================================================
`Sample`                one picture with its objects
`VOCDetection`          a folder in VOC's format; `write_voc` makes one
`COCODetection`         a folder in COCO's format; `write_coco` makes one
`open_dataset`          a folder in either; `convert_to_coco`, `convert_to_voc` make one of the other
`read_instances`        COCO annotations alone, without the images; `read_coco_results` detections
`write_coco_results`    detections for COCO's program; `write_voc_results` for VOC's
`DrawnScenes`           endless drawn pictures with exact boxes
`SSDAugmentation`       the paper's augmentation; `mild` a gentle one; `Resize` none
`BatchLoader`           batches, prepared in the background; `on_device` sends them to a GPU
`read_image`            a file as RGB; `network_input` makes the network's input of it
======================  ==========================================================================
"""

from minissd.data.annotated import read_annotated
from minissd.data.annotation import Annotation, AnnotationWarning
from minissd.data.augmentation import Chain, Resize, SSDAugmentation, mild
from minissd.data.batches import Batch, BatchLoader, collate
from minissd.data.classes import VOC_CLASSES
from minissd.data.coco import COCODetection
from minissd.data.coco_json import read_coco_results, read_instances
from minissd.data.coco_write import write_coco, write_coco_annotations, write_coco_results
from minissd.data.convert import convert_to_coco, convert_to_voc
from minissd.data.folder import has_split, open_dataset, splits_in
from minissd.data.image import image_size, network_input, read_image
from minissd.data.photometric import Photometric
from minissd.data.resample import resize
from minissd.data.sample import Sample
from minissd.data.scenes import DrawnScenes
from minissd.data.transfer import on_device
from minissd.data.voc import VOCDetection
from minissd.data.voc_results import write_voc_results
from minissd.data.voc_write import write_voc

__all__ = [
    "VOC_CLASSES",
    "Annotation",
    "AnnotationWarning",
    "Batch",
    "BatchLoader",
    "COCODetection",
    "Chain",
    "DrawnScenes",
    "Photometric",
    "Resize",
    "SSDAugmentation",
    "Sample",
    "VOCDetection",
    "collate",
    "convert_to_coco",
    "convert_to_voc",
    "has_split",
    "image_size",
    "mild",
    "network_input",
    "on_device",
    "open_dataset",
    "read_annotated",
    "read_coco_results",
    "read_image",
    "read_instances",
    "resize",
    "splits_in",
    "write_coco",
    "write_coco_annotations",
    "write_coco_results",
    "write_voc",
    "write_voc_results",
]
