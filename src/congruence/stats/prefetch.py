"""Asking for memory before it is needed, in compiled loops that know where they will read next."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_READ, _DATA = 0, 1
_INTO_ALL_CACHES, _BEYOND_THE_FIRST_CACHE = 3, 2


def _prefetching(locality: int) -> Any:
    def prefetch(typing_context, array, index):
        def generate(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
            int32 = ir.IntType(32)
            function = builder.module.declare_intrinsic(
                "llvm.prefetch",
                [address.type],
                ir.FunctionType(ir.VoidType(), [address.type, int32, int32, int32]),
            )
            hints = [ir.Constant(int32, hint) for hint in (_READ, locality, _DATA)]
            builder.call(function, [address, *hints])
            return context.get_dummy_value()

        return types.void(array, index), generate

    return intrinsic(prefetch)


prefetch = _prefetching(_INTO_ALL_CACHES)
"""prefetch(array, index): start loading array[index]; changes no value, whatever the index."""

prefetch_far = _prefetching(_BEYOND_THE_FIRST_CACHE)
"""The same, but into the second cache: for more at a time than the first has room for."""
