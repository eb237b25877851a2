"""The colours of feature maps: from dark for the finest to light for the coarsest, in every picture."""

from __future__ import annotations

from matplotlib import colormaps
from matplotlib.colors import to_hex

_FINE_TO_COARSE = colormaps["viridis"]


def map_colors(count):
    """Return a colour for each of so many feature maps.

    They grow lighter from the finest map to the coarsest, so that their order is seen without any hue.

    Examples
    --------
    >>> map_colors(2)
    ['#482475', '#b0dd2f']
    """
    last = max(count - 1, 1)
    return [to_hex(_FINE_TO_COARSE(0.1 + 0.78 * k / last)) for k in range(count)]
