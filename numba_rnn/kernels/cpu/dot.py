"""Products of states in fixed point with int8 weights, by the processor's integer dot products: three quarters of an fma each.

A row of states becomes whole numbers of 24 bits, t = rint(h * 2^s) + 2^23 with 2^s as large as its largest state allows, and three
planes hold their bytes. An instruction multiplies four bytes a lane with four rows of weights and adds up; nothing is rounded until

    sum of h q  =  2^-s ((S2 - 128 sum of q) 2^16 + S1 2^8 + S0),  S2, S1, S0 the planes' sums.

What is lost are the bits of a state below 2^-24 of the row's largest, about what a sum of float32 loses of its terms. A state that
is not finite makes its row NaN. Inputs, unlike states, may be of very different sizes: they are multiplied as floats.

A row in fixed point: HEADER elements, the first of them 2^-s, then the planes, the lowest first, each of H bytes in whole vectors.
"""

import math

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from numba_rnn.kernels.cpu.simd import (
    broadcast,
    fabs,
    fma,
    load_tuple,
    pointer,
    rint,
    splat,
    store,
    vector_load,
    vector_store,
    where,
)
from numba_rnn.kernels.cpu.stored import QUADS

__all__ = ["LONGEST", "PLANES", "dot_rows", "fixed_size", "in_fixed_point"]

I8, I32 = ir.IntType(8), ir.IntType(32)
HEADER, PLANES = 16, 3
LONGEST = 65536  # states: 255 * 127 * 65536 < 2^31 (the highest plane may wrap on its way, not in the end)
MIDDLE, TOP = 8388608.0, 16777215.0  # 2^23, which stands for zero, and the largest of 24 bits


def fixed_size(lanes, w, panels):
    """Elements that a row in fixed point takes, 0 for weights that are multiplied as floats. Compiled code alone calls it."""
    raise NotImplementedError


def in_fixed_point(lanes, w, ws, ho, hs, n, H, qo):
    """Where n rows of H states lie as the weights `w` want them, and how far apart: at `qo` in fixed point, or where they were.

    They are at `ho` of the workspace, `hs` apart. Compiled code alone calls it.
    """
    raise NotImplementedError


@overload(fixed_size, strict=False, prefer_literal=True)
def _fixed_size(lanes, w, panels):
    if w.dtype == QUADS:
        return lambda lanes, w, panels: HEADER + PLANES * panels * (lanes // 4)
    return lambda lanes, w, panels: 0


@overload(in_fixed_point, strict=False, prefer_literal=True)
def _in_fixed_point(lanes, w, ws, ho, hs, n, H, qo):
    if w.dtype != QUADS:
        return lambda lanes, w, ws, ho, hs, n, H, qo: (ho, hs)

    def convert(lanes, w, ws, ho, hs, n, H, qo):
        panels = (H + lanes - 1) // lanes
        qs = fixed_size(lanes, w, panels)
        for r in range(n):
            h, q = ho + r * hs, qo + r * qs
            zero = splat(0.0, load_tuple(lanes, 1, ws, h)[0])
            largest, lost = zero, zero  # `lost` becomes NaN with the first state that is not finite
            for j in range(H // lanes):
                v = load_tuple(lanes, 1, ws, h + j * lanes)[0]
                largest = where(fabs(v) > largest, fabs(v), largest)
                lost = fma(v, zero, lost)
            store(ws, q, largest + lost, lanes)  # the planes come later
            most, nan = ws[q], ws[q] * 0
            for i in range(1, lanes):
                most, nan = max(most, ws[q + i]), nan + ws[q + i] * 0
            for i in range(H // lanes * lanes, H):  # the rest of the last vector is nobody's state
                most, nan = max(most, abs(ws[h + i])), nan + ws[h + i] * 0
            exponent = min(max(math.frexp(most)[1], -100), 128)  # 2^s and 2^-s are normal numbers
            scale = splat(math.ldexp(1.0, 23 - exponent), zero)
            for j in range(panels):
                t = rint(fma(load_tuple(lanes, 1, ws, h + j * lanes)[0], scale, MIDDLE))
                t = where(t > 0.0, where(t < TOP, t, TOP), 0.0)
                store_planes(ws, q + HEADER, panels * lanes, j * lanes, t)
            ws[q] = math.ldexp(1.0, exponent - 23) + nan
        return qo, qs

    return convert


@intrinsic
def store_planes(tyctx, ws, i, plane, k, t):
    """The bytes of whole numbers t, of 24 bits, into byte k of three planes of `plane` bytes that begin at element `i`."""

    def lower(ctx, b, sig, args):
        ws_, i_, plane_, k_, t_ = args
        lanes = t_.type.count
        whole = b.fptoui(t_, ir.VectorType(I32, lanes))
        base = b.bitcast(pointer(ctx, b, ws, ws_, i_), I8.as_pointer())
        for d in range(PLANES):
            some = b.trunc(b.lshr(whole, ir.Constant(whole.type, [8 * d] * lanes)), ir.VectorType(I8, lanes))
            p = b.gep(base, [b.add(b.mul(plane_, plane_.type(d)), k_)])
            vector_store(b, some, p)
        return ctx.get_dummy_value()

    return types.void(ws, types.intp, types.intp, types.intp, t), lower


def dot_rows(b, rows, panels, K, gates, vt, places):
    """Emit the products of rows in fixed point with panels of weights, four rows of k in a word.

    rows and panels: addresses, of floats and of words. K: how many rows of k. places(m, p, g): the addresses of a result, of its
    bias, of its scale, and of what its highest plane starts from.
    """
    L = vt.count
    whole = ir.VectorType(I32, L)
    cells = [
        (m, p, g, d) for m in range(len(rows)) for p in range(len(panels)) for g in range(gates) for d in range(PLANES)
    ]
    intp = K.type
    add = cgutils.get_or_insert_function(
        b.module, ir.FunctionType(whole, [whole] * 3), f"llvm.x86.avx512.vpdpbusd.{32 * L}"
    )
    words = b.ashr(b.add(K, intp(3)), intp(2))
    plane = b.mul(b.sdiv(b.add(K, intp(L - 1)), intp(L)), intp(L // 4))
    planes = [[b.gep(b.bitcast(row, I32.as_pointer()), [b.add(b.mul(plane, intp(d)), intp(HEADER))]) for d in range(PLANES)]
              for row in rows]  # fmt: skip

    start = {
        c: vector_load(b, places(*c[:3])[3], whole) if c[3] == PLANES - 1 else ir.Constant(whole, None) for c in cells
    }
    before, loop, done = b.block, b.append_basic_block("word"), b.append_basic_block("dotted")
    b.cbranch(b.icmp_signed(">", words, intp(0)), loop, done)
    b.position_at_end(loop)
    word = b.phi(intp)
    acc = {c: b.phi(whole) for c in cells}
    values = [[broadcast(b, b.load(b.gep(p, [word])), L) for p in row] for row in planes]
    new = {}
    for p, panel in enumerate(panels):
        for g in range(gates):
            w = vector_load(b, b.gep(panel, [b.add(b.mul(word, intp(gates * L)), intp(g * L))]), whole)
            for m in range(len(rows)):
                for d in range(PLANES):
                    new[m, p, g, d] = b.call(add, [acc[m, p, g, d], values[m][d], w])
    step = b.add(word, intp(1))
    word.add_incoming(intp(0), before)
    word.add_incoming(step, loop)
    for c in cells:
        acc[c].add_incoming(start[c], before)
        acc[c].add_incoming(new[c], loop)
    b.cbranch(b.icmp_signed("<", step, words), loop, done)
    b.position_at_end(done)
    total = {c: b.phi(whole) for c in cells}
    for c in cells:
        total[c].add_incoming(start[c], before)
        total[c].add_incoming(new[c], loop)
    fused = cgutils.get_or_insert_function(b.module, ir.FunctionType(vt, [vt] * 3), f"llvm.fma.v{L}f32")
    units = [broadcast(b, b.load(row), L) for row in rows]
    for m, p, g in {c[:3]: None for c in cells}:
        out, bias, scale, _ = places(m, p, g)
        low, middle, high = (b.sitofp(total[m, p, g, d], vt) for d in range(PLANES))
        t = b.call(fused, [middle, ir.Constant(vt, [256.0] * L), low])
        t = b.call(fused, [high, ir.Constant(vt, [65536.0] * L), t])
        t = b.call(fused, [b.fmul(t, units[m]), vector_load(b, scale, vt), vector_load(b, bias, vt)])
        vector_store(b, t, out)
