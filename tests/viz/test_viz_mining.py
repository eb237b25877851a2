"""Mining and suppression as pictures."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from minissd import mining, nms, viz


@pytest.fixture
def losses():
    rng = np.random.default_rng(2)
    priors_cxcywh = np.hstack([rng.uniform(0.2, 0.8, (300, 2)), rng.uniform(0.1, 0.3, (300, 2))])
    conf_loss, positive = rng.gamma(1.0, 1.0, 300), np.arange(300) < 5
    return priors_cxcywh, positive, conf_loss, mining.hard_negatives(conf_loss[None], positive[None])[0]


def collection(ax, gid):
    (found,) = [c for c in ax.collections if c.get_gid() == gid]
    return found


def test_positives_are_boxes_and_mined_negatives_are_dots_that_grow_with_their_loss(scene, losses, by_gid):
    priors_cxcywh, _, conf_loss, negative = losses
    picture, _ = viz.draw_mining(scene[0], *losses).axes
    assert len(by_gid(picture, "matched")) == 5
    dots = collection(picture, "hard-negative-centers")
    rows = np.flatnonzero(negative)[np.argsort(conf_loss[negative])]
    np.testing.assert_allclose(dots.get_offsets(), priors_cxcywh[rows, :2])
    assert (np.diff(dots.get_sizes()) > 0).all()


def test_the_hardest_boxes_are_few_and_differ(scene, losses, by_gid):
    priors_cxcywh, positive, conf_loss, negative = losses
    doubled = np.repeat(priors_cxcywh, 2, axis=0)  # each rectangle twice
    arguments = [np.repeat(a, 2) for a in (positive, conf_loss, negative)]
    picture, _ = viz.draw_mining(scene[0], doubled, *arguments, top=2).axes
    boxes = {(p.get_x(), p.get_y()) for p in by_gid(picture, "hard-negative")}
    assert len(boxes) == len(by_gid(picture, "hard-negative")) == 2
    hardest = f"loss {conf_loss[negative].max():.1f}"
    assert picture.texts[0].get_text() == hardest


def test_the_curve_is_sorted_and_the_cut_is_at_three_per_positive(scene, losses):
    _, chart = viz.draw_mining(scene[0], *losses).axes
    (curve,) = [line for line in chart.lines if line.get_gid() == "sorted-loss"]
    (cut,) = [line for line in chart.lines if line.get_gid() == "cut"]
    np.testing.assert_allclose(curve.get_ydata(), np.sort(losses[2][5:])[::-1])
    assert cut.get_xdata()[0] == 15
    assert chart.get_title("left") == "mined: the 15 hardest = 3 per positive"


def test_without_objects_nothing_is_mined(scene, losses, by_gid):
    priors_cxcywh, positive, conf_loss, negative = losses
    picture, chart = viz.draw_mining(
        scene[0], priors_cxcywh, positive & False, conf_loss, negative & False
    ).axes
    assert not by_gid(picture, "matched") and not by_gid(picture, "hard-negative")
    assert chart.get_title("left") == "nothing is mined: no object"


def test_inputs_of_the_pictures_are_unchanged(scene, losses):
    before = [a.copy() for a in losses]
    viz.draw_mining(scene[0], *losses)
    for old, new in zip(before, losses):
        np.testing.assert_array_equal(old, new)


# --- suppression ----------------------------------------------------------------------------------------

# The second covers half of the first (IoU 1/2: suppressed), the third stands alone, the fourth is left out.
BOXES = np.array([[0.0, 0.0, 0.4, 0.2], [0.0, 0.0, 0.2, 0.2], [0.6, 0.5, 0.9, 0.9], [0.1, 0.6, 0.2, 0.7]])
SCORES = np.array([0.9, 0.8, 0.7, 0.1])


def test_each_suppressed_box_is_linked_to_the_one_that_did_it(scene, by_gid):
    suppressor = nms.suppressed_by(BOXES, SCORES, top_k=3)
    before, after = viz.draw_suppression(scene[0], BOXES, SCORES, suppressor, "circle").axes
    assert len(by_gid(before, "detection")) == 3
    assert len(by_gid(after, "detection")) == 2 and len(by_gid(after, "suppressed")) == 1
    links = collection(after, "link")
    assert isinstance(links, LineCollection)
    np.testing.assert_allclose(links.get_segments(), [[[0.1, 0.1], [0.2, 0.1]]])
    assert [text.get_text() for text in after.texts] == ["0.90 beats 1", "0.70"]


def test_kept_is_solid_and_thick_suppressed_is_dashed_and_thin(scene, by_gid):
    _, after = viz.draw_suppression(scene[0], BOXES, SCORES, nms.suppressed_by(BOXES, SCORES)).axes
    kept, suppressed = by_gid(after, "detection")[0], by_gid(after, "suppressed")[0]
    assert kept.get_linestyle() == "solid" and suppressed._dash_pattern[1]
    assert kept.get_linewidth() > suppressed.get_linewidth()


def test_as_many_links_as_suppressed_boxes(scene):
    rng = np.random.default_rng(0)
    boxes_xyxy = np.tile([0.2, 0.2, 0.6, 0.6], (200, 1)) + rng.normal(0, 0.08, (200, 4))
    suppressor = nms.suppressed_by(boxes_xyxy, rng.random(200))
    _, after = viz.draw_suppression(scene[0], boxes_xyxy, rng.random(200), suppressor).axes
    assert len(collection(after, "link").get_segments()) == (suppressor >= 0).sum() > 50


def test_no_candidates(scene):
    figure = viz.draw_suppression(scene[0], np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), "circle")
    figure.canvas.draw()
    assert figure.axes[0].get_title("left") == "before: 0 candidates"
