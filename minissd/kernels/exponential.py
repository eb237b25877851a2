"""The exponential function and the logarithm of sixteen float32 numbers at once.

The library's functions take one number at a time. Both are made of the same parts: a float is a power of two
times a number near 1, so the power of two is split off through the bits, and what is left is so close to the
middle of a power series that a few terms give all 24 binary digits. All functions work inside ``@njit``
functions only, like those of `minissd.nn.fast.simd`.
"""

from __future__ import annotations

from llvmlite import ir
from numba.extending import intrinsic

from minissd.compilation import inlined
from minissd.nn.fast.simd import INT32, LANES, VECTOR, broadcast, vector, where_greater

LOG2_E = 1.44269504
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4  # ln 2; a small whole number times the first part is exact
TO_WHOLE = 1.5 * 2**23  # added to a small number it leaves no digits for a fraction
LOWEST = -87.3365  # below it e^x is no normal float32

INTEGERS = ir.VectorType(INT32, LANES)
MANTISSA_BITS = 23
BITS_OF_ONE = 0x3F800000
BITS_OF_ROOT_HALF = 0x3F3504F3


@inlined
def exp(x):
    r"""e to the power of every lane, for x up to 88; 0 below :math:`1.2 \cdot 10^{-38}`; NaN stays.

    :math:`e^x = 2^n e^r` with a whole n and :math:`|r| \le \ln(2)/2`, where the power series up to
    :math:`r^7` is exact to float32's rounding.
    """
    shifted = x * broadcast(LOG2_E) + broadcast(TO_WHOLE)
    n = shifted - broadcast(TO_WHOLE)
    r = x - n * broadcast(LN2_HIGH) - n * broadcast(LN2_LOW)
    series = broadcast(1 / 5040) * r + broadcast(1 / 720)
    series = series * r + broadcast(1 / 120)
    series = series * r + broadcast(1 / 24)
    series = series * r + broadcast(1 / 6)
    series = series * r + broadcast(1 / 2)
    series = series * r + broadcast(1)
    series = series * r + broadcast(1)
    return where_greater(broadcast(LOWEST), x, broadcast(0), series * _power_of_two(shifted))


@inlined
def log(x):
    r"""Natural logarithm of every lane, for normal positive numbers; NaN stays.

    :math:`x = 2^e m` with m around 1, and :math:`\ln m = 2 (t + t^3/3 + t^5/5 + ...)` with
    :math:`t = (m - 1) / (m + 1)`, at most 0.172.
    """
    e, m = _exponent(x), _fraction(x)
    t = divide(m - broadcast(1), m + broadcast(1))
    square = t * t
    series = broadcast(2 / 9) * square + broadcast(2 / 7)
    series = series * square + broadcast(2 / 5)
    series = series * square + broadcast(2 / 3)
    series = series * square * t + (t + t)
    return e * broadcast(LN2_HIGH) + (e * broadcast(LN2_LOW) + series) + (x - x)  # x - x: 0, for NaN NaN


@intrinsic
def divide(typing_context, value, divisor):
    """``value / divisor``, lane by lane."""
    return vector(vector, vector), lambda context, builder, signature, args: builder.fdiv(*args)


@intrinsic
def _power_of_two(typing_context, shifted):
    """2 to the power of the whole number to which `TO_WHOLE` was added: its last bits are that number."""

    def emit(context, builder, signature, args):
        bits = builder.shl(builder.bitcast(args[0], INTEGERS), _integers(MANTISSA_BITS))
        return builder.bitcast(builder.add(bits, _integers(BITS_OF_ONE)), VECTOR)

    return vector(vector), emit


@intrinsic
def _exponent(typing_context, value):
    """The e for which ``value / 2**e`` lies between the roots of 1/2 and of 2."""

    def emit(context, builder, signature, args):
        return builder.sitofp(_split(builder, args[0])[0], VECTOR)

    return vector(vector), emit


@intrinsic
def _fraction(typing_context, value):
    """``value / 2**e`` with the e of `_exponent`."""

    def emit(context, builder, signature, args):
        exponent, bits = _split(builder, args[0])
        bits = builder.sub(bits, builder.shl(exponent, _integers(MANTISSA_BITS)))
        return builder.bitcast(bits, VECTOR)

    return vector(vector), emit


def _split(builder, value):
    """Exponent of a vector's lanes, and their bits. Emits code."""
    bits = builder.bitcast(value, INTEGERS)
    above = builder.sub(bits, _integers(BITS_OF_ROOT_HALF))
    return builder.ashr(above, _integers(MANTISSA_BITS)), bits


def _integers(number):
    return ir.Constant(INTEGERS, [number] * LANES)
