"""Speed and accuracy of SSD and of the detectors of its time, as table 7 of the paper has them.

``python figures/speed_accuracy.py`` draws ``figures/speed_accuracy.svg``.
"""

from __future__ import annotations

from pathlib import Path

from minissd import viz
from minissd.viz.detectors import draw_speed_accuracy


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_speed_accuracy()


if __name__ == "__main__":
    viz.save(draw(), Path(__file__).with_suffix(".svg"))
