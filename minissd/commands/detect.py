"""``minissd detect``: find objects in pictures, draw them or print them."""

from __future__ import annotations

import json
from pathlib import Path

from minissd.commands.arguments import add_command, add_model_options, fraction
from minissd.errors import InputError


def add(commands):
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "detect",
        run,
        "find objects in pictures and draw their boxes",
        "minissd detect photo.jpg --weights run/weights.safetensors\n"
        "minissd detect *.jpg --weights run/weights.safetensors --output found\n"
        "minissd detect photo.jpg --weights run/weights.safetensors --json > found.json\n"
        "minissd detect photo.jpg --model ssd300        (random weights: only to see it run)",
    )
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    add_model_options(parser)
    parser.add_argument(
        "--output", type=Path, default=Path("detections"), metavar="DIR", help="default: detections"
    )
    parser.add_argument(
        "--score",
        type=fraction,
        default=0.4,
        metavar="X",
        help="show detections over this score (default: 0.4)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON with boxes in pixels and draw nothing"
    )


def run(options):
    """Detect in each picture; write pictures, or print JSON."""
    from minissd import viz
    from minissd.commands.arguments import read_model
    from minissd.data import read_image
    from minissd.files import writable_folder
    from minissd.predict import predict

    model, class_names = read_model(options)
    if not options.json:
        _require_different_names(options.images)
        writable_folder(options.output)
    results = []
    for path in options.images:
        image = read_image(path)
        found = predict(model, [image], score_threshold=max(options.score, 0.01))[0]
        if options.json:
            results.append(_as_json(path, image, found, class_names))
            continue
        picture = options.output / f"{path.stem}.png"
        viz.write_detection_picture(image, found, class_names, picture)
        print(f"{path}: {_summary(found, class_names)} -> {picture}")
    if options.json:
        print(json.dumps(results, indent=1))


def _as_json(path, image, found, class_names):
    height, width = image.shape[:2]
    boxes_px = found.boxes_xyxy * [width, height, width, height]
    return {
        "image": str(path),
        "width": width,
        "height": height,
        "detections": [
            {
                "class": class_names[label - 1],
                "score": round(float(score), 6),
                "box_xyxy_px": box.round(2).tolist(),
            }
            for box, score, label in zip(boxes_px.astype(float), found.scores, found.labels)
        ],
    }


def _summary(found, class_names):
    counts = {}
    for label in found.labels:
        counts[class_names[label - 1]] = counts.get(class_names[label - 1], 0) + 1
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing found"


def _require_different_names(paths):
    stems = [path.stem for path in paths]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise InputError(
            f"IMAGE: two pictures are named {twice[0]} (detect them into different --output folders)"
        )
