"""Every file that an old Keras wrote gives the outputs it gave there, also saved again for Keras 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from numba_rnn.config import device
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders import load_model, load_weights

from ..test_golden import check  # noqa: TID252 (tests are no package with a name of its own)

GOLDEN = Path(__file__).parents[2] / "golden"
FOLDERS = [*GOLDEN.glob("[12].*"), *GOLDEN.glob("tf-keras-*")]
FILES = sorted(path.with_suffix("") for folder in FOLDERS for path in folder.glob("*.npz"))
# What Keras ran in half precision, and a layer that this library has not got.
REFUSED = {"mixed_float16": "dtype='mixed_float16'", "merging": "class 'Dot'"}
READ = [path for path in FILES if path.name.split(".")[0] not in REFUSED]
WHOLE = [path for path in READ if not path.name.endswith("weights.h5")]
COMPILED = ("sequential_lstm", "encoder_decoder", "bidirectional", "time_major", "masked_gru")
FOR_KERAS = {
    "tf-keras-2.21.0/activations.h5", "tf-keras-2.21.0/encoder_decoder_masked.h5", "tf-keras-2.21.0/op_layers.h5",
    "tf-keras-2.21.0/time_major.h5", "tf-keras-2.21.0/trained.keras", "2.13.1/nested.keras",
}  # fmt: skip


def named(paths: list[Path]) -> list[str]:
    return [f"{path.parent.name}/{path.name}" for path in paths]


def read(path: Path) -> Any:
    """The model in a file, or the model that its weights belong to, filled with them."""
    if not path.name.endswith("weights.h5"):
        return load_model(path)
    case = path.name.split(".")[0]
    model = load_model(path.with_name(f"{case}.h5" if ".legacy_" in path.name else f"{case}.keras"))
    load_weights(model, path)
    return model


def test_all_are_read() -> None:
    assert len(READ) > 140
    assert {path.parent.name for path in READ} == {
        "1.2.2",
        "2.0.8",
        "2.2.4",
        "2.3.1",
        "2.11.0",
        "2.12.0",
        "2.13.1",
        "2.14.0",
        "2.15.0",
        "tf-keras-2.21.0",
    }


@pytest.mark.parametrize("path", READ, ids=named(READ))
def test_outputs_are_the_writers(path: Path) -> None:
    with device("reference"):
        check(read(path), path)


@pytest.mark.parametrize(
    "path",
    [p for p in WHOLE if p.parent.name == "tf-keras-2.21.0" and p.name.split(".")[0] in COMPILED],
    ids=lambda p: p.name,
)
def test_outputs_on_compiled_kernels(path: Path) -> None:
    check(read(path), path)


@pytest.mark.parametrize("path", WHOLE, ids=named(WHOLE))
def test_saved_again(path: Path, tmp_path: Path) -> None:
    with device("reference"):
        model = load_model(path)
        for name in ("again.keras", "again.h5"):
            model.save(tmp_path / name)
            check(load_model(tmp_path / name), path)


def live(path: Path) -> Any:
    """One of them, among the slow ones unless it shows a rule of its own."""
    name = f"{path.parent.name}/{path.name}"
    return pytest.param(path, id=name, marks=[] if name in FOR_KERAS else [pytest.mark.slow])


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", [live(path) for path in WHOLE])
def test_saved_again_for_keras(path: Path, tmp_path: Path, keras: Any) -> None:
    load_model(path).save(tmp_path / "again.keras")
    check(keras.models.load_model(tmp_path / "again.keras"), path)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_by_name(case: str) -> None:
    paths = [path for path in FILES if path.name.startswith(f"{case}.") and not path.name.endswith("weights.h5")]
    assert paths
    for path in paths:
        with pytest.raises(ModelFileError, match=REFUSED[case]):
            load_model(path)
