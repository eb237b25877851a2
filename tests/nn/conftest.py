"""What the tests of the engine share: the copied reference numbers."""

from pathlib import Path

import numpy as np
import pytest

COPY = Path(__file__).parents[1] / "reference" / "layers.npz"


@pytest.fixture(scope="session")
def copied_numbers():
    """The arrays of tests/reference/layers.npz; some hold only the first image (see layers.md)."""
    with np.load(COPY, allow_pickle=False) as file:
        return dict(file)
