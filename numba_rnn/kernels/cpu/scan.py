"""The time loop: projects the input a chunk of steps at a time, multiplies h by the weights, calls the cell. It names no cell.

What the disk cache needs: the compiled closure captures integers and plain functions of importable modules, nothing else;
intrinsics and helpers stay at module level, parametrised by literal integers. A captured intrinsic or jitted function is pickled
with a random id and misses the cache in every new process.
"""

import numpy as np
from numba.extending import register_jitable

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cpu.atomics import member_call
from numba_rnn.kernels.cpu.jit import kernel, literal_jitable
from numba_rnn.kernels.cpu.product import product, workspace
from numba_rnn.kernels.cpu.sharing import CALL, await_step, borrow, claim, close_job, done_part, lend, open_job, take
from numba_rnn.kernels.cpu.simd import load_tuple, splat, store, store_tail

__all__ = ["build_scan"]

# Recurrent products of a step, in elements, that are made all at once; more are made and used a few panels at a time, while they
# are in the first-level cache.
AT_ONCE = 2048


@literal_jitable
def project(
    lanes,
    tall,
    short,
    panels,
    row_panels,
    gates,
    x,
    r0,
    n,
    T,
    D,
    step0,
    steps,
    backwards,
    w,
    wo,
    j0,
    j1,
    bias,
    bo,
    z,
    zo,
    width,
):
    """z[step, row] = x W + b, panels j0 <= j < j1, for `steps` steps from `step0` and n rows from r0; z rows are `width` apart.

    The tiles run along whichever is longer, rows or steps; both are strides of x as the user has it.
    """
    dt = -D if backwards else D
    xo = (r0 * T + (T - 1 - step0 if backwards else step0)) * D
    by_row = n >= steps
    outer, inner = (steps, n) if by_row else (n, steps)
    x_outer, x_inner = (dt, T * D) if by_row else (T * D, dt)
    z_outer, z_inner = (n * width, width) if by_row else (width, n * width)
    for i in range(outer):
        product(lanes, tall, short, panels, row_panels, gates, x, xo + i * x_outer, x_inner, inner, w, wo, D, j0, j1,
                bias, bo, z, zo + i * z_outer + j0 * gates * lanes, z_inner)  # fmt: skip


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
def take_states(lanes, tail, initial, row, n, ws, ho, hs, co, cs):
    """Rows from `row` of the initial states, S arrays, into the workspace; zeros past H, and everywhere if there are none."""
    ws[ho : ho + n * hs] = 0
    ws[co : co + n * cs] = 0
    if initial[0].size > 0:
        for r in range(n):
            for i in range(initial[0].shape[1]):
                ws[ho + r * hs + i] = initial[0][row + r, i]
                for s in range(tail):
                    ws[co + r * cs + (i // lanes * tail + s) * lanes + i % lanes] = initial[s + 1][row + r, i]


@literal_jitable
def give_states(lanes, tail, ws, ho, hs, co, cs, last, first, row, n):
    """The states out of the workspace into rows from `row` of `last`, states from number `first` on."""
    for r in range(n):
        for i in range(last.shape[2]):
            last[first, row + r, i] = ws[ho + r * hs + i]
            for s in range(tail):
                last[first + 1 + s, row + r, i] = ws[co + r * cs + (i // lanes * tail + s) * lanes + i % lanes]


@literal_jitable
def load_states(lanes, tail, ws, h, c):
    """The S states of a panel: its h at `h`, the others side by side from `c`."""
    return load_tuple(lanes, 1, ws, h) + load_tuple(lanes, tail, ws, c)


def build_scan(fingerprint, lanes, gates, first, states, extra, shape, rest_shape, update, gate, act, rec):
    """A compiled `run` for one cell, its activations, one dtype and one vector width; everything else is a run-time argument.

    run(member, team, x, mask, initial, w, bias, first_w, first_b, rest_w, rest_b, p, y, last, flags, chunk, block, parts, seats)
        member: 0 for the caller, else which helper; team: the words of `sharing`;
        x (B, T, D); mask bool (B, T) or empty; initial: S arrays (N*B, H) or empty; packed weights (`pack.PackedWeights`) of N
        cells, one or two, the second running the other way; y (B*T, N*H) or (B, N*H), written, the second's steps in the first's
        order; last (N*S, B, H), written; chunk: steps projected at once; block: rows of a task; parts: of a step's panels,
        1 unless there is a single task; seats: threads that may take part.
    Returns the fingerprint it was compiled with.
    """
    tall, short, panels, row_panels = shape.tall, shape.short, shape.panels, shape.row_panels
    tall2, short2, panels2, row_panels2 = rest_shape.tall, rest_shape.short, rest_shape.panels, rest_shape.row_panels
    rest = gates - first
    two_phase = rest > 0
    tail = states - 1  # states beside h
    phases = 2 if two_phase else 1  # of a step: what one part of it writes, all parts of the next may read

    @kernel()
    def run(
        member, team, x, mask, initial, w, bias, first_w, first_b, rest_w, rest_b, p, y, last, flags, chunk, block, parts, seats
    ):  # fmt: skip
        B, T, D = x.shape
        H = last.shape[2]
        HB = (H + lanes - 1) // lanes  # panels
        sequences, zero_masked, masked = flags & SEQUENCES != 0, flags & ZERO_MASKED != 0, mask.size > 0
        blocks = (B + block - 1) // block
        tasks = w.shape[0] // HB * blocks
        most = min(block, B)  # rows
        width = (HB + parts - 1) // parts  # panels of a part
        span = width if two_phase or most * width * gates * lanes <= AT_ONCE else panels
        # One workspace, in this order; `xs` is what a row takes of the array at `xo`, HB * lanes is H in whole vectors.
        zs = HB * gates * lanes  # z (chunk, n, HB, G, lanes): the projected input x W + b
        hs = (
            HB + 1
        ) * lanes  # h (n, HB + 1, lanes): before the step, and after it at `other`; gated: for the other gates
        cs = HB * tail * lanes  # c (n, HB, S-1, lanes): the other states
        fs = span * first * lanes  # f (parts, n, span, F, lanes): the recurrent products of the first gates
        rs = span * rest * lanes  # r (parts, n, span, G-F, lanes): those of the other gates
        if parts > 1 and member > 0:
            ws, zo = borrow(team, x)
        else:
            ws, zo = workspace(most * (chunk * zs + 3 * hs + cs + parts * (fs + rs)), x)
        start = zo + chunk * most * zs
        go = start + 2 * most * hs
        co = go + most * hs
        fo = co + most * cs
        ro = fo + parts * most * fs

        if member == 0 and seats > 1:
            if parts > 1:
                lend(team, ws, zo)
                take_states(lanes, tail, initial, 0, B, ws, start, hs, co, cs)
            member_call(team, CALL)
            open_job(team, seats, parts)
        task = 0 if parts > 1 else take(team, seats, -1)
        while task < tasks:
            cell, r0 = task // blocks, task % blocks * block
            n = min(block, B - r0)
            backwards = (flags & BACKWARDS != 0) != (cell == 1)
            ho, other = start, start + n * hs
            c0 = cell * HB  # the cell's first panel
            if parts == 1:
                take_states(lanes, tail, initial, cell * B + r0, n, ws, ho, hs, co, cs)
            first_valid = first_valid_steps(mask, r0, n, backwards) if masked else np.empty(0, np.intp)

            for step in range(T):
                zt = zo + step % chunk * n * zs
                t = T - 1 - step if backwards else step
                if two_phase:
                    for k in range(parts):
                        part = (member + k) % parts
                        if parts > 1 and not claim(team, part, 2 * step):
                            continue
                        lo, hi = part * width, min(HB, (part + 1) * width)
                        fp = fo + part * n * fs
                        if step % chunk == 0:
                            project(lanes, tall, short, panels, row_panels, gates, x, r0, n, T, D, step, min(chunk, T - step),
                                    backwards, w, c0 * D * gates * lanes, lo, hi, bias, c0 * gates * lanes, ws, zo, zs)  # fmt: skip
                        product(lanes, tall2, short2, panels2, row_panels2, first, ws, ho, hs, n, first_w, c0 * H * first * lanes,
                                H, lo, hi, first_b, c0 * first * lanes, ws, fp, fs)  # fmt: skip
                        for r in range(n):
                            for j in range(lo, hi):
                                xv = load_tuple(lanes, gates, ws, zt + r * zs + j * gates * lanes)
                                rv = load_tuple(lanes, first, ws, fp + r * fs + (j - lo) * first * lanes)
                                sv = load_states(
                                    lanes, tail, ws, ho + r * hs + j * lanes, co + r * cs + j * tail * lanes
                                )
                                pv = load_tuple(lanes, extra, p, (c0 + j) * extra * lanes)
                                store(ws, go + r * hs + j * lanes, gate(act, rec, xv, rv, sv, pv), lanes)
                        if parts > 1:
                            done_part(team)
                    if parts > 1:
                        await_step(team, 2 * step, parts)

                for k in range(parts):
                    part = (member + k) % parts
                    if parts > 1 and not claim(team, part, phases * (step + 1) - 1):
                        continue
                    lo, hi = part * width, min(HB, (part + 1) * width)
                    fp, rp = fo + part * n * fs, ro + part * n * rs
                    if two_phase:
                        product(lanes, tall2, short2, panels2, row_panels2, rest, ws, go, hs, n, rest_w, c0 * H * rest * lanes,
                                H, lo, hi, rest_b, c0 * rest * lanes, ws, rp, rs)  # fmt: skip
                    elif step % chunk == 0:
                        project(lanes, tall, short, panels, row_panels, gates, x, r0, n, T, D, step, min(chunk, T - step),
                                backwards, w, c0 * D * gates * lanes, lo, hi, bias, c0 * gates * lanes, ws, zo, zs)  # fmt: skip
                    for j0 in range(lo, hi, span):
                        j1 = min(hi, j0 + span)
                        if not two_phase:
                            product(lanes, tall, short, panels, row_panels, first, ws, ho, hs, n, first_w, c0 * H * first * lanes,
                                    H, j0, j1, first_b, c0 * first * lanes, ws, fp, fs)  # fmt: skip
                        for r in range(n):
                            counts = not masked or mask[r0 + r, t]
                            at = T - 1 - step if cell == 1 else step  # where the step stands in y
                            yo = ((r0 + r) * T + at if sequences else r0 + r) * y.shape[1] + cell * H
                            for j in range(j0, j1):
                                h, c = ho + r * hs + j * lanes, co + r * cs + j * tail * lanes
                                if counts:
                                    xv = load_tuple(lanes, gates, ws, zt + r * zs + j * gates * lanes)
                                    rv = load_tuple(
                                        lanes, first, ws, fp + r * fs + (j - j0) * first * lanes
                                    ) + load_tuple(lanes, rest, ws, rp + r * rs + (j - j0) * rest * lanes)
                                    sv = load_states(lanes, tail, ws, h, c)
                                    pv = load_tuple(lanes, extra, p, (c0 + j) * extra * lanes)
                                    new = update(act, rec, xv, rv, sv, pv)
                                    store_tail(ws, c, new)
                                    hv = new[0]
                                    yv = hv
                                else:
                                    hv = load_tuple(lanes, 1, ws, h)[0]
                                    yv = splat(0.0, hv) if zero_masked or step < first_valid[r] else hv
                                store(ws, other + r * hs + j * lanes, hv, lanes)
                                if sequences or step == T - 1:
                                    store(y, yo + j * lanes, yv, H - j * lanes)
                    if parts > 1:
                        done_part(team)
                if parts > 1:
                    await_step(team, phases * (step + 1) - 1, parts)
                ho, other = other, ho

            if parts == 1 or member == 0:
                give_states(lanes, tail, ws, ho, hs, co, cs, last, cell * states, r0, n)
            task = tasks if parts > 1 else take(team, seats, task)
        if member == 0 and seats > 1:
            close_job(team)
        return fingerprint

    return run
