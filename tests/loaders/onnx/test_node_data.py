"""ONNX's own node tests, which the `onnx` package carries: all of those whose operators are in the table."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.onnx import OnnxModel
from numba_rnn.loaders.onnx.registry import OPERATORS

# What is refused on purpose: types of numbers that are not computed with, training, and opsets before 7.
REFUSED = re.compile(
    r"holds \w+ numbers, which is not computed with|casts to data type \d+|is a (sequence|optional)\. Expected: a tensor"
    r"|not computed: output_mean, output_var|is written in opset 1\.|has batch_dims=1|as in training"
)
UNTESTED = {"Not"}  # its tests are written in opset 1


@pytest.fixture(scope="module")
def cases() -> dict[str, list[Any]]:
    """The cases by operator; those of several nodes under `graphs`."""
    pytest.importorskip("onnx", reason="reads ONNX files: pip install '.[onnx]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case import node
        from onnx.backend.test.case.node import collect_testcases

        found = node._NodeTestCases or collect_testcases(None)
    sorted_cases: dict[str, list[Any]] = {"graphs": []}
    for case in found:
        operators = {n.op_type if n.domain in {"", "ai.onnx"} else "?" for n in case.model.graph.node}
        if operators <= OPERATORS.keys():
            name = operators.pop() if len(case.model.graph.node) == 1 else "graphs"
            sorted_cases.setdefault(name, []).append(case)
    return sorted_cases


@pytest.mark.parametrize("operator", [*sorted(OPERATORS), "graphs"])
def test_node_data(operator: str, cases: Any, load: Callable[[bytes], OnnxModel]) -> None:
    passed, refusals = 0, []
    for case in cases.get(operator, ()):
        try:
            model = load(case.model.SerializeToString())
        except ModelFileError as error:
            refusals.append(str(error))
            continue
        for given, wanted in case.data_sets:
            try:
                results = model.run(dict(zip([v.name for v in model.inputs], map(_array, given), strict=True)))
            except ValueError as error:
                refusals.append(str(error))
                continue
            for y, expected in zip(results.values(), map(_array, wanted), strict=True):
                assert (y.dtype, y.shape) == (expected.dtype, expected.shape), case.name
                half = any(np.float16 in (v.dtype,) for v in (*model.inputs, *model.outputs))
                np.testing.assert_allclose(y, expected, rtol=1e-3 if half else 1e-5, atol=1e-5, err_msg=case.name)
            passed += 1
    assert [reason for reason in refusals if not REFUSED.search(reason)] == []
    assert (passed > 0) == (operator not in UNTESTED)


def _array(value: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.to_array(value) if hasattr(value, "SerializeToString") else value
