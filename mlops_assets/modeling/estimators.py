"""From a declared estimator to a scikit-learn pipeline."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from mlops_assets.declaration.estimator import Estimator
from mlops_assets.errors import DeclarationError, TrainingRefused, nearest, nearest_only
from mlops_assets.modeling.inputs import Inputs

# Histogram boosting bins into 255 values; rarer categories share a code of their own.
MOST_CATEGORIES = 254


def fitted(declared: Estimator, inputs: Inputs, prepared: Any, labels: Any, *, seed: int) -> Any:
    """The pipeline fitted on prepared rows. Raises TrainingRefused when the estimator refuses parameters or rows."""
    pipeline = build_pipeline(declared, inputs, seed=seed)
    try:
        return pipeline.fit(prepared, labels)
    except ValueError as error:
        raise TrainingRefused(
            f"{declared.made_by} with {declared.parameters} cannot be fitted: {error}"
        ) from error


def build_pipeline(declared: Estimator, inputs: Inputs, *, seed: int) -> BaseEstimator:
    """An unfitted classifier: prepare the columns, estimate, calibrate where it is declared. Raises DeclarationError.

    The seed becomes ``random_state`` where the estimator has one. An estimator that treats
    categories itself is told which columns they are.
    """
    estimator = _of_a_function(declared, seed) if declared.function else _of_a_class(declared, inputs, seed)
    if not hasattr(estimator, "predict_proba"):
        raise DeclarationError(
            f"{declared.made_by} gives no probabilities with these parameters; "
            "expected a classifier with predict_proba",
            field=("estimator", "function" if declared.function else "path"),
        )
    pipeline = Pipeline([("prepare", _prepare(declared, inputs)), ("estimate", estimator)])
    if declared.calibration is None:
        return pipeline
    folds = KFold(declared.calibration.folds)
    return CalibratedClassifierCV(pipeline, method=declared.calibration.method, cv=folds, ensemble=False)


def _of_a_class(declared: Estimator, inputs: Inputs, seed: int) -> Any:
    assert declared.path is not None
    estimator_class = _estimator_class(declared.path)
    parameters = dict(declared.parameters)
    known = estimator_class().get_params()
    for parameter in parameters:
        if parameter not in known:
            raise DeclarationError(
                f"{declared.path} has no parameter {parameter!r}. {nearest(parameter, known)}",
                field=("estimator", "parameters", parameter),
            )
    if "random_state" in known:
        parameters.setdefault("random_state", seed)
    if "categorical_features" in known and declared.categories == "ordinal" and inputs.categories:
        parameters.setdefault("categorical_features", list(range(len(inputs.categories))))
    return estimator_class(**parameters)


def _of_a_function(declared: Estimator, seed: int) -> Any:
    assert declared.function is not None
    module, _, name = declared.function.rpartition(".")
    field = ("estimator", "function")
    try:
        found = getattr(import_module(module), name)(seed=seed, **declared.parameters)
    except Exception as error:
        raise DeclarationError(
            f"{declared.function} failed with {type(error).__name__}: {error}; expected a function that takes seed "
            "and the declared parameters by name, and returns an unfitted classifier",
            field=field,
        ) from error
    if not (isinstance(found, BaseEstimator) and is_classifier(found)):
        raise DeclarationError(
            f"{declared.function} returned {type(found).__name__}; expected an unfitted scikit-learn classifier",
            field=field,
        )
    return found


def _estimator_class(path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    known: list[str] = []
    try:
        imported = import_module(module)
        known = dir(imported)
        found = getattr(imported, attribute)
    except (ImportError, AttributeError) as error:
        close = nearest_only(attribute, known)
        raise DeclarationError(
            f"there is no estimator {path!r}; "
            f"expected the import path of a scikit-learn classifier. {close}".rstrip(),
            field=("estimator", "path"),
        ) from error
    if not _is_plain_classifier(found):
        raise DeclarationError(
            f"{path!r} is not a classifier that can be made from parameters alone; "
            "expected one, since labels here are binary",
            field=("estimator", "path"),
        )
    return found


def _is_plain_classifier(found: Any) -> bool:
    if not (isinstance(found, type) and issubclass(found, BaseEstimator)):
        return False
    required = (p for p in signature(found).parameters.values() if p.default is p.empty)
    return not any(required) and is_classifier(found())


def _prepare(declared: Estimator, inputs: Inputs) -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("categories", _categories(declared), list(inputs.categories)),
            ("numbers", _numbers(declared), list(inputs.numbers)),
        ],
        verbose_feature_names_out=False,
    )


def _categories(declared: Estimator) -> Any:
    if declared.categories == "one_hot":
        return OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=MOST_CATEGORIES)
    return OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=MOST_CATEGORIES,
    )


def _numbers(declared: Estimator) -> Any:
    if declared.numbers == "standardized":
        return make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return "passthrough"
