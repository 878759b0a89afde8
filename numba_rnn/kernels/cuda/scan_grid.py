"""The kernel for large cells and few sequences: the whole GPU runs one step after another, float32. It names no cell.

Every block owns a few units and holds their columns of the recurrent weights in registers. h goes from block to block through the
second-level cache without any barrier between them: `work` begins as all ones in every bit, a NaN that no cell returns, every word
of it is written once in a launch, and whoever needs a word reads it again and again until it is another.

So each word is its own flag, and relaxed loads and stores are enough. What would make others need acquire and release, a flag that
says that other words have come, is not here: a reader takes from a word that has come nothing but that word. A load of four words
may see any of them without the others, so each is looked at. No word is used a second time, since every step has a place of its
own. And relaxed loads go to where all blocks meet, past what a multiprocessor may have cached.

Source of the idea of weights that stay in registers: G. Diamos et al., "Persistent RNNs: Stashing Recurrent Weights On-Chip", 2016.
"""

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cuda.cuts import MOST_ROWS, WARPS, lane_units, slice_width
from numba_rnn.kernels.cuda.lanes import WARP, build_add_up
from numba_rnn.kernels.cuda.ptx import (
    address,
    bits_of,
    cooperative,
    float_of,
    load4_relaxed,
    load4_shared,
    load_byte,
    load_float32,
    once64,
    shared_address,
    store4_shared,
    store_float32,
    store_float32_shared,
    store_relaxed,
)
from numba_rnn.kernels.cuda.scan import MASKED, cell_of, output_at, row_of, time_of
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, float32, int32, types, uint32, uint64

__all__ = ["MOST_WAITS", "build_scan_grid", "publish"]

NOT_YET = 0xFFFFFFFF  # what no cell returns
NAN = 0x7FC00000  # what is stored in its place
MOST_WAITS = 1 << 20  # reads of a word: a kernel that hangs holds the GPU


@device_function
def publish(at, h):
    """Let the other blocks have a word of h."""
    bits = bits_of(h)
    store_relaxed(at, uint32(NAN) if bits == uint32(NOT_YET) else bits)


@device_function
def load_words(words, at):
    """Four words of h, or what stands where they will be."""
    words[0], words[1], words[2], words[3] = load4_relaxed(at)


@device_function
def incomplete(words):
    """Whether one of them has not come."""
    a, b, c, d = words[0], words[1], words[2], words[3]
    # `|` and not `or`: four comparisons are sooner done than one branch.
    return (a == uint32(NOT_YET)) | (b == uint32(NOT_YET)) | (c == uint32(NOT_YET)) | (d == uint32(NOT_YET))


@device_function
def store_words(at, words):
    """To shared memory, as numbers."""
    store4_shared(at, float_of(words[0]), float_of(words[1]), float_of(words[2]), float_of(words[3]))


def build_scan_grid(real, G, first, S, E, H, units, rows, update, gate, act, rec):
    """The kernel of a cell with H units; grid (ceil(H in whole fours / units), cells), 32 * WARPS threads. See `scan`.

    A launch takes up to MOST_ROWS sequences. work (cells, n + 1, these in whole tiles, H in whole fours) or more: of each cell, h
    before every step, and after the last. Sequences run `rows` at a time, one such tile after another: while one waits for its h,
    the tiles after it give the block something to do. A block has `units` units, a power of two and a multiple of `lane_units(G)`.

    Each warp multiplies a slice of h, which it brings in itself; each of its lanes multiplies the columns of some units by every so
    manieth vector of the slice; shuffles, then shared memory add up. A thread for each unit and sequence of a tile does the rest.
    """
    assert first == G  # a cell with two phases would wait twice a step
    zero = float32(0)
    parameters = max(1, E)
    padded = -(-H // 4) * 4
    own = lane_units(G)
    columns = own * G  # of a lane
    parts = 32 * own // units  # lanes that share these columns
    width = slice_width(H, G, units)
    vectors = width // 4
    loads = -(-vectors // 32)  # of a lane and sequence
    pitch = -(-G // 4) * 4  # words of a unit's sums: loaded as vectors
    ways = columns if columns & (columns - 1) == 0 and columns <= parts else 1
    together = columns // ways
    add_up = build_add_up(parts, ways)
    reducers = rows * units
    keeps = S + 1  # the states, and the last output
    lane_words = width // parts
    turn_bytes = WARPS * rows * units * pitch * 4
    item = 4

    @device_function
    def bring(at, h_at, here, count, patience):
        """Copy this warp's slice of h, of `count` sequences, to shared memory once it has come; what patience is left.

        `here[v]` says whether the lane's v-th four words of each sequence are of the slice.
        """
        words = cuda.local.array((rows, loads, 4), uint32)
        for b in range(rows):  # all loads are under way before one is waited for
            for v in range(loads):
                for j in range(4):
                    words[b, v, j] = uint32(0)
                if b < count and here[v]:
                    load_words(words[b, v], at + uint64((b * padded + 128 * v) * item))
        for b in range(rows):
            for v in range(loads):
                if b < count:
                    waits = patience
                    # The whole warp waits for each lane's words, so that its lanes stay together.
                    while cuda.any_sync(WARP, incomplete(words[b, v])) and waits > 0:
                        if here[v]:
                            load_words(words[b, v], at + uint64((b * padded + 128 * v) * item))
                        waits = int32(waits - 1)
                    if waits == 0:
                        patience = waits
                    if here[v]:
                        store_words(h_at + uint32((b * width + 128 * v) * item), words[b, v])
        cuda.syncwarp()
        return patience

    @device_function
    def multiply(w, h_at, sums_at, speaks):
        """What this warp adds to the sums of one sequence."""
        acc = cuda.local.array((ways, together), float32)
        for j in range(ways):
            for m in range(together):
                acc[j, m] = zero
        for v in range(lane_words // 4):
            q = load4_shared(h_at + uint32(v * parts * 4 * item))
            for k in range(4):
                for j in range(ways):
                    for m in range(together):
                        acc[j, m] = cuda.fma(w[4 * v + k, j, m], q[k], acc[j, m])
        add_up(acc, 0, together)
        if speaks:
            for m in range(together):
                store_float32_shared(sums_at + uint32((m // G * pitch + m % G) * item), acc[0, m])

    def scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags):
        cooperative()
        own_cell = cuda.blockIdx.y  # of `work`
        cell, row0 = own_cell + cell_of(flags), row_of(flags)
        thread = cuda.threadIdx.x
        warp, lane = thread // 32, thread % 32
        B, n = int32(min(xw.shape[1] - row0, MOST_ROWS)), int32(xw.shape[2])
        tiles = int32((B + (rows - 1)) // rows)
        backwards = (flags & BACKWARDS != 0) != (cell == 1)
        unit0 = cuda.blockIdx.x * units

        h = cuda.shared.array((WARPS, rows, width), float32, alignment=16)
        sums = cuda.shared.array((2, WARPS, rows, units, pitch), float32, alignment=16)
        kept = cuda.shared.array((keeps, MOST_ROWS, units), float32)
        bias = cuda.shared.array((2, units, pitch), float32, alignment=16)
        w = cuda.local.array((lane_words, ways, together), float32)
        xv = cuda.local.array(G, float32)
        rv = cuda.local.array(G, float32)
        sv = cuda.local.array(S, float32)
        pv = cuda.local.array(parameters, float32)

        # As a multiplier, a lane has columns of some units; it begins with the column that it will have the whole sum of.
        group, part = lane // parts, lane % parts
        for k in range(lane_words):
            row = warp * width + (k // 4 * parts + part) * 4 + k % 4
            for j in range(ways):
                for m in range(together):
                    column = (j ^ part % ways) * together + m
                    u = unit0 + group * own + column // G
                    here = address(recurrent, (cell, min(row, H - 1), column % G * H + min(u, H - 1)))
                    w[k, j, m] = cuda.selp(row < H, load_float32(here), zero)
        for k in range(lane, rows * width, 32):
            h[warp, k // width, k % width] = zero
        column = part % ways * together
        here = cuda.local.array(loads, types.boolean)
        for v in range(loads):
            words = 4 * (lane + 32 * v)
            here[v] = words < width and warp * width + words < padded
        brought_at = shared_address(h, (warp, 0, 0)) + uint32(4 * lane * item)
        h_at = shared_address(h, (warp, 0, 4 * part))
        sums_at = shared_address(sums, (0, warp, 0, group * own + column // G, column % G))

        # As a reducer, a thread is a unit of one sequence of the tile.
        ui, r = thread % units, int32(thread // units % rows)
        total_at = shared_address(sums, (0, 0, r, ui, 0))
        u = unit0 + ui
        exists = u < H
        u = min(u, H - 1)
        reduces = thread < reducers and unit0 + ui < padded
        for e in range(E):
            pv[e] = extra[cell, e, u]
        if thread < units:
            for g in range(G):
                bias[0, ui, g] = biases[cell, 0, g * H + u]
                bias[1, ui, g] = biases[cell, 1, g * H + u]
        if reduces:
            for row in range(r, B, rows):
                for s in range(S):
                    kept[s, row, ui] = states[cell, s, row0 + row, u]
                kept[S, row, ui] = zero
                if start > 0:
                    kept[S, row, ui] = y[row0 + row, output_at(start - 1, T, cell, flags), cell * H + u]
                publish(address(work, (own_cell, 0, row, unit0 + ui)), kept[0, row, ui] if exists else zero)

        # Where the first tile's things of the first step stand, and how many bytes it is to the next tile, and from the last one to
        # the next step. Without a mask every step finds the one byte that stands in its place. Of `work`, tiles follow upon tiles.
        row = row0 + min(r, B - 1)
        masked = flags & MASKED != 0
        x_at = address(xw, (cell, row, n - 1 if backwards else 0, u))
        x_tile = once64(rows * n * G * H * item)
        x_step = once64((-G if backwards else G) * H * item - tiles * rows * n * G * H * item)
        mask_at = address(mask, (row if masked else 0, time_of(start, T, backwards) if masked else 0))
        mask_tile = once64(rows * T if masked else 0)
        mask_step = once64(((-1 if backwards else 1) - tiles * rows * T) if masked else 0)
        y_at = address(y, (row, output_at(start, T, cell, flags), cell * H + u))
        y_row = (-y.shape[2] if cell == 1 else y.shape[2]) if flags & SEQUENCES else 0
        y_tile = once64(rows * y.shape[1] * y.shape[2] * item)
        y_step = once64((y_row - tiles * rows * y.shape[1] * y.shape[2]) * item)
        work_at = address(work, (own_cell, 0, 0, 0)) + uint64((warp * width + 4 * lane) * item)
        next_at = address(work, (own_cell, 0, r, 0)) + uint64((tiles * rows * padded + unit0 + ui) * item)
        cuda.syncthreads()

        turn = uint32(0)
        patience = int32(MOST_WAITS)
        for i in range(n):
            row = r
            for tile in range(tiles):
                active = reduces and row < B
                counted = uint32(0)
                if active:  # loaded now, here when it is needed
                    for g in range(G):
                        xv[g] = load_float32(x_at + uint64(g * H * item))
                    counted = load_byte(mask_at)
                count = 1 if rows == 1 else min(int32(rows), int32(B - tile * rows))
                before = patience
                patience = bring(work_at, brought_at, here, count, before)
                if patience < before:
                    error[0] = start + i + 1
                h_row, sums_row = h_at, sums_at + turn
                for _ in range(count):
                    multiply(w, h_row, sums_row, part < ways)
                    h_row, sums_row = h_row + uint32(width * item), sums_row + uint32(units * pitch * item)
                cuda.syncthreads()

                if active:
                    for g in range(G):
                        rv[g] = bias[1, ui, g]
                        xv[g] += bias[0, ui, g]
                    for v in range(WARPS):
                        q = load4_shared(total_at + turn + uint32(v * rows * units * pitch * item))
                        for g in range(G):
                            rv[g] += q[g]
                    for s in range(S):
                        sv[s] = kept[s, row, ui]
                    fresh = update(act, rec, xv, rv, sv, pv)
                    new_h = fresh[0] if counted else sv[0]
                    publish(next_at, new_h if exists else zero)  # first: it is what all others wait for
                    out = fresh[0] if counted else (zero if flags & ZERO_MASKED else kept[S, row, ui])
                    for s in range(S):
                        kept[s, row, ui] = fresh[s] if counted else sv[s]
                    kept[S, row, ui] = out
                    if exists:
                        store_float32(y_at, out)
                row = int32(row + rows)
                turn = uint32(turn_bytes) - turn
                x_at, mask_at, y_at = x_at + x_tile, mask_at + mask_tile, y_at + y_tile
                work_at, next_at = work_at + uint64(rows * padded * item), next_at + uint64(rows * padded * item)
            x_at, mask_at, y_at = x_at + x_step, mask_at + mask_step, y_at + y_step

        if reduces and exists:
            for row in range(r, B, rows):
                for s in range(S):
                    states[cell, s, row0 + row, u] = kept[s, row, ui]

    return scan
