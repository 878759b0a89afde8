"""Where tensors come from: dtypes, files of every kind, and that nothing in them is run."""

from __future__ import annotations

import builtins
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from numba_rnn import from_torch
from numba_rnn.errors import DTypeError, ModelFileError, ShapeError
from numba_rnn.loaders.pytorch.tensors import read_file

from .conftest import GOLDEN, lstm_tensors

# A pickle that would make a file, were it run: `open('made', 'w')`.
HOSTILE = b"\x80\x02cio\nopen\nX\x04\x00\x00\x00madeX\x01\x00\x00\x00w\x86R."


def test_numbers_that_are_none(rng):
    for dtype in ("int8", "complex64", "bool", "object"):
        with pytest.raises(DTypeError, match="Expected: float16, bfloat16, float32 or float64"):
            from_torch({k: v.astype(dtype) for k, v in lstm_tensors(rng).items()})


def test_dtypes(rng):
    x = rng.normal(size=(2, 3, 3))
    for given, computed in (("float16", "float32"), ("float32", "float32"), ("float64", "float64")):
        model = from_torch(lstm_tensors(rng, dtype=given), return_state=True)
        assert {str(y.dtype) for y in model(x.astype(computed))} == {computed}
    assert from_torch({**lstm_tensors(rng), "bias_hh_l0": np.zeros(16)}).layers[0].dtype == "float64"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"hello", "Is it complete"),
        (b"hello world", "Is it complete"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "Then use `load_model`"),
        (b"\x02" + bytes(7) + b"[]", "safetensors file cannot be read"),
    ],
)
def test_files_of_another_kind(tmp_path, content, reason):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=reason) as raised:
        from_torch(path)
    assert str(path) in str(raised.value)


def test_what_is_wrong_in_a_file_is_told_with_its_name(tmp_path, rng):
    safetensors = pytest.importorskip("safetensors.numpy", reason="pip install '.[safetensors]'")
    tensors = lstm_tensors(rng)
    path = tmp_path / "x.safetensors"
    safetensors.save_file({**tensors, "bias_ih_l0": np.zeros(3)}, path)
    with pytest.raises(ModelFileError, match=r"x\.safetensors'. `bias_ih_l0` has the wrong shape") as raised:
        from_torch(path)
    assert isinstance(raised.value.__cause__, ShapeError)
    with pytest.raises(ModelFileError, match="`prefix=`: ''"):
        from_torch(path, "encoder")
    with pytest.raises(FileNotFoundError):
        from_torch(tmp_path / "missing.pt")
    with pytest.raises(ModelFileError, match="directory"):
        from_torch(tmp_path)


@pytest.mark.parametrize("length", [0x4B50, 0x80, 0x100])  # as the first bytes of a zip archive and of a pickle begin
def test_safetensors_are_known_by_their_length(tmp_path, length):
    pytest.importorskip("safetensors", reason="pip install '.[safetensors]'")
    path = tmp_path / "x.pt"
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", length) + header.ljust(length) + struct.pack("<f", 1.5))
    assert read_file(path) == {"w": [1.5]}


def hostile_files(folder: Path) -> list[Path]:
    plain, archive = folder / "plain.pt", folder / "archive.pt"
    plain.write_bytes(HOSTILE)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", HOSTILE)
        file.writestr("archive/version", "3\n")
    return [plain, archive]


@pytest.mark.oracle
def test_nothing_in_a_pickle_is_run(torch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in hostile_files(tmp_path):
        with pytest.raises(ModelFileError, match=r"weights alone \(it names io\.open"):
            from_torch(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.oracle
def test_files_with_more_than_weights(torch, tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.nn.LSTM(2, 3), path)
    with pytest.raises(ModelFileError, match=r"torch\.nn\.modules\.rnn\.LSTM, which is never made") as raised:
        from_torch(path)
    assert "weights_only" not in str(raised.value)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelFileError, match="RuntimeError"):
        from_torch(path)
    torch.save(torch.ones(3), path)
    with pytest.raises(ModelFileError, match="Received: Tensor"):
        from_torch(path)


@pytest.mark.oracle
def test_bombs(torch, tmp_path):
    one = torch.zeros(1, dtype=torch.bfloat16)
    path = tmp_path / "x.pt"
    torch.save({"weight_ih_l0": one.expand(1 << 22, 1 << 20), "weight_hh_l0": one.expand(1 << 22, 1 << 20)}, path)
    with pytest.raises(ModelFileError, match=r"would take 17592186044416 bytes"):
        from_torch(path)
    with zipfile.ZipFile(GOLDEN / "torch/lstm.pt") as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for member in whole.infolist():
            packed.writestr(member.filename, bytes(1 << 16) if "/data/" in member.filename else whole.read(member))
    with pytest.raises(ModelFileError, match="PyTorch packs nothing"):
        from_torch(path)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_arrays(torch, tmp_path):
    lstm = torch.nn.LSTM(2, 3)
    sparse = {name: t.to_sparse() for name, t in lstm.state_dict().items()}
    empty = {name: t.to("meta") for name, t in lstm.state_dict().items()}
    for number, tensors in enumerate((sparse, empty)):
        torch.save(tensors, tmp_path / f"{number}.pt")
        for source in (tensors, tmp_path / f"{number}.pt"):
            with pytest.raises(ValueError, match="no array of numbers: PyTorch says"):
                from_torch(source)
    lazy = torch.nn.Sequential(lstm, torch.nn.LazyLinear(3))  # beside it, a weight that has no shape yet
    assert from_torch(lazy.state_dict(), "0").layers[0].units == 3


@pytest.mark.oracle
def test_damaged_pickles(torch, tmp_path, rng):
    path = tmp_path / "x.pt"
    refused = 0
    for file in ("lstm.pt", "lstm_old_format.pt"):
        whole = np.frombuffer((GOLDEN / "torch" / file).read_bytes(), np.uint8)
        for _ in range(60):
            damaged = whole[: rng.integers(1, whole.size)] if rng.random() < 0.3 else whole.copy()
            if damaged.size == whole.size:
                places = rng.integers(0, whole.size, rng.integers(1, 8))
                damaged[places] = rng.integers(0, 256, places.size)
            path.write_bytes(damaged.tobytes())
            try:
                from_torch(path)  # where nothing but a number was hit
            except ModelFileError:
                refused += 1
    assert refused > 40


def test_without_pytorch(tmp_path, monkeypatch):
    own = builtins.__import__

    def blocked(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return own(name, *args, **kwargs)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "__import__", blocked)
    for path in [*hostile_files(tmp_path), GOLDEN / "torch/lstm.pt"]:
        with pytest.raises(ImportError, match=r"pip install 'torch>=2\.6'.*save_file"):
            from_torch(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.oracle
def test_an_old_pytorch_is_not_asked(torch, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    for path in hostile_files(tmp_path):
        with pytest.raises(ImportError, match=r"PyTorch 2\.5\.1\+cpu .*2\.6 or later"):
            from_torch(path)
