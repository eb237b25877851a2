"""One look per role, readable by everyone."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from minissd.viz import style


def test_every_role_has_its_own_colour_and_its_own_line():
    assert len({role.color for role in style.ROLES}) == len(style.ROLES)
    assert len({(role.linewidth, str(role.linestyle)) for role in style.ROLES}) == len(style.ROLES)


# Full dichromacy as a linear map of linear RGB (Viénot, Brettel, Mollon 1999: protanopia, deuteranopia).
DICHROMACY = {
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


@pytest.mark.parametrize("kind", DICHROMACY)
def test_roles_stay_apart_for_the_colour_blind(kind):
    linear = np.array([to_rgb(role.color) for role in style.ROLES]) ** 2.2
    seen = (linear @ np.array(DICHROMACY[kind]).T).clip(0, 1) ** (1 / 2.2)  # (R, 3)
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert distance[~np.eye(len(seen), dtype=bool)].min() > 0.1


def test_text_contrasts_with_every_colour_by_at_least_four_to_one():
    for color in style.palette(21):
        ink = style.contrast_color(color)
        low, high = sorted([style._luminance(ink), style._luminance(color)])
        assert (high + 0.05) / (low + 0.05) > 4


def test_twenty_classes_have_twenty_colours_and_classes_beyond_have_one_too():
    assert len({style.class_color(label) for label in range(1, 21)}) == 20
    assert style.class_color(81).startswith("#")


@pytest.mark.parametrize(
    "label, name", [(1, "cat"), (2, "dog"), (0, "class 0"), (3, "class 3"), (np.int64(2), "dog")]
)
def test_class_names_start_at_class_one(label, name):
    assert style.class_name(label, ["cat", "dog"]) == name


def test_light_lines_have_a_dark_casing():
    assert style.casing_color("#F0E442") == style.INK
    assert style.casing_color("#0072B2") == style.PAPER
