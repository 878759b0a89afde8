"""docs/scale_out.md is true: its Dask example runs, and so does what Ray's and Spark's workers run, here and for real."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import pickle  # noqa: TID251 (what the engines send to their workers)
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import numba_rnn

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/scale_out.md").read_text(encoding="utf-8")
MODEL = str(ROOT / "examples/digits.keras")


def is_missing(*modules: str) -> bool:
    return any(importlib.util.find_spec(module) is None for module in modules)


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """examples/scale_out.py, as a worker imports it."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.delitem(sys.modules, "scale_out", raising=False)
    return importlib.import_module("scale_out")


@pytest.fixture
def images() -> Any:
    return np.load(ROOT / "examples/digits_test.npz")["x"]


@pytest.mark.skipif(is_missing("dask", "distributed"), reason="needs Dask: pip install '.[dask]'")
def test_the_dask_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.finditer(r"^```python\n(?P<code>.*?)^```\n\n```text\n(?P<printed>.*?)^```\n", PAGE, re.M | re.S)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(block["code"], "docs/scale_out.md", "exec"), {"__name__": "page"})
    assert out.getvalue() == block["printed"]


def test_links_and_names(recipe: ModuleType) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", PAGE)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    for block in re.findall(r"^```py\n(.*?)^```", PAGE, re.M | re.S):
        compile(block, "docs/scale_out.md", "exec")
        (name,) = re.findall(r"from scale_out import (\w+)", block)
        assert hasattr(recipe, name)


def test_what_rays_actors_run(recipe: ModuleType, images: Any) -> None:
    want = numba_rnn.load_model(MODEL).predict(images, verbose=0)
    predictor = recipe.Predictor(MODEL)
    batches = [predictor({"x": part, "id": np.arange(len(part))}) for part in np.split(images, [100, 100, 350])]
    assert all(batch.keys() == {"x", "id", "probabilities"} for batch in batches)
    np.testing.assert_array_equal(np.concatenate([batch["probabilities"] for batch in batches]), want)
    assert recipe.Predictor(MODEL).model is predictor.model  # loaded once a process


def test_what_sparks_workers_run(recipe: ModuleType, images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pd = pytest.importorskip("pandas", reason="Spark's frames are pandas': pip install pandas")
    want = numba_rnn.load_model(MODEL).predict(images, verbose=0).argmax(axis=1)
    loads: list[Any] = []
    load = numba_rnn.load_model
    monkeypatch.setattr(numba_rnn, "load_model", lambda path: loads.append(path) or load(path))
    sent = pickle.dumps(recipe.FramePredictor(MODEL, steps=8))
    assert len(sent) < 500
    for part in (slice(0, 200), slice(200, 450)):  # two partitions, each with the function anew
        run = pickle.loads(sent)
        rows = [list(map(float, image.ravel())) for image in images[part]]
        frame = pd.DataFrame({"id": np.arange(450)[part], "x": rows})
        found = pd.concat(run(iter([frame[:70], frame[:0], frame[70:]])))
        assert list(found.columns) == ["id", "label"]
        np.testing.assert_array_equal(found["label"], want[found["id"]])
        np.testing.assert_array_equal(found["id"], np.arange(450)[part])
    assert loads == [MODEL]


RAY = """
import numpy as np, ray
from scale_out import Predictor
MODEL, TEST = sys.argv[1:]
images = np.load(TEST)["x"]
env = {"env_vars": {key: os.environ[key] for key in ("PYTHONPATH", "NUMBA_RNN_DEVICE") if key in os.environ}}
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=env)
rows = ray.data.from_items([{"id": i, "x": x} for i, x in enumerate(images)])
found = rows.map_batches(Predictor, fn_constructor_args=[MODEL], concurrency=1, num_cpus=1, batch_size=64).take_all()
have = {row["id"]: row["probabilities"] for row in found}
"""
SPARK = """
import numpy as np
from pyspark.sql import SparkSession
from scale_out import FramePredictor, loaded
MODEL, TEST = sys.argv[1:]
images = np.load(TEST)["x"]
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
rows = [(i, [float(v) for v in x.ravel()]) for i, x in enumerate(images)]
frame = spark.createDataFrame(rows, "id long, x array<float>").repartition(6)
found = frame.mapInPandas(FramePredictor(MODEL, steps=8), schema="id long, label long").collect()
have = {row["id"]: np.eye(10)[row["label"]] for row in found}
"""
END = """
want = loaded_here(MODEL).predict(images, verbose=0)
assert sorted(have) == list(range(len(images)))
labels = np.stack([have[i] for i in range(len(images))]).argmax(1)
assert (labels == want.argmax(1)).all()
open("done", "w").close()
"""


def run(folder: Path, engine: str) -> None:
    paths = [str(ROOT), str(ROOT / "examples"), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYSPARK_PYTHON": sys.executable}
    begin = "import os, sys\nfrom scale_out import loaded as loaded_here\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", begin + engine + END, MODEL, str(ROOT / "examples/digits_test.npz")],
        cwd=folder, capture_output=True, text=True, timeout=580, check=False, env=env,
    )  # fmt: skip
    assert (folder / "done").exists(), done.stderr[-5000:]


@pytest.mark.slow
@pytest.mark.skipif(is_missing("ray"), reason="needs Ray: pip install 'ray[data]'")
def test_ray(tmp_path: Path) -> None:
    run(tmp_path, RAY)


@pytest.mark.slow
@pytest.mark.skipif(
    is_missing("pyspark", "pandas", "pyarrow") or shutil.which("java") is None,
    reason="needs Spark, pandas, PyArrow and Java: pip install pyspark pandas pyarrow",
)
def test_spark(tmp_path: Path) -> None:
    run(tmp_path, SPARK)
