"""The `.keras` file: what is wrong with it is said in words, whatever it is, and nothing else is ever raised."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from numba_rnn import layers
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders import load_model, load_weights
from numba_rnn.loaders.keras_v3 import CONFIG, METADATA, WEIGHTS, check_version
from numba_rnn.models import Sequential

GOLDEN = Path(__file__).parents[1] / "golden" / "3.15.1"
LSTM = GOLDEN / "sequential_lstm.keras"
GRAPH = GOLDEN / "encoder_decoder_masked.keras"


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, members: dict[str, bytes | None], source: Path = LSTM) -> Path:
    """A copy of a golden file with some members replaced, or left out where None."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (members_of(source) | members).items():
            if data is not None:
                archive.writestr(name, data)
    return path


def with_config(path: Path, change: Callable[[dict[str, Any]], Any], source: Path = LSTM) -> Path:
    config = json.loads(members_of(source)[CONFIG])
    change(config)
    return rewritten(path, {CONFIG: json.dumps(config).encode()}, source)


def with_weights(path: Path, change: Callable[[h5py.File], Any], source: Path = LSTM) -> Path:
    memory = io.BytesIO(members_of(source)[WEIGHTS])
    with h5py.File(memory, "r+") as file:
        change(file)
    return rewritten(path, {WEIGHTS: memory.getvalue()}, source)


@pytest.mark.parametrize("name", [METADATA, CONFIG, WEIGHTS])
def test_missing_member(name: str, tmp_path: Path) -> None:
    path = rewritten(tmp_path / "m.keras", {name: None})
    with pytest.raises(ModelFileError, match=rf"Cannot load '.*m\.keras'\. The archive has no member '{name}'"):
        load_model(path)


@pytest.mark.parametrize("name", [METADATA, CONFIG])
def test_bad_json(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=f"{name} is no JSON"):
        load_model(rewritten(tmp_path / "m.keras", {name: b'{"keras_version'}))


def test_weights_are_no_hdf5(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="HDF5 file cannot be read"):
        load_model(rewritten(tmp_path / "m.keras", {WEIGHTS: b"\x89HDF\r\n\x1a\nbut no more"}))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.keras"):
        load_model(tmp_path / "none.keras")
    for given in (None, 3, b"none.keras"):
        with pytest.raises(TypeError, match=r"A file is named by a string or a path. Received: "):
            load_model(given)  # type: ignore[arg-type]


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Received: a directory"):
        load_model(tmp_path)


def test_neither_format(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"import os; os.system('true')")
    with pytest.raises(ModelFileError, match=r"Expected: a zip archive.*starts with b'import o'"):
        load_model(tmp_path / "m.keras")


def test_content_decides_not_the_extension(tmp_path: Path) -> None:
    for name in (LSTM.name, "sequential_lstm.h5"):
        path = tmp_path / "model.bin"
        path.write_bytes((GOLDEN / name).read_bytes())
        assert load_model(str(path)).name == "sequential"


@pytest.mark.parametrize("version", ["4.0", "0.3", "", "three", "3", "3.x", "3.²", None, 3, ["3.1"]])
def test_other_versions(version: Any) -> None:
    with pytest.raises(ModelFileError, match="saved by Keras 1, 2 or 3"):
        check_version(version)


@pytest.mark.parametrize(("version", "expected"), [("3.0.0", (3, 0)), ("3.15.1", (3, 15)), ("3.16.0.dev1", (3, 16))])
def test_versions(version: str, expected: tuple[int, int]) -> None:
    assert check_version(version) == expected


def test_custom_objects(tmp_path: Path) -> None:
    class Doubled(layers.Dense):
        def call(self, inputs: Any) -> Any:
            return 2 * super().call(inputs)

    def rename(config: dict[str, Any]) -> None:
        dense = config["config"]["layers"][-1]
        dense.update(module="theirs", class_name="Doubled", registered_name="Custom>Doubled")
        dense["config"]["activation"] = "linear"

    def plain(config: dict[str, Any]) -> None:
        config["config"]["layers"][-1]["config"]["activation"] = "linear"

    def move(file: h5py.File) -> None:
        file.move("layers/dense", "layers/doubled")

    path = with_weights(tmp_path / "m.keras", move, with_config(tmp_path / "n.keras", rename))
    with pytest.raises(ModelFileError, match=r"Custom>Doubled.*custom_objects"):
        load_model(path)
    x = np.load(f"{LSTM}.npz")["x"]
    twice = load_model(path, {"Doubled": Doubled}).predict(x, verbose=0)
    once = load_model(with_config(tmp_path / "o.keras", plain)).predict(x, verbose=0)
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)


HOSTILE = {
    "lambda": {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "l", "function": "x"}},
    "function": {"module": "os", "class_name": "system", "config": "true", "registered_name": "system"},
    "builtin": {"module": "builtins", "class_name": "exec", "config": {"name": "print(1)"}},
    "marked": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
}


@pytest.mark.parametrize("layer", HOSTILE.values(), ids=HOSTILE)
def test_nothing_else_is_made(layer: dict[str, Any], tmp_path: Path) -> None:
    path = with_config(tmp_path / "m.keras", lambda c: c["config"]["layers"].insert(1, layer))
    with pytest.raises(ModelFileError, match=str(layer["class_name"])):
        load_model(path, safe_mode=False)


def test_unknown_option_is_named(tmp_path: Path) -> None:
    path = with_config(tmp_path / "m.keras", lambda c: c["config"]["layers"][1]["config"].update(cell_clip=3.0))
    with pytest.raises(ModelFileError, match=r"LSTM 'lstm'.*'cell_clip'"):
        load_model(path)


def test_unknown_option_without_effect_is_ignored(tmp_path: Path) -> None:
    new = {"quantization_config": None, "ragged": False, "tomorrow": None}
    path = with_config(tmp_path / "m.keras", lambda c: c["config"]["layers"][1]["config"].update(new))
    assert load_model(path).count_params() == load_model(LSTM).count_params()


def test_unknown_operation_is_named(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        node = next(n for n in config["config"]["layers"] if n["class_name"] == "NotEqual")
        node.update(class_name="Fft", registered_name="Fft")

    with pytest.raises(ModelFileError, match="Fft"):
        load_model(with_config(tmp_path / "m.keras", change, GRAPH))


def test_unknown_activation_is_named(tmp_path: Path) -> None:
    path = with_config(tmp_path / "m.keras", lambda c: c["config"]["layers"][1]["config"].update(activation="nope"))
    with pytest.raises(ModelFileError, match="nope"):
        load_model(path)


def test_quantised_model(tmp_path: Path) -> None:
    policy = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "source_name": "float32"}}
    path = with_config(tmp_path / "m.keras", lambda c: c["config"]["layers"][3]["config"].update(dtype=policy))
    with pytest.raises(ModelFileError, match=r"(?i)quanti[sz]ed|dtype"):
        load_model(path)


def test_config_asks_for_more_than_the_file_holds(tmp_path: Path) -> None:
    path = with_config(tmp_path / "m.keras", lambda c: c["config"]["layers"][1]["config"].update(units=1_000_000))
    with pytest.raises(ModelFileError, match=r"layer 'lstm.*Expected: kernel \(3, 4000000\).*Received: \(3, 12\)"):
        load_model(path)


@pytest.mark.parametrize("shape", [[None, 10**9, 3], [10**12, 5, 3], [None, None, 10**30]])
@pytest.mark.parametrize("name", ["core_layers", "arithmetic", "sequential_masking"])
def test_input_that_no_machine_holds(name: str, shape: list[int | None], tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "InputLayer":
                layer["config"]["batch_shape"] = shape

    with pytest.raises(ModelFileError):
        load_model(with_config(tmp_path / "m.keras", change, GOLDEN / f"{name}.keras"))


def test_weights_of_another_layer(tmp_path: Path) -> None:
    def rename(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"]["name"] = "other"

    with pytest.raises(ModelFileError, match=r"Expected: 'other'\. Received: 'lstm'"):
        load_model(with_config(tmp_path / "m.keras", rename))


def test_training_settings_are_not_read(tmp_path: Path) -> None:
    path = with_config(tmp_path / "m.keras", lambda c: c.update(compile_config={"loss": {"class_name": "os.system"}}))
    assert isinstance(load_model(path, compile=True), Sequential)


def test_weights_from_a_keras_file(tmp_path: Path) -> None:
    model = load_model(LSTM)
    expected = model.get_weights()
    model.set_weights([w + 1 for w in expected])
    load_weights(model, LSTM)
    for received, wanted in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(received, wanted)


# Writing


def test_container(tmp_path: Path) -> None:
    load_model(LSTM).save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive, zipfile.ZipFile(LSTM) as theirs:
        assert archive.namelist() == theirs.namelist() == [METADATA, CONFIG, WEIGHTS]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        ours, keras = (json.loads(a.read(METADATA)) for a in (archive, theirs))
    assert ours["keras_version"] == keras["keras_version"] == "3.15.1"
    assert datetime.strptime(ours["date_saved"], "%Y-%m-%d@%H:%M:%S").year >= 2024
    assert ours["saved_by"].startswith("numba_rnn ")


def test_masks_of_a_newer_keras_stay_as_they_are(tmp_path: Path) -> None:
    source = GOLDEN / "sequential_masking.keras"
    x = np.load(f"{source}.npz")["x"]
    newer = load_model(rewritten(tmp_path / "n.keras", {METADATA: b'{"keras_version": "3.16.0"}'}, source))
    assert np.abs(newer.predict(x, verbose=0) - load_model(source).predict(x, verbose=0)).max() > 1e-3
    newer.save(tmp_path / "m.keras")
    assert json.loads(members_of(tmp_path / "m.keras")[METADATA])["keras_version"] == "3.16.0"
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras").predict(x, verbose=0), newer.predict(x, verbose=0))


# Damage: whatever the bytes, one kind of error


@pytest.mark.parametrize("source", [LSTM, GRAPH], ids=lambda p: p.name)
def test_truncated(source: Path, tmp_path: Path) -> None:
    data = source.read_bytes()
    path = tmp_path / "m.keras"
    for cut in [*range(20), *range(20, len(data), len(data) // 60), *range(len(data) - 30, len(data))]:
        path.write_bytes(data[:cut])
        with pytest.raises(ModelFileError):
            load_model(path)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    path, data = tmp_path / "m.keras", LSTM.read_bytes()
    for _ in range(60):
        path.write_bytes(flipped(data, rng))
        with suppress(ModelFileError):
            load_model(path)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_inside_the_archive(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    members = members_of(GRAPH)
    for name in [METADATA, *[CONFIG, WEIGHTS] * 25]:
        with suppress(ModelFileError):
            load_model(rewritten(tmp_path / "m.keras", {name: flipped(members[name], rng)}, GRAPH))


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    copied = bytearray(data)
    for position in rng.integers(0, len(data), rng.integers(1, 4)):
        copied[position] ^= int(rng.integers(1, 256))
    return bytes(copied)


@pytest.mark.parametrize("source", [LSTM, GRAPH, GOLDEN / "nested_functional.keras"], ids=lambda p: p.name)
def test_config_with_any_value_replaced(source: Path, tmp_path: Path) -> None:
    config = json.loads(members_of(source)[CONFIG])
    strange = [None, -1, 10**30, 1e308, "", "x" * 50, [], [None], {}, {"class_name": "LSTM"}, True]
    rng = np.random.default_rng(5)
    places = list(values_in(config))
    for where in rng.permutation(len(places))[:120]:
        broken = copy.deepcopy(config)
        holder: Any = broken
        *way, last = places[where]
        for key in way:
            holder = holder[key]
        holder[last] = strange[rng.integers(len(strange))]
        path = rewritten(tmp_path / "m.keras", {CONFIG: json.dumps(broken).encode()}, source)
        with suppress(ModelFileError):
            load_model(path)


def values_in(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value inside a JSON value."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*way, key)
        if isinstance(part, (dict, list)):
            yield from values_in(part, (*way, key))
