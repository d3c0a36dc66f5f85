"""A home with a released model and features online."""

import pytest

from mlops_assets.modeling.proving import proven
from mlops_assets.serving import released as of_serving
from mlops_assets_tests.serving.world import put_online, released, shelves_at


@pytest.fixture(scope="session", autouse=True)
def _proven_here():
    """What a process of its own proves for seconds is proven in this one; ``test_proving.py`` asks the process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(of_serving, "proven_apart", lambda artifacts, digest: proven(artifacts.load(digest)))
        yield


@pytest.fixture
def shelves(tmp_path):
    found = shelves_at(tmp_path / "home")
    released(found, 1)
    put_online(found)
    return found
