from __future__ import annotations

import re
from typing import Any

import pytest

from numba_rnn import layers, models


def build(L: Any, S: Any) -> Any:
    return S([L.Input((5, 3)), L.Bidirectional(L.LSTM(40)), L.BatchNormalization(), L.Dense(2)], name="net")


def numbers(text: str) -> list[str]:
    return re.findall(r"params: [\d,]+ \([\d.]+ [KM]?B\)", text) + re.findall(r"│ +([\d,]+) │", text)


def test_counts() -> None:
    lines: list[str] = []
    build(layers, models.Sequential).summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert 'Model: "net"' in text
    assert "bidirectional (Bidirectional)" in text
    assert "(None, 80)" in text
    assert numbers(text) == [
        "params: 14,562 (56.88 KB)", "params: 14,402 (56.26 KB)", "params: 160 (640.00 B)", "14,080", "320", "162",
    ]  # fmt: skip


@pytest.mark.oracle
def test_like_keras(keras: Any) -> None:
    ours: list[str] = []
    theirs: list[str] = []
    build(layers, models.Sequential).summary(print_fn=ours.append)
    build(keras.layers, keras.Sequential).summary(print_fn=lambda line, **_: theirs.append(line))
    assert sorted(numbers("\n".join(ours))) == sorted(numbers("\n".join(theirs)))


def test_branches_say_what_they_connect(capsys: pytest.CaptureFixture[str]) -> None:
    x = layers.Input((5, 3), name="x")
    y, h = layers.GRU(2, return_state=True, name="g")(x)
    models.Model(x, layers.Add(name="a")([y, h])).summary(line_length=120)
    out = capsys.readouterr().out
    assert "g[0][0], g[0][1]" in out
    assert "Connected to" in out
