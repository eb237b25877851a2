r"""The one-dimensional transforms of Winograd's F(4, 3), and the two-dimensional ones made from them.

Four outputs of a filter of three taps, :math:`y_i = \sum_k g_k d_{i+k}`, are the coefficients of a product of
polynomials turned around. Evaluate both at six points, multiply six numbers instead of twelve, and come back:

.. math:: y = A^T \left[ (G g) \odot (B^T d) \right]

(Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016). In two dimensions rows and
columns are transformed one after the other and 36 products replace 144. The points here are
:math:`0, \pm a, \pm b, \infty` with :math:`a = \sqrt{1/2}` and :math:`b = \sqrt 2`. The usual points 0, 1, 2
need numbers up to 8 where these need 2.83, and lose several times as much accuracy. Opposite points share
their even and odd parts, which halves the work.

===========================  =========  =========  ==============================================
function                     takes      gives      matrix
===========================  =========  =========  ==============================================
`input_transform`            6 inputs   6 values   :math:`B^T`
`weight_transform`           3 taps     6 values   :math:`G`
`output_transform`           6 values   4 outputs  :math:`A^T`
`gradient_transform`         4 outputs  6 values   :math:`A`, for the gradient of the output
`weight_gradient_transform`  6 values   3 taps     :math:`G^T`, for the gradient of the weights
===========================  =========  =========  ==============================================

Every argument is a `minissd.nn.fast.simd` vector: sixteen channels at a time.
"""

from __future__ import annotations

import math

from numba import njit

from minissd.nn.fast.simd import LANES, broadcast, load, store

OUTPUT_SIDE = 4  # m
INPUT_SIDE = 6  # m + 3 - 1
POINTS = INPUT_SIDE * INPUT_SIDE

A, B = math.sqrt(0.5), math.sqrt(2.0)  # the points; a*b = 1 saves a factor here and there
A_CUBED, B_CUBED = A**3, B**3
TWO_LANES, THREE_LANES = 2 * LANES, 3 * LANES

inlined = njit(nogil=True, forceinline=True)


@inlined
def input_transform(d0, d1, d2, d3, d4, d5):
    """Coefficients of x(x^2 - a^2)(x^2 - b^2), divided by (x - p) for the point p."""
    half, two, both = broadcast(0.5), broadcast(2.0), broadcast(2.5)  # a^2, b^2, a^2 + b^2
    even_a, odd_a = d4 - two * d2, broadcast(A) * (d3 - two * d1)
    even_b, odd_b = d4 - half * d2, broadcast(B) * (d3 - half * d1)
    first, last = d0 - both * d2 + d4, d1 - both * d3 + d5
    return first, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, last


@inlined
def weight_transform(g0, g1, g2):
    """The filter g0 + g1 x + g2 x^2 at every point, over the product of the distances to the others."""
    even_a, odd_a = broadcast(-2 / 3) * (g0 + broadcast(0.5) * g2), broadcast(-2 / 3 * A) * g1
    even_b, odd_b = broadcast(1 / 6) * (g0 + broadcast(2.0) * g2), broadcast(1 / 6 * B) * g1
    return g0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g2


@inlined
def output_transform(m0, m1, m2, m3, m4, m5):
    """Row i is sum over the points of p^i m; infinity counts in the last row only."""
    sum_a, difference_a = m1 + m2, m1 - m2
    sum_b, difference_b = m3 + m4, m3 - m4
    y0 = m0 + sum_a + sum_b
    y1 = broadcast(A) * difference_a + broadcast(B) * difference_b
    y2 = broadcast(0.5) * sum_a + broadcast(2.0) * sum_b
    y3 = broadcast(A_CUBED) * difference_a + broadcast(B_CUBED) * difference_b + m5
    return y0, y1, y2, y3


@inlined
def gradient_transform(d0, d1, d2, d3):
    """The transpose of `output_transform`: the polynomial d0 + d1 x + d2 x^2 + d3 x^3 at every point."""
    even_a, odd_a = d0 + broadcast(0.5) * d2, broadcast(A) * d1 + broadcast(A_CUBED) * d3
    even_b, odd_b = d0 + broadcast(2.0) * d2, broadcast(B) * d1 + broadcast(B_CUBED) * d3
    return d0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, d3


@inlined
def weight_gradient_transform(u0, u1, u2, u3, u4, u5):
    """The transpose of `weight_transform`."""
    sum_a, difference_a = broadcast(-2 / 3) * (u1 + u2), broadcast(-2 / 3 * A) * (u1 - u2)
    sum_b, difference_b = broadcast(1 / 6) * (u3 + u4), broadcast(1 / 6 * B) * (u3 - u4)
    return (
        u0 + sum_a + sum_b,
        difference_a + difference_b,
        broadcast(0.5) * sum_a + broadcast(2.0) * sum_b + u5,
    )


@inlined
def load_six(array, i, step):
    """Six vectors, `step` apart."""
    return (
        load(array, i),
        load(array, i + step),
        load(array, i + 2 * step),
        load(array, i + 3 * step),
        load(array, i + 4 * step),
        load(array, i + 5 * step),
    )


@inlined
def store_six(array, i, step, values):
    """Write six vectors, `step` apart."""
    store(array, i, values[0])
    store(array, i + step, values[1])
    store(array, i + 2 * step, values[2])
    store(array, i + 3 * step, values[3])
    store(array, i + 4 * step, values[4])
    store(array, i + 5 * step, values[5])


@inlined
def transform_input(d, i, row_step, column_step, scratch, v, o, point_step):
    """``B^T d B`` of a 6x6 patch at d[i]; point (r, q) goes to ``v[o + (6r + q) * point_step]``."""
    for column in range(INPUT_SIDE):
        values = load_six(d, i + column * column_step, row_step)
        store_six(scratch, column * LANES, INPUT_SIDE * LANES, input_transform(*values))
    for row in range(INPUT_SIDE):
        values = load_six(scratch, row * INPUT_SIDE * LANES, LANES)
        store_six(v, o + row * INPUT_SIDE * point_step, point_step, input_transform(*values))


@inlined
def transform_gradient(d, i, row_step, column_step, scratch, v, o, point_step):
    """``A d A^T`` of a 4x4 patch at d[i]."""
    for column in range(OUTPUT_SIDE):
        p = i + column * column_step
        values = gradient_transform(
            load(d, p), load(d, p + row_step), load(d, p + 2 * row_step), load(d, p + 3 * row_step)
        )
        store_six(scratch, column * LANES, OUTPUT_SIDE * LANES, values)
    for row in range(INPUT_SIDE):
        p = row * OUTPUT_SIDE * LANES
        values = gradient_transform(
            load(scratch, p),
            load(scratch, p + LANES),
            load(scratch, p + TWO_LANES),
            load(scratch, p + THREE_LANES),
        )
        store_six(v, o + row * INPUT_SIDE * point_step, point_step, values)


@inlined
def transform_output(m, i, point_step, scratch):
    """``A^T m A``: output (r, q) of the 4x4 goes to ``scratch[(4r + q) * 16]``."""
    columns = OUTPUT_SIDE * OUTPUT_SIDE * LANES  # the second half of scratch holds the transformed columns
    row_step = INPUT_SIDE * LANES
    for column in range(INPUT_SIDE):
        values = output_transform(*load_six(m, i + column * point_step, INPUT_SIDE * point_step))
        p = columns + column * LANES
        store(scratch, p, values[0])
        store(scratch, p + row_step, values[1])
        store(scratch, p + 2 * row_step, values[2])
        store(scratch, p + 3 * row_step, values[3])
    for row in range(OUTPUT_SIDE):
        values = output_transform(*load_six(scratch, columns + row * row_step, LANES))
        p = row * OUTPUT_SIDE * LANES
        store(scratch, p, values[0])
        store(scratch, p + LANES, values[1])
        store(scratch, p + TWO_LANES, values[2])
        store(scratch, p + THREE_LANES, values[3])


@inlined
def transform_weight(g, i, scratch, u, o, point_step):
    """``G g G^T`` of the 3x3 taps ``g[i + (3r + q) * 16]``."""
    for column in range(3):
        p = i + column * LANES
        values = weight_transform(load(g, p), load(g, p + THREE_LANES), load(g, p + 2 * THREE_LANES))
        store_six(scratch, column * LANES, THREE_LANES, values)
    for row in range(INPUT_SIDE):
        p = row * THREE_LANES
        values = weight_transform(load(scratch, p), load(scratch, p + LANES), load(scratch, p + TWO_LANES))
        store_six(u, o + row * INPUT_SIDE * point_step, point_step, values)


@inlined
def transform_weight_gradient(u, i, point_step, scratch, g, o):
    """``G^T u G``: tap (r, q) goes to ``g[o + (3r + q) * 16]``."""
    row_step = INPUT_SIDE * LANES
    for column in range(INPUT_SIDE):
        values = weight_gradient_transform(*load_six(u, i + column * point_step, INPUT_SIDE * point_step))
        p = column * LANES
        store(scratch, p, values[0])
        store(scratch, p + row_step, values[1])
        store(scratch, p + 2 * row_step, values[2])
    for row in range(3):
        values = weight_gradient_transform(*load_six(scratch, row * row_step, LANES))
        p = o + row * THREE_LANES
        store(g, p, values[0])
        store(g, p + LANES, values[1])
        store(g, p + TWO_LANES, values[2])
