"""The recurrent product on tensor cores: a warp holds a part of U in its registers, and multiplies 8 sequences' h by it.

A tile is one operand of a tensor core instruction, 16 rows by 16 of the sum's terms. Its rows are two gates of 8 units, so lane
4 g + q ends with the sums of unit g, for sequences 2 q and 2 q + 1. Any order of the terms is as good as another: the one taken
here makes what a lane needs of h four neighbours, sequence g's terms 4 q to 4 q + 3 of every 16.

A precision is how often the tensor cores run: "tf32" and "bf16" once, on numbers rounded to 11 and to 8 bits; "bf16x3" on the
first 8 bits and on the next 8 of each number, without the product of the two remainders: about float32. (An infinite number has
no remainder: there its product is NaN.)
"""

from numba_rnn.kernels.cuda.ptx import address, advance, float_of, load_float32, mma_bf16, mma_tf32, pack_bf16, to_tf32
from numba_rnn.kernels.cuda.tiles import TERMS, UNITS, WORDS, pairs_of
from numba_rnn.kernels.cuda.toolkit import device_function, float32, int32, uint32

__all__ = ["build_product"]


def in_turn(functions):
    """A device function that calls these: arrays become registers only where no loop is left, and not every loop is unrolled."""
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
        precision: a key of `tiles.WORDS`.
        G: gates.
        groups: of 8 units, which the warp serves.
        spans: of 16 terms, over which it sums.

    Returns:
        `load(w, recurrent, cell, unit, term)` fills w (spans, tiles, words), where `tiles` are `groups` times the pairs of gates,
        with the lane's weights: of units `unit`, 8 further, ..., and of terms `term` to `term + 3`, 16 further, ...; zero beyond H.
        `encode(number)` is a unit's h as `multiply` wants it, 32 bits: rounded, or taken apart, once for all who multiply it.
        `multiply(w, h, sums)` adds the products of w and h (spans, 4), four neighbours each, to sums (tiles, 4): the first gate of
        unit g for the lane's two sequences, then the second gate.
    """
    zero = float32(0)
    pairs, words = pairs_of(G), WORDS[precision]
    tiles, row = groups * pairs, 4 * G * H  # row: bytes of a row of the recurrent kernel
    build = build_tf32 if precision == "tf32" else build_bf16
    keep, encode, products = build(spans, tiles, words)

    @device_function
    def weight(at, k, there):
        value = load_float32(advance(int32(min(k, H - 1)), int32(row), at))  # a branch would wait for every load
        return value if there and k < H else zero

    def load_span(j):
        @device_function
        def load(w, recurrent, cell, unit, term):
            k = term + TERMS * j
            if k < H:  # a branch for the span, so that the loads of all spans do not take registers at once
                for tile in range(tiles):
                    for half in range(2):
                        gate, u = tile % pairs * 2 + half, unit + UNITS * (tile // pairs)
                        at = address(recurrent, (cell, 0, min(gate, G - 1) * H + min(u, H - 1)))
                        there = gate < G and u < H
                        v0, v1 = weight(at, k, there), weight(at, k + 1, there)
                        v2, v3 = weight(at, k + 2, there), weight(at, k + 3, there)
                        keep(w, j, tile, half, v0, v1, v2, v3)
            else:
                for tile in range(tiles):
                    for i in range(words):
                        w[j, tile, i] = uint32(0)

        return load

    return in_turn([load_span(j) for j in range(spans)]), encode, in_turn(products)


def build_add(mma):
    """A device function that multiplies a part of a lane's weights by two words of h."""

    @device_function
    def add(w, j, tile, part, b0, b1, sums):
        a = 4 * part
        d = mma(
            w[j, tile, a], w[j, tile, a + 1], w[j, tile, a + 2], w[j, tile, a + 3], b0, b1,
            sums[tile, 0], sums[tile, 1], sums[tile, 2], sums[tile, 3],
        )  # fmt: skip
        for i in range(4):
            sums[tile, i] = d[i]

    return add


def build_tf32(spans, tiles, words):
    """How weights are kept, h is encoded, and the products, one after another: a word a number, 8 terms an instruction."""
    add = build_add(mma_tf32)

    @device_function
    def keep(w, j, tile, half, v0, v1, v2, v3):
        w[j, tile, half], w[j, tile, half + 2] = to_tf32(v0), to_tf32(v1)
        w[j, tile, half + 4], w[j, tile, half + 6] = to_tf32(v2), to_tf32(v3)

    @device_function
    def multiply(w, h, sums):
        for j in range(spans):
            for part in range(2):
                for tile in range(tiles):
                    add(w, j, tile, part, h[j, 2 * part], h[j, 2 * part + 1], sums)

    return keep, to_tf32, [multiply]


def build_bf16(spans, tiles, words):
    """The same with two numbers a word, 16 terms an instruction; with 8 words, the numbers' remainders in the last four.

    Of h, a word is one number: its first 8 bits in the upper half, the remainder in the lower.
    """
    zero = float32(0)
    twice = words == 8
    add = build_add(mma_bf16)

    @device_function
    def rest(number):
        return number - float_of(pack_bf16(number, zero))

    @device_function
    def keep(w, j, tile, half, v0, v1, v2, v3):
        w[j, tile, half], w[j, tile, half + 2] = pack_bf16(v1, v0), pack_bf16(v3, v2)
        if twice:
            w[j, tile, half + 4] = pack_bf16(rest(v1), rest(v0))
            w[j, tile, half + 6] = pack_bf16(rest(v3), rest(v2))

    @device_function
    def encode(number):
        return pack_bf16(number, rest(number) if twice else zero)

    @device_function
    def first(high, low):
        return (high & uint32(0xFFFF0000)) | (low >> uint32(16))

    @device_function
    def second(high, low):
        return (high << uint32(16)) | (low & uint32(0xFFFF))

    def product(of, part):
        @device_function
        def multiply(w, h, sums):
            for j in range(spans):
                b0, b1 = of(h[j, 1], h[j, 0]), of(h[j, 3], h[j, 2])
                for tile in range(tiles):
                    add(w, j, tile, part, b0, b1, sums)

        return multiply

    small = [product(second, 0), product(first, 1)] if twice else []  # small numbers first, while the sums are small
    return keep, encode, [*small, product(first, 0)]
