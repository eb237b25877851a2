"""``minissd weights``: look into a weight file, and rewrite it for another implementation."""

from __future__ import annotations

import json
from pathlib import Path

from minissd.commands.arguments import add_command
from minissd.errors import InputError


def add(commands):
    """Add the command and its two actions to the parser."""
    parser = add_command(
        commands,
        "weights",
        None,
        "look into a weight file, or rewrite it for another implementation",
        "minissd weights inspect ssd300_vgg16_coco.pth\n"
        "minissd weights convert VGG_VOC0712_SSD_300x300.caffemodel ssd300.safetensors\n"
        "minissd weights convert ssd300.safetensors for_torchvision.safetensors --layout torchvision",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_inspect(actions)
    _add_convert(actions)


def _add_action(actions, name, run, summary, examples):
    parser = add_command(actions, name, run, summary, examples)
    parser.add_argument("file", type=Path, metavar="FILE", help=".safetensors, .pth, .caffemodel or .npz")
    return parser


def _add_inspect(actions):
    parser = _add_action(
        actions,
        "inspect",
        inspect,
        "say what a weight file holds: format, layout, network, classes, input, rules",
        "minissd weights inspect ssd300_vgg16_coco.pth\n"
        "minissd weights inspect run/weights.safetensors --arrays",
    )
    parser.add_argument("--arrays", action="store_true", help="list all arrays with shape and dtype")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_convert(actions):
    parser = _add_action(
        actions,
        "convert",
        convert,
        "write weights as safetensors, in minissd's layout or in another implementation's",
        "minissd weights convert ssd300_mAP_77.43_v2.pth ssd300.safetensors\n"
        "minissd weights convert own.pth own.safetensors --classes mug plate spoon\n"
        "minissd weights convert ssd300.safetensors theirs.safetensors --layout lufficc",
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="the .safetensors file to write")
    parser.add_argument(
        "--layout",
        default="minissd",
        metavar="NAME",
        help="minissd (default), torchvision, amdegroot, lufficc, chainercv, sgrvinod or caffe",
    )
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME", help="names of the classes, without the background"
    )
    parser.add_argument(
        "--config",
        choices=("ssd300-voc", "ssd300-coco", "ssd512-voc", "ssd512-coco"),
        help="whose sizes of default boxes the network has, where the guess is wrong",
    )
    parser.add_argument(
        "--convention",
        metavar="NAME",
        help="whose rules it follows, where the guess is wrong (caffe_integer: an SSD512 since June 2016)",
    )


def inspect(options):
    """Print what is in a file."""
    from minissd.weights.inspect import inspect_file

    report = inspect_file(options.file)
    if options.json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        print(report)
        if options.arrays:
            print(report.table_of_arrays())


def convert(options):
    """Write a file's weights as safetensors."""
    from minissd.weights.convert import convert_file

    if options.output.suffix != ".safetensors":
        raise InputError(f"OUT: {options.output} (call it {options.output.with_suffix('.safetensors').name})")
    if options.output.resolve() == options.file.resolve():
        raise InputError(f"OUT: {options.output} is the file to convert (choose another name)")
    given = (options.layout, options.classes, options.config, options.convention)
    config, losses = convert_file(options.file, options.output, *given)
    print(f"{options.file} -> {options.output}: {config.name} in the layout of {options.layout}")
    for loss in losses:
        print(loss)
