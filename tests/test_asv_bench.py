"""The benchmarks still run, at small sizes, and what they check is checked. Nothing is timed in earnest here."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import numpy as np
import pytest

from numba_rnn.config import settings

ROOT = Path(__file__).parents[1]
FAMILIES = ["Stream", "DeepBench", "Batches", "Tiny", "Bidirectional", "Stacks", "Masked"]
GIGA = {"threads": 1, "fma": 1e9, "tile": 1e9, "L1": 1e9, "L2": 0.5e9, "L3": 0.25e9, "memory": 0.125e9}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The suite's modules; whatever a benchmark sets for the process is put back."""
    monkeypatch.syspath_prepend(str(ROOT))
    for name in ("device", "threads"):
        monkeypatch.setattr(settings, name, getattr(settings, name))
    with mock.patch.dict(os.environ, OPENBLAS_NUM_THREADS="1"):
        from asv_bench import chart, readme_table, report, worker
        from asv_bench.benchmarks import (
            activations,
            cells,
            common,
            compare,
            layers,
            limits,
            peers,
            shapes,
            start,
            storages,
            streams,
            timing,
        )  # fmt: skip

        monkeypatch.setattr(peers, "_told", set())
        yield SimpleNamespace(
            activations=activations, cells=cells, chart=chart, common=common, compare=compare, layers=layers,
            limits=limits, peers=peers, readme_table=readme_table, report=report, shapes=shapes, start=start,
            storages=storages, streams=streams, timing=timing, worker=worker,
        )  # fmt: skip


def row_of(bench: Any, case: Any, threads: int = 1, **seconds: float) -> dict[str, Any]:
    """A row as `compare` makes it, with times that were not measured."""
    with (
        mock.patch.object(bench.compare, "PEERS", {}),
        mock.patch.object(bench.compare, "best", return_value=[1e-6]),
    ):
        row = bench.compare.compare(case, threads, 0.0, GIGA)
    row["seconds"] = {name.replace("_", " ") if name != "numba_rnn" else name: s for name, s in seconds.items()}
    return dict(row)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_run(bench: Any, family: str) -> None:
    benchmark = getattr(bench.cells, family)()
    names, threads = benchmark.params
    assert set(threads) == {1, 2}
    assert names == [case.name for case in bench.shapes.FAMILIES[family.lower()]]
    assert len(set(names)) == len(names)
    arguments = {1: GIGA}, names[0], 1
    benchmark.setup(*arguments)
    benchmark.time_call(*arguments)
    assert 0 < benchmark.track_error(*arguments) < 1e-6


def test_ratio_and_fraction_of_a_family(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.cells, "SECONDS", 0.01)
    benchmark = bench.cells.Stream()
    arguments = {1: GIGA}, benchmark.params[0][0], 1
    benchmark.setup(*arguments)
    assert benchmark.track_fraction(*arguments) > 0
    peer = SimpleNamespace(NAME="same", MODULES=(), TOLERANCE=0.0)
    peer.prepare = lambda case, threads: (bench.common.ours(case, threads), lambda y: y)
    monkeypatch.setattr(bench.compare, "PEERS", {"same": peer})
    assert 0.1 < benchmark.track_ratio(*arguments) < 10
    peer.prepare = lambda case, threads: (bench.common.ours(case, threads), lambda y: y + 1e-6)
    with pytest.raises(AssertionError, match="outputs differ"):
        benchmark.track_ratio(*arguments)
    peer.MODULES = ("no_such_module",)
    assert math.isnan(benchmark.track_ratio(*arguments))
    row = bench.compare.compare(benchmark.case, 1, 0.01, GIGA)
    assert row["skipped"] == {"same": "no_such_module: not installed"}


@pytest.mark.parametrize("suite", ["OneStep", "Sequences"])
def test_layers(bench: Any, suite: str) -> None:
    benchmark = getattr(bench.layers, suite)()
    arguments = [values[0] for values in benchmark.params]
    benchmark.setup(*arguments)
    benchmark.time_call(*arguments)


def test_streams(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.streams, "TURNS", 3)
    (session := bench.streams.Session()).setup("gru")
    (before,) = session.session.state.values()
    session.time_step("gru")
    assert not np.array_equal(next(iter(session.session.state.values()))[0], before[0])
    (pool := bench.streams.Pool()).setup("gru", 3)
    assert 0.1 < pool.track_stream("gru", 3) < 10_000


def test_overhead_of_layers(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.layers, "CALLS", 100)
    monkeypatch.setattr(bench.layers, "TURNS", 10)
    benchmark = bench.layers.Facade()
    benchmark.setup("lstm")
    # On a busy machine; the benchmark's history says what it is on a quiet one.
    assert benchmark.track_overhead("lstm") < 30

    def slow(x: Any, layer: Any = benchmark.layer) -> Any:
        time.sleep(1e-4)
        return layer(x)

    slow.cell = benchmark.layer.cell  # type: ignore[attr-defined]
    benchmark.layer = slow
    assert benchmark.track_overhead("lstm") > 90


CASES = [
    {"cell": "lstm", "layers": 2, "bidirectional": True},
    {"cell": "gru", "bidirectional": True},
    {"cell": "simple_rnn", "layers": 2},
    {"cell": "lstm", "masked": True},
    {"cell": "gru", "masked": True},
]


@pytest.mark.parametrize("options", CASES, ids=lambda options: "-".join(map(str, options.values())))
def test_onnx_runtime_agrees_before_it_is_timed(
    bench: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="measures ONNX Runtime: pip install '.[peers]'")
    pytest.importorskip("onnxruntime", reason="measures ONNX Runtime: pip install '.[peers]'")
    from asv_bench.benchmarks.peers.onnx_model import ORDERS

    case = bench.shapes.Case("any", B=4, T=6, D=5, H=7, **options)
    peer, want = bench.peers.PEERS["ONNX Runtime"], bench.common.ours(case, 1)()
    _, difference = bench.peers.compared(peer, case, 1, want)
    assert 0 < difference < 1e-6
    if case.cell != "simple_rnn":
        monkeypatch.setitem(ORDERS, case.cell, (*ORDERS[case.cell][1::-1], *ORDERS[case.cell][2:]))
        with pytest.raises(AssertionError, match="outputs differ"):
            bench.peers.compared(peer, case, 1, want)


ALL_AGREE = """
from asv_bench.benchmarks import common, peers, shapes
for options in {cases}:
    case = shapes.Case("any", B=4, T=6, D=5, H=7, **options)
    want = common.ours(case, 1)()
    for peer in peers.PEERS.values():
        if not peers.available(peer):
            print(peer.NAME, case, peers.compared(peer, case, 1, want)[1])
"""


@pytest.mark.slow
def test_all_peers_agree() -> None:
    """In a process of its own: they are heavy, and read their settings when they are imported."""
    subprocess.run(
        [sys.executable, "-c", ALL_AGREE.format(cases=CASES)], cwd=ROOT, check=True, stdin=subprocess.DEVNULL
    )


def test_threads_are_told_once_a_process(bench: Any) -> None:
    bench.peers.limit_threads(1)
    bench.peers.limit_threads(1)
    assert os.environ["XLA_FLAGS"].count(bench.peers.ONE_THREAD) == 1
    with pytest.raises(RuntimeError, match="Use a new one for 2"):
        bench.peers.limit_threads(2)


def test_best_takes_turns_and_drops_who_is_far_behind(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.timing, "TURN", 1e-4)
    order: list[str] = []

    def side(name: str, seconds: float) -> Any:
        def call() -> None:
            order.append(name)
            time.sleep(seconds)

        return call

    minima = bench.timing.best([side("a", 2e-3), side("b", 2e-3), side("slow", 0.03)], 0.03)
    assert all(least >= seconds for least, seconds in zip(minima, (2e-3, 2e-3, 0.03), strict=True))
    assert order[:6] == ["a", "b", "slow"] * 2
    assert order.count("slow") == bench.timing.TURNS < order.count("a")


def test_turns_begin_when_threads_have_gone_to_sleep(bench: Any) -> None:
    ends = time.perf_counter() + 0.05

    def spin() -> None:
        while time.perf_counter() < ends:
            pass

    spinning = Thread(target=spin)
    spinning.start()
    bench.timing.settle()
    assert time.perf_counter() >= ends
    spinning.join()


def test_limits_by_hand(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.limits, "cache_bytes", lambda: {"L1": 1000, "L2": 10_000, "L3": 20_000})
    case = bench.shapes.Case("any", "gru", B=2, T=5, D=8, H=16)
    U, W = 4 * 3 * 16 * 16, 4 * 3 * 16 * 8  # 3072 and 1536 bytes
    assert bench.limits.bounds(case, GIGA) == pytest.approx(
        {
            "multiply-adds": 2 * 10 * 3 * 16 * 24 / 1e9,
            "weights": (5 * (1000 + (U - 1000) * 2) + 1000 + (W - 1000) * 2) / 1e9,
            "input and output": 4 * 10 * 24 / 1e9,
        }
    )
    assert bench.limits.limit(case, GIGA)[1] == "weights"
    step = bench.shapes.Case("any", "lstm", B=1, T=1, D=64, H=64)  # 128 KiB: through all levels
    assert bench.limits.bounds(step, GIGA)["weights"] == pytest.approx(
        (1000 + 10_000 * 2 + 20_000 * 4 + (131_072 - 31_000) * 8) / 1e9
    )
    assert bench.limits.bounds(step, GIGA | {"threads": 2})["weights"] == pytest.approx(
        (2000 + 20_000 * 2 + 20_000 * 4 + (131_072 - 42_000) * 8) / 1e9
    )
    both = bench.shapes.Case("any", "lstm", B=3, T=4, D=8, H=16, bidirectional=True, layers=2, masked=True)
    steps = both.lengths().sum()
    assert 4 <= steps <= 12
    assert both.mask().sum() == steps
    assert bench.limits.bounds(both, GIGA)["multiply-adds"] == pytest.approx(
        2 * 2 * steps * 64 * (8 + 16 + 32 + 16) / 1e9
    )


def test_limits_are_measured(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.limits, "TRIES", 2)
    monkeypatch.setattr(bench.limits, "SECONDS", 1e-3)
    monkeypatch.setattr(bench.limits, "cache_bytes", lambda: {"L1": 32 << 10, "L2": 256 << 10, "L3": 1 << 20})
    for threads in (1, 2):
        rates = bench.limits.measure(threads)
        assert rates.pop("threads") == threads
        assert all(1e8 < rate < 1e14 for rate in rates.values())


def test_activations_are_timed(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.activations, "TRIES", 2)
    assert 0.01 < bench.activations.Activations().track_element("sigmoid", "float32") < 100


def test_what_storages_save(bench: Any) -> None:
    found = bench.storages.speedups("simple_rnn", 40, seconds=0.001)
    assert list(found) == ["bfloat16", "float16", "int8"]
    assert all(0.01 < times < 100 for times in found.values())


def test_starting_runs_a_fresh_process(bench: Any, tmp_path: Path) -> None:
    assert bench.start.seconds(bench.start.FIRST.format(layer="SimpleRNN"), str(tmp_path)) > 0
    assert any(tmp_path.rglob("*.nbc")), "the kernel was not compiled into the folder that was named"
    with pytest.raises(subprocess.CalledProcessError):
        bench.start.seconds("raise SystemExit(3)", str(tmp_path))


def test_a_peer_that_ends_the_process_is_left_out(bench: Any) -> None:
    case, lives = bench.shapes.CASES[0], []

    class Fragile(bench.worker.Worker):  # type: ignore[name-defined, misc]
        """One whose process is a thread, and ends when it gets to PyTorch."""

        def _begin(self) -> None:
            self._pipe, theirs = Pipe()
            self._process = mock.Mock()
            self.rates, self.versions = GIGA, {}
            lives.append(Thread(target=self.work, args=(theirs,)))
            lives[-1].start()

        def work(self, pipe: Any) -> None:
            with pipe:
                _, excluded = pipe.recv()
                for name in (bench.compare.OURS, "ONNX Runtime", "PyTorch"):
                    pipe.send(("at", name))
                    if name == "PyTorch" and name not in excluded:
                        return
                pipe.send(("at", ""))
                if not case.masked:
                    pipe.send(("row", {"skipped": excluded}))

    worker = Fragile(1, 0.0)
    assert list(worker.row(case)["skipped"]) == ["PyTorch"]
    assert len(lives) == 2
    case = bench.shapes.FAMILIES["masked"][0]
    with pytest.raises(RuntimeError, match=r"ended or hung \(timing\)"):
        Fragile(1, 0.0).row(case)
    for life in lives:
        life.join()


def test_report_saves_every_case_and_goes_on(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Stub:
        rates, versions = GIGA, {"ONNX Runtime": "1.0"}

        def __init__(self, threads: int, seconds: float) -> None:
            self.threads = threads

        def row(self, case: Any) -> dict[str, Any]:
            asked.append(case.name)
            if len(asked) == 3:
                raise RuntimeError("interrupted")
            return row_of(bench, case, self.threads, numba_rnn=2e-6, ONNX_Runtime=1e-6 * len(asked))

        def end(self) -> None:
            asked.append("end")

    monkeypatch.setattr(bench.report, "Worker", Stub)
    path, results = bench.report.opened(tmp_path)
    cases = bench.shapes.FAMILIES["tiny"][:3]
    with pytest.raises(RuntimeError, match="interrupted"):
        bench.report.run(path, results, cases, [1], 0.0, False)
    again, results = bench.report.opened(tmp_path)
    assert (again, len(results["rows"])) == (path, 2)
    bench.report.run(path, results, cases, [1], 0.0, True)
    assert asked == [*(case.name for case in cases), cases[2].name, "end"]
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert [row["name"] for row in saved["rows"]] == [case.name for case in cases]
    assert saved["limits"] == {"1": GIGA}

    readme = tmp_path / "README.md"
    readme.write_text(f"a\n{bench.readme_table.BEGIN}{bench.readme_table.END}\nb", encoding="utf-8")
    monkeypatch.setattr(bench.report, "README", readme)
    bench.report.render(path, saved)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("a\n")
    assert f"| **all** | {(0.5 * 1 * 2) ** (1 / 3):.2f} | 0.50 | 1 of 3 |" in text
    assert (tmp_path / "speed.svg").exists()


def test_tables_and_chart_show_losses_and_what_is_missing(bench: Any) -> None:
    cases = bench.shapes.FAMILIES
    results = {
        "processor": "A & B", "cores": 2, "date": "2026-01-01", "versions": {"numba": "1"}, "starting": {"a start": 0.5},
        "storages": {"LSTM, 256": {"bfloat16": 1.75, "int8": 2}},
        "limits": {"1": GIGA, "2": GIGA | {"threads": 2}},
        "rows": [
            row_of(bench, cases["tiny"][1], numba_rnn=2e-6, PyTorch=1e-6, JAX=3e-6),
            row_of(bench, cases["stream"][0], numba_rnn=1e-6, PyTorch=8e-6) | {"skipped": {"JAX": "cannot"}},
            row_of(bench, cases["stream"][1], numba_rnn=1e-6),
            row_of(bench, cases["masked"][0], 2, numba_rnn=1e-6, PyTorch=2e-6),
        ],
    }  # fmt: skip
    text = bench.readme_table.tables(results, "speed.svg")
    assert "| 3 to 24 units (D = H) | 0.50 | 0.50 | 0 of 1 |" in text
    assert "| one step (D = H) | 8.00 | 8.00 | 1 of 1 |" in text
    assert "| **all** | 2.00 | 0.50 | 1 of 2 |" in text
    assert "| LSTM | 32, 20, 3, 3 | 2.0 | 1.0 | 3.0 | 0.50 |" in text
    assert "| LSTM | 32, 100, 64, 128, masked | 1.0 | 2.0 |  | 2.00 |" in text
    assert "- JAX, lstm B1 T1 D16 H16: cannot" in text
    assert "| a start | 0.50 |" in text
    assert "| LSTM, 256 | 1.75 | 2.00 |" in text
    assert text.index("| LSTM | 1, 1, 16, 16 |") < text.index("| LSTM | 32, 20, 3, 3 |"), "not in the suite's order"
    tree = ElementTree.fromstring(bench.chart.chart(results))
    titles = [circle.findtext("{*}title") for circle in tree.findall(".//{*}circle")]
    assert [title for title in titles if title] == [
        "lstm B1 T1 D16 H16: 8.00 (1.0 us, PyTorch 8.0 us)",
        "lstm B32 T20 D3 H3: 0.50 (2.0 us, PyTorch 1.0 us)",
        "lstm B32 T100 D64 H128: 2.00 (1.0 us, PyTorch 2.0 us)",
    ]
    assert all(math.isfinite(float(circle.get("cx", "nan"))) for circle in tree.findall(".//{*}circle"))


def test_table_goes_between_its_markers(bench: Any) -> None:
    begin, end = bench.readme_table.BEGIN, bench.readme_table.END
    fill = bench.readme_table.between_markers
    assert fill(f"a\n{begin}\nold\n{end}\nb", "new") == f"a\n{begin}\nnew\n{end}\nb"
    for wrong in ("", begin, f"{end}{begin}", f"{begin}{end}{end}", f"{begin}{begin}{end}"):
        with pytest.raises(ValueError, match="Expected"):
            fill(wrong, "new")


def test_steps_that_do_not_count_are_not_compared(bench: Any) -> None:
    case = bench.shapes.Case("any", "lstm", B=3, T=50, D=1, H=2, masked=True)
    a = np.zeros((3, 50, 2))
    assert bench.common.largest_difference(case, a, a + ~case.mask()[:, :, None]) == 0
    assert bench.common.largest_difference(case, a, a + 1.0) == 1
