"""``minissd train``: train a detector on a folder in VOC or COCO format or on drawn scenes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from minissd.commands.arguments import (
    MODELS,
    RULES_HELP,
    add_command,
    add_device_options,
    count,
    fraction,
    not_negative,
    positive,
    positive_int,
)
from minissd.commands.datasets import DATA_HELP, SCENES, open_data
from minissd.errors import InputError, input_error

# Options that set a field of TrainSettings: type, meaning, default (only said here; TrainSettings has it).
SETTINGS = {
    "steps": (positive_int, "batches to learn from", 800),
    "batch_size": (positive_int, "pictures in a batch", 8),
    "learning_rate": (positive, "its highest value; 0.001 for ssd300 and ssd512", 0.04),
    "schedule": (
        str,
        "one-cycle, cosine, constant or (for ssd300 and ssd512) step",
        "one-cycle",
    ),
    "weight_decay": (not_negative, "of SGD", 0.0005),
    "augmentation": (str, "mild, none or (for ssd300 and ssd512) ssd, the paper's", "mild"),
    "matching_rule": (str, RULES_HELP, "bipartite"),
    "iou_threshold": (fraction, "IoU from which a default box is matched", 0.5),
    "neg_pos_ratio": (not_negative, "mined negatives per positive", 3),
    "min_negatives": (count, "mined negatives per picture at least", 0),
    "evaluate_every": (count, "steps between evaluations, 0 for only the last", 200),
    "checkpoint_every": (count, "steps between checkpoints, 0 for only the last", 100),
    "seed": (count, "of weights, order and augmentation", 0),
}


def add(commands):
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "train",
        run,
        "train a detector on a folder in VOC or COCO format, or on drawn scenes",
        "minissd train --data VOC2007 --model tiny --output run\n"
        "minissd train --data VOC2007 --output run --resume\n"
        "minissd train --data VOC2007 --model ssd300 --output run --device cuda\n"
        "minissd train --data coco --split train2017 --val-split val2017 --model ssd300 --output run\n"
        "minissd train --data scenes --model tiny --output run --steps 300",
    )
    _add_data(parser)
    _add_model(parser)
    _add_start(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the run")
    add_device_options(parser)
    parser.add_argument("--strict", action="store_true", help="refuse faulty boxes instead of skipping them")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    for name, (kind, meaning, default) in SETTINGS.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, dest=name, type=kind, metavar="X", help=f"{meaning} (default: {default})")


def _add_data(parser):
    parser.add_argument("--data", required=True, metavar="DIR", help=DATA_HELP)
    parser.add_argument(
        "--split", default="train", metavar="NAME", help="pictures to learn from (default: train)"
    )
    parser.add_argument(
        "--val-split",
        default="val",
        metavar="NAME",
        help="pictures to evaluate on, '' for none (default: val)",
    )


def _add_model(parser):
    parser.add_argument(
        "--model",
        choices=MODELS,
        default="tiny",
        help="tiny (256 pixels, minutes on two cores), or ssd300 or ssd512 (VGG16, days) (default: tiny)",
    )
    parser.add_argument(
        "--convention",
        default="caffe",
        metavar="NAME",
        help="whose rules for boxes, matching and loss: caffe (default), caffe_integer, paper, amdegroot, "
        "torchvision, lufficc, sgrvinod, d2l or chainercv",
    )


def _add_start(parser):
    parser.add_argument("--weights", type=Path, metavar="FILE", help="start from these weights of an SSD")
    parser.add_argument(
        "--base",
        type=Path,
        metavar="FILE",
        help="start from a VGG16, or from an SSD of other classes (.pth, .caffemodel, .safetensors...)",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --output")


def run(options):
    """Train, and print the final mAP and where the weights are."""
    import numpy as np

    from minissd import weights
    from minissd.backend import check_device
    from minissd.config import CONFIGS
    from minissd.conventions import convention_named
    from minissd.models import SSD
    from minissd.settings import settings_for
    from minissd.train import Trainer

    _require_one_start(options)
    if not options.resume:
        _refuse_to_lose(options.output)
    device = check_device(options.device)
    given = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    config = convention_named(options.convention).config(CONFIGS[MODELS[options.model]])
    settings = settings_for(config, **given)
    dataset, validation, class_names = _datasets(options)
    config = dataclasses.replace(config, num_classes=len(class_names) + 1)
    model = SSD(config, np.random.default_rng(settings.seed)).to(device)
    trainer = Trainer(
        model, dataset, settings, options.output, validation, class_names, progress=not options.quiet
    )
    if options.resume:
        trainer.resume()
    elif options.weights:
        weights.load(model, options.weights, class_names)
    elif options.base:
        weights.load_base(model, options.base)
    if trainer.step == settings.steps:
        print(f"this run is finished: all {settings.steps} steps are done")
    mean_ap = trainer.run()
    if mean_ap is not None:
        where = "unseen scenes" if options.data == SCENES else f"pictures of {options.val_split}"
        print(f"mAP {mean_ap:.4f} on {len(validation)} {where}")
    print(f"weights: {options.output / 'weights.safetensors'}")


def _require_one_start(options):
    given = [f"--{name}" for name in ("resume", "weights", "base") if getattr(options, name)]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: give only one (each says what to start from)")


def _refuse_to_lose(output):
    """Refuse to begin anew over a run that was stopped; one that is finished may be replaced."""
    from minissd import weights
    from minissd.train import CHECKPOINT

    try:
        details = weights.read(output / CHECKPOINT).details
        step, steps = int(details["step"]), int(details["settings"]["steps"])
    except (InputError, LookupError, TypeError, ValueError):  # nothing that could be resumed
        return
    if step < steps:
        problem = f"{output} holds a run that was stopped after step {step} of {steps}"
        raise input_error("--output", problem, "--resume goes on; else choose another folder, or delete it")


def _datasets(options):
    from minissd.data import has_split, splits_in

    dataset = open_data(options.data, options.split, strict=options.strict)
    if not options.val_split:
        return dataset, None, dataset.class_names
    if options.data != SCENES and not has_split(options.data, options.val_split):
        known = sorted({options.split, *splits_in(options.data)})
        raise InputError(
            f"--val-split: {options.data} has no split {options.val_split!r} to evaluate on "
            f"(choose one of {', '.join(known)}, or give --val-split '' to train without)"
        )
    validation = open_data(options.data, options.val_split, dataset.class_names, options.strict)
    return dataset, validation, dataset.class_names
