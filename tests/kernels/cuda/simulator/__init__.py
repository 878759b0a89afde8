"""A GPU in Python: runs a kernel's own source with all of its blocks, warps and clusters alive at once. See README.md."""

from __future__ import annotations

from .memory import OutOfRange
from .running import Report, run
from .scheduling import SCHEDULES, Deadlock, Divergence

__all__ = ["SCHEDULES", "Deadlock", "Divergence", "OutOfRange", "Report", "run"]
