"""The kernel for many sequences or many units: a library multiplies, and this computes one step's gates. It names no cell."""

from numba_rnn.kernels.backend import BACKWARDS, ZERO_MASKED
from numba_rnn.kernels.cuda.scan import MASKED, output_at, time_of
from numba_rnn.kernels.cuda.toolkit import cuda

__all__ = ["build_scan_step"]


def build_scan_step(real, G, first, S, E, phase, update, gate, act, rec):
    """One step of all cells; grid (B * ceil(H / threads), N): a thread is a unit of one sequence.

    The arrays are those of `scan`, but for work (N, B, (G + 1) * H): h U without the bias, then what replaces h for the gates after
    `first`, which a cell without two phases has no need of. `states` are replaced in place; `i` is the step's place in xw.

    Args:
        real, G, first, S, E: as `build_scan` has them.
        phase: 0 for what replaces h, 1 for the step itself.
        update, gate, act, rec: as `build_scan` has them.
    """
    zero = real(0)
    parameters = max(1, E)  # an array cannot be empty
    begun = G if phase else first  # gates whose products are there

    def scan(xw, mask, biases, extra, states, y, work, i, start, T, flags):
        cell = cuda.blockIdx.y
        n, H = xw.shape[2], states.shape[3]
        tiles = -(-H // cuda.blockDim.x)  # blocks of a sequence
        row, u = cuda.blockIdx.x // tiles, cuda.blockIdx.x % tiles * cuda.blockDim.x + cuda.threadIdx.x
        backwards = (flags & BACKWARDS != 0) != (cell == 1)
        at, t = n - 1 - i if backwards else i, time_of(start + i, T, backwards)
        place = output_at(start + i, T, cell, flags)
        xv = cuda.local.array(G, real)
        rv = cuda.local.array(G, real)
        sv = cuda.local.array(S, real)
        pv = cuda.local.array(parameters, real)
        if u < H:
            for g in range(begun):
                xv[g] = xw[cell, row, at, g * H + u] + biases[cell, 0, g * H + u]
                rv[g] = work[cell, row, g * H + u] + biases[cell, 1, g * H + u]
            for e in range(E):
                pv[e] = extra[cell, e, u]
            for s in range(S):
                sv[s] = states[cell, s, row, u]
            if phase == 0:
                work[cell, row, G * H + u] = gate(act, rec, xv, rv, sv, pv)
            elif flags & MASKED == 0 or mask[row, t]:
                new = update(act, rec, xv, rv, sv, pv)
                for s in range(S):
                    states[cell, s, row, u] = new[s]
                y[row, place, cell * H + u] = new[0]
            else:
                out = zero
                if start + i > 0 and flags & ZERO_MASKED == 0:
                    out = y[row, output_at(start + i - 1, T, cell, flags), cell * H + u]
                y[row, place, cell * H + u] = out

    return scan
