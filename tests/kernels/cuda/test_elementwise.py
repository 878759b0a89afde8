"""Kernels over elements compile for what they are launched with, stay in their dtype, and give what NumPy gives."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from numba_rnn.kernels.cuda import elementwise
from numba_rnn.kernels.cuda.toolkit import float32, float64, int32, int64, real_type, types

from .sass import compiled, needs_compiler
from .simulator import run as run_kernel

run = partial(run_kernel, races=True)
OPERATIONS = sorted(elementwise.build_operations(np.float32))
REALS = (np.float32, np.float64)
FOUR, FIVE, THREE = types.UniTuple(int64, 4), types.UniTuple(int64, 5), types.UniTuple(int64, 3)


def map_signature(real: Any, *elements: Any) -> tuple[Any, ...]:
    return (*(e[::1] for e in elements), FOUR, FIVE, FIVE, FIVE, FIVE, real, real, real)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_compile(name: str) -> None:
    kernel = elementwise.build_map(elementwise.build_operations(np.float32)[name])
    first = types.boolean if name in ("select", "select_or", "either") else float32
    others = types.boolean if name == "either" else float32
    out = types.boolean if name in ("different", "either") else float32
    found = compiled(kernel, map_signature(float32, first, others, others, out), 256, (8, 0))
    assert found.doubles == set()
    assert found.spills == 0


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "source", "target"),
    [
        ("copy", types.boolean, types.boolean), ("copy", types.boolean, float32), ("copy", float64, float32),
        ("copy", float32, float64), ("copy", int64, int32), ("copy", int64, float32), ("different", int64, types.boolean),
        ("different", types.boolean, types.boolean), ("different", types.uint8, types.boolean),
    ],
)  # fmt: skip
def test_conversions_compile(name: str, source: Any, target: Any) -> None:
    kernel = elementwise.build_map(elementwise.build_operations(np.float32)[name])
    compiled(kernel, map_signature(float32, source, source, source, target), 256, (8, 0))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("dtype", REALS)
def test_folds_and_rows_compile(dtype: Any) -> None:
    real = real_type(dtype)
    matrix, vector = real[:, ::1], real[::1]
    kernels: list[tuple[Any, tuple[Any, ...]]] = [
        (elementwise.build_softmax(dtype, False), (matrix, matrix)),
        (elementwise.build_softmax(dtype, True), (matrix, matrix)),
        (elementwise.build_normalize(dtype, True), (matrix, vector, vector, matrix, real)),
        (elementwise.build_normalize(dtype, False), (matrix, vector, vector, matrix, real)),
    ]
    for name in elementwise.FOLDS:
        out = types.boolean if name == "different" else real
        kernels.append((elementwise.build_fold(dtype, name), (vector, out[::1], THREE, FOUR, real)))
    kernels += [
        (elementwise.build_gather(dtype), (matrix, i[::1], matrix, int32[::1])) for i in (int32, int64, types.uint8)
    ]
    for kernel, signature in kernels:
        found = compiled(kernel, signature, 32, (8, 0))
        if dtype is np.float32:
            assert found.doubles == set(), kernel.__name__


def flat(*arrays: Any) -> list[Any]:
    return [a.reshape(-1) for a in arrays]


def test_a_map_reads_and_writes_by_strides(rng: np.random.Generator) -> None:
    """One array reversed, one repeated, one in another order, into every other place of the result."""
    a, b, c = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 1, 1)), rng.normal(size=(5, 4, 3, 2))
    out = np.zeros((2, 3, 4, 10))
    kernel = elementwise.build_map(elementwise.build_operations(np.float64)["centred"])
    places = (-60, 20, 5, 1, 60), (0, 1, 0, 0, 0), (1, 2, 6, 24, 0), (120, 40, 10, 2, 1)
    run(kernel, (2, 7), 2, (*flat(a, b, c, out), (2, 3, 4, 5), *places, 0.0, 0.0, 0.0))
    np.testing.assert_array_equal(out[..., 1::2], (a[::-1] - b) * c.transpose())
    assert not out[..., ::2].any()


@pytest.mark.parametrize(
    ("name", "numbers", "meaning"),
    [
        ("add", (), lambda a, b, c: a + b), ("subtract", (), lambda a, b, c: a - b), ("multiply", (), lambda a, b, c: a * b),
        ("divide", (), lambda a, b, c: a / b), ("maximum", (), lambda a, b, c: np.maximum(a, b)),
        ("minimum", (), lambda a, b, c: np.minimum(a, b)), ("scaled", (3,), lambda a, b, c: a * np.float32(3)),
        ("divided", (3,), lambda a, b, c: a / np.float32(3)), ("centred", (), lambda a, b, c: (a - b) * c),
        ("copy", (), lambda a, b, c: a), ("leaky", (0.3,), lambda a, b, c: np.maximum(a, np.float32(0.3) * a)),
        ("rectified", (0.1, 0.2, 0.5), lambda a, b, c: np.minimum(np.where(a < 0.2, 0.1 * (a - np.float32(0.2)), a), 0.5)),
        ("rectified", (0, 0, np.inf), lambda a, b, c: np.where(a < 0, 0, a)),
        ("exponential_below", (0.7,), lambda a, b, c: np.where(a > 0, a, 0.7 * np.expm1(np.minimum(a, 0)))),
    ],
)  # fmt: skip
def test_operations(rng: np.random.Generator, name: str, numbers: Any, meaning: Any) -> None:
    a, b, c = rng.normal(size=(3, 40)).astype(np.float32)
    a[:3], b[2:5] = (np.nan, -np.inf, np.inf), np.nan
    out, place = np.zeros(40, np.float32), (0, 0, 0, 1, 0)
    kernel = elementwise.build_map(elementwise.build_operations(np.float32)[name])
    p, q, r = (np.float32(n) for n in (*numbers, 0, 0, 0)[:3])
    run(kernel, 1, 32, (a, b, c, out, (1, 1, 1, 40), place, place, place, place, p, q, r))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(out, meaning(a, b, c), 2e-7, 1e-7)


@pytest.mark.parametrize("name", elementwise.FOLDS)
def test_folds(rng: np.random.Generator, name: str) -> None:
    x = rng.integers(-2, 3, (3, 4, 5)).astype(np.float32)
    x[1, :, 2], x[2, 1, 3] = -1, np.nan
    out = np.zeros((3, 5), np.bool_ if name == "different" else np.float32)
    fold = {"sum": partial(np.sum, axis=1), "max": partial(np.max, axis=1), "different": lambda x: (x != -1).any(1)}[
        name
    ]
    run(elementwise.build_fold(np.float32, name), (1, 2), 32, (*flat(x, out), (3, 4, 5), (20, 5, 1, 0), np.float32(-1)))
    np.testing.assert_array_equal(out, fold(x))


@pytest.mark.parametrize("columns", [1, 31, 33, 70])
def test_rows(rng: np.random.Generator, columns: int) -> None:
    x = rng.normal(0, 3, (3, columns)).astype(np.float32)
    gamma, beta = rng.normal(size=(2, columns)).astype(np.float32)
    e = np.exp(x - x.max(1, keepdims=True), dtype=np.float64)
    softmax = e / e.sum(1, keepdims=True)
    normal = (x - x.mean(1, keepdims=True, dtype=np.float64)) / np.sqrt(
        x.var(1, keepdims=True, dtype=np.float64) + 1e-3
    )
    scaled = x / np.sqrt(x.var(1, keepdims=True, dtype=np.float64) + 1e-3)
    found = [np.zeros_like(x) for _ in range(4)]
    run(elementwise.build_softmax(np.float32, False), (1, 2), 32, (x, found[0]))
    run(elementwise.build_softmax(np.float32, True), (1, 2), 32, (x, found[1]))
    for centre, out in ((True, found[2]), (False, found[3])):
        kernel = elementwise.build_normalize(np.float32, centre)
        run(kernel, (1, 2), 32, (x, gamma, beta, out, np.float32(1e-3)))
    for out, wanted in zip(
        found, (softmax, np.log(softmax), normal * gamma + beta, scaled * gamma + beta), strict=True
    ):
        np.testing.assert_allclose(out, wanted, 2e-6, 2e-6)


def test_softmax_keeps_nan_in_its_row(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 40)).astype(np.float32)
    x[1, 35] = np.nan
    out = np.zeros_like(x)
    run(elementwise.build_softmax(np.float32, False), (1, 3), 32, (x, out))
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[[0, 2]]).all()


def test_gather_reports_what_it_does_not_find(rng: np.random.Generator) -> None:
    table, indices = rng.normal(size=(4, 6)).astype(np.float32), np.array([3, 0, -1, -4], np.int64)
    out, error = np.zeros((4, 6), np.float32), np.zeros(1, np.int32)
    kernel = elementwise.build_gather(np.float32)
    run(kernel, (1, 2), 32, (table, indices, out, error))
    np.testing.assert_array_equal(out, table[indices])
    assert not error[0]
    run(kernel, (1, 2), 32, (table, np.array([1, 4, -5, 2]), out, error))
    np.testing.assert_array_equal(out[[0, 3]], table[[1, 2]])
    assert np.isnan(out[1:3]).all()
    assert error[0] == -1
