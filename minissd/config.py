"""What one SSD is made of: its input, its feature maps and the default boxes on them.

Every number here is from the paper (arXiv 1512.02325) or from the original Caffe scripts, which are
what the published weights were trained with. The two do not always agree; see `minissd.priors`.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields, replace

from minissd.config_fields import faults_of
from minissd.errors import InputError


@dataclass(frozen=True)
class SSDConfig:
    """A complete description of one SSD network; frozen, so that it can be shared without fear.

    Make a variant with ``dataclasses.replace(SSD300_VOC, num_classes=4)``.

    Attributes
    ----------
    name : str
        Name of this configuration, stored in checkpoints.
    base : str
        Name of the base network in `minissd.models.BASES`: ``"vgg16"`` or ``"tiny"``.
    num_classes : int
        C, the number of classes with the background, which is class 0.
    image_size : int
        Side S of the square input, in pixels.
    feature_maps : tuple of int
        Side of each source map, from the finest to the coarsest.
    steps : tuple of float
        Distance between neighbouring default-box centres on each map, in input pixels. Centres are
        ``(i + 0.5) * step / S``. With ``step = S / side`` this is the paper's ``(i + 0.5) / |f_k|``.
    min_sizes, max_sizes : tuple of float
        Per map, in input pixels: the side of the small square is ``min``, of the large square
        ``sqrt(min * max)``. ``max`` is used for nothing else.
    aspect_ratios : tuple of tuple of float
        Per map the ratios beside 1.
    flip : bool
        Whether each ratio ``a`` gives two boxes, ``a`` and ``1/a``, as in Caffe; otherwise one, ``a``.
    clip : bool or str
        How default boxes are limited to the image, a key of `minissd.priors.CLIPS`. False: not at all, as
        in the official models; True or ``"corners"``: cut at the border; ``"center_size"``, ``"size"``:
        these numbers are limited to [0, 1], as in amdegroot's and in torchvision's.
    variances : tuple of float
        Scales of the centre and the size offsets in the box code (Caffe's name for them).
    mean_rgb : tuple of float
        Subtracted from the RGB pixel values 0...255 of an image; also the fill of an expanded image.
    pixel_scale : float
        The pixel values are divided by this after the mean is subtracted.
    channel_order : str
        ``"rgb"`` or ``"bgr"``: order of the channels in the network's input.
    resize : str
        How an image becomes S x S, a key of `minissd.data.image.RESIZES`: ``"opencv"`` (bytes in, bytes out),
        ``"float"`` (fractions are kept: torchvision, chainercv) or ``"pillow"`` (smoothed where it shrinks).
    l2norm_guard, l2norm_epsilon : str, float
        How a place where all channels of conv4_3 are 0 is kept from a division by 0, see `minissd.nn.L2Norm`.
    convention : str
        Whose rules the network was trained by and detects by, a key of `minissd.conventions.CONVENTIONS`.
    """

    name: str
    base: str
    num_classes: int
    image_size: int
    feature_maps: tuple[int, ...]
    steps: tuple[float, ...]
    min_sizes: tuple[float, ...]
    max_sizes: tuple[float, ...]
    aspect_ratios: tuple[tuple[float, ...], ...]
    flip: bool = True
    clip: bool | str = False
    variances: tuple[float, float] = (0.1, 0.2)
    mean_rgb: tuple[float, float, float] = (123.0, 117.0, 104.0)
    pixel_scale: float = 1.0
    channel_order: str = "rgb"
    resize: str = "opencv"
    l2norm_guard: str = "inside"
    l2norm_epsilon: float = 1e-10
    convention: str = "caffe"

    def __post_init__(self):
        for fault in faults_of(self):
            raise InputError(f"config {self.name}: {fault}")

    @property
    def boxes_per_cell(self) -> tuple[int, ...]:
        """k of each map: two squares, and one or two boxes for each further aspect ratio."""
        return tuple(2 + len(ratios) * (2 if self.flip else 1) for ratios in self.aspect_ratios)

    @property
    def num_priors(self) -> int:
        """P, the number of default boxes of all maps together."""
        return sum(k * side * side for k, side in zip(self.boxes_per_cell, self.feature_maps))

    def to_dict(self) -> dict:
        """Return the fields as a plain dictionary, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> SSDConfig:
        """Build a configuration from `to_dict`'s dictionary, also after a trip through JSON.

        A field that has a default may be missing: the file is then older than the field.
        """
        known = {field.name for field in fields(cls)}
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        odd = sorted((set(values) - known) | (needed - set(values)))
        if odd:
            raise InputError(f"config: missing or unknown fields {odd} (was it written by another version?)")
        return cls(**{key: _as_tuple(value) for key, value in values.items()})


def _as_tuple(value):
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list | tuple) else value


SSD300_VOC = SSDConfig(
    name="ssd300-voc",
    base="vgg16",
    num_classes=21,
    image_size=300,
    feature_maps=(38, 19, 10, 5, 3, 1),
    steps=(8, 16, 32, 64, 100, 300),
    min_sizes=(30, 60, 111, 162, 213, 264),
    max_sizes=(60, 111, 162, 213, 264, 315),
    aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)

SSD300_COCO = replace(
    SSD300_VOC,
    name="ssd300-coco",
    num_classes=81,
    min_sizes=(21, 45, 99, 153, 207, 261),
    max_sizes=(45, 99, 153, 207, 261, 315),
)

SSD512_VOC = SSDConfig(
    name="ssd512-voc",
    base="vgg16",
    num_classes=21,
    image_size=512,
    feature_maps=(64, 32, 16, 8, 4, 2, 1),
    steps=(8, 16, 32, 64, 128, 256, 512),
    min_sizes=(35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8),
    max_sizes=(76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.6),
    aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)

SSD512_COCO = replace(
    SSD512_VOC,
    name="ssd512-coco",
    num_classes=81,
    min_sizes=(20.48, 51.2, 133.12, 215.04, 296.96, 378.88, 460.8),
    max_sizes=(51.2, 133.12, 215.04, 296.96, 378.88, 460.8, 542.72),
)

# A small SSD for learning: it trains on two CPU cores in minutes.
TINY = SSDConfig(
    name="tiny",
    base="tiny",
    num_classes=21,
    image_size=256,
    feature_maps=(32, 16, 8, 4),
    steps=(8, 16, 32, 64),
    min_sizes=(18, 38, 77, 141),
    max_sizes=(38, 77, 141, 230),
    aspect_ratios=((2,), (2,), (2,), (2,)),
    mean_rgb=(127.5, 127.5, 127.5),
    pixel_scale=64.0,
)

CONFIGS = {c.name: c for c in (TINY, SSD300_VOC, SSD300_COCO, SSD512_VOC, SSD512_COCO)}
