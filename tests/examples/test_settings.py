"""What the serving example can be told, and which models it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from numba_rnn import Input, Model, config, layers

for needed in ("prometheus_client", "starlette", "uvicorn"):
    pytest.importorskip(needed, reason="the serving example: pip install '.[serve]'")

ROOT = Path(__file__).parents[2]
D = 4


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(config.settings, "device", "reference")  # what is tested here is not the kernels


def test_settings_come_from_the_command_line_then_the_environment(monkeypatch):
    from examples.serve.settings import Settings

    environment = {"SERVE_STREAMS": "5", "SERVE_IDLE": "2.5"}
    assert Settings.read(environment, streams=7, steps=None) == Settings(streams=7, idle=2.5)
    with pytest.raises(ValueError, match=r"SERVE_STREAMS must be a number, such as 256. Received: 'many'"):
        Settings.read({"SERVE_STREAMS": "many"})
    with pytest.raises(ValueError, match=r"`steps` must be at least 1, and finite. Received: 0"):
        Settings.read({}, steps=0)
    for idle in ("inf", "nan"):
        with pytest.raises(ValueError, match=r"`idle` must be at least 0.001, and finite"):
            Settings.read({"SERVE_IDLE": idle})
    monkeypatch.setenv("SERVE_STEPS", "3")
    from examples.serve.app import app

    assert app.routes


def test_models_that_cannot_stream_are_refused(tmp_path):
    from examples.serve.settings import load_model

    x = Input((None, D))
    y = layers.LSTM(2)(x)
    Model(x, [y, layers.Dense(3)(y)]).save(tmp_path / "two.keras")
    with pytest.raises(ValueError, match=r"one output. Received: .*outputs \[\(None, 2\), \(None, 3\)\]"):
        load_model(str(tmp_path / "two.keras"))
