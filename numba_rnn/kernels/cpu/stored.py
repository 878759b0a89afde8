"""What packed weights are kept as and how the tile reads them; with `pack`, which writes them, all that knows.

An array's dtype tells:

    float32, float64    the weights themselves
    uint32              bfloat16, two rows of k in a word, the even one in its lower half: either is one operation from float32
    uint16              float16, which processors convert while they load
    int8                whole numbers, times one scale a unit and gate; the scales follow the bias in its array
    int32               the same for `dot`: four rows of k in a word, the first one lowest; behind bias and scales, -128 times the
                        sum of a column, as int32

Zen 4 carries out two operations on 64 bytes a cycle, and loads 32 bytes from its second-level cache: an fma and one more operation
for each vector of weights is what 16 bits a weight leave time for. Two more, as int8 takes, cost what its bytes save.
"""

from llvmlite import ir
from numba import types
from numba.extending import overload

from numba_rnn.kernels.cpu.simd import vector_load

__all__ = ["HALF", "PAIR", "QUADS", "depth_of", "halves_of", "is_scaled", "load_rows", "rows_in_word", "words_of"]

PAIR, HALF, QUADS = types.uint32, types.uint16, types.int32


def is_scaled(dtype):
    """Whether sums over weights of that dtype are multiplied by a scale."""
    return dtype == types.int8


def halves_of(dtype, lanes):
    """In how many parts one or two rows take a vector of weights: 8 float16 at once cost Zen 4 one operation, 16 cost four."""
    return lanes // 8 if dtype == HALF and lanes > 8 else 1


def rows_in_word(dtype):
    """How many rows of k one element holds."""
    return 2 if dtype == PAIR else 1


def words_of(w, k):
    """How many elements of the packed weights `w` hold k rows of a column. Compiled code alone calls it."""
    raise NotImplementedError


@overload(words_of)
def _words_of(w, k):
    if w.dtype == QUADS:
        return lambda w, k: k + 3 >> 2
    return (lambda w, k: k + 1 >> 1) if w.dtype == PAIR else (lambda w, k: k)


def depth_of(w, K, block):
    """How many of K rows of k of the packed weights `w` a tile takes at once, `block` being what suits floats."""
    raise NotImplementedError


@overload(depth_of)
def _depth_of(w, K, block):
    return (lambda w, K, block: max(1, K)) if w.dtype == QUADS else (lambda w, K, block: block)


def load_rows(b, p, dtype, vt):
    """The rows of k in the words at `p`: vectors of float32, or of what they are kept as."""
    if dtype in (types.float32, types.float64):
        return [vector_load(b, p, vt)]
    words = vector_load(b, p, ir.VectorType(p.type.pointee, vt.count))
    bits = ir.VectorType(ir.IntType(32), vt.count)
    if dtype == PAIR:
        even = b.shl(words, ir.Constant(bits, [16] * vt.count))
        odd = b.and_(words, ir.Constant(bits, [0xFFFF0000] * vt.count))
        return [b.bitcast(even, vt), b.bitcast(odd, vt)]
    if dtype == HALF:
        return [b.fpext(b.bitcast(words, ir.VectorType(ir.HalfType(), vt.count)), vt)]
    return [b.sitofp(b.sext(words, bits), vt)]
