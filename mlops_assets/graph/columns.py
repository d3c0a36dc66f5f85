"""What the columns of a table mean, for those who look at it in the UI."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.data.sql import PARTITION
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, Table

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "dagster/column_schema"
TIMES = {EVENT_TIME: "When it happened", AVAILABLE_AT: "When it could be known"}


def of_table(table: Table) -> Mapping[str, dg.TableSchema]:
    """Metadata: the declared columns of a validated table."""
    described = {name: (column.type, column.description) for name, column in table.columns.items()}
    return _declared(described)


def of_view(catalog: Catalog, view: FeatureView) -> Mapping[str, dg.TableSchema]:
    """Metadata: the keys and features of a view."""
    entities = [catalog.features.entities[name] for name in view.entities]
    described = {entity.key: (entity.type, entity.description) for entity in entities}
    return _declared(described | {name: (one.type, one.description) for name, one in view.features.items()})


def as_stored(rows: "pa.Table", declared: Mapping[str, Any]) -> dg.TableSchema:
    """The columns of written rows, described as the asset's own metadata declares them."""
    schema = declared.get(SCHEMA)
    known = schema.schema if isinstance(schema, dg.TableSchemaMetadataValue) else schema
    said = {column.name: column.description for column in known.columns} if known else {}
    stored = [field for field in rows.schema if field.name != PARTITION]
    columns = [dg.TableColumn(field.name, str(field.type), said.get(field.name)) for field in stored]
    return dg.TableSchema(columns)


def in_one_line(schema: dg.TableSchema) -> str:
    """The names and types of the columns."""
    return ", ".join(f"{column.name} {column.type}" for column in schema.columns)


def _declared(described: Mapping[str, tuple[str, str]]) -> Mapping[str, dg.TableSchema]:
    times = {name: ("timestamp", meaning) for name, meaning in TIMES.items()}
    columns = [
        dg.TableColumn(name, kind, said or None) for name, (kind, said) in {**described, **times}.items()
    ]
    return {SCHEMA: dg.TableSchema(columns)}
