"""Matrices in fewer bytes: every bit of the rounding, the bounds, what has no room."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn.compressed import STORAGES, Compressed, check_storage, compress, compressed_bytes, expand
from numba_rnn.errors import DTypeError

# The largest error of a weight, as a share of the weight itself.
RELATIVE = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
LARGEST_BFLOAT16 = 0x7F7F0000


def floats(*bits: int) -> np.ndarray:
    return np.array([bits], np.uint32).view(np.float32)


@pytest.mark.parametrize(
    ("bits", "kept"),
    [
        (0x3F800000, 0x3F80),
        (0x3F807FFF, 0x3F80),  # just below half of the last place
        (0x3F808000, 0x3F80),  # half, even: down
        (0x3F808001, 0x3F81),
        (0x3F818000, 0x3F82),  # half, odd: up
        (0xBF818000, 0xBF82),
        (0x3FFF8000, 0x4000),  # up into the next power of two
        (0x00000000, 0x0000),
        (0x80000000, 0x8000),
        (0x00008000, 0x0000),  # subnormal
        (0x00018000, 0x0002),
        (0x007FFFFF, 0x0080),
        (LARGEST_BFLOAT16 + 0x7FFF, 0x7F7F),
        (0x7F800000, 0x7F80),
        (0xFF800000, 0xFF80),
        (0x7FFFFFFF, 0x7FFF),  # NaN stays NaN whatever its lower half holds
        (0xFFFFFFFF, 0xFFFF),
        (0x7F800001, 0x7FC0),
    ],
)
def test_bfloat16_rounds_to_the_nearest_even(bits: int, kept: int) -> None:
    assert compress(floats(bits), "bfloat16").data.tolist() == [[kept]]


def test_bfloat16_is_the_nearest_of_all(rng: np.random.Generator) -> None:
    w = (rng.standard_normal((200, 7)) * 10.0 ** rng.integers(-30, 30, (200, 7))).astype(np.float32)
    halves = expand(compress(w, "bfloat16"))
    for step in (-0x10000, 0x10000):
        neighbour = (halves.view(np.uint32).astype(np.int64) + step).astype(np.uint32).view(np.float32)
        assert (np.abs(halves.astype(float) - w) <= np.abs(neighbour.astype(float) - w)).all()


def test_all_of_16_bits_come_back() -> None:
    patterns = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    for storage, data in (("bfloat16", patterns), ("float16", patterns.view(np.float16))):
        widened = expand(Compressed(storage, data))
        again = compress(widened, storage).data.view(np.uint16)
        number = ~np.isnan(widened)
        np.testing.assert_array_equal(again[number], patterns[number])
        assert np.isnan(expand(compress(widened, storage))[~number]).all()
    np.testing.assert_array_equal(expand(Compressed("float16", patterns.view(np.float16)))[0], patterns[0] * 2.0**-24)


def test_float16_keeps_subnormals_infinity_and_what_rounds_to_its_largest() -> None:
    w = np.array([[2.0**-24, 3 * 2.0**-26, 2.0**-25, -np.inf, 65519.996, 1 + 2.0**-11, 1 + 3 * 2.0**-11]], np.float32)
    kept = expand(compress(w, "float16"))
    np.testing.assert_array_equal(kept[0], [2.0**-24, 2.0**-24, 0, -np.inf, 65504, 1, 1 + 2.0**-9])


@pytest.mark.parametrize("storage", RELATIVE)
def test_error_of_the_floating_point_storages(storage: str, rng: np.random.Generator) -> None:
    w = rng.standard_normal((60, 44)).astype(np.float32)
    error = np.abs(expand(compress(w, storage)).astype(float) - w)
    assert (error <= np.maximum(RELATIVE[storage] * np.abs(w), 2.0**-25)).all()
    assert error.max() > RELATIVE[storage] / 4


def test_int8_is_within_half_of_its_columns_scale(rng: np.random.Generator) -> None:
    w = (rng.standard_normal((300, 20)) * 10.0 ** rng.integers(-20, 20, 20)).astype(np.float32)
    kept = compress(w, "int8")
    assert kept.scale is not None
    np.testing.assert_array_equal(kept.scale, np.abs(w).max(0) / np.float32(127))
    error = np.abs(kept.data * kept.scale.astype(float) - w)
    assert (error <= kept.scale / 2).all()
    assert (error.max(0) > kept.scale * 0.45).all()
    assert (np.abs(kept.data).max(0) == 127).all()
    np.testing.assert_allclose(expand(kept), kept.data * kept.scale.astype(float), rtol=2.0**-24)


def test_int8_rounds_ties_to_even() -> None:
    w = np.array([[127, -127], [0.5, -0.5], [1.5, -1.5], [2.5, -2.5], [2.5000002, -3.5]], np.float32)
    kept = compress(w, "int8")
    assert kept.data.T.tolist() == [[127, 0, 2, 2, 3], [-127, 0, -2, -2, -4]]
    assert kept.scale is not None
    assert kept.scale.tolist() == [1, 1]


def test_int8_of_zeros_and_next_to_nothing() -> None:
    w = np.array([[0, -0.0, 1e-44, 254e-38, 3e38], [0, 0, -1e-45, 2e-38, -3e38]], np.float32)
    kept = compress(w, "int8")
    assert kept.scale is not None
    assert kept.scale[:3].tolist() == [1, 1, 1]
    assert kept.data.tolist() == [[0, 0, 0, 127, 127], [0, 0, 0, 1, -127]]
    assert np.isfinite(expand(kept)).all()


@pytest.mark.parametrize("storage", STORAGES)
def test_shapes_and_bytes(storage: str, rng: np.random.Generator) -> None:
    for shape in ((0, 3), (5, 3), (1, 1)):
        w = rng.standard_normal(shape[::-1]).astype(np.float32).T
        kept = compress(w, storage)
        assert (kept.shape, kept.dtype, kept.data.flags.c_contiguous) == (shape, np.float32, True)
        assert kept.nbytes == compressed_bytes(shape, storage)
        assert expand(kept).dtype == np.float32
        np.testing.assert_allclose(expand(kept), w, rtol=0.1, atol=0.1)
        assert expand(w) is w


@pytest.mark.parametrize(
    ("storage", "value", "words"),
    [
        ("float16", 65520, r"`U` does not fit float16\. Expected: magnitudes up to 65504\. Received: 65520\. Use bfloat16"),
        ("bfloat16", -3.4e38, r"`U` does not fit bfloat16\. Expected: magnitudes up to 3\.38953e\+38\. Received: 3\.4e\+38\."),
        ("int8", np.nan, r"`U` cannot be kept as int8\. Expected: finite numbers\. Received: 1 that are not\. Use bfloat16"),
        ("int8", np.inf, r"`U` cannot be kept as int8"),
    ],
)  # fmt: skip
def test_what_has_no_room(storage: str, value: float, words: str) -> None:
    w = np.ones((3, 2), np.float32)
    w[1, 1] = value
    with pytest.raises(ValueError, match=words):
        compress(w, storage, "U")


@pytest.mark.parametrize("storage", ["float32", "int4", "", 8, ("int8",)])
def test_unknown_storage(storage: object) -> None:
    with pytest.raises(
        ValueError, match=r"Weights are kept as 'bfloat16', 'float16', 'int8', or None .* Received: weights="
    ):
        check_storage(storage)


def test_float64_is_refused() -> None:
    check_storage(None, np.float64)
    with pytest.raises(
        DTypeError, match=r"float32 can keep its weights as int8\. Received: float64\. Leave `weights` out"
    ):
        compress(np.ones((2, 2)), "int8")
