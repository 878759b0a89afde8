"""Dense, Embedding, Masking, Dropout, activations, merging, shapes, pooling, normalisation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from numba_rnn import layers
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.masks import get_mask, set_mask

B, T, D = 3, 5, 4
MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 0, 0, 0, 0]], bool)


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal(size=(B, T, D)).astype("float32")


PLAIN = {
    "dense": lambda K: K.Dense(3),
    "dense activation": lambda K: K.Dense(3, activation="gelu", use_bias=False),
    "masking": lambda K: K.Masking(),
    "masking value": lambda K: K.Masking(mask_value=-1.0),
    "dropout": lambda K: K.Dropout(0.3),
    "spatial dropout": lambda K: K.SpatialDropout1D(0.3),
    "activation": lambda K: K.Activation("mish"),
    "relu": lambda K: K.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2),
    "leaky relu": lambda K: K.LeakyReLU(0.2),
    "elu": lambda K: K.ELU(0.7),
    "softmax": lambda K: K.Softmax(),
    "flatten": lambda K: K.Flatten(),
    "reshape": lambda K: K.Reshape((2, -1)),
    "permute": lambda K: K.Permute((2, 1)),
    "average pooling": lambda K: K.GlobalAveragePooling1D(),
    "average pooling kept": lambda K: K.GlobalAveragePooling1D(keepdims=True),
    "max pooling": lambda K: K.GlobalMaxPooling1D(),
    "max pooling kept": lambda K: K.GlobalMaxPooling1D(keepdims=True),
    "layer norm": lambda K: K.LayerNormalization(),
    "layer norm axes": lambda K: K.LayerNormalization(axis=[1, 2], epsilon=0.1, center=False),
    "layer norm first": lambda K: K.LayerNormalization(axis=1, scale=False),
    "layer norm rms": lambda K: K.LayerNormalization(rms_scaling=True),
    "batch norm": lambda K: K.BatchNormalization(),
    "batch norm time": lambda K: K.BatchNormalization(axis=1, epsilon=0.1, scale=False),
}


@pytest.mark.oracle
@pytest.mark.parametrize("case", PLAIN)
def test_like_keras(like_keras: Any, x: Any, case: str) -> None:
    x = x.copy()
    x[0, 2] = 0
    x[1, 1] = -1
    layer = like_keras(PLAIN[case], x)
    if case != "softmax":  # whose mask must have the input's own axes
        like_keras(PLAIN[case], x, MASK)
    spec = layer.compute_output_shape((None, T, D))
    assert tuple(spec[1:]) == layer(x).shape[1:]


@pytest.mark.oracle
@pytest.mark.parametrize("case", PLAIN)
def test_config_like_keras(keras: Any, case: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = PLAIN[case](keras.layers)
        ours = type(PLAIN[case](layers)).from_config(theirs.get_config())
        assert type(theirs).from_config(ours.get_config()).get_config() == theirs.get_config()

    def listed(value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else value

    assert {k: listed(v) for k, v in ours.get_config().items()} == {
        k: listed(v) for k, v in theirs.get_config().items()
    }


@pytest.mark.oracle
def test_pooling_and_softmax_masks(like_keras: Any, x: Any) -> None:
    like_keras(lambda K: K.Softmax(axis=1), x, mask=np.broadcast_to(MASK[..., None], x.shape))
    like_keras(lambda K: K.GlobalAveragePooling1D(data_format="channels_first"), x)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["Add", "Multiply", "Average", "Subtract", "Maximum", "Minimum", "Concatenate"])
def test_merging(like_keras: Any, x: Any, rng: np.random.Generator, name: str) -> None:
    y = rng.normal(size=x.shape).astype("float32")
    other = MASK[::-1].copy()
    for masks in ([None, None], [MASK, None], [None, MASK], [MASK, other]):
        like_keras(lambda K: getattr(K, name)(), [x, y], masks)
    if name == "Concatenate":
        like_keras(lambda K: K.Concatenate(axis=1), [x, y], [MASK, None])
    else:
        like_keras(lambda K: getattr(K, name)(), [x, y[:, 0]])


def test_merging_refuses(x: Any) -> None:
    with pytest.raises(ValueError, match="should be called on a list of inputs"):
        layers.Add()(x)
    with pytest.raises(ShapeError, match="Inputs have incompatible shapes"):
        layers.Add()([x, x[..., :2]])
    with pytest.raises(ShapeError, match="matching shapes except for the concatenation axis"):
        layers.Concatenate()([x, x[:, :2]])
    with pytest.raises(ValueError, match="exactly 2 inputs"):
        layers.Subtract()([x, x, x])


@pytest.mark.oracle
def test_embedding(like_keras: Any, rng: np.random.Generator) -> None:
    ids = rng.integers(0, 6, (B, T)).astype("int32")
    like_keras(lambda K: K.Embedding(6, 3, mask_zero=True), ids)
    like_keras(lambda K: K.Embedding(6, 3), ids.astype("int64"))
    like_keras(lambda K: K.Embedding(6, 3, mask_zero=True), ids.astype("float32") + 0.25)


def test_embedding_range() -> None:
    layer = layers.Embedding(6, 3)
    np.testing.assert_array_equal(layer(np.array([[-1]])), layer(np.array([[5]])))
    with pytest.raises(IndexError, match=r"input_dim=6.*Received: indices from 0 to 6"):
        layer(np.array([[0, 6]]))
    with pytest.raises(ValueError, match=r"`input_dim` must be a positive integer\. Received: input_dim=0"):
        layers.Embedding(0, 3)


def test_embedding_takes_weights(rng: np.random.Generator) -> None:
    table = rng.normal(size=(6, 3)).astype("float32")
    np.testing.assert_array_equal(layers.Embedding(6, 3, weights=[table])(np.array([2]))[0], table[2])


def test_mask_is_dropped_by_arithmetic_and_slices(x: Any) -> None:
    masked = layers.Masking()(x)
    assert get_mask(masked) is not None
    assert get_mask(masked[:, 1:]) is None
    assert get_mask(masked + 1) is None
    assert get_mask(set_mask(x, MASK).copy()) is None


def test_destroyed_mask_warns_once(x: Any) -> None:
    flatten = layers.Flatten(name="flat")
    with pytest.warns(UserWarning, match=r"Layer 'flat' \(of type Flatten\) was passed an input with a mask attached"):
        flatten(set_mask(x, MASK))
    flatten(set_mask(x, MASK))


def test_old_input_shape_warns() -> None:
    with pytest.warns(UserWarning, match="Do not pass an `input_shape`/`input_dim` argument"):
        layers.Dense(3, input_shape=(4,))


@pytest.mark.parametrize("units", [0, -2, 2.5, None, np.int64(3)])
def test_dense_units(units: Any) -> None:
    with pytest.raises(ValueError, match="invalid value for `units`, expected a positive integer"):
        layers.Dense(units)


def test_dense_refuses(x: Any) -> None:
    dense = layers.Dense(2, name="d")
    with pytest.raises(ShapeError, match="expected min_ndim=2, found ndim=1"):
        dense(x[0, 0])
    dense(x)
    with pytest.raises(
        ShapeError, match=r"layer 'd'.*expected axis -1 of input shape to have value 4, but.*shape \(3, 5, 3\)"
    ):
        dense(x[..., :3])
    with pytest.raises(ValueError, match="lora_rank"):
        layers.Dense(2, lora_rank=2)
    with pytest.raises(DTypeError, match="float16"):
        layers.Dense(2, dtype="float16")


def test_weights_can_be_set_and_counted(x: Any) -> None:
    dense = layers.Dense(2, name="d")
    with pytest.raises(ValueError, match="the layer isn't built"):
        dense.count_params()
    dense(x)
    assert dense.count_params() == 10
    with pytest.raises(ValueError, match="with a weight list of length 1, but the layer was expecting 2 weights"):
        dense.set_weights([np.zeros((4, 2))])
    with pytest.raises(
        ShapeError, match=r"Layer d weight shape \(4, 2\) is not compatible with provided weight shape \(2, 4\)"
    ):
        dense.set_weights([np.zeros((2, 4)), np.zeros(2)])
    kernel = dense.kernel
    assert kernel.path == "d/kernel"
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(kernel)[0] = 1
    copy = kernel.numpy()
    copy[:] = 0
    assert np.abs(np.asarray(kernel)).max() > 0


@pytest.mark.parametrize("rate", [-0.1, 1.5, "x"])
def test_dropout_rate(rate: Any) -> None:
    with pytest.raises(ValueError, match=f"Received: rate={rate}"):
        layers.Dropout(rate)


def test_input_arguments() -> None:
    with pytest.raises(ValueError, match="You must pass a `shape` argument"):
        layers.Input()
    with pytest.raises(ValueError, match="cannot pass both `shape` and `batch_shape`"):
        layers.Input((3,), batch_shape=(1, 3))
    tensor = layers.Input((None, 3), batch_size=2, dtype="int32", name="i")
    assert (tensor.shape, tensor.dtype, tensor.name) == ((2, None, 3), "int32", "i")
