"""A home with a released model and features online."""

import pytest

from mlops_assets_tests.serving.world import put_online, released, shelves_at


@pytest.fixture
def shelves(tmp_path):
    found = shelves_at(tmp_path / "home")
    released(found, 1)
    put_online(found)
    return found
