"""How the kernels cut their work: plain arithmetic that a kernel and its launch share."""

from __future__ import annotations

__all__ = [
    "MOST_ROWS",
    "WARPS",
    "grid_registers",
    "grid_shared",
    "lane_units",
    "lane_width",
    "registers",
    "slice_pitch",
    "slice_width",
]

WARPS = 8  # of a block of the grid kernel
MOST_ROWS = 16  # sequences whose states such a block keeps
REGISTERS = 65536  # of a multiprocessor


def registers(threads: int) -> int:
    """Registers that a thread can have: each quarter of a multiprocessor has warps of its own, and gives eight at a time."""
    warps = -(-threads // 128)  # of the fullest quarter
    return min(255, REGISTERS // 4 // (32 * warps) // 8 * 8)


def lane_width(H: int, lanes: int, item: int) -> int:
    """Numbers of h that a lane of the block kernel multiplies: whole vectors of 16 bytes."""
    vector = 16 // item
    return -(-H // (lanes * vector)) * vector


def slice_pitch(width: int) -> int:
    """Numbers from one lane's part of h to the next: whole vectors of four, an odd number, so that no two parts share a bank."""
    vectors = -(-width // 4)
    return 4 * (vectors + 1 - vectors % 2)


def lane_units(G: int) -> int:
    """Units of a lane of the grid kernel: about four columns, so that a word of h that a lane loads is used four times."""
    return max(1, 4 // G)


def slice_width(H: int, G: int, units: int) -> int:
    """Words of h that a warp of the grid kernel multiplies: a multiple of what its lanes load at once."""
    step = 4 * WARPS * (32 * lane_units(G) // units)
    return -(-H // step) * step // WARPS


def grid_registers(H: int, G: int, units: int) -> int:
    """Of the recurrent weights alone."""
    parts = 32 * lane_units(G) // units
    return slice_width(H, G, units) // parts * lane_units(G) * G


def grid_shared(H: int, G: int, S: int, units: int, rows: int) -> int:
    """Bytes of shared memory: slices of h, sums, states and biases."""
    pitch = -(-G // 4) * 4
    words = WARPS * rows * slice_width(H, G, units) + 2 * WARPS * rows * units * pitch
    return 4 * (words + (S + 1) * MOST_ROWS * units + 2 * units * pitch)
