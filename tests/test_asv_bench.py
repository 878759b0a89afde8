"""The benchmarks still run, at small sizes, and what they check is checked. Nothing is timed in earnest here."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from numba_rnn.config import settings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The suite's modules; whatever a benchmark sets for the process is put back."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for name in ("device", "threads"):
        monkeypatch.setattr(settings, name, getattr(settings, name))
    from asv_bench import readme_table
    from asv_bench.benchmarks import cells, layers, peers, start

    return SimpleNamespace(cells=cells, layers=layers, peers=peers, start=start, readme_table=readme_table)


@pytest.mark.parametrize(
    ("suite", "B", "H"), [("Stream", 16, 32), ("Sequences", 1, 128), ("DeepBench", 1, 512)], ids=str
)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_cells_by_shapes(bench: Any, suite: str, B: int, H: int, backend: str) -> None:
    benchmark = getattr(bench.cells, suite)()
    benchmark.setup(backend, "lstm", B, H)
    benchmark.time_scan(backend, "lstm", B, H)
    error = benchmark.track_error(backend, "lstm", B, H)
    assert (error == 0) if backend == "reference" else (0 < error < 1e-6)


@pytest.mark.parametrize("suite", ["OneStep", "Sequences"])
def test_layers(bench: Any, suite: str) -> None:
    benchmark = getattr(bench.layers, suite)()
    arguments = [values[0] for values in benchmark.params]
    benchmark.setup(*arguments)
    benchmark.time_call(*arguments)


def test_overhead_of_layers(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.layers, "CALLS", 100)
    monkeypatch.setattr(bench.layers, "TURNS", 10)
    benchmark = bench.layers.Facade()
    benchmark.setup("lstm")
    assert (
        benchmark.track_overhead("lstm") < 30
    )  # on a busy machine; the benchmark's history says what it is on a quiet one

    def slow(x: Any, layer: Any = benchmark.layer) -> Any:
        time.sleep(1e-4)
        return layer(x)

    slow.cell = benchmark.layer.cell  # type: ignore[attr-defined]
    benchmark.layer = slow
    assert benchmark.track_overhead("lstm") > 90


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_peers_agree_before_they_are_timed(bench: Any, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="measures ONNX Runtime: pip install '.[peers]'")
    pytest.importorskip("onnxruntime", reason="measures ONNX Runtime: pip install '.[peers]'")
    monkeypatch.setattr(bench.peers, "TOTAL", 0.01)
    mine, other, difference = bench.peers.compare(cell, 2, 3, 5, 7)
    assert 0 < mine < 1
    assert 0 < other < 1
    assert difference < 1e-6
    swapped = (*bench.peers.ORDERS[cell][1::-1], *bench.peers.ORDERS[cell][2:])
    monkeypatch.setitem(bench.peers.ORDERS, cell, swapped)
    with pytest.raises(AssertionError, match="outputs differ"):
        bench.peers.compare(cell, 2, 3, 5, 7)


def test_starting_runs_a_fresh_process(bench: Any, tmp_path: Path) -> None:
    assert bench.start.seconds(bench.start.FIRST.format(layer="SimpleRNN"), str(tmp_path)) > 0
    assert any(tmp_path.rglob("*.nbc")), "the kernel was not compiled into the folder that was named"
    with pytest.raises(subprocess.CalledProcessError):
        bench.start.seconds("raise SystemExit(3)", str(tmp_path))


def test_table_goes_between_its_markers(bench: Any) -> None:
    begin, end = bench.readme_table.BEGIN, bench.readme_table.END
    fill = bench.readme_table.between_markers
    assert fill(f"a\n{begin}\nold\n{end}\nb", "new") == f"a\n{begin}\nnew\n{end}\nb"
    for wrong in ("", begin, f"{end}{begin}", f"{begin}{end}{end}", f"{begin}{begin}{end}"):
        with pytest.raises(ValueError, match="Expected"):
            fill(wrong, "new")
