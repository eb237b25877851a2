"""``minissd evaluate``: average precision of trained weights on a dataset."""

from __future__ import annotations

import json
import math
from pathlib import Path

from minissd.commands.arguments import add_command, figure_file, fraction
from minissd.errors import input_error


def add(commands):
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        "average precision of trained weights on a folder in VOC format",
        "minissd evaluate --data VOC2007 --split test --weights run/weights.safetensors\n"
        "minissd evaluate --data VOC2007 --split test --weights run/weights.safetensors --metric 11point",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="VOC-format folder")
    parser.add_argument(
        "--split", default="val", metavar="NAME", help="pictures to evaluate on (default: val)"
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="trained weights")
    parser.add_argument(
        "--metric",
        choices=("area", "11point"),
        default="area",
        help="area under the curve, or VOC 2007's mean of 11 points (default: area)",
    )
    parser.add_argument(
        "--iou-threshold",
        type=fraction,
        default=0.5,
        metavar="X",
        help="overlap from which an object is found (default: 0.5)",
    )
    parser.add_argument(
        "--curves", type=figure_file, metavar="FILE", help="draw precision-recall curves (.png)"
    )
    parser.add_argument("--strict", action="store_true", help="refuse faulty boxes instead of skipping them")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options):
    """Print AP per class and mAP."""
    from minissd import weights
    from minissd.data import VOCDetection
    from minissd.files import writable_folder
    from minissd.predict import evaluate_model

    if options.curves:
        writable_folder(options.curves.parent)  # better to know now than after the work
    model, class_names = weights.load_model(options.weights)
    if not class_names:
        raise input_error(options.weights, "holds no class names", "save them with the weights")
    dataset = VOCDetection(options.data, options.split, class_names=class_names, strict=options.strict)
    result = evaluate_model(model, dataset, options.iou_threshold, options.metric)
    ap_by_name = {class_names[label - 1]: ap for label, ap in result.ap.items()}
    if options.curves:
        from minissd import viz

        viz.save(viz.draw_precision_recall(result, class_names), options.curves)
    if options.json:
        ap_by_name = {name: _as_json(ap) for name, ap in ap_by_name.items()}
        print(json.dumps({"mAP": _as_json(result.mAP), "ap": ap_by_name, "images": len(dataset)}))
        return
    width = max(map(len, [*ap_by_name, "mAP"]))
    for name, ap in ap_by_name.items():
        print(f"{name:{width}}  " + ("nan      (no object to find)" if math.isnan(ap) else f"{ap:.4f}"))
    how = f"{options.metric}, IoU {options.iou_threshold:g}, {len(dataset)} images"
    print(f"{'mAP':{width}}  {result.mAP:.4f}   ({how})")


def _as_json(number):
    return None if math.isnan(number) else number  # JSON knows no NaN
