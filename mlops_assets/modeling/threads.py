"""How many threads a fit may use: all cores but one, which stays for everybody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@contextmanager
def a_core_to_spare() -> Iterator[None]:
    """Inside, OpenMP uses one thread fewer than there are cores, and never more than it was told to.

    Its threads wait for each other by spinning, thousands of times in a fit of small trees; when
    one of them shares its core with a progress bar, a server or another run, all of them stall.
    On two cores that made fits several times slower than one thread alone.
    """
    openmp = ThreadpoolController().select(user_api="openmp")
    told = [library.num_threads for library in openmp.lib_controllers]
    with openmp.limit(limits=min([max(1, len(os.sched_getaffinity(0)) - 1), *told])):
        yield
