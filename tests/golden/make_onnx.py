"""Write the golden ONNX files: PyTorch modules exported by PyTorch's two exporters, with inputs and PyTorch's own outputs.

    python tests/golden/make_onnx.py [CASE ...]

It needs torch 2.13, onnx and onnxscript. A case `name` gives `onnx/name.onnx` and `onnx/name.npz`, which holds the inputs under
their names, and the outputs of two calls, of other sizes where the file's sizes are open: `y.0`, `y.1` ..., and `again.0` ... for
inputs `again:name`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

FOLDER = Path(__file__).parent / "onnx"
CASES: dict[str, Callable[[], tuple[nn.Module, list[dict[str, torch.Tensor]], dict[str, Any]]]] = {}


def case(f: Any) -> Any:
    CASES[f.__name__] = f
    return f


class Tagger(nn.Module):
    """Embeddings, a stack in both directions with the batch first, a head with softmax; last states too."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.lstm = nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True, dropout=0.3)
        self.head = nn.Linear(10, 3)

    def forward(self, words: torch.Tensor) -> Any:
        y, (h, c) = self.lstm(self.words(words))
        return torch.softmax(self.head(y), -1), h, c


class Stateful(nn.Module):
    """A GRU with time first that is given its states."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 6, num_layers=2)
        self.head = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> Any:
        y, state = self.gru(x, state)
        return self.head(y[-1]), state


class Elman(nn.Module):
    """A plain RNN with ReLU, both ways, and what people do around one: pooling, slices, concatenation, arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, 4, nonlinearity="relu", bidirectional=True, batch_first=True)
        self.head = nn.Linear(17, 3)

    def forward(self, x: torch.Tensor) -> Any:
        y, _ = self.rnn(x)
        pooled = torch.cat([y.mean(1), y.max(1).values, x[:, -1, :1].clamp(-0.5, 0.5)], -1)
        return torch.log_softmax(self.head(pooled) * 0.5 + 1.0, -1)


class Packed(nn.Module):
    """Rows of different lengths, packed: ONNX's `sequence_lens`."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.rnn = kind(3, 4, bidirectional=True, batch_first=True)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        y, state = self.rnn(packed)
        y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        return y, state[0] if isinstance(state, tuple) else state


def words(B: int, T: int) -> dict[str, torch.Tensor]:
    return {"words": torch.randint(0, 9, (B, T))}


def sequences(*shape: int) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(*shape)}


def tagger(**options: Any) -> Any:
    return Tagger(), [words(2, 5), words(3, 7)], {"dynamic_axes": {"words": {0: "rows", 1: "steps"}}, **options}


@case
def lstm_stack() -> Any:
    return tagger(opset_version=17)


@case
def lstm_stack_unfolded() -> Any:
    return tagger(opset_version=15, do_constant_folding=False)


@case
def lstm_stack_opset_9() -> Any:
    return tagger(opset_version=9)


@case
def lstm_stack_opset_12() -> Any:
    return tagger(opset_version=12)


@case
def lstm_stack_dynamo() -> Any:
    sizes = {"words": {0: torch.export.Dim("rows", min=2), 1: torch.export.Dim("steps", min=2)}}
    return Tagger(), [words(2, 5), words(3, 7)], {"dynamo": True, "dynamic_shapes": sizes}


@case
def gru_stateful() -> Any:
    inputs = [
        {**sequences(5, 2, 3), "state": torch.randn(2, 2, 6)},
        {**sequences(4, 3, 3), "state": torch.randn(2, 3, 6)},
    ]
    axes = {"x": {0: "steps", 1: "rows"}, "state": {1: "rows"}}
    return Stateful(), inputs, {"opset_version": 17, "dynamic_axes": axes}


@case
def gru_stateful_dynamo() -> Any:
    return Stateful(), [{**sequences(5, 2, 3), "state": torch.randn(2, 2, 6)}], {"dynamo": True}


@case
def rnn_relu() -> Any:
    return (
        Elman(),
        [sequences(2, 5, 3), sequences(4, 3, 3)],
        {"opset_version": 18, "dynamic_axes": {"x": {0: "rows", 1: "steps"}}},
    )


@case
def rnn_relu_dynamo() -> Any:
    return Elman(), [sequences(2, 5, 3)], {"dynamo": True}


def packed(kind: Any) -> Any:
    inputs = [
        {**sequences(3, 5, 3), "lengths": torch.tensor([5, 3, 1])},
        {**sequences(2, 4, 3), "lengths": torch.tensor([4, 4])},
    ]
    axes = {"x": {0: "rows", 1: "steps"}, "lengths": {0: "rows"}}
    return Packed(kind), inputs, {"opset_version": 17, "dynamic_axes": axes}


@case
def lstm_packed() -> Any:
    return packed(nn.LSTM)


@case
def gru_packed() -> Any:
    return packed(nn.GRU)


def strip(path: Path) -> None:
    """Without the notes that PyTorch leaves at every node: they tell of the machine and the day, and nothing of the model."""
    model = onnx.load(path)
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.ClearField("metadata_props")
    onnx.save(model, path)


def write(name: str) -> None:
    torch.manual_seed(sorted(CASES).index(name))
    module, feeds, options = CASES[name]()
    module.eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    options = {"dynamo": False, "input_names": list(feeds[0]), **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, tuple(feeds[0].values()), str(FOLDER / f"{name}.onnx"), external_data=False, **options
        )
    strip(FOLDER / f"{name}.onnx")
    stored: dict[str, np.ndarray] = {}
    for prefix, feed in zip(["", "again:"], feeds, strict=False):
        with torch.no_grad():
            outputs = module(**feed)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        stored |= {f"{prefix}{key}": value.numpy() for key, value in feed.items()}
        stored |= {f"{'again' if prefix else 'y'}.{n}": y.numpy() for n, y in enumerate(outputs)}
    np.savez_compressed(FOLDER / f"{name}.npz", **stored)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or sorted(CASES):
        write(name)
