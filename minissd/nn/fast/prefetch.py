"""Ask for memory before it is needed.

A number that is in no cache takes as long as several hundred additions. The processor hides that by running
ahead, but only by a few hundred instructions; where each cache line is worked on for long, it meets the next
one too late. The hint fetches a line while the processor is busy with others, and changes no result.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

from minissd.nn.fast.simd import INT32

READ, KEEP, DATA = 0, 3, 1


@intrinsic
def prefetch(typing_context, array, index):
    """Begin to fetch the cache line of ``array[index]``, which may lie behind the end."""

    def emit(context, builder, signature, args):
        pointer = builder.gep(args[0], [args[1]])
        form = ir.FunctionType(ir.VoidType(), [pointer.type, INT32, INT32, INT32])
        function = get_or_insert_function(builder.module, form, "llvm.prefetch.p0")
        builder.call(function, [pointer, INT32(READ), INT32(KEEP), INT32(DATA)])
        return context.get_dummy_value()

    return types.void(array, types.intp), emit
