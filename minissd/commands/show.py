"""``minissd show``: one step of SSD on one picture, drawn and in words."""

from __future__ import annotations

from pathlib import Path

from minissd.commands.arguments import (
    MODELS,
    RULES_HELP,
    add_command,
    add_model_options,
    count,
    figure_file,
    fraction,
    not_negative,
    positive_int,
    read_model,
    require_other_file,
)
from minissd.errors import InputError


def add(commands):
    """Add the command and its four steps to the parser."""
    parser = add_command(
        commands,
        "show",
        None,
        "draw one step of SSD on a picture: priors, matches, mining or nms",
        "minissd show priors photo.jpg --model ssd300 --layer 2 --cell 5 5\n"
        "minissd show matches photo.jpg --annotation photo.xml\n"
        "minissd show mining photo.jpg --annotation photo.xml --weights run/weights.safetensors\n"
        "minissd show nms photo.jpg --weights run/weights.safetensors --class dog",
    )
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True)
    _add_priors(steps)
    _add_matches(steps)
    _add_mining(steps)
    _add_nms(steps)


def _add_step(steps, name, run, summary, example):
    parser = add_command(steps, name, run, summary, example)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="JPEG, PNG and others")
    parser.add_argument(
        "--output",
        type=figure_file,
        default=Path(f"{name}.png"),
        metavar="FILE",
        help=f".png, .svg or .pdf (default: {name}.png)",
    )
    return parser


def _add_priors(steps):
    parser = _add_step(
        steps,
        "priors",
        run_priors,
        "the default boxes of all feature maps, or of one cell",
        "minissd show priors photo.jpg --model ssd300\n"
        "minissd show priors photo.jpg --model ssd300 --layer 2 --cell 5 5",
    )
    parser.add_argument("--model", choices=MODELS, default="tiny", help="whose boxes (default: tiny)")
    parser.add_argument("--layer", type=count, metavar="K", help="number of the feature map, 0 the finest")
    parser.add_argument(
        "--cell",
        type=count,
        nargs=2,
        metavar=("ROW", "COLUMN"),
        help="cell of that map, from 0 0 at the upper left (default: the middle)",
    )


def run_priors(options):
    """Draw default boxes."""
    from minissd import show
    from minissd.config import CONFIGS
    from minissd.data import read_image

    config = CONFIGS[MODELS[options.model]]
    cell = tuple(options.cell) if options.cell else None
    _write(show.show_priors(read_image(options.image), config, options.layer, cell), options)


def _add_matches(steps):
    parser = _add_step(
        steps,
        "matches",
        run_matches,
        "which default box is matched to which object, and why",
        "minissd show matches photo.jpg --annotation photo.xml --rule argmax",
    )
    parser.add_argument("--annotation", type=Path, required=True, metavar="XML", help="objects in VOC format")
    parser.add_argument("--model", choices=MODELS, default="tiny", help="whose boxes (default: tiny)")
    parser.add_argument(
        "--rule",
        default="bipartite",
        metavar="NAME",
        help=f"how every object gets its best default box: {RULES_HELP} (default: bipartite)",
    )
    parser.add_argument(
        "--iou-threshold",
        type=fraction,
        default=0.5,
        metavar="X",
        help="overlap from which other boxes are matched too (default: 0.5)",
    )


def run_matches(options):
    """Draw matches."""
    from minissd import show
    from minissd.config import CONFIGS
    from minissd.data import read_annotated

    config = CONFIGS[MODELS[options.model]]
    sample, class_names = read_annotated(options.image, options.annotation)
    result = show.show_matches(
        sample.image, sample.gt_xyxy, sample.labels, config, class_names, options.iou_threshold, options.rule
    )
    _write(result, options)


def _add_mining(steps):
    parser = _add_step(
        steps,
        "mining",
        run_mining,
        "from which background a model would learn",
        "minissd show mining photo.jpg --annotation photo.xml --weights run/weights.safetensors",
    )
    parser.add_argument("--annotation", type=Path, required=True, metavar="XML", help="objects in VOC format")
    add_model_options(parser)
    parser.add_argument(
        "--neg-pos-ratio",
        type=not_negative,
        default=3,
        metavar="X",
        help="per positive (default: 3)",
    )


def run_mining(options):
    """Draw mined negatives."""
    from minissd import show
    from minissd.data import read_annotated

    model, class_names = read_model(options)
    sample, _ = read_annotated(options.image, options.annotation, class_names)
    result = show.show_mining(sample.image, sample.gt_xyxy, sample.labels, model, options.neg_pos_ratio)
    _write(result, options)


def _add_nms(steps):
    parser = _add_step(
        steps,
        "nms",
        run_nms,
        "which boxes are kept and which of them suppressed the others",
        "minissd show nms photo.jpg --weights run/weights.safetensors --class dog",
    )
    add_model_options(parser)
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="default: the best-scoring one")
    parser.add_argument(
        "--score", type=fraction, default=0.1, metavar="X", help="boxes over this score (default: 0.1)"
    )
    parser.add_argument(
        "--iou-threshold",
        type=fraction,
        default=0.45,
        metavar="X",
        help="overlap over which the better box suppresses the other (default: 0.45)",
    )
    parser.add_argument(
        "--top-k", type=positive_int, default=400, metavar="N", help="only the best N boxes (default: 400)"
    )


def run_nms(options):
    """Draw the suppression."""
    from minissd import show
    from minissd.data import read_image

    model, class_names = read_model(options)
    label = None
    if options.class_name is not None:
        if options.class_name not in class_names:
            known = ", ".join(class_names)
            raise InputError(f"--class: no class {options.class_name!r} (choose one of {known})")
        label = class_names.index(options.class_name) + 1
    thresholds = (options.score, options.iou_threshold, options.top_k)
    _write(show.show_nms(read_image(options.image), model, label, class_names, *thresholds), options)


def _write(result, options):
    from minissd import viz

    figure, lines = result
    require_other_file(options.output, options.image)
    viz.save(figure, options.output)
    print("\n".join(lines))
    print(f"-> {options.output}")
