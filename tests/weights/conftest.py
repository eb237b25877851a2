"""Fixtures for the tests of weight files: a PyTorch file to write or refuse, and a whole network's arrays."""

import functools

import numpy as np
import pytest
from torch_files import ROW, WRITE

from minissd.errors import InputError
from minissd.weights import torch_file
from minissd.weights.loading import undrawn_model


@pytest.fixture
def path(tmp_path):
    """Where a test writes its PyTorch file."""
    return tmp_path / "weights.pth"


@pytest.fixture(params=WRITE)
def write(request, path):
    """Write a file of one of the two formats with the storage "0", and give its path."""
    writer = WRITE[request.param]
    return lambda value, row=ROW: writer(path, value, {"0": row.tobytes()})


@pytest.fixture
def refuse(path):
    """Check that a file is refused in one short line that matches, and names the file."""

    def check(match):
        with pytest.raises(InputError, match=match) as error:
            torch_file.read(path)
        assert str(error.value).startswith(f"{path}: ")
        assert len(str(error.value)) < 500 + len(str(path))
        assert str(error.value).isprintable()

    return check


def numbered_arrays(config):
    """Every array of a network with numbers of its own, float32."""
    rng = np.random.default_rng(config.image_size)
    params = undrawn_model(config).params
    return {name: rng.random(array.shape, np.float32) for name, array in params.items()}


@pytest.fixture(scope="module")
def arrays_of():
    """`numbered_arrays`, which are made once."""
    return functools.cache(numbered_arrays)
