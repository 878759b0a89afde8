"""The kernel for small cells: a block runs a few sequences whole, the recurrent weights in its registers. It names no cell.

One, two or four lanes serve a unit: each multiplies its part of h by the weights that it holds, and shuffles add the parts up. Of
several sequences each then belongs to one of the lanes, so that all of them have gates to compute. h lies in shared memory twice,
before the step and after it, so that one barrier a step is enough; a cell with two phases needs one more.

What a step costs is its latency: the input and the mask are loaded steps ahead, every address is one multiplication away.
"""

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cuda.lanes import build_add_up
from numba_rnn.kernels.cuda.ptx import LOAD, LOAD_VECTOR_SHARED, STORE, STORE_SHARED, address, advance, load_byte, once32, once64, shared_address
from numba_rnn.kernels.cuda.scan import MASKED, output_at, time_of
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, int32, uint32, uint64

__all__ = ["AHEAD", "build_scan_block", "slice_pitch"]

AHEAD = 4  # steps that the projected input is loaded ahead: even


def slice_pitch(width):
    """Numbers from one lane's part of h to the next: whole vectors of four, an odd number, so that no two parts share a bank."""
    vectors = -(-width // 4)
    return 4 * (vectors + 1 - vectors % 2)


def build_scan_block(real, G, first, S, E, H, rows, lanes, update, gate, act, rec):
    """The kernel of a cell with H units; grid (ceil(B / rows), N), threads lanes * H in whole warps. See `scan`; no `work`.

    `rows` and `lanes` are powers of two, rows <= lanes <= 4.
    """
    zero = real(0)
    item = real.bitwidth // 8
    load, store = LOAD[real], STORE[real]
    parameters = max(1, E)  # an array cannot be empty
    vector = 16 // item
    width = -(-H // (lanes * vector)) * vector  # of a lane's part of h
    pitch = slice_pitch(width)
    turn = rows * lanes * pitch * item  # bytes from the one h to the other
    load_vector, store_shared = LOAD_VECTOR_SHARED[real], STORE_SHARED[real]
    two_phases = first < G
    copies = 3 if two_phases else 2  # of h: before the step, after it, and what the gates after `first` multiply
    add_up = build_add_up(lanes, rows)

    @device_function
    def step(p, i, last, at, stride, flags, speaks, writes, w, bias, input_bias, pv, h_at, new_at, sv, ahead, counts, out):
        """Step i of a call, the p-th of AHEAD: which registers and which h are meant is known when this is compiled."""
        now = p & 1
        acc = cuda.local.array((rows, G), real)
        xv = cuda.local.array(G, real)
        rv = cuda.local.array(G, real)
        before = (p + AHEAD - 1) % AHEAD
        later = min(int32(i + (AHEAD - 1)), last)
        for g in range(G):
            ahead[before, g] = load(advance(later, stride[0], at[0]) + uint64(g * H * item))
        counts[before] = load_byte(advance(later, stride[1], at[1]))
        for g in range(G):
            xv[g] = ahead[p, g] + input_bias[g]
        count = counts[p] != 0
        for r in range(rows):
            for g in range(G):
                acc[r, g] = bias[g] if r == 0 else zero
        for j in range(0, width, vector):
            for r in range(rows):
                q = load_vector(h_at[r] + uint32(now * turn + j * item))
                for v in range(vector):
                    for g in range(first):
                        acc[r, g] = cuda.fma(w[j + v, g], q[v], acc[r, g])
        add_up(acc, 0, first)
        for g in range(first):
            rv[g] = acc[0, g]
        if two_phases:
            if speaks:
                store_shared(new_at + uint32(2 * turn), gate(act, rec, xv, rv, sv, pv))
            cuda.syncthreads()
            for j in range(0, width, vector):
                for r in range(rows):
                    q = load_vector(h_at[r] + uint32(2 * turn + j * item))
                    for v in range(vector):
                        for g in range(first, G):
                            acc[r, g] = cuda.fma(w[j + v, g], q[v], acc[r, g])
            add_up(acc, first, G)
            for g in range(first, G):
                rv[g] = acc[0, g]
        new = update(act, rec, xv, rv, sv, pv)
        for s in range(S):
            sv[s] = new[s] if count else sv[s]
        if speaks:
            store_shared(new_at + uint32((1 - now) * turn), sv[0])
        out = new[0] if count else (zero if flags & ZERO_MASKED else out)
        if writes:
            store(advance(i, stride[2], at[2]), out)
        cuda.syncthreads()
        return out

    def scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags):
        cell = cuda.blockIdx.y
        lane = cuda.threadIdx.x % lanes
        unit = cuda.threadIdx.x // lanes
        u = min(unit, H - 1)  # threads beyond the last unit do as it does, and write nothing
        part, place = u // width, u % width
        B, n, last = xw.shape[1], int32(xw.shape[2]), int32(xw.shape[2] - 1)
        # The sequence whose gates this lane computes; beyond the last one, the last.
        mine = lane % rows
        row = min(cuda.blockIdx.x * rows + mine, B - 1)
        speaks = lane < rows and unit < H
        writes = speaks and cuda.blockIdx.x * rows + mine < B
        backwards = (flags & BACKWARDS != 0) != (cell == 1)

        h = cuda.shared.array((copies, rows, lanes, pitch), real)
        w = cuda.local.array((width, G), real)
        acc = cuda.local.array((rows, G), real)
        h_at = cuda.local.array(rows, uint32)
        ahead = cuda.local.array((AHEAD, G), real)
        counts = cuda.local.array(AHEAD, int32)
        input_bias = cuda.local.array(G, real)
        bias = cuda.local.array(G, real)
        xv = cuda.local.array(G, real)
        rv = cuda.local.array(G, real)
        sv = cuda.local.array(S, real)
        pv = cuda.local.array(parameters, real)

        for j in range(width):
            k = lane * width + j
            for g in range(G):
                w[j, g] = recurrent[cell, min(k, H - 1), g * H + u] if k < H else zero
        for g in range(G):
            input_bias[g] = biases[cell, 0, g * H + u]
            bias[g] = biases[cell, 1, g * H + u] if lane < rows else zero  # once a sum
        for e in range(E):
            pv[e] = extra[cell, e, u]
        for i in range(cuda.threadIdx.x, copies * rows * lanes * pitch, cuda.blockDim.x):
            h[i // (rows * lanes * pitch), i // (lanes * pitch) % rows, i // pitch % lanes, i % pitch] = zero
        for r in range(rows):
            h_at[r] = shared_address(h, (0, r ^ mine, lane, 0))
        new_at = shared_address(h, (0, mine, part, place))
        cuda.syncthreads()
        for s in range(S):
            sv[s] = states[cell, s, row, u]
        if speaks:
            h[0, mine, part, place] = sv[0]
        out = zero
        if start > 0:
            out = y[row, output_at(start - 1, T, cell, flags), cell * H + u]

        # Where the first step's input, mask and output stand, and how many bytes a step is from the one before. Without a mask
        # every step counts as the only byte of `mask` says.
        x_at = address(xw, (cell, row, last if backwards else 0, u))
        x_stride = once32(-G * H * item if backwards else G * H * item)
        masked = flags & MASKED != 0
        mask_at = once64(address(mask, (row if masked else 0, time_of(start, T, backwards) if masked else 0)))
        mask_stride = once32((-1 if backwards else 1) if masked else 0)
        y_at = once64(address(y, (row, output_at(start, T, cell, flags), cell * H + u)))
        y_stride = once32(0 if flags & SEQUENCES == 0 else (-y.shape[2] if cell == 1 else y.shape[2]) * item)
        for p in range(AHEAD - 1):
            later = min(int32(p), last)
            for g in range(G):
                ahead[p, g] = load(advance(later, x_stride, x_at) + uint64(g * H * item))
            counts[p] = load_byte(advance(later, mask_stride, mask_at))
        cuda.syncthreads()

        at, stride = (x_at, mask_at, y_at), (x_stride, mask_stride, y_stride)
        for i in range(0, n, AHEAD):
            out = step(0, int32(i), last, at, stride, flags, speaks, writes, w, bias, input_bias, pv, h_at, new_at, sv, ahead, counts, out)
            if i + 1 < n:
                out = step(1, int32(i + 1), last, at, stride, flags, speaks, writes, w, bias, input_bias, pv, h_at, new_at, sv, ahead, counts, out)
            if i + 2 < n:
                out = step(2, int32(i + 2), last, at, stride, flags, speaks, writes, w, bias, input_bias, pv, h_at, new_at, sv, ahead, counts, out)
            if i + 3 < n:
                out = step(3, int32(i + 3), last, at, stride, flags, speaks, writes, w, bias, input_bias, pv, h_at, new_at, sv, ahead, counts, out)

        if writes:
            for s in range(S):
                states[cell, s, row, u] = sv[s]

    return scan
