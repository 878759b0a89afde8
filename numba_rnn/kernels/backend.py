"""What a backend is: something that says whether it can run a cell, takes its weights, and scans it over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from numba_rnn._typing import Activation, Array
from numba_rnn.cells import CellSpec
from numba_rnn.compressed import Compressed, expand

__all__ = ["Backend", "CellWeights", "PlainWeights", "Recurrence", "ScanOptions"]


BACKWARDS, SEQUENCES, ZERO_MASKED = 1, 2, 4  # bits of `ScanOptions.flags`


@dataclass(frozen=True)
class Recurrence:
    """The kind of recurrence to run: everything that a compiled kernel depends on.

    Attributes:
        spec: the cell.
        activation, recurrent_activation: canonical names, None for a callable of the user's own.
        dtype: float32 or float64.
        functions: the two activations in NumPy.
        storage: what kernel and recurrent kernel are kept as, one of `numba_rnn.compressed.STORAGES`; None for `dtype` itself.
    """

    spec: CellSpec
    activation: str | None
    recurrent_activation: str | None
    dtype: np.dtype[Any]
    functions: tuple[Activation, Activation] = field(compare=False)
    storage: str | None = None


@dataclass(frozen=True)
class CellWeights:
    """A cell's weights, checked, in Keras' layout.

    kernel (D, G*H); recurrent_kernel (H, G*H); bias (G*H,); recurrent_bias (G*H,), zeros where the cell has none; extra (E, H).
    Where the recurrence names a storage, both kernels are `Compressed`; the others stay float32.
    """

    kernel: Array | Compressed
    recurrent_kernel: Array | Compressed
    bias: Array
    recurrent_bias: Array
    extra: Array

    def expanded(self) -> PlainWeights:
        """The weights that they stand for, all of them plain arrays."""
        return PlainWeights(
            expand(self.kernel), expand(self.recurrent_kernel), self.bias, self.recurrent_bias, self.extra
        )


@dataclass(frozen=True)
class PlainWeights(CellWeights):
    """A cell's weights, neither kernel compressed."""

    kernel: Array
    recurrent_kernel: Array


@dataclass(frozen=True)
class ScanOptions:
    """What varies from call to call without another kernel: direction and which outputs to keep."""

    go_backwards: bool = False
    return_sequences: bool = False
    zero_output_for_mask: bool = False
    flags: int = field(init=False, repr=False)  # the three as bits, for compiled code

    def __post_init__(self) -> None:
        bits = (
            BACKWARDS * self.go_backwards | SEQUENCES * self.return_sequences | ZERO_MASKED * self.zero_output_for_mask
        )
        object.__setattr__(self, "flags", bits)


class Backend(Protocol):
    """One machine. Whoever calls it has checked every shape and dtype."""

    name: str

    def supports(self, recurrence: Recurrence) -> str | None:
        """None if it can run the recurrence, otherwise the reason why not."""
        ...

    def describe(self, recurrence: Recurrence, D: int | None = None, H: int | None = None) -> str:
        """The kernel that will run, in words; for a cell of that size also how many threads share a call."""
        ...

    def prepare(self, recurrence: Recurrence, *weights: CellWeights) -> Any:
        """Whatever `scan` wants to have ready: packed weights, a compiled kernel. Of one cell, or of two of the same D and H."""
        ...

    def warm(self, prepared: Any) -> None:
        """Compile whatever `scan` may need and `prepare` left for later."""
        ...

    def scan(
        self, prepared: Any, x: Array, mask: Array | None, initial_state: tuple[Array, ...] | None, options: ScanOptions
    ) -> tuple[Array, Array]:
        """Run the whole sequence; two cells run opposite ways, the second's steps put in the first's order.

        Args:
            prepared: what `prepare` returned, of N cells.
            x: (B, T, D), C-contiguous, T at least 1.
            mask: bool (B, T), True where the step counts, or None.
            initial_state: N*S arrays (B, H), the first cell's before the second's, or None for zeros.
            options: direction, of the first cell, and outputs.

        Returns:
            The output, (B, T, N*H) in processing order or (B, N*H), and the last states (N*S, B, H).
        """
        ...

    def bind(
        self, prepared: Any, x: Array, mask: Array | None, states: Array, y: Array, options: ScanOptions
    ) -> Callable[[], object]:
        """`scan` as a call to be made again and again, over arrays that stay: it goes on from `states` and leaves them there.

        Args:
            prepared, x, mask, options: as of `scan`, for a single cell; the caller keeps all arrays as long as it makes the call.
            states: (S, B, H), C-contiguous, read and written.
            y: (B, T, H) or (B, H), C-contiguous, written.
        """
        ...

    def prepare_linear(self, kernel: Array | Compressed, bias: Array) -> Any:
        """Whatever `linear` wants to have ready: kernel (D, H), perhaps compressed, bias (H,)."""
        ...

    def linear(self, prepared: Any, x: Array) -> Array:
        """`x @ kernel + bias`: x (B, D), of the kernel's dtype, C-contiguous; returns (B, H)."""
        ...
