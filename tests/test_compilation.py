"""Compiled code: kept, found again, stale when its parts change, and never a reason to fail."""

import importlib.util
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest

import minissd
from minissd import compilation
from minissd.compilation import CacheWarning, NoCache, compiled, is_kernel

SOURCE = """
def double(x):
    return 2 * x
"""


@pytest.fixture
def function(tmp_path, monkeypatch):
    """A function in a file of its own, whose compiled code is kept next to it."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    path = tmp_path / "doubles" / "doubling.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    yield load(path)
    del sys.modules["doubling"]


def load(path):
    spec = importlib.util.spec_from_file_location("doubling", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["doubling"] = module  # Numba looks for it there
    spec.loader.exec_module(module)
    return module.double


def compiles(function):
    """Call a new kernel made of the function; returns whether it had to be compiled."""
    kernel = compiled(function)
    assert kernel(21) == 42
    stats = kernel.stats
    assert len(stats.cache_hits) + len(stats.cache_misses) == 1
    return bool(stats.cache_misses)


def stop_writing(folder, monkeypatch):
    """Nobody, not even root, can make folders in a file."""
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    (folder / "__pycache__").write_text("")
    for variable in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(folder / "__pycache__"))


def test_code_is_kept_and_found_again(function):
    assert [compiles(function) for _ in range(3)] == [True, False, False]


def test_options_and_plain_use():
    exact, loose = compiled(SUM := lambda x: x + 1), compiled(fastmath=True)(SUM)
    assert exact.targetoptions["nogil"] and "fastmath" not in exact.targetoptions
    assert loose.targetoptions["fastmath"]
    assert is_kernel(exact)
    assert not is_kernel(numba.njit(SUM))


def test_a_change_of_its_own_file_counts(function):
    compiles(function)
    path = Path(function.__code__.co_filename)
    path.write_text(SOURCE.replace("2 * x", "x + x"))
    assert compiles(load(path))


def test_a_change_of_a_shared_part_counts(function, tmp_path, monkeypatch):
    """A kernel is made of parts in other files, at which Numba itself does not look."""
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "simd.py").write_text("LANES = 16\n")
    monkeypatch.setattr(compilation, "SHARED_PARTS", (parts,))
    compilation.fingerprint.cache_clear()
    assert [compiles(function) for _ in range(2)] == [True, False]
    (parts / "simd.py").write_text("LANES = 8\n")
    assert not compiles(function), "the sources are read once per process"
    compilation.fingerprint.cache_clear()
    assert [compiles(function) for _ in range(2)] == [True, False]
    (parts / "tile.py").write_text("")
    compilation.fingerprint.cache_clear()
    assert compiles(function)


def test_the_shared_parts_are_where_they_are_said_to_be():
    names = {path.name for folder in compilation.SHARED_PARTS for path in folder.glob("*.py")}
    assert {"simd.py", "tile.py", "winograd_transforms.py"} <= names


@pytest.mark.parametrize("damage", [lambda data: data[:50], lambda data: b"", lambda data: b"\x80" + data])
@pytest.mark.parametrize("kind", ["*.nbc", "*.nbi"])
def test_a_broken_file_is_compiled_anew(function, kind, damage):
    compiles(function)
    (path,) = Path(function.__code__.co_filename).parent.glob(f"__pycache__/{kind}")
    path.write_bytes(damage(path.read_bytes()))
    assert compiles(function)
    assert not compiles(function)


def test_nothing_can_be_written(function, monkeypatch):
    stop_writing(Path(function.__code__.co_filename).parent, monkeypatch)
    compilation._warn_that_code_is_lost.cache_clear()
    kernel = compiled(function)
    assert isinstance(kernel._cache, NoCache)
    with pytest.warns(CacheWarning, match=r"cannot be kept: neither .* \(set NUMBA_CACHE_DIR to"):
        assert kernel(21) == 42
    assert is_kernel(kernel)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        assert compiled(function)(0.5) == 1


def test_a_folder_that_stops_taking_files(function, monkeypatch):
    """As on a full disk: the result is right, the warning names the folder."""
    kernel = compiled(function)
    stop_writing(Path(function.__code__.co_filename).parent, monkeypatch)
    compilation._warn_that_code_is_lost.cache_clear()
    with pytest.warns(CacheWarning, match=r"__pycache__: .* \(set NUMBA_CACHE_DIR"):
        assert kernel(21) == 42


# -- the whole package ---------------------------------------------------------------------------------------

USE_IT = """
import numpy as np
from minissd.nn.fast import layout
x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
assert (layout.nhwc(x) == x.transpose(0, 2, 3, 1)).all()
print(layout.__file__)
print(sum(layout._to_channels_last.stats.cache_misses.values()))
"""


@pytest.fixture
def unwritable_package(tmp_path):
    """A copy of the package in which no compiled code can be kept."""
    root = tmp_path / "site-packages"
    package = Path(minissd.__file__).parent
    shutil.copytree(package, root / "minissd", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (path for path in [root / "minissd", *(root / "minissd").rglob("*")] if path.is_dir()):
        (folder / "__pycache__").write_text("")
    return root


def use(package, home):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CACHE")}
    environment |= {"HOME": str(home), "LOCALAPPDATA": str(home), "PYTHONPATH": str(package)}
    environment.pop("XDG_CACHE_HOME", None)
    command = [sys.executable, "-c", USE_IT]
    answer = subprocess.run(command, env=environment, cwd=package, capture_output=True, text=True, check=True)
    path, compilations = answer.stdout.splitlines()
    assert path.startswith(str(package))
    return int(compilations), answer.stderr


def test_a_package_that_cannot_be_written_to_uses_the_users_cache(unwritable_package, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert use(unwritable_package, home) == (1, "")
    assert use(unwritable_package, home) == (0, "")
    assert list(home.rglob("layout._to_channels_last*.nbc"))


def test_nor_the_users_cache(unwritable_package):
    nowhere = unwritable_package / "minissd" / "__pycache__"
    compilations, errors = use(unwritable_package, nowhere)
    assert compilations == 1
    assert errors.count("CacheWarning: compiled code cannot be kept") == 1
    assert "Traceback" not in errors


START = """
import gc, importlib, sys
from pathlib import Path
import minissd
DRAWING = ("viz", "show", "explain", "sentences", "demo", "bench", "__main__")
folder = Path(minissd.__file__).parent
for path in folder.rglob("*.py"):
    names = path.relative_to(folder).with_suffix("").parts
    if names[0] not in DRAWING:
        importlib.import_module(".".join(("minissd", *names)).removesuffix(".__init__"))
from numba.core.dispatcher import Dispatcher
functions = [thing for thing in gc.get_objects() if isinstance(thing, Dispatcher) and thing.signatures]
names = [function.py_func.__module__ + "." + function.__name__ for function in functions]
print(*(name for name in names if name.startswith("minissd")))
print("matplotlib" in sys.modules)
"""


def test_importing_compiles_nothing_and_draws_nothing():
    answer = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    assert answer.stdout == "\nFalse\n"


TRAIN_AND_PREDICT = """
import dataclasses, gc
from collections import Counter
import numpy as np
from numba import types
import command_line
from minissd.models import SSD
from minissd.predict import predict
from minissd.settings import settings_for
from minissd.train import Trainer
config = dataclasses.replace(command_line.SMALL, num_classes=1 + len(command_line.CLASSES))
model = SSD(config, np.random.default_rng(0))
trainer = Trainer(model, command_line.SCENES, settings_for(config, batch_size=2), "run", progress=False)
with trainer._batches() as batches:
    trainer.train_step(next(iter(batches)))
predict(model, [np.zeros((40, 60, 3), np.uint8), command_line.SCENES[0].image])

def form(kind):
    return (kind.dtype, kind.ndim) if isinstance(kind, types.Array) else types.unliteral(kind)

from minissd.compilation import is_kernel
for kernel in [thing for thing in gc.get_objects() if is_kernel(thing)]:
    forms = Counter(tuple(map(form, signature)) for signature in kernel.signatures)
    if forms and max(forms.values()) > 1:
        print(kernel.py_func.__module__, kernel.__name__, *kernel.signatures, sep="\\n    ")
"""


def test_no_kernel_is_compiled_twice_for_the_same_numbers(tmp_path):
    """Arrays that are read-only or in another memory order would be other types to Numba."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-W", "ignore", "-c", TRAIN_AND_PREDICT]
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout == ""


def test_compiled_code_does_what_python_does():
    @compiled
    def dot(x, y):
        total = 0.0
        for i in range(len(x)):
            total += x[i] * y[i]
        return total

    x, y = np.arange(4.0), np.ones(4)
    assert dot(x, y) == dot.py_func(x, y) == 6
