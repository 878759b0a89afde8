"""The GPU's measurements work: on a simulated GPU, where there is one in the tests, and without. Nothing is timed in earnest."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("greenlet", reason="the simulated GPU needs greenlet: pip install .[test]")

ROOT = Path(__file__).parents[1]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules."""
    monkeypatch.syspath_prepend(str(ROOT))
    from asv_bench.gpu import (
        __main__,
        clock,
        correctness,
        data,
        kinds,
        latencies,
        peer,
        runner,
        section,
        sections,
        shapes,
        soak,
        table,
        timing,
    )

    return SimpleNamespace(
        main=__main__, clock=clock, correctness=correctness, data=data, kinds=kinds, latencies=latencies, peer=peer, runner=runner,
        section=section, sections=sections, shapes=shapes, soak=soak, table=table, timing=timing,
    )  # fmt: skip


@pytest.fixture
def bench(gpu: Any) -> Any:
    return gpu.section.Bench(gpu.main.simulated(), simulated=True)


def test_simulated_from_end_to_end(gpu: Any, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    ran = CliRunner().invoke(gpu.main.main, ["--simulate", "--only", "environment,correctness,soak", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    results = json.loads(out.read_text(encoding="utf-8"))
    rows = results["sections"]["correctness"]["rows"]
    assert {row["name"].split(", ")[0] for row in rows} == set(gpu.kinds.kinds())
    assert any("worst" in row for row in rows)
    assert all(row.keys() & {"worst", "refused"} for row in rows)
    assert "| general | gru_reset_before | fp32 |" in out.with_suffix(".md").read_text(encoding="utf-8")
    before = results["sections"]["soak"]["rows"]
    ran = CliRunner().invoke(gpu.main.main, ["--simulate", "--only", "timing,choice", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    results = json.loads(out.read_text(encoding="utf-8"))
    assert results["sections"]["soak"]["rows"] == before, "a section that was not run again was lost"
    assert results["sections"]["timing"]["rows"][0]["us"]["ours fp32"] > 0
    exact, rounded = (row["us a step"] for row in results["sections"]["choice"]["rows"])
    assert exact.keys() == {"block", "general", "grid", "steps"}
    assert rounded.keys() == exact.keys() | {"cluster", "tensor"}
    assert "| lstm N1 H4 B1 fp32 | **" in out.with_suffix(".md").read_text(encoding="utf-8")


def test_without_a_gpu_it_says_so(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.main, "why_not", lambda: "none today")
    ran = CliRunner().invoke(gpu.main.main, [])
    assert ran.exit_code == 2
    assert "none today" in ran.output
    assert CliRunner().invoke(gpu.main.main, ["--only", "nothing"]).exit_code == 2


@pytest.mark.parametrize("broken", ["update", "mask", "unwritten"])
def test_what_is_wrong_is_found(gpu: Any, bench: Any, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = gpu.data.Cell("gru", "float32", 3, 5, N=2)
    calls = [gpu.data.Call(), gpu.data.Call("holes"), gpu.data.Call("right", backwards=True)]
    assert "wrong" not in gpu.correctness.check(bench, "general", cell, 2, 3, "fp32", calls, None)
    backend = bench.backend
    launch = backend.driver.launch

    def spoiled(kernel: Any, grid: Any, threads: int, stream: Any, *arguments: Any) -> None:
        arguments = list(arguments)
        if len(arguments) > 10:
            if broken == "mask":
                arguments[-1] &= ~8
            elif broken == "update":
                arguments[5].memory[0, 0, 0, 0] += 1e-4
            else:
                return
        launch(kernel, grid, threads, stream, *arguments)

    monkeypatch.setattr(backend.driver, "launch", spoiled)
    row = gpu.correctness.check(bench, "general", cell, 2, 3, "fp32", calls, None)
    assert len(row["wrong"]) == (2 if broken == "mask" else 3)
    assert gpu.table.state(row) == "wrong"


def test_soak_finds_a_bit_that_changes(gpu: Any, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = gpu.soak.jobs(bench)[0].arguments
    assert "wrong" not in gpu.soak.run(bench, **arguments)
    download, count = bench.backend.driver.download, 0

    def spoiled(array: Any, stream: Any) -> Any:
        nonlocal count
        count += 1
        out = download(array, stream)
        if count == 3:
            out.reshape(-1)[1] = np.nextafter(out.reshape(-1)[1], np.float32(9))
        return out

    monkeypatch.setattr(bench.backend.driver, "download", spoiled)
    row = gpu.soak.run(bench, **arguments)
    assert row["wrong"] == ["run 1: 1 numbers of output differ, the first at [[0, 0, 1]]"]


def test_calls_cover_everything(gpu: Any) -> None:
    every = list(gpu.data.calls())
    assert len(set(every)) == len(every) == 5 * 16 + 8
    few = gpu.correctness.drawn(gpu.correctness.FEW + 1, 1)
    assert {call.mask for call in few} == set(gpu.data.MASKS)
    assert few[0] == gpu.data.Call()
    some = gpu.correctness.drawn(gpu.correctness.SOME, 1)
    assert len(set(some)) == gpu.correctness.SOME
    for field in ("backwards", "sequences", "zero", "initial"):
        assert {getattr(call, field) for call in some} == {False, True}
    rng = np.random.default_rng(0)
    for pattern in gpu.data.MASKS[1:]:
        mask = gpu.data.mask_of(pattern, 50, 7, rng)
        assert (mask.shape, mask.dtype) == ((50, 7), bool)
    assert not (np.diff(gpu.data.mask_of("right", 50, 7, rng).astype(int), axis=1) > 0).any()
    assert not (np.diff(gpu.data.mask_of("left", 50, 7, rng).astype(int), axis=1) < 0).any()


def test_error_counts_what_is_not_a_number(gpu: Any) -> None:
    a = np.array([1.0, np.nan, np.inf, 4.0])
    assert gpu.data.error(a, a) == 0
    assert gpu.data.error(a.astype(np.float32), np.array([*a[:3], 4 + 4e-6])) == pytest.approx(1e-6, rel=1e-3)
    assert gpu.data.error(np.array([np.nan]), np.array([1.0])) == np.inf
    assert gpu.data.error(np.array([1.0]), np.array([np.nan])) == np.inf
    assert gpu.data.error(np.array([np.inf]), np.array([-np.inf])) == np.inf
    with pytest.raises(AssertionError, match="shapes differ"):
        gpu.data.error(a, a[:2])


def test_a_kernel_can_be_forced(gpu: Any, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba_rnn.kernels.cuda import plan

    monkeypatch.setattr(plan, "plan_never", lambda size, call, device: None, raising=False)
    assert list(gpu.kinds.kinds())[-1] == "general"
    cell = gpu.data.Cell("lstm", "float32", 2, 3)
    assert (
        "does not take" in gpu.correctness.check(bench, "never", cell, 1, 2, "fp32", [gpu.data.Call()], None)["refused"]
    )
    before = gpu.kinds.machine.plan
    with gpu.kinds.forced("general", steps=2):
        x, mask, initial = gpu.data.sequences(cell, 1, 5, gpu.data.Call())
        prepared = bench.backend.prepare(cell.recurrence, *cell.weights())
        bench.backend.scan(prepared, x, mask, initial, gpu.data.Call().options)
    assert len(bench.backend.driver.launches) == 3
    assert gpu.kinds.machine.plan is before


@pytest.mark.parametrize("name", ["lstm", "gru", "simple_rnn"])
def test_peers_compute_the_same(gpu: Any, name: str) -> None:
    pytest.importorskip("torch", reason="compares with PyTorch")
    cell = gpu.data.Cell(name, "float32", 4, 6)
    x, _, _ = gpu.data.sequences(cell, 3, 5, gpu.data.Call())
    layer = gpu.peer.Peer(cell, x, "cpu")
    expected, _ = gpu.data.oracle(cell, cell.weights(), x, None, None, gpu.data.Call().options)
    for precision, bound in (("fp32", 1e-6), ("float64", 1e-12), ("bf16", 3e-2)):
        layer.allow(precision)
        got = layer.numpy(layer.ready(precision)())
        assert got.dtype == ("float64" if precision == "float64" else "float32")
        assert gpu.data.error(got, expected) < bound


def test_shapes_and_jobs_are_named_once(gpu: Any) -> None:
    assert len(set(gpu.shapes.SHAPES)) == len(gpu.shapes.SHAPES)
    names = [str(shape) for shape in gpu.shapes.SHAPES]
    assert len(set(names)) == len(names)
    sweep = {(s.cell, s.B, s.H) for s in gpu.shapes.SHAPES if s.family == "sweep"}
    assert sweep == {
        (c, B, H) for c in ("lstm", "gru", "simple_rnn") for B in (1, 8, 64) for H in (32, 64, 128, 256, 512, 1024)
    }
    bench = gpu.section.Bench(None)
    for name, section in gpu.sections.SECTIONS.items():
        found = [job.name for job in section.jobs(bench)]
        assert len(set(found)) == len(found), name
        assert len(section.jobs(dataclasses.replace(bench, quick=True))) <= len(found)
    assert sum(s.seconds for s in gpu.sections.SECTIONS.values()) <= gpu.main.SECONDS + 20


def test_latency_kernels_end(gpu: Any, bench: Any) -> None:
    for job in gpu.latencies.jobs(bench):
        if "32 blocks" not in job.name:
            row = gpu.runner.row_of(gpu.latencies.LATENCIES, job, bench)
            assert "us" in row, row


# A section whose jobs misbehave, run in processes of its own.


def work(bench: Any, what: str) -> dict[str, Any]:
    if what == "die":
        os._exit(3)
    if what == "hang":
        time.sleep(600)
    if what == "raise":
        raise ValueError("no")
    with bench.alone():
        if what == "die alone":
            os._exit(3)
        time.sleep(0.01)
    return {"did": what, "process": os.getpid()}


def serve(pipe: Any, name: str, quick: bool) -> None:
    """`runner.serve` with this file's section and no GPU."""
    from unittest import mock

    from asv_bench.gpu import runner, sections
    from numba_rnn.kernels.cuda import toolkit

    with (
        mock.patch.dict(sections.SECTIONS, {name: SimpleNamespace(run=work)}),
        mock.patch("numba_rnn.kernels.cuda.machine.CUDA"),
        mock.patch.object(toolkit.cuda, "synchronize"),
    ):
        runner.serve(pipe, name, quick)


def test_a_job_that_dies_or_hangs_costs_itself_only(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.runner, "serve", serve)
    monkeypatch.setattr(gpu.runner.os, "environ", dict(os.environ))
    monkeypatch.setattr(gpu.runner.os, "cpu_count", lambda: 4)
    words = ["a", "die", "b", "raise", "c", "hang", "d", "die alone", "e"]
    jobs = [gpu.section.Job(word, {"what": word}, "one" if n < 5 else word) for n, word in enumerate(words)]
    section = gpu.section.Section("odd", "Odd", 0, patience=3, processes=2, jobs=lambda bench: jobs, run=work)
    rows: list[Any] = []
    gpu.runner.Pool(section, False, rows.append).run(jobs, 100)
    found = {row["name"]: row for row in rows}
    assert len(rows) == len(found) == len(words)
    assert {name for name, row in found.items() if row.get("did") == name} == {"a", "b", "c", "d", "e"}
    assert found["b"]["process"] == found["c"]["process"] != found["a"]["process"]
    assert "ended" in found["die"]["failed"]
    assert "ended" in found["die alone"]["failed"]
    assert "hung" in found["hang"]["failed"]
    assert "ValueError: no" in found["raise"]["failed"]


def test_what_is_not_reached_is_named(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.runner, "serve", serve)
    monkeypatch.setattr(gpu.runner.os, "environ", dict(os.environ))
    jobs = [gpu.section.Job(word, {"what": word}, "one") for word in ("hang", "never")]
    section = gpu.section.Section("odd", "Odd", 0, patience=60, processes=1, jobs=lambda bench: jobs, run=work)
    rows: list[Any] = []
    gpu.runner.Pool(section, False, rows.append).run(jobs, 2.0)
    assert rows == [{"name": name, "skipped": "not reached in the time"} for name in ("hang", "never")]


def test_tables_show_losses_and_what_is_amiss(gpu: Any) -> None:
    us = {"ours fp32": 2.0, "ours bf16": 1.0, "cuDNN fp32": 1.0, "cuDNN fp16": 3.0, "ours fp32, NumPy": 4.0}
    sections = {
        "timing": {"rows": [
            {"name": "lstm B1 T2 H3", "us": us, "error": {"ours fp32": 1e-7}, "kernel": {"fp32": "grid"}},
            {"name": "lstm B2 T2 H3", "us": {}, "failed sides": {"cuDNN bf16": "out of memory"}},
            {"name": "lstm B3 T2 H3", "failed": "a\nb"},
            {"name": "lstm B4 T2 H3", "skipped": "not reached in the time"},
        ]},
        "correctness": {"rows": [{"name": "grid, lstm, fp32, B1", "calls": 3, "worst": 1e-3, "bound": 2e-6, "wrong": ["here"]}]},
    }  # fmt: skip
    text = gpu.table.tables({"device": "GPU", "date": "today", "sections": sections})
    assert "| lstm B1 T2 H3 | 2 |  |  | 1 | 1 |  | 3 |  | 0.50 |  |  | **3.00** |  | 4 |  |  | 1.0e-07 | grid |" in text
    assert "- lstm B2 T2 H3, cuDNN bf16: out of memory" in text
    assert "- **failed** lstm B3 T2 H3: a b" in text
    assert "- skipped 1: not reached in the time" in text
    assert "| grid | lstm | fp32 | 1 | 3 | 1.0e-03 | 2e-06 | 1 |" in text
    assert "- **wrong** grid, lstm, fp32, B1: ['here']" in text
    assert "timing: 2 right, 1 failed, 1 skipped." in text


def test_results_of_gpus_are_not_rendered(gpu: Any, tmp_path: Path) -> None:
    """The report on CPUs leaves these files alone."""
    from asv_bench import report

    (tmp_path / "gpu-some.json").write_text("{}", encoding="utf-8")
    ran = CliRunner().invoke(report.main, ["--render", "--results", str(tmp_path)])
    assert ran.exit_code == 1
    assert "holds no results" in ran.output
