"""Recurrences as plain functions over arrays: shapes and dtypes are checked here, once; there is no state and no class to subclass.

`prepare` takes a cell's weights and returns a `Cell` that `scan` runs; `simple_rnn`, `lstm` and `gru` do both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray  # by itself: looked up at every call, and a module's attribute takes longer

from numba_rnn import dispatch, resident
from numba_rnn._typing import FLOATS, Activation, Array
from numba_rnn.cells import GRU, GRU_RESET_BEFORE, LSTM, SIMPLE_RNN, CellSpec
from numba_rnn.compressed import Compressed, check_storage, compress
from numba_rnn.config import settings
from numba_rnn.errors import DTypeError, ShapeError, check_shape
from numba_rnn.kernels.backend import Backend, CellWeights, Recurrence, ScanOptions
from numba_rnn.ops.activations import get_activation

__all__ = [
    "Cell", "Linear", "ScanOptions", "bind", "both_ways", "gru", "linear", "lstm", "prepare",
    "recurrence_of", "scan", "simple_rnn", "step_mask",
]  # fmt: skip


class Cell:
    """A cell with its weights, checked and ready to run.

    Attributes:
        recurrence: what kind of recurrence it is.
        weights: the weights in Keras' layout.
        backward: those of a second cell, which runs the other way, or None; see `both_ways`.
        D, H: inputs of a step, units of one cell.
    """

    __slots__ = ("D", "H", "_prepared", "backward", "recurrence", "weights")

    def __init__(self, recurrence: Recurrence, weights: CellWeights, backward: CellWeights | None = None) -> None:
        self.recurrence = recurrence
        self.weights, self.backward = weights, backward
        self.D, self.H = weights.kernel.shape[0], weights.recurrent_kernel.shape[0]
        self._prepared: dict[str, tuple[Backend, Any]] = {}

    def __reduce__(self) -> Any:
        return Cell, (self.recurrence, self.weights, self.backward)  # packed and compiled again where it is wanted

    def prepared(self, device: str | None = None) -> tuple[Backend, Any]:
        """The backend of that device, or of the moment, and what it has ready for this cell."""
        device = device or settings.device
        ready = self._prepared.get(device)
        if ready is None:
            backend = dispatch.choose(self.recurrence, device)
            weights = (self.weights,) if self.backward is None else (self.weights, self.backward)
            ready = self._prepared[device] = backend, backend.prepare(self.recurrence, *weights)
        return ready

    def warm(self) -> None:
        """Compile everything that a call may need, or take it from the disk cache."""
        backend, prepared = self.prepared()
        backend.warm(prepared)


def recurrence_of(
    spec: CellSpec,
    activation: str | Activation | None = "tanh",
    recurrent_activation: str | Activation | None = "sigmoid",
    dtype: Any = np.float32,
    weights: str | None = None,
) -> Recurrence:
    """The kind of recurrence that a cell, its activations, a dtype and what its weights are kept as make.

    Raises:
        DTypeError: the dtype is neither float32 nor float64, or not float32 though `weights` are to be kept otherwise.
        ValueError: unknown activation or `weights`.
    """
    dtype = np.dtype(dtype)
    if dtype not in FLOATS:
        raise DTypeError(f"Recurrent cells compute in float32 or float64. Received: {dtype}.")
    check_storage(weights, dtype)
    act_name, act = get_activation(activation)
    rec_name, rec = get_activation(recurrent_activation)
    if "glu" in (act_name, rec_name):
        raise ValueError("`glu` halves the units and cannot be the activation of a recurrent cell.")
    return Recurrence(spec, act_name, rec_name, dtype, (act, rec), weights)


def prepare(
    spec: CellSpec,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    extra: Array | None = None,
    activation: str | Activation | None = "tanh",
    recurrent_activation: str | Activation | None = "sigmoid",
    weights: str | None = None,
) -> Cell:
    """Check a cell's weights and make it ready to run.

    Args:
        spec: the cell.
        kernel: (D, G*H), gate blocks in the order of `spec.gates`; its dtype is the cell's.
        recurrent_kernel: (H, G*H).
        bias: (G*H,), or (2, G*H) with the recurrent bias in row 1, or None for zeros.
        extra: (E, H), the further per-unit parameters that the cell names.
        activation, recurrent_activation: Keras names or callables.
        weights: "bfloat16", "float16" or "int8" keeps both kernels so, in fewer bytes; `numba_rnn.compressed` says what it costs.

    Raises:
        ShapeError: a weight's shape does not fit.
        DTypeError: neither float32 nor float64, or not float32 though `weights` are to be kept otherwise.
        ValueError: unknown activation or `weights`; a weight that cannot be kept so.
    """
    kernel = np.asarray(kernel)
    recurrence = recurrence_of(spec, activation, recurrent_activation, kernel.dtype, weights)
    G, E, dtype = len(spec.gates), len(spec.extra), recurrence.dtype
    U = np.asarray(recurrent_kernel, dtype)
    sizes = check_shape("recurrent_kernel", U, "H G*H", H=U.shape[0] if U.ndim else None, G=G)
    H = sizes["H"]
    if H == 0:
        raise ShapeError(f"`recurrent_kernel` has no units. Expected: (H, G*H) with H at least 1. Received: {U.shape}.")
    check_shape("kernel", kernel, "D G*H", G=G, H=H)
    b, rb = np.zeros(G * H, dtype), np.zeros(G * H, dtype)
    if bias is not None:
        bias = np.asarray(bias, dtype)
        if spec.recurrent_bias and bias.ndim == 2:
            check_shape("bias", bias, "2 G*H", G=G, H=H)
            b, rb = bias[0], bias[1]
        else:
            check_shape("bias", bias, "G*H", G=G, H=H)
            b = bias
    p = np.zeros((E, H), dtype) if extra is None else np.asarray(extra, dtype)
    check_shape("extra", p, "E H", E=E, H=H)
    if weights is None:
        return Cell(recurrence, CellWeights(kernel, U, b, rb, p))
    W, V = compress(kernel, weights, "kernel"), compress(U, weights, "recurrent_kernel")
    return Cell(recurrence, CellWeights(W, V, b, rb, p))


def both_ways(forward: Cell, backward: Cell) -> Cell:
    """Two cells of one kind as one: over the same sequences, the second from the other end, outputs side by side (..., 2*H).

    The second's outputs come in the first's order; states are the first's, then the second's.

    Raises:
        ValueError: they are of different kinds, sizes or dtypes, or either is such a pair already.
    """
    kinds = [(c.recurrence, c.recurrence.functions, c.D, c.H) for c in (forward, backward)]
    if kinds[0] != kinds[1] or forward.backward is not None or backward.backward is not None:
        raise ValueError("Both cells must be single ones of the same kind, activations, dtype, inputs and units.")
    return Cell(forward.recurrence, forward.weights, backward.weights)


def scan(
    cell: Cell,
    x: Array,
    mask: Array | None = None,
    initial_state: tuple[Array, ...] | None = None,
    options: ScanOptions = ScanOptions(),  # noqa: B008 (frozen)
) -> tuple[Array, Array]:
    """Run a cell over whole sequences.

    Args:
        cell: what `prepare` returned.
        x: (B, T, D), cast to the cell's dtype; T at least 1. An array on a GPU, not cast, runs there: so are the results then.
        mask: (B, T), true where a step counts: a step that does not keeps every state and repeats the last output.
        initial_state: S arrays (B, H), or one array (S, B, H), or None for zeros.
        options: direction and outputs.

    Returns:
        The output, (B, T, H) in processing order with `return_sequences`, otherwise (B, H) of the last step processed; and the
        S last states as one array, (S, B, H). Of `both_ways` 2*H outputs, and 2*S states, given and returned. Source: Keras'
        `RNN.call`, its TensorFlow backend.

    Raises:
        ShapeError: x, mask or a state does not fit, or T is 0.
        DTypeError, DeviceError: x is on a GPU, and of another dtype than the cell; or another device was asked for.
    """
    if type(x) is not ndarray and dispatch.on_gpu(x):
        return resident.scan(cell, x, mask, initial_state, options)
    x = _plain(x, cell.recurrence.dtype)
    if x.ndim != 3 or x.shape[2] != cell.D:
        check_shape(
            "x", x, "B T D", "Sequences have the features last; check the data or the layer's input size.", D=cell.D
        )
    B, T, _ = x.shape
    if T == 0:
        raise ShapeError(f"`x` has no time steps. Expected: (B, T, D) with T at least 1. Received: {x.shape}.")
    if mask is not None:
        mask = step_mask(mask, B, T)
    if initial_state is not None:
        initial_state = _checked_state(cell, initial_state, B)
    backend, prepared = cell.prepared()
    return backend.scan(prepared, x, mask, initial_state, options)


def bind(
    cell: Cell,
    x: Array,
    states: Array,
    y: Array,
    mask: Array | None = None,
    options: ScanOptions = ScanOptions(),  # noqa: B008 (frozen)
) -> Callable[[], object]:
    """A scan over arrays that stay where they are, as a call to be made again and again: a step costs little but the step.

    Every call runs over what `x` and `mask` hold then, goes on from `states` and leaves the new ones there.

    Args:
        cell: what `prepare` returned, not `both_ways`; a device that is chosen later makes no difference.
        x: (B, T, D), T at least 1.
        states: (S, B, H).
        y: (B, T, H) with `return_sequences`, otherwise (B, H): written by every call.
        mask: bool (B, T), or None.
        options: as of `scan`.

    Raises:
        ShapeError: an array has the wrong shape, or T is 0.
        DTypeError: an array is not of the cell's dtype, or the mask not bool.
        ValueError: an array is not C-contiguous, aligned and writable; the cell is a pair.
    """
    if cell.backward is not None:
        raise ValueError("A pair of cells runs from both ends, and cannot go on. Expected: a cell from `prepare`.")
    sizes = check_shape("x", x, "B T D", D=cell.D)
    if sizes["T"] == 0:
        raise ShapeError(f"`x` has no time steps. Expected: (B, T, D) with T at least 1. Received: {x.shape}.")
    B, T, S, H = sizes["B"], sizes["T"], len(cell.recurrence.spec.states), cell.H
    check_shape("states", states, "S B H", S=S, B=B, H=H)
    check_shape("y", y, "B T H" if options.return_sequences else "B H", B=B, T=T, H=H)
    if mask is not None:
        check_shape("mask", mask, "B T", B=B, T=T)
    for name, array in (("x", x), ("states", states), ("y", y), ("mask", mask)):
        wanted = np.dtype(np.bool_) if name == "mask" else cell.recurrence.dtype
        if array is not None and array.dtype != wanted:
            raise DTypeError(f"`{name}` has the wrong dtype. Expected: {wanted}. Received: {array.dtype}.")
        if array is not None and not array.flags.carray:
            raise ValueError(f"`{name}` must be C-contiguous, aligned and writable: it is used where it lies.")
    backend, prepared = cell.prepared()
    run = backend.bind(prepared, x, mask, states, y, options)
    vars(run)["holds"] = prepared, x, mask, states, y  # whose addresses are all that compiled code may have
    return run


def step_mask(mask: Any, B: int, T: int) -> Array:
    """A mask (B, T) or (B, T, 1) of any numbers as booleans (B, T).

    Raises:
        ShapeError: it has another shape.
    """
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[:, :, 0]
    if mask.shape != (B, T):
        check_shape("mask", mask, "B T", "A mask has one entry a row and step.", B=B, T=T)
    return _plain(mask, np.dtype(np.bool_))


def _plain(x: Array, dtype: np.dtype[Any]) -> Array:
    """x as compiled code knows arrays, copied only where it is not so: of this dtype, contiguous, aligned, writable."""
    if type(x) is ndarray and x.dtype == dtype and x.flags.carray:
        return x
    return np.require(x, dtype, ["C", "A", "W", "E"])


def _checked_state(cell: Cell, initial_state: Any, B: int) -> tuple[Array, ...]:
    names = cell.recurrence.spec.states * (1 if cell.backward is None else 2)
    if isinstance(initial_state, np.ndarray):
        initial_state = (initial_state,) if initial_state.ndim == 2 else tuple(initial_state)
    if not isinstance(initial_state, (tuple, list)) or len(initial_state) != len(names):
        n = len(initial_state) if isinstance(initial_state, (tuple, list)) else type(initial_state).__name__
        count = "1 array" if len(names) == 1 else f"{len(names)} arrays"
        raise ShapeError(
            f"`initial_state` of {cell.recurrence.spec.name} must be {count} ({', '.join(names)}), each ({B}, {cell.H}). "
            f"Received: {n}."
        )
    dtype, shape = cell.recurrence.dtype, (B, cell.H)
    checked = tuple([_plain(s, dtype) for s in initial_state])
    for name, s in zip(names, checked, strict=True):
        if s.shape != shape:
            check_shape(f"initial_state {name}", s, "B H", "States have one row a sequence.", B=B, H=cell.H)
    return checked


def simple_rnn(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    activation: Any = "tanh",
    mask: Array | None = None,
    initial_state: Any = None,
    **options: bool,
) -> tuple[Array, Array]:
    """SimpleRNN over x (B, T, D): kernel (D, H), recurrent_kernel (H, H), bias (H,). See `scan` for the rest."""
    cell = prepare(SIMPLE_RNN, kernel, recurrent_kernel, bias, activation=activation)
    return scan(cell, x, mask, initial_state, ScanOptions(**options))


def lstm(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    activation: Any = "tanh",
    recurrent_activation: Any = "sigmoid",
    mask: Array | None = None,
    initial_state: Any = None,
    **options: bool,
) -> tuple[Array, Array]:
    """LSTM over x (B, T, D): kernel (D, 4*H), blocks i, f, c, o; recurrent_kernel (H, 4*H); bias (4*H,). See `scan`."""
    names = {"activation": activation, "recurrent_activation": recurrent_activation}
    return scan(prepare(LSTM, kernel, recurrent_kernel, bias, **names), x, mask, initial_state, ScanOptions(**options))


def gru(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    activation: Any = "tanh",
    recurrent_activation: Any = "sigmoid",
    reset_after: bool = True,
    mask: Array | None = None,
    initial_state: Any = None,
    **options: bool,
) -> tuple[Array, Array]:
    """GRU over x (B, T, D): kernel (D, 3*H), blocks z, r, h; recurrent_kernel (H, 3*H); bias (3*H,) or (2, 3*H)."""
    spec = GRU if reset_after else GRU_RESET_BEFORE
    names = {"activation": activation, "recurrent_activation": recurrent_activation}
    return scan(prepare(spec, kernel, recurrent_kernel, bias, **names), x, mask, initial_state, ScanOptions(**options))


class Linear:
    """`x @ kernel + bias`, checked and ready to run by the library's own tile: BLAS's threads and numba's fight.

    kernel (D, H), bias (H,) or None; `weights` as in `prepare`.

    Raises:
        ShapeError: kernel or bias does not fit.
        DTypeError: the kernel is neither float32 nor float64, or not float32 though `weights` are to be kept otherwise.
        ValueError: unknown `weights`; a weight that cannot be kept so.
    """

    __slots__ = ("_prepared", "bias", "kernel")

    def __init__(self, kernel: Array, bias: Array | None = None, weights: str | None = None) -> None:
        kernel = np.asarray(kernel)
        sizes = check_shape("kernel", kernel, "D H")
        if kernel.dtype not in FLOATS:
            raise DTypeError(f"`linear` computes in float32 or float64. Received: {kernel.dtype}.")
        check_storage(weights, kernel.dtype)
        self.kernel: Array | Compressed = np.ascontiguousarray(kernel)
        if weights is not None:
            self.kernel = compress(kernel, weights, "kernel")
        self.bias = np.zeros(sizes["H"], kernel.dtype) if bias is None else np.asarray(bias, kernel.dtype)
        check_shape("bias", self.bias, "H", H=sizes["H"])
        self._prepared: dict[str, tuple[Backend, Any]] = {}

    def __getstate__(self) -> Any:
        return None, {
            "kernel": self.kernel,
            "bias": self.bias,
            "_prepared": {},
        }  # packed and compiled again where it is wanted

    def __call__(self, x: Array) -> Array:
        """Along the last axis of x (..., D); returns (..., H), on the GPU where x is there.

        Raises:
            ShapeError: the last axis of x is not D.
        """
        if type(x) is not ndarray and dispatch.on_gpu(x):
            return resident.linear(self, x)
        x = np.asarray(x)
        D, H = self.kernel.shape
        if x.ndim == 0 or x.shape[-1] != D:
            raise ShapeError(f"`x` has the wrong shape. Expected: (..., {D}) = (..., D). Received: {x.shape}.")
        device = settings.device
        name = "cpu" if device == "auto" else device  # one product of the host's arrays is not worth the way to a GPU
        ready = self._prepared.get(name)
        if ready is None:
            backend = dispatch.get(name)
            ready = self._prepared[name] = backend, backend.prepare_linear(self.kernel, self.bias)
        backend, prepared = ready
        if x.ndim == 2:
            return backend.linear(prepared, _plain(x, self.kernel.dtype))
        rows = math.prod(x.shape[:-1])  # spelt out: with D = 0, -1 could be anything
        return backend.linear(prepared, _plain(x, self.kernel.dtype).reshape(rows, D)).reshape(*x.shape[:-1], H)


def linear(x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """`x @ kernel + bias` along the last axis of x (..., D): kernel (D, H), bias (H,); returns (..., H). See `Linear`."""
    return Linear(kernel, bias)(x)
