"""The kernel for cells of middle size on tensor cores: a cluster of blocks runs 8 sequences whole. It names no cell.

The recurrent weights lie in the registers of a cluster's blocks (sm_90 and later), of which each owns some units, a warp 8 of them
and a slice of the sum (see `product`). A block stores what it has of the new h into the shared memory of all, and a barrier there
counts the bytes: whoever has got all of h goes on. Each cluster runs by itself, as many as there are batches of 8 sequences.

h lies in shared memory twice, before the step and after it. That is enough: a block has all of h only after every block, itself
included, has read the h before it, and after its reducers have read the sums. So the sums need no second place.
"""

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cuda.lanes import WARP
from numba_rnn.kernels.cuda.product import build_product
from numba_rnn.kernels.cuda.ptx import (
    address,
    advance,
    barrier_expect,
    barrier_init,
    barrier_reached,
    bits_of,
    cluster_arrive,
    cluster_rank,
    cluster_size,
    cluster_wait,
    fence_barriers,
    float_of,
    load4_shared,
    load_byte,
    load_float32,
    map_shared,
    once32,
    once64,
    shared_address,
    store4_remote,
    store_float32,
)
from numba_rnn.kernels.cuda.scan import MASKED, output_at, time_of
from numba_rnn.kernels.cuda.scan_grid import MOST_WAITS
from numba_rnn.kernels.cuda.tiles import COLUMNS, SLICES, TERMS, UNITS, WORDS, groups_of, pairs_of
from numba_rnn.kernels.cuda.toolkit import cuda, float32, int32, uint32, uint64

__all__ = ["build_scan_cluster"]


def build_scan_cluster(real, G, first, S, E, H, blocks, precision, update, gate, act, rec):
    """The kernel of a cell with H units; grid (blocks * ceil(B / 8), N), 64 * groups threads. See `scan`; no `work`.

    Args:
        real, G, first, S, E: as `build_scan` has them; float32, one phase.
        H: units.
        blocks: of a cluster, 4 or 8.
        precision: a key of `tiles.WORDS`.
        update, gate, act, rec: as `build_scan` has them.
    """
    assert first == G  # a cell with two phases would exchange h twice a step
    zero = float32(0)
    parameters = max(1, E)
    groups, pairs, words = groups_of(H, blocks), pairs_of(G), WORDS[precision]
    padded, gates, warps = UNITS * blocks * groups, 2 * pairs, SLICES * groups  # shapes are to be plain numbers
    spans = padded // (TERMS * SLICES)
    pitch = padded + 16  # words of a sequence's h: so that two sequences, read at once, share no bank
    size = 4 * COLUMNS * padded  # bytes of h
    threads = 32 * warps
    peers = blocks // 4  # that a lane stores to
    load_weights, encode, multiply = build_product(precision, G, H, 1, spans)

    def scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags):
        cluster_size(blocks)
        cell = cuda.blockIdx.y
        row0 = cuda.blockIdx.x // blocks * COLUMNS
        thread = cuda.threadIdx.x
        warp, lane = thread // 32, thread % 32
        group, part = warp % groups, warp // groups
        B, n = xw.shape[1], xw.shape[2]
        backwards = (flags & BACKWARDS != 0) != (cell == 1)
        unit0 = cluster_rank() * uint32(UNITS * groups)

        h = cuda.shared.array((2, COLUMNS, pitch), float32, alignment=16)
        exchange = cuda.shared.array((SLICES, warps, 32, gates), float32, alignment=16)
        arrived = cuda.shared.array(2, uint64)
        w = cuda.local.array((spans, pairs, words), uint32)
        mine = cuda.local.array((spans, 4), uint32)
        sums = cuda.local.array((pairs, 4), float32)
        ahead = cuda.local.array(G, float32)
        xv = cuda.local.array(G, float32)
        rv = cuda.local.array(G, float32)
        sv = cuda.local.array(S, float32)
        pv = cuda.local.array(parameters, float32)
        input_bias = cuda.local.array(G, float32)
        bias = cuda.local.array(G, float32)

        if thread == 0:
            for turn in range(2):
                barrier_init(shared_address(arrived, turn), 1)
            fence_barriers()
            for turn in range(2):
                barrier_expect(shared_address(arrived, turn), size)
        for e in range(thread, COLUMNS * padded, threads):
            r, k = e // padded, e % padded
            h[0, r, k] = float_of(encode(states[cell, 0, row0 + r, k] if row0 + r < B and k < H else zero))

        # As a multiplier, a lane holds weights of a unit, and of the terms that `product` says.
        k0 = part * (TERMS * spans) + lane % 4 * 4
        load_weights(w, recurrent, cell, unit0 + UNITS * group + lane // 4, k0)
        # As a reducer, a thread is a unit of one sequence: two warps a group, one of the even sequences.
        # Beyond the last unit and the last sequence it does as those do, but writes nothing.
        u, r = unit0 + UNITS * (warp // 2) + lane // 4, lane % 4 * 2 + warp % 2
        uc, row = min(u, H - 1), min(row0 + r, B - 1)
        writes = u < H and row0 + r < B
        for g in range(G):
            input_bias[g] = biases[cell, 0, g * H + uc]
            bias[g] = biases[cell, 1, g * H + uc]
        for e in range(E):
            pv[e] = extra[cell, e, uc]
        for s in range(S):
            sv[s] = states[cell, s, row, uc]
        out = zero
        if start > 0:
            out = y[row, output_at(start - 1, T, cell, flags), cell * H + uc]
        # Where the first step's input, mask and output stand, and how many bytes a step is from the one before. Without a mask
        # every step counts, as the only byte of `mask` says.
        masked = flags & MASKED != 0
        x_at = once64(address(xw, (cell, row, n - 1 if backwards else 0, uc)))
        x_stride = once32(int32(-4 * G * H if backwards else 4 * G * H))
        mask_at = once64(address(mask, (row if masked else 0, time_of(start, T, backwards) if masked else 0)))
        mask_stride = once32(int32((-1 if backwards else 1) if masked else 0))
        y_at = once64(address(y, (row, output_at(start, T, cell, flags), cell * H + uc)))
        y_stride = once32(int32((-4 if cell == 1 else 4) * y.shape[2] if flags & SEQUENCES else 0))
        for g in range(G):
            ahead[g] = load_float32(x_at + uint64(4 * H * g))
        counts = load_byte(mask_at)
        # A lane stores four units, which it gets from the lanes that have them, to a quarter of the blocks.
        source = lane % 4 + lane // 16 * 16
        place = unit0 + UNITS * (warp // 2) + lane // 16 * 4
        peer0 = lane // 4 % 4 * peers
        cluster_arrive()
        cluster_wait()

        patience = MOST_WAITS
        for i in range(n):
            now = i & 1
            if i > 0:
                waits = 0
                while barrier_reached(shared_address(arrived, now), (i - 1) // 2 % 2) == 0 and waits <= patience:
                    waits += 1
                if waits > patience:
                    patience = 0
                    if error[0] == 0:
                        error[0] = start + i + 1
                if thread == 0 and i + 2 < n:
                    barrier_expect(shared_address(arrived, now), size)  # of the step after the next
            for j in range(spans):
                q = load4_shared(shared_address(h, (now, lane // 4, k0 + TERMS * j)))
                for e in range(4):
                    mine[j, e] = bits_of(q[e])
            for tile in range(pairs):
                for e in range(4):
                    sums[tile, e] = zero
            multiply(w, mine, sums)
            for odd in range(2):
                for g in range(gates):
                    exchange[part, 2 * group + odd, lane, g] = sums[g // 2, g % 2 * 2 + odd]
            cuda.syncthreads()

            for g in range(G):
                total = bias[g]
                for v in range(SLICES):
                    total += exchange[v, warp, lane, g]
                rv[g] = total
                xv[g] = ahead[g] + input_bias[g]
            new = update(act, rec, xv, rv, sv, pv)
            out = new[0] if counts else (zero if flags & ZERO_MASKED else out)
            for s in range(S):
                sv[s] = new[s] if counts else sv[s]
            if i + 1 < n:
                cuda.syncwarp()  # the sums have been read by all four lanes before any of them tells a block so
                word = float_of(encode(sv[0] if u < H else zero))
                q0 = cuda.shfl_sync(WARP, word, source)
                q1 = cuda.shfl_sync(WARP, word, source + 4)
                q2 = cuda.shfl_sync(WARP, word, source + 8)
                q3 = cuda.shfl_sync(WARP, word, source + 12)
                where, barrier = shared_address(h, (1 - now, r, place)), shared_address(arrived, 1 - now)
                for peer in range(peers):
                    rank = peer0 + peer
                    store4_remote(map_shared(where, rank), map_shared(barrier, rank), q0, q1, q2, q3)
            if writes:
                store_float32(advance(int32(i), y_stride, y_at), out)
            later = int32(min(i + 1, n - 1))  # no branch around the loads: it would double all that follows
            for g in range(G):
                ahead[g] = load_float32(advance(later, x_stride, x_at) + uint64(4 * H * g))
            counts = load_byte(advance(later, mask_stride, mask_at))

        if writes:
            for s in range(S):
                states[cell, s, row, u] = sv[s]
        cluster_arrive()  # a block that ends takes its shared memory along
        cluster_wait()

    return scan
