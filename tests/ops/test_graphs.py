"""Operations in functional graphs: Keras reads what we write and computes the same, and the other way round."""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn.ops.base import OPS

# What an operation `o` of a graph on x (B, 3, 4) and y (B, 3, 4) can be.
GRAPHS: dict[str, Any] = {
    "arithmetic": lambda o, x, y: (x + y) * 2 - x / (abs(y) + 1) + 3 % (abs(x) + 1),
    "reversed": lambda o, x, y: 1 - x + 2 / (y * y + 1),
    "matmul": lambda o, x, y: o.matmul(x, o.transpose(y, (0, 2, 1))),
    "einsum": lambda o, x, y: o.einsum("bij,bkj->bik", x, y),
    "dot": lambda o, x, y: o.dot(x, np.arange(8, dtype="float32").reshape(4, 2)),
    "where": lambda o, x, y: o.where(x > y, x, -y),
    "logic": lambda o, x, y: o.logical_and(x > 0, o.logical_not(y > 0)),
    "concatenate": lambda o, x, y: o.concatenate([x, y], axis=-1),
    "stack": lambda o, x, y: o.stack([x, y], axis=1),
    "split": lambda o, x, y: o.split(x, 2, axis=-1)[1] * 2,
    "unstack": lambda o, x, y: o.unstack(x, axis=1)[2] * 2,
    "slices": lambda o, x, y: x[:, 1:, ::2],
    "pad": lambda o, x, y: o.pad(x, ((0, 0), (1, 0), (0, 2))),
    "pad with": lambda o, x, y: o.pad(x, ((0, 0), (1, 0), (0, 2)), constant_values=3.0),
    "clip": lambda o, x, y: o.clip(x, -0.5, 0.5),
    "cast": lambda o, x, y: o.cast(x * 3, "int32"),
    "one_hot": lambda o, x, y: o.one_hot(o.argmax(x, axis=-1), 4),
    "take": lambda o, x, y: o.take(x, [2, 0], axis=1),
    "take_along_axis": lambda o, x, y: o.take_along_axis(x, o.argsort(y, axis=-1), axis=-1),
    "top_k": lambda o, x, y: o.top_k(x, 2)[0],
    "sort": lambda o, x, y: o.sort(x, axis=1),
    "reductions": lambda o, x, y: o.sum(x, axis=1, keepdims=True) + o.max(y, axis=(1, 2), keepdims=True) - o.mean(x),
    "logsumexp": lambda o, x, y: o.logsumexp(x, axis=-1),
    "average": lambda o, x, y: o.average(x, axis=-1),
    "norm": lambda o, x, y: o.norm(x, axis=-1) + o.sum(o.normalize(y, axis=-1), axis=-1),
    "cumsum": lambda o, x, y: o.cumsum(x, axis=1) + o.cumprod(y, axis=2),
    "shapes": lambda o, x, y: o.reshape(o.squeeze(o.expand_dims(x, 1), 1), (-1, 12)),
    "moves": lambda o, x, y: o.swapaxes(o.flip(o.roll(x, 1, 1), 2), 1, 2),
    "repeats": lambda o, x, y: o.tile(o.repeat(x, 2, axis=1), (1, 1, 2)),
    "functions": lambda o, x, y: o.exp(-o.square(x)) + o.log1p(o.absolute(y)) + o.rsqrt(o.abs(x) + 1) + o.floor(y) + o.erf(x),
    "activations": lambda o, x, y: o.sigmoid(x) * o.tanh(y) + o.softmax(x) + o.gelu(y) + o.leaky_relu(x, 0.3) + o.silu(y),
    "normalization": lambda o, x, y: o.layer_normalization(x) + o.rms_normalization(y),
    "finite": lambda o, x, y: o.isfinite(x),
    "powers": lambda o, x, y: (x * x) ** 0.5 + o.maximum(x, 0.25) - o.minimum(y, 1),
    "triangles": lambda o, x, y: o.tril(x) + o.triu(y, 1),
    "moments": lambda o, x, y: o.moments(x, [1])[1],
    "crossentropy": lambda o, x, y: o.binary_crossentropy(o.sigmoid(x), o.sigmoid(y)),
    "zeros_like": lambda o, x, y: o.zeros_like(x) + o.ones_like(y) + o.full_like(x, 2.0),
    "stop_gradient": lambda o, x, y: o.stop_gradient(x) + y,
}  # fmt: skip


def model_of(library: Any, graph: Any) -> Any:
    x, y = library.Input((3, 4), name="x"), library.Input((3, 4), name="y")
    return library.Model([x, y], graph(library.ops, x, y))


@pytest.mark.oracle
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_go_both_ways(keras: Any, rng: np.random.Generator, name: str) -> None:
    data = [rng.normal(size=(2, 3, 4)).astype("float32") for _ in range(2)]
    ours, theirs = model_of(numba_rnn, GRAPHS[name]), model_of(keras, GRAPHS[name])
    want = np.asarray(theirs(data))
    assert tuple(ours.output.shape) == tuple(theirs.output.shape)
    assert ours.output.dtype == theirs.output.dtype
    np.testing.assert_allclose(ours(data), want, rtol=1e-5, atol=1e-5)

    written = json.loads(json.dumps(numba_rnn.saving.serialize_keras_object(ours)))
    np.testing.assert_allclose(
        np.asarray(keras.saving.deserialize_keras_object(written)(data)), want, rtol=1e-5, atol=1e-5
    )
    read = numba_rnn.saving.deserialize_keras_object(json.loads(theirs.to_json()))
    np.testing.assert_allclose(read(data), want, rtol=1e-5, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "class_name", sorted(set(OPS) - {"MultiHot"})
)  # whose number of classes Keras lets one leave out
def test_options_are_those_of_keras(keras: Any, class_name: str) -> None:
    kind = OPS[class_name]
    theirs = getattr(importlib.import_module(kind.module), class_name)
    options = [
        p for p in inspect.signature(theirs.__init__).parameters.values() if p.name not in {"self", "name", "kwargs"}
    ]
    assert [p.name for p in kind.options] == [p.name for p in options]
    assert [p.default for p in kind.options] == [p.default for p in options]
    tensors = [p.name for p in inspect.signature(theirs.call).parameters.values() if p.name not in {"self", "kwargs"}]
    assert [p.name for p in list(kind.signature.parameters.values())[: kind.tensors]] == tensors
