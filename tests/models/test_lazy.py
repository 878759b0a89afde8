"""Predicting over Dask arrays: nothing is computed before it is wanted, and then chunk by chunk, wherever it is scheduled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, layers, ops
from numba_rnn.errors import DTypeError, ShapeError

da = pytest.importorskip("dask.array", reason="needs Dask: pip install '.[dask]'")
ROOT = Path(__file__).parents[2]


def filled(model: Any) -> Any:
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def chain() -> Any:
    return filled(Sequential([Input((None, 4)), layers.Masking(), layers.LSTM(6), layers.Dense(3)]))


def branches() -> Any:
    a, b = Input((5, 4), name="a"), Input((3,), name="b")
    h, c = layers.GRU(8, return_state=True)(a)
    return filled(
        Model({"a": a, "b": b}, {"y": layers.Concatenate()([h, b]), "c": [c, ops.sum(h, axis=-1)], "all": a * 2})
    )


def test_chunks_are_known_and_so_is_what_they_hold(rng: np.random.Generator) -> None:
    model, x = chain(), rng.normal(size=(23, 5, 4))
    y = model.predict(da.from_array(x, chunks=(7, 5, 4)))
    assert isinstance(y, da.Array)
    assert y.chunks == ((7, 7, 7, 2), (3,))
    assert y.dtype == y._meta.dtype == np.float32
    assert isinstance(y._meta, np.ndarray)
    have = y.compute(scheduler="synchronous")
    assert have.dtype == np.float32
    np.testing.assert_array_equal(have, model.predict(x, verbose=0))
    np.testing.assert_array_equal(y[9:12].sum(axis=1).compute(), model.predict(x[9:12], verbose=0).sum(axis=1))


def test_only_the_chunks_that_are_asked_for_run_and_whole(rng: np.random.Generator, monkeypatch: Any) -> None:
    model, x = chain(), da.from_array(rng.normal(size=(40, 5, 4)), chunks=(10, -1, -1))
    seen: list[int] = []
    called = Sequential.call
    monkeypatch.setattr(Sequential, "call", lambda self, x, **kw: seen.append(len(x)) or called(self, x, **kw))
    y, small = model.predict(x), model.predict(x, batch_size=4)
    assert seen == [1, 1]  # the rows of zeros
    y[12:15].compute(scheduler="synchronous")
    assert seen[2:] == [10]
    small[12:15].compute(scheduler="synchronous")
    assert seen[3:] == [4, 4, 2]


def test_several_inputs_and_outputs(rng: np.random.Generator) -> None:
    model = branches()
    x = {"a": rng.normal(size=(11, 5, 4)), "b": rng.normal(size=(11, 3)).astype("float32")}
    want = model.predict(x, verbose=0)
    lazy = {"a": da.from_array(x["a"], chunks=(4, 5, 4)), "b": da.from_array(x["b"], chunks=(4, 3))}
    y = model.predict(lazy)
    assert y.keys() == want.keys()
    assert type(y["c"]) is type(want["c"])
    for have, should in zip([y["y"], y["all"], *y["c"]], [want["y"], want["all"], *want["c"]], strict=True):
        assert have.chunks[0] == (4, 4, 3)
        assert (have.shape, have.dtype) == (should.shape, should.dtype)
        np.testing.assert_array_equal(have.compute(), should)


def test_the_model_is_that_of_the_moment(rng: np.random.Generator) -> None:
    model, x = chain(), rng.normal(size=(6, 5, 4)).astype("float32")
    want = model.predict(x, verbose=0)
    y = model.predict(da.from_array(x, chunks=(3, 5, 4)))
    model.set_weights([w * 2 for w in model.get_weights()])
    np.testing.assert_array_equal(y.compute(), want)
    other = model.predict(da.from_array(x, chunks=(3, 5, 4)))
    assert other.name != y.name  # or a scheduler would take one for the other
    np.testing.assert_array_equal(other.compute(), model.predict(x, verbose=0))


def test_rows_may_be_unknown_and_chunks_empty(rng: np.random.Generator) -> None:
    model, x = chain(), rng.normal(size=(20, 5, 4)).astype("float32")
    lazy = da.from_array(x, chunks=(5, 5, 4))
    some = lazy[da.from_array(x[:, 0, 0] * (np.arange(20) >= 5), chunks=5) > 0]  # none of the first chunk
    y = model.predict(some)
    assert np.isnan(y.shape[0])
    want = model.predict(x[(x[:, 0, 0] > 0) & (np.arange(20) >= 5)], verbose=0)
    np.testing.assert_array_equal(y.compute(), want)


def test_token_ids(rng: np.random.Generator) -> None:
    model = filled(Sequential([Input((6,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), layers.GRU(3)]))
    ids = rng.integers(0, 9, (10, 6))
    np.testing.assert_array_equal(
        model.predict(da.from_array(ids, chunks=(4, 6))).compute(), model.predict(ids, verbose=0)
    )


def test_refusals(rng: np.random.Generator) -> None:
    model, x = chain(), rng.normal(size=(8, 5, 4)).astype("float32")
    with pytest.raises(ShapeError, match="along the first axis alone"):
        model.predict(da.from_array(x, chunks=(4, 2, 4)))
    with pytest.raises(ShapeError, match="expected shape"):
        model.predict(da.from_array(x[:, 0], chunks=(4, 4)))
    with pytest.raises(DTypeError, match="real numbers"):
        model.predict(da.from_array(x.astype(complex), chunks=(4, 5, 4)))
    with pytest.raises(ValueError, match="leave `steps` out"):
        model.predict(da.from_array(x, chunks=(4, 5, 4)), steps=2)
    two = branches()
    b = np.ones((8, 3), "float32")
    with pytest.raises(TypeError, match="all must be Dask arrays"):
        two.predict({"a": da.from_array(x, chunks=(4, 5, 4)), "b": b})
    with pytest.raises(ShapeError, match="same chunks of rows"):
        two.predict({"a": da.from_array(x, chunks=(4, 5, 4)), "b": da.from_array(b, chunks=(8, 3))})
    keeping = Sequential([Input(batch_shape=(4, 5, 4)), layers.GRU(3, stateful=True)])
    with pytest.raises(ValueError, match="keeps states"):
        keeping.predict(da.from_array(x, chunks=(4, 5, 4)))


def test_dask_is_not_imported_for_arrays() -> None:
    code = (
        "import sys, numpy as np, numba_rnn as k; m = k.Sequential([k.Input((3,)), k.layers.Dense(2)]); "
        "m.predict(np.ones((2, 3)), verbose=0); sys.exit('dask' in sys.modules)"
    )
    env = {**os.environ, "NUMBA_RNN_DEVICE": "reference"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=100, env=env)


def test_a_cluster(tmp_path: Path) -> None:
    """A scheduler and two worker processes; a program of its own, since Dask's threads and warnings are not this suite's."""
    pytest.importorskip("distributed", reason="needs Dask's scheduler: pip install '.[dask]'")
    program = Path(__file__).with_name("lazy_cluster.py")
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": paths, "NUMBA_RNN_DEVICE": "reference"}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done").exists()
