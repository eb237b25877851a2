"""Default boxes, matches and offsets as pictures."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from minissd import codec, matching, priors, viz
from minissd.boxes import cxcywh_to_xyxy
from minissd.config import SSD300_VOC, SSD512_VOC, TINY
from minissd.errors import InputError
from minissd.viz.style import palette


def corners(patches):
    return np.array([[*p.get_xy(), p.get_x() + p.get_width(), p.get_y() + p.get_height()] for p in patches])


def test_the_shapes_of_the_cell_are_those_of_prior_boxes(scene, by_gid):
    (ax,) = viz.draw_priors(scene[0], SSD300_VOC, 1, (3, 7)).axes
    first = 38 * 38 * 4 + (3 * 19 + 7) * 6
    expected = cxcywh_to_xyxy(priors.prior_boxes(SSD300_VOC)[first : first + 6])
    patches = by_gid(ax, "prior")
    np.testing.assert_allclose(corners(patches), expected, atol=1e-12)
    assert len({str(p.get_linestyle()) + str(p._dash_pattern) for p in patches}) == 6
    assert len({p.get_edgecolor() for p in patches}) == 6
    assert [text.get_text() for text in ax.texts] == ["1", "1′", "2", "1/2", "3", "1/3"]


def test_all_centres_are_dots(scene):
    (ax,) = viz.draw_priors(scene[0], SSD300_VOC, 2).axes
    (dots,) = [c for c in ax.collections if c.get_gid() == "centers"]
    (chosen,) = [c for c in ax.collections if c.get_gid() == "chosen-center"]
    expected = priors.map_priors(SSD300_VOC, 2)[::6, :2]
    np.testing.assert_allclose(dots.get_offsets(), expected)
    np.testing.assert_allclose(chosen.get_offsets(), expected[[5 * 10 + 5]])


def test_a_square_default_box_is_square_on_the_screen(scene, by_gid):
    (ax,) = viz.draw_priors(scene[0], TINY, 2).axes  # the image is 90 x 60
    ax.apply_aspect()
    patch = by_gid(ax, "prior")[0]
    box = ax.transData.transform(patch.get_path().transformed(patch.get_patch_transform()).vertices)
    width, height = np.ptp(box, axis=0)
    assert width == pytest.approx(height, rel=1e-3)


def test_boxes_over_the_border_are_seen_whole(scene, by_gid):
    (ax,) = viz.draw_priors(scene[0], TINY, 1, (0, 0)).axes
    drawn = corners(by_gid(ax, "prior"))
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert drawn.min() < 0 and min(left, top) < drawn.min() and max(right, bottom) > 1


@pytest.mark.parametrize("layer, cell", [(4, None), (-1, None), (3, (4, 0)), (0, (0, -1))])
def test_a_layer_or_cell_that_is_not_there_is_refused(scene, layer, cell):
    with pytest.raises(InputError, match=r"0\.\.\."):
        viz.draw_priors(scene[0], TINY, layer, cell)


@pytest.mark.parametrize("config", [TINY, SSD300_VOC, SSD512_VOC], ids=lambda c: c.name)
def test_one_panel_for_every_map(config, by_gid):
    axes = [ax for ax in viz.draw_prior_scales(config).axes if ax.patches]
    assert [len(by_gid(ax, "prior")) for ax in axes] == list(config.boxes_per_cell)
    sides = [corners(by_gid(ax, "prior")[:1])[0] for ax in axes]
    np.testing.assert_allclose(
        [box[2] - box[0] for box in sides], np.array(config.min_sizes) / config.image_size
    )


# --- matches --------------------------------------------------------------------------------------------


@pytest.fixture
def explained(scene):
    priors_cxcywh = priors.prior_boxes(TINY)
    return priors_cxcywh, matching.explain(scene[1], priors_cxcywh)


def test_every_match_is_drawn_on_the_panel_of_its_map(scene, explained, by_gid):
    image, gt_xyxy, labels = scene
    priors_cxcywh, explanation = explained
    figure = viz.draw_matches(image, gt_xyxy, labels, priors_cxcywh, explanation, None, TINY)
    for ax, rows in zip(figure.axes, viz.layer_slices(TINY)):
        for gid, reason in (("forced", matching.FORCED), ("matched", matching.OVER_THRESHOLD)):
            expected = priors_cxcywh[rows][explanation.reason[rows] == reason]
            drawn = corners(by_gid(ax, gid)) if len(expected) else np.zeros((0, 4))
            assert len(by_gid(ax, gid)) == len(expected)
            np.testing.assert_allclose(drawn, cxcywh_to_xyxy(expected).reshape(-1, 4), atol=1e-12)


def test_a_match_has_the_colour_of_its_object_and_a_forced_one_is_thicker(scene, explained, by_gid):
    image, gt_xyxy, labels = scene
    priors_cxcywh, explanation = explained
    (ax,) = viz.draw_matches(image, gt_xyxy, labels, priors_cxcywh, explanation).axes
    forced, over = by_gid(ax, "forced"), by_gid(ax, "matched")
    owners = explanation.matched_gt[explanation.reason == matching.FORCED]
    assert [to_hex(p.get_edgecolor()).upper() for p in forced] == [palette(4)[g] for g in owners]
    assert min(p.get_linewidth() for p in forced) > 2 * max(p.get_linewidth() for p in over)


def test_the_legend_counts(scene, explained):
    image, gt_xyxy, labels = scene
    priors_cxcywh, explanation = explained
    figure = viz.draw_matches(image, gt_xyxy, labels, priors_cxcywh, explanation, ["a", "b", "c"])
    text = figure.legends[0].get_texts()[1].get_text()
    over = int(((explanation.matched_gt == 1) & (explanation.reason == matching.OVER_THRESHOLD)).sum())
    best = explanation.best_iou[explanation.matched_gt == 1].max()
    assert text == f"1 b: forced 1, over threshold {over}, best IoU {best:.2f}"


def test_match_summary_by_hand():
    # Prior 0 covers the object's lower half (IoU 1/2, forced), prior 1 nothing; object 1 has no match.
    priors_cxcywh = np.array([[0.25, 0.75, 0.5, 0.5], [0.9, 0.9, 0.1, 0.1]])
    gt_xyxy = np.array([[0.0, 0.0, 0.5, 1.0], [0.6, 0.0, 0.7, 0.1]])
    explanation = matching.explain(gt_xyxy, priors_cxcywh)
    assert viz.match_summary(gt_xyxy, ["0 cell", "1 cell"], priors_cxcywh, explanation) == [
        "0 cell: forced 1, over threshold 0, best IoU 0.50",
        "1 cell: matched to nothing, not learned",
    ]


@pytest.mark.parametrize("count", [0, 200])
def test_no_objects_and_two_hundred(count, scene):
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 0.9, (count, 2))
    gt_xyxy = np.hstack([corner, corner + 0.08])
    priors_cxcywh = priors.prior_boxes(TINY)
    explanation = matching.explain(gt_xyxy, priors_cxcywh)
    figure = viz.draw_matches(scene[0], gt_xyxy, np.ones(count, int), priors_cxcywh, explanation)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == (2 if count == 0 else 11) and figure.get_figheight() < 12
    assert count == 0 or "and 192 more objects" in texts


# --- offsets --------------------------------------------------------------------------------------------


def test_arrows_lead_from_the_prior_to_the_decoded_box(scene, by_gid):
    image, gt_xyxy, _ = scene
    priors_cxcywh = np.array([[0.3, 0.4, 0.3, 0.3], [0.7, 0.6, 0.5, 0.5]])
    loc = codec.encode(gt_xyxy[:2], priors_cxcywh)
    (ax,) = viz.draw_offsets(image, priors_cxcywh, loc, gt_xyxy).axes
    np.testing.assert_allclose(corners(by_gid(ax, "detection")), gt_xyxy[:2], atol=1e-12)
    arrows = by_gid(ax, "offset-center")
    ends = np.array([arrow._posA_posB for arrow in arrows])
    np.testing.assert_allclose(ends[:, 0], priors_cxcywh[:, :2])
    np.testing.assert_allclose(ends[:, 1], (gt_xyxy[:2, :2] + gt_xyxy[:2, 2:]) / 2)
    assert len(by_gid(ax, "offset-corner")) == 4


def test_a_zero_offset_has_no_arrow(scene, by_gid):
    figure = viz.draw_offsets(scene[0], np.array([[0.5, 0.5, 0.2, 0.2]]), np.zeros((1, 4)))
    figure.canvas.draw()
    assert not by_gid(figure.axes[0], "offset-center")
