"""What the tests of detection have in common: predictions, and detecting in them on every backend."""

import numpy as np
import pytest

from minissd import detect as module

ONE_PRIOR = np.array([[0.5, 0.5, 0.5, 0.5]])


def logits_of(probabilities):
    """Logits whose softmax gives these probabilities, one row per prior, for a batch of one."""
    probabilities = np.array(probabilities, dtype=float)
    return np.log(probabilities, out=np.full_like(probabilities, -np.inf), where=probabilities > 0)[None]


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    """Of the predictions: arrays of float32 take the compiled way or that of the GPU, others the readable."""
    return np.dtype(request.param)


@pytest.fixture
def detect(dtype, backend):
    """`minissd.detect.detect` on predictions of this dtype, on every backend."""

    def detect_as(loc, conf, *arguments, **options):
        loc, conf = (backend.send(array.astype(dtype)) for array in (loc, conf))
        return module.detect(loc, conf, *arguments, **options)

    return detect_as


@pytest.fixture
def precision(dtype):
    """Relative error that rounding may cause."""
    return 1e-12 if dtype == np.float64 else 2e-6
