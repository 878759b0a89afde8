"""The general kernel: any cell, any size; a block takes a few sequences and runs them whole. It names no cell.

All scan kernels are called alike (`machine.Prepared`), with arrays in Keras' own layout, so that nothing is packed:

    scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags)

        xw          (N, B, n, G*H)  x W of the steps to run, without the bias, in the order of time
        mask        (B, T)          where a step counts, if flags say MASKED
        recurrent   (N, H, G*H)     the recurrent kernels U of the N cells, one or two; the second runs the other way
        biases      (N, 2, G*H)     of the input, and of the recurrence
        extra       (N, E, H)       the further parameters of a unit; E at least 1
        states      (N, S, B, H)    before the first step, and at the end after the last
        y           (B, T or 1, N*H)  written; the second cell's steps in the first's order
        work        what blocks or threads exchange, as the kernel says
        error       (1,)            1 + the step at which a block has waited for another in vain
        start       how many steps were run before, in processing order; n follow
        flags       BACKWARDS, SEQUENCES, ZERO_MASKED, MASKED; what `Launch.parts` says

So a long sequence can run as several calls, which is why `y` is read too: a masked step repeats the output before it. And a call
of two cells, or of many sequences, can: the arrays are the whole call's then, `work` is the part's.
"""

from numba_rnn.kernels.backend import BACKWARDS, SEQUENCES, ZERO_MASKED
from numba_rnn.kernels.cuda.access import ACCESS
from numba_rnn.kernels.cuda.launch import CELL, ROW
from numba_rnn.kernels.cuda.ptx import address
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, uint64

__all__ = ["MASKED", "build_scan", "cell_of", "output_at", "row_of", "time_of"]

MASKED = 8  # of `flags`, beside those of `ScanOptions`: an empty array is nothing to launch a kernel with


@device_function
def cell_of(flags):
    """The first cell of a launch."""
    return flags >> CELL & 1


@device_function
def row_of(flags):
    """The first sequence of a launch."""
    return flags >> ROW


@device_function
def time_of(step, T, backwards):
    """The time of a step in processing order."""
    return T - 1 - step if backwards else step


@device_function
def output_at(step, T, cell, flags):
    """Where a step's output stands in y: the second cell's steps come in the first's order."""
    if flags & SEQUENCES == 0:
        return 0
    return T - 1 - step if cell == 1 else step


def build_scan(real, G, first, S, E, rows, update, gate, act, rec):
    """The kernel of a cell; grid (ceil(B / rows), N), any number of threads: each takes every so manieth unit.

    work (3, N, B, H): h before and after a step, in turns, and what replaces it for the gates after `first`.

    Args:
        real: the compiler's name of the dtype.
        G, first, S, E: gates, those that h itself is multiplied for, states, extra parameters.
        rows: sequences of a block.
        update, gate, act, rec: device functions, the cell's and its activations.
    """
    zero = real(0)
    item, load, read, _, _, _ = ACCESS[real]
    parameters = max(1, E)  # an array cannot be empty

    @device_function
    def multiply(acc, begin, end, w_at, h_at, H):
        """Add h U to the sums of gates, h_at[r] being where the r-th h begins and w_at where a unit's column of U does.

        Four rows of U at once, so that many loads are under way before one of them is waited for.
        """
        column = uint64(H * item)  # bytes from one gate's column to the next
        w_at = w_at + uint64(begin) * column
        done = uint64(0)
        for _ in range(H // 4):
            for j in range(4):
                multiply_row(acc, begin, end, w_at, h_at, done + uint64(j * item), column)
                w_at = w_at + uint64(G) * column
            done = done + uint64(4 * item)
        for _ in range(H % 4):
            multiply_row(acc, begin, end, w_at, h_at, done, column)
            w_at, done = w_at + uint64(G) * column, done + uint64(item)

    @device_function
    def multiply_row(acc, begin, end, w_at, h_at, done, column):
        """Add what one number of each h gives."""
        for r in range(rows):
            hv = read(h_at[r] + done)
            at = w_at
            for g in range(begin, end):
                acc[r, g] = cuda.fma(load(at), hv, acc[r, g])
                at = at + column

    def scan(xw, mask, recurrent, biases, extra, states, y, work, error, start, T, flags):
        cell = cuda.blockIdx.y
        row0 = cuda.blockIdx.x * rows
        thread, threads = cuda.threadIdx.x, cuda.blockDim.x
        B, n, H = xw.shape[1], xw.shape[2], states.shape[3]
        backwards = (flags & BACKWARDS != 0) != (cell == 1)
        acc = cuda.local.array((rows, G), real)
        xv = cuda.local.array(G, real)
        rv = cuda.local.array(G, real)
        sv = cuda.local.array(S, real)
        pv = cuda.local.array(parameters, real)
        h_at = cuda.local.array(rows, uint64)
        gated_at = cuda.local.array(rows, uint64)
        for r in range(rows):
            gated_at[r] = address(work, (2, cell, min(row0 + r, B - 1), 0))
        for u in range(thread, H, threads):
            for r in range(rows):
                if row0 + r < B:
                    work[0, cell, row0 + r, u] = states[cell, 0, row0 + r, u]
        cuda.syncthreads()

        for i in range(n):
            now = i & 1
            t = time_of(start + i, T, backwards)
            at = n - 1 - i if backwards else i
            for r in range(rows):
                h_at[r] = address(work, (now, cell, min(row0 + r, B - 1), 0))
            if first < G:
                for u in range(thread, H, threads):
                    for r in range(rows):
                        for g in range(first):
                            acc[r, g] = biases[cell, 1, g * H + u]
                    multiply(acc, 0, first, address(recurrent, (cell, 0, u)), h_at, H)
                    for e in range(E):
                        pv[e] = extra[cell, e, u]
                    for r in range(rows):
                        row = row0 + r
                        if row < B:
                            for g in range(first):
                                xv[g] = xw[cell, row, at, g * H + u] + biases[cell, 0, g * H + u]
                                rv[g] = acc[r, g]
                            sv[0] = work[now, cell, row, u]
                            for s in range(1, S):
                                sv[s] = states[cell, s, row, u]
                            work[2, cell, row, u] = gate(act, rec, xv, rv, sv, pv)
                cuda.syncthreads()

            for u in range(thread, H, threads):
                for r in range(rows):
                    for g in range(G):
                        acc[r, g] = biases[cell, 1, g * H + u]
                multiply(acc, 0, first, address(recurrent, (cell, 0, u)), h_at, H)
                multiply(acc, first, G, address(recurrent, (cell, 0, u)), gated_at, H)
                for e in range(E):
                    pv[e] = extra[cell, e, u]
                for r in range(rows):
                    row = row0 + r
                    if row < B:
                        for g in range(G):
                            xv[g] = xw[cell, row, at, g * H + u] + biases[cell, 0, g * H + u]
                            rv[g] = acc[r, g]
                        sv[0] = work[now, cell, row, u]
                        for s in range(1, S):
                            sv[s] = states[cell, s, row, u]
                        place = output_at(start + i, T, cell, flags)
                        if flags & MASKED == 0 or mask[row, t]:
                            new = update(act, rec, xv, rv, sv, pv)
                            work[1 - now, cell, row, u] = new[0]
                            for s in range(1, S):
                                states[cell, s, row, u] = new[s]
                            y[row, place, cell * H + u] = new[0]
                        else:
                            work[1 - now, cell, row, u] = sv[0]
                            out = zero
                            if start + i > 0 and flags & ZERO_MASKED == 0:
                                out = y[row, output_at(start + i - 1, T, cell, flags), cell * H + u]
                            y[row, place, cell * H + u] = out
            cuda.syncthreads()

        for u in range(thread, H, threads):
            for r in range(rows):
                if row0 + r < B:
                    states[cell, 0, row0 + r, u] = work[n & 1, cell, row0 + r, u]

    return scan
