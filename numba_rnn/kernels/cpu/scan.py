"""The time loop: projects the input a chunk of steps at a time, multiplies h by the weights, calls the cell. It names no cell.

What the disk cache needs: the compiled closure captures integers and plain functions of importable modules, nothing else;
intrinsics and helpers stay at module level, parametrised by literal integers. A captured intrinsic or jitted function is pickled
with a random id and misses the cache in every new process.
"""

import numpy as np
from numba.extending import register_jitable

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cpu.calls import KEEP, keep_call, member_call
from numba_rnn.kernels.cpu.dot import fixed_size, in_fixed_point
from numba_rnn.kernels.cpu.jit import kernel, literal_jitable
from numba_rnn.kernels.cpu.product import product, workspace
from numba_rnn.kernels.cpu.sharing import CALL, await_step, borrow, claim, close_job, done_part, lend, open_job, take
from numba_rnn.kernels.cpu.simd import load_tuple, splat, store, store_tail
from numba_rnn.kernels.cpu.stored import words_of

__all__ = ["build_scan"]

# Recurrent products of a step, in elements, that are made all at once; more are made and used a few panels at a time, while they
# are in the first-level cache.
AT_ONCE = 2048


ROW, BEGIN, END = 0, 1, 2  # of a slot: the row that it holds, the first step that counts there, the step after the last


@literal_jitable
def project(
    lanes, tall, short, panels, row_panels, gates, x, slots, n, masked, step0, steps, backwards, w, wo, j0, j1, bias, bo, z, zo,
    width,
):  # fmt: skip
    """z[step, slot] = x W + b, panels j0 <= j < j1, for `steps` steps from `step0` and n slots; z rows are `width` apart.

    The tiles run along whichever is longer, rows or steps; both are strides of x as the user has it. Rows that are masked at
    either end run along the steps between, one after another.
    """
    _, T, D = x.shape
    dt = -D if backwards else D
    xo = (T - 1 - step0 if backwards else step0) * D
    by_row = n >= steps and not masked
    outer, inner = (steps, n) if by_row else (n, steps)
    x_inner, z_inner = (T * D, width) if by_row else (dt, n * width)
    for i in range(outer):
        step, slot, count = (i, 0, inner) if by_row else (0, i, inner)
        if masked:
            step = max(0, slots[slot, BEGIN] - step0)
            count = min(steps, slots[slot, END] - step0) - step
        if count > 0:
            product(lanes, tall, short, panels, row_panels, gates, x, xo + slots[slot, ROW] * T * D + step * dt, x_inner, count,
                    w, wo, D, j0, j1, bias, bo, z, zo + (step * n + slot) * width + j0 * gates * lanes, z_inner)  # fmt: skip


@register_jitable
def longest_first(mask):
    """For each slot the row that it holds, and the steps, forwards, between which that row has any that count; longest first.

    So the rows that are not yet or no longer at work at a step are the last, whichever end is padded. (B, 3), by counting sort.
    """
    B, T = mask.shape
    begin, end, places = np.empty(B, np.intp), np.empty(B, np.intp), np.zeros(T + 2, np.intp)
    for r in range(B):
        i, j = 0, T
        while i < T and not mask[r, i]:
            i += 1
        while j > i and not mask[r, j - 1]:
            j -= 1
        begin[r], end[r] = i, j
        places[T - (j - i) + 1] += 1
    for k in range(T + 1):
        places[k + 1] += places[k]
    slots = np.empty((B, 3), np.intp)
    for r in range(B):
        k = T - (end[r] - begin[r])
        slots[places[k], ROW], slots[places[k], BEGIN], slots[places[k], END] = r, begin[r], end[r]
        places[k] += 1
    return slots


@register_jitable
def take_slots(spans, masked, task, blocks, block, B, T, backwards):
    """The slots of a task, (n, 3), steps in processing order: neighbouring rows, or where masked every so manieth of `spans`."""
    r0 = task * block
    n = (B - task + blocks - 1) // blocks if masked else min(block, B - r0)
    slots = np.empty((n, 3), np.intp)
    for r in range(n):
        slots[r, ROW], slots[r, BEGIN], slots[r, END] = r0 + r, 0, T
        if masked:
            row, begin, end = spans[task + r * blocks]
            if begin == end:
                begin = end = T  # never
            elif backwards:
                begin, end = T - end, T - begin
            slots[r, ROW], slots[r, BEGIN], slots[r, END] = row, begin, end
    return slots


@register_jitable
def at_work(slots, step):
    """How many slots there are up to the last that is at work at that step."""
    n = len(slots)
    while n > 0 and not slots[n - 1, BEGIN] <= step < slots[n - 1, END]:
        n -= 1
    return n


@literal_jitable
def take_states(lanes, tail, initial, slots, row0, ws, ho, hs, co, cs):
    """The slots' rows, from row0 on, of the initial states, S arrays; zeros past H, and everywhere if there are none."""
    n = len(slots)
    ws[ho : ho + n * hs] = 0
    ws[co : co + n * cs] = 0
    if initial[0].size > 0:
        for r in range(n):
            row = row0 + slots[r, ROW]
            for i in range(initial[0].shape[1]):
                ws[ho + r * hs + i] = initial[0][row, i]
                for s in range(tail):
                    ws[co + r * cs + (i // lanes * tail + s) * lanes + i % lanes] = initial[s + 1][row, i]


@literal_jitable
def give_states(lanes, tail, ws, ho, hs, co, cs, last, first, slots):
    """The states out of the workspace into the slots' rows of `last`, states from number `first` on."""
    for r in range(len(slots)):
        row = slots[r, ROW]
        for i in range(last.shape[2]):
            last[first, row, i] = ws[ho + r * hs + i]
            for s in range(tail):
                last[first + 1 + s, row, i] = ws[co + r * cs + (i // lanes * tail + s) * lanes + i % lanes]


@literal_jitable
def terms(lanes, gates, first, rest, tail, extra, ws, z, f, r, h, c, p, po):
    """What a cell's functions take of a panel, its x, r, s and p, from where they begin."""
    xv = load_tuple(lanes, gates, ws, z)
    rv = load_tuple(lanes, first, ws, f) + load_tuple(lanes, rest, ws, r)
    sv = load_tuple(lanes, 1, ws, h) + load_tuple(lanes, tail, ws, c)
    return xv, rv, sv, load_tuple(lanes, extra, p, po)


def build_scan(fingerprint, lanes, gates, first, states, extra, shape, rest_shape, update, gate, act, rec):
    """A compiled `run` for one cell, its activations, one dtype and one vector width; everything else is a run-time argument.

    run(member, team, x, mask, initial, w, bias, first_w, first_b, rest_w, rest_b, p, y, last, flags, chunk, block, parts, seats)
        member: 0 for the caller, else which helper; team: the words of `sharing`;
        x (B, T, D); mask bool (B, T) or empty; initial: S arrays (N*B, H) or empty; packed weights (`pack.PackedWeights`) of N
        cells, one or two, the second running the other way; y (B, T or 1, N*H), written, the second's steps in the first's order;
        last (N*S, B, H), written; chunk: steps projected at once; block: rows of a task; parts: of a step's panels,
        1 unless there is a single task; seats: threads that may take part, or `calls.KEEP`.
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
        if seats == KEEP:
            keep_call(team)
            return fingerprint
        B, T, D = x.shape
        H = last.shape[2]
        HB = (H + lanes - 1) // lanes  # panels
        sequences, zero_masked, masked = flags & SEQUENCES != 0, flags & ZERO_MASKED != 0, mask.size > 0
        blocks = (B + block - 1) // block
        tasks = w.shape[0] // HB * blocks
        most = min(block, B)  # rows
        if masked:
            chunk = min(T, max(chunk, 2 * tall))  # tiles run along the steps of a row
        spans = longest_first(mask) if masked else np.empty((0, 3), np.intp)
        width = (HB + parts - 1) // parts  # panels of a part
        span = width if two_phase or most * width * gates * lanes <= AT_ONCE else panels
        # One workspace, in this order; `xs` is what a row takes of the array at `xo`, HB * lanes is H in whole vectors.
        zs = HB * gates * lanes  # z (chunk, n, HB, G, lanes): the projected input x W + b
        hs = (HB + 1) * lanes  # h (n, HB + 1, lanes): before the step, and after it at `other`; gated: see `go`
        cs = HB * tail * lanes  # c (n, HB, S-1, lanes): the other states
        fs = span * first * lanes  # f (parts, n, span, F, lanes): the recurrent products of the first gates
        rs = span * rest * lanes  # r (parts, n, span, G-F, lanes): those of the other gates
        qs = fixed_size(lanes, first_w, HB)  # q (parts, n, qs): h in fixed point, if the weights want it so
        if parts > 1 and member > 0:
            ws, zo = borrow(team, x)
        else:
            ws, zo = workspace(most * (chunk * zs + 3 * hs + cs + parts * (fs + rs + qs)), x)
        start = zo + chunk * most * zs
        go = start + 2 * most * hs  # what replaces h for the other gates
        co = go + most * hs
        fo = co + most * cs
        ro = fo + parts * most * fs
        qo = ro + parts * most * rs

        if member == 0 and seats > 1:
            if parts > 1:
                lend(team, ws, zo)
                slots = take_slots(spans, masked, 0, 1, B, B, T, flags & BACKWARDS != 0)
                take_states(lanes, tail, initial, slots, 0, ws, start, hs, co, cs)
            member_call(team, CALL)
            open_job(team, seats, parts)
        task = 0 if parts > 1 else take(team, seats, -1)
        while task < tasks:
            cell = task // blocks
            backwards = (flags & BACKWARDS != 0) != (cell == 1)
            slots = take_slots(spans, masked, task % blocks, blocks, block, B, T, backwards)
            n = len(slots)
            ho, other = start, start + n * hs
            c0 = cell * HB  # the cell's first panel
            # Times gates, where its weights begin.
            w0, u0 = c0 * words_of(w, D) * lanes, c0 * words_of(first_w, H) * lanes
            if parts == 1:
                take_states(lanes, tail, initial, slots, cell * B, ws, ho, hs, co, cs)

            for step in range(T):
                zt = zo + step % chunk * n * zs
                t = T - 1 - step if backwards else step
                active = at_work(slots, step) if masked else n
                if two_phase:
                    for k in range(parts):
                        part = (member + k) % parts
                        if parts > 1 and not claim(team, part, 2 * step):
                            continue
                        lo, hi = part * width, min(HB, (part + 1) * width)
                        fp = fo + part * n * fs
                        if step % chunk == 0:
                            project(lanes, tall, short, panels, row_panels, gates, x, slots, n, masked, step, min(chunk, T - step),
                                    backwards, w, w0 * gates, lo, hi, bias, c0 * gates * lanes, ws, zo, zs)  # fmt: skip
                        uo, us = in_fixed_point(lanes, first_w, ws, ho, hs, active, H, qo + part * n * qs)
                        product(lanes, tall2, short2, panels2, row_panels2, first, ws, uo, us, active, first_w,
                                u0 * first, H, lo, hi, first_b, c0 * first * lanes, ws, fp, fs)  # fmt: skip
                        for r in range(active):
                            for j in range(lo, hi):
                                h, c = ho + r * hs + j * lanes, co + r * cs + j * tail * lanes
                                z, f = zt + r * zs + j * gates * lanes, fp + r * fs + (j - lo) * first * lanes
                                xv, rv, sv, pv = terms(
                                    lanes, gates, first, 0, tail, extra, ws, z, f, 0, h, c, p, (c0 + j) * extra * lanes
                                )
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
                        uo, us = in_fixed_point(lanes, rest_w, ws, go, hs, active, H, qo + part * n * qs)
                        product(lanes, tall2, short2, panels2, row_panels2, rest, ws, uo, us, active, rest_w, u0 * rest,
                                H, lo, hi, rest_b, c0 * rest * lanes, ws, rp, rs)  # fmt: skip
                    elif step % chunk == 0:
                        project(lanes, tall, short, panels, row_panels, gates, x, slots, n, masked, step, min(chunk, T - step),
                                backwards, w, w0 * gates, lo, hi, bias, c0 * gates * lanes, ws, zo, zs)  # fmt: skip
                    if not two_phase:
                        uo, us = in_fixed_point(lanes, first_w, ws, ho, hs, active, H, qo + part * n * qs)
                    for j0 in range(lo, hi, span):
                        j1 = min(hi, j0 + span)
                        if not two_phase:
                            product(lanes, tall, short, panels, row_panels, first, ws, uo, us, active, first_w,
                                    u0 * first, H, j0, j1, first_b, c0 * first * lanes, ws, fp, fs)  # fmt: skip
                        for r in range(n):
                            row = slots[r, ROW]
                            counts = not masked or mask[row, t]
                            at = T - 1 - step if cell == 1 else step  # where the step stands in y
                            yo = (row * T + at if sequences else row) * y.shape[2] + cell * H
                            for j in range(j0, j1):
                                h, c = ho + r * hs + j * lanes, co + r * cs + j * tail * lanes
                                if counts:
                                    z, f = zt + r * zs + j * gates * lanes, fp + r * fs + (j - j0) * first * lanes
                                    xv, rv, sv, pv = terms(
                                        lanes, gates, first, rest, tail, extra, ws, z, f, rp + r * rs + (j - j0) * rest * lanes,
                                        h, c, p, (c0 + j) * extra * lanes,
                                    )  # fmt: skip
                                    new = update(act, rec, xv, rv, sv, pv)
                                    store_tail(ws, c, new)
                                    hv = new[0]
                                    yv = hv
                                else:
                                    hv = load_tuple(lanes, 1, ws, h)[0]
                                    yv = splat(0.0, hv) if zero_masked or step < slots[r, BEGIN] else hv
                                store(ws, other + r * hs + j * lanes, hv, lanes)
                                if sequences or step == T - 1:
                                    store(y, yo + j * lanes, yv, H - j * lanes)
                    if parts > 1:
                        done_part(team)
                if parts > 1:
                    await_step(team, phases * (step + 1) - 1, parts)
                ho, other = other, ho

            if parts == 1 or member == 0:
                give_states(lanes, tail, ws, ho, hs, co, cs, last, cell * states, slots)
            task = tasks if parts > 1 else take(team, seats, task)
        if member == 0 and seats > 1:
            close_job(team)
        return fingerprint

    return run
