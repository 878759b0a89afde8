"""On a GPU: a call in a CUDA graph. The last file: a capture that fails may leave a mess."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.layers import LSTM


def test_captured_in_a_graph(torch: Any) -> None:
    """A CUDA graph replays a call on whatever its input holds then; a library that allocates or waits cannot be captured."""
    x = np.random.default_rng(16).standard_normal((3, 20, 12)).astype(np.float32)
    layer = LSTM(64)
    there = torch.from_numpy(x).cuda()
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        layer(there)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, stream=side):
            y = layer(there)
    except Exception as problem:
        pytest.xfail(f"not promised: {problem}")
    with config.device("reference"):
        expected = layer(x[::-1].copy())
    there.copy_(torch.from_numpy(x[::-1].copy()))
    graph.replay()
    torch.cuda.synchronize()
    np.testing.assert_allclose(y.cpu().numpy(), expected, rtol=0, atol=2e-6)
