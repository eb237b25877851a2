"""Across the lanes of a vector: their sum, the largest, those that passed a test, lanes from distant places.

As in `minissd.nn.fast.simd`, all of it works inside ``@njit`` functions only.

===============================  ======================================================
``sum_lanes(v)``                 the sum of the sixteen numbers
``max_lanes(v)``                 the largest of them
``greater(v, w)``                a number whose bit b says whether lane b of v is above that of w
``first_bits(n)``                a number whose first n bits are set, sixteen at most
``lowest_bit(bits)``             which bit of a number is the lowest that is set
``without_lowest(bits)``         the number without it
``load_strided(a, i, step)``     the vector ``a[i : i + 16 * step : step]``
===============================  ======================================================

With the bits a loop visits only the lanes that passed a test, and where no lane passes nothing more is done:

    bits = greater(v, w)
    while bits:
        lane = lowest_bit(bits)
        ...
        bits = without_lowest(bits)
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minissd.compilation import inlined
from minissd.nn.fast.simd import INT32, LANES, VECTOR, vector


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
    """Lay the upper half of the lanes over the lower half until one is left: four steps, not fifteen."""
    half = LANES // 2
    while half:
        lower, upper = (
            builder.shuffle_vector(value, value, ir.Constant(ir.VectorType(INT32, half), lanes))
            for lanes in (list(range(half)), list(range(half, 2 * half)))
        )
        value, half = combine(lower, upper), half // 2
    return builder.extract_element(value, INT32(0))


@intrinsic
def greater(typing_context, left, right):
    """A number whose bit b says whether lane b of `left` is above that of `right`; never where one is NaN."""

    def emit(context, builder, signature, args):
        bits = builder.bitcast(builder.fcmp_ordered(">", *args), ir.IntType(LANES))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(vector, vector), emit


@inlined
def first_bits(count):
    """A number whose first `count` bits are set, one per lane at most."""
    return (1 << min(count, LANES)) - 1


@intrinsic
def lowest_bit(typing_context, bits):
    """Which bit of a number other than 0 is the lowest that is set."""

    def emit(context, builder, signature, args):
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.int64), emit


@inlined
def without_lowest(bits):
    """A number without the lowest bit that is set: subtracting 1 changes that bit and the zeros below it."""
    return bits & (bits - 1)


@intrinsic
def load_strided(typing_context, array, index, step):
    """``array[index : index + 16 * step : step]``."""

    def emit(context, builder, signature, args):
        array, index, step = args
        lanes = ir.Constant(VECTOR, ir.Undefined)
        for lane in range(LANES):
            number = builder.load(builder.gep(array, [index]))
            lanes = builder.insert_element(lanes, number, INT32(lane))
            index = builder.add(index, step)
        return lanes

    return vector(array, types.intp, types.intp), emit
