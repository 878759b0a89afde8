"""Which scan suits a batch, vectors of units or vectors of rows: by the multiply-adds of a vector that each would take."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["WORTH_A_KERNEL", "Cost", "cost"]

# What else there is to do, in the time of so many multiply-adds of a vector, measured on Zen 4 (B 1000, T 20, H 3 to 32):
UPDATE = 35  # a gate of the cell's update: its activation, loads and stores
SQUARE = 10  # a vector of a transposition
MARGIN = 1.1  # by which the estimates err: vectors of rows are taken where they promise more
# Saved by a call, they pay for one more kernel, which takes 6 s to compile, once, and 0.2 s to load, once a process: about 15 us,
# what 32 rows of 20 steps save. A choice, not a measurement.
WORTH_A_KERNEL = 50_000


class Cost(NamedTuple):
    """The cost of a cell's scan, in multiply-adds of a vector.

    Attributes:
        lanes, together: rows of a panel, and of the panels that run together.
        row: a step of one row, vectors of units.
        panel: a step of one panel of rows, but for the products; block: the products of panels that run together.
        states: taking and giving the states of a panel of rows.
        chunk: steps whose inputs and outputs half of the second-level cache holds, of panels that run together.
    """

    lanes: int
    together: int
    row: int
    panel: int
    block: int
    states: int
    chunk: int

    def rows(self, B: int, T: int) -> int:
        """The cost of B rows of T steps, vectors of rows."""
        panels, blocks = -(-B // self.lanes), -(-B // self.together)
        return T * (panels * self.panel + blocks * self.block) + panels * self.states

    def saved(self, B: int, T: int, seats: int = 1, row_seats: int = 1) -> float:
        """What vectors of rows save over vectors of units, each on so many threads; 0 where that is too little to be sure of."""
        units, rows = B * T * self.row / seats, self.rows(B, T) / row_seats
        return units - rows if units > MARGIN * rows else 0.0


def cost(G: int, S: int, D: int, H: int, lanes: int, panels: int, row_panels: int, cached: int) -> Cost:
    """The cost of a cell whose tiles take so many panels of units, or so many of rows, with a cache of so many elements."""
    HB = -(-H // lanes)
    product = G * (D + H)
    return Cost(
        lanes=lanes,
        together=row_panels * lanes,
        row=-(-HB // panels) * panels * product + HB * G * UPDATE,
        panel=H * G * UPDATE + (D + H) * SQUARE,
        block=row_panels * H * product,
        states=2 * S * HB * lanes * SQUARE,
        chunk=max(1, cached // ((D + H) * row_panels * lanes)),
    )
