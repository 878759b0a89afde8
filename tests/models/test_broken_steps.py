"""Steps that fail: what is wrong with the data changes nothing, and what breaks off half-way is never gone on from unasked."""

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, layers
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.ops.tree import flatten

D = 3


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    monkeypatch.setattr(config.settings, "device", "auto")


class Failing(layers.Layer):
    """Hands its input on, until it is told to fail."""

    error = None

    def call(self, x):
        if Failing.error is not None:
            raise Failing.error
        return x


@pytest.fixture
def failing(monkeypatch):
    def fail(error):
        monkeypatch.setattr(Failing, "error", error)

    return fail


def chain():
    return Sequential([Input((None, D)), layers.LSTM(4, return_sequences=True), Failing(), layers.GRU(2)])


def branches():
    x = Input((None, D))
    return Model(x, [layers.LSTM(4)(x), layers.GRU(2)(Failing()(layers.LSTM(4, return_sequences=True)(x)))])


def same(state, other):
    return all(np.array_equal(a, b) for a, b in zip(flatten(state), flatten(other), strict=True))


def outputs(y):
    return [np.array(one) for one in flatten(y)]


def two_vocabularies():
    """The first layer that goes on is met before the token that the second embedding does not have."""
    x = Input((None,))
    a, b = (layers.LSTM(4)(layers.Embedding(n, 3)(x)) for n in (9, 5))
    return Model(x, [a, b])


def test_a_token_that_one_of_two_embeddings_lacks_changes_nothing():
    model = two_vocabularies()
    session, alone, pool = model.stream(), model.stream(), model.streams(2)
    ids = [pool.open() for _ in range(2)]
    for token in ([1], [7], [4]):
        if token == [7]:
            before = session.state
            with pytest.raises(IndexError, match="indices 0 to 4"):
                session.step(np.array(token))
            with pytest.raises(IndexError, match="indices 0 to 4"):
                pool.step(dict(zip(ids, [2, 7], strict=True)))
            assert same(before, session.state)
            assert same(before, pool.state(ids[0]))
        else:
            want = alone.step(np.array(token))
            for got in (session.step(np.array(token)), *pool.step(dict.fromkeys(ids, token[0])).values()):
                for a, b in zip(got, want, strict=True):
                    np.testing.assert_array_equal(np.ravel(a), np.ravel(b))


@pytest.mark.parametrize("error", [MemoryError("no more"), KeyboardInterrupt()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("make", [chain, branches])
@pytest.mark.parametrize("shape", [(2, D), (2, 3, D)], ids=["frame", "chunk"])
def test_a_session_that_broke_off_says_so_until_it_is_reset_or_restored(make, error, shape, rng, failing):
    model = make()
    session, x = model.stream(2), rng.standard_normal(shape).astype("float32")
    first = outputs(session.step(x))
    before = session.state
    second = outputs(session.step(x))
    session.restore(before)
    failing(error)
    with pytest.raises(type(error)):
        session.step(x)
    failing(None)
    assert session.is_broken
    session.reset([0])  # the other row is where it was
    for act in (lambda: session.step(x), lambda: session.step(x.tolist()), lambda: session.state):
        with pytest.raises(RuntimeError, match=r"broke off half-way.*`reset\(\)`, or `restore`"):
            act()
    session.restore(before)
    for want in (second, first):
        for a, b in zip(outputs(session.step(x)), want, strict=True):
            np.testing.assert_array_equal(a, b)
        session.reset()


def test_streams_whose_step_broke_off_say_so_and_the_others_go_on(rng, failing):
    model = chain()
    pool, session = model.streams(4), model.stream()
    ids = [pool.open(n) for n in "abcd"]
    x = rng.standard_normal((3, D)).astype("float32")
    pool.step(dict.fromkeys(ids, x[0]))
    kept = pool.state("a")
    failing(MemoryError())
    with pytest.raises(MemoryError):
        pool.step(dict.fromkeys("abc", x[1]))
    failing(None)
    for act in (lambda: pool.step({"d": x[1], "b": x[1]}), lambda: pool.state("b")):
        with pytest.raises(RuntimeError, match="stream 'b' broke off half-way"):
            act()
    pool.restore("a", kept)
    pool.reset("b")
    pool.close("c")
    pool.open("e")
    first, second = (session.step(x[None, n])[0].copy() for n in (0, 1))
    got = pool.step({"a": x[1], "d": x[1]}) | pool.step({"b": x[0], "e": x[0]})
    for name, want in {"a": second, "d": second, "b": first, "e": first}.items():
        np.testing.assert_array_equal(got[name], want)


def test_an_error_while_states_are_moved_loses_none(rng, monkeypatch):
    model = chain()
    pool, session = model.streams(3), model.stream()
    ids = [pool.open() for _ in range(3)]
    x = rng.standard_normal((2, D)).astype("float32")
    pool.step(dict.fromkeys(ids, x[0]))
    session.step(x[:1])
    (moved,) = pool._sessions.values()
    recurrence = list(moved.recurrences.values())[1]

    def fail():
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(recurrence, "arrays", fail)
        with pytest.raises(MemoryError):
            pool.step({ids[0]: x[1]})
    want = session.step(x[1:])[0]
    for got in (pool.step({ids[0]: x[1]}), pool.step(dict.fromkeys(ids[1:], x[1]))):
        for y in got.values():
            np.testing.assert_array_equal(y, want)


def test_another_thread_in_the_middle_of_a_step_is_told(rng, monkeypatch):
    session, x = chain().stream(), rng.standard_normal((1, D)).astype("float32")

    def call(self, given):
        with pytest.raises(RuntimeError, match="another thread is in the middle"):
            session.step(x)
        return given

    monkeypatch.setattr(Failing, "call", call)
    assert session.step(x).shape == (1, 2)


def test_a_place_for_outputs_that_does_not_do_changes_nothing(rng):
    x = Input((None, D))
    model = Model(x, [layers.LSTM(4, return_sequences=True)(x), layers.GRU(2)(x)])
    session, frame = model.stream(2), rng.standard_normal((2, D)).astype("float32")
    session.step(frame)
    before = session.state
    read_only = np.empty((2, 2), "f4")
    read_only.flags.writeable = False
    places = {
        "wrong shape": (ShapeError, r"Expected: an array \(2, 4\). Received: \(2, 5\)", [(2, 5), (2, 2)]),
        "one too few": (ShapeError, "must be 2 arrays", [(2, 4)]),
        "whole numbers": (DTypeError, "array of float32. Received: int64", [(2, 4), np.empty((2, 2), int)]),
        "read-only": (ValueError, "read-only", [(2, 4), read_only]),
        "a list": (ShapeError, "an array", [(2, 4), "no array"]),
    }
    for error, message, shapes in places.values():
        out = [np.empty(s, "f4") if isinstance(s, tuple) else s for s in shapes]
        with pytest.raises(error, match=message):
            session.step(frame, out=out)
        assert same(before, session.state)
    chunk = rng.standard_normal((2, 3, D)).astype("float32")
    out = [np.empty((2, 3, 4), "f4"), np.empty((2, 2), "f8")]
    assert session.step(chunk, out=out) is out
    session.restore(before)
    for a, b in zip(out, session.step(chunk), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_state_that_does_not_do_changes_nothing(rng):
    model = chain()
    session, pool = model.stream(), model.streams(1)
    one, x = pool.open(), rng.standard_normal(D).astype("float32")
    session.step(x[None])
    pool.step({one: x})
    before = session.state
    first, second = before
    wrong = {
        "letters": (DTypeError, "must be numbers", {**before, second: [np.full((1, 2), "a"), *before[second][1:]]}),
        "nothing": (ShapeError, "Received: NoneType", {**before, second: None}),
        "no dict": (ValueError, "of another model.*Received: list", [before[first], before[second]]),
    }
    for error, message, state in wrong.values():
        other = {**state, first: [2 * a for a in before[first]]} if isinstance(state, dict) else state
        for act in (session.restore, lambda state: pool.restore(one, state)):
            with pytest.raises(error, match=message):
                act(other)
        assert same(before, session.state)
        assert same(before, pool.state(one))
