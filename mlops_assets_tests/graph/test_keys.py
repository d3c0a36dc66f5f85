"""No model is called like the assets that all models share."""

from mlops_assets.declaration.model import TAKEN_NAMES
from mlops_assets.graph import keys


def test_what_shared_assets_begin_with_is_no_name_of_a_model():
    shared = (*keys.of_table("orders"), keys.features("weather"))
    assert {key.path[0] for key in shared} == set(TAKEN_NAMES)
