"""``minissd bench``: how fast everything is, against others that compute the same."""

from __future__ import annotations

from pathlib import Path

from minissd.commands.arguments import add_command, add_device_option, positive, positive_int

GROUPS = ("layers", "network", "training", "boxes", "evaluation", "memory", "scaling")
RESULTS_DIFFER = 1  # exit code


def add(commands):
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "bench",
        run,
        "measure how fast everything is, against PyTorch, OpenCV and pycocotools where they are installed",
        "minissd bench\n"
        "minissd bench --only boxes network --output bench\n"
        "minissd bench --only layers --batch 1 --seconds-per-row 3\n"
        "minissd bench --device cuda --output bench_gpu",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=GROUPS,
        metavar="GROUP",
        help=f"some of {', '.join(GROUPS)} (default: all; on a GPU the first four)",
    )
    add_device_option(parser)
    parser.add_argument(
        "--batch",
        nargs="+",
        type=positive_int,
        default=(),
        metavar="N",
        help="batch sizes of layers, networks and training steps, instead of each row's usual ones",
    )
    parser.add_argument(
        "--rounds", type=positive_int, default=15, metavar="N", help="turns of each at most (default: 15)"
    )
    parser.add_argument(
        "--seconds-per-row",
        type=positive,
        default=5.0,
        metavar="S",
        help="no new round after so long, once there were three (default: 5)",
    )
    parser.add_argument("--quick", action="store_true", help="only a look: a moment for each row")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("bench"),
        metavar="DIR",
        help="folder of bench.csv and the pictures (default: bench)",
    )


def run(options):
    """Measure; the exit code is 1 if anybody's results differ from ours."""
    from minissd.backend import check_device
    from minissd.bench import run as bench
    from minissd.bench.device import Device
    from minissd.bench.timing import Plan
    from minissd.bench.workloads import Setting

    plan = bench.QUICK
    if not options.quick:
        least = min(options.rounds, Plan.least_rounds)
        plan = Plan(rounds=options.rounds, least_rounds=least, seconds=options.seconds_per_row)
    setting = Setting(tuple(options.batch), Device(check_device(options.device)))
    rows = bench.run(options.output, options.only, setting, plan)
    print(f"-> {options.output}")
    if differing := [row.name for row in rows if row.differs]:
        print(f"results differ: {', '.join(differing)}")
        raise SystemExit(RESULTS_DIFFER)
