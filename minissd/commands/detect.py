"""``minissd detect``: find objects in pictures; draw them, print them, or explain where they come from."""

from __future__ import annotations

import json
from pathlib import Path

from minissd.commands.arguments import (
    add_command,
    add_device_options,
    add_model_options,
    fraction,
    require_other_file,
)
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
        "minissd detect photo.jpg --weights run/weights.safetensors --explain page\n"
        "minissd detect photo.jpg --model ssd300        (random weights: only to see it run)",
    )
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="JPEG, PNG and others")
    add_model_options(parser)
    add_device_options(parser)
    parser.add_argument(
        "--score",
        type=fraction,
        default=0.4,
        metavar="X",
        help="show detections over this score (default: 0.4)",
    )
    found = parser.add_mutually_exclusive_group()
    found.add_argument(
        "--output",
        type=Path,
        default=Path("detections"),
        metavar="DIR",
        help="folder of the drawn pictures (default: detections)",
    )
    found.add_argument("--json", action="store_true", help="print JSON with boxes in pixels and draw nothing")
    found.add_argument(
        "--explain",
        type=Path,
        metavar="DIR",
        help="of one IMAGE: write a page that follows it through the network to every detection",
    )


def run(options):
    """Detect in each picture; draw the boxes, print them as JSON, or write the page that explains them."""
    from minissd.backend import check_device
    from minissd.commands.arguments import read_model
    from minissd.data import image_size

    if options.explain:
        _require_one_image(options)
    device = check_device(options.device)
    model, class_names = read_model(options)
    for path in options.images:
        image_size(path)  # a name that is wrong comes to light before the first picture is written
    show = _explain if options.explain else _print_json if options.json else _draw
    show(model.to(device), class_names, options)


def _draw(model, class_names, options):
    from minissd import viz
    from minissd.files import writable_folder

    _require_different_names(options.images)
    for path in options.images:
        require_other_file(_picture(options, path), path)
    writable_folder(options.output)
    for path, image, detections in _detections(model, options):
        picture = _picture(options, path)
        viz.write_detection_picture(image, detections, class_names, picture)
        print(f"{path}: {_summary(detections, class_names)} -> {picture}")


def _print_json(model, class_names, options):
    found = _detections(model, options)
    results = [_as_json(path, image, detections, class_names) for path, image, detections in found]
    print(json.dumps(results, indent=1))


def _explain(model, class_names, options):
    from minissd.data import read_image
    from minissd.explain import write_explanation
    from minissd.files import writable_folder
    from minissd.trace import trace

    (path,) = options.images
    writable_folder(options.explain)
    seen = trace(model.to("cpu"), read_image(path), score_threshold=_score_threshold(options))
    page = write_explanation(seen, options.explain, f"{path.name}, step by step", class_names)
    print(f"{path}: {_summary(seen.detections, class_names)} -> {page}")


def _detections(model, options):
    """Yield path, image and detections of every picture."""
    from minissd.data import read_image
    from minissd.predict import predict

    for path in options.images:
        image = read_image(path)
        yield path, image, predict(model, [image], score_threshold=_score_threshold(options))[0]


def _score_threshold(options):
    """What ``--score`` says, but no less than the paper's 0.01."""
    return max(options.score, 0.01)


def _picture(options, path):
    return options.output / f"{path.stem}.png"


def _as_json(path, image, found, class_names):
    from minissd.boxes import clip

    height, width = image.shape[:2]
    boxes_px = clip(found.boxes_xyxy) * [width, height, width, height]
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


def _require_one_image(options):
    path, *others = options.images
    if others:
        raise InputError(
            f"--explain: {len(options.images)} pictures, the second is {others[0]} (give one IMAGE)"
        )
    if path.resolve().parent == options.explain.resolve():
        raise InputError(
            f"--explain: {options.explain} is the folder of {path} itself (choose one of its own)"
        )


def _require_different_names(paths):
    first = {}
    for path in paths:
        if path.stem in first:
            raise InputError(
                f"IMAGE: {first[path.stem]} and {path} would both become {path.stem}.png "
                "(detect them one by one, into different --output folders)"
            )
        first[path.stem] = path
