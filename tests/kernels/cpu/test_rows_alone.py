"""NaN, infinities, denormals and huge numbers in one row leave the bits of every other row as they were, whatever a vector holds.

Seen to fail where a row's neighbour in a vector, a tile or a block has any part in it, be it times zero.
"""

import itertools

import numpy as np
import pytest

from numba_rnn.cells import CELLS
from numba_rnn.functional import linear, prepare, scan
from numba_rnn.kernels.backend import ScanOptions

pytestmark = pytest.mark.usefixtures("vectors")

HOSTILE = {
    "nan": lambda kind: kind.type(np.nan),
    "infinity": lambda kind: kind.type(np.inf),
    "minus infinity": lambda kind: kind.type(-np.inf),
    "denormal": lambda kind: np.finfo(kind).smallest_subnormal * 12345,
    "huge": lambda kind: np.finfo(kind).max,
}


def draw_cell(rng, spec, dtype, D, H):
    G = len(spec.gates)

    def draw(*shape):
        return rng.uniform(-1, 1, shape).astype(dtype)

    bias = draw(2, G * H) if spec.recurrent_bias else draw(G * H)
    return prepare(spec, draw(D, G * H), draw(H, G * H), bias, extra=draw(len(spec.extra), H))


def outputs(call):
    y, states = call
    return [y, *states]


def assert_others_untouched(before, after, odd):
    others = np.arange(len(before[0])) != odd
    for a, b in zip(before, after, strict=True):
        assert a[others].tobytes() == b[others].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_cells(rng, name, dtype):
    for B, T, D, H in ((2, 3, 1, 1), (5, 4, 7, 9), (9, 3, 3, 17), (37, 5, 6, 8)):
        cell = draw_cell(rng, CELLS[name], dtype, D, H)
        x = rng.standard_normal((B, T, D)).astype(dtype)
        states = [rng.standard_normal((B, H)).astype(dtype) for _ in CELLS[name].states]
        masks = rng.random((B, T)) < 0.6
        calls = list(
            itertools.product((None, masks), (ScanOptions(False, True), ScanOptions(True, False)), (True, False))
        )
        wanted = [outputs(scan(cell, x, mask, tuple(states) if given else None, opt)) for mask, opt, given in calls]
        for hostile in HOSTILE.values():
            value, odd = hostile(np.dtype(dtype)), int(rng.integers(B))
            for (mask, options, given), want in zip(calls, wanted, strict=True):
                own, theirs = x.copy(), [s.copy() for s in states]
                own[odd, rng.integers(T)] = value
                for s in theirs[: int(rng.integers(len(theirs) + 1))]:
                    s[odd, ::2] = value
                got = outputs(scan(cell, own, mask, tuple(theirs) if given else None, options))
                assert_others_untouched(want, got, odd)


@pytest.mark.parametrize("storage", ["bfloat16", "float16", "int8"])
def test_weights_of_fewer_bytes(rng, storage):
    """The inputs of a step are cut to fewer bits for some of them: each row by what it holds itself."""
    B, T, D, H = 9, 3, 20, 24
    w, u, b = (rng.uniform(-1, 1, shape).astype("float32") for shape in ((D, 4 * H), (H, 4 * H), (4 * H,)))
    cell = prepare(CELLS["lstm"], w, u, b, weights=storage)
    x = rng.standard_normal((B, T, D)).astype("float32")
    want = outputs(scan(cell, x, None, None, ScanOptions(False, True)))
    for hostile in HOSTILE.values():
        odd, own = int(rng.integers(B)), x.copy()
        own[odd, 1] = hostile(np.dtype("float32"))
        assert_others_untouched(want, outputs(scan(cell, own, None, None, ScanOptions(False, True))), odd)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_hostile_arrives(rng, dtype):
    """The row itself is not spared: NaN comes out of NaN."""
    cell = draw_cell(rng, CELLS["lstm"], dtype, 3, 5)
    x = rng.standard_normal((6, 4, 3)).astype(dtype)
    x[2, 1] = np.nan
    y, _ = scan(cell, x, None, None, ScanOptions(False, True))
    assert np.isnan(y[2, 1:]).all()
    assert not np.isnan(np.delete(y, 2, axis=0)).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products(rng, dtype):
    for B, D, H in ((2, 1, 1), (7, 9, 17), (33, 40, 33), (64, 5, 8)):
        x = rng.standard_normal((B, D)).astype(dtype)
        w, b = rng.standard_normal((D, H)).astype(dtype), rng.standard_normal(H).astype(dtype)
        want = linear(x, w, b)
        for hostile in HOSTILE.values():
            odd = int(rng.integers(B))
            own = x.copy()
            own[odd, rng.integers(D)] = hostile(np.dtype(dtype))
            assert_others_untouched([want], [linear(own, w, b)], odd)
