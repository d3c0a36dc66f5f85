"""The rows that a model is evaluated on, with every column that they are cut by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlops_assets.data.sql import name
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import LABEL, USE
from mlops_assets.modeling.frames import Scores
from mlops_assets.steps.settled import events_read
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores

# A column of the label's table that is no input stands beside those of the training set under this prefix.
BESIDE = "_beside_"


@dataclass(frozen=True)
class Evaluated:
    """The newest rows with known labels. days: the local day of each. beside: columns that are no inputs, by name."""

    rows: pd.DataFrame
    labels: Scores
    days: pd.Series[str]
    beside: pd.DataFrame

    def column(self, column: str) -> pd.Series[Any]:
        """The values that rows are cut by."""
        return self.beside[column] if column in self.beside else self.rows[column]


def evaluated(stores: Stores, catalog: Catalog, model: Model, training_set: Pinned) -> Evaluated:
    """Those of a training set that were kept from training, in its order."""
    declared, inputs = catalog.tables[model.label.table], catalog.input_types(model)
    cut = dict.fromkeys([*model.evaluation.slices, *model.evaluation.groups])
    more = [column for column in cut if column not in inputs and column not in declared.table.key]
    rows = stores.engine.rows(
        _sql(declared.table.key, more),
        {"training_set": training_set, "events": events_read(stores, model, training_set)}
        if more
        else {"training_set": training_set},
    ).to_pandas()
    zone = declared.source.timezone
    return Evaluated(
        rows=rows.drop(columns=[BESIDE + column for column in more]),
        labels=rows[LABEL].to_numpy(dtype=np.float64),
        days=rows["event_time"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d"),
        beside=pd.DataFrame({column: rows[BESIDE + column] for column in more}, index=rows.index),
    )


def _sql(key: tuple[str, ...], more: list[str]) -> str:
    kept = f"training_set.{USE} = 'evaluate'"
    if not more:
        return f"SELECT * FROM training_set WHERE {kept}"
    beside = ", ".join(f"events.{name(column)} AS {name(BESIDE + column)}" for column in more)
    same = " AND ".join(f"events.{name(column)} = training_set.{name(column)}" for column in key)
    # A positional join would do as well; this one says what it means, and keeps the order of the training set.
    return (
        f"SELECT numbered.* EXCLUDE (_at), {beside} FROM (SELECT *, row_number() OVER () AS _at FROM training_set) "
        f"AS numbered LEFT JOIN events ON {same.replace('training_set.', 'numbered.')} "
        f"WHERE {kept.replace('training_set.', 'numbered.')} ORDER BY _at"
    )
