"""One layer or model made twice from one line of source, given the same numbers, called the same way, and compared.

`K.LSTM(3, return_sequences=True)` is evaluated with K being this library and again with K being Keras, so that a disagreement
prints as a line that can be pasted. Every number comes from a seed.

Tolerances are absolute on results of unit scale, as promised: 2e-6, or 1e-5 where an LSTM takes part, and 1e-12 in float64. Bounded
activations keep results at unit scale whatever the weights. `tame=True` is for the others: recurrent weights with spectral norms
below 1, and where a result is still larger than 1 its largest number is the unit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn import layers
from numba_rnn.config import device
from numba_rnn.ops.tree import flatten

MASKS = ("right", "left", "gaps", "full", "empty", "rows")


def chain(K: Any, x: Any, *parts: Any) -> Any:
    """A functional model: an input and the layers after it."""
    y = x
    for layer in parts:
        y = layer(y)
    return K.Model(x, y)


def encoder_decoder(K: Any, x: Any, first: Any, encoder: Any, decoder: Any) -> Any:
    """A functional model whose last layer begins with the states that the one before it ends with, on the same input."""
    z = x if first is None else first(x)
    y, *states = encoder(z)
    return K.Model(x, [y, decoder(z, initial_state=states)])


def evaluate(source: str, K: Any) -> Any:
    """What a line of source makes out of the library K."""
    names = {"K": K, "chain": lambda *a: chain(K, *a), "encoder_decoder": lambda *a: encoder_decoder(K, *a)}
    return eval(source, names)


def merged(package: Any) -> Any:
    """`layers` and what models are made with, as one namespace."""
    models = {name: getattr(package, name) for name in ("Input", "Model", "Sequential")}
    return SimpleNamespace(**{**vars(package.layers), **models})


def weights(layer: Any, rng: np.random.Generator, tame: bool) -> list[Any]:
    """Different numbers everywhere, such that sums of unit inputs have unit scale."""
    made = []
    for w in layer.weights:
        a = rng.normal(size=w.shape)
        if w.name in {"kernel", "recurrent_kernel"}:
            a /= np.sqrt(w.shape[0])
        if tame and w.name == "recurrent_kernel":
            # Each gate's square block, by its own norm.
            H = w.shape[0]
            blocks = [a[:, i : i + H] for i in range(0, w.shape[1], H)]
            a = np.concatenate([0.5 * b / max(0.5, np.linalg.norm(b, 2)) for b in blocks], 1)
        if tame and w.name in {"kernel", "bias"}:
            a *= 0.5
        if w.name == "moving_variance":
            a = abs(a) + 0.5
        made.append(a.astype(w.dtype))
    return made


def mask_of(kind: str, B: int, T: int, rng: np.random.Generator) -> Any:
    """True where a step counts, (B, T)."""
    steps, lengths = np.arange(T), rng.integers(0, T + 1, (B, 1))
    match kind:
        case "right":
            return steps < lengths
        case "left":
            return steps >= lengths
        case "gaps":
            return rng.random((B, T)) < 0.6
        case "full":
            return np.ones((B, T), bool)
        case "empty":
            return np.zeros((B, T), bool)
    return np.broadcast_to(rng.random((B, 1)) < 0.5, (B, T)).copy()  # whole rows


def arguments(call: dict[str, Any], B: int, shape: tuple[int, ...], states: Any, rng: np.random.Generator) -> Any:
    """The input, the mask attached to it, further positional arguments and keywords of one call."""
    T = call.get("steps", 5)
    if "ids" in call:
        x = rng.integers(1, call["ids"], (B, T))
        x[~mask_of(call["mask"] or "full", B, T, rng)] = 0
        return x.astype(call.get("input", "int32")), None, (), {}
    x = rng.normal(size=(B, T, *shape))
    mask = None if call.get("mask") is None else mask_of(call["mask"], B, T, rng)
    if "fill" in call:  # steps that a Masking layer will find
        if mask is not None:
            x[~mask] = call["fill"]
        return x.astype("float32"), None, (), {}
    dtype = np.dtype(call.get("input", "float32"))
    x = (np.rint(x) if dtype.kind == "i" else x).astype(dtype)
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if mask is not None:
        deep = call.get("mask_axes", 2)
        if deep == 3:
            mask = mask[:, :, None]
        elif deep == "inner":
            mask = mask_of(call["mask"], B * T, shape[0], rng).reshape(B, T, shape[0])
        mask = mask.astype(call.get("mask_dtype", "bool"))
    attached = mask if call.get("attached") else None
    if mask is not None and attached is None:
        kwargs["mask"] = [mask] if call.get("mask_list") else mask
    if call.get("state"):
        given: Any = [
            [rng.normal(size=(B, u)).astype(call.get("state_dtype", "float32")) for u in cell] for cell in states
        ]
        given = given[0] if len(given) == 1 else given
        if call["state"] == "bare" and isinstance(given, list) and len(given) == 1:
            given = given[0]
        elif call["state"] == "tuple":
            given = tuple(given)
        if call["state"] == "positional":
            args = (given,)
        else:
            kwargs["initial_state"] = given
    return x, attached, args, kwargs


class Pair:
    """Both libraries, ready to compare."""

    def __init__(self, keras: Any) -> None:
        self.keras = keras
        self.theirs, self.ours = merged(keras), merged(numba_rnn)

    def __call__(
        self,
        layer: str,
        calls: list[dict[str, Any]] | None = None,
        *,
        rows: int = 3,
        shape: tuple[int, ...] = (4,),
        states: Any = None,
        dtype: str = "float32",
        tame: bool = False,
        seed: int = 0,
        keras_layer: str | None = None,
        backend: str = "auto",
    ) -> Any:
        """Make the layer or model twice, call both, and compare outputs, masks, dtypes and kept states; returns ours.

        Args:
            layer: source.
            calls: one dict a call: steps, input, mask (a kind of `MASKS`), mask_axes, mask_dtype, mask_list, attached, state,
                state_dtype, reset; fill or ids for the input of models.
            rows, shape: B, and what a step looks like.
            states: the sizes of the initial states, a list a cell.
            dtype, tame, seed: of the weights; in float64 the reference runs too.
            keras_layer: Keras' source where it differs.
            backend: the device of ours.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = evaluate(keras_layer or layer, self.theirs)
            oracles = [evaluate(layer, self.ours) for _ in range(2 if dtype == "float64" else 1)]
            rng = np.random.default_rng(seed)
            built = (rows, (calls or [{}])[0].get("steps", 5), *shape)
            for one in (theirs, *oracles):
                if not one.built:
                    one.build(built)
            arrays = weights(oracles[0], rng, tame)
            for one in (theirs, *oracles):
                one.set_weights(arrays)
            limit = 1e-12 if dtype == "float64" else 1e-5 if "LSTM" in layer else 2e-6
            for call in calls or [{}]:
                x, mask, args, kwargs = arguments(call, rows, shape, states, rng)
                wanted = self._keras_call(theirs, call, x, mask, args, kwargs)
                for one, name in zip(oracles, (backend, "reference"), strict=False):
                    with device(name):
                        if call.get("reset"):
                            one.reset_state()
                        received = one(layers.masks.set_mask(x, mask), *args, **kwargs)
                        compare(received, wanted, limit, tame)
                        if not getattr(one, "stateful", False):
                            # A layer's second call takes a shorter way than its first.
                            compare(one(layers.masks.set_mask(x, mask), *args, **kwargs), received, 0, tame=False)
                        if getattr(one, "stateful", False) and not hasattr(one, "predict"):
                            compare(one.states, theirs.states, limit, tame)
                        if hasattr(one, "predict"):
                            compare(one.predict(x, verbose=0), wanted, limit, tame, masks=False)
            return oracles[0]

    def _keras_call(self, layer: Any, call: dict[str, Any], x: Any, mask: Any, args: Any, kwargs: Any) -> Any:
        if call.get("reset"):
            # As `reset_state` does; Keras' own stumbles over the nested states of stacked cells.
            for state in self.keras.tree.flatten(layer.states):
                state.assign(np.zeros(state.shape))
        tensor = self.keras.ops.convert_to_tensor(x)
        if mask is not None:
            tensor._keras_mask = self.keras.ops.convert_to_tensor(mask)
        return layer(tensor, *args, **kwargs)


def compare(received: Any, wanted: Any, limit: float, tame: bool, masks: bool = True) -> None:
    """Raise unless both results are alike: how many, shapes, dtypes, numbers, and the masks they carry."""
    assert isinstance(received, tuple) == isinstance(wanted, tuple), (type(received), type(wanted))
    ours, theirs = flatten(received), flatten(wanted)
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    for i, (have, want) in enumerate(zip(ours, theirs, strict=True)):
        a, b = np.asarray(have), np.asarray(want)
        assert a.dtype == b.dtype, (i, a.dtype, b.dtype)
        assert a.shape == b.shape, (i, a.shape, b.shape)
        unit = max(1.0, float(np.abs(b).max(initial=0))) if tame else 1.0
        undefined = np.isnan(a) & np.isnan(b)  # as the average of no steps
        error = float(np.where(undefined, 0, np.abs(a - b)).max(initial=0)) / unit
        assert error <= limit, f"result {i} differs by {error:.2g}, more than {limit:.0e}"
        if masks:
            p, q = (getattr(r, "_keras_mask", None) for r in (have, want))
            assert (p is None) == (q is None), (i, p, q)
            if p is not None:
                np.testing.assert_array_equal(np.asarray(p), np.asarray(q))


@pytest.fixture(scope="session")
def pair(keras: Any) -> Callable[..., Any]:
    """`pair("K.LSTM(3)", [{"mask": "gaps"}], ...)`; see `Pair.__call__`."""
    return Pair(keras)
