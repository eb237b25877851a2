"""How far minissd is from every reference number, as one table: ``python tests/parity.py [file ...]``.

The numbers are those of ../shared/reference/numbers, whose README.md tells what each array is and who
computed it. Where an implementation has a convention in `minissd.conventions`, it is compared by that.
"""

import sys
from pathlib import Path

import numpy as np
from compare_augmentation import compare_augment
from compare_conventions import CHECKS
from compare_engine import compare_layers, compare_ssd300, compare_ssd512
from compare_others import compare_ap, compare_matching, compare_multibox_loss, compare_nms
from comparison import EXACT

from minissd.conventions import CONVENTIONS

NUMBERS = Path(__file__).parents[1].parent / "shared" / "reference" / "numbers"

# What is compared of each file beside the conventions.
OTHERS = {
    "layers": compare_layers,
    "priors": None,
    "matching": compare_matching,
    "encode": None,
    "multibox_loss": compare_multibox_loss,
    "nms": compare_nms,
    "ap": compare_ap,
    "ssd300": compare_ssd300,
    "ssd512": compare_ssd512,
    "augment": compare_augment,
}
# What is known to differ, and why.
KNOWN = {
    "L2 norm, gx where the scales differ": "Caffe's layer has the exact gradient for equal scales only",
    "bipartite stage alone": "an object of one crowd has two equally good priors",
}
HEADER = ("file", "quantity", "implementation", "cases", "largest error", "aimed at", "ok")
LINE = "{:13}  {:39}  {:21}  {:>5}  {:>13}  {:>8}  {}"


def comparisons_of(file):
    with np.load(NUMBERS / f"{file}.npz", allow_pickle=False) as arrays:
        numbers = dict(arrays)
    check, names = CHECKS.get(file, (None, ()))
    for name in names:
        yield from check(numbers, CONVENTIONS[name])
    if OTHERS[file]:
        yield from OTHERS[file](numbers)


def line_of(file, c):
    cases = len(c.pairs)
    if c.tolerance is EXACT:
        error, aim = ("exact" if c.equal == cases else f"{c.equal} of {cases}"), "exact"
    else:
        error, aim = f"{c.error:.1e}", f"{c.tolerance:g}"
    verdict = "ok" if c.holds else "NOT, as known: " + KNOWN[c.quantity] if c.quantity in KNOWN else "NOT"
    return LINE.format(file, c.quantity, c.peer, cases, error, aim, verdict)


def main(files):
    print(LINE.format(*HEADER))
    lines = []
    for file in files or OTHERS:
        for comparison in comparisons_of(file):
            lines.append(line_of(file, comparison))
            print(lines[-1], flush=True)
    failed = sum(line.endswith("NOT") for line in lines)
    known = sum("NOT, as known" in line for line in lines)
    print(
        f"\n{len(lines) - failed - known} of {len(lines)} quantities agree, {known} differ for a known reason"
    )
    return failed > 0


if __name__ == "__main__":
    if not NUMBERS.is_dir():
        sys.exit(f"needs the reference numbers in {NUMBERS}")
    sys.exit(main(sys.argv[1:]))
