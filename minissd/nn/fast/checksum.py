"""A checksum as fast as memory: have the weights changed since they were packed?"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

from minissd.compilation import compiled
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.simd import INT32, LANES, VECTOR, broadcast, load, load_lanes, memory, store, vector
from minissd.nn.fast.team import share_out, team

STREAMS = 8  # vectors of sums, which do not wait for each other
NUMBERS = 1 << 16  # that a thread deals with at a time
AHEAD = 1 << 9  # numbers that are asked for before they are needed
MULTIPLIER = 0x9E3779B1  # an odd number: a change of any bit changes the sum
INTEGERS = ir.VectorType(INT32, LANES)


def checksum(array):
    """Bytes that change when any number of a contiguous float32 array does.

    Examples
    --------
    >>> weight = np.zeros(5, np.float32)
    >>> before = checksum(weight)
    >>> weight[3] = 1e-30
    >>> checksum(weight) == before
    False
    """
    sums = np.zeros((-(-array.size // NUMBERS), STREAMS * LANES), np.float32)
    _checksum(team().mailbox, array.reshape(-1), sums)
    return sums.tobytes()


@intrinsic
def mix(typing_context, total, value):
    """``(total ^ total >> 15) * MULTIPLIER + value``, lane by lane, on the bits as whole numbers.

    The shift brings high bits down: without it the sign bits of an even number of weights would cancel.
    """

    def emit(context, builder, signature, args):
        total, value = (builder.bitcast(arg, INTEGERS) for arg in args)
        total = builder.xor(total, builder.lshr(total, ir.Constant(INTEGERS, [15] * LANES)))
        factor = ir.Constant(INTEGERS, [MULTIPLIER - (1 << 32)] * LANES)
        return builder.bitcast(builder.add(builder.mul(total, factor), value), VECTOR)

    return vector(vector, vector), emit


@njit(nogil=True)
def _mix_numbers(thread, piece, numbers, size, sums):
    first, last = piece * NUMBERS, min((piece + 1) * NUMBERS, size)
    whole = first + (last - first) // (STREAMS * LANES) * STREAMS * LANES
    zero = broadcast(0)
    a, b, c, d, e, f, g, h = zero, zero, zero, zero, zero, zero, zero, zero
    for i in range(first, whole, STREAMS * LANES):
        for k in range(0, STREAMS * LANES, LANES):
            prefetch(numbers, i + k + AHEAD)
        a, b = mix(a, load(numbers, i)), mix(b, load(numbers, i + 16))
        c, d = mix(c, load(numbers, i + 32)), mix(d, load(numbers, i + 48))
        e, f = mix(e, load(numbers, i + 64)), mix(f, load(numbers, i + 80))
        g, h = mix(g, load(numbers, i + 96)), mix(h, load(numbers, i + 112))
    for i in range(whole, last, LANES):
        a = mix(a, load_lanes(numbers, i, min(LANES, last - i)))
    o = piece * STREAMS * LANES
    for k, total in enumerate((a, b, c, d, e, f, g, h)):
        store(sums, o + k * LANES, total)


@compiled
def _checksum(mailbox, numbers, sums):
    share_out(mailbox, len(sums), _mix_numbers, (memory(numbers), len(numbers), memory(sums)))
