"""The policies that a backtest replays are what a model declares, and what others do whatever it declares."""

import pytest

from mlops_assets.declaration.retraining import DRIFTS
from mlops_assets.steps.backtest import policies_of
from mlops_assets_tests.sandbox import SHOP, load_project, make_project


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP)).model("returned")


def policies(model, **said):
    return policies_of(model.model_copy(update={"retraining": model.retraining.model_copy(update=said)}))


@pytest.mark.parametrize("trigger", ["drift", "decay", "new_labels"])
def test_each_trigger_that_reads_looks_has_them_taken(model, trigger):
    none = dict.fromkeys(("drift", "decay", "new_labels"))
    values = {"drift": "error", "decay": 0.0, "new_labels": 100}
    assert policies(model, **none)["declared"].drift is None
    assert policies(model, **none | {trigger: values[trigger]})["declared"].drift == "calibrated"


def test_what_is_declared_of_drift_does_not_bend_the_rule_of_articles(model):
    found = policies(model, drift_of=("scores",))
    assert tuple(found["declared"].drift_of) == ("scores",)
    assert tuple(found["article"].drift_of) == DRIFTS
