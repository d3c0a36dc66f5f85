"""From what a declaration says of an estimator to a pipeline, or to a refusal that helps."""

import numpy as np
import pandas as pd
import pytest

from mlops_assets.declaration.estimator import Estimator
from mlops_assets.errors import DeclarationError
from mlops_assets.modeling.estimators import MOST_CATEGORIES, build_pipeline
from mlops_assets.modeling.inputs import Inputs

INPUTS = Inputs(categories=("carrier",), numbers=("distance",))
BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def built(path, *, inputs=INPUTS, seed=7, **declared):
    return build_pipeline(Estimator(path=path, **declared), inputs, seed=seed)


# Modules that make names when they are imported.
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("sklearn.model_selection.GridSerchCV", r"Did you mean 'GridSearchCV'\?"),
        ("sklearn.Zzz", r"expected the import path of a scikit-learn classifier\.$"),
    ],
)
def test_a_path_that_only_importing_tells_to_lead_nowhere_is_refused(path, said):
    with pytest.raises(DeclarationError, match=f"there is no estimator '{path}'; .*{said}") as refusal:
        built(path)
    assert refusal.value.field == ("estimator", "path")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("sklearn.linear_model.LinearRegression", id="a regressor"),
        pytest.param("sklearn.cluster.KMeans", id="a clusterer"),
        pytest.param("sklearn.metrics.roc_auc_score", id="a function"),
        pytest.param("sklearn.utils.Bunch", id="a dictionary"),
        pytest.param("sklearn.exceptions.NotFittedError", id="an error"),
        pytest.param("sklearn.base.ClassifierMixin", id="half a classifier"),
        pytest.param("sklearn.ensemble.VotingClassifier", id="needs other estimators"),
        pytest.param("sklearn.model_selection.GridSearchCV", id="needs an estimator"),
    ],
)
def test_what_is_not_a_classifier_of_its_own_is_refused(path):
    with pytest.raises(DeclarationError, match=f"'{path}' is not a classifier") as refusal:
        built(path)
    assert refusal.value.field == ("estimator", "path")


@pytest.mark.parametrize("path", ["sklearn.svm.LinearSVC", "sklearn.linear_model.RidgeClassifier"])
def test_a_classifier_without_probabilities_is_refused(path):
    with pytest.raises(DeclarationError, match=r"gives no probabilities .* expected .* predict_proba"):
        built(path)


def test_parameters_that_give_probabilities_are_looked_at():
    path = "sklearn.linear_model.SGDClassifier"
    with pytest.raises(DeclarationError, match="gives no probabilities"):
        built(path, parameters={"loss": "hinge"})
    assert built(path, parameters={"loss": "log_loss"})["estimate"].loss == "log_loss"


def test_an_unknown_parameter_is_refused_with_the_nearest_one():
    with pytest.raises(
        DeclarationError, match=r"no parameter 'max_iters'\. Did you mean 'max_iter'\?"
    ) as refusal:
        built(BOOSTING, parameters={"max_iters": 5})
    assert refusal.value.field == ("estimator", "parameters", "max_iters")


@pytest.mark.parametrize(("declared", "state"), [({}, 7), ({"random_state": 3}, 3)])
def test_the_seed_is_used_unless_a_state_is_declared(declared, state):
    assert built(BOOSTING, parameters=declared)["estimate"].random_state == state


def test_an_estimator_without_a_seed_gets_none():
    assert "random_state" not in built("sklearn.naive_bayes.GaussianNB")["estimate"].get_params()


@pytest.mark.parametrize(
    ("categories", "inputs", "told"),
    [
        ("ordinal", Inputs(("a", "b"), ("n",)), [0, 1]),
        ("ordinal", Inputs((), ("n",)), "from_dtype"),
        ("one_hot", Inputs(("a",), ("n",)), "from_dtype"),
    ],
)
def test_boosting_is_told_which_columns_are_codes_of_categories(categories, inputs, told):
    assert built(BOOSTING, inputs=inputs, categories=categories)["estimate"].categorical_features == told


def test_building_leaves_the_declaration_as_it_was():
    declared = Estimator(path=BOOSTING, parameters={"max_iter": 5})
    build_pipeline(declared, INPUTS, seed=7)
    assert declared.parameters == {"max_iter": 5}


def rows(carriers, distances=None):
    distances = np.arange(len(carriers), dtype=float) if distances is None else distances
    return pd.DataFrame({"carrier": pd.Series(carriers, dtype=object), "distance": distances})


def test_ordinal_codes_leave_unseen_and_missing_categories_missing():
    prepare = built(BOOSTING)["prepare"].fit(rows(["AA", "UA", np.nan]))
    codes = prepare.transform(rows(["UA", "AA", "ZZ", np.nan]))[:, 0]
    np.testing.assert_array_equal(codes, [1, 0, np.nan, np.nan])


def test_one_hot_gives_an_unseen_category_no_column():
    prepare = built(LOGISTIC, categories="one_hot")["prepare"].fit(rows(["AA", "UA", "UA"]))
    np.testing.assert_array_equal(prepare.transform(rows(["UA", "ZZ"]))[:, :2], [[0, 1], [0, 0]])


def test_standardized_numbers_fill_the_median_and_scale():
    prepare = built(LOGISTIC, numbers="standardized")["prepare"]
    found = prepare.fit_transform(rows(["AA"] * 4, [1.0, 2.0, 3.0, np.nan]))[:, 1]
    filled = np.array([1, 2, 3, 2])
    np.testing.assert_allclose(found, (filled - filled.mean()) / filled.std())


def test_numbers_as_they_are_keep_their_gaps():
    found = built(BOOSTING)["prepare"].fit_transform(rows(["AA"] * 2, [1.5, np.nan]))[:, 1]
    np.testing.assert_array_equal(found, [1.5, np.nan])


@pytest.mark.parametrize("many", [MOST_CATEGORIES, 1000])
def test_boosting_takes_more_categories_than_it_has_bins(many):
    carriers = [f"c{index}" for index in range(many)] * 2
    labels = np.arange(len(carriers)) % 2
    pipeline = built(BOOSTING, parameters={"max_iter": 2}).fit(rows(carriers), labels)
    assert pipeline.predict_proba(rows(["c0", "unseen"])).shape == (2, 2)


def test_columns_are_dropped_by_name_and_keep_their_order():
    inputs = Inputs(("a", "b"), ("m", "n"))
    assert inputs.without(["a", "n"]) == Inputs(("b",), ("m",))
    assert inputs.columns == ["a", "b", "m", "n"]
