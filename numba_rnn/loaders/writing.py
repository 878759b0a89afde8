"""How a file gets to its place: made whole in memory, written beside the target, put there in one step."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

__all__ = ["check_target", "replace_file"]


def check_target(path: Path, overwrite: bool) -> None:
    """See that a file may be written here, before any work.

    Raises:
        FileNotFoundError: the folder does not exist.
        FileExistsError: there is a file, and it is not to be replaced.
        IsADirectoryError: a folder lies there.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"Cannot save to {str(path)!r}: there is no folder {str(path.parent)!r}. Make it first, as with "
            f"`os.makedirs({str(path.parent)!r})`."
        )
    if path.is_dir():
        raise IsADirectoryError(f"Cannot save to {str(path)!r}: it is a folder. Expected: the name of a file.")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"Cannot save to {str(path)!r}: the file exists and `overwrite=False`. Remove it, pass `overwrite=True`, or choose "
            "another name."
        )


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path`: readers see the old file or the new one, whole; where writing fails the old one stays.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    target = Path(os.path.realpath(path))  # through a link, as when writing in place
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
