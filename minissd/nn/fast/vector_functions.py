r"""The exponential function and the logarithm of sixteen float32 numbers at once.

The library's functions take one number at a time. Both are made of the same parts: a float is a power of two
times a number near 1, so the power of two is split off through the bits, and what is left is so close to the
middle of a power series that a few terms give all 24 binary digits.

As in `minissd.nn.fast.simd`, both work inside ``@njit`` functions only.

===============================  ======================================================
``exp(v)``                       e to the power of every lane, none of which is above 40
``log(v)``                       natural logarithm of every lane, normal positive numbers
===============================  ======================================================
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from minissd.compilation import inlined
from minissd.nn.fast.simd import INT32, LANES, VECTOR, broadcast, maximum, vector, where_greater

INTEGERS = ir.VectorType(INT32, LANES)
MANTISSA_BITS = 23  # of a float32, its last; before them stands the exponent
BITS_OF_ONE, BITS_OF_ROOT_HALF = np.float32([1, math.sqrt(0.5)]).view(np.int32).tolist()

LOG2_E = 1 / math.log(2)
LN2_HIGH = 0.693359375  # nine bits, so that its product with a small whole number is exact
LN2_LOW = math.log(2) - LN2_HIGH
LOWEST = -104.0  # e to this power is nearer to zero than to any float32
RAISE = 64
ROUNDER = 1.5 * 2.0**MANTISSA_BITS + RAISE  # there the float32 numbers are the whole numbers
C2, C3, C4, C5, C6, C7 = (1 / math.factorial(k) for k in range(2, 8))


@inlined
def exp(value):
    r"""e to the power of every lane, within one unit in the last place; for -inf to 40, NaN stays.

    :math:`x = n \ln 2 + r` with a whole number n and :math:`|r| < 0.35`, so :math:`e^x = 2^n e^r`. The Taylor
    series of :math:`e^r` is exact to float32 with eight terms. :math:`2^n` is made too large by
    :math:`2^{64}` and the result then lowered, so that what is almost zero is rounded rightly. What is zero
    is set to it before that: on many processors a multiplication with so small a result takes far longer.
    """
    lowest = broadcast(LOWEST)
    x = maximum(value, lowest)
    raised = x * broadcast(LOG2_E) + broadcast(ROUNDER)  # the last bits hold n + 64
    n = raised - broadcast(ROUNDER)
    r = x - n * broadcast(LN2_HIGH) - n * broadcast(LN2_LOW)
    series = broadcast(C7) * r + broadcast(C6)
    series = series * r + broadcast(C5)
    series = series * r + broadcast(C4)
    series = series * r + broadcast(C3)
    series = series * r + broadcast(C2)
    series = (series * r + broadcast(1)) * r + broadcast(1)
    return where_greater(lowest, value, broadcast(0), series * power_of_two(raised)) * broadcast(2.0**-RAISE)


@inlined
def log(value):
    r"""Natural logarithm of every lane, for normal positive numbers; NaN stays.

    :math:`x = 2^e m` with m around 1, and :math:`\ln m = 2 (t + t^3/3 + t^5/5 + ...)` with
    :math:`t = (m - 1) / (m + 1)`, at most 0.172.
    """
    e, m = exponent(value), fraction(value)
    t = (m - broadcast(1)) / (m + broadcast(1))
    square = t * t
    series = broadcast(2 / 9) * square + broadcast(2 / 7)
    series = series * square + broadcast(2 / 5)
    series = series * square + broadcast(2 / 3)
    series = series * square * t + (t + t)
    return e * broadcast(LN2_HIGH) + (e * broadcast(LN2_LOW) + series) + (value - value)  # 0, for NaN NaN


@intrinsic
def power_of_two(typing_context, rounded):
    """2 to the power of the whole number in the last bits of every lane, which `ROUNDER` was added to."""

    def emit(context, builder, signature, args):
        number = builder.bitcast(args[0], INTEGERS)
        bits = builder.shl(number, _integers(MANTISSA_BITS))  # all other bits fall off
        return builder.bitcast(builder.add(bits, _integers(BITS_OF_ONE)), VECTOR)

    return vector(vector), emit


@intrinsic
def exponent(typing_context, value):
    """The e for which ``value / 2**e`` lies between the roots of 1/2 and of 2."""

    def emit(context, builder, signature, args):
        return builder.sitofp(_split(builder, args[0])[0], VECTOR)

    return vector(vector), emit


@intrinsic
def fraction(typing_context, value):
    """``value / 2**e`` with the e of `exponent`."""

    def emit(context, builder, signature, args):
        e, bits = _split(builder, args[0])
        return builder.bitcast(builder.sub(bits, builder.shl(e, _integers(MANTISSA_BITS))), VECTOR)

    return vector(vector), emit


def _split(builder, value):
    """Exponent of a vector's lanes, and their bits. Emits code."""
    bits = builder.bitcast(value, INTEGERS)
    above = builder.sub(bits, _integers(BITS_OF_ROOT_HALF))
    return builder.ashr(above, _integers(MANTISSA_BITS)), bits


def _integers(number):
    return ir.Constant(INTEGERS, [number] * LANES)
