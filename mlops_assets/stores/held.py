"""Files that a process holds locked while it lives, so that others know which ones a killed process left."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

BEGUN = ".begun"


def hold(path: Path, flags: int = os.O_WRONLY) -> int:
    """Make a file and hold it; its descriptor. It has its name only once it is held, or it would be taken for left.

    flags: of ``open``, beside those that make it. Raises OSError when there is one of that name that was just begun.
    """
    begun = path.with_name(path.name + BEGUN)
    descriptor = os.open(begun, flags | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        begun.rename(path)
    except BaseException:
        # Left behind it would stand in the way of the next attempt.
        os.close(descriptor)
        begun.unlink(missing_ok=True)
        raise
    return descriptor


def is_left(path: Path) -> bool:
    """Whether the process that held a file is gone, and the file is still there."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return path.exists()
