"""On a GPU: arrays of PyTorch, CuPy, JAX and numba go in and come out, where they lie, on the caller's stream, and nobody waits."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.layers import GRU, LSTM, Bidirectional, Dense, Embedding, SimpleRNN
from numba_rnn.models import Sequential

from .conftest import counts_memory

SLEEP = 400_000_000  # clock cycles of work that comes before: about 0.2 s


def built(layer: Any, D: int = 12) -> Any:
    """With weights that are not zero."""
    layer(np.zeros((1, 2, D), np.float32))
    rng = np.random.default_rng(15)
    layer.set_weights(
        [(rng.standard_normal(w.shape) * max(1, w.shape[0]) ** -0.5).astype(np.float32) for w in layer.get_weights()]
    )
    return layer


def on_reference(call: Any, *arguments: Any) -> Any:
    with config.device("reference"):
        return call(*arguments)


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(16).standard_normal((3, 20, 12)).astype(np.float32)


@pytest.mark.parametrize("kind", [LSTM, GRU, SimpleRNN])
@pytest.mark.parametrize("H", [16, 300])
def test_in_and_out(library: Any, x: np.ndarray, kind: Any, H: int) -> None:
    layer = built(kind(H, return_sequences=True))
    there = library.put(x)
    where = library.pointer(there)
    y = layer(there)
    assert type(y) is type(there)
    assert library.pointer(there) == where
    np.testing.assert_array_equal(library.get(there), x)
    np.testing.assert_allclose(library.get(y), on_reference(layer, x), rtol=0, atol=2e-6)


def test_results_do_not_share_memory(library: Any, x: np.ndarray) -> None:
    """What was handed out is the caller's: later calls write elsewhere."""
    layer = built(LSTM(16))
    there = library.put(x)
    first = layer(there)
    before = library.get(first).copy()
    others = [layer(library.put(x + n)) for n in range(1, 4)]
    np.testing.assert_array_equal(library.get(first), before)
    assert len({library.pointer(y) for y in (first, *others)}) == 4


def test_masks_and_states(library: Any, x: np.ndarray) -> None:
    layer = built(LSTM(16, return_sequences=True, return_state=True))
    mask = np.arange(20) < np.array([[20], [7], [0]])
    states = [np.random.default_rng(n).standard_normal((3, 16)).astype(np.float32) for n in (1, 2)]
    expected = on_reference(lambda: layer(x, mask=mask, initial_state=states))
    got = layer(library.put(x), mask=library.put(mask), initial_state=[library.put(s) for s in states])
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(library.get(a), b, rtol=0, atol=2e-6)


def test_a_whole_model(library: Any) -> None:
    model = Sequential(
        [
            Embedding(40, 12, mask_zero=True),
            Bidirectional(LSTM(16, return_sequences=True)),
            GRU(20),
            Dense(5, activation="softmax"),
        ]
    )
    tokens = np.random.default_rng(17).integers(0, 40, (4, 9)).astype(np.int32)
    on_reference(model, tokens)
    rng = np.random.default_rng(18)
    model.set_weights([rng.standard_normal(w.shape).astype(np.float32) * 0.5 for w in model.get_weights()])
    expected = on_reference(model, tokens)
    y = model(library.put(tokens))
    assert type(y) is type(library.put(tokens))
    np.testing.assert_allclose(library.get(y), expected, rtol=0, atol=4e-6)


def test_views_of_every_kind(torch: Any, x: np.ndarray) -> None:
    """Strides that are not those of a packed array: transposed time, every second step, some of the inputs."""
    layer = built(LSTM(16), D=6)
    there = torch.from_numpy(x).cuda()
    for view in (
        there[:, :, 3:9],
        there[:, ::2, :6],
        there.transpose(0, 1)[:, :, :6],
        there[:, :, ::2],
        there.flip(1)[1:, :, 6:],
    ):
        expected = on_reference(layer, np.ascontiguousarray(view.cpu().numpy()))
        np.testing.assert_allclose(layer(view).cpu().numpy(), expected, rtol=0, atol=2e-6)


def test_nobody_waits(torch: Any, x: np.ndarray) -> None:
    """A call returns while what comes before it on the stream is still at work, and PyTorch sees no synchronisation."""
    model = Sequential([built(LSTM(64, return_sequences=True)), GRU(300), Dense(3)])
    there = torch.from_numpy(x).cuda()
    expected = model(there).cpu().numpy()  # compiled, uploaded, pooled
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        done = torch.cuda.Event()
        torch.cuda._sleep(SLEEP)
        done.record()
        ys = [model(there) for _ in range(3)]
        assert not done.query(), "the call waited for the GPU"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for y in ys:
        np.testing.assert_array_equal(y.cpu().numpy(), expected)


def test_on_the_callers_stream(torch: Any, x: np.ndarray) -> None:
    """The input is still being made when the call is put behind it; what follows on that stream sees the result."""
    layer = built(LSTM(64, return_sequences=True))
    host = torch.from_numpy(x).pin_memory()
    expected = layer(host.cuda()) * 2 + 1
    torch.cuda.synchronize()
    for stream in (torch.cuda.Stream(), torch.cuda.Stream(), torch.cuda.default_stream()):
        with torch.cuda.stream(stream):
            there = torch.zeros(x.shape, device="cuda")
            torch.cuda._sleep(SLEEP // 4)
            there.copy_(host, non_blocking=True)
            y = layer(there) * 2 + 1
        stream.synchronize()
        assert torch.equal(y, expected)


def test_streams_side_by_side(torch: Any, x: np.ndarray) -> None:
    """Several streams at once, with kernels that need the whole GPU among them: all end, all right."""
    layers = [built(LSTM(H, return_sequences=True)) for H in (32, 512, 700)]
    there = torch.from_numpy(x).cuda()
    alone = [layer(there) for layer in layers]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in range(3)]
    got = []
    for _ in range(10):
        for stream, layer in zip(streams, layers, strict=True):
            with torch.cuda.stream(stream):
                got.append((layers.index(layer), layer(there)))
    torch.cuda.synchronize()
    for n, y in got:
        assert torch.equal(y, alone[n])


@counts_memory
def test_memory_does_not_grow(torch: Any, x: np.ndarray) -> None:
    model = Sequential([built(LSTM(64, return_sequences=True)), Bidirectional(GRU(30)), Dense(3)])
    there = torch.from_numpy(x).cuda()

    def free() -> int:
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info()[0]

    for _ in range(20):
        model(there)
    before = free()
    for _ in range(1000):
        model(there)
    assert before - free() < 8 << 20, f"{before - free()} bytes are gone after 1000 calls"


def test_gradients_are_refused(torch: Any, x: np.ndarray) -> None:
    layer = built(LSTM(8))
    there = torch.from_numpy(x).cuda().requires_grad_()
    with pytest.raises(ValueError, match="gradients"):
        layer(there)
    with torch.no_grad():
        assert not layer(there).requires_grad
