"""The three recurrent operators over all their options, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numba_rnn import functional
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.onnx import OnnxModel
from numba_rnn.loaders.onnx.activations import choose

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}
# ONNX Runtime's defaults for ThresholdedRelu are not ONNX's, and it has ones for Affine and ScaledTanh, which ONNX has not:
# those always get their numbers. No clip is one of the alphas: at x = alpha ThresholdedRelu is x in ONNX, 0 in ONNX Runtime.
PLAIN = ["Relu", "Sigmoid", "Softplus", "Softsign", "Tanh", "LeakyRelu", "Elu", "HardSigmoid"]
NUMBERS = {"Affine": 2, "Elu": 1, "HardSigmoid": 2, "LeakyRelu": 1, "ScaledTanh": 2, "ThresholdedRelu": 1}


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    operator = draw(st.sampled_from(sorted(GATES)))
    direction = draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    N = 2 if direction == "bidirectional" else 1
    attributes: dict[str, Any] = {"direction": direction}
    if draw(st.booleans()):
        count = N * FUNCTIONS[operator]
        if draw(st.booleans()):
            names = draw(st.lists(st.sampled_from(PLAIN), min_size=count, max_size=count))
        else:
            names = draw(st.lists(st.sampled_from(sorted(NUMBERS)), min_size=count, max_size=count))
            small = st.sampled_from([0.125, 0.25, 0.5, 0.75])
            attributes["activation_alpha"] = draw(st.lists(small, min_size=count, max_size=count))
            betas = sum(NUMBERS[name] == 2 for name in names)
            if betas:
                attributes["activation_beta"] = draw(st.lists(small, min_size=betas, max_size=betas))
        attributes["activations"] = names
    if draw(st.booleans()):
        attributes["clip"] = draw(st.sampled_from([0.1, 0.6, 2.0]))
    if operator == "LSTM":
        attributes["input_forget"] = draw(st.integers(0, 1))
    if operator == "GRU":
        attributes["linear_before_reset"] = draw(st.integers(0, 1))
    T, B = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    optional = ["B", "sequence_lens", "initial_h", *(["initial_c", "P"] if operator == "LSTM" else [])]
    return {
        "operator": operator, "attributes": attributes, "N": N, "T": T, "B": B, "D": draw(st.integers(1, 3)),
        "H": draw(st.integers(1, 4)), "given": draw(st.sets(st.sampled_from(optional))),
        "lengths": draw(st.lists(st.integers(0, T), min_size=B, max_size=B)),
        "layout": draw(st.integers(0, 1)), "stored": draw(st.booleans()), "seed": draw(st.integers(0, 99)),
        "outputs": draw(st.sampled_from(["Y", "Y_h", "Y Y_h", *(["Y Y_h Y_c", "Y_c"] if operator == "LSTM" else [])])),
    }  # fmt: skip


def arrays_of(case: dict[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(case["seed"])
    N, T, B, D, H, G = *(case[k] for k in "NTBDH"), GATES[case["operator"]]
    shapes = {
        "X": (T, B, D), "W": (N, G * H, D), "R": (N, G * H, H), "B": (N, 2 * G * H), "sequence_lens": (), "initial_h": (N, B, H),
        "initial_c": (N, B, H), "P": (N, 3 * H),
    }  # fmt: skip
    if case["operator"] != "LSTM":
        del shapes["initial_c"], shapes["P"]
    made = {
        k: rng.normal(scale=0.5, size=s).astype(np.float32)
        for k, s in shapes.items()
        if k in {"X", "W", "R"} | case["given"]
    }
    if "sequence_lens" in made:
        made["sequence_lens"] = np.array(case["lengths"], np.int32)
    return {k: made.get(k) for k in shapes}


def model_of(make: Any, case: dict[str, Any], layout: int) -> tuple[bytes, dict[str, Any]]:
    """The model, and its inputs with the batch first where `layout` is 1."""
    arrays = arrays_of(case)
    if layout:
        arrays.update(
            {k: a.swapaxes(0, 1).copy() for k in ("X", "initial_h", "initial_c") if (a := arrays.get(k)) is not None}
        )
    present = {k: a for k, a in arrays.items() if a is not None}
    constants = {k: present[k] for k in ("W", "R", "B", "P") if case["stored"] and k in present}
    feeds = {k: a for k, a in present.items() if k not in constants}
    names = [k if k in present else "" for k in arrays]
    while not names[-1]:
        names.pop()
    wanted = case["outputs"].split()
    outputs = [
        k if k in wanted else "" for k in ("Y", "Y_h", "Y_c")[: 3 if "Y_c" in wanted else 2 if "Y_h" in wanted else 1]
    ]
    attributes = case["attributes"] | {"hidden_size": case["H"]} | ({"layout": 1} if layout else {})
    node = (case["operator"], names, outputs, attributes)
    return make([node], feeds, wanted, constants, 14), feeds


def check(case: dict[str, Any], make: Any, load: Callable[[bytes], OnnxModel], run_ort: Any) -> None:
    expected = run_ort(*model_of(make, case, 0))
    model, feeds = model_of(make, case, case["layout"])
    results = load(model).run(feeds)
    for name, time_first in zip(case["outputs"].split(), expected, strict=True):  # ONNX Runtime has no other layout
        rows_first = time_first.transpose(2, 0, 1, 3) if name == "Y" else time_first.swapaxes(0, 1)
        wanted = rows_first if case["layout"] else time_first
        scale = max(1.0, float(np.abs(wanted).max()))  # ReLUs grow, and rounding with them
        np.testing.assert_allclose(results[name], wanted, rtol=1e-5, atol=1e-5 * scale, err_msg=name)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_all_options(case: dict[str, Any], make: Any, load: Callable[[bytes], OnnxModel], run_ort: Any) -> None:
    check(case, make, load, run_ort)


@pytest.mark.slow
@settings(max_examples=4000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_all_options_often(case: dict[str, Any], make: Any, load: Callable[[bytes], OnnxModel], run_ort: Any) -> None:
    check(case, make, load, run_ort)


# --- what has no counterpart in ONNX Runtime ---------------------------------------------------------------------------

PLAIN_CASE: dict[str, Any] = {
    "operator": "LSTM", "attributes": {"direction": "bidirectional"}, "N": 2, "T": 4, "B": 3, "D": 2, "H": 3,
    "given": {"B", "initial_h", "initial_c"}, "lengths": [4, 4, 4], "layout": 0, "stored": True, "seed": 1, "outputs": "Y Y_h Y_c",
}  # fmt: skip


@pytest.mark.parametrize("name", ["float64", "float16"])
def test_other_dtypes(name: str, make: Any, load: Any) -> None:
    data, feeds = model_of(make, PLAIN_CASE, 0)
    expected = load(data).run(feeds)
    arrays = {k: a.astype(name) for k, a in arrays_of(PLAIN_CASE).items() if a is not None}
    inputs = {k: arrays[k] for k in feeds}
    names = ["X", "W", "R", "B", "", "initial_h", "initial_c"]
    node = ("LSTM", names, list(expected), {"direction": "bidirectional", "hidden_size": 3})
    model = load(make([node], inputs, list(expected), {k: arrays[k] for k in "WRB"}))
    for key, y in model.run(inputs).items():
        assert y.dtype == name
        np.testing.assert_allclose(y, expected[key], rtol=0, atol=1e-6 if name == "float64" else 2e-3)


@pytest.mark.parametrize(
    ("changes", "kernels"),
    [
        ({}, 1),  # both directions in one
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"] * 2, "activation_alpha": [1 / 6] * 2}, 1),
        ({"activations": ["Sigmoid", "Relu", "Relu", "Sigmoid", "Elu", "Elu"]}, 2),
        ({"activations": ["Sigmoid", "Tanh", "Relu"] * 2}, 0),
        ({"clip": 3.0}, 0),
        ({"input_forget": 1}, 0),
    ],
)
def test_what_runs_in_kernels(
    changes: Any, kernels: int, make: Any, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = []
    scan = functional.scan
    monkeypatch.setattr(functional, "scan", lambda cell, *rest: scanned.append(cell.recurrence) or scan(cell, *rest))
    data, feeds = model_of(make, PLAIN_CASE | {"attributes": PLAIN_CASE["attributes"] | changes}, 0)
    load(data).run(feeds)
    assert len(scanned) == kernels
    assert all(None not in (r.activation, r.recurrent_activation) for r in scanned)


def test_outputs_that_nobody_takes_are_not_made(make: Any, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options = []
    scan = functional.scan
    monkeypatch.setattr(functional, "scan", lambda *given: options.append(given[4]) or scan(*given))
    arrays = {k: a for k, a in arrays_of(PLAIN_CASE).items() if a is not None}
    node = ("LSTM", ["X", "W", "R"], ["Y", "Y_h", "Y_c"], {"direction": "bidirectional", "hidden_size": 3})
    last = ("Relu", ["Y_h"], ["y"], {})
    found = []
    for outputs in (["y"], ["y", "Y"]):
        model = load(make([node, last], {"X": arrays["X"]}, outputs, {k: arrays[k] for k in "WR"}))
        found.append(model.run({"X": arrays["X"]})["y"])
    assert [o.return_sequences for o in options] == [False, True]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"direction": "sideways"}, "direction 'sideways'"),
        ({"clip": 0.0}, "clips at 0.0"),
        ({"layout": 2}, "layout=2"),
        ({"activations": ["Tanh"]}, "needs 6 activations. Received: Tanh"),
        ({"activations": ["Swish"] * 6}, "no activation is named 'Swish'"),
        ({"activations": ["Affine"] * 6, "activation_alpha": [1.0] * 6}, "'Affine' needs an alpha and a beta"),
        ({"hidden_size": 7}, "hidden_size=7"),
        ({"direction": "forward"}, "`R` has the wrong shape. Expected: "),
        ({"output_sequence": 1}, "attribute that is not supported: 'output_sequence'"),
    ],
)
def test_refused_on_loading(attributes: Any, why: str, make: Any, load: Any) -> None:
    case = PLAIN_CASE | {"attributes": PLAIN_CASE["attributes"] | attributes}
    arrays = {k: a for k, a in arrays_of(case).items() if a is not None}
    node = ("LSTM", ["X", "W", "R", "B"], ["Y"], {"hidden_size": 3} | case["attributes"])
    with pytest.raises(ModelFileError, match=f"node 'my_LSTM'.*{why}"):
        load(make([node], {"X": arrays["X"]}, ["Y"], {k: arrays[k] for k in "WRB"}))


@pytest.mark.parametrize("lengths", [[5, 1, 1], [-1, 1, 1], [1, 1]])
def test_impossible_lengths(lengths: Any, make: Any, load: Any) -> None:
    data, feeds = model_of(make, PLAIN_CASE | {"given": {"sequence_lens"}, "lengths": [4, 4, 4]}, 0)
    with pytest.raises(ValueError, match="sequence_lens"):
        load(data).run(feeds | {"sequence_lens": np.array(lengths, np.int32)})


def test_numbers_go_to_those_that_take_them() -> None:
    chosen = choose(("Tanh", "LeakyRelu", "HardSigmoid", "Affine"), (0.5, 0.25, 2.0), (0.125, 3.0), ("Tanh", "Tanh"), 2)
    x = np.array([-1.0, 0.5])
    (tanh, leaky), (hard, affine) = chosen
    assert tanh == "tanh"
    np.testing.assert_allclose(leaky(x), [-0.5, 0.5])
    np.testing.assert_allclose(hard(x), [0.0, 0.25])
    np.testing.assert_allclose(affine(x), [1.0, 4.0])
