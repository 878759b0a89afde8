"""The recurrent product on tensor cores: a warp holds a part of U in its registers, and multiplies 8 sequences' h by it.

A tile is one operand of a tensor core instruction, 16 rows by 16 of the sum's terms. Its rows are two gates of 8 units, so lane
4 g + q ends with the sums of unit g, for sequences 2 q and 2 q + 1. Any order of the terms is as good as another: the one taken here
makes what a lane needs of h four neighbours, sequence g's terms 4 q to 4 q + 3 of every 16.

A precision is how often the tensor cores run: "tf32" and "bf16" once, on numbers rounded to 11 and to 8 bits; "bf16x3" on the first 8
bits and on the next 8 of each number, without the product of the two remainders: about float32.
"""

from numba_rnn.kernels.cuda.ptx import address, advance, float_of, load_float32, mma_bf16, mma_tf32, pack_bf16, to_tf32
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, float32, int32, uint32

__all__ = ["COLUMNS", "TERMS", "UNITS", "WORDS", "build_product", "pairs_of"]

COLUMNS = 8  # that a tensor core instruction multiplies
UNITS = 8  # whose gates, two of them, are the rows of a tile
TERMS = 16  # of the sum, of a tile
WORDS = {"tf32": 8, "bf16": 4, "bf16x3": 8}  # registers that a tile takes of each lane


def pairs_of(G):
    """Tiles of 8 units with G gates."""
    return -(-G // 2)


def in_turn(functions):
    """A device function that calls these: an array that a loop goes over is in registers only if the compiler unrolls the loop."""
    if len(functions) == 1:
        return functions[0]
    half = len(functions) // 2
    before, after = in_turn(functions[:half]), in_turn(functions[half:])

    @device_function
    def both(*arguments):
        before(*arguments)
        after(*arguments)

    return both


def build_product(precision, G, H, groups, spans):
    """Device functions for one warp of a cell with H units.

    Args:
        precision: a key of `WORDS`.
        G: gates.
        groups: of 8 units, which the warp serves.
        spans: of 16 terms, over which it sums.

    Returns:
        `load(w, recurrent, cell, unit, term)` fills w (spans, tiles, words), where `tiles` are `groups` times the pairs of gates,
        with the lane's weights: of units `unit`, 8 further, ..., and of terms `term` to `term + 3`, 16 further, ...; zero beyond H.
        `encode(number)` is a unit's h as `multiply` wants it, 32 bits: rounded, or taken apart, once for all who multiply it.
        `multiply(w, j, h0, h1, h2, h3, sums)` adds the products of span j with h to sums (tiles, 4): the first gate of unit g for the
        lane's two sequences, then the second gate.
    """
    zero = float32(0)
    pairs, words = pairs_of(G), WORDS[precision]
    tiles = groups * pairs
    twice = precision == "bf16x3"
    mma = mma_tf32 if precision == "tf32" else mma_bf16

    row = 4 * G * H  # bytes

    @device_function
    def column(recurrent, cell, gate, u):
        return address(recurrent, (cell, 0, min(gate, G - 1) * H + min(u, H - 1)))

    @device_function
    def weight(at, k, gate, u):
        value = load_float32(advance(int32(min(k, H - 1)), int32(row), at))  # a branch instead of `min` would wait for every load
        return value if k < H and u < H and gate < G else zero

    @device_function
    def clear(w, j):
        for tile in range(tiles):
            for i in range(words):
                w[j, tile, i] = uint32(0)

    @device_function
    def add(w, j, tile, part, b0, b1, sums):
        a = 4 * part
        d = mma(
            w[j, tile, a], w[j, tile, a + 1], w[j, tile, a + 2], w[j, tile, a + 3], b0, b1,
            sums[tile, 0], sums[tile, 1], sums[tile, 2], sums[tile, 3],
        )  # fmt: skip
        for i in range(4):
            sums[tile, i] = d[i]

    if precision == "tf32":

        def load_span(j):
            @device_function
            def load(w, recurrent, cell, unit, term):
                k = term + TERMS * j
                if k >= H:
                    clear(w, j)
                else:
                    for tile in range(tiles):
                        for half in range(2):
                            gate, u = tile % pairs * 2 + half, unit + UNITS * (tile // pairs)
                            at = column(recurrent, cell, gate, u)
                            for i in range(4):
                                w[j, tile, 2 * i + half] = to_tf32(weight(at, k + i, gate, u))

            return load

        @device_function
        def multiply(w, h, sums):
            for j in range(spans):
                for half in range(2):
                    for tile in range(tiles):
                        add(w, j, tile, half, h[j, 2 * half], h[j, 2 * half + 1], sums)

        return in_turn([load_span(j) for j in range(spans)]), to_tf32, multiply

    @device_function
    def rest(number):
        return number - float_of(pack_bf16(number, zero))

    @device_function
    def encode(number):
        return pack_bf16(number, rest(number) if twice else zero)

    def load_span(j):
        @device_function
        def load(w, recurrent, cell, unit, term):
            k = term + TERMS * j
            if k >= H:
                clear(w, j)
            else:
                for tile in range(tiles):
                    for half in range(2):
                        gate, u = tile % pairs * 2 + half, unit + UNITS * (tile // pairs)
                        at = column(recurrent, cell, gate, u)
                        for i in range(0, 4, 2):
                            low, high = weight(at, k + i, gate, u), weight(at, k + i + 1, gate, u)
                            w[j, tile, i + half] = pack_bf16(high, low)
                            if twice:
                                w[j, tile, 4 + i + half] = pack_bf16(rest(high), rest(low))

        return load

    @device_function
    def first_of(high, low):
        return (high & uint32(0xFFFF0000)) | (low >> uint32(16))

    @device_function
    def second_of(high, low):
        return (high << uint32(16)) | (low & uint32(0xFFFF))

    def products(of, part):
        @device_function
        def multiply(w, h, sums):
            for j in range(spans):
                b0, b1 = of(h[j, 1], h[j, 0]), of(h[j, 3], h[j, 2])
                for tile in range(tiles):
                    add(w, j, tile, part, b0, b1, sums)

        return multiply

    small = [products(second_of, 0), products(first_of, 1)] if twice else []
    return in_turn([load_span(j) for j in range(spans)]), encode, in_turn([*small, products(first_of, 0)])
