"""The kernel for large cells on tensor cores: the whole GPU runs one step after another. It names no cell.

As in `scan_grid`, every block owns a few units and holds their recurrent weights in registers, and h goes from block to block
through `work`, each word of which is its own flag. Here a warp multiplies its part of the weights, and of h, by tensor core
instructions (see `product`), 8 sequences at once. Many sequences are cut into slices, each of which a set of blocks runs: those of
a slice take turns, 8 by 8, so that while 8 of them wait for their h the next have something to do.
"""

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cuda.product import build_product
from numba_rnn.kernels.cuda.ptx import (
    address,
    advance,
    cooperative,
    float_of,
    load4_relaxed,
    load_byte,
    load_float32,
    load_relaxed,
    once64,
    store_float32,
)
from numba_rnn.kernels.cuda.scan import MASKED, cell_of, output_at, time_of
from numba_rnn.kernels.cuda.scan_grid import MOST_WAITS, NOT_YET, publish
from numba_rnn.kernels.cuda.tiles import COLUMNS, TERMS, UNITS, WORDS, padded_units, pairs_of, spans_of
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, float32, int32, uint32, uint64

__all__ = ["build_scan_tensor"]


@device_function
def fetch(h, j, at):
    """h[j] = four words of h, or what was there before them."""
    q = load4_relaxed(at + uint64(4 * TERMS * j))
    for e in range(4):
        h[j, e] = q[e]


def build_scan_tensor(real, G, first, S, E, H, groups, warps, precision, update, gate, act, rec):
    """The kernel of a cell with H units; grid (slices * (H in whole sixteens) / (8 * groups), cells), 32 * warps threads.

    See `scan`. work (cells, n + 1, B, H in whole sixteens): h before every step, and after the last.

    Args:
        real, G, first, S, E: as `build_scan` has them; float32, one phase.
        H: units.
        groups: of 8 units, of a block: 1 or 2.
        warps: of a block, at least two for each group.
        precision: a key of `tiles.WORDS`.
        update, gate, act, rec: as `build_scan` has them.
    """
    assert first == G  # a cell with two phases would wait twice a step
    zero = float32(0)
    parameters = max(1, E)
    padded, spans, pairs, words = padded_units(H), spans_of(H, warps), pairs_of(G), WORDS[precision]
    tiles, gates, reducers = groups * pairs, 2 * pairs, 2 * groups  # shapes are to be plain numbers
    blocks = padded // (UNITS * groups)  # of a slice
    whole = spans * warps * TERMS == padded  # every warp has as many spans
    load_weights, encode, multiply = build_product(precision, G, H, groups, spans)

    def scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags):
        cooperative()
        own_cell = cuda.blockIdx.y  # of `work`
        cell = own_cell + cell_of(flags)
        warp, lane = cuda.threadIdx.x // 32, cuda.threadIdx.x % 32
        B, n = xw.shape[1], xw.shape[2]
        backwards = (flags & BACKWARDS != 0) != (cell == 1)
        unit0 = cuda.blockIdx.x % blocks * (UNITS * groups)

        exchange = cuda.shared.array((2, warps, reducers, 32, gates), float32, alignment=16)
        w = cuda.local.array((spans, tiles, words), uint32)
        h = cuda.local.array((spans, 4), uint32)
        sums = cuda.local.array((tiles, 4), float32)
        xv = cuda.local.array(G, float32)
        rv = cuda.local.array(G, float32)
        sv = cuda.local.array(S, float32)
        pv = cuda.local.array(parameters, float32)
        input_bias = cuda.local.array(G, float32)
        bias = cuda.local.array(G, float32)

        # As a multiplier, a lane holds weights of unit lane // 4 of each group, of the terms that `product` says, and fetches what
        # sequence lane // 4 has of these terms.
        k0 = warp * (TERMS * spans) + lane % 4 * 4
        load_weights(w, recurrent, cell, unit0 + lane // 4, k0)
        # As a reducer, a thread of the first warps is a unit of one sequence: two warps a group, one of the even sequences.
        u, r = unit0 + warp // 2 * UNITS + lane // 4, lane % 4 * 2 + warp % 2
        reduces, real_unit, uc = warp < reducers, u < H, min(u, H - 1)
        for g in range(G):
            input_bias[g] = biases[cell, 0, g * H + uc]
            bias[g] = biases[cell, 1, g * H + uc]
        for e in range(E):
            pv[e] = extra[cell, e, uc]

        # Where things stand for the block's first sequences, at the first step; bytes from one turn to the next, and from one step
        # to the next. Without a mask every step counts, as the only byte of `mask` says.
        row0 = cuda.blockIdx.x // blocks * COLUMNS
        turn_rows = cuda.gridDim.x // blocks * COLUMNS
        row, column = min(row0 + r, B - 1), min(row0 + lane // 4, B - 1)
        masked = flags & MASKED != 0
        x_first = once64(address(xw, (cell, row, n - 1 if backwards else 0, uc)))
        x_turn, x_step = 4 * turn_rows * n * G * H, int32(-4 * G * H if backwards else 4 * G * H)
        mask_first = once64(address(mask, (row if masked else 0, time_of(start, T, backwards) if masked else 0)))
        mask_turn, mask_step = turn_rows * T if masked else 0, int32((-1 if backwards else 1) if masked else 0)
        y_first = once64(address(y, (row, output_at(start, T, cell, flags), cell * H + uc)))
        y_turn = 4 * turn_rows * y.shape[1] * y.shape[2]
        y_step = int32((-4 if cell == 1 else 4) * y.shape[2] if flags & SEQUENCES else 0)
        state_first = once64(address(states, (cell, 0, row, uc)))
        state_turn, state_next = 4 * turn_rows * H, int32(4 * B * H)
        h_first = once64(address(work, (own_cell, 0, column, min(k0, padded - 4))))
        new_first = once64(address(work, (own_cell, 0, row, min(u, padded - 1))))
        h_turn, h_step = 4 * turn_rows * padded, int32(4 * B * padded)
        if reduces:
            new_at, state_at, at_row = new_first, state_first, row0
            while at_row < B:
                if at_row + r < B:
                    h0 = float_of(load_relaxed(state_at)) if real_unit else zero
                    publish(new_at, float_of(encode(h0)))
                new_at += uint64(h_turn)
                state_at += uint64(state_turn)
                at_row += turn_rows

        buffer = 0
        patience = MOST_WAITS
        for i in range(n):
            x_at, mask_at = advance(int32(i), x_step, x_first), advance(int32(i), mask_step, mask_first)
            y_at, state_at = advance(int32(i), y_step, y_first), state_first
            h_at, new_at = advance(int32(i), h_step, h_first), advance(int32(i + 1), h_step, new_first)
            at_row = row0
            while at_row < B:  # `range` would divide
                active = reduces and at_row + r < B
                count = uint32(0)
                if active and real_unit:  # loaded now, here when it is needed
                    for g in range(G):
                        xv[g] = load_float32(x_at + uint64(4 * H * g))
                    for s in range(S):
                        sv[s] = float_of(load_relaxed(advance(int32(s), state_next, state_at)))
                    count = load_byte(mask_at)

                for j in range(spans):  # all loads are sent off before the first is looked at
                    if at_row + lane // 4 < B and (whole or k0 + TERMS * j < padded):
                        fetch(h, j, h_at)
                    else:
                        for e in range(4):
                            h[j, e] = uint32(0)
                waiting = True
                waits = 0
                while waiting:
                    waiting = False
                    for j in range(spans):
                        if max(h[j, 0], h[j, 1], h[j, 2], h[j, 3]) == uint32(NOT_YET):
                            fetch(h, j, h_at)
                            waiting = True
                    waits += 1
                    if waits > patience:
                        waiting = False
                        patience = 0
                        if error[0] == 0:
                            error[0] = start + i + 1
                for tile in range(tiles):
                    for e in range(4):
                        sums[tile, e] = zero
                multiply(w, h, sums)
                for group in range(groups):
                    for odd in range(2):
                        for g in range(gates):
                            value = sums[group * pairs + g // 2, g % 2 * 2 + odd]
                            exchange[buffer, warp, 2 * group + odd, lane, g] = value
                cuda.syncthreads()

                if active:
                    for g in range(G):
                        total = bias[g]
                        for v in range(warps):
                            total += exchange[buffer, v, warp, lane, g]
                        rv[g] = total
                        xv[g] += input_bias[g]
                    new = update(act, rec, xv, rv, sv, pv)
                    new_h = new[0] if count else sv[0]
                    publish(new_at, float_of(encode(new_h if real_unit else zero)))  # others wait for it
                    if real_unit:
                        out = new_h
                        if count:
                            for s in range(S):
                                store_float32(advance(int32(s), state_next, state_at), new[s])
                        elif start + i > 0 and flags & ZERO_MASKED == 0:
                            out = float_of(load_relaxed(advance(int32(-1), y_step, y_at)))
                        else:
                            out = zero
                        store_float32(y_at, out)
                x_at += uint64(x_turn)
                mask_at += uint64(mask_turn)
                y_at += uint64(y_turn)
                state_at += uint64(state_turn)
                h_at += uint64(h_turn)
                new_at += uint64(h_turn)
                at_row += turn_rows
                buffer = 1 - buffer

    return scan
