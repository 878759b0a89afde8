from __future__ import annotations

from typing import Any

import pytest

import numba_rnn
from numba_rnn import backend, config


@pytest.mark.oracle
def test_names_like_keras(keras: Any) -> None:
    assert set(backend.__all__) <= set(dir(keras.backend))


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.settings, "floatx", "float32")
    monkeypatch.setattr(config.settings, "epsilon", 1e-7)
    assert (backend.floatx(), backend.epsilon(), backend.backend()) == ("float32", 1e-7, "numba")
    backend.set_floatx("float64")
    backend.set_epsilon(1e-3)
    assert (config.floatx(), backend.epsilon()) == ("float64", 1e-3)
    assert backend.result_type("int32", float) == "float64"
    assert backend.image_data_format() == "channels_last"


def test_uids_count() -> None:
    backend.clear_session()
    assert [backend.get_uid("a"), backend.get_uid("a"), backend.get_uid("b")] == [1, 2, 1]


def test_layers_and_variables_take_the_default_float(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.settings, "floatx", "float64")
    dense = numba_rnn.layers.Dense(2)
    y = dense(numba_rnn.Input((3,)))
    assert (dense.dtype, dense.kernel.dtype, y.dtype, numba_rnn.Variable([1.0]).dtype) == ("float64",) * 4
    assert numba_rnn.random.normal((2,)).dtype == numba_rnn.ops.zeros(2).dtype == "float64"
