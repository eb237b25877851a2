"""Pictures of what layers cost, and of how much of the image a cell depends on."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from minissd.config import SSD300_VOC, TINY
from minissd.errors import InputError
from minissd.models import SSD
from minissd.models.summary import summary
from minissd.models.vgg16 import vgg16_stages
from minissd.nn import Sequential
from minissd.viz import layers

SMALL = replace(
    TINY,
    name="small",
    image_size=64,
    feature_maps=(8, 4),
    steps=(8, 16),
    min_sizes=(8, 16),
    max_sizes=(16, 32),
    aspect_ratios=((2,), (2,)),
)


@pytest.fixture(scope="module")
def model():
    return SSD(SMALL)


def shares(ax):
    return [patch.get_width() for patch in ax.patches if patch.get_gid() == "share"]


def test_shares_are_of_the_table_and_add_up(model):
    table = summary(model)
    left, right = layers.draw_layer_costs(model).axes
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names == [row.name for row in table.rows if row.macs]
    np.testing.assert_allclose(shares(left), [table[name].params / table.params for name in names])
    np.testing.assert_allclose(shares(right), [table[name].macs / table.macs for name in names])
    assert sum(shares(right)) == pytest.approx(1)


def test_heads_have_their_own_colour(model):
    left, _ = layers.draw_layer_costs(model).axes
    colors = [patch.get_facecolor() for patch in left.patches]
    names = [label.get_text() for label in left.get_yticklabels()]
    assert {c for c, name in zip(colors, names) if name.endswith("_head")}.isdisjoint(
        {c for c, name in zip(colors, names) if not name.endswith("_head")}
    )


def test_the_effective_field_of_an_even_gradient_and_of_one_pixel():
    even = layers.CellGradient("even", np.ones((100, 100)), 50.0, 200)
    assert even.effective_field in (70, 71, 72)  # half of the area: sqrt(0.5) of the side
    single = np.zeros((9, 9))
    single[4, 4] = 1
    assert layers.CellGradient("single", single, 4.5, 9).effective_field == 1
    single[2, 4] = 1.1  # two pixels higher, and more than half
    assert layers.CellGradient("two", single, 4.5, 9).effective_field == 5


def test_centers_of_ssd300_follow_from_its_strides_and_paddings():
    """Worked by hand: three 2x2 pools move the first centre to 4; a padded stride-2 window moves nothing."""
    stages = vgg16_stages(SSD300_VOC, np.random.default_rng(0))
    chain = SimpleNamespace(stages=[Sequential(stage.layers) for stage in stages])  # all that is looked at
    found = [layers.cell_centers(chain, number) for number in range(6)]
    assert found == [(4, 8), (8, 16), (8, 32), (8, 64), (72, 64), (136, 64)]


def test_the_gradient_ends_where_the_receptive_field_ends():
    """In float64, in which no algorithm leaves rounding errors beyond the field; without a batch's mean."""
    large = SSD(replace(SMALL, image_size=128, feature_maps=(16, 8))).astype(np.float64)
    for block in large.layers.values():
        if getattr(block, "norm", None):
            block.norm.forward = lambda x: x
            block.norm.backward = lambda dy: dy
    rng = np.random.default_rng(0)
    images = rng.standard_normal((4, 3, 128, 128))
    gradient = layers.cell_gradient(large, images, 0, rng)
    reached = np.flatnonzero(gradient.magnitude.any(axis=0)) + 0.5
    half = gradient.receptive_field / 2
    assert gradient.name == "conv4_2" and half < 64
    assert reached[0] - 0.5 == gradient.center - half and reached[-1] + 0.5 == gradient.center + half
    assert 0 < gradient.effective_field <= gradient.receptive_field


def test_squares_are_drawn_around_the_centre(by_gid):
    gradient = layers.CellGradient("map", np.ones((20, 20)), 8.0, 12)
    ax, *rest = layers.draw_effective_fields([gradient] * 2).axes
    (theory,) = by_gid(ax, "theory")
    assert (theory.get_x(), theory.get_width()) == (2.0, 12)
    (effective,) = by_gid(ax, "effective")
    assert effective.get_x() + effective.get_width() / 2 == 8
    assert ax.get_title(loc="left") == f"map: {gradient.effective_field} of 12 px" and len(rest) == 1


def test_a_map_that_is_not_there_is_refused(model):
    images = np.zeros((1, 3, 64, 64), np.float32)
    with pytest.raises(InputError, match="number: 2"):
        layers.cell_gradient(model, images, 2, np.random.default_rng(0))
