"""The other programs that minissd is measured against, where they are installed. Nobody else imports them."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from functools import cache
from importlib import metadata

# Module: its name, and the package that brings it.
PEERS = {
    "torch": ("PyTorch", "torch"),
    "cv2": ("OpenCV", "opencv-python-headless"),
    "pycocotools": ("pycocotools", "pycocotools"),
}
INSTALL = "pip install 'minissd[peers]'"


@cache
def find(module):
    """Return a module of `PEERS`, or torchvision; None where it is not installed or cannot be loaded."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError):  # or a library that it is linked with is another or missing
        return None


def set_num_threads(threads):
    """Give PyTorch and OpenCV so many threads."""
    if torch := find("torch"):
        torch.set_num_threads(threads)
    if cv2 := find("cv2"):
        cv2.setNumThreads(threads)


@contextmanager
def tf32(allowed):
    """Within this block PyTorch may round the factors of products on a GPU to TF32, or may not.

    In any case it looks for the best of cuDNN's algorithms.
    """
    backends = require("torch").backends
    backends.cudnn.benchmark = True
    switches = backends.cudnn, backends.cuda.matmul
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = allowed
        yield
    finally:
        for switch, was_allowed in zip(switches, before):
            switch.allow_tf32 = was_allowed


def require(module):
    """Return one of the modules of `PEERS`, for code that is of no use without it.

    Raises
    ------
    ModuleNotFoundError
    """
    found = find(module)
    if found is None:
        raise ModuleNotFoundError(f"no module named {module!r} ({INSTALL})", name=module)
    return found


def missing():
    """Names of the peers that are not installed."""
    return [name for module, (name, _) in PEERS.items() if find(module) is None]


def versions():
    """Names and versions of the peers that are installed, as in ``["PyTorch 2.9.0"]``."""
    return [
        f"{name} {_version(module, package)}" for module, (name, package) in PEERS.items() if find(module)
    ]


def _version(module, package):
    version = getattr(find(module), "__version__", None)
    return version or metadata.version(package)
