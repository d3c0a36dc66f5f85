"""How many threads a fit may use: all cores but one, which stays for everybody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _openmp() -> ThreadpoolController:
    """The OpenMP libraries of this process; scikit-learn loads its own before anything can be fitted."""
    return ThreadpoolController().select(user_api="openmp")


@contextmanager
def a_core_to_spare() -> Iterator[None]:
    """Inside, OpenMP uses one thread fewer than there are cores, and never more than it was told to.

    Its threads wait for each other by spinning, thousands of times in a fit of small trees; when
    one of them shares its core with a progress bar, a server or another run, all of them stall.
    On two cores that made fits several times slower than one thread alone.
    """
    openmp = _openmp()
    told = [library.num_threads for library in openmp.lib_controllers]
    with openmp.limit(limits=min([max(1, len(os.sched_getaffinity(0)) - 1), *told])):
        yield
