"""PyTorch: `nn.LSTM`, `nn.GRU`, `nn.RNN` in inference mode; masked batches packed beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..common import sequences, weights
from ..shapes import Case
from .onnx_model import EXACT

NAME, MODULES, TOLERANCE = "PyTorch", ("torch",), EXACT
CLASSES = {"simple_rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
# Gate blocks: ours (Keras') i, f, c, o and z, r, h; PyTorch's i, f, g, o and r, z, n.
ORDERS = {"simple_rnn": (0,), "lstm": (0, 1, 2, 3), "gru": (1, 0, 2)}
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _state(case: Case) -> dict[str, np.ndarray]:
    """Our weights by PyTorch's names, (G*H, D), (G*H, H) and two biases (G*H,)."""
    state = {}
    for n, directions in enumerate(weights(case)):
        for (kernel, recurrent, bias), suffix in zip(directions, ("", "_reverse"), strict=False):
            both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
            for name, a in zip(NAMES, (kernel, recurrent, *both), strict=True):
                parts = np.split(a, len(ORDERS[case.cell]), -1)
                state[f"{name}_l{n}{suffix}"] = np.concatenate([parts[g] for g in ORDERS[case.cell]], -1).T
    return state


def prepare(case: Case, threads: int) -> tuple[Callable[[], Any], Callable[[Any], np.ndarray]]:
    import torch
    from torch.nn.utils import rnn

    torch.set_num_threads(threads)
    model = getattr(torch.nn, CLASSES[case.cell])(
        case.D, case.H, num_layers=case.layers, bidirectional=case.bidirectional
    )
    model.load_state_dict({name: torch.from_numpy(a.copy()) for name, a in _state(case).items()})
    model.eval()
    x: Any = torch.from_numpy(sequences(case.B, case.T, case.D).transpose(1, 0, 2).copy())
    if case.masked:
        x = rnn.pack_padded_sequence(x, torch.from_numpy(case.lengths()), enforce_sorted=False)

    def call() -> Any:
        with torch.inference_mode():
            return model(x)[0]

    def read(y: Any) -> np.ndarray:
        padded = rnn.pad_packed_sequence(y, total_length=case.T)[0] if case.masked else y
        return padded.numpy().transpose(1, 0, 2)

    return call, read
