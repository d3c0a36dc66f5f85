"""What is to be proved of one training set, and the relations in which a session holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.data.knowledge import ROW
from mlops_assets.data.leaks import told
from mlops_assets.data.point_in_time import JoinedView
from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import PREDICTED_AT
from mlops_assets.steps.training_set import joined_views
from mlops_assets.stores.engine import Session
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.stores import Stores

# The rows of the training set, each with its number. No declared table begins with an underscore.
TRAINING = "_training"
LABEL_ROWS = "_label_rows"


@dataclass(frozen=True)
class Case:
    """What is to be proved of one training set."""

    stores: Stores
    catalog: Catalog
    model: Model
    events: Pinned
    views: Mapping[str, Pinned]
    horizon: Horizon
    lake_tables: Mapping[str, str]
    reads: Mapping[Content, Sequence[Content]]

    def view(self, name: str) -> FeatureView:
        return self.catalog.features.views[name]

    def joins(self) -> Iterator[tuple[str, JoinedView]]:
        """Each view with how it is joined, once for each way."""
        joined = joined_views(self.catalog, self.model)
        for called, one in self.catalog.features.joined(self.model.features).items():
            yield one.view, joined[called]

    @property
    def key(self) -> tuple[str, ...]:
        return self.catalog.tables[self.model.label.table].table.key


def row_of(session: Session, row: int) -> dict[str, Any]:
    """A row of the training set by its number."""
    (found,) = session.rows(f"SELECT * FROM {TRAINING} WHERE {ROW} = {row}").to_pylist()
    return dict(found)


def request(case: Case, session: Session, row: int) -> str:
    """A row of the training set as people name it."""
    found = row_of(session, row)
    return f"{told({column: found[column] for column in case.key})}, asked at {told(found[PREDICTED_AT])},"


def count(session: Session, relation: str) -> int:
    """How many rows a relation has."""
    return int(session.rows(f"SELECT count(*) AS n FROM {relation}")["n"][0].as_py())


def stored_rows(view: str) -> str:
    """The relation of all rows of a view as they are stored, read once."""
    return f"_stored_{view}"


def pinned_rows(view: str) -> str:
    """The relation of the pinned files of a view."""
    return f"_pinned_features_{view}"
