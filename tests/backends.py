"""The same tests on every backend: with NumPy's arrays, and on a GPU, or on the stand-in for one.

The tests speak NumPy throughout. What they test is sent to the backend, and what comes back is NumPy's again.
"""

import dataclasses
import functools
from collections.abc import MutableMapping
from types import ModuleType

import numpy as np
import pytest

from minissd.backend import CPU, cuda, is_cuda, to_cpu, to_device
from minissd.errors import InputError
from minissd.nn import Layer

BACKENDS = ["numpy", pytest.param("cuda", marks=pytest.mark.gpu), "pretend"]

# A decorator for tests of what there is for a GPU only.
on_every_gpu = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True)


def every_backend(*names):
    """Marks that run tests on every backend.

    ``pytestmark = every_backend("MaxPool2d")`` in a module: what its tests make with the module's name
    MaxPool2d computes on the backend.
    """
    return [pytest.mark.usefixtures("backend"), pytest.mark.sent(*names)]


def on_every_backend(*names):
    """A decorator for one test, that does what `every_backend` does for a module."""

    def decorate(test):
        for mark in every_backend(*names):
            test = mark(test)
        return test

    return decorate


class NumPyBackend:
    """Everything stays as it is."""

    device = CPU

    def of(self, thing):
        """A layer, or a function or a class of layers, that computes on the backend."""
        return thing

    def send(self, value):
        """An array on the backend."""
        return value


class CudaBackend:
    """A GPU; or, as long as a test runs, what plays one."""

    device = "cuda:0"

    def of(self, thing):
        """A layer, or a function or a class of layers, that computes on the backend."""
        if isinstance(thing, Layer):
            return RemoteLayer(thing.to(self.device))
        if isinstance(thing, type) and issubclass(thing, Layer):
            return lambda *arguments, **options: self.of(thing(*arguments, **options))

        @functools.wraps(thing)
        def call(*arguments, **options):
            options = {name: self.send(value) for name, value in options.items()}
            return receive(thing(*map(self.send, arguments), **options))

        return call

    def send(self, value):
        """An array on the backend; anything else as it is."""
        return send(value)


def why_no_gpu():
    """Why there is no GPU here, or None where there is one."""
    try:
        cuda()
    except InputError as error:
        return str(error)


def send(value):
    """An array on the GPU; anything else as it is."""
    return to_device(value, CudaBackend.device) if isinstance(value, np.ndarray) else value


def receive(value):
    """NumPy's arrays, and Python's numbers, in place of those from a GPU."""
    if is_cuda(value):
        return to_cpu(value) if value.ndim else to_cpu(value).item()
    if isinstance(value, (tuple, list)):
        return type(value)(map(receive, value))
    if dataclasses.is_dataclass(value):
        return type(value)(*(receive(getattr(value, f.name)) for f in dataclasses.fields(value)))
    return value


class RemoteLayer:
    """A layer on a GPU that is spoken to with NumPy's arrays."""

    def __init__(self, layer):
        self.remote = layer
        self.params, self.grads, self.buffers = (
            RemoteArrays(layer, store) for store in ("params", "grads", "buffers")
        )

    def __getattr__(self, name):
        if name.startswith("__") or name == "remote":
            raise AttributeError(name)
        value = getattr(self.remote, name)
        return value if not callable(value) or isinstance(value, ModuleType) else self._method(value)

    def _method(self, method):
        def call(*arguments, **options):
            result = receive(method(*map(send, arguments), **options))
            return self if result is self.remote else result

        return call


class RemoteArrays(MutableMapping):
    """A store of a layer on a GPU: what is read is a copy, what is written is sent there."""

    def __init__(self, layer, store):
        self.layer, self.store = layer, store

    @property
    def arrays(self):
        return getattr(self.layer, self.store)

    def __iter__(self):
        return iter(self.arrays)

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, name):
        return receive(self.arrays[name])

    def __setitem__(self, name, array):
        self.arrays[name] = to_device(np.asarray(array), CudaBackend.device)

    def __delitem__(self, name):
        del self.arrays[name]

    def __or__(self, other):
        return dict(self) | dict(other)
