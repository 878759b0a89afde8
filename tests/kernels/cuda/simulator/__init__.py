"""A GPU in Python: runs a kernel's own source with all of its blocks, warps and clusters alive at once. See README.md."""

from __future__ import annotations

from .arrays import OutOfRangeError
from .races import RaceError
from .running import Report, run
from .scheduling import SCHEDULES, DeadlockError, DivergenceError

__all__ = ["SCHEDULES", "DeadlockError", "DivergenceError", "OutOfRangeError", "RaceError", "Report", "run"]
