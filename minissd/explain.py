"""A trace as a page: what the network saw, its maps, and for each detection where it comes from."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from pathlib import Path

from minissd import viz
from minissd.page import Picture, Section, Table, write_page
from minissd.places import locate
from minissd.sentences import (
    describe_input,
    describe_offsets,
    describe_origin,
    describe_source,
    describe_threshold,
    shape_name,
)
from minissd.trace import as_picture
from minissd.viz.offsets import drawable
from minissd.viz.trace import MOST_BARS, MOST_CHANNELS

MOST_SHOWN, MOST_EXPLAINED, MOST_ROWS = 40, 12, 10
OWN_PICTURE = re.compile(r'src="((?:map_\d+|detection_\d+(?:_classes|_suppressed)?)\.png)"')


def write_explanation(trace, folder, title="", class_names=None):
    """Write a page about a trace: ``index.html`` and its pictures.

    Parameters
    ----------
    trace : minissd.trace.Trace
    folder : str or Path
        Created if needed. Every file is written whole, the page last; then the pictures of an older page
        that this one does not show are removed.
    title : str
    class_names : sequence of str, optional
        Names of classes 1...C-1.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    page, side = Path(folder) / "index.html", trace.config.image_size
    intro = (
        f"One picture on its way through the network {trace.config.name}: what was found, what the network "
        "saw of the picture, its feature maps, and for each detection where it comes from. Rows, columns, "
        "maps and default boxes are counted from 0; px are pixels of the network's input, "
        f"{side} × {side}."
    )
    sections, older = Story(trace, page.parent, class_names).sections(), _pictures_on(page)
    write_page(page, title or trace.config.name, intro, sections)
    for name in older - _pictures_on(page):
        with contextlib.suppress(OSError):  # whatever is left over does no harm
            (page.parent / name).unlink()
    return page


def _pictures_on(page):
    """Names of the pictures of maps and detections that a page shows; none if there is no page."""
    try:
        return set(OWN_PICTURE.findall(page.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return set()


class Story:
    """Saves the pictures of a trace and says what is on them.

    Parameters
    ----------
    trace : minissd.trace.Trace
    folder : Path
        For the pictures.
    class_names : sequence of str or None
    """

    def __init__(self, trace, folder, class_names):
        self.trace, self.config, self.folder = trace, trace.config, folder
        self.names = [viz.class_name(label, class_names) for label in range(1, self.config.num_classes)]
        self.captions = [f"{self.names[one.label - 1]} {one.score:.2f}" for one in trace.found]

    def save(self, figure, name):
        """Save a picture; returns the name of its file."""
        return viz.save(figure, self.folder / f"{name}.png").name

    def sections(self):
        """The whole page."""
        maps = [self.source(k) for k in range(len(self.trace.sources))]
        found = [self.detection(n) for n in range(1, 1 + min(len(self.trace.found), MOST_EXPLAINED))]
        return [self.overview(), self.input(), *maps, *found]

    def overview(self):
        """All detections with their numbers."""
        total, shown = len(self.captions), self.trace.detections.select(slice(MOST_SHOWN))
        captions = [f"{number} {text}" for number, text in enumerate(self.captions[:MOST_SHOWN], start=1)]
        boxes = drawable(shown.boxes_xyxy), shown.labels, shown.scores
        figure = viz.draw_image_boxes(self.trace.image, *boxes, captions=captions)
        over = describe_threshold(self.trace.options, "score")
        sentence = f"Detections whose score is {over}: {total}."
        sentence += f" The picture shows the best {MOST_SHOWN}." if total > MOST_SHOWN else ""
        sentence += f" The best {MOST_EXPLAINED} are explained below." if total > MOST_EXPLAINED else ""
        alt = f"The picture with numbered boxes: {', '.join(captions[:MOST_EXPLAINED]) or 'none'}"
        return Section(self.save(figure, "overview"), "What was found", sentence, alt)

    def input(self):
        """What the network is given."""
        figure = viz.draw_input(self.trace.image, as_picture(self.trace.input, self.config))
        sentence = f"{describe_input(self.trace)} In the picture they are turned back into colours."
        alt = "The picture, and beside it the square that the network sees"
        return Section(self.save(figure, "input"), "What the network sees", sentence, alt)

    def source(self, k):
        """One source map."""
        name, maps = list(self.trace.sources.items())[k]
        most = min(len(maps), MOST_CHANNELS)
        shown = f"the {most} channels that vary most, each light where it is strongest"
        if maps[0].size == 1:
            shown = "the strongest channels, each a square, the lighter the stronger"
        title, alt = f"Map {k}: {name}", f"Channels of {name} as small pictures"
        file = self.save(viz.draw_channels(maps), f"map_{k}")
        return Section(file, title, f"{describe_source(self.trace, k)} Shown: {shown}.", alt)

    def detection(self, number):
        """Where one detection comes from, and what it suppressed."""
        one, file = self.trace.found[number - 1], f"detection_{number:02d}"
        origin = one.place, one.prior_cxcywh, one.offsets, one.box_xyxy, one.cut
        figure = viz.draw_origin(self.trace.image, self.config, *origin)
        alt = f"The default box of detection {number}, its cell, and the box that its offsets make of it"
        title = f"Detection {number}: {self.captions[number - 1]}"
        more = [self.offsets(one), self.classes(one, f"{file}_classes"), *self.suppressed(one, file)]
        return Section(self.save(figure, file), title, describe_origin(self.trace, one), alt, more)

    def offsets(self, one):
        """The four offsets, and what they do."""
        columns = ("offset", "value", "worked out", "the box is")
        rows = describe_offsets(self.trace, one)
        return Table("What the head predicts for the default box:", columns, rows)

    def classes(self, one, file):
        """The probabilities of the best classes."""
        figure = viz.draw_probabilities(one.probabilities, one.label, self.names)
        total = self.config.num_classes
        sentence = "How probable it finds each class. The background is a class too."
        if total > MOST_BARS:
            sentence = f"How probable it finds the best of the {total} classes, and the background."
        return Picture(self.save(figure, file), sentence, "Bars of the most probable classes")

    def suppressed(self, one, file):
        """The boxes that were kept out: a picture and a table, if there are any."""
        lost = one.suppressed
        if len(lost) == 0:
            return
        figure = viz.draw_suppressed(self.trace.image, one.box_xyxy, lost.boxes_xyxy)
        counts = Counter(locate(self.config, prior).map for prior in lost.priors)
        by_map = ", ".join(f"{counts[k]} from map {k}" for k in sorted(counts))
        over = describe_threshold(self.trace.options, "iou")
        sentence = f"Suppressed because their IoU with it is {over}: {by_map}."
        alt = f"The detection, and dashed the {len(lost)} boxes that it suppressed"
        yield Picture(self.save(figure, f"{file}_suppressed"), sentence, alt)
        left_out = f", the best {MOST_ROWS} of {len(lost)}" if len(lost) > MOST_ROWS else ""
        columns = ("default box", "map, row, column", "shape", "score", "IoU")
        rows = [self.row_of(one, row) for row in range(min(len(lost), MOST_ROWS))]
        yield Table(f"The same boxes in numbers{left_out}:", columns, rows)

    def row_of(self, one, row):
        """A suppressed box as a row of the table."""
        lost, place = one.suppressed, locate(self.config, one.suppressed.priors[row])
        score = f"{self.names[lost.labels[row] - 1]} {lost.scores[row]:.2f}"
        where = f"{place.map}, {place.row}, {place.column}"
        return f"{lost.priors[row]}", where, shape_name(self.config, place), score, f"{one.ious[row]:.2f}"
