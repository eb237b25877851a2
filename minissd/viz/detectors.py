"""SSD among other detectors: the tables of the SSD paper as data, and as pictures.

All numbers are those of the paper (arXiv 1512.02325, version 5). Each table says which one it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from minissd.errors import InputError
from minissd.viz.page import MARGIN, WIDTH, as_chart, new_page
from minissd.viz.style import CAPTION_SIZE, DETECTION, FAINT_INK, INK, TEXT_SIZE

OURS, OTHERS = DETECTION.color, "#56B4E9"
LINE = 0.34  # inches of a row
LETTER, SPACE = 0.078, 0.16  # inches: of a letter in a table, and between two of its columns
NUMBER_WIDTH = 0.5  # inches behind a bar


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    name : str
    values : tuple of float or None
        One per measure of the table; None where the paper has no number.
    parts : tuple of bool
        Which of the table's parts took part.
    highlighted : bool
        Whether the row is SSD, or SSD with all its parts.
    """

    name: str
    values: tuple[float | None, ...]
    parts: tuple[bool, ...] = ()
    highlighted: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the paper, or its rows without gaps.

    Attributes
    ----------
    title : str
        With the number of the table.
    measures : tuple of str
        What the values of a row are.
    rows : tuple of Row
    parts : tuple of str
        What a row can have or lack.
    """

    title: str
    measures: tuple[str, ...]
    rows: tuple[Row, ...]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Speed:
    """How fast and how good a detector is, on VOC2007 test.

    Attributes
    ----------
    name : str
    mean_ap : float
        In percent.
    fps : float
        Images per second.
    batch_size : int or None
        Of how many images at a time; None where the paper does not say.
    boxes : int or None
        Candidates per image.
    """

    name: str
    mean_ap: float
    fps: float
    batch_size: int | None
    boxes: int | None


SPEEDS = (  # table 7, on a Titan X; the fourth from section 1
    Speed("Faster R-CNN (VGG16)", 73.2, 7, 1, 6000),
    Speed("Fast YOLO", 52.7, 155, 1, 98),
    Speed("YOLO (VGG16)", 66.4, 21, 1, 98),
    Speed("YOLO", 63.4, 45, None, 98),
    Speed("SSD300", 74.3, 46, 1, 8732),
    Speed("SSD512", 76.8, 19, 1, 24564),
    Speed("SSD300", 74.3, 59, 8, 8732),
    Speed("SSD512", 76.8, 22, 8, 24564),
)

VOC2007 = Table(
    "Table 1: VOC2007 test, mAP (11 points), by training images",
    ("07", "07+12", "07+12+COCO"),
    (
        Row("Fast R-CNN", (66.9, 70.0, None)),
        Row("Faster R-CNN", (69.9, 73.2, 78.8)),
        Row("SSD300", (68.0, 74.3, 79.6), highlighted=True),
        Row("SSD512", (71.6, 76.8, 81.6), highlighted=True),
    ),
)

VOC2012 = Table(
    "Table 4: VOC2012 test, mAP, by training images",
    ("07++12", "07++12+COCO"),
    (
        Row("YOLO", (57.9, None)),
        Row("Fast R-CNN", (68.4, None)),
        Row("Faster R-CNN", (70.4, 75.9)),
        Row("SSD300", (72.4, 77.5), highlighted=True),
        Row("SSD512", (74.9, 80.0), highlighted=True),
    ),
)

COCO = Table(
    "Table 5: average precision on COCO test-dev2015, by IoU",
    ("mean of .50-.95", "at .50", "at .75"),
    (
        Row("Fast R-CNN (train)", (20.5, 39.9, 19.4)),
        Row("ION (train)", (23.6, 43.2, 23.6)),
        Row("Faster R-CNN (trainval)", (24.2, 45.3, 23.5)),
        Row("SSD300 (trainval35k)", (23.2, 41.2, 23.4), highlighted=True),
        Row("SSD512 (trainval35k)", (26.8, 46.5, 27.8), highlighted=True),
    ),
)

CHOICES = Table(
    "Table 2: what each choice is worth (SSD300, VOC2007 test)",
    ("mAP",),
    (
        Row("little augmentation", (65.5,), (False, True, True, True)),
        Row("square boxes only", (71.6,), (True, False, False, True)),
        Row("without ratio 3", (73.7,), (True, True, False, True)),
        Row("full VGG16", (74.2,), (True, True, True, False)),
        Row("all of it", (74.3,), (True, True, True, True), highlighted=True),
    ),
    ("augmentation", "ratio 2, 1/2", "ratio 3, 1/3", "atrous"),
)

SOURCES = Table(
    "Table 3: fewer and fewer source maps (SSD300, VOC2007 test)",
    ("mAP", "mAP, border boxes not used"),
    (
        Row("8732 boxes", (74.3, 63.4), (True,) * 6, highlighted=True),
        Row("8764 boxes", (74.6, 63.1), (True,) * 5 + (False,)),
        Row("8942 boxes", (73.8, 68.4), (True,) * 4 + (False,) * 2),
        Row("9864 boxes", (70.7, 69.2), (True,) * 3 + (False,) * 3),
        Row("9025 boxes", (64.2, 64.4), (True,) * 2 + (False,) * 4),
        Row("8664 boxes", (62.4, 64.0), (False, True) + (False,) * 4),
    ),
    ("38×38", "19×19", "10×10", "5×5", "3×3", "1×1"),
)


def draw_speed_accuracy(speeds=SPEEDS, title="Speed and accuracy of detectors on VOC2007 test"):
    """Draw mAP over images per second, a labelled point for each measurement.

    Parameters
    ----------
    speeds : sequence of Speed
        Two of one name, such as one measured with larger batches, are joined by a line.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Filled points are of one image at a time, hollow ones of larger batches or of batches unknown.

    Raises
    ------
    InputError
        If there are none, or one has no positive speed: the axis is logarithmic.
    """
    if not speeds or min(speed.fps for speed in speeds) <= 0:
        raise InputError("speeds: give at least one, each of more than 0 images per second")
    figure, (ax,) = new_page(1, 1, 0.58, title)
    as_chart(ax, "images per second (logarithmic)", "mAP in %", left=0.66, bottom=0.52)
    fps, mean_ap = [speed.fps for speed in speeds], [speed.mean_ap for speed in speeds]
    ax.set_xscale("log")
    ax.set_xlim(min(fps) / 2, max(fps) * 1.6)
    ax.set_ylim(min(mean_ap) - 4, max(mean_ap) + 3)
    ax.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100, 200]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for name in dict.fromkeys(speed.name for speed in speeds):
        _draw_detector(ax, [speed for speed in speeds if speed.name == name])
    return figure


def _draw_detector(ax, speeds):
    """All points of one name, the slowest first, and the name over them."""
    speeds = sorted(speeds, key=lambda speed: speed.fps)
    ours = speeds[0].name.startswith("SSD")
    look = {"color": OURS, "zorder": 4} if ours else {"color": FAINT_INK, "zorder": 3}
    ax.plot([speed.fps for speed in speeds], [speed.mean_ap for speed in speeds], linewidth=1.4, **look)
    for speed in speeds:
        face = look["color"] if speed.batch_size == 1 else "white"
        style = {"marker": "s" if ours else "o", "markersize": 9, "markerfacecolor": face}
        ax.plot(speed.fps, speed.mean_ap, gid=speed.name, **style, **look)
    style = {"textcoords": "offset points", "ha": "center", "parse_math": False}
    middle = (speeds[0].fps * speeds[-1].fps) ** 0.5, speeds[0].mean_ap
    name = {"color": look["color"], "fontsize": TEXT_SIZE, "fontweight": "bold" if ours else "normal"}
    ax.annotate(speeds[0].name, middle, xytext=(0, 9), va="bottom", **name, **style)
    note = {"color": FAINT_INK, "fontsize": CAPTION_SIZE}
    ax.annotate(_batch_text(speeds), middle, xytext=(0, -9), va="top", **note, **style)


def _batch_text(speeds):
    """What is written under the points of a detector.

    Examples
    --------
    >>> _batch_text([Speed("SSD300", 74.3, 46, 1, 8732), Speed("SSD300", 74.3, 59, 8, 8732)])
    'batch 1, 8'
    """
    sizes = [speed.batch_size for speed in speeds]
    return "batch unknown" if None in sizes else "batch " + ", ".join(map(str, sizes))


def draw_table(table, title=""):
    """Draw a table of the paper: dots for the parts of each row, bars from 0 for its values.

    Parameters
    ----------
    table : Table
    title : str
        Of the table by default.

    Returns
    -------
    matplotlib.figure.Figure
        All bars have one scale, so the columns can be compared too. A filled dot is a part that took part.

    Raises
    ------
    InputError
        If a row has not a value for every measure and a truth for every part.
    """
    _check(table)
    heading = 1.1  # rows that the headings take
    height = LINE * (len(table.rows) + heading)
    aspect = height / (WIDTH - 2 * MARGIN)
    figure, (ax,) = new_page(1, 1, aspect, title or table.title, max_panel_height=height)
    width = ax.get_position().width * figure.get_figwidth()
    ax.set_xlim(0, width)  # in inches
    ax.set_ylim(len(table.rows) - 0.5, -0.5 - heading)  # in rows
    ax.axis("off")
    edges = _edges(table, width)
    _write_headings(ax, table, edges)
    scale = max(value for row in table.rows for value in row.values if value is not None)
    for y, row in enumerate(table.rows):
        _draw_row(ax, y, row, edges, scale)
    return figure


def _check(table):
    for row in table.rows:
        if (len(row.values), len(row.parts)) != (len(table.measures), len(table.parts)):
            given = f"{len(row.values)} values and {len(row.parts)} parts"
            raise InputError(f"table: row {row.name!r} has {given} (give one per heading)")


def _edges(table, width):
    """Left edge of every column in inches (the names, the parts, the measures), and the right edge."""
    edges = [0.0]
    for texts in ([row.name for row in table.rows], *([part] for part in table.parts)):
        edges.append(edges[-1] + LETTER * max(map(len, texts)) + SPACE)
    share = (width - edges[-1]) / len(table.measures)
    return edges + [edges[-1] + share * (i + 1) for i in range(len(table.measures))]


def _write_headings(ax, table, edges):
    style = {"va": "center", "fontsize": CAPTION_SIZE, "color": FAINT_INK, "parse_math": False}
    for i, part in enumerate(table.parts, start=1):
        ax.text((edges[i] + edges[i + 1]) / 2, -0.95, part, ha="center", **style)
    for i, measure in enumerate(table.measures, start=len(table.parts) + 1):
        ax.text(edges[i] + SPACE / 2, -0.95, measure, **style)
    ax.plot([0, edges[-1]], [-0.55, -0.55], color="#C8C8C8", linewidth=0.8)


def _draw_row(ax, y, row, edges, scale):
    color = OURS if row.highlighted else OTHERS
    weight = "bold" if row.highlighted else "normal"
    style = {"va": "center", "color": INK, "fontsize": CAPTION_SIZE, "fontweight": weight}
    ax.text(0, y, row.name, **style)
    for i, used in enumerate(row.parts, start=1):
        dot = {"marker": "o", "markersize": 7, "color": INK, "markerfacecolor": INK if used else "white"}
        ax.plot((edges[i] + edges[i + 1]) / 2, y, gid="used" if used else "unused", **dot)
    for i, value in enumerate(row.values, start=len(row.parts) + 1):
        left, most = edges[i] + SPACE / 2, edges[i + 1] - edges[i] - SPACE - NUMBER_WIDTH
        length = 0 if value is None else most * value / scale
        ax.barh(y, length, left=left, height=0.68, color=color, gid="value")
        ax.text(left + length + SPACE / 3, y, "not given" if value is None else f"{value:.1f}", **style)
