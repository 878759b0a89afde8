"""Modules as PyTorch runs them here and now, over their options: outputs, states, packed sequences."""

from __future__ import annotations

import warnings
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import numba_rnn
from numba_rnn.layers.masks import set_mask
from numba_rnn.ops.naming import clear_session

pytestmark = pytest.mark.oracle

many = settings(
    max_examples=1500, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip


@st.composite
def options(draw: Any) -> dict[str, Any]:
    kind = draw(st.sampled_from(["RNN", "LSTM", "GRU"]))
    H = draw(st.integers(1, 5))
    made = {
        "input_size": draw(st.integers(1, 5)),
        "hidden_size": H,
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
    }
    if kind == "RNN":
        made["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if kind == "LSTM" and H > 1 and draw(st.booleans()):
        made["proj_size"] = draw(st.integers(1, H - 1))
    return {"kind": kind, **made}


def make(torch: Any, kind: str, seed: int, dtype: str = "float32", **arguments: Any) -> Any:
    torch.manual_seed(seed)
    return getattr(torch.nn, kind)(**arguments, dtype=getattr(torch, dtype)).eval()


def run(torch: Any, module: Any, x: Any, *states: Any) -> tuple[Any, list[Any]]:
    """Outputs (B, T, H) and states (B, n, H), from and to arrays with the batch first or packed."""
    given = tuple(torch.from_numpy(s).transpose(0, 1).contiguous() for s in states)
    given = (given if len(given) > 1 else given[0],) if given else ()
    packed = isinstance(x, torch.nn.utils.rnn.PackedSequence)
    if not packed:
        x = torch.from_numpy(x)
        x = x if module.batch_first else x.transpose(0, 1)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that projections run without oneDNN
        y, after = module(x, *given)
    if packed:
        y = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=module.batch_first)[0]
    after = after if isinstance(after, tuple) else (after,)
    y = y if module.batch_first else y.transpose(0, 1)
    return y.numpy(), [s.transpose(0, 1).numpy() for s in after]


def assert_close(ours: Any, theirs: Any) -> None:
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 if theirs.dtype == np.float64 else 1e-5)


@many
@given(options(), st.integers(1, 3), st.integers(1, 5), st.integers(0, 99), st.booleans())
def test_outputs_and_states(torch, case, B, T, seed, as_dict):
    module = make(torch, seed=seed, **case)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(B, T, case["input_size"])).astype(case["dtype"])
    clear_session()
    source = module.state_dict() if as_dict else module
    told = {"nonlinearity": case["nonlinearity"]} if as_dict and case.get("nonlinearity") else {}

    y, states = run(torch, module, x)
    model = numba_rnn.from_torch(source, **told)
    assert [layer.name for layer in model.layers] == [
        f"{model.layers[0].name[:-1]}{k}" for k in range(case["num_layers"])
    ]
    assert_close(model(x), y)
    assert_close(model.predict(x, verbose=0), y)

    directions = 1 + case["bidirectional"]
    ends = [states[0][:, -directions + d] for d in range(directions)]
    assert_close(numba_rnn.from_torch(source, return_sequences=False, **told)(x), np.concatenate(ends, -1))

    for ours, theirs in zip(numba_rnn.from_torch(source, return_state=True, **told)(x), [y, *states], strict=True):
        assert_close(ours, theirs)

    first = [rng.normal(size=s.shape).astype(s.dtype) for s in states]
    y, states = run(torch, module, x, *first)
    stepped = numba_rnn.from_torch(source, return_state=True, initial_state=True, **told)
    for ours, theirs in zip(stepped.predict([x, *first], verbose=0), [y, *states], strict=True):
        assert_close(ours, theirs)
    assert_close(numba_rnn.from_torch(source, initial_state=True, **told)([x, *first]), y)


@settings(many, max_examples=600)
@given(options(), st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 99))
def test_packed_sequences_are_masks(torch, case, lengths, seed):
    module = make(torch, seed=seed, **case)
    T = max(lengths)
    x = np.random.default_rng(seed).normal(size=(len(lengths), T, case["input_size"])).astype(case["dtype"])
    mask = np.arange(T) < np.array(lengths)[:, None]
    padded = torch.from_numpy(x)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        padded if module.batch_first else padded.transpose(0, 1), lengths, module.batch_first, enforce_sorted=False
    )
    y, states = run(torch, module, packed)
    model = numba_rnn.from_torch(module, return_state=True)
    for ours, theirs in zip(model(x, mask=mask), [y, *states], strict=True):
        assert_close(ours, theirs)
    for ours, theirs in zip(model(set_mask(x, mask)), [y, *states], strict=True):
        assert_close(ours, theirs)
    assert_close(numba_rnn.from_torch(module)(x, mask=mask), y)
    ends = [states[0][:, n] for n in range(-1 - case["bidirectional"], 0)]
    last = numba_rnn.from_torch(module, return_sequences=False)
    assert_close(last(x, mask=mask), np.concatenate(ends, -1))


@settings(many, max_examples=600)
@given(
    st.sampled_from(["RNNCell", "LSTMCell", "GRUCell"]),
    st.sampled_from(["tanh", "relu"]),
    st.booleans(),
    st.tuples(*(st.integers(1, 5),) * 3),
    st.sampled_from(["float32", "float64"]),
    st.integers(0, 99),
)
def test_cells(torch, kind, nonlinearity, bias, sizes, dtype, seed):
    B, D, H = sizes
    more = {"nonlinearity": nonlinearity} if kind == "RNNCell" else {}
    module = make(torch, kind, seed, dtype, input_size=D, hidden_size=H, bias=bias, **more)
    rng = np.random.default_rng(seed)
    x, *states = (rng.normal(size=s).astype(dtype) for s in [(B, D), *[(B, H)] * (1 + (kind == "LSTMCell"))])
    tensors = [torch.from_numpy(s) for s in states]
    with torch.no_grad():
        after = module(torch.from_numpy(x), tuple(tensors) if len(tensors) > 1 else tensors[0])
    cell = numba_rnn.from_torch(module, name="cell")
    h, new = cell(x, states)
    for ours, theirs in zip([h, *new], [new[0], *(after if len(tensors) > 1 else [after])], strict=True):
        assert_close(ours, np.asarray(theirs))
    assert (type(cell).__name__, cell.name) == (kind.replace("RNNCell", "SimpleRNNCell"), "cell")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_tensors_are_widened(torch, dtype):
    module = make(torch, "GRU", 3, dtype, input_size=3, hidden_size=4, num_layers=2)
    x = np.random.default_rng(3).normal(size=(2, 4, 3)).astype(np.float32)
    model = numba_rnn.from_torch(module.state_dict())
    assert_close(model(x), run(torch, module.float(), x)[0])


def test_dropout_lies_between_layers(torch):
    module = make(torch, "LSTM", 1, input_size=3, hidden_size=4, num_layers=3, dropout=0.5, batch_first=True)
    x = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
    model = numba_rnn.from_torch(module, name="encoder")
    assert [layer.name for layer in model.layers] == ["lstm_l0", "dropout_l0", "lstm_l1", "dropout_l1", "lstm_l2"]
    assert [layer.rate for layer in model.layers[1::2]] == [0.5, 0.5]
    assert model.name == "encoder"
    y = run(torch, module, x)[0]
    assert_close(model(x), y)
    assert np.abs(model(x, training=True) - y).max() > 1e-3
    with_states = numba_rnn.from_torch(module, return_state=True)
    assert_close(with_states(x)[0], y)
    assert np.abs(with_states(x, training=True)[0] - y).max() > 1e-3


def test_parametrised_weights(torch):
    lstm = torch.nn.LSTM(3, 4, batch_first=True)
    module = torch.nn.utils.parametrizations.weight_norm(lstm, "weight_hh_l0")
    x = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
    assert_close(numba_rnn.from_torch(module)(x), run(torch, module, x)[0])
    with pytest.raises(ValueError, match="missing: 'weight_hh_l0'"):
        numba_rnn.from_torch(module.state_dict())


def test_a_module_inside_another(torch):
    class Tagger(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(11, 3)
            self.encoder = torch.nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True)
            self.cell = torch.nn.LSTMCell(3, 4)
            self.tags = torch.nn.Linear(8, 5)

        def forward(self, words: Any) -> Any:
            return self.tags(self.encoder(self.words(words))[0])

    torch.manual_seed(5)
    net = Tagger().eval()
    words = np.array([[1, 2, 3, 10], [7, 0, 5, 5]])
    with torch.no_grad():
        expected = net(torch.from_numpy(words)).numpy()
    layers = numba_rnn.layers
    embedding, dense = layers.Embedding(11, 3), layers.Dense(5)
    model = numba_rnn.Sequential(
        [layers.Input((None,), dtype="int32"), embedding, numba_rnn.from_torch(net.encoder), dense]
    )
    embedding.set_weights([net.words.weight.detach()])
    dense.set_weights([net.tags.weight.detach().T, net.tags.bias.detach()])
    assert_close(model.predict(words, verbose=0), expected)

    x = np.random.default_rng(5).normal(size=(2, 4, 3)).astype(np.float32)
    for source in (net, net.state_dict()):
        for prefix in ("encoder", "encoder."):
            assert_close(numba_rnn.from_torch(source, prefix)(x), run(torch, net.encoder, x)[0])
        assert isinstance(numba_rnn.from_torch(source, prefix="cell"), layers.LSTMCell)
        with pytest.raises(ValueError, match=r"`prefix=`: 'encoder\.', 'cell\.'"):
            numba_rnn.from_torch(source)
        with pytest.raises(ValueError, match=r"`prefix=`: 'encoder\.', 'cell\.'"):
            numba_rnn.from_torch(source, prefix="decoder.")


def test_modules_that_are_something_else(torch):
    class Own(torch.nn.LSTM):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return super().forward(x)[0]

    with pytest.raises(ValueError, match="`forward` of its own"):
        numba_rnn.from_torch(Own(2, 3))
    with pytest.raises(ValueError, match="Linear, which has none inside"):
        numba_rnn.from_torch(torch.nn.Linear(2, 3))
    with pytest.raises(ValueError, match="own `nonlinearity` is 'relu'"):
        numba_rnn.from_torch(torch.nn.RNN(2, 3, nonlinearity="relu"), nonlinearity="tanh")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{}, {"return_state": True, "initial_state": True}, {"return_sequences": False}])
def test_saved_it_loads_in_keras(torch, keras, tmp_path, options):
    module = make(torch, "LSTM", 4, input_size=3, hidden_size=4, num_layers=2, bidirectional=True, dropout=0.1)
    model = numba_rnn.from_torch(module, **options)
    rng = np.random.default_rng(4)
    x: Any = rng.normal(size=(2, 4, 3)).astype(np.float32)
    if "initial_state" in options:
        x = [x, *(rng.normal(size=(2, 4, 4)).astype(np.float32) for _ in range(2))]
    model.save(tmp_path / "m.keras")
    theirs = keras.saving.load_model(tmp_path / "m.keras").predict(x, verbose=0)
    ours = model.predict(x, verbose=0)
    again = numba_rnn.load_model(tmp_path / "m.keras").predict(x, verbose=0)
    for a, b, c in zip(*(y if isinstance(y, list) else [y] for y in (ours, theirs, again)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_array_equal(a, c)
