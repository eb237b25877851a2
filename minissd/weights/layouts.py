"""Whose names: the layouts of SSD's weights in the files of other implementations.

All hold the same numbers. They differ in the names of the layers, in the order of the colours that the first
layer expects, and in the order of the four offsets of a box. A layout is this difference written down as
data; `minissd.weights.translate` goes by it in both directions.

minissd's own names are those of the paper and of Caffe: ``conv1_1`` ... ``fc7``, ``conv8_1`` ...
``conv12_2``, ``conv4_3_norm``, and for each source map a head such as ``fc7_head``, whose rows are first the
offsets and then the logits of its boxes; the others have two layers there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from minissd.conventions import CONVENTIONS

VGG_LAYERS = (
    *("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"),
    *("conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3", "fc6", "fc7"),
)
# The places of these layers in a list that counts ReLU and pooling too, as PyTorch's nn.Sequential does.
PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)
SOURCES = ("conv4_3", "fc7", "conv8_2", "conv9_2", "conv10_2", "conv11_2", "conv12_2")

RGB, BGR = "rgb", "bgr"
UNIT_STD = (1.0, 1.0, 1.0)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)  # of pixel values 0...255


@dataclass(frozen=True)
class Layout:
    """How one implementation names and orders the parameters of SSD.

    Attributes
    ----------
    name : str
    convention : str
        Whose rules the networks of this layout follow, a key of `minissd.conventions.CONVENTIONS`.
    base : tuple of str
        Names of the layers in `VGG_LAYERS`.
    extra : str
        Names of the extra layers; a format with the fields ``index`` (0, 1, 2...), ``stage`` (1, 1, 2, 2...),
        ``half`` (1, 2), ``place`` (0, 2), ``paper`` (8, 8, 9...) and ``caffe`` (6, 6, 7...).
    norm : str
        Name of the array of scales of conv4_3's normalisation.
    loc, conf : str
        Names of the layers of the heads; a format with ``map`` (0, 1...) and ``source``, one of `sources`.
    sources : tuple of str
        What the layout calls the source maps.
    weight, bias : str
        Names of a layer's arrays.
    offset_order : tuple of int
        Where each of minissd's offsets ``(cx, cy, w, h)`` stands among the four of this layout.
    channel_order : str
        Order of the colours in the input: ``"rgb"`` or ``"bgr"``.
    std_rgb : tuple of float
        The input is divided by this, colour by colour, after the mean is subtracted.
    input : dict
        Fields of `SSDConfig` that say how an image becomes the input.
    coco_sizes : str
        Which networks have the default boxes of the COCO scripts: those with ``"81"`` classes, all but those
        with ``"not 21"`` classes, or ``"all"``.
    num_maps : tuple of int
        Numbers of source maps that the implementation has: 6 (SSD300), 7 (SSD512).
    """

    name: str
    convention: str
    base: tuple[str, ...]
    extra: str
    norm: str
    loc: str
    conf: str
    sources: tuple[str, ...] = SOURCES
    weight: str = "{}.weight"
    bias: str = "{}.bias"
    offset_order: tuple[int, ...] = (0, 1, 2, 3)
    channel_order: str = RGB
    std_rgb: tuple[float, float, float] = UNIT_STD
    input: dict = field(default_factory=dict)
    coco_sizes: str = "81"
    num_maps: tuple[int, ...] = (6, 7)

    def layers(self, num_maps):
        """Return, for each of minissd's layers, the layers of this layout that it consists of.

        Parameters
        ----------
        num_maps : int
            6 for SSD300, 7 for SSD512.

        Returns
        -------
        dict of str to tuple of str
            A head has two, its offsets and its logits. The normalisation, which has no bias, is not here.

        Examples
        --------
        >>> AMDEGROOT.layers(6)["conv8_2"], AMDEGROOT.layers(6)["fc7_head"]
        (('extras.1',), ('loc.1', 'conf.1'))
        """
        names = {ours: (theirs,) for ours, theirs in zip(VGG_LAYERS, self.base)}
        for stage in range(1, num_maps - 1):
            for half in (1, 2):
                numbers = {"index": 2 * stage + half - 3, "place": 2 * half - 2}
                numbers |= {"stage": stage, "half": half, "paper": stage + 7, "caffe": stage + 5}
                names[f"conv{stage + 7}_{half}"] = (self.extra.format(**numbers),)
        for number, (ours, theirs) in enumerate(zip(SOURCES[:num_maps], self.sources)):
            names[f"{ours}_head"] = tuple(
                part.format(map=number, source=theirs) for part in (self.loc, self.conf)
            )
        return names

    def arrays(self, num_maps):
        """Return, for each of minissd's arrays, the names of the arrays of this layout that it consists of.

        Examples
        --------
        >>> CAFFE.arrays(6)["conv4_3_norm.weight"], CAFFE.arrays(6)["fc7_head.bias"]
        (('conv4_3_norm.weight',), ('fc7_mbox_loc.bias', 'fc7_mbox_conf.bias'))
        """
        names = {"conv4_3_norm.weight": (self.norm,)}
        for ours, theirs in self.layers(num_maps).items():
            for kind, pattern in (("weight", self.weight), ("bias", self.bias)):
                names[f"{ours}.{kind}"] = tuple(pattern.format(layer) for layer in theirs)
        return names

    def config(self, config):
        """Return a configuration as the networks of this layout have it: their rules and their input."""
        return CONVENTIONS[self.convention].config(config, channel_order=self.channel_order, **self.input)


def in_sequence(prefix, places=PLACES):
    """Return the names of layers that are counted, as in ``vgg.0``, ``vgg.2``..."""
    return tuple(f"{prefix}{place}" for place in places)


AMDEGROOT = Layout(
    name="amdegroot",
    convention="amdegroot",
    base=in_sequence("vgg."),
    extra="extras.{index}",
    norm="L2Norm.weight",
    loc="loc.{map}",
    conf="conf.{map}",
    coco_sizes="not 21",
)

TORCHVISION = Layout(
    name="torchvision",
    convention="torchvision",
    base=in_sequence("backbone.features.", PLACES[:10])
    + in_sequence("backbone.extra.0.", ("1", "3", "5", "7.1", "7.3")),
    extra="backbone.extra.{stage}.{place}",
    norm="backbone.scale_weight",
    loc="head.regression_head.module_list.{map}",
    conf="head.classification_head.module_list.{map}",
    input={
        "mean_rgb": (0.48235 * 255, 0.45882 * 255, 0.40784 * 255),  # and a standard deviation of 1 / 255
        "resize": "float",
    },
    coco_sizes="all",
    num_maps=(6,),
)

LUFFICC = Layout(
    name="lufficc",
    convention="lufficc",
    base=in_sequence("backbone.vgg."),
    extra="backbone.extras.{index}",
    norm="backbone.l2_norm.weight",
    loc="box_head.predictor.reg_headers.{map}",
    conf="box_head.predictor.cls_headers.{map}",
)

SGRVINOD = Layout(
    name="sgrvinod",
    convention="sgrvinod",
    base=tuple(f"base.{layer.replace('fc', 'conv')}" for layer in VGG_LAYERS),
    extra="aux_convs.conv{paper}_{half}",
    norm="rescale_factors",
    loc="pred_convs.loc_{source}",
    conf="pred_convs.cl_{source}",
    sources=("conv4_3", "conv7", *SOURCES[2:]),
    std_rgb=IMAGENET_STD,
    input={"mean_rgb": (0.485 * 255, 0.456 * 255, 0.406 * 255), "resize": "pillow"},
    num_maps=(6,),
)

CHAINERCV = Layout(
    name="chainercv",
    convention="chainercv",
    base=tuple(f"extractor/{layer.replace('fc', 'conv')}" for layer in VGG_LAYERS),
    extra="extractor/conv{paper}_{half}",
    norm="extractor/norm4/scale",
    loc="multibox/loc/{map}",
    conf="multibox/conf/{map}",
    weight="{}/W",
    bias="{}/b",
    offset_order=(1, 0, 3, 2),  # its boxes are (cy, cx, h, w)
    input={"resize": "float"},
)

CAFFE = Layout(
    name="caffe",
    convention="caffe",
    base=VGG_LAYERS,
    extra="conv{caffe}_{half}",
    norm="conv4_3_norm.weight",
    loc="{source}_mbox_loc",
    conf="{source}_mbox_conf",
    sources=("conv4_3_norm", "fc7", *(f"conv{number}_2" for number in range(6, 11))),
    channel_order=BGR,
)

LAYOUTS = {layout.name: layout for layout in (TORCHVISION, AMDEGROOT, LUFFICC, CAFFE, CHAINERCV, SGRVINOD)}
