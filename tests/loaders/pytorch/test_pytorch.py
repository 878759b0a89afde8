"""Files that PyTorch wrote, against its own outputs; dicts, prefixes and options that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

import numba_rnn
from numba_rnn import from_torch, layers

from .conftest import GOLDEN, golden_cases, lstm_tensors

CASES = golden_cases()
SAFE = [file for file in CASES if file.endswith(".safetensors")]
PICKLED = [file for file in CASES if file not in SAFE]


def check(file: str) -> None:
    options = CASES[file][2]
    path = GOLDEN / "torch" / file
    expected = dict(np.load(f"{path}.npz", allow_pickle=False))
    tolerance = {"rtol": 0, "atol": 1e-10 if expected["h_n"].dtype == np.float64 else 1e-5}
    states = [expected[key] for key in ("h_n", "c_n") if key in expected]
    if "y" not in expected:
        cell = from_torch(path, **options)
        first = [expected["h"], expected["c"]][: len(states)]
        h, after = cell(expected["x"], first)
        for ours, theirs in zip([h, *after], [states[0], *states], strict=True):
            np.testing.assert_allclose(ours, theirs, **tolerance)
        return
    np.testing.assert_allclose(from_torch(str(path), **options)(expected["x"]), expected["y"], **tolerance)
    y, *after = from_torch(path, **options, return_state=True).predict(expected["x"], verbose=0)
    assert y.dtype == expected["y"].dtype
    np.testing.assert_allclose(y, expected["y"], **tolerance)
    for ours, theirs in zip(after, states, strict=True):
        np.testing.assert_allclose(ours.swapaxes(0, 1), theirs, **tolerance)


@pytest.mark.parametrize("file", SAFE)
def test_golden(file):
    check(file)


@pytest.mark.oracle
@pytest.mark.parametrize("file", PICKLED)
def test_golden_pickles(torch, file):
    check(file)


def test_every_golden_file_has_its_case():
    names = {path.name.removesuffix(".npz") for path in (GOLDEN / "torch").iterdir()}
    assert names == set(CASES)


def test_saved_and_loaded_here(tmp_path):
    path = GOLDEN / "torch/lstm_projected.safetensors"
    x = np.load(f"{path}.npz", allow_pickle=False)["x"]
    model = from_torch(path, return_state=True)
    assert isinstance(model.layers[1].forward_layer.cell, layers.ProjectedLSTMCell)
    model.save(tmp_path / "m.keras")
    for ours, theirs in zip(numba_rnn.load_model(tmp_path / "m.keras")(x), model(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_prefixes_are_told(rng):
    inner = lstm_tensors(rng)
    tensors = {f"{place}.{name}": t for place in ("net.encoder", "net.decoder") for name, t in inner.items()}
    tensors["net.head.weight"] = rng.normal(size=(2, 3))
    x = rng.normal(size=(2, 3, 3)).astype("float32")
    alone = from_torch(inner)(x)
    np.testing.assert_array_equal(from_torch(tensors, "net.encoder.")(x), alone)
    np.testing.assert_array_equal(from_torch({"model": tensors}, "model.net.decoder")(x), alone)
    for prefix in ("", "encoder.", "net.head."):
        with pytest.raises(ValueError, match=r"`prefix=`: 'net\.encoder\.', 'net\.decoder\.'"):
            from_torch(tensors, prefix)
    with pytest.raises(ValueError, match=r"It has: 'net\.head\.weight'"):
        from_torch({"net.head.weight": tensors["net.head.weight"]})
    with pytest.raises(ValueError, match="It has: none"):
        from_torch({})


def test_a_dict_within_itself(rng):
    tensors = lstm_tensors(rng)
    tensors["again"] = tensors
    tensors["more"] = {"again": [tensors], 3: tensors}
    assert from_torch(tensors).layers[0].units == 4


def test_what_a_dict_must_hold(rng):
    tensors = lstm_tensors(rng, layers=3, both=True)
    for name in tensors:
        with pytest.raises(ValueError, match=f"missing: '{name}'"):
            from_torch({k: v for k, v in tensors.items() if k != name})
    with pytest.raises(ValueError, match="no recurrent module"):
        from_torch({**tensors, "weight_hh_l0_g": tensors["weight_hh_l0"]})
    with pytest.raises(ValueError, match="cell and of layers at once"):
        from_torch({**tensors, "weight_hh": tensors["weight_hh_l0"]})


def test_options_that_do_not_go_together(rng):
    tensors = lstm_tensors(rng)
    with pytest.raises(ValueError, match="of kind lstm"):
        from_torch(tensors, nonlinearity="relu")
    rnn = {"weight_ih_l0": rng.normal(size=(4, 3)), "weight_hh_l0": rng.normal(size=(4, 4))}
    with pytest.raises(ValueError, match="'tanh' or 'relu'"):
        from_torch(rnn, nonlinearity="elu")
    cell = {name.removesuffix("_l0"): t for name, t in tensors.items()}
    for option in ("return_state", "initial_state"):
        with pytest.raises(ValueError, match="A cell makes single steps"):
            from_torch(cell, **{option: True})
    with pytest.raises(TypeError, match="Received: list"):
        from_torch([tensors])
