"""Division and the exponential function of sixteen float32 numbers at once.

As in `minissd.nn.fast.simd`, both work inside ``@njit`` functions only.

===============================  ======================================================
``v / w``                        lane by lane
``exp(v)``                       e to the power of every lane, none of which is above 40
===============================  ======================================================
"""

from __future__ import annotations

import math
import operator

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from minissd.compilation import inlined
from minissd.nn.fast.simd import INT32, LANES, VECTOR, _define, broadcast, maximum, vector

INTEGERS = ir.VectorType(INT32, LANES)

LOG2_E = np.float32(1 / math.log(2))
LN_2_HIGH = np.float32(0.693359375)  # nine bits, so that its product with a small whole number is exact
LN_2_LOW = np.float32(math.log(2) - 0.693359375)
LOWEST = -104.0  # e to this power is nearer to zero than to any float32
RAISE = 64
ROUNDER = np.float32(1.5 * 2.0**23 + RAISE)  # there the float32 numbers are the whole numbers
LOWER = np.float32(2.0**-RAISE)
C2, C3, C4, C5, C6, C7 = (np.float32(1 / math.factorial(k)) for k in range(2, 8))

_define(operator.truediv, "fdiv")


@inlined
def exp(value):
    r"""e to the power of every lane, within one unit in the last place; for -inf to 40, NaN stays.

    :math:`x = n \ln 2 + r` with a whole number n and :math:`|r| < 0.35`, so :math:`e^x = 2^n e^r`. The Taylor
    series of :math:`e^r` is exact to float32 from its eighth term on, and :math:`2^n` is an addition to the
    bits of the exponent. It is made too large by 2^64 and then lowered, so that what is almost zero is
    rounded rightly.
    """
    x = maximum(value, broadcast(LOWEST))
    raised = x * broadcast(LOG2_E) + broadcast(ROUNDER)  # the last bits hold n + 64
    n = raised - broadcast(ROUNDER)
    r = x - n * broadcast(LN_2_HIGH) - n * broadcast(LN_2_LOW)
    series = broadcast(C7) * r + broadcast(C6)
    series = series * r + broadcast(C5)
    series = series * r + broadcast(C4)
    series = series * r + broadcast(C3)
    series = series * r + broadcast(C2)
    series = (series * r + broadcast(1)) * r + broadcast(1)
    return add_to_exponent(series, raised) * broadcast(LOWER)


@intrinsic
def add_to_exponent(typing_context, value, raised):
    """Every lane of `value` times 2 to the power of the whole number in the last bits of `raised`."""

    def emit(context, builder, signature, args):
        bits, number = (builder.bitcast(lanes, INTEGERS) for lanes in args)
        exponent = builder.shl(number, ir.Constant(INTEGERS, [23] * LANES))  # all other bits fall off
        return builder.bitcast(builder.add(bits, exponent), VECTOR)

    return vector(vector, vector), emit
