"""Checks at the door: shapes, dtypes, states, masks; and that nothing odd about an array changes a result."""

import itertools

import numpy as np
import pytest

from numba_rnn import DTypeError, ShapeError, functional
from numba_rnn.cells import CELLS, GRU, LSTM
from numba_rnn.compressed import STORAGES, compress, expand
from numba_rnn.config import device


@pytest.fixture
def lstm(rng):
    shapes = (3, 20), (5, 20), (20,)
    return functional.prepare(LSTM, *(rng.standard_normal(s).astype("float32") for s in shapes))


@pytest.mark.parametrize(
    ("shapes", "named"),
    [(((3, 20), (5, 21)), "recurrent_kernel"), (((3, 21), (5, 20)), "kernel"), (((3,), (5, 20)), "kernel"),
     (((3, 20), (5, 20), (19,)), "bias"), (((3, 20), (5, 20), (2, 20)), "bias")],
)  # fmt: skip
def test_wrong_weights(shapes, named):
    with pytest.raises(ShapeError, match=rf"`{named}` has the wrong shape\. Expected: .* Received"):
        functional.prepare(LSTM, *(np.zeros(s, "float32") for s in shapes))


def test_wrong_dtype():
    with pytest.raises(DTypeError, match=r"float32 or float64\. Received: int64"):
        functional.prepare(LSTM, np.zeros((3, 20), "int64"), np.zeros((5, 20)))


def test_unknown_activation():
    with pytest.raises(ValueError, match="Could not interpret activation function identifier: nope"):
        functional.prepare(LSTM, np.zeros((3, 20)), np.zeros((5, 20)), activation="nope")
    with pytest.raises(ValueError, match="halves the units"):
        functional.prepare(LSTM, np.zeros((3, 20)), np.zeros((5, 20)), activation="glu")


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 5), (2, 4, 3, 1), (2, 0, 3)])
def test_wrong_x(lstm, shape):
    with pytest.raises(ShapeError, match=r"`x` .* Expected: .* Received: \("):
        functional.scan(lstm, np.zeros(shape, "float32"))


@pytest.mark.parametrize("shape", [(2, 5), (3, 4), (4,), (2, 4, 2)])
def test_wrong_mask(lstm, shape):
    with pytest.raises(ShapeError, match="`mask` has the wrong shape"):
        functional.scan(lstm, np.zeros((2, 4, 3), "float32"), np.ones(shape, bool))


@pytest.mark.parametrize("state", [np.zeros((2, 5)), (np.zeros((2, 5)),), (np.zeros((2, 5)),) * 3, 3.0])
def test_wrong_number_of_states(lstm, state):
    with pytest.raises(ShapeError, match=r"must be 2 arrays \(h, c\), each \(2, 5\). Received: "):
        functional.scan(lstm, np.zeros((2, 4, 3), "float32"), initial_state=state)


@pytest.mark.parametrize("shape", [(2, 6), (1, 5), (5,)])
def test_wrong_state(lstm, shape):
    with pytest.raises(ShapeError, match="`initial_state c` has the wrong shape"):
        functional.scan(lstm, np.zeros((2, 4, 3), "float32"), initial_state=(np.zeros((2, 5)), np.zeros(shape)))


def test_any_array_gives_the_same_numbers(lstm, rng):
    x = rng.standard_normal((4, 6, 3)).astype("float32")
    want, _ = functional.scan(lstm, x)
    frozen = x.copy()
    frozen.flags.writeable = False
    buffer = np.zeros(x.nbytes + 1, np.uint8)
    misaligned = buffer[1:].view("float32").reshape(x.shape)
    misaligned[...] = x
    variants = [np.asfortranarray(x), x[::-1][::-1], frozen, misaligned, x.astype(">f4"), np.repeat(x, 2, 0)[::2]]
    for variant in variants:
        np.testing.assert_array_equal(functional.scan(lstm, variant)[0], want)
    np.testing.assert_allclose(functional.scan(lstm, x.astype("float64"))[0], want, atol=1e-6)


@pytest.mark.parametrize("mask", [np.ones((2, 4), "int64"), np.ones((2, 4), "float32"), np.ones((2, 4, 1), bool)])
def test_masks_of_any_dtype(lstm, rng, mask):
    x = rng.standard_normal((2, 4, 3)).astype("float32")
    mask[1, 2:] = 0
    want, _ = functional.scan(lstm, x, mask.reshape(2, 4).astype(bool))
    np.testing.assert_array_equal(functional.scan(lstm, x, mask)[0], want)


def test_no_rows(lstm):
    y, (h, c) = functional.scan(lstm, np.zeros((0, 4, 3), "float32"))
    assert y.shape == h.shape == c.shape == (0, 5)


def test_results_are_not_overwritten_by_the_next_call(lstm, rng):
    x = rng.standard_normal((2, 4, 3)).astype("float32")
    y, (h, _) = functional.scan(lstm, x)
    kept, kept_h = y.copy(), h.copy()
    functional.scan(lstm, x + 1)
    np.testing.assert_array_equal(y, kept)
    np.testing.assert_array_equal(h, kept_h)


@pytest.mark.parametrize("B", [1, 3, 8])
def test_no_features(rng, B):
    u, b = (rng.standard_normal(s).astype("float32") for s in ((5, 20), (20,)))
    cell = functional.prepare(LSTM, np.zeros((0, 20), "float32"), u, b)
    y, _ = functional.scan(cell, np.zeros((B, 4, 0), "float32"))
    zeros = functional.prepare(LSTM, np.ones((1, 20), "float32"), u, b)
    np.testing.assert_array_equal(y, functional.scan(zeros, np.zeros((B, 4, 1), "float32"))[0])
    y = functional.linear(np.zeros((2, B, 0), "float32"), np.zeros((0, 20), "float32"), b)
    np.testing.assert_array_equal(y, np.broadcast_to(b, (2, B, 20)))


def test_no_units():
    with pytest.raises(ShapeError, match="`recurrent_kernel` has no units"):
        functional.prepare(LSTM, np.zeros((3, 0), "float32"), np.zeros((0, 0), "float32"))


def test_linear_checks_dtypes():
    for dtype in ("int64", "float16", ">f4"):
        with pytest.raises(DTypeError, match=r"float32 or float64\. Received: "):
            functional.linear(np.zeros((2, 4), "float32"), np.zeros((4, 5), dtype))


def test_linear_checks_sizes():
    with pytest.raises(ShapeError, match="`x` has the wrong shape"):
        functional.linear(np.zeros((2, 3), "float32"), np.zeros((4, 5), "float32"))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", CELLS)
def test_weights_of_fewer_bytes_are_the_oracles_own(rng, name, storage):
    spec = CELLS[name]
    G = len(spec.gates)
    arrays = [rng.standard_normal(s).astype("float32") for s in ((5, G * 7), (7, G * 7), (G * 7,))]
    x = rng.standard_normal((3, 9, 5)).astype("float32")
    cell = functional.prepare(spec, *arrays, weights=storage)
    assert cell.recurrence.storage == storage
    assert (cell.D, cell.H) == (5, 7)
    np.testing.assert_array_equal(expand(cell.weights.kernel), expand(compress(arrays[0], storage)))
    plain = functional.prepare(spec, *(expand(compress(w, storage)) for w in arrays[:2]), arrays[2])
    assert cell.recurrence != plain.recurrence  # another kernel
    with device("reference"):
        np.testing.assert_array_equal(functional.scan(cell, x)[0], functional.scan(plain, x)[0])


@pytest.mark.parametrize("storage", STORAGES)
def test_weights_of_fewer_bytes_in_kernels(rng, storage):
    w, u, b = (rng.uniform(-1, 1, s).astype("float32") for s in ((5, 33), (11, 33), (2, 33)))
    cell, linear = functional.prepare(GRU, w, u, b, weights=storage), functional.Linear(w, b[0], storage)
    x = rng.standard_normal((3, 9, 5)).astype("float32")
    with device("reference"):
        want, wanted = functional.scan(cell, x)[0], linear(x)
    np.testing.assert_allclose(functional.scan(cell, x)[0], want, rtol=0, atol=1e-6)
    np.testing.assert_allclose(linear(x), wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(wanted, x @ expand(compress(w, storage)) + b[0], rtol=1e-5, atol=1e-5)


def test_weights_that_cannot_be_kept_in_fewer_bytes():
    w, u, wide = np.ones((3, 20), "float32"), np.ones((5, 20), "float32"), np.full((5, 20), 1e5, "float32")
    with pytest.raises(ValueError, match=r"`recurrent_kernel` does not fit float16\."):
        functional.prepare(LSTM, w, wide, weights="float16")
    with pytest.raises(ValueError, match=r"`kernel` does not fit float16\."):
        functional.Linear(wide, weights="float16")
    for make in (
        lambda **o: functional.prepare(LSTM, *o.pop("w"), **o),
        lambda **o: functional.Linear(o.pop("w")[0], **o),
    ):
        with pytest.raises(ValueError, match="Received: weights='int4'"):
            make(w=(w, u), weights="int4")
        with pytest.raises(DTypeError, match=r"float32 can keep its weights as int8\. Received: float64"):
            make(w=(w.astype(float), u), weights="int8")


@pytest.mark.parametrize("where", ["cpu", "reference"])
@pytest.mark.parametrize("name", ["lstm", "gru_reset_before"])
def test_both_ways_is_two_cells_in_one_call(rng, where, name):
    spec = CELLS[name]
    G, S, B, T, D, H = len(spec.gates), len(spec.states), 5, 7, 4, 19

    def draw(*shape):
        return rng.standard_normal(shape).astype("float32")

    cells = [functional.prepare(spec, draw(D, G * H), draw(H, G * H), draw(G * H)) for _ in range(2)]
    pair = functional.both_ways(*cells)
    x, mask, states = draw(B, T, D), rng.random((B, T)) < 0.7, [draw(B, H) for _ in range(2 * S)]
    with device(where):
        for backwards, sequences, given, masked in itertools.product((False, True), repeat=4):
            m = mask if masked else None
            y, last = functional.scan(
                pair, x, m, tuple(states) if given else None, functional.ScanOptions(backwards, sequences)
            )
            for k, cell in enumerate(cells):
                options = functional.ScanOptions(backwards != (k == 1), sequences)
                want, want_last = functional.scan(cell, x, m, states[k * S : (k + 1) * S] if given else None, options)
                if k == 1 and sequences:
                    want = want[:, ::-1]
                np.testing.assert_array_equal(y[..., k * H : (k + 1) * H], want)
                np.testing.assert_array_equal(last[k * S : (k + 1) * S], want_last)


def test_both_ways_wants_two_of_a_kind(rng):
    def cell(H, **options):
        return functional.prepare(GRU, *(rng.standard_normal((n, 3 * H)).astype("float32") for n in (4, H)), **options)

    for other in (cell(6), cell(5, activation="relu"), functional.both_ways(cell(5), cell(5))):
        with pytest.raises(ValueError, match="same kind"):
            functional.both_ways(cell(5), other)
