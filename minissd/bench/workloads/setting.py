"""What the rows are measured with."""

from __future__ import annotations

from dataclasses import dataclass

from minissd import config
from minissd.bench.device import PROCESSOR, Device

MODEL_NAMES = {config.SSD300_VOC.name: "SSD300", config.SSD512_VOC.name: "SSD512", config.TINY.name: "TINY"}


@dataclass(frozen=True)
class Setting:
    """Choices of whoever starts the benchmark.

    Attributes
    ----------
    batch_sizes : tuple of int
        Instead of each row's usual ones, for layers, networks and training steps; empty to keep them.
    device : Device
        Where to measure.
    """

    batch_sizes: tuple[int, ...] = ()
    device: Device = PROCESSOR

    def sizes(self, *usual):
        """The batch sizes to measure, where `usual` are those of the table.

        Examples
        --------
        >>> Setting().sizes(1, 8), Setting((4,)).sizes(1, 8)
        ((1, 8), (4,))
        """
        return self.batch_sizes or usual


def model_name(model_config):
    """Name of a network in the table."""
    return MODEL_NAMES.get(model_config.name, model_config.name)
