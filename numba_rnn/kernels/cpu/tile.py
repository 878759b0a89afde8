"""The register tile of a matrix product: a k-loop whose sums never leave the registers. With `simd`, all that knows LLVM."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numba_rnn.kernels.cpu.simd import Vector, broadcast, llvm_type, pointer, vector_load, vector_store

__all__ = ["tile"]


@intrinsic(prefer_literal=True)
def tile(
    tyctx,
    lanes,
    rows,
    panels,
    gates,
    a,
    ao,
    lda,
    a_step,
    last_row,
    w,
    wo,
    panel_stride,
    last_panel,
    K,
    bias,
    bo,
    bias_row,
    bias_panel,
    fresh,
    out,
    oo,
    ldo,
    out_panel,
):
    """out = start + A W for `rows` rows of A and `panels` packed panels of `gates` vectors of `lanes` (literals, all four).

    A is a[ao + m*lda + k*a_step]; W is w[wo + p*panel_stride + (k*gates + g)*lanes]; out is
    out[oo + m*ldo + p*out_panel + g*lanes]. The start is the bias, bias[bo + m*bias_row + p*bias_panel + g*lanes], where `fresh`,
    otherwise what `out` holds. Rows after `last_row` and panels after `last_panel` repeat the last one, to the same place: a tail
    costs a full tile but needs no code of its own.

    Each element is summed in the order of k, one fma a step, whatever the tile's shape: results do not depend on it.
    """
    literals = (lanes, rows, panels, gates)
    L, R, P, G = (x.literal_value for x in literals)
    vt = llvm_type(Vector(a.dtype, L))
    cells = [(m, p, g) for m in range(R) for p in range(P) for g in range(G)]
    n = types.intp

    def lower(ctx, b, sig, args):
        (_, _, _, _, a_, ao_, lda_, as_, last_row_, w_, wo_, ps_, last_panel_, K_,
         bias_, bo_, br_, bp_, fresh_, out_, oo_, ldo_, op_) = args  # fmt: skip
        at = lambda p, i: b.gep(p, [i])  # noqa: E731
        least = lambda i, last: b.select(b.icmp_signed("<", K_.type(i), last), K_.type(i), last) if i else K_.type(0)  # noqa: E731
        row, panel = [least(m, last_row_) for m in range(R)], [least(p, last_panel_) for p in range(P)]
        base = {name: pointer(ctx, b, t, v, o) for name, t, v, o in
                (("a", a, a_, ao_), ("w", w, w_, wo_), ("bias", bias, bias_, bo_), ("out", out, out_, oo_))}  # fmt: skip
        a_row = [at(base["a"], b.mul(r, lda_)) for r in row]
        w_panel = [at(base["w"], b.mul(p, ps_)) for p in panel]

        def places(name, row_stride, stride):
            rows, panels = [b.mul(r, row_stride) for r in row], [b.mul(p, stride) for p in panel]
            return {(m, p, g): at(base[name], b.add(b.add(rows[m], panels[p]), K_.type(g * L))) for m, p, g in cells}

        out_at, bias_at = places("out", ldo_, op_), places("bias", br_, bp_)
        start = [vector_load(b, b.select(fresh_, bias_at[c], out_at[c]), vt) for c in cells]
        before, loop, done = b.block, b.append_basic_block("k"), b.append_basic_block("done")
        b.cbranch(b.icmp_signed(">", K_, K_.type(0)), loop, done)

        b.position_at_end(loop)
        k = b.phi(K_.type)
        k.add_incoming(K_.type(0), before)
        acc = {c: b.phi(vt) for c in cells}
        for c, v in zip(cells, start, strict=True):
            acc[c].add_incoming(v, before)
        fma = cgutils.get_or_insert_function(
            b.module, ir.FunctionType(vt, [vt] * 3), f"llvm.fma.v{L}f{a.dtype.bitwidth}"
        )
        weight = lambda p, g: vector_load(b, at(w_panel[p], b.add(b.mul(k, K_.type(G * L)), K_.type(g * L))), vt)  # noqa: E731
        value = lambda m: broadcast(b, b.load(at(a_row[m], a_k)), L)  # noqa: E731
        a_k, new = b.mul(k, as_), {}
        # Hold in registers whichever operand is fewer and stream the other: the wrong order halves the speed.
        if R <= P * G:
            values = [value(m) for m in range(R)]
            for p in range(P):
                for g in range(G):
                    wv = weight(p, g)
                    for m in range(R):
                        new[m, p, g] = b.call(fma, [values[m], wv, acc[m, p, g]])
        else:
            weights = {(p, g): weight(p, g) for p in range(P) for g in range(G)}
            for m in range(R):
                v = value(m)
                for (p, g), wv in weights.items():
                    new[m, p, g] = b.call(fma, [v, wv, acc[m, p, g]])
        step = b.add(k, K_.type(1))
        k.add_incoming(step, loop)
        for c in cells:
            acc[c].add_incoming(new[c], loop)
        b.cbranch(b.icmp_signed("<", step, K_), loop, done)

        b.position_at_end(done)
        results = []
        for c, v in zip(cells, start, strict=True):
            total = b.phi(vt)
            total.add_incoming(v, before)
            total.add_incoming(new[c], loop)
            results.append(total)
        for c, total in zip(cells, results, strict=True):
            vector_store(b, total, out_at[c])
        return ctx.get_dummy_value()

    return types.void(*literals, a, n, n, n, n, w, n, n, n, n, bias, n, n, n, types.boolean, out, n, n, n), lower
