"""Sixteen float32 numbers as one value in compiled code.

A processor adds or multiplies 4, 8 or 16 numbers in one instruction, if the compiler finds numbers that lie
side by side and are treated alike. It often fails to. The type `Vector` says it outright: ``a + b`` adds
sixteen pairs. LLVM maps it to one AVX-512 register, two AVX2 registers or four NEON registers, so the same
code runs everywhere. All functions here work inside ``@njit`` functions only, and on ``a = memory(array)``, a
pointer to the numbers of a contiguous float32 array.

===============================  ======================================================
``load(a, i)``                   the vector ``a[i : i + 16]``
``load_first(a, i, n)``          ``a[i : i + n]``, then zeros; touches no memory behind
``broadcast(x)``                 sixteen times the number x
``store(a, i, v)``               ``a[i : i + 16] = v``
``store_first(a, i, v, n)``      ``a[i : i + n] = v[:n]``
``v + w``, ``v - w``, ``v * w``  lane by lane; a product and a sum fuse into one instruction
``v / w``                        lane by lane
``maximum(v, low)``              lane by lane; a NaN in v stays
``where_greater(x, w, a, b)``    a where x > w, else b
===============================  ======================================================
"""

from __future__ import annotations

import operator

import llvmlite.binding
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, lower_builtin, register_model, type_callable

LANES = 16
HAS_AVX512 = llvmlite.binding.get_host_cpu_features().get("avx512f", False)  # 32 registers, and masks

FLOAT, INT32 = ir.FloatType(), ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)


class VectorType(types.Type):
    """Numba's type of a vector."""

    def __init__(self):
        super().__init__(name=f"float32x{LANES}")


vector = VectorType()


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    """A vector is an LLVM vector: it lives in a register, not in memory."""

    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, VECTOR)


@intrinsic
def memory(typing_context, array):
    """Where the numbers of a contiguous array begin; the caller keeps it alive.

    Numba counts who uses an array whenever one is handed on, which in a short function costs more than the
    work. A bare pointer is a number.
    """
    kinds = (types.float32, types.uint8, types.int64)
    if not (isinstance(array, types.Array) and array.dtype in kinds and array.is_contig):
        return None

    def emit(context, builder, signature, args):
        return context.make_array(array)(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), emit


@intrinsic(prefer_literal=True)
def local_memory(typing_context, size):
    """Room for `size` float32, a constant, until the function returns; on the stack, so in the cache."""
    if not isinstance(size, types.Literal):
        return None

    def emit(context, builder, signature, args):
        with builder.goto_entry_block():
            room = builder.alloca(FLOAT, size.literal_value)
        room.align = 4 * LANES
        return room

    return types.CPointer(types.float32)(size), emit


@intrinsic
def advance(typing_context, pointer, count):
    """The memory from number `count` on."""

    def emit(context, builder, signature, args):
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.intp), emit


@intrinsic
def read_number(typing_context, pointer, index):
    """Number `index` of a memory."""

    def emit(context, builder, signature, args):
        return builder.load(builder.gep(args[0], [args[1]]))

    return pointer.dtype(pointer, types.intp), emit


@intrinsic
def write_number(typing_context, pointer, index, number):
    """Change number `index` of a memory."""

    def emit(context, builder, signature, args):
        builder.store(args[2], builder.gep(args[0], [args[1]]))
        return context.get_dummy_value()

    return types.void(pointer, types.intp, pointer.dtype), emit


def address(builder, pointer, index, llvm_type=VECTOR):
    """Pointer to number `index` of the memory, read as `llvm_type`. Emits code; for the other intrinsics."""
    return builder.bitcast(builder.gep(pointer, [index]), llvm_type.as_pointer())


def splat(builder, number):
    """A vector of sixteen times `number`. Emits code."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    one_lane = builder.insert_element(undefined, number, INT32(0))
    return builder.shuffle_vector(one_lane, undefined, ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES))


def first_lanes(builder, count):
    """The mask whose first `count` lanes are set. Emits code."""
    index = ir.VectorType(INT32, LANES)
    undefined = ir.Constant(index, ir.Undefined)
    one_lane = builder.insert_element(undefined, builder.trunc(count, INT32), INT32(0))
    counts = builder.shuffle_vector(one_lane, undefined, ir.Constant(index, [0] * LANES))
    return builder.icmp_signed("<", ir.Constant(index, list(range(LANES))), counts)


@intrinsic
def load(typing_context, array, index):
    """``array[index : index + 16]``; float32 alignment is enough."""

    def emit(context, builder, signature, args):
        return builder.load(address(builder, *args), align=4)

    return vector(array, types.intp), emit


@intrinsic
def store(typing_context, array, index, value):
    """``array[index : index + 16] = value``."""

    def emit(context, builder, signature, args):
        builder.store(args[2], address(builder, *args[:2]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), emit


@intrinsic
def stream(typing_context, array, index, value):
    """``array[index : index + 16] = value``, straight to memory, for what no cache holds until it is read.

    An ordinary store first reads the cache line that it changes. ``array[index]`` must be at the beginning of
    a cache line.
    """

    def emit(context, builder, signature, args):
        emit_stream(builder, *args)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), emit


def emit_stream(builder, pointer, index, value):
    """Emit the code of `stream`; for other intrinsics."""
    instruction = builder.store(value, address(builder, pointer, index), align=4 * LANES)
    instruction.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(INT32, 1)]))


@intrinsic
def load_first(typing_context, array, index, count):
    """``array[index : index + count]`` and zeros behind; nothing behind is read."""

    def emit(context, builder, signature, args):
        pointer = address(builder, *args[:2])
        form = ir.FunctionType(VECTOR, [pointer.type, INT32, MASK, VECTOR])
        masked_load = cgutils.get_or_insert_function(builder.module, form, "llvm.masked.load.v16f32.p0")
        return builder.call(masked_load, [pointer, INT32(4), first_lanes(builder, args[2]), ZERO])

    return vector(array, types.intp, types.intp), emit


@intrinsic
def store_first(typing_context, array, index, value, count):
    """``array[index : index + count] = value[:count]``."""

    def emit(context, builder, signature, args):
        pointer = address(builder, *args[:2])
        form = ir.FunctionType(ir.VoidType(), [VECTOR, pointer.type, INT32, MASK])
        masked_store = cgutils.get_or_insert_function(builder.module, form, "llvm.masked.store.v16f32.p0")
        builder.call(masked_store, [args[2], pointer, INT32(4), first_lanes(builder, args[3])])
        return context.get_dummy_value()

    return types.void(array, types.intp, vector, types.intp), emit


@intrinsic
def broadcast(typing_context, number):
    """Sixteen times `number`, converted to float32."""
    return vector(types.float32), lambda context, builder, signature, args: splat(builder, args[0])


@intrinsic
def maximum(typing_context, value, low):
    """The larger of each pair; where `value` is NaN, NaN."""

    def emit(context, builder, signature, args):
        value, low = args
        return builder.select(builder.fcmp_ordered(">", low, value), low, value)

    return vector(vector, vector), emit


@intrinsic
def where_greater(typing_context, left, right, value, other):
    """`value` where `left` is above `right`, else `other`."""

    def emit(context, builder, signature, args):
        left, right, value, other = args
        return builder.select(builder.fcmp_ordered(">", left, right), value, other)

    return vector(vector, vector, vector, vector), emit


def _define(python_operator, instruction):
    @type_callable(python_operator)
    def type_of(context):
        def typer(left, right):
            return vector if isinstance(left, VectorType) and isinstance(right, VectorType) else None

        return typer

    @lower_builtin(python_operator, VectorType, VectorType)
    def emit(context, builder, signature, args):
        return getattr(builder, instruction)(*args, flags=("contract",))


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
_define(operator.truediv, "fdiv")


@njit(nogil=True, forceinline=True)
def load_lanes(array, index, count):
    """`load_first`, and `load` where all lanes are wanted: without mask registers it is faster."""
    return load(array, index) if count == LANES else load_first(array, index, count)


@njit(nogil=True, forceinline=True)
def store_lanes(array, index, value, count):
    """`store_first`, and `store` where all lanes are wanted."""
    if count == LANES:
        store(array, index, value)
    else:
        store_first(array, index, value, count)


@njit(nogil=True, forceinline=True)
def copy(source, s, target, t, count):
    """``target[t : t + count] = source[s : s + count]``, sixteen at a time.

    LLVM turns a plain loop of loads and stores into a call of memcpy, which for a short run costs more than
    the copy. Masked ones it leaves alone, and where there are mask registers they are as fast.
    """
    if count <= LANES:
        store_first(target, t, load_first(source, s, count), count)
        return
    whole = 0 if HAS_AVX512 else count // LANES * LANES
    for i in range(0, whole, LANES):
        store(target, t + i, load(source, s + i))
    for i in range(whole, count, LANES):
        store_first(target, t + i, load_first(source, s + i, count - i), count - i)


@njit(nogil=True, forceinline=True)
def clear(target, t, count):
    """``target[t : t + count] = 0``."""
    for i in range(0, count, LANES):
        store_first(target, t + i, broadcast(0), count - i)
