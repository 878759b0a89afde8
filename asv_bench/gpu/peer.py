"""PyTorch's layers, which run by cuDNN, with the same weights as a cell of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .data import Cell

__all__ = ["PRECISIONS", "Peer", "forget", "why_not"]

PRECISIONS = "fp32", "tf32", "fp16", "bf16"
# Where PyTorch has a gate in its blocks, ours by name; its GRU is Keras' with `reset_after`.
LAYERS = {"lstm": ("LSTM", (0, 1, 2, 3)), "gru": ("GRU", (1, 0, 2)), "simple_rnn": ("RNN", (0,))}


def why_not() -> str | None:
    """None, or why there is nothing to compare with."""
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed"
    return None if torch.cuda.is_available() else "this PyTorch finds no GPU"


def forget() -> None:
    """Give back the memory that PyTorch keeps: other processes want some too."""
    import torch

    torch.cuda.empty_cache()


class Peer:
    """One layer in every precision.

    Args:
        cell: one that PyTorch has, with as many inputs as it says.
        x: (B, T, D), float32; it is turned to (T, B, D), which cuDNN likes best.
        where: PyTorch's name of the device.
    """

    def __init__(self, cell: Cell, x: Any, where: str = "cuda") -> None:
        import torch

        self.torch, self.cell, self.where = torch, cell, where
        kind, self.order = LAYERS[cell.name]
        self._layer = getattr(torch.nn, kind)
        self._weights = cell.weights()[0]
        self._x = torch.from_numpy(np.ascontiguousarray(x.transpose(1, 0, 2)))

    def _blocks(self, array: Any) -> Any:
        blocks = np.split(array, len(self.order), -1)
        return self.torch.from_numpy(np.ascontiguousarray(np.concatenate([blocks[i] for i in self.order], -1).T))

    def ready(self, precision: str) -> Callable[[], Any]:
        """A call of the layer, on the current stream; it returns the outputs (T, B, H)."""
        torch = self.torch
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "float64": torch.float64}.get(precision, torch.float32)
        layer = self._layer(self.cell.D, self.cell.H)
        with torch.no_grad():
            for name, array in zip(
                ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
                (
                    self._weights.kernel,
                    self._weights.recurrent_kernel,
                    self._weights.bias,
                    self._weights.recurrent_bias,
                ),
                strict=True,
            ):
                getattr(layer, name).copy_(self._blocks(array))
        layer = layer.to(self.where).to(dtype).eval()
        layer.flatten_parameters()
        x = self._x.to(self.where).to(dtype)

        def call() -> Any:
            with torch.no_grad():
                return layer(x)[0]

        self.allow(precision)
        return call

    def allow(self, precision: str) -> None:
        """Whether products of float32 may be rounded to tf32, from now on."""
        allowed = precision != "fp32"
        self.torch.backends.cudnn.allow_tf32 = self.torch.backends.cuda.matmul.allow_tf32 = allowed

    @staticmethod
    def numpy(y: Any) -> Any:
        """Outputs (B, T, H) on the host, float32 or float64."""
        y = y if y.dtype.itemsize == 8 else y.float()
        return y.cpu().numpy().transpose(1, 0, 2)
