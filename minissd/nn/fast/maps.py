"""A map as the kernels see it."""

from __future__ import annotations

from collections import namedtuple

# Pointer to the numbers of a map with the channels last, and its shape (N, H, W, C).
Map = namedtuple("Map", "numbers shape")
