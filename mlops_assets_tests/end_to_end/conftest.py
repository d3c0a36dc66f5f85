"""One expensive home for all end-to-end tests; each works on a copy."""

from datetime import date

import pytest

from mlops_assets_tests.end_to_end.deployment import Deployed, clone_of_the_repository
from mlops_assets_tests.end_to_end.story import DAILY, FIRST_AS_OF, LAST_DAY, materialize
from mlops_assets_tests.sandbox import SHOP, land_orders


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """The made-up shop in a clone of its own: its data for forty days, and a champion as of 2024-03-29."""
    clone = clone_of_the_repository(tmp_path_factory.mktemp("clone"), content=SHOP)
    deployed = Deployed(clone, tmp_path_factory.mktemp("released") / "home")
    land_orders(deployed.home, date(2024, 3, 1), 40)
    for command in (
        ["mlops", "run", "returned", "--as-of", FIRST_AS_OF],
        materialize(DAILY, "--partition-range", f"{FIRST_AS_OF}...{LAST_DAY}"),
    ):
        code, printed = deployed.run(*command)
        assert code == 0, printed
    assert deployed.stores.releases.champion("returned") is not None
    return deployed


@pytest.fixture
def deployed(released, tmp_path):
    """A copy of the home in which a champion was released."""
    return released.copied_to(tmp_path / "home")
