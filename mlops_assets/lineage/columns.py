"""From which columns of the tables below it each column of a table is computed, by the names of lake tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from mlops_assets.declaration.binding import bound
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.condition import columns_used
from mlops_assets.declaration.features import FeatureView, ServedFeature, tables_read
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, Table, stored_columns, table_columns
from mlops_assets.declaration.sql import bracketed
from mlops_assets.declaration.training_columns import LABEL, LABEL_KNOWN_AT, PREDICTED_AT, USE
from mlops_assets.lineage.derivation import Derivation, SourceColumn
from mlops_assets.lineage.sql import derivations

Lineage = Mapping[str, Derivation]

# The relation that a source's SQL reads, and the reasons of a row that was set aside.
SOURCE, REASONS = "source", "reasons"


def of_raw(table: Table, found: Sequence[str], yielded: Sequence[str]) -> Lineage:
    """What the columns of a raw table come from: columns of a file, which no asset holds, so they are told in words.

    found: the columns of the file, none when it has not landed. yielded: those of the raw table, in order.
    """
    if not found:
        return dict.fromkeys(yielded, Derivation(why=f"{table.reads.named}: nothing has landed"))
    columns = dict.fromkeys(found, "string")
    return {
        column: derivation if derivation.why else Derivation(why=_of_file(derivation, table))
        for column, derivation in derivations(table.select, {SOURCE: columns}, yielded).items()
    }


def of_validated(table: Table, present: Collection[str]) -> Lineage:
    """A validated column is the raw column of its name, as typed. present: the raw columns that there are."""
    raw = f"raw/{table.name}"
    return {
        column: Derivation.of(SourceColumn(raw, column))
        if column in present
        else Derivation(why=f"null: {raw} has no such column")
        for column in table_columns(table)
    }


def of_quarantine(table: Table, present: Sequence[str]) -> Lineage:
    """A column of a row set aside is the raw column of its name; the reasons are told of all of them."""
    found = {column: Derivation.of(SourceColumn(f"raw/{table.name}", column)) for column in present}
    every = [source for derivation in found.values() for source in derivation.columns]
    return {**found, REASONS: Derivation.of(*every)}


def of_view(catalog: Catalog, view: FeatureView) -> Lineage:
    """What the columns of a view come from, by its SQL."""
    relations = {table: stored_columns(catalog.tables[table].table) for table in view.reads}
    yielded = list(bound(f"SELECT * FROM {bracketed(view.sql)}", relations))
    tables = {table: f"validated/{table}" for table in view.reads}
    found = derivations(view.sql, relations, yielded)
    return {column: _of_relations(derivation, tables) for column, derivation in found.items()}


def of_training_set(catalog: Catalog, model: Model) -> Lineage:
    """What an event brings along, its label, and the features that the join adds."""
    events, _ = catalog.model_tables(model)
    asked_with = [column.name for column in catalog.features.request_columns(model.features)]
    table = f"validated/{events.table.name}"
    carried = [*events.table.key, *model.request, *asked_with, EVENT_TIME]
    label = [SourceColumn(table, column) for column in columns_used(model.label.positive)]
    when, known = SourceColumn(table, EVENT_TIME), SourceColumn(table, AVAILABLE_AT)
    return {
        **{column: Derivation.of(SourceColumn(table, column)) for column in carried},
        PREDICTED_AT: Derivation.of(when),
        LABEL_KNOWN_AT: Derivation.of(known),
        LABEL: Derivation.of(*label),
        USE: Derivation.of(*label, when, known),
        **{
            one.column: Derivation.of(*_served_from(catalog, one, table))
            for one in catalog.features.served(model.features)
        },
    }


def _served_from(catalog: Catalog, served: ServedFeature, events: str) -> Iterator[SourceColumn]:
    """The view's column; of an on-demand transform all that it is given, since its code may use any of it."""
    transform = catalog.features.on_demand.get(served.view)
    if transform is None:
        yield SourceColumn(f"features/{served.view}", served.feature)
        return
    yield from (SourceColumn(events, column) for column in transform.inputs.request)
    for view, feature in transform.inputs.references():
        yield SourceColumn(f"features/{view}", feature)


def of_inputs(catalog: Catalog, model: Model, *, about: Sequence[str]) -> Lineage:
    """What a model takes: each input is the column of its name in the training set.

    about: the columns of its record, which tell of the training as a whole.
    """
    training_set = f"{model.name}/training_set"
    inputs = {
        column: Derivation.of(SourceColumn(training_set, column)) for column in catalog.input_types(model)
    }
    return {**dict.fromkeys(about, Derivation(why="about the training, not of a column")), **inputs}


def below(catalog: Catalog, model: Model) -> dict[str, Lineage]:
    """The lineage of a model's inputs and of every table below them, as declared; raw columns are its end."""
    name = model.name
    found: dict[str, Lineage] = {
        f"{name}/model": of_inputs(catalog, model, about=()),
        f"{name}/training_set": of_training_set(catalog, model),
    }
    for view in catalog.features.views_of(model.features):
        found[f"features/{view}"] = of_view(catalog, catalog.features.views[view])
    for table in {**tables_read(catalog.features, model.features), model.label.table: None}:
        declared = catalog.tables[table].table
        found[f"validated/{table}"] = of_validated(declared, list(table_columns(declared)))
    return found


def _of_file(derivation: Derivation, table: Table) -> str:
    return f"{table.reads.named}: {', '.join(sorted(one.column for one in derivation.columns))}"


def _of_relations(derivation: Derivation, tables: Mapping[str, str]) -> Derivation:
    """The same with the relations of a query as the tables that they are."""
    columns = frozenset(SourceColumn(tables[one.table], one.column) for one in derivation.columns)
    return Derivation(columns, derivation.why)
