"""Labels looked at again: was each known when it had to be, and is every event used once, on one side?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from mlops_assets.data.sql import moment, name, names, text
from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.declaration.sql import bracketed
from mlops_assets.declaration.training_columns import LABEL, LABEL_KNOWN_AT, PREDICTED_AT, USE

# Of each class so many rows must be there before a column that never errs is called suspicious.
AT_LEAST = 20
FOUND = "_found"


def misused_labels(training: str, row: str, model: Model, horizon: Horizon) -> Iterator[tuple[str, str]]:
    """What must not be, each with SQL for the rows of the training set that are so, by their ``row``."""
    for use, bound, begins in (
        ("train", horizon.evaluation_starts, "evaluation began"),
        ("evaluate", horizon.as_of, "the as-of moment"),
    ):
        late = f"coalesce({LABEL_KNOWN_AT} >= {moment(bound)}, true)"
        yield (
            f"its label became known only after {begins}",
            _rows(training, row, f"{USE} = '{use}' AND {late}"),
        )
    starts = moment(horizon.evaluation_starts)
    wrong_side = (
        f"(({USE} = 'train') = ({EVENT_TIME} >= {starts}) OR {EVENT_TIME} >= {moment(horizon.as_of)})"
    )
    yield "the event is not on its side of the start of evaluation", _rows(training, row, wrong_side)
    before = round(model.predict_before.total_seconds() * 1e6)
    late = f"epoch_us({EVENT_TIME}) - epoch_us({PREDICTED_AT}) < {before}"
    yield "it is asked later than declared", _rows(training, row, late)


def repeated_events(training: str, row: str, key: Sequence[str]) -> str:
    """SQL: the rows whose event is among the rows more than once, and whether on both sides."""
    group = f"PARTITION BY {names(key)}"
    return f"""
        SELECT {row}, count(DISTINCT {USE}) OVER ({group}) > 1 AS both_sides
        FROM {name(training)} QUALIFY count(*) OVER ({group}) > 1 ORDER BY {row}"""


def other_labels(
    training: str, row: str, rows: str, key: Sequence[str], model: Model, bounds: Horizon
) -> str:
    """SQL: the rows whose label is not what the label's table said by the moment it had to be known.

    rows: the relation of the label's table.
    """
    return " UNION ALL ".join(
        _other(training, row, rows, key, model, use, bound)
        for use, bound in (("train", bounds.evaluation_starts), ("evaluate", bounds.as_of))
    )


def telling_columns(training: str, columns: Sequence[str], numbers: Sequence[str]) -> str:
    """SQL: the columns that tell the label of every row, without one exception.

    Each value stands for one label and is met often, or a number is always above the other label's.
    """
    enough = f"least(count(*) FILTER ({LABEL}), count(*) FILTER (NOT {LABEL})) >= {AT_LEAST}"
    queries = [_telling(training, column, column in numbers, enough) for column in columns]
    return " UNION ALL ".join(queries) or 'SELECT NULL AS "column" WHERE false'


def _rows(training: str, row: str, condition: str) -> str:
    return f"SELECT {row} FROM {name(training)} WHERE {condition} ORDER BY {row}"


def _other(
    training: str, row: str, rows: str, key: Sequence[str], model: Model, use: str, bound: datetime
) -> str:
    same = " AND ".join(f"k.{name(c)} IS NOT DISTINCT FROM t.{name(c)}" for c in key)
    return f"""
        SELECT t.{row}, any_value(t.{LABEL}) AS here, any_value(k.{FOUND}) AS there
        FROM {name(training)} t LEFT JOIN (
            SELECT {names(key)}, CAST({bracketed(model.label.positive)} AS BOOLEAN) AS {FOUND}
            FROM {name(rows)} AS {name(model.label.table)} WHERE {AVAILABLE_AT} < {moment(bound)}) k ON {same}
        WHERE t.{USE} = '{use}' GROUP BY t.{row}
        HAVING NOT coalesce(bool_or(k.{FOUND} IS NOT DISTINCT FROM t.{LABEL}), false)
               OR any_value(k.{FOUND}) IS NULL"""


def _telling(training: str, column: str, number: bool, enough: str) -> str:
    quoted, rows = name(column), name(training)
    pure = f"""
        (SELECT count(DISTINCT {LABEL}) = 1 AS pure, count(*) AS met FROM {rows} GROUP BY {quoted})"""
    always = f"(SELECT bool_and(pure) AND avg(met) >= {AT_LEAST} FROM {pure})"
    apart = (
        f"(coalesce(min({quoted}) FILTER ({LABEL}) > max({quoted}) FILTER (NOT {LABEL}), false) "
        f"OR coalesce(max({quoted}) FILTER ({LABEL}) < min({quoted}) FILTER (NOT {LABEL}), false)) "
        f"AND count({quoted}) = count(*)"
    )
    tells = f"({always} OR ({apart}))" if number else always
    return f'SELECT {text(column)} AS "column" FROM {rows} HAVING {enough} AND {tells}'
