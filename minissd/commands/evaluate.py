"""``minissd evaluate``: average precision of trained weights on a dataset."""

from __future__ import annotations

import json
import math
from pathlib import Path

from minissd.commands.arguments import WEIGHTS_HELP, add_command, add_device_options, figure_file, fraction
from minissd.commands.datasets import DATA_HELP, open_data
from minissd.errors import InputError, input_error


def add(commands):
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        "average precision of trained weights on a folder in VOC or COCO format, or on drawn scenes",
        "minissd evaluate --data VOC2007 --split test --weights run/weights.safetensors\n"
        "minissd evaluate --data VOC2007 --split test --weights run/weights.safetensors --metric 11point\n"
        "minissd evaluate --data coco --split val2017 --weights run/weights.safetensors --metric coco\n"
        "minissd evaluate --data scenes --weights run/weights.safetensors",
    )
    parser.add_argument("--data", required=True, metavar="DIR", help=DATA_HELP)
    parser.add_argument(
        "--split", default="val", metavar="NAME", help="pictures to evaluate on (default: val)"
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help=WEIGHTS_HELP)
    parser.add_argument(
        "--metric",
        default="area",
        metavar="NAME",
        help="area (under the curve), 11point (VOC 2007's mean of 11 points), coco (its twelve numbers), or, "
        "as in other programs, 11point_arange, 11point_float32 or integral (default: area)",
    )
    parser.add_argument(
        "--iou-threshold",
        type=fraction,
        metavar="X",
        help="overlap from which an object is found (default: 0.5; COCO has ten)",
    )
    parser.add_argument(
        "--curves", type=figure_file, metavar="FILE", help="draw precision-recall curves (.png, .svg or .pdf)"
    )
    add_device_options(parser)
    parser.add_argument("--strict", action="store_true", help="refuse faulty boxes instead of skipping them")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options):
    """Print AP per class and mAP; for COCO the twelve numbers too."""
    from minissd import weights
    from minissd.backend import check_device
    from minissd.files import writable_folder
    from minissd.predict import check_metric, evaluate_model

    check_metric(options.metric)
    _refuse_what_coco_has_not(options)
    device = check_device(options.device)
    if options.curves:
        writable_folder(options.curves.parent)  # better to know now than after the work
    model, class_names = weights.load_model(options.weights)
    if not class_names:
        fix = f"minissd weights convert {options.weights} NAMED.safetensors --classes NAME NAME ..."
        raise input_error(options.weights, "holds no class names", fix)
    dataset = open_data(options.data, options.split, class_names, options.strict)
    iou_threshold = 0.5 if options.iou_threshold is None else options.iou_threshold
    result = evaluate_model(model.to(device), dataset, iou_threshold, options.metric)
    if options.curves:
        from minissd import viz

        viz.save(viz.draw_precision_recall(result, class_names), options.curves)
    ap = result.class_ap if options.metric == "coco" else result.ap
    ap_by_name = {class_names[label - 1]: value for label, value in ap.items()}
    if options.json:
        _print_json(result, ap_by_name, len(dataset))
        return
    how = "IoU .50-.95" if options.metric == "coco" else f"IoU {iou_threshold:g}"
    _print_table(result, ap_by_name, f"{options.metric}, {how}, {len(dataset)} images")


def _refuse_what_coco_has_not(options):
    for option in ("iou_threshold", "curves"):
        if options.metric == "coco" and getattr(options, option) is not None:
            name = option.replace("_", "-")
            raise InputError(f"--{name}: not with --metric coco, which has ten thresholds (leave it out)")


def _print_json(result, ap_by_name, num_images):
    report = {"mAP": result.mAP, "ap": ap_by_name, "images": num_images}
    if hasattr(result, "numbers"):
        report["numbers"] = result.numbers
    print(json.dumps(_without_nan(report)))


def _print_table(result, ap_by_name, how):
    width = max(map(len, [*ap_by_name, "mAP"]))
    for name, ap in ap_by_name.items():
        print(f"{name:{width}}  " + ("nan      (no object to find)" if math.isnan(ap) else f"{ap:.4f}"))
    if hasattr(result, "numbers"):
        print(result)
    print(f"{'mAP':{width}}  {result.mAP:.4f}   ({how})")


def _without_nan(value):
    """Null in place of NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return None if math.isnan(value) else value
