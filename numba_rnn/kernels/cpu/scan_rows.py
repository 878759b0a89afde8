"""The time loop once more, for few units and many rows: a vector holds one unit of `lanes` rows, not `lanes` units of one row.

What `scan` does for a row and a panel of units, this does for a panel of rows and a unit, in the same order: each element is the
same sum, bit for bit. The input is transposed into panels a chunk of steps at a time, the output out of them; weights are numbers
that a whole vector is multiplied by (`pack.pack_for_rows`). `scan`'s docstring says what the disk cache needs.
"""

import numpy as np
from numba.extending import register_jitable

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cpu.calls import KEEP, keep_call, member_call
from numba_rnn.kernels.cpu.jit import kernel, literal_jitable
from numba_rnn.kernels.cpu.product import product_by_rows, workspace
from numba_rnn.kernels.cpu.scan import AT_ONCE, terms
from numba_rnn.kernels.cpu.sharing import CALL, close_job, open_job, take
from numba_rnn.kernels.cpu.simd import (
    load_square,
    load_tuple,
    select,
    store,
    store_square,
    store_tail,
    transpose,
    where,
)

__all__ = ["build_scan_rows"]


@register_jitable
def first_valid_steps(mask, r0, n, backwards):
    """For each row the first step, in processing order, that counts: before it, the output is zeros."""
    T = mask.shape[1]
    first = np.full(n, T)
    for r in range(n):
        for step in range(T - 1, -1, -1):
            if mask[r0 + r, T - 1 - step if backwards else step]:
                first[r] = step
    return first


@literal_jitable
def take_rows(lanes, a, ao, lda, n, width, ws, o, panel, column):
    """n rows of an array into panels: ws[o + q*panel + c*column + lane] = a[ao + (q*lanes + lane)*lda + c] for c < width.

    Lanes without a row repeat the last one: whatever they hold then, nothing of it is kept.
    """
    for q in range((n + lanes - 1) // lanes):
        for c in range(0, width, lanes):
            square = load_square(lanes, a, ao + q * lanes * lda + c, lda, n - q * lanes, width - c)
            store_square(ws, o + q * panel + c * column, column, transpose(square), width - c, lanes)


@literal_jitable
def give_rows(lanes, ws, o, panel, column, a, ao, lda, n, width):
    """What `take_rows` took, back into the rows of an array."""
    for q in range((n + lanes - 1) // lanes):
        for c in range(0, width, lanes):
            square = load_square(lanes, ws, o + q * panel + c * column, column, width - c, lanes)
            store_square(a, ao + q * lanes * lda + c, lda, transpose(square), n - q * lanes, width - c)


@literal_jitable
def take_mask(lanes, mask, first_valid, r0, n, step0, steps, backwards, zero_masked, ws, o, panel):
    """For `steps` steps from `step0` and a panel's lanes two vectors of 1.0 or 0.0: the step counts; the output shows h."""
    T = mask.shape[1]
    for q in range((n + lanes - 1) // lanes):
        for lane in range(lanes):
            r = min(q * lanes + lane, n - 1)
            for i in range(steps):
                step = step0 + i
                counts = mask[r0 + r, T - 1 - step if backwards else step]
                shows = counts if zero_masked else step >= first_valid[r]
                at = o + q * panel + i * 2 * lanes + lane
                ws[at], ws[at + lanes] = 1.0 if counts else 0.0, 1.0 if shows else 0.0


def build_scan_rows(fingerprint, lanes, gates, first, states, extra, shape, update, gate, act, rec):
    """A compiled `run` as `scan.build_scan` makes it, with the same results.

    Its weights come from `pack_for_rows`, its tile is `host.rows_shape`, and no block has more rows than that has panels for.
    """
    tall, short, panels = shape.tall, shape.short, shape.panels
    rest = gates - first
    two_phase = rest > 0
    tail = states - 1  # states beside h

    @kernel()
    def run(
        member, team, x, mask, initial, w, bias, first_w, first_b, rest_w, rest_b, p, y, last, flags, chunk, block, parts, seats
    ):  # fmt: skip
        if seats == KEEP:
            keep_call(team)
            return fingerprint
        B, T, D = x.shape
        H = last.shape[2]
        sequences, zero_masked, masked = flags & SEQUENCES != 0, flags & ZERO_MASKED != 0, mask.size > 0
        blocks, cells = (B + block - 1) // block, w.shape[0]
        span = H if two_phase else min(H, max(1, AT_ONCE // (gates * panels * lanes)))
        kept = chunk if sequences else 1  # steps whose outputs wait to be transposed
        lw, lf, lr, lp = w.shape[2], first_w.shape[2], rest_w.shape[2], p.shape[1]
        # One workspace, in this order; `xs` is what a panel of rows takes of the array at `xo`. Tiles may run past z, f and r.
        xs = chunk * D * lanes  # x (P, chunk, D, lanes): the input
        ys = kept * H * lanes  # y (P, kept, H, lanes): the output
        ms = chunk * 2 * lanes if masked else 0  # m (P, chunk, 2, lanes): see `take_mask`
        hs = H * lanes  # h (P, H, lanes): before the step, and after it at `other`
        cs = H * tail * lanes  # c (P, H, S-1, lanes): the other states
        zs = (span * gates + tall) * lanes  # z (P, span, G, lanes): the projected input x W + b
        fs = (span * first + tall) * lanes  # f (P, span, F, lanes): the recurrent products of the first gates
        rs = (span * rest + tall) * lanes  # r (P, span, G-F, lanes): those of the other gates
        ws, xo = workspace(panels * (xs + ys + ms + 3 * hs + cs + zs + fs + rs), x)
        yo = xo + panels * xs
        mo = yo + panels * ys
        start = mo + panels * ms
        go = start + 2 * panels * hs  # gated (P, H, lanes): what replaces h for the other gates
        co = go + panels * hs
        zo = co + panels * cs
        fo = zo + panels * zs
        ro = fo + panels * fs

        if member == 0 and seats > 1:
            member_call(team, CALL)
            open_job(team, seats, parts)
        task = take(team, seats, -1)
        while task < cells * blocks:
            cell, r0 = task // blocks, task % blocks * block
            n = min(block, B - r0)
            P = (n + lanes - 1) // lanes  # panels of rows
            backwards = (flags & BACKWARDS != 0) != (cell == 1)
            ho, other = start, start + panels * hs
            row = cell * B + r0  # in the states
            wo, po = cell * D * lw, cell * lp * lanes  # the cell's own
            bo, fbo, rbo = cell * lw * lanes, cell * lf * lanes, cell * lr * lanes
            fwo, rwo = cell * H * lf, cell * H * lr
            if initial[0].size > 0:
                take_rows(lanes, initial[0], row * H, H, n, H, ws, ho, hs, lanes)
                for s in range(tail):
                    take_rows(lanes, initial[s + 1], row * H, H, n, H, ws, co + s * lanes, cs, tail * lanes)
            else:
                ws[ho : ho + P * hs] = 0
                ws[co : co + P * cs] = 0
            first_valid = first_valid_steps(mask, r0, n, backwards) if masked else np.empty(0, np.intp)

            for step in range(T):
                at = step % chunk  # the step's place in the chunk
                if at == 0:
                    steps = min(chunk, T - step)
                    t = T - step - steps if backwards else step  # the first of them in x
                    take_rows(lanes, x, (r0 * T + t) * D, T * D, n, steps * D, ws, xo, xs, lanes)
                    if masked:
                        take_mask(lanes, mask, first_valid, r0, n, step, steps, backwards, zero_masked, ws, mo, ms)
                xt = xo + (steps - 1 - at if backwards else at) * D * lanes
                yt = yo + (at * H * lanes if sequences else 0)
                if two_phase:
                    product_by_rows(
                        lanes, tall, short, panels, w, wo, lw, H * gates, D, ws, xt, xs, P, bias, bo, ws, zo, zs
                    )
                    product_by_rows(lanes, tall, short, panels, first_w, fwo, lf, H * first, H, ws, ho, hs, P, first_b, fbo,
                                    ws, fo, fs)  # fmt: skip
                    for q in range(P):
                        for u in range(H):
                            h, c = ho + q * hs + u * lanes, co + q * cs + u * tail * lanes
                            z, f = zo + q * zs + u * gates * lanes, fo + q * fs + u * first * lanes
                            xv, rv, sv, pv = terms(
                                lanes, gates, first, 0, tail, extra, ws, z, f, 0, h, c, p, po + u * extra * lanes
                            )
                            store(ws, go + q * hs + u * lanes, gate(act, rec, xv, rv, sv, pv), lanes)
                    product_by_rows(lanes, tall, short, panels, rest_w, rwo, lr, H * rest, H, ws, go, hs, P, rest_b, rbo,
                                    ws, ro, rs)  # fmt: skip
                for u0 in range(0, H, span):
                    u1 = min(H, u0 + span)
                    if not two_phase:
                        product_by_rows(lanes, tall, short, panels, w, wo + u0 * gates, lw, (u1 - u0) * gates, D, ws, xt, xs, P,
                                        bias, bo + u0 * gates * lanes, ws, zo, zs)  # fmt: skip
                        product_by_rows(lanes, tall, short, panels, first_w, fwo + u0 * first, lf, (u1 - u0) * first, H, ws,
                                        ho, hs, P, first_b, fbo + u0 * first * lanes, ws, fo, fs)  # fmt: skip
                    for q in range(P):
                        for u in range(u0, u1):
                            h, c = ho + q * hs + u * lanes, co + q * cs + u * tail * lanes
                            z, f = zo + q * zs + (u - u0) * gates * lanes, fo + q * fs + (u - u0) * first * lanes
                            xv, rv, sv, pv = terms(
                                lanes, gates, first, rest, tail, extra, ws, z, f, ro + q * rs + (u - u0) * rest * lanes,
                                h, c, p, po + u * extra * lanes,
                            )  # fmt: skip
                            new = update(act, rec, xv, rv, sv, pv)
                            yv = new[0]
                            if masked:
                                counts, shows = load_tuple(lanes, 2, ws, mo + q * ms + at * 2 * lanes)
                                new = select(counts > 0.0, new, sv)
                                yv = where(shows > 0.0, new[0], 0.0)
                            store_tail(ws, c, new)
                            store(ws, other + q * hs + u * lanes, new[0], lanes)
                            if sequences or step == T - 1:
                                store(ws, yt + q * ys + u * lanes, yv, lanes)
                if sequences and at == steps - 1:
                    # One cell's steps are neighbours in y, those of two alternate, and the second's run the other way.
                    wide = H * steps if cells == 1 else H
                    for i in range(0, H * steps, wide):
                        s0 = step - at + i // H
                        place = (r0 * T + (T - 1 - s0 if cell == 1 else s0)) * cells * H + cell * H
                        give_rows(lanes, ws, yo + i * lanes, ys, lanes, y, place, T * cells * H, n, wide)
                ho, other = other, ho

            if not sequences:
                give_rows(lanes, ws, yo, ys, lanes, y, (r0 * cells + cell) * H, cells * H, n, H)
            for s in range(states):
                at, panel, column = (ho, hs, lanes) if s == 0 else (co + (s - 1) * lanes, cs, tail * lanes)
                give_rows(lanes, ws, at, panel, column, last, ((cell * states + s) * B + r0) * H, H, n, H)
            task = take(team, seats, task)
        if member == 0 and seats > 1:
            close_job(team)
        return fingerprint

    return run
