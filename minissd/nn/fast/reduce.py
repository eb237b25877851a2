"""One number from sixteen: the sum and the maximum of a vector's lanes.

The upper half of the lanes is laid over the lower half, and again, until one lane is left: four steps instead
of fifteen. Both functions work inside ``@njit`` functions only, like those of `minissd.nn.fast.simd`.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minissd.nn.fast.simd import INT32, LANES, vector


@intrinsic
def sum_lanes(typing_context, value):
    """Sum of the sixteen numbers."""

    def emit(context, builder, signature, args):
        return _fold(builder, args[0], builder.fadd)

    return types.float32(vector), emit


@intrinsic
def max_lanes(typing_context, value):
    """Largest of the sixteen numbers; if one is NaN, any of them."""

    def emit(context, builder, signature, args):
        def larger(a, b):
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        return _fold(builder, args[0], larger)

    return types.float32(vector), emit


def _fold(builder, value, combine):
    """Combine the halves of a vector until one number is left. Emits code."""
    half = LANES // 2
    while half:
        lower, upper = (
            builder.shuffle_vector(value, value, ir.Constant(ir.VectorType(INT32, half), lanes))
            for lanes in (list(range(half)), list(range(half, 2 * half)))
        )
        value, half = combine(lower, upper), half // 2
    return builder.extract_element(value, INT32(0))
