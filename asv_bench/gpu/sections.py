"""The sections by name, in the order in which they run."""

from __future__ import annotations

from .choice import CHOICE
from .correctness import CORRECTNESS
from .environment import ENVIRONMENT
from .latencies import LATENCIES
from .section import Section
from .soak import SOAK
from .timing import TIMING

__all__ = ["SECTIONS"]

SECTIONS: dict[str, Section] = {s.name: s for s in (ENVIRONMENT, LATENCIES, CORRECTNESS, SOAK, TIMING, CHOICE)}
