"""The register tile of a matrix product: a k-loop whose sums never leave the registers."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numba_rnn.kernels.cpu.dot import dot_rows
from numba_rnn.kernels.cpu.simd import Vector, broadcast, llvm_type, pointer, vector_load, vector_store
from numba_rnn.kernels.cpu.stored import QUADS, halves_of, is_scaled, load_rows, rows_in_word

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
    final,
    out,
    oo,
    ldo,
    out_panel,
):
    """out = start + A W for `rows` rows of A and `panels` packed panels of `gates` vectors of `lanes` (literals, all four).

    A is a[ao + m*lda + k*a_step]; W is w[wo + p*panel_stride + (k*gates + g)*lanes], k counting words where a word of W holds
    several rows of k (`stored`); out is out[oo + m*ldo + p*out_panel + g*lanes]. The start is the bias,
    bias[bo + m*bias_row + p*bias_panel + g*lanes], where `fresh`, otherwise what `out` holds. Rows after `last_row` and panels
    after `last_panel` repeat the last one, to the same place: a tail costs a full tile but needs no code of its own.

    Each element is summed in the order of k, one fma a step, whatever the tile's shape: results do not depend on it. Weights with a
    scale start from zero instead; where `final`, the sum is multiplied by the scale and the bias added. Those for `dot` are
    multiplied in one go, fresh and final.
    """
    literals = (lanes, rows, panels, gates)
    L, R, P, G = (x.literal_value for x in literals)
    halves = halves_of(w.dtype, L) if R <= 2 else 1
    L, G = L // halves, G * halves
    vt = llvm_type(Vector(a.dtype, L))
    cells = [(m, p, g) for m in range(R) for p in range(P) for g in range(G)]
    word_rows, scaled = rows_in_word(w.dtype), is_scaled(w.dtype)
    n = types.intp

    def lower(ctx, b, sig, args):
        (a_, ao_, lda_, as_, last_row_, w_, wo_, ps_, last_panel_, K_,
         bias_, bo_, br_, bp_, fresh_, final_, out_, oo_, ldo_, op_) = args[4:]  # fmt: skip
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
        if w.dtype == QUADS:
            most = max(1, (8 if L == 16 else 4) // G)  # rows times panels whose three planes of sums registers hold
            some = max(1, most // P)
            third = b.sdiv(ctx.make_array(bias)(ctx, b, bias_).nitems, K_.type(3))
            dotted = {(m, p, g): (out_at[m, p, g], *(at(bias_at[m, p, g], b.mul(third, K_.type(i))) for i in range(3)))
                      for m, p, g in cells}  # fmt: skip
            for m in range(0, R, some):
                for p in range(0, P, most):
                    dot_rows(b, a_row[m : m + some], w_panel[p : p + most], K_, G, vt,
                             lambda i, j, g, m=m, p=p: dotted[m + i, p + j, g])  # fmt: skip
            return ctx.get_dummy_value()
        k_of = lambda word, i: word if word_rows == 1 else b.add(b.mul(word, K_.type(word_rows)), K_.type(i))  # noqa: E731
        fma = cgutils.get_or_insert_function(
            b.module, ir.FunctionType(vt, [vt] * 3), f"llvm.fma.v{L}f{a.dtype.bitwidth}"
        )
        weights = lambda p, g, word: load_rows(  # noqa: E731
            b, at(w_panel[p], b.add(b.mul(word, K_.type(G * L)), K_.type(g * L))), w.dtype, vt
        )

        def add_rows(acc, word, n):
            """The sums and n rows of a word of W times the columns of A that they belong to."""
            value = lambda m, i: broadcast(b, b.load(at(a_row[m], b.mul(k_of(word, i), as_))), L)  # noqa: E731
            acc = dict(acc)
            # Hold in registers whichever operand is fewer and stream the other: the wrong order halves the speed.
            if R <= P * G:
                values = [[value(m, i) for m in range(R)] for i in range(n)]
                for p in range(P):
                    for g in range(G):
                        for i, wv in enumerate(weights(p, g, word)[:n]):
                            for m in range(R):
                                acc[m, p, g] = b.call(fma, [values[i][m], wv, acc[m, p, g]])
            else:
                held = {(p, g): weights(p, g, word) for p in range(P) for g in range(G)}
                for i in range(n):
                    for m in range(R):
                        v = value(m, i)
                        for (p, g), rows_ in held.items():
                            acc[m, p, g] = b.call(fma, [v, rows_[i], acc[m, p, g]])
            return acc

        start = {}
        for m, p, g in cells:
            if scaled:
                start[m, p, g] = b.select(fresh_, ir.Constant(vt, None), vector_load(b, out_at[m, p, g], vt))
            else:
                start[m, p, g] = vector_load(b, b.select(fresh_, bias_at[m, p, g], out_at[m, p, g]), vt)
        words = K_ if word_rows == 1 else b.ashr(K_, K_.type(1))

        def joined(one, block, other, block2):
            """The sums `one` if control comes from `block`, otherwise `other`."""
            phis = {c: b.phi(vt) for c in cells}
            for c, phi in phis.items():
                phi.add_incoming(one[c], block)
                phi.add_incoming(other[c], block2)
            return phis

        before, loop, done = b.block, b.append_basic_block("k"), b.append_basic_block("done")
        b.cbranch(b.icmp_signed(">", words, words.type(0)), loop, done)

        b.position_at_end(loop)
        word = b.phi(K_.type)
        word.add_incoming(K_.type(0), before)
        acc = {c: b.phi(vt) for c in cells}
        new = add_rows(acc, word, word_rows)
        step = b.add(word, K_.type(1))
        word.add_incoming(step, loop)
        for c in cells:
            acc[c].add_incoming(start[c], before)
            acc[c].add_incoming(new[c], loop)
        b.cbranch(b.icmp_signed("<", step, words), loop, done)

        b.position_at_end(done)
        total = joined(start, before, new, loop)
        if word_rows == 2:  # the last row of an odd number of them
            odd, end = b.append_basic_block("odd"), b.append_basic_block("end")
            b.cbranch(b.trunc(K_, ir.IntType(1)), odd, end)
            b.position_at_end(odd)
            new = add_rows(total, words, 1)
            b.branch(end)
            b.position_at_end(end)
            total = joined(total, done, new, odd)
        if scaled:  # the scales lie in the second half of the bias' array
            half = b.sdiv(ctx.make_array(bias)(ctx, b, bias_).nitems, K_.type(2))
            for m, p, g in cells:
                scale, plus = vector_load(b, at(bias_at[m, p, g], half), vt), vector_load(b, bias_at[m, p, g], vt)
                total[m, p, g] = b.select(final_, b.call(fma, [total[m, p, g], scale, plus]), total[m, p, g])
        for c in cells:
            vector_store(b, total[c], out_at[c])
        return ctx.get_dummy_value()

    steps = [types.boolean, types.boolean]
    return types.void(*literals, a, n, n, n, n, w, n, n, n, n, bias, n, n, n, *steps, out, n, n, n), lower
