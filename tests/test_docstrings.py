"""Every example in a docstring is run, so that none of them lies."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import minissd

METHOD = ("boxes", "priors", "codec", "matching", "targets", "mining", "loss", "nms", "detect", "evaluate")
METHOD += ("ground_truth", "coco_ap", "coco_boxes")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(minissd.__path__, "minissd.", onerror=lambda name: None)
    if not module.name.endswith("__main__")
]


def import_or_skip(name):
    """Import a module; skip the test where a library is missing that is not the project's own."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] == "minissd":
            raise
        pytest.skip(f"needs {error.name}")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = import_or_skip(name)
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.failed == 0


def test_the_method_has_examples():
    """One cannot read a step without being shown what it does to an array."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in METHOD:
        module = importlib.import_module(f"minissd.{name}")
        assert sum(len(test.examples) for test in finder.find(module, extraglobs={"np": np})) > 0, name
