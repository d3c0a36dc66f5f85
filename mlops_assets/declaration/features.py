"""Features, said once: the SQL that computes a view beside its entity, types, lifetime and owner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, PrivateAttr, field_validator, model_validator

from mlops_assets.declaration.base import Declaration, Duration, InputName, Name, Owner, refusal
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, PARTITION
from mlops_assets.declaration.sql import Query, sql_text
from mlops_assets.errors import DeclarationError, UnknownName

Named = TypeVar("Named", "Entity", "FeatureView", "FeatureService")
# What the rows of every view have besides its keys and features.
GIVEN = (EVENT_TIME, AVAILABLE_AT, PARTITION)
FeatureType = Literal["string", "integer", "number", "boolean", "timestamp"]


class Entity(Declaration):
    """What a feature describes. key: the column, of the same name in requests and in views."""

    name: Name
    description: str = ""
    key: Name
    type: Literal["string", "integer"] = "string"

    @field_validator("key")
    @classmethod
    def _is_a_column(cls, value: str) -> str:
        if value in GIVEN:
            raise ValueError(f"found {value!r}, which the platform adds to every view; expected a key column")
        return value


class Feature(Declaration):
    """One value of a view."""

    type: FeatureType
    description: str = ""


class FeatureView(Declaration):
    """One SQL query and what it promises.

    sql: a query (or the name of a ``.sql`` file beside) over the validated tables in ``reads``.
        It yields the entity keys, the features, ``event_time`` (the moment the value describes)
        and ``available_at`` (when it could be known).
    reads: for each table, how far before its own day a partition must look.
    ttl: how long after ``event_time`` a value may still be served.
    """

    name: InputName
    description: str = ""
    owner: Owner
    entities: tuple[Name, ...] = Field(min_length=1)
    reads: dict[Name, Duration] = Field(min_length=1)
    sql: Query
    ttl: Duration
    features: dict[Name, Feature] = Field(min_length=1)
    tags: dict[str, str] = {}
    _sql_file: str = PrivateAttr("")

    @field_validator("entities")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(value):
            if name in value[:index]:
                raise refusal((index,), f"entity {name!r} is listed twice", name)
        return value

    @field_validator("features")
    @classmethod
    def _are_its_own(cls, value: dict[str, Feature]) -> dict[str, Feature]:
        for name in value:
            if name in GIVEN:
                message = f"{name!r} is given by the platform; leave it out of 'features'"
                raise refusal((name,), message, name)
        return value

    @field_validator("ttl")
    @classmethod
    def _lives(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("a feature that is never valid cannot be served: 'ttl' must be above zero")
        return value

    @property
    def called(self) -> str:
        """Its name in a sentence, with the file of its SQL when it has one."""
        return f"feature view {self.name!r}" + (f" ({self._sql_file})" if self._sql_file else "")

    def with_sql_from(self, folder: Path) -> FeatureView:
        """The same view with a ``.sql`` file name replaced by what the file says."""
        said = sql_text(self.sql, folder, field=("sql",))
        view = self.model_copy(update={"sql": said})
        view._sql_file = "" if said == self.sql else self.sql.strip()
        return view

    def history_days(self, table: str) -> int:
        """Whole days before a partition's own day that ``table`` must be read for."""
        return math.ceil(self.reads[table] / timedelta(days=1))


class FeatureService(Declaration):
    """What a model asks for, by name: ``view`` for all of a view, ``view:feature`` for one."""

    name: Name
    description: str = ""
    owner: Owner
    features: tuple[str, ...] = Field(min_length=1)
    tags: dict[str, str] = {}


class ServedFeature(Declaration):
    """One column a service delivers, and the view it comes from.

    >>> ServedFeature(view="weather", feature="visib", type="number").column
    'weather__visib'
    """

    view: Name
    feature: Name
    type: FeatureType

    @property
    def column(self) -> str:
        return f"{self.view}__{self.feature}"


class FeatureRepository(Declaration):
    """Everything ``feature_repo/`` says, with every name resolved."""

    entities: dict[str, Entity]
    views: dict[str, FeatureView]
    services: dict[str, FeatureService]

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        for view in self.views.values():
            for index, entity in enumerate(view.entities):
                if entity not in self.entities:
                    raise UnknownName.among(
                        entity,
                        self.entities,
                        what="entity",
                        asked_by=f"feature view {view.name!r}",
                        field=("views", view.name, "entities", index),
                    )
            self._keys_are_distinct(view)
        for service in self.services.values():
            self.served(service.name)
        return self

    @classmethod
    def of(
        cls, entities: list[Entity], views: list[FeatureView], services: list[FeatureService]
    ) -> FeatureRepository:
        return cls(
            entities=_by_name("entity", "entities", entities),
            views=_by_name("feature view", "views", views),
            services=_by_name("feature service", "services", services),
        )

    def keys(self, view: str) -> tuple[str, ...]:
        """The join keys of a view, in the order of its entities."""
        return tuple(self.entities[name].key for name in self.views[view].entities)

    def _keys_are_distinct(self, view: FeatureView) -> None:
        keys = self.keys(view.name)
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise DeclarationError(
                    f"{view.called} has two entities with the key {key!r}; expected each key once",
                    field=("views", view.name, "entities", index),
                )
            if key in view.features:
                raise DeclarationError(
                    f"{view.called} declares its key {key!r} as a feature too; leave it out of 'features'",
                    field=("views", view.name, "features", key),
                )

    def service(self, name: str, *, asked_by: str) -> FeatureService:
        if name not in self.services:
            raise UnknownName.among(
                name, self.services, what="feature service", asked_by=asked_by, field=("features",)
            )
        return self.services[name]

    def served(self, service: str) -> tuple[ServedFeature, ...]:
        """The columns a service delivers, in the order it lists them."""
        found: dict[str, ServedFeature] = {}
        for index, reference in enumerate(self.services[service].features):
            field = ("services", service, "features", index)
            for served in self._resolve(reference, field=field):
                if served.column in found:
                    raise DeclarationError(
                        f"feature service {service!r} delivers {served.column!r} twice; list it once",
                        field=field,
                    )
                found[served.column] = served
        return tuple(found.values())

    def views_of(self, service: str) -> dict[str, tuple[ServedFeature, ...]]:
        """What a service takes from each view, views in order of first mention."""
        by_view: dict[str, tuple[ServedFeature, ...]] = {}
        for served in self.served(service):
            by_view[served.view] = (*by_view.get(served.view, ()), served)
        return by_view

    def _resolve(self, reference: str, *, field: tuple[str | int, ...]) -> list[ServedFeature]:
        asked_by = f"feature service {field[1]!r}"
        view_name, _, feature_name = reference.partition(":")
        if view_name not in self.views:
            raise UnknownName.among(
                view_name, self.views, what="feature view", asked_by=asked_by, field=field
            )
        view = self.views[view_name]
        names = [feature_name] if feature_name else list(view.features)
        for name in names:
            if name not in view.features:
                raise UnknownName.among(
                    name, view.features, what=f"feature of {view_name}", asked_by=asked_by, field=field
                )
        return [ServedFeature(view=view_name, feature=n, type=view.features[n].type) for n in names]


def _by_name(what: str, kind: str, declared: list[Named]) -> dict[str, Named]:
    named: dict[str, Named] = {}
    for one in declared:
        if one.name in named:
            raise DeclarationError(f"{what} {one.name!r} is declared twice", field=(kind, one.name, "name"))
        named[one.name] = one
    return named


def tables_read(repository: FeatureRepository, service: str) -> Mapping[str, None]:
    """The validated tables below a service, each once, in order of first mention."""
    views = repository.views_of(service)
    return {table: None for view in views for table in repository.views[view].reads}
