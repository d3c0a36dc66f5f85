"""Where one column comes from and what is computed from it, as it is declared now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import table_columns
from mlops_assets.errors import UnknownName
from mlops_assets.lineage.columns import Lineage, below, of_validated, of_view
from mlops_assets.lineage.derivation import Derivation, SourceColumn
from mlops_assets.lineage.picture import svg


@dataclass(frozen=True)
class ColumnTrace:
    """Columns as ``table.column``, nearest first.

    why: of each that comes from no column, or from an unknown one, the reason. svg: a drawing of ``made_from``.
    """

    column: str
    made_from: tuple[str, ...]
    why: Mapping[str, str]
    goes_into: tuple[str, ...]
    svg: str

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "column": self.column,
            "made_from": list(self.made_from),
            "why": dict(self.why),
            "goes_into": list(self.goes_into),
        }


def trace_column(catalog: Catalog, models: Iterable[Model], asked: str) -> ColumnTrace:
    """Trace ``table.column`` of a table of the lake. Raises UnknownName when no declared table has it."""
    known = declared_columns(catalog, models)
    sources = {
        SourceColumn(table, column): found.columns
        for table, of in known.items()
        for column, found in of.items()
    }
    readers: dict[SourceColumn, set[SourceColumn]] = {}
    for one, read in sources.items():
        for source in read:
            readers.setdefault(source, set()).add(one)
    table, _, column = asked.rpartition(".")
    start = SourceColumn(table, column)
    if start not in sources and start not in readers:
        names = [_spelled(one) for one in {*sources, *readers}]
        raise UnknownName.among(asked, names, what="column", asked_by="the command")
    made_from = _closure(start, sources)
    found = {one: known.get(one.table, {}).get(one.column, Derivation()) for one in (start, *made_from)}
    return ColumnTrace(
        asked,
        tuple(map(_spelled, made_from)),
        {_spelled(one): derivation.why for one, derivation in found.items() if derivation.why},
        tuple(map(_spelled, _closure(start, readers))),
        svg({**known, table: {column: found[start]}}, table),
    )


def origins(catalog: Catalog, model: Model) -> dict[str, tuple[str, ...]]:
    """Each input of a model with the columns it is computed from down to raw ones, nearest first."""
    known = declared_columns(catalog, [model])
    sources = {
        SourceColumn(table, column): found.columns
        for table, of in known.items()
        for column, found in of.items()
    }
    table = f"{model.name}/training_set"
    return {
        column: tuple(map(_spelled, _closure(SourceColumn(table, column), sources)))
        for column in catalog.input_types(model)
    }


def declared_columns(catalog: Catalog, models: Iterable[Model]) -> dict[str, Lineage]:
    """Of every table that columns of the lake are in; raw columns are where paths end."""
    known: dict[str, Lineage] = {}
    for name, declared in catalog.tables.items():
        known[f"validated/{name}"] = of_validated(declared.table, list(table_columns(declared.table)))
    for name, view in catalog.features.views.items():
        known[f"features/{name}"] = of_view(catalog, view)
    for model in models:
        known |= below(catalog, model)
    return known


def _closure(
    start: SourceColumn, edges: Mapping[SourceColumn, Collection[SourceColumn]]
) -> tuple[SourceColumn, ...]:
    """All that is reached, nearest first."""
    found: dict[SourceColumn, None] = {}
    pending = [start]
    for one in pending:
        for other in sorted(edges.get(one, ())):
            if other not in found:
                found[other] = None
                pending.append(other)
    return tuple(found)


def _spelled(column: SourceColumn) -> str:
    return f"{column.table}.{column.column}"
