"""Features, said once: the SQL that computes a view beside its entity, types, lifetime and owner."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, PrivateAttr, field_validator, model_validator

from mlops_assets.declaration.base import Declaration, Duration, InputName, Name, Owner, refusal
from mlops_assets.declaration.on_demand import Feature, FeatureType, OnDemandTransform
from mlops_assets.declaration.python_code import require_known_columns
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, PARTITION
from mlops_assets.declaration.sql import Query, sql_text
from mlops_assets.errors import DeclarationError, UnknownName

Named = TypeVar("Named", "Entity", "FeatureView", "FeatureService", OnDemandTransform)
# What the rows of every view have besides its keys and features.
GIVEN = (EVENT_TIME, AVAILABLE_AT, PARTITION)


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


class Projection(Declaration):
    """What a service takes of a view or an on-demand transform.

    In YAML ``view`` for all of it and ``view:feature`` for one feature; or, to join a view by other
    columns of the request than its keys, all of it spelled out.
    name: what its columns begin with; its own name when empty.
    keys: for a key of the view the column of the request that holds it; the others by their own names.
    features: all of them when empty.
    """

    view: Name
    name: Name | Literal[""] = ""
    keys: dict[Name, Name] = {}
    features: tuple[Name, ...] = ()

    @property
    def called(self) -> str:
        """What its columns begin with."""
        return self.name or self.view

    @model_validator(mode="before")
    @classmethod
    def _from_reference(cls, said: Any) -> Any:
        if not isinstance(said, str):
            return said
        view, _, feature = said.partition(":")
        return {"view": view, "features": (feature,) if feature else ()}

    @model_validator(mode="after")
    def _is_told_apart(self) -> Self:
        if self.keys and self.called == self.view:
            raise ValueError(
                f"{self.view!r} is joined by other keys than its own, so its columns need a 'name' of their own"
            )
        return self


class FeatureService(Declaration):
    """What a model asks for, by name."""

    name: Name
    description: str = ""
    owner: Owner
    features: tuple[Projection, ...] = Field(min_length=1)
    tags: dict[str, str] = {}


class ServedFeature(Declaration):
    """One column a service delivers, and the view or on-demand transform it comes from.

    name: what the column begins with when that is not the view's own name.

    >>> ServedFeature(view="weather", feature="visib", type="number").column
    'weather__visib'
    """

    view: Name
    feature: Name
    type: FeatureType
    name: str = ""

    @property
    def column(self) -> str:
        return f"{self.name or self.view}__{self.feature}"


@dataclass(frozen=True)
class JoinedView:
    """A view as a service joins it to requests.

    keys: for each join key of the view the column of the request that holds it.
    columns: for each feature that is needed the column it becomes.
    """

    view: str
    keys: dict[str, str]
    columns: dict[str, str]


@dataclass(frozen=True)
class RequestColumn:
    """A column that every request to a service must have.

    role: ``a key`` or ``an input``. of: the view or on-demand transform that takes it, in a sentence.
    """

    name: str
    type: FeatureType
    role: str
    of: str


class FeatureRepository(Declaration):
    """Everything ``feature_repo/`` says, with every name resolved."""

    entities: dict[str, Entity]
    views: dict[str, FeatureView]
    services: dict[str, FeatureService]
    on_demand: dict[str, OnDemandTransform] = {}

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
        for transform in self.on_demand.values():
            self._fits(transform)
        for service in self.services.values():
            self.served(service.name)
            self.joined(service.name)
        return self

    @classmethod
    def of(
        cls,
        entities: list[Entity],
        views: list[FeatureView],
        services: list[FeatureService],
        on_demand: list[OnDemandTransform] | None = None,
    ) -> FeatureRepository:
        return cls(
            entities=_by_name("entity", "entities", entities),
            views=_by_name("feature view", "views", views),
            services=_by_name("feature service", "services", services),
            on_demand=_by_name("on-demand transform", "on_demand", on_demand or []),
        )

    def keys(self, view: str) -> tuple[str, ...]:
        """The join keys of a view, in the order of its entities."""
        return tuple(self.entities[name].key for name in self.views[view].entities)

    def key_types(self, view: str) -> dict[str, str]:
        """The join keys of a view in the same order, each with its type."""
        entities = (self.entities[name] for name in self.views[view].entities)
        return {entity.key: entity.type for entity in entities}

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

    def view(self, name: str, *, asked_by: str) -> FeatureView:
        if name not in self.views:
            raise UnknownName.among(name, self.views, what="feature view", asked_by=asked_by)
        return self.views[name]

    def served(self, service: str) -> tuple[ServedFeature, ...]:
        """The columns a service delivers, in the order it lists them."""
        found: dict[str, ServedFeature] = {}
        for index, projection in enumerate(self.services[service].features):
            field = ("services", service, "features", index)
            for served in self._resolve(projection, field=field):
                if served.column in found:
                    raise DeclarationError(
                        f"feature service {service!r} delivers {served.column!r} twice; list it once",
                        field=field,
                    )
                found[served.column] = served
        return tuple(found.values())

    def joined(self, service: str) -> dict[str, JoinedView]:
        """What is joined for a service, by what its columns begin with: also what only its transforms need."""
        found: dict[str, JoinedView] = {}
        for index, projection in enumerate(self.services[service].features):
            if projection.view in self.on_demand:
                continue
            name = projection.called
            keys = {key: projection.keys.get(key, key) for key in self.keys(projection.view)}
            one = found.setdefault(name, JoinedView(projection.view, keys, {}))
            if (one.view, one.keys) != (projection.view, keys):
                raise DeclarationError(
                    f"feature service {service!r} joins {name!r} in two ways; give each a 'name' of its own",
                    field=("services", service, "features", index),
                )
            for feature in projection.features or self.views[projection.view].features:
                one.columns[feature] = f"{name}__{feature}"
        for transform in self.on_demand_of(service):
            for view, feature in transform.inputs.references():
                keys = {key: key for key in self.keys(view)}
                one = found.setdefault(view, JoinedView(view, keys, {}))
                one.columns[feature] = f"{view}__{feature}"
        return found

    def request_columns(self, service: str) -> Iterator[RequestColumn]:
        """What requests must have, once for each that takes it: the keys of views, and what transforms compute from."""
        for name, one in self.joined(service).items():
            kinds = {
                self.entities[entity].key: self.entities[entity].type
                for entity in self.views[one.view].entities
            }
            for key, column in one.keys.items():
                yield RequestColumn(column, kinds[key], "a key", f"feature view {name!r}")
        for transform in self.on_demand_of(service):
            for column, kind in transform.inputs.request.items():
                yield RequestColumn(column, kind, "an input", f"on-demand transform {transform.name!r}")

    def on_demand_of(self, service: str) -> tuple[OnDemandTransform, ...]:
        """The transforms a service delivers from, in order of first mention."""
        names = dict.fromkeys(one.view for one in self.services[service].features)
        return tuple(self.on_demand[name] for name in names if name in self.on_demand)

    def views_of(self, service: str) -> tuple[str, ...]:
        """The views below a service, each once, in order of first mention."""
        return tuple(dict.fromkeys(one.view for one in self.joined(service).values()))

    def input_types(self, transform: OnDemandTransform) -> dict[str, FeatureType]:
        """What the function of a transform is given: each column with its type."""
        of_views = {
            f"{view}__{feature}": self.views[view].features[feature].type
            for view, feature in transform.inputs.references()
        }
        return {**transform.inputs.request, **of_views}

    def _fits(self, transform: OnDemandTransform) -> None:
        where = ("on_demand", transform.name)
        if transform.name in self.views:
            raise DeclarationError(
                f"{transform.called} is called like a feature view; give it another name",
                field=(*where, "name"),
            )
        for index, (view, feature) in enumerate(transform.inputs.references()):
            self._view(view, asked_by=transform.called, field=(*where, "inputs", "views", index))
            self._feature(view, feature, asked_by=transform.called, field=(*where, "inputs", "views", index))
        try:
            require_known_columns(
                transform.python,
                list(self.input_types(transform)),
                list(transform.features),
                asked_by=transform.called,
            )
        except DeclarationError as error:
            raise DeclarationError(str(error), field=(*where, "python")) from error

    def _resolve(self, projection: Projection, *, field: tuple[str | int, ...]) -> list[ServedFeature]:
        asked_by = f"feature service {field[1]!r}"
        declared = self._view(projection.view, asked_by=asked_by, field=field)
        if isinstance(declared, OnDemandTransform) and projection.called != projection.view:
            raise DeclarationError(
                f"{asked_by} gives {declared.called} another name; only views can be joined twice",
                field=field,
            )
        for key in projection.keys:
            known = self.keys(projection.view) if projection.view in self.views else ()
            if key not in known:
                what = f"key of {projection.view}"
                raise UnknownName.among(key, known, what=what, asked_by=asked_by, field=(*field, "keys", key))
        for name in projection.features:
            self._feature(projection.view, name, asked_by=asked_by, field=field)
        return [
            ServedFeature(
                view=projection.view, feature=name, type=declared.features[name].type, name=projection.name
            )
            for name in projection.features or declared.features
        ]

    def _view(
        self, name: str, *, asked_by: str, field: tuple[str | int, ...]
    ) -> FeatureView | OnDemandTransform:
        # A transform computes from views only, so that one look is enough to know what it needs.
        known: dict[str, FeatureView | OnDemandTransform] = {**self.views}
        if field[0] == "services":
            known |= self.on_demand
        if name not in known:
            raise UnknownName.among(name, known, what="feature view", asked_by=asked_by, field=field)
        return known[name]

    def _feature(self, view: str, name: str, *, asked_by: str, field: tuple[str | int, ...]) -> None:
        known = self.views[view].features if view in self.views else self.on_demand[view].features
        if name not in known:
            raise UnknownName.among(name, known, what=f"feature of {view}", asked_by=asked_by, field=field)


def _by_name(what: str, kind: str, declared: list[Named]) -> dict[str, Named]:
    named: dict[str, Named] = {}
    for one in declared:
        if one.name in named:
            raise DeclarationError(f"{what} {one.name!r} is declared twice", field=(kind, one.name, "name"))
        named[one.name] = one
    return named


def tables_read(repository: FeatureRepository, service: str) -> Mapping[str, None]:
    """The validated tables below a service, each once, in order of first mention."""
    return {table: None for view in repository.views_of(service) for table in repository.views[view].reads}
