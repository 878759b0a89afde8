"""Products of whole sequences with a matrix, where cuBLAS is not installed, and what follows a product."""

from numba_rnn.kernels.cuda.toolkit import cuda

__all__ = ["build_finish", "build_multiply"]


def build_multiply(real):
    """z = x w: x (B, T, D), w (D, M), z (B, T, M); grid (any, any), a thread every so manieth column of every so manieth row."""
    zero = real(0)

    def multiply(x, w, z):
        B, T, D = x.shape
        M = w.shape[1]
        for row in range(cuda.blockIdx.y, B * T, cuda.gridDim.y):
            b, t = row // T, row % T
            for j in range(cuda.grid(1), M, cuda.gridsize(1)):
                total = zero
                for k in range(D):
                    total = cuda.fma(x[b, t, k], w[k, j], total)
                z[b, t, j] = total

    return multiply


def build_finish(act):
    """z = act(z + bias), in place: z (B, M), bias (M,); grid (any, any)."""

    def finish(z, bias):
        B, M = z.shape
        for row in range(cuda.blockIdx.y, B, cuda.gridDim.y):
            for j in range(cuda.grid(1), M, cuda.gridsize(1)):
                z[row, j] = act(z[row, j] + bias[j])

    return finish
