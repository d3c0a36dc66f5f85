"""Parameters are tried on days that come after those learned from, and everything tried is kept."""

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.recipe import Recipe
from mlops_assets.declaration.search import Search
from mlops_assets.errors import DeclarationError, TrainingRefused
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.search import searched
from mlops_assets.modeling.serialization import SEARCH, from_files, searched_parameters, to_files
from mlops_assets.modeling.training import train

INPUTS = Inputs(categories=("kind",), numbers=("x",))
TREE = "sklearn.tree.DecisionTreeClassifier"
BASELINE = Estimator(path="sklearn.dummy.DummyClassifier")


def recipe(search=None, **estimator):
    declared = Estimator(**({"path": TREE} | estimator))
    types = {"kind": "string", "x": "number"}
    return Recipe(model="m", estimator=declared, search=search, baseline=BASELINE, seed=3, inputs=types)


def rows(days=20, a_day=40, known_after="1h", seed=0):
    random = np.random.default_rng(seed)
    count = days * a_day
    at = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(count) * 24 / a_day, unit="h")
    x = random.normal(size=count)
    return pd.DataFrame(
        {
            "event_time": at,
            "label_known_at": at + pd.Timedelta(known_after),
            "kind": random.choice(["a", "b"], size=count),
            "x": x,
            "label": x + random.normal(size=count) > 0,
            "use": "train",
        }
    )


def found(given=None, **search):
    declared = Search(**({"over": {"max_depth": [1, 3, 12]}} | search))
    return searched(recipe(declared), declared, INPUTS, rows() if given is None else given)


def test_each_block_is_measured_by_what_was_fitted_on_the_days_before_it():
    result = found(folds=3)
    assert [(one["first_day"], one["last_day"]) for one in result.blocks] == [
        ("2024-01-06", "2024-01-10"),
        ("2024-01-11", "2024-01-15"),
        ("2024-01-16", "2024-01-20"),
    ]
    assert [one["measured"] for one in result.blocks] == [200, 200, 200]
    # The last row before a block has a label that is not known when it begins.
    assert [one["learned"] for one in result.blocks] == [199, 399, 599]


def test_labels_that_were_not_known_when_a_block_began_are_not_learned_from():
    late = found(rows(known_after="48h"), folds=3)
    assert [one["learned"] for one in late.blocks] == [120, 320, 520]


def test_the_best_mean_wins_and_a_deep_tree_does_not():
    result = found()
    means = [one.mean for one in result.tried]
    assert result.chosen == int(np.argmin(means))
    assert result.parameters in ({"max_depth": 1}, {"max_depth": 3})
    higher = found(metric="roc_auc")
    assert higher.chosen == int(np.argmax([one.mean for one in higher.tried]))


def test_of_equals_the_first_wins():
    same = found(over={"max_depth": [2], "min_weight_fraction_leaf": [0.0, 1e-9]})
    assert same.tried[0].mean == same.tried[1].mean
    assert same.chosen == 0


def test_values_that_the_estimator_refuses_are_told():
    with pytest.raises(
        TrainingRefused, match=r"DecisionTreeClassifier with .*'max_depth': -1.* cannot be fitted"
    ):
        found(over={"max_depth": [2, -1]})


def test_everything_tried_is_kept_with_the_model_and_the_winner_is_fitted():
    declared = recipe(Search(over={"max_depth": [1, 12], "criterion": ["gini", "entropy"]}))
    trained = train(declared, rows())
    kept = json.loads(to_files(trained, question="q")[SEARCH])
    assert len(kept["tried"]) == kept["combinations"] == 4
    assert all(len(one["values"]) == 3 for one in kept["tried"])
    assert kept["parameters"] == {**trained.parameters} == kept["tried"][kept["chosen"]]["parameters"]
    assert searched_parameters(to_files(trained, question="q")) == trained.parameters
    assert searched_parameters(to_files(train(recipe(), rows()), question="q")) == {}
    assert trained.model[-1].max_depth == trained.parameters["max_depth"]


def test_more_combinations_than_allowed_are_drawn_the_same_each_time():
    over = {"max_depth": list(range(1, 11)), "min_samples_leaf": list(range(1, 11))}
    first, second = (found(over=over, at_most=5, folds=2) for _ in range(2))
    assert first == second
    assert (len(first.tried), first.combinations) == (5, 100)
    assert len({json.dumps(one.parameters) for one in first.tried}) == 5


def test_days_that_do_not_suffice_are_told():
    with pytest.raises(TrainingRefused, match=r"needs rows on 4 days to make 3 folds, found 3"):
        found(rows(days=3))


def test_blocks_of_one_class_are_told():
    given = rows()
    given.loc[given["event_time"] < pd.Timestamp("2024-01-06", tz="UTC"), "label"] = True
    with pytest.raises(TrainingRefused, match="of one class to learn from before 2024-01-06"):
        found(given)
    given = rows()
    given.loc[given["event_time"] >= pd.Timestamp("2024-01-16", tz="UTC"), "label"] = True
    with pytest.raises(TrainingRefused, match="roc_auc cannot be measured from 2024-01-16"):
        found(given, metric="roc_auc")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"over": {}}, "at least 1"),
        ({"over": {"a": []}}, "at least 1"),
        ({"over": {"a": [1]}}, "two combinations"),
        ({"over": {"a": [1, 1]}}, "listed twice"),
        ({"over": {"a": [1, 2]}, "folds": 1}, "greater than or equal to 2"),
    ],
)
def test_a_search_without_a_choice_is_refused(said, told):
    with pytest.raises(ValidationError, match=told):
        Search(**said)


@pytest.mark.parametrize("method", ["isotonic", "sigmoid", "temperature"])
def test_calibrated_models_survive_their_files_and_are_the_same_each_time(method):
    declared = recipe(calibration={"method": method}, parameters={"max_depth": 8})
    first, second = (train(declared, rows()) for _ in range(2))
    assert first.digest == second.digest
    again = from_files(to_files(first, question="q"))
    new = rows(seed=5)
    np.testing.assert_array_equal(
        score(first.model, first.inputs, new), score(again.model, again.inputs, new)
    )


def test_calibration_makes_sure_scores_true():
    given, new = rows(days=60), rows(days=60, seed=5)
    plain, calibrated = (
        train(recipe(parameters={"max_depth": 12}, calibration=how), given)
        for how in (None, {"method": "isotonic"})
    )
    losses = [np.mean((score(one.model, one.inputs, new) - new["label"]) ** 2) for one in (plain, calibrated)]
    assert losses[1] < losses[0] - 0.02


def test_classes_are_weighted_as_declared():
    plain = train(recipe(parameters={"max_depth": 2}), rows())
    heavy = train(recipe(parameters={"max_depth": 2, "class_weight": {False: 1, True: 9}}), rows())
    assert (
        score(heavy.model, heavy.inputs, rows()).mean()
        > score(plain.model, plain.inputs, rows()).mean() + 0.2
    )


def bagged(*, seed, trees=3):
    from sklearn.ensemble import BaggingClassifier
    from sklearn.tree import DecisionTreeClassifier

    return BaggingClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=trees, random_state=seed)


def regresses(*, seed):
    from sklearn.linear_model import LinearRegression

    return LinearRegression()


def own(name, **more):
    return recipe(path=None, function=f"{__name__}.{name}", **more)


def test_a_function_of_your_own_makes_the_classifier():
    declared = own("bagged", parameters={"trees": 5})
    trained = train(declared, rows())
    assert len(trained.model[-1].estimators_) == 5
    assert train(declared, rows()).digest == trained.digest
    again = from_files(to_files(trained, question="q"))
    np.testing.assert_array_equal(
        score(again.model, again.inputs, rows()), score(trained.model, trained.inputs, rows())
    )
    assert declared.estimator.own_code == (__name__,)


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (own("bagged", parameters={"leaves": 5}), "failed with TypeError"),
        (own("regresses"), "returned LinearRegression; expected an unfitted scikit-learn classifier"),
    ],
)
def test_a_function_that_makes_something_else_is_refused(declared, told):
    with pytest.raises(DeclarationError, match=told):
        train(declared, rows())


@pytest.mark.parametrize("said", [{}, {"path": TREE, "function": f"{__name__}.bagged"}])
def test_an_estimator_is_a_class_or_a_function(said):
    with pytest.raises(ValidationError, match="expected a path or a function"):
        Estimator(**said)


def test_a_function_that_is_not_there_is_told_with_the_nearest_name():
    with pytest.raises(ValidationError, match="Did you mean 'bagged'"):
        Estimator(function=f"{__name__}.baged")
