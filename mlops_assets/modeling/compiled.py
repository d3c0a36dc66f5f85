"""Gradient boosting without what surrounds it: the very trees, walked by scikit-learn's own code, on plain numbers.

A pipeline spends milliseconds on frames, column transformers and checks before its trees take microseconds. Here each
category is looked up in a table that was asked of the pipeline, and all trees are nodes of one: rows are repeated, once
for each tree, with one number more that leads to its root. Leaves are added in the order in which the pipeline adds
them, so that answers are equal to the last bit; ``modeling/engines.py`` tries that, and nothing is answered without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from mlops_assets.modeling.estimators import Inputs
from mlops_assets.modeling.frames import Scores
from mlops_assets.modeling.records import as_number

# Of more rows the repeated ones fill more memory than a call for each tree costs.
FEW = 8


class NotCompilable(Exception):
    """A model of another kind than this knows; the text says which."""


@dataclass(frozen=True)
class _Trees:
    """Nodes of one tree or several. bitsets: of the categories that go left, a row for each split by category."""

    nodes: np.ndarray[Any, Any]
    bitsets: np.ndarray[Any, Any]


@dataclass(frozen=True, repr=False)
class Compiled:
    """tables: of each category column, the number that each text becomes; others, and none, become NaN."""

    inputs: Inputs
    tables: tuple[Mapping[str, float], ...]
    trees: tuple[_Trees, ...]
    joined: _Trees
    known: np.ndarray[Any, Any]
    places: np.ndarray[Any, Any]
    baseline: np.ndarray[Any, Any]
    loss: Any
    walk: Callable[..., None]

    @classmethod
    def of(cls, model: Any, inputs: Inputs) -> Self:
        """Raises NotCompilable for a model that is no ordinal encoder and gradient boosting of two classes.

        Raises ImportError or AttributeError where scikit-learn keeps its trees otherwise than its versions 1.9 do.
        """
        # Scikit-learn promises nothing of these: equal answers to every probe are what is relied on.
        from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data

        prepare, boosted = _parts(model)
        trees = tuple(
            _Trees(predictor.nodes, predictor.raw_left_cat_bitsets) for (predictor,) in boosted._predictors
        )
        known, places = boosted._bin_mapper.make_known_categories_bitsets()
        return cls(
            inputs,
            _tables(prepare, boosted, inputs),
            trees,
            _joined(trees, len(inputs.columns)),
            known,
            # The number that leads to a root is no category.
            np.append(places, np.zeros(1, places.dtype)),
            boosted._baseline_prediction.ravel(),
            boosted._loss,
            _predict_from_raw_data,
        )

    def scores(self, records: Sequence[Mapping[str, Any]]) -> Scores:
        """The probability of the positive class of each record, which has every input, None where it is missing."""
        rows = np.array([self._row(record) for record in records], dtype=np.float64)
        raw = self._few(rows) if len(rows) <= FEW else self._many(rows)
        answered = self.loss.predict_proba(raw.reshape(-1, 1))[:, 1]
        return np.ascontiguousarray(answered, dtype=np.float64)

    def thresholds(self, column: str) -> np.ndarray[Any, Any]:
        """Every finite number at which a tree splits a column."""
        nodes = self.joined.nodes[2 * len(self.trees) :]
        place = self.inputs.columns.index(column)
        splits = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
        found = splits["num_threshold"][splits["feature_idx"] == place]
        return np.unique(found[np.isfinite(found)])

    def _row(self, record: Mapping[str, Any]) -> list[float]:
        coded = [
            table.get(record[column], np.nan)
            for column, table in zip(self.inputs.categories, self.tables, strict=True)
        ]
        return coded + [as_number(record[column]) for column in self.inputs.numbers]

    def _few(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """All trees in one call."""
        trees = len(self.trees)
        repeated = np.empty((len(rows) * trees, rows.shape[1] + 1))
        repeated[:, :-1] = np.repeat(rows, trees, axis=0)
        repeated[:, -1] = np.tile(np.arange(trees), len(rows))
        leaves = np.empty((len(rows), trees + 1))
        found = self._walked(self.joined, repeated).reshape(len(rows), trees)
        leaves[:, 0], leaves[:, 1:] = self.baseline[0], found
        # A plain sum adds in another order, which rounds otherwise.
        return np.cumsum(leaves, axis=1)[:, -1]

    def _many(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """A call for each tree."""
        raw = np.full(len(rows), self.baseline[0])
        for tree in self.trees:
            raw += self._walked(tree, rows)
        return raw

    def _walked(self, trees: _Trees, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found = np.empty(len(rows))
        self.walk(trees.nodes, rows, trees.bitsets, self.known, self.places, 1, found)
        return found


def _parts(model: Any) -> tuple[ColumnTransformer, HistGradientBoostingClassifier]:
    if not isinstance(model, Pipeline) or [type(one) for _, one in model.steps] != [
        ColumnTransformer,
        HistGradientBoostingClassifier,
    ]:
        raise NotCompilable(f"{type(model).__name__} is no pipeline of columns and gradient boosting alone")
    prepare, boosted = (one for _, one in model.steps)
    prepared = {name: type(one) for name, one, columns in prepare.transformers_ if len(columns)}
    # A passthrough is a function transformer without a function.
    if not prepared.items() <= {"categories": OrdinalEncoder, "numbers": FunctionTransformer}.items():
        raise NotCompilable("its columns are prepared otherwise than by an ordinal encoder")
    if boosted.n_trees_per_iteration_ != 1:
        raise NotCompilable(f"it has {len(boosted.classes_)} classes, expected 2")
    return prepare, boosted


def _tables(
    prepare: ColumnTransformer, boosted: HistGradientBoostingClassifier, inputs: Inputs
) -> tuple[dict[str, float], ...]:
    """What each text becomes, asked of the pipeline itself."""
    if not inputs.categories:
        return ()
    seen = [
        [value for value in values if isinstance(value, str)]
        for values in prepare.named_transformers_["categories"].categories_
    ]
    longest = max(1, *map(len, seen))
    asked = {
        column: np.array([*values, *[None] * (longest - len(values))], dtype=object)
        for column, values in zip(inputs.categories, seen, strict=True)
    }
    frame = pd.DataFrame({**asked, **{column: np.zeros(longest) for column in inputs.numbers}})
    coded = boosted._preprocess_X(prepare.transform(frame), reset=False)
    return tuple(
        dict(zip(values, coded[: len(values), place].tolist(), strict=True))
        for place, values in enumerate(seen)
    )


def _joined(trees: Sequence[_Trees], selector: int) -> _Trees:
    """All trees below one root. selector: the place of the number that leads to a tree's own root.

    The first nodes lead there, twice as many as there are trees; the last of them are never reached.
    """
    above = np.zeros(2 * len(trees), dtype=trees[0].nodes.dtype)
    parts, roots, bitsets = [above], [], 0
    first = len(above)
    for tree in trees:
        nodes = tree.nodes.copy()
        nodes["left"] += first
        nodes["right"] += first
        nodes["bitset_idx"] += bitsets
        parts.append(nodes)
        roots.append(first)
        first += len(nodes)
        bitsets += len(tree.bitsets)
    _lead(above, roots, selector)
    nodes = np.concatenate(parts)
    if len(trees) == 1:
        nodes[0] = nodes[roots[0]]
    return _Trees(nodes, np.concatenate([tree.bitsets for tree in trees]))


def _lead(above: np.ndarray[Any, Any], roots: Sequence[int], selector: int) -> None:
    """Fill in a tree that halves the numbers of trees until one is left."""
    made = 1

    def fill(place: int, low: int, high: int) -> None:
        nonlocal made
        middle = (low + high) // 2
        above[place]["feature_idx"], above[place]["num_threshold"] = selector, middle
        for side, (begins, ends) in (("left", (low, middle)), ("right", (middle + 1, high))):
            if begins == ends:
                above[place][side] = roots[begins]
            else:
                above[place][side] = made
                made += 1
                fill(int(above[place][side]), begins, ends)

    if len(roots) > 1:
        fill(0, 0, len(roots) - 1)
