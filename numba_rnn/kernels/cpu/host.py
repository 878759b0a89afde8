"""What this processor offers: lanes of a vector, registers, cache; and the tile shapes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from numba_rnn.config import settings

__all__ = ["TileShape", "dots", "l2_bytes", "lanes_of", "readable", "rows_shape", "tile_shape", "vector_bytes"]


@dataclass(frozen=True)
class TileShape:
    """Tiles of `tall` and of `short` batch rows by `panels` panels, and the panels of the one-row tile."""

    tall: int
    short: int
    panels: int
    row_panels: int


@cache
def _features() -> frozenset[str]:
    from numba.core import config
    from numba.core.codegen import get_host_cpu_features

    # NUMBA_CPU_FEATURES and NUMBA_CPU_NAME=generic restrict what numba compiles for, and so what fits a register.
    forced: str | None = getattr(config, "CPU_FEATURES")  # noqa: B009 (numba sets it at run time, unseen by type checkers)
    features = get_host_cpu_features() if forced is None else forced
    return frozenset(f[1:] for f in features.split(",") if f.startswith("+"))


def vector_bytes() -> int:
    """Bytes of a vector: forced by `settings.lanes`, otherwise the host's widest."""
    if settings.lanes:
        return settings.lanes * 4
    features = _features()
    return 64 if "avx512vl" in features else 32 if "avx2" in features else 16


def readable(storage: str | None) -> str | None:
    """What the kernel reads weights as that are kept as `storage`; None, expanded, where the processor cannot convert float16."""
    return None if storage == "float16" and not {"f16c", "neon"} & _features() else storage


def dots(vector: int) -> bool:
    """Whether the processor has `dot`'s instruction for vectors of so many bytes."""
    features = _features()
    return {"avx512vnni", "avx512vl"} <= features or ("avxvnni" in features and vector < 64)


def lanes_of(dtype: np.dtype[Any]) -> int:
    """How many numbers of that dtype a vector holds."""
    return vector_bytes() // dtype.itemsize


@cache
def tile_shape(vector: int, gates: int, storage: str | None = None) -> TileShape:
    """The tile for vectors of so many bytes and so many gates, and weights kept as `storage`.

    AVX-512 and NEON have 32 registers, AVX2 and SSE 16. The accumulators take three quarters of them; the held operand and one
    streamed value take the rest. A single row needs as many sums in flight as an fma takes cycles, times the fmas begun in one:
    4 on Zen 4 (512 bits), 8 on Zen 3 (256 bits); more panels only make the weights' streams more numerous (measured there). Weights
    in fewer bytes come so much faster that twice as many are better (H 256 to 1024: bfloat16's tile 4 to 15 % faster).
    """
    many = vector == 64 or "neon" in _features()
    accumulators, in_flight = (24, 4) if many else (12, 8)
    panels = max(1, (4 if many else 3) // gates)
    tall = max(1, accumulators // (panels * gates))
    short = tall // 2 if tall % 4 == 0 else -(-tall * 2 // 3)
    if storage:
        in_flight = min(2 * in_flight, accumulators)
    return TileShape(tall, short, panels, max(1, in_flight // gates))


@cache
def rows_shape(vector: int) -> TileShape:
    """The tile where vectors hold batch rows: its rows are weights, a number for a vector, its panels vectors of batch rows.

    Two panels waste the least of a small batch; weights take the rest of the accumulators. No product has a single row.
    """
    tall = 12 if vector == 64 or "neon" in _features() else 6
    return TileShape(tall, tall // 2, 2, 2)


@cache
def l2_bytes() -> int:
    """The size of a core's second-level cache; 512 KiB where the system does not say."""
    for index in range(5):
        folder = Path(f"/sys/devices/system/cpu/cpu0/cache/index{index}")
        try:
            if (folder / "level").read_text().strip() == "2":
                return int(np.int64((folder / "size").read_text().strip().rstrip("K"))) * 1024
        except (OSError, ValueError):
            continue
    return 512 * 1024
