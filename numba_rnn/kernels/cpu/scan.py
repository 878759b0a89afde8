"""The time loop: projects the input a chunk of steps at a time, multiplies h by the weights, calls the cell. It names no cell.

What the disk cache needs: the compiled closure captures integers and plain functions of importable modules, nothing else;
intrinsics and helpers stay at module level, parametrised by literal integers. A captured intrinsic or jitted function is pickled
with a random id and misses the cache in every new process.
"""

import numpy as np
from numba import prange
from numba.extending import register_jitable

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cpu.jit import kernel, literal_jitable
from numba_rnn.kernels.cpu.product import product, workspace
from numba_rnn.kernels.cpu.simd import load_tuple, splat, store, store_tail

__all__ = ["build_scan"]

# Recurrent products of a step, in elements, that are made all at once; more are made and used a few panels at a time, while they
# are in the first-level cache.
AT_ONCE = 2048


@literal_jitable
def project(
    lanes, tall, short, panels, row_panels, gates, x, r0, n, T, D, step0, steps, backwards, w, bias, z, zo, width
):
    """z[step, row] = x W + b for `steps` steps from `step0` and n rows from r0; z rows are `width` apart.

    The tiles run along whichever is longer, rows or steps; both are strides of x as the user has it.
    """
    dt = -D if backwards else D
    xo = (r0 * T + (T - 1 - step0 if backwards else step0)) * D
    by_row = n >= steps
    outer, inner = (steps, n) if by_row else (n, steps)
    x_outer, x_inner = (dt, T * D) if by_row else (T * D, dt)
    z_outer, z_inner = (n * width, width) if by_row else (width, n * width)
    for i in range(outer):
        product(lanes, tall, short, panels, row_panels, gates, x, xo + i * x_outer, x_inner, inner, w, 0, D, 0,
                width // (gates * lanes), bias, z, zo + i * z_outer, z_inner)  # fmt: skip


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
def take_states(lanes, tail, initial, r0, n, ws, ho, hs, co, cs):
    """The initial states, S of (B, H), into the workspace; zeros past H, and everywhere if there are none."""
    ws[ho : ho + n * hs] = 0
    ws[co : co + n * cs] = 0
    if initial[0].size > 0:
        for r in range(n):
            for i in range(initial[0].shape[1]):
                ws[ho + r * hs + i] = initial[0][r0 + r, i]
                for s in range(tail):
                    ws[co + r * cs + (i // lanes * tail + s) * lanes + i % lanes] = initial[s + 1][r0 + r, i]


@literal_jitable
def give_states(lanes, tail, ws, ho, hs, co, cs, last, r0, n):
    """The states out of the workspace into last (S, B, H)."""
    for r in range(n):
        for i in range(last.shape[2]):
            last[0, r0 + r, i] = ws[ho + r * hs + i]
            for s in range(tail):
                last[s + 1, r0 + r, i] = ws[co + r * cs + (i // lanes * tail + s) * lanes + i % lanes]


@literal_jitable
def load_states(lanes, tail, ws, h, c):
    """The S states of a panel: its h at `h`, the others side by side from `c`."""
    return load_tuple(lanes, 1, ws, h) + load_tuple(lanes, tail, ws, c)


def build_scan(fingerprint, parallel, lanes, gates, first, states, extra, shape, rest_shape, update, gate, act, rec):
    """A compiled `run` for one cell, its activations, one dtype and one vector width; everything else is a run-time argument.

    run(x, mask, initial, w, bias, first_w, first_b, rest_w, rest_b, p, y, last, flags, chunk, block, workers)
        x (B, T, D); mask bool (B, T) or empty; initial: S arrays (B, H) or empty; packed weights (`pack.PackedWeights`);
        y (B*T, H) or (B, H), written; last (S, B, H), written; chunk: steps projected at once; block: rows a worker takes.
    Returns the fingerprint it was compiled with, plus one where parallel.
    """
    tall, short, panels, row_panels = shape.tall, shape.short, shape.panels, shape.row_panels
    tall2, short2, panels2, row_panels2 = rest_shape.tall, rest_shape.short, rest_shape.panels, rest_shape.row_panels
    rest = gates - first
    two_phase = rest > 0
    tail = states - 1  # states beside h

    @kernel(parallel=parallel)
    def run(x, mask, initial, w, bias, first_w, first_b, rest_w, rest_b, p, y, last, flags, chunk, block, workers):
        B, T, D = x.shape
        H = last.shape[2]
        HB = (H + lanes - 1) // lanes  # panels
        backwards, sequences, zero_masked = flags & BACKWARDS != 0, flags & SEQUENCES != 0, flags & ZERO_MASKED != 0
        masked = mask.size > 0
        for worker in prange(workers):
            r0 = worker * block
            n = min(block, B - r0)
            span = HB if two_phase or n * HB * gates * lanes <= AT_ONCE else panels
            # One workspace, in this order; `xs` is what a row takes of the array at `xo`, HB * lanes is H in whole vectors.
            zs = HB * gates * lanes  # z (chunk, n, HB, G, lanes): the projected input x W + b
            hs = (HB + 1) * lanes  # h (n, HB + 1, lanes): before the step, and after it at `other`
            cs = HB * tail * lanes  # c (n, HB, S-1, lanes): the other states
            fs = span * first * lanes  # f (n, span, F, lanes): the recurrent products of the first gates
            rs = span * rest * lanes  # r (n, span, G-F, lanes): those of the other gates
            ws, zo = workspace(chunk * n * zs + 2 * n * hs + n * cs + n * fs + n * rs + n * hs, x)
            ho = zo + chunk * n * zs
            other = ho + n * hs
            co = other + n * hs
            fo = co + n * cs
            ro = fo + n * fs
            go = ro + n * rs  # gated (n, HB + 1, lanes): what replaces h for the other gates
            take_states(lanes, tail, initial, r0, n, ws, ho, hs, co, cs)
            first_valid = first_valid_steps(mask, r0, n, backwards) if masked else np.empty(0, np.intp)

            for step in range(T):
                if step % chunk == 0:
                    project(lanes, tall, short, panels, row_panels, gates, x, r0, n, T, D, step, min(chunk, T - step), backwards,
                            w, bias, ws, zo, zs)  # fmt: skip
                zt = zo + step % chunk * n * zs
                t = T - 1 - step if backwards else step
                if two_phase:
                    product(lanes, tall2, short2, panels2, row_panels2, first, ws, ho, hs, n, first_w, 0, H, 0, HB, first_b,
                            ws, fo, fs)  # fmt: skip
                    for r in range(n):
                        for j in range(HB):
                            xv = load_tuple(lanes, gates, ws, zt + r * zs + j * gates * lanes)
                            rv = load_tuple(lanes, first, ws, fo + r * fs + j * first * lanes)
                            sv = load_states(lanes, tail, ws, ho + r * hs + j * lanes, co + r * cs + j * tail * lanes)
                            pv = load_tuple(lanes, extra, p, j * extra * lanes)
                            store(ws, go + r * hs + j * lanes, gate(act, rec, xv, rv, sv, pv), lanes)
                    product(lanes, tall2, short2, panels2, row_panels2, rest, ws, go, hs, n, rest_w, 0, H, 0, HB, rest_b,
                            ws, ro, rs)  # fmt: skip
                for j0 in range(0, HB, span):
                    j1 = min(HB, j0 + span)
                    if not two_phase:
                        product(lanes, tall, short, panels, row_panels, first, ws, ho, hs, n, first_w, 0, H, j0, j1, first_b,
                                ws, fo, fs)  # fmt: skip
                    for r in range(n):
                        counts = not masked or mask[r0 + r, t]
                        yo = ((r0 + r) * T + step) * H if sequences else (r0 + r) * H
                        for j in range(j0, j1):
                            h, c = ho + r * hs + j * lanes, co + r * cs + j * tail * lanes
                            if counts:
                                xv = load_tuple(lanes, gates, ws, zt + r * zs + j * gates * lanes)
                                rv = load_tuple(lanes, first, ws, fo + r * fs + (j - j0) * first * lanes) + load_tuple(
                                    lanes, rest, ws, ro + r * rs + (j - j0) * rest * lanes
                                )
                                sv = load_states(lanes, tail, ws, h, c)
                                pv = load_tuple(lanes, extra, p, j * extra * lanes)
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
                ho, other = other, ho

            give_states(lanes, tail, ws, ho, hs, co, cs, last, r0, n)
        # Numba's cache knows a kernel by its bytecode and closure, not by its options: naming `parallel` keeps the two apart.
        return fingerprint + parallel

    return run
