"""What a device can do at most, measured: the speed of a large matrix product, and of a large copy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from minissd import backend
from minissd.bench import machine
from minissd.bench.device import FLOAT32

PRODUCT_SIDE, COPY_BYTES = 8192, 1 << 30  # on a GPU
ROUNDS, CALLS = 5, 4


@dataclass(frozen=True)
class Roofs:
    """The limits that every row is held against.

    Attributes
    ----------
    gflops : dict of str to float
        Speed of the matrix product in each precision (`minissd.bench.device`), in GFLOP/s.
    gbytes : float, optional
        Bytes that a copy reads and writes, in GB/s; only of a GPU.
    """

    gflops: dict[str, float] = field(default_factory=dict)
    gbytes: float | None = None

    def text(self):
        """One line.

        Examples
        --------
        >>> Roofs({"float32": 50000.0, "TF32": 400000.0}, 4000.0).text()
        'matrix product: 50000 GFLOP/s, TF32 400000 GFLOP/s; copy: 4000 GB/s'
        """
        products = (
            f"{'' if name == FLOAT32 else name + ' '}{speed:.0f} GFLOP/s"
            for name, speed in self.gflops.items()
        )
        copy = f"; copy: {self.gbytes:.0f} GB/s" if self.gbytes else ""
        return f"matrix product: {', '.join(products)}{copy}"


def measure(device, known=None):
    """Measure the roofs of a device.

    Parameters
    ----------
    device : minissd.bench.device.Device
    known : Roofs, optional
        Of an earlier call. A processor is measured again, for others may have kept it busy then.

    Returns
    -------
    Roofs
        Never lower than those known.
    """
    if not device.on_gpu:
        speed = max(machine.product_gflops(), known.gflops[FLOAT32] if known else 0.0)
        return Roofs({FLOAT32: speed})
    if known:
        return known
    return Roofs({d.precision: _product_gflops(d) for d in device.precisions()}, _copy_gbytes(device))


def _product_gflops(device):
    from minissd.nn.cuda.products import multiply

    rng = np.random.default_rng(0)
    a, b = (device.send(rng.random((PRODUCT_SIDE,) * 2, np.float32)) for _ in range(2))
    out = backend.get_array_module(a).empty_like(a)
    with device.settings():
        return 2 * PRODUCT_SIDE**3 / _seconds(device, lambda: multiply(a, b, out)) / 1e9


def _copy_gbytes(device):
    source = device.send(np.zeros(COPY_BYTES // 4, np.float32))
    target = backend.get_array_module(source).empty_like(source)

    def copy():
        target[...] = source

    return 2 * COPY_BYTES / _seconds(device, copy) / 1e9


def _seconds(device, function):
    """Of one call, at the best of several rounds; the first call is not timed."""
    function()
    clock, rounds = device.clock(), []
    for _ in range(ROUNDS):
        begin = clock()
        for _ in range(CALLS):
            function()
        rounds.append((clock() - begin) / CALLS)
    return min(rounds)
