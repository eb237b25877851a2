"""Makes the fast algorithms known to `Conv2d`, by being imported."""

from __future__ import annotations

from minissd.nn.convolution import register_algorithm
from minissd.nn.fast.choose import DIRECT, WINOGRAD

register_algorithm("winograd", WINOGRAD)
register_algorithm("direct", DIRECT)
