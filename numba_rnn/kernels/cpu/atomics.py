"""What threads that share a job need of the processor: atomic words, a pause, and one another's arrays.

The words are the elements of an int64 array. Every operation is sequentially consistent: whoever sees a word that another thread
has written sees all that this thread wrote before.
"""

import platform
import sys

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from numba_rnn.kernels.cpu.simd import pointer

__all__ = [
    "add",
    "address",
    "array_at",
    "compare_exchange",
    "load",
    "pause",
    "put",
    "yield_core",
]

I32, I64 = ir.IntType(32), ir.IntType(64)
ORDER = "seq_cst"
# The instruction's LLVM name and its operands.
PAUSES = {"x86_64": ("x86.sse2.pause", []), "aarch64": ("aarch64.hint", [ir.Constant(I32, 1)])}
PAUSES |= {"AMD64": PAUSES["x86_64"], "arm64": PAUSES["aarch64"], "ARM64": PAUSES["aarch64"]}

if sys.platform == "win32":  # where the C library has no sched_yield
    import ctypes

    switch = ctypes.cast(ctypes.windll.kernel32.SwitchToThread, ctypes.c_void_p).value  # type: ignore[attr-defined]
    llvmlite.binding.add_symbol("sched_yield", switch)


@intrinsic
def load(tyctx, a, i):
    """Word i."""
    return types.int64(a, types.intp), lambda ctx, b, sig, args: b.load_atomic(pointer(ctx, b, a, *args), ORDER, 8)


@intrinsic
def put(tyctx, a, i, value):
    """Set word i."""

    def lower(ctx, b, sig, args):
        b.store_atomic(args[2], pointer(ctx, b, a, *args[:2]), ORDER, 8)
        return ctx.get_dummy_value()

    return types.void(a, types.intp, types.int64), lower


@intrinsic
def add(tyctx, a, i, value):
    """Add to word i; returns what it was."""

    def lower(ctx, b, sig, args):
        return b.atomic_rmw("add", pointer(ctx, b, a, *args[:2]), args[2], ORDER)

    return types.int64(a, types.intp, types.int64), lower


@intrinsic
def compare_exchange(tyctx, a, i, old, new):
    """Set word i to `new` if it is `old`; whether it was."""

    def lower(ctx, b, sig, args):
        done = b.cmpxchg(pointer(ctx, b, a, *args[:2]), args[2], args[3], ORDER, ORDER)
        return b.extract_value(done, 1)

    return types.boolean(a, types.intp, types.int64, types.int64), lower


@intrinsic
def pause(tyctx):
    """Tell the core that this thread waits for another."""

    def lower(ctx, b, sig, args):
        if platform.machine() in PAUSES:
            name, operands = PAUSES[platform.machine()]
            ty = ir.FunctionType(ir.VoidType(), [v.type for v in operands])
            b.call(cgutils.get_or_insert_function(b.module, ty, f"llvm.{name}"), operands)
        return ctx.get_dummy_value()

    return types.void(), lower


@intrinsic
def yield_core(tyctx):
    """Let another thread have this core, if one waits for it."""

    def lower(ctx, b, sig, args):
        b.call(cgutils.get_or_insert_function(b.module, ir.FunctionType(I32, []), "sched_yield"), [])
        return ctx.get_dummy_value()

    return types.void(), lower


@intrinsic
def address(tyctx, a):
    """The address of an array's first element."""

    def lower(ctx, b, sig, args):
        return b.ptrtoint(ctx.make_array(a)(ctx, b, args[0]).data, I64)

    return types.int64(a), lower


@intrinsic
def array_at(tyctx, address, size, like):
    """The `size` elements from that address on as an array of the type of `like`, one axis; nothing is owned by it."""
    ret = types.Array(like.dtype, 1, "C")

    def lower(ctx, b, sig, args):
        out = ctx.make_array(ret)(ctx, b)
        item = ctx.get_constant(types.intp, ctx.get_abi_sizeof(ctx.get_data_type(like.dtype)))
        data = b.inttoptr(args[0], out.data.type)
        populate_array(out, data=data, shape=[args[1]], strides=[item], itemsize=item, meminfo=None)
        return out._getvalue()

    return ret(types.intp, types.intp, like), lower
