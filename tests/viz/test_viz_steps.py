"""Suppression step by step, matching map by map, and formulas."""

from dataclasses import replace

import numpy as np
import pytest

from minissd.config import TINY
from minissd.data.pets import PET_CLASSES, paint_pets
from minissd.viz.formula import formula_svg
from minissd.viz.map_matches import draw_map_matches
from minissd.viz.suppression_steps import draw_suppression_steps

# The second covers half of the first (IoU 1/2), the third a quarter of it (IoU 1/4), the fourth stands alone.
BOXES = np.array([[0.0, 0.0, 0.4, 0.2], [0.0, 0.0, 0.2, 0.2], [0.0, 0.0, 0.1, 0.2], [0.6, 0.5, 0.9, 0.9]])
SCORES = np.array([0.9, 0.6, 0.7, 0.8])


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_step_per_kept_box_best_first(scene, by_gid):
    figure = draw_suppression_steps(scene[0], BOXES, SCORES)
    titles = [ax.get_title("left") for ax in figure.axes if ax.get_visible()]
    assert titles == [
        "candidates with their scores",
        *(f"step {i}: keep {s}" for i, s in enumerate(("0.90", "0.80", "0.70"), 1)),
    ]
    assert len(by_gid(figure.axes[0], "prior")) == 4 and "0.90" in texts(figure.axes[0])


def test_a_step_shows_who_is_suppressed_and_who_waits_with_their_iou(scene, by_gid):
    _, first, second, third = draw_suppression_steps(scene[0], BOXES, SCORES).axes
    (lost,) = by_gid(first, "suppressed")
    assert lost.get_width() == pytest.approx(0.2)
    assert len(by_gid(first, "prior")) == 2
    assert sorted(texts(first)) == ["IoU 0.25", "IoU 0.50"]  # the one far away has no caption
    assert len(by_gid(second, "detection")) == 2  # one now, one earlier
    assert not by_gid(second, "suppressed") and len(by_gid(second, "prior")) == 1
    assert len(by_gid(third, "detection")) == 3 and not by_gid(third, "prior")


def test_a_higher_threshold_suppresses_nobody(scene, by_gid):
    figure = draw_suppression_steps(scene[0], BOXES, SCORES, iou_threshold=0.5)  # equal is kept
    assert not any(by_gid(ax, "suppressed") for ax in figure.axes)


def test_no_more_steps_than_asked_for_and_none_without_candidates(scene):
    figure = draw_suppression_steps(scene[0], BOXES, SCORES, most_steps=1)
    assert sum(ax.get_visible() for ax in figure.axes) == 2
    draw_suppression_steps(scene[0], np.zeros((0, 4)), np.zeros(0)).canvas.draw()


# -- matching on maps --------------------------------------------------------------------------------------

TWO_MAPS = replace(
    TINY,
    image_size=400,
    feature_maps=(8, 4),
    steps=(50, 100),
    min_sizes=(80, 220),
    max_sizes=(220, 330),
    aspect_ratios=((2,), (2,)),
)


@pytest.fixture(scope="module")
def pets():
    return paint_pets()


def test_the_cat_matches_on_the_fine_map_and_the_dog_on_the_coarse_one(pets, by_gid):
    figure = draw_map_matches(pets.image, pets.gt_xyxy, pets.labels, TWO_MAPS, PET_CLASSES)
    objects, fine, coarse = figure.axes
    assert texts(objects) == ["cat", "dog"]
    assert fine.get_title("left") == "8 × 8 map: 2 matched, by IoU"
    assert coarse.get_title("left") == "4 × 4 map: 3 matched, by IoU"
    assert len(by_gid(fine, "forced")) == len(by_gid(coarse, "forced")) == 1
    cat, dog = pets.gt_xyxy
    for ax, (x1, y1, x2, y2) in ((fine, cat), (coarse, dog)):
        (best,) = by_gid(ax, "forced")
        x, y = best.get_x() + best.get_width() / 2, best.get_y() + best.get_height() / 2
        assert x1 < x < x2 and y1 < y < y2


def test_captions_are_the_ious_best_first(pets):
    _, fine, _ = draw_map_matches(pets.image, pets.gt_xyxy, pets.labels, TWO_MAPS).axes
    # Centre of the cell 0.1875, 0.6875; ratio 1/2 is 0.1414 x 0.2828, the small square 0.2 x 0.2.
    x, y = 0.1875 - pets.gt_xyxy[0, 0], 0.6875 - pets.gt_xyxy[0, 1]
    width, height = pets.gt_xyxy[0, 2:] - pets.gt_xyxy[0, :2]
    assert (x, y, width, height) == pytest.approx((0.0906, 0.1388, 0.18125, 0.2775), abs=1e-4)
    tall = 0.1414 * 0.2775 / (0.1414 * 0.2828 + 0.18125 * 0.2775 - 0.1414 * 0.2775)
    square = 0.18125 * 0.2 / (0.2 * 0.2 + 0.18125 * 0.2775 - 0.18125 * 0.2)
    assert texts(fine) == [f"{tall:.2f}", f"{square:.2f}"]


def test_other_boxes_of_the_best_cell_are_faint_and_all_cells_are_there(pets, by_gid):
    _, fine, coarse = draw_map_matches(pets.image, pets.gt_xyxy, pets.labels, TWO_MAPS).axes
    assert len(by_gid(fine, "suppressed")) == 4 - 2 and len(by_gid(coarse, "suppressed")) == 4 - 3
    (grid,) = [c for c in fine.collections if c.get_gid() == "grid"]
    assert len(grid.get_segments()) == 2 * (8 + 1)


def test_a_map_without_matches_says_so(pets):
    figure = draw_map_matches(pets.image, pets.gt_xyxy[1:], pets.labels[1:], TWO_MAPS, PET_CLASSES)
    assert figure.axes[1].get_title("left") == "8 × 8 map: none matched"


def test_the_pets_lie_in_the_picture_with_tight_boxes(pets):
    assert pets.image.dtype == np.uint8 and pets.image.shape == (400, 400, 3)
    assert (pets.gt_xyxy > 0).all() and (pets.gt_xyxy < 1).all()
    again = paint_pets()
    np.testing.assert_array_equal(again.image, pets.image)
    (cx1, _, cx2, _), (dx1, *_) = pets.gt_xyxy
    assert cx1 < cx2 < dx1  # the cat sits to the left of the dog


# -- formulas ----------------------------------------------------------------------------------------------


def test_a_formula_is_the_same_picture_again_and_says_how_deep_it_reaches():
    svg, depth = formula_svg(r"L = \frac{1}{N} (L_{conf} + \alpha L_{loc})")
    assert svg == formula_svg(r"L = \frac{1}{N} (L_{conf} + \alpha L_{loc})")[0]
    assert svg.startswith("<svg") and "Date" not in svg and "date" not in svg
    assert depth > formula_svg("x")[1]


def test_words_that_matplotlib_does_not_know_have_synonyms_or_are_refused():
    assert formula_svg(r"\lVert x \rVert \le 1")[0]
    assert formula_svg(r"s\sqrt2") == formula_svg(r"s\sqrt{2}")
    assert formula_svg(r"\tfrac5{11} + \frac12") == formula_svg(r"\frac{5}{11} + \frac{1}{2}")
    with pytest.raises(ValueError):
        formula_svg(r"\begin{cases} 1 \end{cases}")
