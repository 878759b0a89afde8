"""The kernel for small cells: a block runs a few sequences whole, the recurrent weights in its registers. It names no cell.

One, two or four lanes serve a unit: each multiplies its part of h by the weights that it holds, and shuffles add the parts up. Of
several sequences each is then one lane's, so that all lanes have gates to compute. h lies in shared memory twice, before the step
and after it, so that one barrier a step is enough; a cell with two phases needs one more, and what it multiplies a third place.

What a step takes is its latency, so all that does not depend on h is off the way: input and mask are loaded steps ahead, the
biases come in where they cost nothing or before h does.
"""

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cuda.access import ACCESS
from numba_rnn.kernels.cuda.cuts import lane_width, slice_pitch
from numba_rnn.kernels.cuda.lanes import build_add_up
from numba_rnn.kernels.cuda.ptx import address, advance, load_byte, once32, once64, shared_address
from numba_rnn.kernels.cuda.scan import MASKED, output_at, time_of
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, int32, uint32, uint64

__all__ = ["build_scan_block"]

AHEAD = 4  # steps from one use of a register to the next; the input is loaded one step less ahead


def build_scan_block(real, G, first, S, E, H, rows, lanes, update, gate, act, rec):
    """The kernel of a cell with H units; grid (ceil(B / rows), N), threads lanes * H in whole warps. See `scan`; no `work`.

    `rows` and `lanes` are powers of two, rows <= lanes <= 4.
    """
    zero = real(0)
    item, load, store, load_vector, store_shared = ACCESS[real]
    vector = 16 // item
    parameters = max(1, E)  # an array cannot be empty
    width = lane_width(H, lanes, item)
    pitch = slice_pitch(width)
    two_phases = first < G
    copies = 3 if two_phases else 2
    copy = rows * lanes * pitch * item  # bytes
    add_up = build_add_up(lanes, rows)

    @device_function
    def multiply_row(acc, j, begin, end, w, h_at, offset):
        """Add to the gates' sums of the sequence that h_at[j] is what this lane's part of h gives."""
        for k in range(0, width, vector):
            q = load_vector(h_at[j] + uint32(offset + k * item))
            for v in range(vector):
                for g in range(begin, end):
                    acc[j, g] = cuda.fma(w[k + v, g], q[v], acc[j, g])

    @device_function
    def multiply(acc, begin, end, w, h_at, offset):
        """The gates' sums, of `mine` in row 0. Not a loop over the rows: the compiler would not unroll so large a one."""
        multiply_row(acc, 0, begin, end, w, h_at, offset)
        if rows > 1:
            multiply_row(acc, 1, begin, end, w, h_at, offset)
        if rows > 2:
            multiply_row(acc, 2, begin, end, w, h_at, offset)
            multiply_row(acc, 3, begin, end, w, h_at, offset)
        add_up(acc, begin, end)

    @device_function
    def step(p, i, out, call, own):
        """Step i of a call, the p-th of AHEAD: a function because only known p and parity let arrays be registers."""
        flags, last, at, stride, speaks, writes = call
        w, bias, input_bias, pv, h_at, new_at, sv, ahead, counts = own
        acc = cuda.local.array((rows, G), real)
        xv = cuda.local.array(G, real)
        rv = cuda.local.array(G, real)
        old, new = p % 2 * copy, (p + 1) % 2 * copy

        # The registers of the step before are free.
        before = (p + AHEAD - 1) % AHEAD
        later = min(int32(i + (AHEAD - 1)), last)
        for g in range(G):
            ahead[before, g] = load(advance(later, stride[0], at[0]) + uint64(g * H * item))
        counts[before] = load_byte(advance(later, stride[1], at[1]))
        for g in range(G):
            xv[g] = ahead[p, g] + input_bias[g]
            for j in range(rows):
                acc[j, g] = bias[g]

        multiply(acc, 0, first, w, h_at, old)
        for g in range(first):
            rv[g] = acc[0, g]
        if two_phases:
            if speaks:
                store_shared(new_at + uint32(2 * copy), gate(act, rec, xv, rv, sv, pv))
            cuda.syncthreads()
            multiply(acc, first, G, w, h_at, 2 * copy)
            for g in range(first, G):
                rv[g] = acc[0, g]
        fresh = update(act, rec, xv, rv, sv, pv)
        counted = counts[p] != 0  # chosen, not branched: the other lanes' sequences may count
        for s in range(S):
            sv[s] = fresh[s] if counted else sv[s]
        if speaks:
            store_shared(new_at + uint32(new), sv[0])
        out = fresh[0] if counted else (zero if flags & ZERO_MASKED else out)
        if writes:
            store(advance(i, stride[2], at[2]), out)
        cuda.syncthreads()
        return out

    def scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags):
        cell = cuda.blockIdx.y
        lane = cuda.threadIdx.x % lanes
        unit = cuda.threadIdx.x // lanes
        u = min(unit, H - 1)  # threads beyond the last unit do as it does, and tell nobody
        mine = lane % rows  # the sequence whose gates this lane computes; beyond the last one, that one
        row = min(cuda.blockIdx.x * rows + mine, xw.shape[1] - 1)
        speaks = lane < rows and unit < H
        writes = speaks and cuda.blockIdx.x * rows + mine < xw.shape[1]
        n = xw.shape[2]
        last = int32(n - 1)
        backwards = (flags & BACKWARDS != 0) != (cell == 1)

        h = cuda.shared.array((copies, rows, lanes, pitch), real, alignment=16)
        w = cuda.local.array((width, G), real)
        bias = cuda.local.array(G, real)
        input_bias = cuda.local.array(G, real)
        pv = cuda.local.array(parameters, real)
        h_at = cuda.local.array(rows, uint32)
        sv = cuda.local.array(S, real)
        ahead = cuda.local.array((AHEAD, G), real)
        counts = cuda.local.array(AHEAD, uint32)

        w_at = once64(address(recurrent, (cell, 0, u)))
        for k in range(width):
            row_at = advance(min(lane * width + k, H - 1), G * H * item, w_at)
            for g in range(G):
                w[k, g] = cuda.selp(lane * width + k < H, load(row_at + uint64(g * H * item)), zero)
        for g in range(G):
            input_bias[g] = biases[cell, 0, g * H + u]
            bias[g] = biases[cell, 1, g * H + u] if lane == 0 else zero  # one of the lanes begins its sum with it
        for e in range(E):
            pv[e] = extra[cell, e, u]
        for s in range(S):
            sv[s] = states[cell, s, row, u]
        out = zero
        if start > 0:
            out = y[row, output_at(start - 1, T, cell, flags), cell * H + u]
        for j in range(rows):
            h_at[j] = shared_address(h, (0, j ^ mine, lane, 0))
        new_at = shared_address(h, (0, mine, u // width, u % width))
        for k in range(cuda.threadIdx.x, copies * rows * lanes * pitch, cuda.blockDim.x):
            store_shared(shared_address(h, (0, 0, 0, 0)) + uint32(k * item), zero)
        cuda.syncthreads()
        if speaks:
            store_shared(new_at, sv[0])

        # Where the first step's input, mask and output stand, and how many bytes it is from one step to the next. Without a mask
        # every step finds the one byte that stands in its place.
        masked = flags & MASKED != 0
        at = (
            once64(address(xw, (cell, row, last if backwards else 0, u))),
            once64(address(mask, (row if masked else 0, time_of(start, T, backwards) if masked else 0))),
            once64(address(y, (row, output_at(start, T, cell, flags), cell * H + u))),
        )
        stride = (
            once32((-G if backwards else G) * H * item),
            once32((-1 if backwards else 1) if masked else 0),
            once32((-y.shape[2] if cell == 1 else y.shape[2]) * item if flags & SEQUENCES else 0),
        )
        call = flags, last, at, stride, speaks, writes
        own = w, bias, input_bias, pv, h_at, new_at, sv, ahead, counts
        for p in range(AHEAD - 1):
            later = min(int32(p), last)
            for g in range(G):
                ahead[p, g] = load(advance(later, stride[0], at[0]) + uint64(g * H * item))
            counts[p] = load_byte(advance(later, stride[1], at[1]))
        cuda.syncthreads()

        for i in range(0, n, AHEAD):
            out = step(0, int32(i), out, call, own)
            if i + 1 < n:
                out = step(1, int32(i + 1), out, call, own)
            if i + 2 < n:
                out = step(2, int32(i + 2), out, call, own)
            if i + 3 < n:
                out = step(3, int32(i + 3), out, call, own)

        if writes:
            for s in range(S):
                states[cell, s, row, u] = sv[s]

    return scan
