"""The kernel for large cells and few sequences: the whole GPU runs one step after another, float32. It names no cell.

Every block owns a few units and holds their columns of the recurrent weights in registers, a warp a slice of the rows. h goes from
block to block through the second-level cache, without any barrier between them: `work` begins as all ones in every bit, a NaN that
no cell returns, every word of it is written once, and whoever needs a word reads it until it has come. So the datum is its own
flag, and nothing relies on the order in which two words become visible.

Source of the idea of weights that stay in registers: G. Diamos et al., "Persistent RNNs: Stashing Recurrent Weights On-Chip", 2016.
"""

from numba_rnn.kernels.backend import BACKWARDS, ZERO_MASKED
from numba_rnn.kernels.cuda.ptx import (
    address,
    bits_of,
    cooperative,
    float_of,
    load4_relaxed,
    load4_shared,
    shared_address,
    store4_shared,
    store_relaxed,
)
from numba_rnn.kernels.cuda.scan import MASKED, output_at, time_of
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, float32, uint32

__all__ = ["MOST_WAITS", "WARPS", "build_scan_grid", "publish", "units_of_block"]

WARPS = 8  # of a block
NOT_YET = 0xFFFFFFFF  # what no cell returns
NAN = 0x7FC00000  # what is stored in its place
MOST_WAITS = 1 << 20  # reads of a word: a kernel that hangs holds the GPU


def units_of_block(G):
    """Units whose gates fill a warp's lanes."""
    return 32 // G


@device_function
def publish(work, index, h):
    """Let the other blocks have a word of h."""
    bits = bits_of(h)
    store_relaxed(address(work, index), uint32(NAN) if bits == uint32(NOT_YET) else bits)


def build_scan_grid(real, G, first, S, E, H, rows, update, gate, act, rec):
    """The kernel of a cell with H units; grid (ceil(H in whole fours / units), N), 32 * WARPS threads. See `scan`.

    work (N, n + 1, B, H in whole fours): h before every step, and after the last. Sequences run `rows` at a time, one such tile after
    another: while one waits for its h, the tiles after it give the block something to do.
    """
    assert first == G  # a cell with two phases would wait twice a step
    zero = float32(0)
    parameters = max(1, E)
    units = units_of_block(G)
    padded = -(-H // 4) * 4
    width = -(-padded // (4 * WARPS)) * 4  # of a warp's slice of h
    vectors = width // 4
    loads = -(-rows * vectors // 32)  # of a lane
    reducers = rows * units

    def scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags):
        cooperative()
        cell = cuda.blockIdx.y
        thread = cuda.threadIdx.x
        warp, lane = thread // 32, thread % 32
        B, n = xw.shape[1], xw.shape[2]
        backwards = (flags & BACKWARDS != 0) != (cell == 1)
        unit0 = cuda.blockIdx.x * units
        k0 = warp * width

        h = cuda.shared.array((WARPS, rows, width), float32)  # every warp brings in its own slice
        sums = cuda.shared.array((2, WARPS, rows, 32), float32)
        w = cuda.local.array(width, float32)
        acc = cuda.local.array((rows, 2), float32)
        xv = cuda.local.array(G, float32)
        rv = cuda.local.array(G, float32)
        sv = cuda.local.array(S, float32)
        pv = cuda.local.array(parameters, float32)
        input_bias = cuda.local.array(G, float32)
        bias = cuda.local.array(G, float32)

        # As a multiplier, a lane is a column: a gate of a unit.
        column_unit, column_gate = min(unit0 + lane // G, H - 1), lane % G
        for j in range(width):
            k = min(k0 + j, H - 1)
            w[j] = recurrent[cell, k, column_gate * H + column_unit] if k0 + j < H else zero
        for r in range(rows):
            for j in range(lane, width, 32):
                h[warp, r, j] = zero
        # As a reducer, a thread is a unit of one sequence of the tile.
        u, r = unit0 + thread % units, thread // units
        uc = min(u, H - 1)
        for g in range(G):
            input_bias[g] = biases[cell, 0, g * H + uc]
            bias[g] = biases[cell, 1, g * H + uc]
        for e in range(E):
            pv[e] = extra[cell, e, uc]
        for row in range(r, B, rows):
            if thread < reducers and u < padded:
                publish(work, (cell, 0, row, u), states[cell, 0, row, u] if u < H else zero)

        turn = 0
        patience = MOST_WAITS
        for i in range(n):
            t = time_of(start + i, T, backwards)
            at = output_at(start + i, T, cell, flags)
            for row0 in range(0, B, rows):
                row = row0 + r
                active = thread < reducers and row < B and u < padded
                counts = True
                if active and u < H:  # loaded now, here when it is needed
                    for g in range(G):
                        xv[g] = xw[cell, row, n - 1 - i if backwards else i, g * H + u]
                    for s in range(S):
                        sv[s] = states[cell, s, row, u]
                    if flags & MASKED != 0:
                        counts = mask[row, t]
                for v in range(loads):
                    e = lane + 32 * v
                    b, j = e // vectors, e % vectors * 4
                    if e < rows * vectors and row0 + b < B and k0 + j < padded:
                        p = address(work, (cell, i, row0 + b, k0 + j))
                        q = load4_relaxed(p)
                        waits = 0
                        while (
                            q[0] == uint32(NOT_YET)
                            or q[1] == uint32(NOT_YET)
                            or q[2] == uint32(NOT_YET)
                            or q[3] == uint32(NOT_YET)
                        ) and waits < patience:
                            q = load4_relaxed(p)
                            waits += 1
                        if waits >= patience:
                            patience = 0
                            error[0] = start + i + 1
                        store4_shared(
                            shared_address(h, (warp, b, j)),
                            float_of(q[0]),
                            float_of(q[1]),
                            float_of(q[2]),
                            float_of(q[3]),
                        )
                cuda.syncwarp()
                for b in range(rows):
                    acc[b, 0] = zero
                    acc[b, 1] = zero
                for j in range(0, width, 4):
                    for b in range(rows):
                        q = load4_shared(shared_address(h, (warp, b, j)))
                        acc[b, 0] = cuda.fma(w[j], q[0], acc[b, 0])
                        acc[b, 1] = cuda.fma(w[j + 1], q[1], acc[b, 1])
                        acc[b, 0] = cuda.fma(w[j + 2], q[2], acc[b, 0])
                        acc[b, 1] = cuda.fma(w[j + 3], q[3], acc[b, 1])
                for b in range(rows):
                    sums[turn, warp, b, lane] = acc[b, 0] + acc[b, 1]
                cuda.syncthreads()

                if active:
                    new_h = zero
                    if u < H:
                        for g in range(G):
                            total = bias[g]
                            for v in range(WARPS):
                                total += sums[turn, v, r, (u - unit0) * G + g]
                            rv[g] = total
                            xv[g] += input_bias[g]
                        out = zero
                        if counts:
                            new = update(act, rec, xv, rv, sv, pv)
                            for s in range(S):
                                states[cell, s, row, u] = new[s]
                            out = new[0]
                            new_h = new[0]
                        else:
                            new_h = sv[0]
                            if start + i > 0 and flags & ZERO_MASKED == 0:
                                out = y[row, output_at(start + i - 1, T, cell, flags), cell * H + u]
                        y[row, at, cell * H + u] = out
                    publish(work, (cell, i + 1, row, u), new_h)
                turn = 1 - turn

    return scan
