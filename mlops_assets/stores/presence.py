"""Whether a service answers for a model: each holds a file of its own while it lives."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_assets.stores.held import hold, is_left

HELD = ".held"


@contextmanager
def present(home: Path, model: str) -> Iterator[None]:
    """Tell others that this process answers, while the block runs; a killed one tells it no more.

    home: of the platform, which who asks must share.
    """
    folder = _folder(home, model)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"*{HELD}"):
        if is_left(path):
            path.unlink(missing_ok=True)
    own = folder / f"{time.time_ns():016x}-{os.getpid()}{HELD}"
    descriptor = hold(own)
    try:
        yield
    finally:
        own.unlink(missing_ok=True)
        os.close(descriptor)


def is_answered(home: Path, model: str) -> bool:
    """Whether any service answers for a model now."""
    return any(not is_left(path) and path.exists() for path in _folder(home, model).glob(f"*{HELD}"))


def _folder(home: Path, model: str) -> Path:
    return home / "services" / model
