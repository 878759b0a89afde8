"""The rules of the house: who imports whom, how modules look, what an import costs. Each check is also seen to fail."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from numba_rnn.cells import CELLS, CellSpec

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "numba_rnn"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400
HEAVY = ("click", "h5py", "jax", "keras", "llvmlite", "numba", "numba.cuda", "onnx", "rich", "tensorflow", "torch")
UNSAFE_CALLS = {"__import__", "compile", "eval", "exec"}
UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve", "yaml"}


def name_of(path: Path) -> str:
    """The dotted name of the module in a file of the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def isort_style(name: str) -> tuple[int, list[str | int]]:
    """The order that ruff (RUF022) gives to `__all__`: CONSTANTS, Classes, functions; `log2` before `log10`."""
    parts = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    return (0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2), parts


# --- import contracts -----------------------------------------------------------------------------------------------

needs_import_linter = pytest.mark.skipif(
    importlib.util.find_spec("importlinter") is None, reason="import-linter is missing: pip install '.[test]'"
)


def lint_imports(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports_command as run; run()"
    command = [sys.executable, "-c", code, "--no-cache", "--no-logo", *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@needs_import_linter
def test_imports_run_downwards() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_import_linter
@pytest.mark.parametrize(
    ("contract", "module", "line", "seen"),
    [
        ("downwards", "cells/lstm.py", "import numba_rnn.dispatch", "numba_rnn.cells.lstm -> numba_rnn.dispatch"),
        ("downwards", "errors.py", "import numba_rnn.config", "numba_rnn.errors -> numba_rnn.config"),
        (
            "downwards",
            "config/process.py",
            "import numba_rnn.progress",
            "numba_rnn.config.process -> numba_rnn.progress",
        ),
        ("downwards", "unplaced.py", "x = 1", "numba_rnn.unplaced"),
        ("kernels", "functional.py", "import numba_rnn.kernels.reference", "functional -> numba_rnn.kernels.reference"),
        ("backends", "kernels/reference.py", "import numba_rnn.kernels.cpu", "reference -> numba_rnn.kernels.cpu"),
        ("backends", "kernels/backend.py", "import numba_rnn.kernels.cpu", "backend -> numba_rnn.kernels.cpu"),
        ("backends", "kernels/cuda/plan.py", "import numba_rnn.kernels.cpu", "cuda.plan -> numba_rnn.kernels.cpu"),
        ("numba", "kernels/cuda/scan.py", "import numba", "numba_rnn.kernels.cuda.scan -> numba"),
        ("numba", "cells/gru.py", "def f():\n    import numba", "numba_rnn.cells.gru -> numba"),
        ("llvmlite", "dispatch.py", "import llvmlite.ir", "numba_rnn.dispatch -> llvmlite"),
        ("h5py", "functional.py", "def f():\n    import h5py", "numba_rnn.functional -> h5py"),
        ("dask", "functional.py", "def f():\n    import dask.array", "numba_rnn.functional -> dask"),
        ("frameworks", "functional.py", "import keras", "numba_rnn.functional -> keras"),
        ("frameworks", "loaders/gates.py", "def f():\n    import torch", "numba_rnn.loaders.gates -> torch"),
        ("frameworks", "loaders/onnx/model.py", "import onnx", "numba_rnn.loaders.onnx.model -> onnx"),
    ],
)
def test_import_contract_can_fail(tmp_path: Path, contract: str, module: str, line: str, seen: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "numba_rnn", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "numba_rnn" / module).open("a") as file:
        file.write(f"\n{line}\n")
    result = lint_imports(tmp_path, "--contract", contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert seen in re.sub(r"\s+", " ", result.stdout)


# --- modules --------------------------------------------------------------------------------------------------------


def complaints(text: str, name: str = "numba_rnn.somewhere") -> list[str]:
    """What is wrong with the source of one module."""
    tree = ast.parse(text)
    found = []
    doc = ast.get_docstring(tree)
    if not doc or not doc.split("\n\n")[0].endswith((".", ":")):
        found.append("no docstring that begins with a sentence")
    if len(text.splitlines()) > LONGEST:
        found.append(f"more than {LONGEST} lines")
    assigned = {
        ast.unparse(target): node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    if len(tree.body) > 1:
        if "__all__" not in assigned:
            found.append("no `__all__`")
        else:
            names = ast.literal_eval(assigned["__all__"])
            if list(names) != sorted(set(names), key=isort_style):
                found.append("`__all__` is not sorted, or names something twice")
    for node in ast.walk(tree):
        found += unsafe(node, name)
    return found


def unsafe(node: ast.AST, name: str) -> list[str]:
    """What could run something that a file brought along, or imports a module that is fenced off."""
    modules: list[str] = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    found = [f"imports {m}" for m in modules if m.split(".")[0] in UNSAFE_MODULES]
    if name != "numba_rnn.kernels.cuda.toolkit":
        found += [f"imports {m}" for m in modules if m == "numba.cuda"]
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS:
            found.append(f"calls {node.func.id}")
        found += [
            "sets allow_pickle"
            for k in node.keywords
            if k.arg == "allow_pickle" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
        ]
    by_name = (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) == "import_module"
    if by_name and name != "numba_rnn":  # the package's own lazy names
        found.append("imports by name")
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_module_keeps_the_rules(path: Path) -> None:
    assert complaints(path.read_text(encoding="utf-8"), name_of(path)) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("__all__ = []\nx = 1", "no docstring"),
        ('"""No sentence"""', "no docstring"),
        ('"""A module."""\n' + "\n" * LONGEST, "more than"),
        ('"""A module."""\nx = 1', "no `__all__`"),
        ('"""A module."""\n__all__ = ["f", "C"]', "not sorted"),
        ('"""A module."""\n__all__ = ["C", "C"]', "not sorted"),
        ('"""A module."""\n__all__ = []\nfrom pickle import loads', "imports pickle"),
        ('"""A module."""\n__all__ = []\ndef f():\n    import marshal', "imports marshal"),
        ('"""A module."""\n__all__ = []\nfrom numba import cuda', "imports numba.cuda"),
        ('"""A module."""\n__all__ = []\nimport numba.cuda', "imports numba.cuda"),
        ('"""A module."""\n__all__ = []\nexec("x = 1")', "calls exec"),
        ('"""A module."""\n__all__ = []\n__import__("os")', "calls __import__"),
        ('"""A module."""\n__all__ = []\nf(allow_pickle=yes)', "sets allow_pickle"),
        ('"""A module."""\n__all__ = []\nimportlib.import_module(name)', "imports by name"),
    ],
)
def test_rules_can_be_broken(text: str, complaint: str) -> None:
    assert any(found.startswith(complaint) or complaint in found for found in complaints(text))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_all_is_importable(path: Path) -> None:
    module = importlib.import_module(name_of(path))
    missing = [name for name in getattr(module, "__all__", []) if not hasattr(module, name)]
    assert missing == []


# --- importing ------------------------------------------------------------------------------------------------------


def brought_in(statement: str) -> set[str]:
    """The heavy modules that a statement brings into a fresh interpreter in which every warning is an error."""
    code = f"{statement}\nimport sys\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import numba_rnn; dir(numba_rnn)",
        "from numba_rnn import cells, config, functional, initializers, layers, models, ops",
    ],
)
def test_import_is_light(statement: str) -> None:
    assert brought_in(statement) == set()


def test_light_import_can_be_seen_to_fail() -> None:
    assert brought_in("import numba_rnn, click") == {"click"}


# --- cells ----------------------------------------------------------------------------------------------------------


def unexplained(states: tuple[str, ...], doc: str) -> list[str]:
    """What a cell's module does not say: an equation for each new state, and where they come from."""
    missing = [f"{s}' = ..." for s in states if not re.search(rf"^ +{re.escape(s)}' = ", doc, re.MULTILINE)]
    return missing + ([] if "Source:" in doc else ["Source: ..."])


@pytest.mark.parametrize("spec", CELLS.values(), ids=CELLS.keys())
def test_cell_states_its_equations(spec: CellSpec) -> None:
    doc = sys.modules[spec.update.__module__].__doc__ or ""
    assert unexplained(spec.states, doc) == []


def test_missing_equations_are_seen() -> None:
    doc = sys.modules[CELLS["lstm"].update.__module__].__doc__ or ""
    assert unexplained(("h", "c"), doc.replace("c' = ", "c = ")) == ["c' = ..."]
    assert unexplained(("h", "c"), doc.replace("Source:", "")) == ["Source: ..."]


# --- the worked example of CONTRIBUTING.md ----------------------------------------------------------------------------

ADDED_CELL = """
import numpy as np
import numba_rnn
from numba_rnn import config, functional
from numba_rnn.cells import CELLS

cell, rng = CELLS["ugrnn"], np.random.default_rng(5)
x, h = rng.normal(size=(3, 4, 5)), np.zeros((3, 7))
W, U, b = (rng.normal(size=shape) for shape in ((5, 14), (7, 14), (14,)))
for t in range(4):
    g, n = np.split(x[:, t] @ W + b + h @ U, 2, -1)
    g, n = 1 / (1 + np.exp(-g)), np.tanh(n)
    h = g * h + (1 - g) * n
for device in ("reference", "cpu"):
    with config.device(device):
        y, _ = functional.scan(functional.prepare(cell, W, U, b), x)
    assert abs(y - h).max() < 1e-13, device
print(numba_rnn.__file__)
"""


def test_adding_a_cell_takes_one_file_and_one_line(tmp_path: Path) -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Adding a cell\n")[1].split("\n## ")[0]
    new_file, import_line = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert import_line.count("\n") == 1
    assert complaints(new_file) == []
    assert unexplained(("h",), ast.get_docstring(ast.parse(new_file), clean=False) or "") == []

    copy = tmp_path / "numba_rnn"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "cells/ugrnn.py").write_text(new_file, encoding="utf-8")
    with (copy / "cells/__init__.py").open("a", encoding="utf-8") as file:
        file.write(import_line)
    command = [sys.executable, "-W", "error", "-c", ADDED_CELL]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(copy / "__init__.py")
