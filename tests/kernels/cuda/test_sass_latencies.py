"""The kernels that measure latencies measure them: what they time is in their machine code, and nothing slow beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from numba_rnn.kernels.cuda.toolkit import int32, types, uint32

from .sass import compiled, needs_compiler

sys.path.insert(0, str(Path(__file__).parents[3]))
LOOKED_FOR = {
    "one_word": "LDG",
    "all_words": "LDG",
    "all_blocks": "LDG",
    "one_block": "BAR",
    "one_cluster": "UCGABAR_WAIT",
    "remote_words": "STAS",
}


@needs_compiler
@pytest.mark.parametrize("name", LOOKED_FOR)
def test_latencies(name: str) -> None:
    from asv_bench.gpu import latencies

    function: Any = getattr(latencies, name)
    assert {f.__name__ for f, *_ in latencies.KERNELS.values()} == set(LOOKED_FOR)
    found = compiled(function, (uint32[::1], int32[::1], types.int64), 256)
    assert found.spills == found.stack == 0
    assert found.doubles == set()
    assert LOOKED_FOR[name] in found.full or any(op.startswith(LOOKED_FOR[name]) for op in found.full), found.full
