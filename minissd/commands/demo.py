"""``minissd demo``: the whole of SSD on scenes that it draws itself."""

from __future__ import annotations

from pathlib import Path

from minissd.commands.arguments import add_command, add_device_options, count, positive_int


def add(commands):
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "demo",
        run,
        "train TINY on drawn scenes, evaluate it on unseen ones, and draw every step of SSD",
        "minissd demo\nminissd demo --output out --seed 7",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo"), metavar="DIR", help="folder of the page (default: demo)"
    )
    parser.add_argument("--steps", type=positive_int, metavar="N", help="training steps (default: 400)")
    parser.add_argument("--seed", type=count, default=0, metavar="N", help="of scenes, weights (default: 0)")
    add_device_options(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(options):
    """Run the demo and say where its page is."""
    from minissd import demo
    from minissd.interrupt import Interrupted

    try:
        result = demo.run(
            options.output, options.steps or demo.STEPS, options.seed, not options.quiet, options.device
        )
    except Interrupted:
        raise KeyboardInterrupt("stopped (minissd demo begins anew)") from None
    print(f"mAP {result.mean_ap:.4f} on {result.num_scenes} unseen scenes")
    print(f"every step as a picture: {result.page}")
