"""Content hashes of feature views and services: of each part, so that two versions tell what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from mlops_assets.declaration.catalog import Catalog, DeclaredTable
from mlops_assets.declaration.features import FeatureRepository
from mlops_assets.declaration.identity import meaning, source_code, sql_meaning
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.on_demand import OnDemandTransform
from mlops_assets.declaration.source import Table
from mlops_assets.declaration.sql import CONDITION, QUERY

_HEX = 12
# Views of which the version is kept: every asset above one asks for it.
KEPT = 1024


@dataclass(frozen=True)
class Version:
    """What something means: a hash for each part of its meaning.

    It is spelled ``part=hash part=hash …``, which is how it is recorded and shown.

    >>> Version.of({"sql": "SELECT 1", "ttl": "3h"}).changes(Version.of({"sql": "SELECT 1", "ttl": "4h"}))
    ('ttl',)
    """

    parts: Mapping[str, str]

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Self:
        """The version of something with these parts, in order of their names."""
        return cls({name: meaning(parts[name])[:_HEX] for name in sorted(parts)})

    @classmethod
    def read(cls, spelled: str) -> Self:
        """The version that is spelled so; one of another spelling has no part in common with any."""
        named = (part.rpartition("=") for part in spelled.split())
        return cls({name or "version": part for name, _, part in named})

    def __str__(self) -> str:
        return " ".join(f"{name}={part}" for name, part in self.parts.items())

    @property
    def digest(self) -> str:
        """All parts as one hash of 16 hex digits."""
        return meaning(self.parts)

    def made_by(self, *modules: str) -> str:
        """The version of what is computed, spelled: what is declared, and the platform's own code for it."""
        parts = {**self.parts, "platform": source_code(*modules)[:_HEX]}
        return str(Version(dict(sorted(parts.items()))))

    def changes(self, other: Version) -> tuple[str, ...]:
        """The parts that are not the same in another version, by name."""
        names = sorted({*self.parts, *other.parts})
        return tuple(name for name in names if self.parts.get(name) != other.parts.get(name))

    def lacking(self, wanted: Version) -> Version:
        """The parts of ``wanted`` that are not the same here; none when this is it, whatever else it says."""
        return Version({name: part for name, part in wanted.parts.items() if self.parts.get(name) != part})

    def only(self, names: Iterable[str]) -> Version:
        """The parts of these names; a dash for one that is not there."""
        return Version({name: self.parts.get(name, "-") for name in names})


def declared_version(features: FeatureRepository, view: str) -> Version:
    """What a view's own declaration says that its rows mean: its SQL, schema, TTL, and the history it reads."""
    declared = features.views[view]
    schema = {name: feature.type for name, feature in declared.features.items()}
    return Version.of(
        {
            "sql": sql_meaning(declared.sql, QUERY),
            "schema": (features.key_types(view), schema),
            "ttl": declared.ttl,
            "history": declared.reads,
        }
    )


@lru_cache(maxsize=KEPT)
def view_version(catalog: Catalog, view: str) -> Version:
    """What the rows of a view mean: what it declares, and each table it reads."""
    reads = catalog.features.views[view].reads
    tables = Version.of({f"source.{name}": table_meaning(catalog.tables[name]) for name in reads})
    parts = {**declared_version(catalog.features, view).parts, **tables.parts}
    return Version(dict(sorted(parts.items())))


def transform_version(transform: OnDemandTransform) -> Version:
    """What an on-demand transform means: its code, what it is given, and what it returns."""
    schema = {name: feature.type for name, feature in transform.features.items()}
    return Version.of({"code": transform.python, "inputs": transform.inputs, "schema": schema})


def view_versions(catalog: Catalog, service: str) -> dict[str, Version]:
    """The version of each view and on-demand transform that a service delivers from, by name."""
    views = {view: view_version(catalog, view) for view in catalog.features.views_of(service)}
    transforms = {one.name: transform_version(one) for one in catalog.features.on_demand_of(service)}
    return dict(sorted({**views, **transforms}.items()))


def feature_hash(catalog: Catalog, service: str) -> str:
    """What a feature service delivers: its columns in order, and what each view and transform below it means."""
    return delivered_hash(catalog.features, service, view_versions(catalog, service))


def delivered_hash(features: FeatureRepository, service: str, versions: Mapping[str, Version]) -> str:
    """The same where each view and transform below the service is of a version that is known otherwise."""
    columns = [(one.column, one.type) for one in features.served(service)]
    return meaning(
        columns,
        {name: one.digest for name, one in versions.items()},
        {name: vars(one) for name, one in features.joined(service).items()},
    )


def question(catalog: Catalog, model: Model) -> str:
    """What a model is asked: the label, when it is asked, with which columns, and what its features mean."""
    label = {"table": model.label.table, "positive": sql_meaning(model.label.positive, CONDITION)}
    return meaning(
        label,
        table_meaning(catalog.tables[model.label.table]),
        model.request,
        model.predict_before,
        feature_hash(catalog, model.features),
    )


def raw_version(declared: DeclaredTable) -> Version:
    """What decides which raw rows a table has: its file, its SQL, its days and the columns it must yield."""
    source, table = declared.source, declared.table
    days = (table.partitions, source.timezone, source.start, source.end) if table.is_daily else None
    select = sql_meaning(table.select, QUERY)
    return Version.of({"file": table.reads, "sql": select, "days": days, "columns": list(table.columns)})


def validated_version(declared: DeclaredTable) -> Version:
    """What decides which raw rows there are and which are set aside, and what the checks say of the others."""
    table = declared.table
    return Version.of(
        {
            "raw": raw_version(declared).parts,
            "key": table.key,
            "columns": table.columns,
            "expectations": (table.expectations, table.quarantine_at_most),
            "refers_to": {other: _beside(declared, other) for other in table.refers_to()},
        }
    )


def table_meaning(declared: DeclaredTable) -> str:
    """What decides which rows a validated table holds; what is only measured or known to people apart."""
    table = declared.table
    aside = [one for one in table.expectations if one.sets_aside]
    referred = [_beside(declared, one.references.table) for one in aside if one.references]
    expected = [one.expected for one in aside]
    return meaning(raw_version(declared).digest, table.key, _rules(table), expected, referred)


def _beside(declared: DeclaredTable, other: str) -> str:
    """The meaning of another table of the same source."""
    return table_meaning(DeclaredTable(declared.source, declared.source.table(other)))


def _rules(table: Table) -> list[Any]:
    return [
        (name, one.type, one.required, one.between, one.one_of, one.matches)
        for name, one in table.columns.items()
    ]
