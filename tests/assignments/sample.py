"""A small assignment, written to a folder: what the tests hand out, answer and mark."""

from pathlib import Path

from minissd.assignments.handout import delegating, file_texts, write_new

MANIFEST = """\
title = "Overlap and loss"
trains = "Arrays that broadcast, and a function with two branches."
hours = 1.5
lessons = ["02_matching", "03_loss"]
given = ["minissd.config", "minissd.errors"]

[[file]]
name = "boxes.py"
about = "Boxes: how much two of them overlap."
keep = ["minissd.boxes.columns"]

[[file]]
name = "loss.py"
about = "The loss of predicted offsets."

[[question]]
name = "iou"
file = "boxes.py"
answers = ["minissd.boxes.iou"]
task = "Compute the overlap of every box in one array with every box in another, without a loop."

[[question.wrong]]
mistake = "the intersection is counted twice in the union"
hint = "Subtract it once: |a| + |b| - |a and b|."
code = '''
def iou(a_xyxy, b_xyxy):
    a_x1, a_y1, a_x2, a_y2 = columns(a_xyxy[:, None])
    b_x1, b_y1, b_x2, b_y2 = columns(b_xyxy)
    width = (np.minimum(a_x2, b_x2) - np.maximum(a_x1, b_x1)).clip(0)
    height = (np.minimum(a_y2, b_y2) - np.maximum(a_y1, b_y1)).clip(0)
    areas = (a_x2 - a_x1) * (a_y2 - a_y1) + (b_x2 - b_x1) * (b_y2 - b_y1)
    return width * height / np.where(areas > 0, areas, 1)
'''

[[question.wrong]]
mistake = "negative widths and heights are not cut off at 0"
hint = "Boxes that are apart in x and in y have two negative sides, whose product is positive."
code = '''
def iou(a_xyxy, b_xyxy):
    a_x1, a_y1, a_x2, a_y2 = columns(a_xyxy[:, None])
    b_x1, b_y1, b_x2, b_y2 = columns(b_xyxy)
    width = np.minimum(a_x2, b_x2) - np.maximum(a_x1, b_x1)
    height = np.minimum(a_y2, b_y2) - np.maximum(a_y1, b_y1)
    union = (a_x2 - a_x1) * (a_y2 - a_y1) + (b_x2 - b_x1) * (b_y2 - b_y1) - width * height
    return width * height / union
'''

[[question]]
name = "smooth_l1"
file = "loss.py"
answers = ["minissd.loss.smooth_l1"]
task = "Return the smooth L1 loss of each difference and its derivative."

[[question.wrong]]
mistake = "the half is missing in the quadratic part"
hint = "The two branches must meet at 1: x**2 / 2 and |x| - 1/2 are both 1/2 there."
code = '''
def smooth_l1(difference):
    small = np.abs(difference) < 1
    loss = np.where(small, difference**2, np.abs(difference) - 0.5)
    return loss, difference.clip(-1, 1)
'''

[[question.wrong]]
mistake = "the derivative is returned without its sign"
hint = "Where the difference is negative the loss falls: there the slope is negative."
code = '''
right = smooth_l1


def smooth_l1(difference):
    loss, slope = right(difference)
    return loss, np.abs(slope)
'''
"""

CHECKS = '''\
from minissd.assignments.marking import points


@points("iou", 2)
def test_two_squares_that_share_a_quarter(ask):
    """Two squares of side 2 that share a unit square have IoU 1/7."""
    ask("iou", [[0.0, 0.0, 2.0, 2.0]], [[1.0, 1.0, 3.0, 3.0]]).is_close([[1 / 7]])


@points("iou", 3)
def test_boxes_apart(ask):
    """Boxes that do not touch have IoU 0, also if they are apart in both directions."""
    ask("iou", [[0.0, 0.0, 1.0, 1.0]], [[2.0, 2.0, 3.0, 3.0], [0.0, 2.0, 1.0, 3.0]]).is_close([[0, 0]])
'''

MORE_CHECKS = '''\
import numpy as np

from minissd.assignments.marking import points

from . import AMOUNT


@points("smooth_l1", 2)
def test_loss_in_both_branches(ask):
    """The loss is quadratic near 0 and linear beyond 1."""
    ask("smooth_l1", np.array([0.5, -3.0]))[0].is_close([0.125, 2.5])


@points("smooth_l1", 1)
def test_slope(ask, rng, reference):
    """The derivative has the sign of the difference and is at most 1."""
    difference = rng.normal(size=AMOUNT) * 2
    ask("smooth_l1", difference)[1].is_close(reference.smooth_l1(difference)[1])
'''

RIGHT = {
    "boxes.py": """\
import numpy as np

def iou(a_xyxy, b_xyxy):
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[:, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[:, 2:])
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (a_xyxy, b_xyxy)]
    shared = (high - low).clip(0).prod(axis=2)
    return shared / (areas[0][:, None] + areas[1] - shared)
""",
    "loss.py": """\
import numpy as np

def smooth_l1(difference):
    far = np.abs(difference)
    return np.where(far < 1, far**2 / 2, far - 0.5), difference.clip(-1, 1)
""",
}


def write_sample(folder, name="sample"):
    """Write the assignment as the folder `name` inside `folder`; returns its path."""
    path = Path(folder) / name
    path.mkdir(parents=True)
    (path / "manifest.toml").write_text(MANIFEST)
    (path / "checks").mkdir()
    (path / "checks" / "__init__.py").write_text("AMOUNT = 4, 3\n")
    write_checks(path)
    return path


def write_checks(folder, iou=CHECKS, smooth_l1=MORE_CHECKS):
    """Write the files of an assignment's checks."""
    (folder / "checks" / "boxes.py").write_text(iou)
    (folder / "checks" / "loss.py").write_text(smooth_l1)


def edit(path, old, new):
    """Replace words of a file; they must stand there exactly once."""
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new))


def write_reference(assignment, folder):
    """Write the files of a handout as the library answers them."""
    write_new(file_texts(assignment, delegating), folder)
    return folder
