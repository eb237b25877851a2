"""The numbers in tests/reference are true copies of the reference numbers they are said to be."""

import numpy as np
import pytest
from reference_numbers import REFERENCE, copied_numbers

# Copy -> the files whose arrays it holds under the same keys.
SOURCES = {
    "priors": ["priors"],
    "codec": ["encode"],
    "matching": ["matching"],
    "loss": ["multibox_loss", "layers"],
    "nms": ["nms"],
    "evaluate": ["ap"],
    "coco": ["ap"],
}
OF_THE_COPY = {"rows300", "rows512", "cases", "det_cases"}  # say which part was taken


@pytest.mark.parametrize("name", SOURCES)
def test_every_array_is_that_of_its_source(name, shared_numbers):
    sources = [shared_numbers(source) for source in SOURCES[name]]
    numbers = copied_numbers(name)
    for key in numbers.keys() - OF_THE_COPY:
        original = next(source[key] for source in sources if key in source)
        if len(numbers[key]) != len(original) if numbers[key].ndim else False:
            original = original[numbers["rows300" if len(original) == 8732 else "rows512"]]
        np.testing.assert_array_equal(numbers[key], original, err_msg=key)


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*.npz")), ids=lambda path: path.stem)
def test_a_copy_is_small(path):
    assert path.stat().st_size < 200_000
