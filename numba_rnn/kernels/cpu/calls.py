"""Calls as words: a compiled function writes down how it was called, so that other threads, or later calls, do the same again.

Numba hands an array to a function as seven words or more, each of them found in the Python object anew: 50 ns an array. A call
that was kept has them all, and takes only what changes.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numba_rnn.kernels.cpu.atomics import address
from numba_rnn.kernels.cpu.jit import kernel
from numba_rnn.kernels.cpu.simd import pointer

__all__ = ["KEEP", "build_again", "build_repeat", "call_member", "keep", "keep_call", "member_call"]

I8P, I32, I64 = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)

KEEP = 0  # the number of threads that tells a kernel to keep its call, and do nothing else
# A kept call: the function, how many words its arguments are, where among these the addresses of x, y and last are; then they.
FUNCTION, COUNT, PLACES, ARGUMENTS = 0, 1, (2, 3, 4), 5
# Of an array's words: two that own its memory, how many elements, their size, where they are; then the shape and the strides.
OWNERS, ADDRESS, BESIDE_AXES = 2, 4, 5


def _member(b):
    """member(arguments, who): the function that this stands in, called with these arguments but `who` as the first; its status."""
    run = b.function
    name, given = f"{run.name}.member", list(run.args)
    packed = ir.LiteralStructType([v.type for v in given[3:]])
    if name in b.module.globals:
        return b.module.globals[name], packed
    member = ir.Function(b.module, ir.FunctionType(I32, [I8P, I64]), name)
    member.linkage = "internal"
    inner = ir.IRBuilder(member.append_basic_block("entry"))
    struct = inner.load(inner.bitcast(member.args[0], packed.as_pointer()))
    results = [cgutils.alloca_once(inner, v.type.pointee) for v in given[:2]]
    rest = [inner.extract_value(struct, k) for k in range(len(given) - 3)]
    inner.ret(inner.call(run, [*results, member.args[1], *rest]))
    return member, packed


@intrinsic
def member_call(tyctx, a, i):
    """Write into words i and i + 1 how another thread calls the function that this stands in: `call_member` does.

    It gets the arguments that this call got, but another first one, an integer: which thread it is. The words hold good until
    this call returns.
    """

    def lower(ctx, b, sig, args):
        member, _ = _member(b)
        kept = cgutils.alloca_once_value(b, cgutils.pack_struct(b, list(b.function.args)[3:]))
        p = pointer(ctx, b, a, *args)
        b.store(b.ptrtoint(member, I64), p)
        b.store(b.ptrtoint(kept, I64), b.gep(p, [args[1].type(1)]))
        return ctx.get_dummy_value()

    return types.void(a, types.intp), lower


@intrinsic
def call_member(tyctx, a, i, who):
    """Call what `member_call` wrote into words i and i + 1, as thread number `who`."""

    def lower(ctx, b, sig, args):
        p = pointer(ctx, b, a, *args[:2])
        ty = ir.FunctionType(I32, [I8P, I64]).as_pointer()
        fn = b.inttoptr(b.load(p), ty)
        b.call(fn, [b.inttoptr(b.load(b.gep(p, [args[1].type(1)])), I8P), args[2]])
        return ctx.get_dummy_value()

    return types.void(a, types.intp, types.int64), lower


@intrinsic
def keep_call(tyctx, a):
    """Write the function that this stands in and the arguments of this call, but for the first, into the words of a kept call."""

    def lower(ctx, b, sig, args):
        member, packed = _member(b)
        p = pointer(ctx, b, a, args[0], ctx.get_constant(types.intp, 0))
        b.store(b.ptrtoint(member, I64), p)
        there = b.gep(p, [I64(ARGUMENTS)])
        b.store(cgutils.pack_struct(b, list(b.function.args)[3:]), b.bitcast(there, packed.as_pointer()))
        return ctx.get_dummy_value()

    return types.void(a), lower


def _own_words(b, p):
    """A copy of a kept call's arguments, which other threads may be reading, and the function to call with it."""
    word = lambda i: b.load(b.gep(p, [I64(i)]))  # noqa: E731
    count = word(COUNT)
    own = b.alloca(I64, size=count)
    cgutils.raw_memcpy(b, own, b.gep(p, [I64(ARGUMENTS)]), count, I64(8))
    return own, b.inttoptr(word(FUNCTION), ir.FunctionType(I32, [I8P, I64]).as_pointer())


@intrinsic
def call_again(tyctx, a, x, y, last):
    """Make a kept call, with other addresses of x, y and last; its status, 0 where nothing went wrong."""

    def lower(ctx, b, sig, args):
        p = pointer(ctx, b, a, args[0], ctx.get_constant(types.intp, 0))
        own, fn = _own_words(b, p)
        for place, value in zip(PLACES, args[1:], strict=True):
            b.store(value, b.gep(own, [b.load(b.gep(p, [I64(place)]))]))
        return b.call(fn, [b.bitcast(own, I8P), I64(0)])

    return types.int32(a, types.int64, types.int64, types.int64), lower


@intrinsic
def call_as_it_was(tyctx, a):
    """Make a kept call; its status, 0 where nothing went wrong."""

    def lower(ctx, b, sig, args):
        own, fn = _own_words(b, pointer(ctx, b, a, args[0], ctx.get_constant(types.intp, 0)))
        return b.call(fn, [b.bitcast(own, I8P), I64(0)])

    return types.int32(a), lower


def keep(run, x, mask, initial, *others):
    """The words of a call `run(0, words, x, mask, initial, *others, 1)` for one thread; it is not made.

    Among `others` are the packed weights, y, last and numbers. The words hold good as long as the arrays do; x, y and last may go,
    for others of the same shapes take their places in every call.
    """
    arguments = [None, x, mask, *initial, *others, KEEP]  # None: the words themselves
    sizes = [1 if isinstance(a, int) else BESIDE_AXES + 2 * (1 if a is None else a.ndim) for a in arguments]
    starts = np.cumsum([ARGUMENTS, *sizes])
    words = np.zeros(starts[-1], np.int64)
    run(0, words, x, mask, initial, *others, KEEP)
    arrays = [start for start, a in zip(starts[:-1], arguments, strict=True) if not isinstance(a, int)]
    for start in arrays:  # owners that were there for this call alone
        words[start : start + OWNERS] = 0
    words[COUNT] = len(words) - ARGUMENTS
    words[[*PLACES]] = [start - ARGUMENTS + ADDRESS for start in (arrays[1], *arrays[-2:])]
    words[-1] = 1  # thread
    return words


def build_again(fingerprint):
    """again(words, x, y, last): make a kept call with these arrays, of the shapes that it was kept with."""

    @kernel()
    def again(words, x, y, last):
        if call_again(words, address(x), address(y), address(last)) != 0:
            raise MemoryError("There is no memory for a kernel's workspace.")
        return fingerprint  # named, so that the disk cache knows it

    return again


def build_repeat(fingerprint):
    """repeat(words): make a kept call over the arrays that it was kept with."""

    @kernel()
    def repeat(words):
        if call_as_it_was(words) != 0:
            raise MemoryError("There is no memory for a kernel's workspace.")
        return fingerprint

    return repeat
