"""``minissd train``: train a detector on a folder in VOC format or on drawn scenes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from minissd.commands.arguments import MODELS, add_command, count, fraction, positive_int

SCENES = "scenes"  # --data scenes: drawn ones

# Options that set a field of TrainSettings: type, meaning. What is not given keeps the field's default.
SETTINGS = {
    "steps": (positive_int, "batches to learn from"),
    "batch_size": (positive_int, "pictures in a batch"),
    "learning_rate": (float, "its highest value"),
    "schedule": (str, "one-cycle, cosine, step or constant"),
    "weight_decay": (float, "of SGD"),
    "augmentation": (str, "ssd (the paper's), mild or none"),
    "matching_rule": (str, "bipartite, argmax, torchvision or threshold"),
    "iou_threshold": (fraction, "IoU from which a default box is matched"),
    "neg_pos_ratio": (float, "mined negatives per positive"),
    "min_negatives": (count, "mined negatives per picture at least"),
    "evaluate_every": (count, "steps between evaluations, 0 for only the last"),
    "checkpoint_every": (count, "steps between checkpoints, 0 for only the last"),
    "seed": (count, "of weights, order and augmentation"),
}


def add(commands):
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "train",
        run,
        "train a detector on a folder in VOC format, or on drawn scenes",
        "minissd train --data VOC2007 --model tiny --output run\n"
        "minissd train --data VOC2007 --output run --resume\n"
        "minissd train --data scenes --model tiny --output run --steps 300",
    )
    parser.add_argument(
        "--data", required=True, metavar="DIR", help="VOC-format folder, or 'scenes' for drawn ones"
    )
    parser.add_argument("--split", default="train", help="pictures to learn from (default: train)")
    parser.add_argument(
        "--val-split", default="val", help="pictures to evaluate on, '' for none (default: val)"
    )
    parser.add_argument("--model", choices=MODELS, default="tiny", help="default: tiny")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="start from these weights")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --output")
    parser.add_argument("--strict", action="store_true", help="refuse faulty boxes instead of skipping them")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    for name, (kind, meaning) in SETTINGS.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, dest=name, type=kind, metavar="X", help=meaning)


def run(options):
    """Train, and print the final mAP and where the weights are."""
    import numpy as np

    from minissd import weights
    from minissd.config import CONFIGS
    from minissd.models import SSD
    from minissd.train import Trainer, TrainSettings

    given = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    settings = TrainSettings(**given)
    dataset, validation, class_names = _datasets(options)
    config = dataclasses.replace(CONFIGS[MODELS[options.model]], num_classes=len(class_names) + 1)
    model = SSD(config, np.random.default_rng(settings.seed))
    trainer = Trainer(
        model, dataset, settings, options.output, validation, class_names, progress=not options.quiet
    )
    if options.resume:
        trainer.resume()
    elif options.weights:
        weights.load(model, options.weights, class_names)
    mean_ap = trainer.run()
    if mean_ap is not None:
        print(f"mAP {mean_ap:.4f} on {len(validation)} pictures of {options.val_split or options.data}")
    print(f"weights: {options.output / 'weights.safetensors'}")


def _datasets(options):
    from minissd.data import DrawnScenes, VOCDetection

    if options.data == SCENES:
        dataset, validation = DrawnScenes(length=4096, seed=1), DrawnScenes(length=100, seed=2)
        return dataset, validation, dataset.class_names
    dataset = VOCDetection(options.data, options.split, strict=options.strict)
    if not options.val_split:
        return dataset, None, dataset.class_names
    validation = VOCDetection(
        options.data, options.val_split, class_names=dataset.class_names, strict=options.strict
    )
    return dataset, validation, dataset.class_names
