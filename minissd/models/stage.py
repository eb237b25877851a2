"""A stage: the layers that lead from one source map of SSD to the next."""

from __future__ import annotations

from dataclasses import dataclass

from minissd.nn import Layer


@dataclass(frozen=True)
class Stage:
    """The layers between two source maps; a base network is a list of stages.

    Attributes
    ----------
    layers : list of (str, Layer)
        In order, each with its name. The output of the last one is the source map.
    channels : int
        Channels of the source map.
    norm : (str, Layer), optional
        A normalisation, with its name, between the source map and its head only; the next stage sees the
        map as it is.
    """

    layers: list[tuple[str, Layer]]
    channels: int
    norm: tuple[str, Layer] | None = None

    @property
    def name(self) -> str:
        """Name of the layer whose output is the source map, as in ``conv4_3``."""
        return self.layers[-1][0]
