"""Where the default boxes stand: which of their numbers belongs to which cell of which feature map."""

from __future__ import annotations

from typing import NamedTuple

from minissd.errors import InputError


class Place(NamedTuple):
    """Where a default box stands: feature map, row and column of the cell, number in the cell; all from 0."""

    map: int
    row: int
    column: int
    box: int


def locate(config, prior):
    """Find the place of a default box from its number.

    Parameters
    ----------
    config : SSDConfig
    prior : int
        Row of ``prior_boxes(config)``.

    Returns
    -------
    Place

    Raises
    ------
    InputError
        If there is no such default box.

    Examples
    --------
    The first map of SSD300 has 38 * 38 * 4 = 5776 default boxes, the second 6 in each of its 19 * 19 cells.

    >>> from minissd.config import SSD300_VOC
    >>> locate(SSD300_VOC, 5776 + 6 * 20 + 2)
    Place(map=1, row=1, column=1, box=2)
    """
    rest = prior
    for k, (side, per_cell) in enumerate(zip(config.feature_maps, config.boxes_per_cell)):
        if 0 <= rest < per_cell * side * side:
            cell, box = divmod(rest, per_cell)
            return Place(k, *divmod(cell, side), box)
        rest -= per_cell * side * side
    raise InputError(f"prior: {prior} of {config.name} (choose 0...{config.num_priors - 1})")
