from __future__ import annotations

import re
from typing import Any

import pytest

from numba_rnn import layers, models


def build(L: Any, S: Any) -> Any:
    return S([L.Input((5, 3)), L.Bidirectional(L.LSTM(40)), L.BatchNormalization(), L.Dense(2)], name="net")


def frozen(L: Any, S: Any) -> Any:
    """Keras freezes what holds weights: told of a wrapper, it freezes nothing."""
    cells = L.RNN([L.LSTMCell(2), L.GRUCell(3, trainable=False)], return_sequences=True)
    wrapper = L.Bidirectional(L.LSTM(2, return_sequences=True), trainable=False)
    return S(
        [
            L.Input((5, 3)),
            cells,
            wrapper,
            L.TimeDistributed(L.Dense(2, trainable=False)),
            L.LSTM(4, trainable=False),
            L.Dense(1),
        ]
    )


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
@pytest.mark.parametrize("make", [build, frozen])
def test_like_keras(keras: Any, make: Any) -> None:
    ours: list[str] = []
    theirs: list[str] = []
    make(layers, models.Sequential).summary(print_fn=ours.append)
    make(keras.layers, keras.Sequential).summary(print_fn=lambda line, **_: theirs.append(line))
    assert sorted(numbers("\n".join(ours))) == sorted(numbers("\n".join(theirs)))


def test_branches_say_what_they_connect(capsys: pytest.CaptureFixture[str]) -> None:
    x = layers.Input((5, 3), name="x")
    y, h = layers.GRU(2, return_state=True, name="g")(x)
    models.Model(x, layers.Add(name="a")([y, h])).summary(line_length=120)
    out = capsys.readouterr().out
    assert "g[0][0], g[0][1]" in out
    assert "Connected to" in out


def test_freezing_a_wrapper_freezes_what_it_holds() -> None:
    model = frozen(layers, models.Sequential)
    cells, wrapper = model.layers[:2]
    assert len(wrapper.trainable_weights) == 0
    assert len(model.trainable_weights) == 3 + 6 + 2
    cells.trainable = wrapper.trainable = False
    assert len(model.trainable_weights) == 2
    wrapper.trainable = True
    assert len(model.trainable_weights) == 6 + 2


def test_what_is_trainable_and_a_range() -> None:
    model = models.Sequential(
        [layers.Input((5, 4)), layers.LSTM(3, name="first"), layers.Dense(2, name="second"), layers.ReLU(name="third")]
    )
    model.get_layer("first").trainable = False
    lines: list[str] = []
    model.summary(print_fn=lines.append, show_trainable=True, line_length=90, positions=[0.4, 0.7, 1.0])
    rows = [line for line in lines[0].splitlines() if "(LSTM)" in line or "(Dense)" in line]
    assert [row.split("│")[-2].strip() for row in rows] == ["N", "Y"]
    lines.clear()
    model.summary(print_fn=lines.append, layer_range=("second", "third"))
    assert [name in lines[0] for name in ("first", "second", "third")] == [False, True, True]
    assert "Total params: 104" in lines[0]
    for bad in (("second", "fifth"), "second"):
        with pytest.raises(ValueError, match="layer_range"):
            model.summary(layer_range=bad)
