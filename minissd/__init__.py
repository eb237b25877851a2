"""minissd: the SSD detector (arXiv 1512.02325) from scratch in NumPy and Numba, every step visible."""

__version__ = "0.1.0"
