"""What a model may say."""

import pytest
from pydantic import ValidationError

from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.metrics import HIGHER_IS_BETTER
from mlops_assets.declaration.model import TAKEN_NAMES, Gates, Model

SMALLEST = {
    "name": "late",
    "owner": "team:x",
    "label": {"table": "flights", "positive": "delay > 15"},
    "features": "service",
    "estimator": {"path": "sklearn.linear_model.LogisticRegression"},
    "window": {"train_days": 28, "evaluate_days": 7},
}


def refusal(**changed):
    with pytest.raises(ValidationError) as refused:
        Model.model_validate({**SMALLEST, **changed})
    return str(refused.value)


def test_the_smallest_model_has_gates_and_a_baseline():
    model = Model.model_validate(SMALLEST)
    assert model.gates == Gates()
    assert model.baseline.path == "sklearn.dummy.DummyClassifier"
    assert model.window.days == 35


@pytest.mark.parametrize("field", SMALLEST)
def test_nothing_of_the_smallest_model_may_be_missing(field):
    with pytest.raises(ValidationError, match="Field required"):
        Model.model_validate({key: value for key, value in SMALLEST.items() if key != field})


@pytest.mark.parametrize("name", TAKEN_NAMES)
def test_a_model_has_a_name_that_begins_no_other_asset_key(name):
    assert f"found {name!r}, expected a name that the platform has not taken" in refusal(name=name)


@pytest.mark.parametrize("metric", HIGHER_IS_BETTER)
@pytest.mark.parametrize("kind", ["floors", "ceilings"])
def test_a_limit_points_the_way_the_metric_gets_better(metric, kind):
    right = HIGHER_IS_BETTER[metric] == (kind == "floors")
    if right:
        assert Gates.model_validate({kind: {metric: 0.5}})
    else:
        other = "ceiling" if kind == "floors" else "floor"
        with pytest.raises(ValidationError, match=f"{metric} is better when .*: give it a {other}"):
            Gates.model_validate({kind: {metric: 0.5}})


@pytest.mark.parametrize("path", ["os.system", "sklearnx.Thing", "xgboost.XGBClassifier"])
def test_an_estimator_comes_from_scikit_learn(path):
    assert f"found '{path}', expected the import path of an estimator in sklearn.…" in refusal(
        estimator={"path": path}
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("sklern.tree.DecisionTreeClassifier", "in sklearn.…. Did you mean 'sklearn'?"),
        ("sklearn.nowhere.Thing", "there is no 'nowhere' in sklearn"),
        ("sklearn.linear_modle.Lasso", "there is no 'linear_modle' in sklearn. Did you mean 'linear_model'?"),
        (
            "sklearn.linear_model.LogisticRegresion",
            "there is no 'LogisticRegresion' in sklearn.linear_model. Did you mean 'LogisticRegression'?",
        ),
        ("sklearn.dummy.DummyClasifier", "Did you mean 'DummyClassifier'?"),
    ],
)
def test_an_estimator_that_is_not_there_is_refused_with_the_nearest_one(path, said):
    assert said in refusal(estimator={"path": path})


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.naive_bayes.GaussianNB",
        "sklearn.model_selection.HalvingGridSearchCV",  # made when it is imported: files do not tell
        "sklearn._isotonic.Anything",
        "sklearn.LogisticRegression",
    ],
)
def test_an_estimator_that_is_there_or_may_be_is_taken(path):
    assert Estimator(path=path).path == path


@pytest.mark.parametrize("path", ["sklearn", "sklearn.", "sklearn..x", "sklearn.a-b", "sklearn.a;b", ""])
def test_an_estimator_path_is_an_import_path(path):
    assert "should match pattern" in refusal(estimator={"path": path})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"request": ["carrier", "carrier"]}, "request.1\n  request column 'carrier' is listed twice"),
        ({"window": {"train_days": 0, "evaluate_days": 7}}, "greater than or equal to 1"),
        ({"window": {"train_days": 28, "evaluate_day": 7}}, "Did you mean 'evaluate_days'?"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": 2**32}, "less than 4294967296"),
        ({"predict_before": 2}, "found 2, expected a whole number and a unit"),
        ({"gates": {"champion": {"at_least_days": 2}}}, "greater than or equal to 3"),
        (
            {"gates": {"champion": {"at_least_days": 8}}},
            "gates.champion.at_least_days\n  the champion gate needs at_least_days of 8 and the window has "
            "evaluate_days of 7: no model could ever replace the champion. Lower gates.champion.at_least_days, or",
        ),
        (
            {"window": {"train_days": 28, "evaluate_days": 5}},
            "window.evaluate_days\n  the champion gate needs at_least_days of 7, its default, and the window has "
            "evaluate_days of 5: no model could ever replace the champion. Lower",
        ),
        ({"gates": {"champion": {"confidence": 0.5}}}, "greater than 0.5"),
        ({"gates": {"champion": {"metric": "roc_auc"}}}, "'log_loss', 'brier' or 'log_loss_within_days'"),
        ({"gates": {"baseline": {"margin": -0.1}}}, "greater than or equal to 0"),
        ({"gates": {"floors": {"auc": 0.5}}}, "'roc_auc'"),
        (
            {"gates": {"floors": {"roc_auc": 1.5}}},
            "found 1.5, expected a value that roc_auc can have: from 0 to 1",
        ),
        ({"gates": {"floors": {"accuracy": -0.1}}}, "found -0.1, expected a value that accuracy can have"),
        (
            {"gates": {"ceilings": {"log_loss": -1}}},
            "found -1, expected a value that log_loss can have: 0 or more",
        ),
        ({"gates": {"ceilings": {"brier": 2}}}, "gates.ceilings.brier\n  found 2"),
        ({"gates": {"floors": {"roc_auc": float("nan")}}}, "finite number"),
        ({"gates": {"ceilings": {"log_loss": float("inf")}}}, "finite number"),
        ({"gates": {"floors": {"roc_auc": True}}}, "valid number"),
        ({"gates": {"floors": {"roc_auc": "0.6"}}}, "valid number"),
        ({"gates": {"champion": {"margin": float("inf")}}}, "finite number"),
        (
            {"gates": {"champion": {"metric": "brier", "margin": 1}}},
            "gates.champion.margin\n  found 1, expected less",
        ),
        ({"gates": {"baseline": {"metric": "accuracy", "margin": 1.5}}}, "accuracy is from 0 to 1"),
        ({"gates": {"at_least_rows": True}}, "valid integer"),
        ({"gates": {"at_least_rows": 1e3}}, "valid integer"),
        (
            {"window": {"train_days": True, "evaluate_days": 7}},
            "window.train_days\n  Input should be a valid integer",
        ),
        ({"window": {"train_days": "28", "evaluate_days": 7}}, "valid integer"),
        ({"seed": True}, "valid integer"),
        ({"contract": {"objectives": {"p95_ms": 60_000.0}}}, "less than 60000"),
    ],
)
def test_a_model_that_cannot_be_is_refused(changed, said):
    assert said in refusal(**changed)


def test_a_champion_may_be_compared_on_the_whole_of_a_short_window():
    window, gates = {"train_days": 28, "evaluate_days": 3}, {"champion": {"at_least_days": 3}}
    assert Model.model_validate({**SMALLEST, "window": window, "gates": gates}).window.days == 31


def test_declared_in_json_and_read_back_it_is_the_same():
    model = Model.model_validate({**SMALLEST, "predict_before": "90m", "request": ["carrier"]})
    assert Model.model_validate(model.model_dump(mode="json")) == model
    assert model.model_dump(mode="json")["predict_before"] == "90m"
