"""A fit leaves a core to the others."""

import os

import sklearn  # noqa: F401 (brings OpenMP)
from threadpoolctl import ThreadpoolController, threadpool_limits

from mlops_assets.modeling.threads import a_core_to_spare


def openmp_threads() -> list[int]:
    return [
        library.num_threads for library in ThreadpoolController().select(user_api="openmp").lib_controllers
    ]


def test_inside_all_cores_but_one_are_used_and_afterwards_as_many_as_before():
    before = openmp_threads()
    with a_core_to_spare():
        inside = openmp_threads()
    assert set(inside) == {min([max(1, len(os.sched_getaffinity(0)) - 1), *before])}
    assert openmp_threads() == before


def test_fewer_are_kept_when_fewer_were_told():
    with threadpool_limits(limits=1, user_api="openmp"), a_core_to_spare():
        assert set(openmp_threads()) == {1}
