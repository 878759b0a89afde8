"""Adding up what neighbouring lanes of a warp have found, each for a part of the whole."""

from numba_rnn.kernels.cuda.toolkit import cuda, device_function

__all__ = ["WARP", "build_add_up"]

WARP = 0xFFFFFFFF  # all its lanes


def build_add_up(lanes, ways):
    """A device function that adds up `values[:, begin:end]` over so many neighbouring lanes, a power of two.

    `values` has `ways` rows, a power of two and at most `lanes`, which stand for as many things; lane l keeps thing j ^ (l % ways)
    in row j. Then at every exchange a lane sends one half of its rows away and adds to the other, the same rows in every lane, and
    ends with the whole sum of thing l % ways in row 0: 3 shuffles for 4 things and 4 lanes; all sums in all lanes would take 8.
    The order in which a thing's parts are added does not depend on `ways`.
    """
    levels = lanes.bit_length() - 1
    scattering = ways.bit_length() - 1

    @device_function
    def add_up(values, begin, end):
        for level in range(scattering):
            distance = 1 << level
            for j in range(0, ways, 2 * distance):
                for m in range(begin, end):
                    values[j, m] += cuda.shfl_xor_sync(WARP, values[j + distance, m], distance)
        for level in range(scattering, levels):
            for m in range(begin, end):
                values[0, m] += cuda.shfl_xor_sync(WARP, values[0, m], 1 << level)

    return add_up
