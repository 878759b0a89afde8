"""The kernel for small cells: a block runs a few sequences whole, the recurrent weights in its registers. It names no cell.

Four lanes serve a unit: each multiplies a quarter of h by the weights that it holds, two shuffles add the quarters up, and then
all four know the unit's gates and go on alike. h lies in shared memory twice, before the step and after it, so that one barrier a
step is enough; a cell with two phases needs one more.
"""

from numba_rnn.kernels.backend import BACKWARDS, ZERO_MASKED
from numba_rnn.kernels.cuda.scan import MASKED, output_at, time_of
from numba_rnn.kernels.cuda.toolkit import cuda

__all__ = ["LANES", "build_scan_block", "slice_pitch"]

LANES = 4  # of a unit
AHEAD = 2  # steps that the projected input is loaded ahead
WARP = 0xFFFFFFFF


def slice_pitch(width):
    """Words from one lane's part of h to the next: whole vectors of four, an odd number, so that no two parts share a bank."""
    vectors = -(-width // 4)
    return 4 * (vectors + 1 - vectors % 2)


def build_scan_block(real, G, first, S, E, H, rows, update, gate, act, rec):
    """The kernel of a cell with H units; grid (ceil(B / rows), N), threads LANES * (H in whole eights). See `scan`; no `work`."""
    zero = real(0)
    parameters = max(1, E)
    width = -(-H // LANES)  # of a lane's part of h
    pitch = slice_pitch(width)
    two_phases = first < G

    def scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags):
        cell = cuda.blockIdx.y
        row0 = cuda.blockIdx.x * rows
        lane = cuda.threadIdx.x % LANES
        unit = cuda.threadIdx.x // LANES
        u = min(unit, H - 1)  # threads beyond the last unit do as it does, and write nothing
        part, place = u // width, u % width
        B, n = xw.shape[1], xw.shape[2]
        backwards = (flags & BACKWARDS != 0) != (cell == 1)

        h = cuda.shared.array((2, rows, LANES, pitch), real)
        gated = cuda.shared.array((rows, LANES, pitch), real)
        w = cuda.local.array((G, width), real)
        acc = cuda.local.array((rows, G), real)
        ahead = cuda.local.array((AHEAD, rows, G), real)
        last = cuda.local.array((rows, S), real)
        out = cuda.local.array(rows, real)
        input_bias = cuda.local.array(G, real)
        bias = cuda.local.array(G, real)
        xv = cuda.local.array(G, real)
        rv = cuda.local.array(G, real)
        sv = cuda.local.array(S, real)
        pv = cuda.local.array(parameters, real)

        for j in range(width):
            k = lane * width + j
            for g in range(G):
                w[g, j] = recurrent[cell, min(k, H - 1), g * H + u] if k < H else zero
        for g in range(G):
            input_bias[g] = biases[cell, 0, g * H + u]
            bias[g] = biases[cell, 1, g * H + u]
        for e in range(E):
            pv[e] = extra[cell, e, u]
        for i in range(cuda.threadIdx.x, 2 * rows * LANES * pitch, cuda.blockDim.x):
            h[i // (rows * LANES * pitch), i // (LANES * pitch) % rows, i // pitch % LANES, i % pitch] = zero
        for i in range(cuda.threadIdx.x, rows * LANES * pitch, cuda.blockDim.x):
            gated[i // (LANES * pitch), i // pitch % LANES, i % pitch] = zero
        cuda.syncthreads()
        for r in range(rows):
            row = min(row0 + r, B - 1)
            for s in range(S):
                last[r, s] = states[cell, s, row, u]
            out[r] = zero
            if start > 0:
                out[r] = y[row, output_at(start - 1, T, cell, flags), cell * H + u]
            if lane == 0:
                h[0, r, part, place] = last[r, 0]
            for a in range(AHEAD):
                later = min(a, n - 1)
                for g in range(G):
                    ahead[a, r, g] = xw[cell, row, n - 1 - later if backwards else later, g * H + u]
        cuda.syncthreads()

        for i in range(n):
            now = i & 1
            t = time_of(start + i, T, backwards)
            at = output_at(start + i, T, cell, flags)
            later = min(i + AHEAD, n - 1)  # no branch around the loads: it would double all that follows
            for r in range(rows):
                for g in range(G):
                    acc[r, g] = zero
            for j in range(width):
                for r in range(rows):
                    hv = h[now, r, lane, j]
                    for g in range(first):
                        acc[r, g] = cuda.fma(w[g, j], hv, acc[r, g])
            if two_phases:
                for r in range(rows):
                    for g in range(first):
                        acc[r, g] += cuda.shfl_xor_sync(WARP, acc[r, g], 1)
                        acc[r, g] += cuda.shfl_xor_sync(WARP, acc[r, g], 2)
                        rv[g] = acc[r, g] + bias[g]
                        xv[g] = ahead[0, r, g] + input_bias[g]
                    for s in range(S):
                        sv[s] = last[r, s]
                    if lane == 0:
                        gated[r, part, place] = gate(act, rec, xv, rv, sv, pv)
                cuda.syncthreads()
                for j in range(width):
                    for r in range(rows):
                        hv = gated[r, lane, j]
                        for g in range(first, G):
                            acc[r, g] = cuda.fma(w[g, j], hv, acc[r, g])
            for r in range(rows):
                row = min(row0 + r, B - 1)
                for g in range(G):
                    if not two_phases or g >= first:
                        acc[r, g] += cuda.shfl_xor_sync(WARP, acc[r, g], 1)
                        acc[r, g] += cuda.shfl_xor_sync(WARP, acc[r, g], 2)
                    rv[g] = acc[r, g] + bias[g]
                    xv[g] = ahead[0, r, g] + input_bias[g]
                    for a in range(AHEAD - 1):
                        ahead[a, r, g] = ahead[a + 1, r, g]
                    ahead[AHEAD - 1, r, g] = xw[cell, row, n - 1 - later if backwards else later, g * H + u]
                for s in range(S):
                    sv[s] = last[r, s]
                if flags & MASKED == 0 or mask[row, t]:
                    new = update(act, rec, xv, rv, sv, pv)
                    for s in range(S):
                        last[r, s] = new[s]
                    out[r] = new[0]
                elif flags & ZERO_MASKED != 0:
                    out[r] = zero
                if lane == r % LANES:
                    h[1 - now, r, part, place] = last[r, 0]
                    if row0 + r < B and unit < H:
                        y[row, at, cell * H + u] = out[r]
            cuda.syncthreads()

        if lane == 0 and unit < H:
            for r in range(rows):
                if row0 + r < B:
                    for s in range(S):
                        states[cell, s, row0 + r, u] = last[r, s]

    return scan
