"""The one style of all pictures: what each kind of box looks like, the colours of classes, sizes of text.

The colours are those of Okabe and Ito, which people with any common form of colour blindness can tell
apart. Colour is never the only sign: each role also has its own width and dashes, each box its caption.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_hex, to_rgb


@dataclass(frozen=True)
class Role:
    """What a box is, and so how it is drawn.

    Attributes
    ----------
    name : str
        Set as the ``gid`` of every shape drawn in this role; an SVG file shows it as the id.
    label : str
        Text for a legend.
    color : str
    linewidth : float
        In points.
    linestyle : str or tuple
        As matplotlib takes it.
    """

    name: str
    label: str
    color: str
    linewidth: float
    linestyle: str | tuple = "solid"


GROUND_TRUTH = Role("ground-truth", "ground truth", "#009E73", 3.2)
PRIOR = Role("prior", "default box", "#56B4E9", 1.5, (0, (5, 1.5)))
MATCHED = Role("matched", "matched: IoU over the threshold", "#E69F00", 1.2)
FORCED = Role("forced", "matched: forced", "#0072B2", 3.2, (0, (3, 1)))
HARD_NEGATIVE = Role("hard-negative", "hard negative", "#CC79A7", 2.0, (0, (6, 1.5, 1.5, 1.5)))
SUPPRESSED = Role("suppressed", "suppressed", "#6E6E6E", 1.0, (0, (3, 2)))
DETECTION = Role("detection", "detection", "#D55E00", 2.2)
ROLES = (GROUND_TRUTH, PRIOR, MATCHED, FORCED, HARD_NEGATIVE, SUPPRESSED, DETECTION)

INK, FAINT_INK, PAPER = "#1A1A1A", "#595959", "#FFFFFF"
_OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
CHART_COLORS = (INK, "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # yellow is too light
DASHES = (
    "solid",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (4, 1, 1, 1, 1, 1)),
    (0, (3, 3)),
)

TITLE_SIZE, TEXT_SIZE, CAPTION_SIZE = 13.0, 11.0, 9.5  # points, on a page 8 inches (800 pixels) wide


def palette(size):
    """Return `size` colours: the seven of Okabe and Ito, then darker ones, then lighter ones, then again.

    Examples
    --------
    >>> palette(2)
    ['#E69F00', '#56B4E9']
    """
    darker = [_mix(color, "#000000", 0.4) for color in _OKABE_ITO]
    lighter = [_mix(color, "#FFFFFF", 0.5) for color in _OKABE_ITO]
    colors = [*_OKABE_ITO, *darker, *lighter]
    return [colors[i % len(colors)] for i in range(size)]


def class_color(label):
    """Return the colour of class `label` (1...C-1), the same in every picture."""
    return palette(21)[(int(label) - 1) % 21]


def class_name(label, class_names=None):
    """Return the name of a class, ``class_names[label - 1]`` (0 is the background), or its number.

    Examples
    --------
    >>> class_name(2, ["cat", "dog"]), class_name(7)
    ('dog', 'class 7')
    """
    label = int(label)
    if class_names is not None and 1 <= label <= len(class_names):
        return str(class_names[label - 1])
    return f"class {label}"


def contrast_color(color):
    """Return black or white, whichever has the higher contrast with a colour (WCAG's luminance).

    Examples
    --------
    >>> contrast_color("#F0E442"), contrast_color("#0072B2")
    ('#1A1A1A', '#FFFFFF')
    """
    luminance = _luminance(color)
    on_paper = (_luminance(PAPER) + 0.05) / (luminance + 0.05)
    on_ink = (luminance + 0.05) / (_luminance(INK) + 0.05)
    return PAPER if on_paper >= on_ink else INK


def casing_color(color):
    """Return the colour of the thin casing that keeps a line visible: dark around yellow, else white."""
    return INK if _luminance(color) > 0.6 else PAPER


def _luminance(color):
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _mix(color, other, share):
    return to_hex((1 - share) * np.array(to_rgb(color)) + share * np.array(to_rgb(other))).upper()
