"""JAX: one `jax.jit` around `lax.scan`, the input projected for all steps at once, time-major."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..common import sequences, weights
from ..shapes import Case
from .onnx_model import EXACT

NAME, MODULES, TOLERANCE = "JAX", ("jax",), EXACT


def _step(cell: str) -> Callable[..., Any]:
    """(states, what the input gives (B, G*H), h U plus its bias) to the new states, h first."""
    from jax import nn
    from jax import numpy as jnp

    def simple_rnn(states: Any, x: Any, r: Any) -> Any:
        return (jnp.tanh(x + r),)

    def lstm(states: Any, x: Any, r: Any) -> Any:
        i, f, c, o = jnp.split(x + r, 4, -1)
        new = nn.sigmoid(f) * states[1] + nn.sigmoid(i) * jnp.tanh(c)
        return nn.sigmoid(o) * jnp.tanh(new), new

    def gru(states: Any, x: Any, r: Any) -> Any:
        (xz, xr, xh), (rz, rr, rh) = jnp.split(x, 3, -1), jnp.split(r, 3, -1)
        z, h = nn.sigmoid(xz + rz), jnp.tanh(xh + nn.sigmoid(xr + rr) * rh)
        return (z * states[0] + (1 - z) * h,)

    return {"simple_rnn": simple_rnn, "lstm": lstm, "gru": gru}[cell]


def prepare(case: Case, threads: int) -> tuple[Callable[[], Any], Callable[[Any], np.ndarray]]:
    import jax
    from jax import lax
    from jax import numpy as jnp

    step, count = _step(case.cell), 2 if case.cell == "lstm" else 1

    def direction(x: Any, keep: Any, W: Any, U: Any, b: Any, rb: Any, reverse: bool) -> Any:
        def body(states: Any, inputs: Any) -> Any:
            xt, kt = inputs
            new = step(states, xt, states[0] @ U + rb)
            if kt is not None:
                new = tuple(jnp.where(kt, a, old) for a, old in zip(new, states, strict=True))
            return new, new[0]

        start = (jnp.zeros((case.B, case.H), jnp.float32),) * count
        return lax.scan(body, start, (x @ W + b, keep), reverse=reverse)[1]

    @jax.jit
    def run(x: Any, keep: Any, layers: Any) -> Any:
        for directions in layers:
            ways = [direction(x, keep, *w, reverse=d == 1) for d, w in enumerate(directions)]
            x = jnp.concatenate(ways, -1) if len(ways) > 1 else ways[0]
        return x

    def converted(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> tuple[Any, ...]:
        both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
        return tuple(map(jnp.asarray, (kernel, recurrent, *both)))

    layers = [[converted(*arrays) for arrays in directions] for directions in weights(case)]
    x = jnp.asarray(sequences(case.B, case.T, case.D).transpose(1, 0, 2))
    keep = jnp.asarray(case.mask().T[:, :, None]) if case.masked else None
    return lambda: run(x, keep, layers).block_until_ready(), lambda y: np.asarray(y).transpose(1, 0, 2)
