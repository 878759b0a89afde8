"""What is read off a kernel's machine code is what its source has in it."""

from __future__ import annotations

import math

import pytest

from numba_rnn.kernels.cuda import ptx, toolkit
from numba_rnn.kernels.cuda.toolkit import cuda, float32, int32

from .sass import ARCHITECTURES, compiled, needs_compiler, why_not

VECTOR = float32[::1]


def make_scan(steps):
    """A recurrence with one barrier a step, weights in an array that becomes registers."""
    one = float32(1)

    @toolkit.device_function
    def sigmoid(x):
        return one / (one + math.exp(-x))

    def kernel(x, out):
        h = cuda.shared.array(64, float32)
        w = cuda.local.array(8, float32)
        i = cuda.threadIdx.x
        for k in range(8):
            w[k] = x[i + k]
        h[i] = x[i]
        cuda.syncthreads()
        for _ in range(x.shape[0]):
            total = float32(0)
            for k in range(8):
                total += w[k] * h[(i + k) & 63]
            total = sigmoid(total)
            cuda.syncthreads()
            h[i] = total
            cuda.syncthreads()
        out[i] = h[i]

    return kernel


@needs_compiler
@pytest.mark.parametrize("capability", ARCHITECTURES)
def test_a_recurrence(capability):
    found = compiled(make_scan(4), (VECTOR, VECTOR), 64, capability)
    assert 16 < found.registers < 64
    assert found.spills == 0
    assert found.shared >= 256
    assert {"FFMA", "LDS", "STS", "MUFU"} <= set(found.time_loop.opcodes)
    steps, rest = divmod(found.time_loop.opcodes["BAR"], 2)  # the compiler may take several at once
    assert steps >= 1
    assert rest == 0
    assert 8 * steps <= found.time_loop.opcodes["FFMA"] < len(found.time_loop) < 80 * steps
    assert found.doubles == set()
    assert f"sm_{capability[0]}{capability[1]}" in found.ptx
    assert "registers" in str(found)


@needs_compiler
def test_an_integer_literal_makes_float64():
    def kernel(x):
        y = x[0] * x[0] + 1
        x[0] = y * y - x[1]

    def careful(x):
        y = x[0] * x[0] + one
        x[0] = y * y - x[1]

    one = float32(1)
    assert {"DADD", "DFMA", "F2F.F64.F32"} <= compiled(kernel, (VECTOR,), 32).doubles
    assert compiled(careful, (VECTOR,), 32).doubles == set()


@needs_compiler
def test_an_array_that_stays_in_memory():
    def kernel(x, n):
        w = cuda.local.array(64, float32)
        for k in range(64):
            w[k] = x[k]
        for t in range(x.shape[0]):
            w[(n + t) & 63] += x[t]
        x[0] = w[n]

    found = compiled(kernel, (VECTOR, int32), 32)
    assert found.stack == 256
    assert found.spills > 0
    assert found.opcodes["LDL"] > 0


@needs_compiler
def test_registers_of_many_threads_are_few():
    def kernel(x):
        w = cuda.local.array(128, float32)
        for k in range(128):
            w[k] = x[k]
        for _ in range(x.shape[0]):
            for k in range(128):
                w[k] = w[k] * w[(k + 1) & 127] + w[k]
        total = float32(0)
        for k in range(128):
            total += w[k]
        x[0] = total

    assert compiled(kernel, (VECTOR,), 256).spills == 0
    assert compiled(kernel, (VECTOR,), 1024).spill_stores > 0


@needs_compiler
def test_ptx_becomes_single_instructions():
    def kernel(x, words):
        i = cuda.threadIdx.x
        a = ptx.load4(ptx.address(x, i * 4))
        b = ptx.load4_relaxed(ptx.address(words, i * 4))
        d = ptx.mma_tf32(b[0], b[1], b[2], b[3], b[0], b[1], a[0], a[1], a[2], a[3])
        x[i] = ptx.exp2(d[0]) + ptx.reciprocal(d[1])

    found = compiled(kernel, (VECTOR, toolkit.uint32[::1]), 32)
    assert found.opcodes["HMMA"] == 1
    assert any(name.startswith("LDG.E.128.STRONG.GPU") for name in found.full)
    assert {"MUFU.EX2", "MUFU.RCP"} <= set(found.full)


def test_the_reason_is_told():
    reason = why_not()
    assert reason is None or "pip install" in reason
