"""A block of a matrix product that stays in the processor's registers while it is summed up.

A product of matrices reads each number many times; what counts is how seldom it comes from memory. A tile of
6 rows by 32 columns takes in 6 numbers of one matrix and 32 of the other and does 192 multiplications and
additions with them, on 12 AVX-512 registers that are written to memory only once, at the end:

    tile = zero_tile(ROWS, COLUMNS)
    for k in range(depth):
        tile = add_products(tile, a, k, row_step, b, 16 * k, panel)

Twelve sums that do not wait for each other also keep the processor busy: it can begin two multiply-adds per
cycle, and each takes four or five cycles to finish. Where there are many rows, a tile of 14 by 32 on 28 of
the 32 registers reads the columns less than half as often. AVX2 has 16 registers of 8 numbers, which hold a
tile of 6 by 16: there a vector takes two registers, so again there are 12 sums.

A tile counts its columns in vectors of sixteen. All functions work inside ``@njit`` functions only and take
pointers (`minissd.nn.fast.simd.memory`).
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from minissd.nn.fast.simd import FLOAT, HAS_AVX512, LANES, VECTOR, address, emit_stream, splat, vector

ROWS = 6
MANY_ROWS = 14 if HAS_AVX512 else 6
COLUMNS = 2 if HAS_AVX512 else 1


class TileType(types.Type):
    """Numba's type of a tile; its size is part of the type, so that it can live in registers."""

    def __init__(self, rows, columns):
        super().__init__(name=f"tile_{rows}x{columns}x{LANES}")
        self.rows, self.columns = rows, columns

    def places(self):
        """Number, row and column of every vector of the tile."""
        return [(r * self.columns + c, r, c) for r in range(self.rows) for c in range(self.columns)]


@register_model(TileType)
class TileModel(models.PrimitiveModel):
    """A tile is an LLVM array of vectors, which the optimiser splits into registers."""

    def __init__(self, manager, tile):
        super().__init__(manager, tile, ir.ArrayType(VECTOR, tile.rows * tile.columns))


@intrinsic(prefer_literal=True)
def zero_tile(typing_context, rows, columns):
    """A tile of zeros; `rows` and `columns` must be constants."""
    if not (isinstance(rows, types.Literal) and isinstance(columns, types.Literal)):
        return None  # Numba says that there is no zero_tile for these arguments
    tile = TileType(rows.literal_value, columns.literal_value)

    def emit(context, builder, signature, args):
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return tile(rows, columns), emit


@intrinsic
def load_tile(typing_context, like, array, index, row_step, column_step):
    """A tile of the size of `like` from memory; with a `row_step` of 0 every row is the same."""

    def emit(context, builder, signature, args):
        tile, array, index, row_step, column_step = args
        for place, row, column in signature.return_type.places():
            where = _offset(builder, index, (row, row_step), (column, column_step))
            pointer = address(builder, array, where)
            tile = builder.insert_value(tile, builder.load(pointer, align=4), place)
        return tile

    return like(like, array, types.intp, types.intp, types.intp), emit


@intrinsic
def store_tile(typing_context, tile, array, index, row_step, column_step):
    """Write vector (r, c) of the tile to ``array[index + r * row_step + c * column_step :]``."""

    def emit(context, builder, signature, args):
        tile, array, index, row_step, column_step = args
        for place, row, column in signature.args[0].places():
            where = _offset(builder, index, (row, row_step), (column, column_step))
            pointer = address(builder, array, where)
            builder.store(builder.extract_value(tile, place), pointer, align=4)
        return context.get_dummy_value()

    return types.void(tile, array, types.intp, types.intp, types.intp), emit


@intrinsic
def stream_tile(typing_context, tile, array, index, row_step, column_step):
    """`store_tile` past the caches, see `minissd.nn.fast.simd.stream`."""

    def emit(context, builder, signature, args):
        tile, array, index, row_step, column_step = args
        for place, row, column in signature.args[0].places():
            where = _offset(builder, index, (row, row_step), (column, column_step))
            emit_stream(builder, array, where, builder.extract_value(tile, place))
        return context.get_dummy_value()

    return types.void(tile, array, types.intp, types.intp, types.intp), emit


@intrinsic
def add_products(typing_context, tile, a, i, row_step, b, j, column_step):
    """Add ``a[i + r * row_step] * b[j + c * column_step :][:16]`` to every vector (r, c) of the tile."""

    def emit(context, builder, signature, args):
        tile, a, i, row_step, b, j, column_step = args
        size = signature.return_type
        right = []
        for column in range(size.columns):
            where = _offset(builder, j, (column, column_step))
            right.append(builder.load(address(builder, b, where), align=4))
        for row in range(size.rows):
            pointer = address(builder, a, _offset(builder, i, (row, row_step)), FLOAT)
            left = splat(builder, builder.load(pointer))
            for column in range(size.columns):
                place = row * size.columns + column
                product = builder.fmul(left, right[column], flags=("contract",))
                total = builder.fadd(builder.extract_value(tile, place), product, flags=("contract",))
                tile = builder.insert_value(tile, total, place)
        return tile

    index = types.intp
    return tile(tile, a, index, index, b, index, index), emit


@intrinsic
def tile_maximum(typing_context, tile, low):
    """The larger of each number of the tile and of the vector `low`; a NaN in the tile stays."""

    def emit(context, builder, signature, args):
        tile, low = args
        for place, _, _ in signature.return_type.places():
            value = builder.extract_value(tile, place)
            value = builder.select(builder.fcmp_ordered(">", low, value), low, value)
            tile = builder.insert_value(tile, value, place)
        return tile

    return tile(tile, vector), emit


def _offset(builder, start, *steps):
    """``start + count * step`` for every (count, step)."""
    for count, step in steps:
        if count:
            start = builder.add(start, builder.mul(step, step.type(count)))
    return start
