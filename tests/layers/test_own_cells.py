"""Cells and layers that users write: against Keras' loop, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from numba_rnn import layers, ops
from numba_rnn.errors import ShapeError
from numba_rnn.ops.tree import flatten, pack

B, T, D = 3, 5, 4
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "gaps": [[0, 1, 0, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0]],
}


def cells_of(package: Any) -> dict[str, Any]:
    """The same cells, over this library or over Keras."""
    ops = package.ops

    class One(package.layers.Layer):  # type: ignore[misc]
        """One state, a bare size, no `output_size`."""

        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

        def call(self, inputs: Any, states: Any) -> Any:
            h = ops.tanh(ops.matmul(inputs, self.kernel) - ops.matmul(states[0], self.recurrent_kernel))
            return h, [h]

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    class Two(package.layers.Layer):  # type: ignore[misc]
        """Two states of different sizes, and an output of a third."""

        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units

        @property
        def state_size(self) -> list[int]:
            return [self.units, self.units + 1]

        @property
        def output_size(self) -> int:
            return 2

        def build(self, input_shape: Any) -> None:
            self.mix = self.add_weight((input_shape[-1] + self.units, 2 * self.units + 3), name="mix")

        def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
            a, b = states
            z = ops.matmul(ops.concatenate([inputs, a], -1), self.mix)
            output, first, second = ops.split(z, [2, 2 + self.units], axis=-1)
            return ops.tanh(output) + b[:, :2], [ops.sigmoid(first) * ops.tanh(a + first), ops.tanh(second - b)]

    of = package.layers
    return {
        "one": lambda: One(3),
        "two": lambda: Two(3),
        "stack": lambda: [One(3), Two(2), of.LSTMCell(4)],
        "stack ends": lambda: [of.GRUCell(2), One(3)],
        "stacked": lambda: of.StackedRNNCells([Two(3), of.SimpleRNNCell(2)]),
    }


class Package:
    """What `cells_of` takes from this library."""

    layers, ops = layers, ops


NAMES = list(cells_of(Package))


@pytest.mark.oracle
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_keras(name: str, mask: str, keras: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(B, T, D)).astype("float32")
    given = {} if MASKS[mask] is None else {"mask": np.array(MASKS[mask], bool)}
    for sequences, backwards, zero in itertools.product((False, True), repeat=3):
        flags = {"return_sequences": sequences, "go_backwards": backwards, "zero_output_for_mask": zero}
        theirs = keras.layers.RNN(cells_of(keras)[name](), return_state=True, **flags)
        ours = layers.RNN(cells_of(Package)[name](), return_state=True, **flags)
        theirs(x), ours(x)
        weights = [rng.normal(0, 0.5, w.shape).astype("float32") for w in theirs.weights]
        theirs.set_weights(weights), ours.set_weights(weights)
        assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
        zeros = ours.get_initial_state(B)
        states = pack(zeros, [rng.normal(size=s.shape).astype("float32") for s in flatten(zeros)])
        for arguments in (given, {**given, "initial_state": states}):
            a, b = flatten(ours(x, **arguments)), flatten(theirs(x, **arguments))
            assert len(a) == len(b)
            for one, other in zip(a, b, strict=True):
                np.testing.assert_allclose(one, np.asarray(other), atol=2e-6, rtol=0)


def test_masked_steps_keep_all_states_and_repeat_the_output(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 4, D)).astype("float32")
    mask = np.array([[0, 1, 0, 1], [1, 1, 1, 0]], bool)
    rnn = layers.RNN(cells_of(Package)["two"](), return_sequences=True, return_state=True)
    y, a, b = rnn(x, mask=mask)
    np.testing.assert_array_equal(y[0, 0], 0)  # nothing before it
    np.testing.assert_array_equal(y[0, 2], y[0, 1])
    np.testing.assert_array_equal(y[1, 3], y[1, 2])
    short, a_short, b_short = rnn(x[:1, [1, 3]])
    np.testing.assert_allclose(y[0, [1, 3]], short[0], atol=1e-6)
    np.testing.assert_allclose(a[0], a_short[0], atol=1e-6)
    np.testing.assert_allclose(b[0], b_short[0], atol=1e-6)


class Counter:
    """A cell that is no layer: it counts the steps, and has nothing to learn."""

    state_size = 1

    def call(self, inputs: Any, states: Any) -> Any:
        return inputs[:, :1] * 0 + states[0], states[0] + 1  # a bare state, as Keras takes it


def test_a_cell_need_not_be_a_layer() -> None:
    y, n = layers.RNN(Counter(), return_sequences=True, return_state=True)(np.ones((2, 4, 3), "float32"))
    np.testing.assert_array_equal(y, np.tile(np.arange(4.0)[:, None], (2, 1, 1)))
    np.testing.assert_array_equal(n, np.full((2, 1), 4))
    stacked = layers.RNN([Counter(), Counter()])(np.ones((2, 4, 3), "float32"))
    np.testing.assert_array_equal(stacked, np.full((2, 1), 3))


def test_inputs_of_higher_rank() -> None:
    class Sums(layers.Layer):
        state_size = 2

        def call(self, inputs: Any, states: Any) -> Any:
            new = states[0] + ops.sum(inputs, axis=1)
            return new, [new]

    x = np.arange(2 * 3 * 4 * 2, dtype="float32").reshape(2, 3, 4, 2)
    np.testing.assert_array_equal(layers.RNN(Sums())(x), x.sum((1, 2)))


def test_layers_inside_a_cell_are_built_and_named(rng: np.random.Generator) -> None:
    class Deep(layers.Layer):
        state_size = 3

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense = layers.Dense(3, name="mix")

        def call(self, inputs: Any, states: Any) -> Any:
            h = self.dense(ops.concatenate([inputs, states[0]], axis=-1))
            return h, [h]

    rnn = layers.RNN(Deep(name="deep"), name="outer")
    rnn.build((None, None, D))
    assert [(w.path, w.shape) for w in rnn.weights] == [
        ("outer/deep/mix/kernel", (D + 3, 3)),
        ("outer/deep/mix/bias", (3,)),
    ]
    assert rnn(rng.normal(size=(B, T, D))).shape == (B, 3)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "state_size must be specified as property on the RNN cell"),
        (2.5, "state_size must be an integer, or a list/tuple of integers"),
        ([3, "4"], "state_size must be an integer, or a list/tuple of integers"),
        ([], "state_size must be an integer, or a list/tuple of integers"),
    ],
)
def test_refuses_a_state_size(size: Any, text: str) -> None:
    cell = Counter()
    cell.state_size = size
    with pytest.raises(ValueError, match=text):
        layers.RNN(cell)


def test_refuses_what_is_no_cell() -> None:
    class NoCall:
        state_size = 3

    class NoSize:
        def call(self, inputs: Any, states: Any) -> Any:
            return inputs, states

    with pytest.raises(ValueError, match="Argument `cell` should have a `call` method"):
        layers.RNN(NoCall())
    with pytest.raises(ValueError, match="should have a `state_size` attribute"):
        layers.RNN(NoSize())
    with pytest.raises(ValueError, match="All cells must have a `call` method"):
        layers.StackedRNNCells([layers.GRUCell(3), NoCall()])
    with pytest.raises(ValueError, match="All cells must have a `state_size` attribute"):
        layers.RNN([layers.GRUCell(3), NoSize()])


def test_refuses_states_that_do_not_fit(rng: np.random.Generator) -> None:
    x = rng.normal(size=(B, T, D)).astype("float32")
    rnn = layers.RNN(cells_of(Package)["two"]())
    with pytest.raises(ShapeError, match=r"must hold 2 arrays for 2 states.*Received: 1"):
        rnn(x, initial_state=[np.zeros((3, 3))])
    with pytest.raises(ShapeError, match=r"Expected: arrays \[\(3, 3\), \(3, 4\)\]. Received: \[\(3, 3\), \(3, 3\)\]"):
        rnn(x, initial_state=[np.zeros((3, 3))] * 2)
    with pytest.raises(ShapeError, match="no time steps"):
        rnn(x[:, :0])
    with pytest.raises(ShapeError, match="`mask` has the wrong shape"):
        rnn(x, mask=np.ones((3, 4), bool))

    class Grows(Counter):
        def call(self, inputs: Any, states: Any) -> Any:
            return inputs, [states[0], states[0]]

    with pytest.raises(ShapeError, match="must return as many states as it was given"):
        layers.RNN(Grows())(x)


class Scale(layers.Layer):
    """A layer of one's own: a weight, a mask, a training mode."""

    def __init__(self, by: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.by, self.supports_masking = by, True

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")

    def call(self, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        y = inputs * self.factor * (self.by if training else 1.0)
        return y if mask is None else y * ops.expand_dims(ops.cast(mask, "float32"), -1)


def test_a_layer_of_ones_own(rng: np.random.Generator) -> None:
    x = rng.normal(size=(B, T, D)).astype("float32")
    layer = Scale(name="scale")
    np.testing.assert_array_equal(layer(x), x)
    assert [w.path for w in layer.weights] == ["scale/factor"]
    layer.factor.assign(np.arange(D))
    np.testing.assert_array_equal(layer(x), x * np.arange(D, dtype="float32"))
    np.testing.assert_array_equal(layer(x, training=True), 2 * x * np.arange(D, dtype="float32"))
    masked = layers.Masking()(np.where(np.arange(T)[:, None] < 3, x, 0))
    y = layer(masked)
    np.testing.assert_array_equal(y._keras_mask, np.arange(T) < np.full((B, 1), 3))
    layer.build((None, 9))  # built already: nothing happens
    assert layer.factor.shape == (D,)


def test_a_failed_build_leaves_nothing_behind() -> None:
    class Fails(layers.Layer):
        fail = True

        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight((2,), name="w")
            if self.fail:
                raise ValueError("not today")

    layer = Fails()
    with pytest.raises(ValueError, match="not today"):
        layer.build((1, 2))
    assert not layer.built
    assert layer.weights == []
    layer.fail = False
    layer.build((1, 2))
    assert len(layer.weights) == 1


def test_a_build_that_calls_its_parents() -> None:
    class More(Scale):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.shift = self.add_weight((1,), name="shift")

    layer = More(name="more")
    layer.build((None, 4))
    assert [w.path for w in layer.weights] == ["more/factor", "more/shift"]
    assert layer.build_shape == (None, 4)


def test_several_inputs_have_a_shape_each(rng: np.random.Generator) -> None:
    class Pair(layers.Layer):
        supports_masking = True

        def build(self, left_shape: Any, right_shape: Any) -> None:
            self.shapes = left_shape, right_shape

        def call(self, left: Any, right: Any, left_mask: Any = None) -> Any:
            return left if left_mask is None else ops.cast(left_mask, "float32")

    pair = Pair()
    assert pair(np.zeros((2, 3)), np.zeros((2, 5))).shape == (2, 3)
    assert pair.shapes == ((2, 3), (2, 5))
    masked = layers.Masking()(np.ones((2, 3, 1), "float32"))
    np.testing.assert_array_equal(pair(masked, np.zeros((2, 5))), np.ones((2, 3)))


def test_layers_inside_layers_train_with_them(rng: np.random.Generator) -> None:
    class Outer(layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="outer")
            self.scale, self.still = Scale(name="in"), Scale(name="still")

        def call(self, x: Any) -> Any:
            return self.scale(x) + self.still(x, training=False)

    x = rng.normal(size=(B, T, D)).astype("float32")
    outer = Outer()
    for _ in range(2):  # the second call takes the short way
        np.testing.assert_allclose(outer(x), 2 * x)
        np.testing.assert_allclose(outer(x, training=True), 3 * x)
    assert [w.path for w in outer.weights] == ["outer/in/factor", "outer/still/factor"]


def test_super_init_is_missed() -> None:
    class Forgets(layers.Layer):
        def __init__(self) -> None:
            self.units = 3

    with pytest.raises(RuntimeError, match=r"In layer Forgets, you forgot to call `super\(\).__init__\(\)`"):
        Forgets()(np.zeros((1, 2), "float32"))
