"""Nothing declared is called like what the graph has already."""

from dagster._core.definitions.utils import DISALLOWED_NAMES

from mlops_assets.declaration.base import TAKEN_INPUTS
from mlops_assets.declaration.model import TAKEN_NAMES
from mlops_assets.graph import keys


def test_what_shared_assets_begin_with_is_no_name_of_a_model():
    shared = (*keys.of_table("orders"), keys.features("weather"))
    assert {key.path[0] for key in shared} == set(TAKEN_NAMES)


def test_what_dagster_takes_as_no_input_is_no_name_of_a_table_or_view():
    assert DISALLOWED_NAMES <= TAKEN_INPUTS
