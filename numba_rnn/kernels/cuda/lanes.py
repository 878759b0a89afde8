"""Adding up what neighbouring lanes of a warp have found, each for a part of the whole."""

from numba_rnn.kernels.cuda.toolkit import cuda, device_function

__all__ = ["WARP", "build_add_up"]

WARP = 0xFFFFFFFF  # all its lanes


def build_add_up(lanes, ways):
    """A device function that adds up `values[:, begin:end]` over so many neighbouring lanes, a power of two.

    A lane's values are of `ways` things, a power of two and no more than `lanes`, and lane l has thing j ^ (l % ways) in values[j].
    Then a lane sends away one half of its values and keeps the other at every exchange, the same ones in every lane, and ends with
    the whole sum of thing l % ways in values[0]: 3 shuffles for 4 values of 4 lanes, where all sums in all lanes would take 8.
    """
    scattering = ways.bit_length() - 1
    levels = lanes.bit_length() - 1

    @device_function
    def add_up(values, begin, end):
        for level in range(scattering):
            distance = 1 << (scattering - 1 - level)
            for j in range(distance):
                for m in range(begin, end):
                    values[j, m] += cuda.shfl_xor_sync(WARP, values[j + distance, m], distance)
        for level in range(scattering, levels):
            for m in range(begin, end):
                values[0, m] += cuda.shfl_xor_sync(WARP, values[0, m], 1 << level)

    return add_up
