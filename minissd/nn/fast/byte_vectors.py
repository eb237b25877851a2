"""Vectors of small whole numbers, which memory keeps as bytes: a quarter of the room."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minissd.nn.fast.simd import INT32, LANES, MASK, VECTOR, address, first_lanes, vector

BYTES = ir.VectorType(ir.IntType(8), LANES)


@intrinsic
def load_bytes(typing_context, array, index, count):
    """``array[index : index + count]`` of a uint8 array, and zeros behind."""

    def emit(context, builder, signature, args):
        pointer = address(builder, *args[:2], BYTES)
        form = ir.FunctionType(BYTES, [pointer.type, INT32, MASK, BYTES])
        masked_load = cgutils.get_or_insert_function(builder.module, form, "llvm.masked.load.v16i8.p0")
        zeros = ir.Constant(BYTES, [0] * LANES)
        loaded = builder.call(masked_load, [pointer, INT32(1), first_lanes(builder, args[2]), zeros])
        return builder.uitofp(loaded, VECTOR)

    return vector(array, types.intp, types.intp), emit


@intrinsic
def store_bytes(typing_context, array, index, value, count):
    """``array[index : index + count] = value[:count]``, for a uint8 array and numbers from 0 to 255."""

    def emit(context, builder, signature, args):
        pointer = address(builder, *args[:2], BYTES)
        form = ir.FunctionType(ir.VoidType(), [BYTES, pointer.type, INT32, MASK])
        masked_store = cgutils.get_or_insert_function(builder.module, form, "llvm.masked.store.v16i8.p0")
        numbers = builder.fptoui(args[2], BYTES)
        builder.call(masked_store, [numbers, pointer, INT32(1), first_lanes(builder, args[3])])
        return context.get_dummy_value()

    return types.void(array, types.intp, vector, types.intp), emit
