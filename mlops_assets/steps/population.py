"""A population of events as it is watched: what was asked, what was answered, and what came true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import pandas as pd
import pyarrow as pa

from mlops_assets.data.sql import local_day, moment, name, text
from mlops_assets.data.training_set import Use
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import LABEL, USE
from mlops_assets.modeling.frames import Scores
from mlops_assets.monitoring.cells import Cells, Role, Watched
from mlops_assets.monitoring.counting import by_column, cells_from, cells_query, values_query
from mlops_assets.monitoring.multivariate import Correlations, matrix, sample_query
from mlops_assets.monitoring.profile import ColumnProfile, Profile
from mlops_assets.monitoring.tally import ROWS, tally
from mlops_assets.stores.engine import Session

# No declared column can be called so: names have no spaces.
SCORE = "predicted probability"
DAY = "_day"
ORDER = "_order"
# The relation of a session in which the columns of a role are found, each with its event's local day.
RELATIONS: dict[Role, str] = {"feature": "_asked", "score": "_answered", "label": "_came_true"}


def watched_columns(catalog: Catalog, model: Model) -> list[Watched]:
    """Every input of a model, its score and its label."""
    inputs = [
        Watched(column, "category" if kind in ("string", "boolean") else "number")
        for column, kind in catalog.input_types(model).items()
    ]
    return [*inputs, Watched(SCORE, "number", "score"), Watched(LABEL, "category", "label")]


def asked(catalog: Catalog, model: Model, relation: str, timezone: str) -> str:
    """SQL: the inputs of every event of a relation in the order of time.

    A moment becomes its age, the seconds from it to the event: every later batch has later moments, and
    only how long ago they were can stay the same.
    """
    inputs = [
        f"epoch(event_time) - epoch({name(column)}) AS {name(column)}"
        if kind == "timestamp"
        else name(column)
        for column, kind in catalog.input_types(model).items()
    ]
    return f"SELECT {_day(timezone)}, row_number() OVER () AS {ORDER}, {', '.join(inputs)} FROM {relation}"


def answered(rows: pd.DataFrame, scores: Scores, timezone: str) -> pa.Table:
    """What a model answered for each row."""
    days = rows["event_time"].dt.tz_convert(timezone).dt.strftime("%Y-%m-%d")
    return pa.table({DAY: pa.array(days, pa.string()), SCORE: pa.array(scores, pa.float64())})


def came_true(relation: str, use: Use, until: datetime, timezone: str) -> str:
    """SQL: the label of every event up to a moment; null where it cannot be put to this ``use``: it is not known."""
    label = f"CASE WHEN {USE} = {text(use)} THEN {name(LABEL)} END AS {name(LABEL)}"
    return f"SELECT {_day(timezone)}, {label} FROM {relation} WHERE event_time <= {moment(until)}"


def of_days(relation: str, windows: Sequence[tuple[str, str]]) -> str:
    """SQL: the rows of the days of these windows, each from its first to its last day."""
    inside = " OR ".join(f"{DAY} BETWEEN {text(first)} AND {text(last)}" for first, last in windows)
    return f"SELECT * FROM {relation} WHERE {inside}"


def reference_profile(session: Session, columns: list[Watched]) -> Profile:
    """Counts in cells of their own, of a session that has all relations."""
    cells: dict[Watched, Cells] = {}
    for role, relation in RELATIONS.items():
        of_role = [column for column in columns if column.role == role]
        cells |= cells_from(session.rows(cells_query(relation, of_role)), of_role)
    return profile(session, cells)


def profile(session: Session, cells: Mapping[Watched, Cells]) -> Profile:
    """Counts in given cells, day by day, of a session that has all relations. rows: that were asked."""
    counted: dict[Role, Profile] = {}
    for role, relation in RELATIONS.items():
        inside = {column: one for column, one in cells.items() if column.role == role}
        counted[role] = tally(
            session.batches(values_query(relation, inside, block=by_column(DAY)), ROWS), inside
        )
    columns: dict[str, ColumnProfile] = {}
    for column in cells:
        columns[column.name] = counted[column.role].columns[column.name]
    return Profile(counted["feature"].rows, columns)


def correlations(session: Session, columns: Iterable[Watched]) -> Correlations | None:
    """Between the numeric inputs, of a sample; None where there are not two of them."""
    names = numeric_inputs(columns)
    if len(names) < 2:
        return None
    return Correlations.of(matrix(session.rows(sample_query(RELATIONS["feature"], names, ORDER))))


def numeric_inputs(columns: Iterable[Watched]) -> list[str]:
    """Whose correlations are watched, in their order."""
    return [column.name for column in columns if (column.role, column.kind) == ("feature", "number")]


def _day(timezone: str) -> str:
    return f"{local_day('event_time', timezone)} AS {DAY}"
