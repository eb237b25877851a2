"""Places of default boxes: centred on their cells, and worked out by hand."""

import numpy as np
import pytest
from two_maps import TWO_MAPS

from minissd.config import SSD300_VOC, TINY
from minissd.errors import InputError
from minissd.places import Place, locate
from minissd.priors import prior_boxes


@pytest.mark.parametrize("config", [SSD300_VOC, TINY, TWO_MAPS], ids=lambda config: config.name)
def test_every_default_box_is_centred_on_its_cell(config):
    places = [locate(config, prior) for prior in range(config.num_priors)]
    assert len(set(places)) == config.num_priors
    steps = np.array([config.steps[place.map] for place in places])
    rows, columns = (np.array([getattr(place, way) for place in places]) for way in ("row", "column"))
    centers = (np.column_stack([columns, rows]) + 0.5) * steps[:, None] / config.image_size
    np.testing.assert_allclose(prior_boxes(config)[:, :2], centers, atol=1e-12)


def test_places_worked_out_by_hand():
    """TWO_MAPS: 4 x 4 cells of 4 boxes, then 2 x 2 cells of 2."""
    assert locate(TWO_MAPS, 0) == Place(0, 0, 0, 0)
    assert locate(TWO_MAPS, 63) == Place(0, 3, 3, 3)
    assert locate(TWO_MAPS, 64) == Place(1, 0, 0, 0)
    assert locate(TWO_MAPS, 69) == Place(1, 1, 0, 1)
    for prior in (-1, 72):
        with pytest.raises(InputError, match=rf"prior: {prior} of two-maps \(choose 0...71\)"):
            locate(TWO_MAPS, prior)
