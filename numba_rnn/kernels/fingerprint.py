"""A hash of the source that a kernel is compiled from, which every cached kernel captures.

Numba's disk cache watches the kernel's own file only: without this, an edited cell would go on giving the old numbers.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["fingerprint", "source"]


def fingerprint(*folders: str) -> int:
    """63 bits of a hash over the Python files of the package's own `folders`, such as `"cells"`."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return int.from_bytes(digest.digest()[:8], "little") >> 1


@cache
def source() -> int:
    """The fingerprint of all that the CPU's kernels are made from."""
    return fingerprint("cells", "kernels", "kernels/cpu")
