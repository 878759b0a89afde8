"""The three recurrent operators over all their options, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numba_rnn.loaders.onnx import OnnxModel

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
