"""Losses and sizes as curves, and mining as a cut."""

import numpy as np
import pytest

from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_VOC
from minissd.viz.losses import draw_loss_curves, draw_sorted_losses
from minissd.viz.scales import draw_scales


def line(ax, gid):
    (found,) = [line for line in ax.lines if line.get_gid() == gid]
    return np.array(found.get_xdata(), float), np.array(found.get_ydata(), float)


@pytest.fixture(scope="module")
def curves():
    return draw_loss_curves().axes


@pytest.mark.parametrize(
    ("name", "loss", "slope"),
    [
        ("L2", lambda x: x**2 / 2, lambda x: x),
        ("L1", abs, np.sign),
        ("smooth L1", lambda x: np.where(abs(x) < 1, x**2 / 2, abs(x) - 0.5), lambda x: np.clip(x, -1, 1)),
    ],
)
def test_losses_of_an_offset_and_their_slopes(curves, name, loss, slope):
    x, y = line(curves[0], f"{name}-0")
    np.testing.assert_allclose(y, loss(x), atol=1e-12)
    x, y = line(curves[1], f"{name}-1")
    np.testing.assert_allclose(y, slope(x), atol=1e-12)


def test_cross_entropy_over_the_probability_and_its_slope(curves):
    p, loss = line(curves[2], "cross-entropy")
    np.testing.assert_allclose(loss, -np.log(p))
    assert p.min() < 0.01 and p.max() > 0.99
    p, slope = line(curves[3], "cross-entropy-slope")
    np.testing.assert_allclose(slope, p - 1, atol=1e-12)


# Two positives, so six of the eight negatives are mined.
CONF_LOSS = np.array([[9.0, 1.0, 5.0, 4.0, 3.0, 0.5, 0.25, 7.0, 2.0, 8.0]])
POSITIVE = np.array([[True, False, False, False, False, False, False, False, False, True]])


def test_losses_are_sorted_and_cut_after_three_per_positive():
    (ax,) = draw_sorted_losses(CONF_LOSS, POSITIVE).axes
    rank, losses = line(ax, "sorted-loss")
    assert rank.tolist() == list(range(1, 9))
    assert losses.tolist() == [7.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.25]
    assert line(ax, "cut")[0].tolist() == [6, 6]
    assert ax.texts[0].get_text().splitlines() == [
        "2 positives",
        "6 negatives mined, mean loss 3.7",
        "2 left out, mean loss 0.38",
    ]


def test_one_image_needs_no_batch_and_another_ratio_cuts_elsewhere():
    (ax,) = draw_sorted_losses(CONF_LOSS[0], POSITIVE[0], neg_pos_ratio=1).axes
    assert line(ax, "cut")[0].tolist() == [2, 2]


def test_a_panel_per_row_with_its_title():
    both = draw_sorted_losses(np.repeat(CONF_LOSS, 2, 0), np.repeat(POSITIVE, 2, 0), titles=("a", "b"))
    assert [ax.get_title("left") for ax in both.axes] == ["a", "b"]


def test_without_positives_nothing_is_cut():
    (ax,) = draw_sorted_losses(CONF_LOSS, POSITIVE & False).axes
    assert not [line for line in ax.lines if line.get_gid() == "cut"]
    assert "0 negatives mined" in ax.texts[0].get_text()


# -- scales ------------------------------------------------------------------------------------------------


def test_bars_reach_from_min_to_max_and_dots_are_equation_four(by_gid):
    figure = draw_scales((SSD300_VOC, SSD300_COCO, SSD512_VOC))
    ax = figure.axes[0]
    bars = np.array([(bar.get_y(), bar.get_y() + bar.get_height()) for bar in by_gid(ax, "sizes")])
    np.testing.assert_allclose(bars * 300, np.array([SSD300_VOC.min_sizes, SSD300_VOC.max_sizes]).T)
    np.testing.assert_allclose(line(ax, "equation-4")[1], [0.2, 0.34, 0.48, 0.62, 0.76, 0.9])
    large = [line.get_ydata()[0] * 300 for line in ax.lines if line.get_gid() == "large-square"]
    np.testing.assert_allclose(large[0], np.sqrt(30 * 60))
    assert len(line(figure.axes[2], "equation-4")[1]) == 7
    assert not figure.axes[3].axison


def test_one_network_has_a_panel_of_its_own():
    assert len(draw_scales([SSD300_VOC]).axes) == 1
