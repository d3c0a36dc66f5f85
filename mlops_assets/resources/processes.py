"""Which process a run lives in, and whether it still does."""

import os

import psutil

# Says which process a run lives in that a command started, so that the runs of a killed one are not taken for alive.
PROCESS_TAG = "mlops/process"


def this_process() -> str:
    """The name of the process that asks."""
    return process_named(os.getpid())


def process_named(pid: int) -> str:
    """A name that no later process will have: numbers come again, moments of birth do not."""
    return f"{pid}@{int(psutil.Process(pid).create_time())}"


def is_alive(process: str) -> bool:
    """Whether the process of that name still runs on this machine."""
    pid, _, born = process.partition("@")
    try:
        return int(psutil.Process(int(pid)).create_time()) == int(born)
    except psutil.NoSuchProcess:
        return False


def was_alive(pid: int, moment: float) -> bool:
    """Whether the process that had a number at a moment (seconds since 1970) still runs on this machine."""
    try:
        found = psutil.Process(pid)
        # A process is born before it says so; one that was born after has taken over the number.
        return bool(found.create_time() <= moment + 1 and found.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
