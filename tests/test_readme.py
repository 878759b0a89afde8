"""README is true: its code runs and prints what it says, its commands are CI's, its links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# A block of Python and, where one follows at once, the block of text that it prints.
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
BLOCKS = list(BLOCK.finditer(README))
COMMANDS = (
    "pip install . && numba-rnn predict examples/digits.keras examples/digits_test.npz",
    "pip install '.[test]' && pytest",
)


def test_readme_has_examples() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line{README[: block.start()].count(chr(10)) + 1}")
def test_code_runs(block: re.Match[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    lines_above = README[: block.start("code")].count("\n")
    code = compile("\n" * lines_above + block["code"], "README.md", "exec")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, {"__name__": "readme"})
    if block["printed"] is not None:
        assert out.getvalue() == block["printed"]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_the_ones_that_ci_runs(command: str) -> None:
    assert f"\n{command}\n" in README
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_table_of_times_has_its_markers() -> None:
    script = (ROOT / "asv_bench/readme_table.py").read_text(encoding="utf-8")
    markers = re.search(r'BEGIN, END = "(.*?)", "(.*?)"', script)
    assert markers is not None
    positions = [README.find(marker) for marker in markers.groups()]
    assert 0 <= positions[0] < positions[1]
    assert [README.count(marker) for marker in markers.groups()] == [1, 1]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
