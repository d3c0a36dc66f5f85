"""Equal rows, equal model; and no model out of nothing."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.model import Label, Model, Window
from mlops_assets.errors import TrainingRefused
from mlops_assets.modeling.frames import frame, score
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.training import split_inputs
from mlops_assets.modeling.training import train as fitted

INPUTS = Inputs(categories=("carrier",), numbers=("distance", "wind"))


def model(path="sklearn.ensemble.HistGradientBoostingClassifier", *, seed=1, **estimator):
    parameters = estimator.pop("parameters", {"max_iter": 5, "min_samples_leaf": 5})
    return Model(
        name="late",
        owner="team:x",
        label=Label(table="flights", positive="delay > 15"),
        features="service",
        estimator=Estimator(path=path, parameters=parameters, **estimator),
        window=Window(train_days=28, evaluate_days=7),
        seed=seed,
    )


def rows(count=200, *, seed=0):
    random = np.random.default_rng(seed)
    distance = random.normal(size=count)
    return pd.DataFrame(
        {
            "carrier": random.choice(["AA", "UA", None], size=count),
            "distance": distance,
            "wind": np.where(random.random(count) < 0.2, np.nan, random.normal(size=count)),
            "label": distance + random.normal(size=count) > 0,
            "use": np.where(np.arange(count) % 4 == 0, "evaluate", "train"),
        }
    )


def train(declared, inputs, given):
    types = {**dict.fromkeys(inputs.categories, "string"), **dict.fromkeys(inputs.numbers, "number")}
    return fitted(declared.recipe(types), given)


FOREST = model("sklearn.ensemble.RandomForestClassifier", parameters={"n_estimators": 5})


@pytest.mark.parametrize("declared", [model(), FOREST])
def test_training_twice_gives_the_same_behaviour(declared):
    first, second = (train(declared, INPUTS, rows()) for _ in range(2))
    assert first.digest == second.digest
    np.testing.assert_array_equal(
        score(first.model, first.inputs, rows(seed=9)), score(second.model, second.inputs, rows(seed=9))
    )


def test_training_in_another_process_gives_the_same_behaviour():
    script = (
        "from mlops_assets_tests.modeling.test_training import FOREST, INPUTS, rows, train;"
        "print(train(FOREST, INPUTS, rows()).digest)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "3"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert told.stdout.strip() == train(FOREST, INPUTS, rows()).digest


def test_another_seed_gives_another_forest():
    other = model(FOREST.estimator.path, seed=2, parameters=FOREST.estimator.parameters)
    assert train(FOREST, INPUTS, rows()).digest != train(other, INPUTS, rows()).digest


def test_one_changed_value_gives_another_behaviour():
    changed = rows()
    changed.loc[1, "distance"] = 100.0
    assert train(model(), INPUTS, rows()).digest != train(model(), INPUTS, changed).digest


def test_only_training_rows_are_learnt_from():
    changed = rows()
    evaluated = changed["use"] == "evaluate"
    changed.loc[evaluated, "label"] = ~changed.loc[evaluated, "label"]
    trained = train(model(), INPUTS, changed)
    assert trained.digest == train(model(), INPUTS, rows()).digest
    assert trained.rows == (~evaluated).sum()


def test_training_leaves_the_rows_as_they_were():
    given, before = rows(), rows()
    train(model(), INPUTS, given)
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize("column", INPUTS.columns)
def test_a_column_without_a_value_in_the_window_is_dropped_and_named(column):
    empty = rows()
    empty.loc[empty["use"] == "train", column] = None
    trained = train(model(), INPUTS, empty)
    assert trained.dropped == (column,)
    assert trained.inputs == INPUTS.without([column])
    assert np.isfinite(score(trained.model, trained.inputs, rows())).all()


def test_a_window_without_any_value_is_refused():
    empty = rows()
    empty[INPUTS.columns] = None
    with pytest.raises(TrainingRefused, match="none of carrier, distance, wind has a value"):
        train(model(), INPUTS, empty)


@pytest.mark.parametrize(("label", "positives"), [(True, 150), (False, 0)])
def test_one_class_is_refused(label, positives):
    one_class = rows()
    one_class.loc[one_class["use"] == "train", "label"] = label
    with pytest.raises(TrainingRefused, match=f"late: .* 150 labelled rows with {positives} positive"):
        train(model(), INPUTS, one_class)


@pytest.mark.parametrize("left", [rows().head(0), rows().assign(use="evaluate")])
def test_no_rows_are_refused(left):
    with pytest.raises(TrainingRefused, match="0 labelled rows"):
        train(model(), INPUTS, left)


@pytest.mark.parametrize("categories", ["ordinal", "one_hot"])
def test_an_unseen_category_is_scored_as_a_missing_one(categories):
    declared = model(categories=categories)
    full = rows()
    full["carrier"] = full["carrier"].fillna("AA")
    trained = train(declared, INPUTS, full)
    unseen, missing = (full.assign(carrier=carrier) for carrier in ("never seen", None))
    np.testing.assert_array_equal(
        score(trained.model, trained.inputs, unseen), score(trained.model, trained.inputs, missing)
    )


def test_scores_are_the_probability_of_the_positive_class_in_the_order_of_the_rows():
    trained = train(model(), INPUTS, rows(2000))
    given = rows(500, seed=5)
    found = score(trained.model, trained.inputs, given)
    assert found[given["label"]].mean() > found[~given["label"]].mean() + 0.1
    shuffled = given.sample(frac=1, random_state=0)
    np.testing.assert_array_equal(score(trained.model, trained.inputs, shuffled), found[shuffled.index])


def test_no_rows_have_no_scores():
    trained = train(model(), INPUTS, rows())
    assert score(trained.model, trained.inputs, rows().head(0)).shape == (0,)


def test_the_baseline_says_the_share_of_the_positive_class():
    trained = train(model(), INPUTS, rows())
    training = rows()[rows()["use"] == "train"]
    assert score(trained.baseline, trained.inputs, rows()) == pytest.approx(training["label"].mean())


def test_strings_are_categories_and_all_else_numbers():
    types = {"n": "number", "s": "string", "i": "integer", "b": "boolean", "t": "timestamp"}
    assert split_inputs(types) == Inputs(("s",), ("n", "i", "b", "t"))


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        (pa.array([1, None]), [1.0, np.nan]),
        (pa.array([True, None]), [1.0, np.nan]),
        (pa.array([0.5, None]), [0.5, np.nan]),
        (pa.array([None, None], pa.float64()), [np.nan, np.nan]),
        (pa.array([1_500_000, None], pa.timestamp("us", tz="UTC")), [1.5, np.nan]),
        (pa.array([1_500_000, None], pa.timestamp("us")), [1.5, np.nan]),
    ],
)
def test_every_declared_type_that_is_not_text_becomes_a_float(column, numbers):
    found = frame(pa.table({"x": column}).to_pandas(), Inputs((), ("x",)))
    assert found["x"].dtype == np.float64
    np.testing.assert_array_equal(found["x"], numbers)


def test_text_keeps_its_values_and_gaps_become_nan():
    found = frame(pa.table({"x": ["a", None]}).to_pandas(), Inputs(("x",), ()))["x"].tolist()
    assert found[0] == "a"
    assert np.isnan(found[1])
