"""The networks: base networks cut into stages, the head, and SSD itself."""

from minissd.models.head import Head
from minissd.models.ssd import BASES, SSD
from minissd.models.stage import Stage

__all__ = ["BASES", "SSD", "Head", "Stage"]
