"""The pictures of the views show what they say, and need no widgets."""

import numpy as np
import pytest

from minissd.boxes import cxcywh_to_xyxy, iou
from minissd.errors import InputError
from minissd.matching import FORCED, explain
from minissd.mining import hard_negatives
from minissd.nms import suppressed_by
from minissd.priors import map_priors, prior_boxes
from minissd.viz.cell import draw_cell_shapes
from minissd.viz.match import draw_match
from minissd.viz.mined import draw_mined
from minissd.viz.outlines import draw_outlines
from minissd.viz.page import new_page
from minissd.viz.style import MATCHED
from minissd.viz.suppression_round import draw_suppression_round

BOXES = np.array([[0.0, 0.0, 0.4, 0.2], [0.0, 0.0, 0.3, 0.2], [0.6, 0.5, 0.9, 0.9], [0.1, 0.6, 0.2, 0.7]])
SCORES = np.array([0.9, 0.8, 0.7, 0.1])


def rectangles(ax, gid):
    """The boxes, (B, 4), that were drawn one by one under a name."""
    found = [patch.get_bbox().extents for patch in ax.patches if patch.get_gid() == gid]
    return np.array(found).reshape(-1, 4)


def collections(ax, gid):
    return [collection for collection in ax.collections if collection.get_gid() == gid]


def test_an_outline_is_the_box():
    _, (ax,) = new_page()
    (path,) = draw_outlines(ax, BOXES[2], MATCHED).get_paths()
    np.testing.assert_allclose(path.get_extents().extents, BOXES[2])
    assert len(path.vertices) == 5 and (path.vertices[0] == path.vertices[-1]).all()


def test_all_shapes_of_a_cell_or_one(image, config):
    cell_xyxy = cxcywh_to_xyxy(map_priors(config, 1).reshape(16, 16, 4, 4)[5, 9])
    (ax,) = draw_cell_shapes(image, config, 1, (5, 9)).axes
    np.testing.assert_allclose(rectangles(ax, "prior"), cell_xyxy)
    np.testing.assert_allclose(rectangles(ax, "cell"), [[9 / 16, 5 / 16, 10 / 16, 6 / 16]])
    (ax,) = draw_cell_shapes(image, config, 1, (5, 9), shape=2).axes
    np.testing.assert_allclose(rectangles(ax, "prior"), cell_xyxy[[2]])


def test_the_cells_of_a_map_are_drawn_at_one_scale(image, config):
    views = [draw_cell_shapes(image, config, 3, cell).axes[0].viewLim.extents for cell in ((0, 0), (2, 3))]
    np.testing.assert_array_equal(*views)


@pytest.mark.parametrize(
    "layer, cell, shape", [(4, (0, 0), 0), (3, (4, 0), 0), (3, (0, -1), 0), (3, (0, 0), 4)]
)
def test_a_box_that_is_not_there(image, config, layer, cell, shape):
    with pytest.raises(InputError, match="choose 0"):
        draw_cell_shapes(image, config, layer, cell, shape)


def test_matched_boxes_and_the_one_looked_at(image, objects, config):
    priors_cxcywh = prior_boxes(config)
    explanation = explain(objects[0], priors_cxcywh)
    prior = int(np.flatnonzero(explanation.reason == FORCED)[0])
    left, right = draw_match(image, *objects, priors_cxcywh, explanation, prior).axes
    drawn = [len(c.get_paths()) for gid in ("matched", "forced") for c in collections(left, gid)]
    assert sum(drawn) == (explanation.matched_gt >= 0).sum() and drawn[1] == 3
    prior_xyxy = cxcywh_to_xyxy(priors_cxcywh[prior])
    np.testing.assert_allclose(rectangles(right, "forced"), prior_xyxy[None])
    x1, y1, x2, y2 = rectangles(right, "overlap")[0]
    best_xyxy = objects[0][explanation.best_gt[prior]]
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (prior_xyxy, best_xyxy)]
    shared = (x2 - x1) * (y2 - y1)
    assert shared / (sum(areas) - shared) == pytest.approx(explanation.best_iou[prior])


def test_a_box_that_overlaps_nothing_and_none_at_all(image, objects, config):
    priors_cxcywh = prior_boxes(config)
    explanation = explain(objects[0], priors_cxcywh)
    alone = int(np.flatnonzero(explanation.best_gt < 0)[0])
    _, right = draw_match(image, *objects, priors_cxcywh, explanation, alone).axes
    assert not len(rectangles(right, "overlap")) and len(rectangles(right, "prior")) == 1
    _, right = draw_match(image, *objects, priors_cxcywh, explanation).axes
    assert not len(rectangles(right, "prior"))


def test_ignored_boxes_are_dots_where_no_other_box_hides_them(image, config, rng):
    priors_cxcywh = prior_boxes(config)
    conf_loss, positive = rng.gamma(1.0, 1.0, len(priors_cxcywh)), np.arange(len(priors_cxcywh)) < 8
    mined = hard_negatives(conf_loss[None], positive[None])[0]
    picture, chart = draw_mined(image, priors_cxcywh, positive, conf_loss, mined).axes
    (dots,) = collections(picture, "ignored-centers")
    expected = np.unique(priors_cxcywh[~positive & ~mined, :2], axis=0)
    np.testing.assert_allclose(dots.get_offsets(), expected)
    easier = draw_mined(image, priors_cxcywh, positive, conf_loss / 100, mined).axes[1]
    assert chart.get_ylim() == easier.get_ylim() and chart.get_yscale() == "log"


def test_a_round_keeps_one_suppresses_some_and_lets_others_wait(image):
    suppressor = suppressed_by(BOXES, SCORES)
    picture, chart = draw_suppression_round(image, BOXES, SCORES, suppressor).axes
    np.testing.assert_allclose(rectangles(picture, "detection"), BOXES[[0]])
    (suppressed,) = collections(picture, "suppressed")
    np.testing.assert_allclose(suppressed.get_paths()[0].get_extents().extents, BOXES[1])
    assert len(collections(picture, "waiting")[0].get_paths()) == 2
    (mark,) = collections(chart, "suppressed-marks")
    np.testing.assert_allclose(mark.get_offsets(), [[iou(BOXES[[0]], BOXES[[1]])[0, 0], 0.8]])
    picture, _ = draw_suppression_round(image, BOXES, SCORES, suppressor, number=2).axes
    np.testing.assert_allclose(rectangles(picture, "detection"), BOXES[[3]])
    np.testing.assert_allclose(rectangles(picture, "kept-before"), BOXES[[0, 2]])


def test_a_suppression_without_candidates(image):
    figure = draw_suppression_round(image, np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))
    figure.canvas.draw()
    assert "no candidates" in figure.texts[0].get_text()
