"""The feature repository as Feast's own objects, so that its registry, commands and clients know it."""

from __future__ import annotations

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_format import DeltaFormat
from feast.repo_config import RepoConfig
from feast.types import Bool, FeastType, Float64, Int64, String, UnixTimestamp

from mlops_assets.declaration import features as declared
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME

FEAST_TYPES: dict[str, FeastType] = {
    "string": String,
    "integer": Int64,
    "number": Float64,
    "boolean": Bool,
    "timestamp": UnixTimestamp,
}
VALUE_TYPES = {"string": ValueType.STRING, "integer": ValueType.INT64}


class LakeTable(FileSource):
    """A table of the lake, named as the lake names it: the offline store knows where the lake is."""

    def validate(self, config: RepoConfig) -> None:
        """A view may be registered before its asset was ever materialized."""


def feast_objects(repository: declared.FeatureRepository) -> dict[str, Entity | FeatureView | FeatureService]:
    """Every entity, view and service, by a name that is unique among all of them."""
    entities = {name: _entity(entity) for name, entity in repository.entities.items()}
    views = {name: _view(repository, view, entities) for name, view in repository.views.items()}
    services = {name: _service(repository, name, views) for name in repository.services}
    return {
        **{f"entity_{name}": entity for name, entity in entities.items()},
        **{f"view_{name}": view for name, view in views.items()},
        **{f"service_{name}": service for name, service in services.items()},
    }


def lake_table(view: str) -> str:
    """The lake table that holds a view's rows."""
    return f"features/{view}"


def _entity(entity: declared.Entity) -> Entity:
    return Entity(
        name=entity.name,
        join_keys=[entity.key],
        value_type=VALUE_TYPES[entity.type],
        description=entity.description,
    )


def _view(
    repository: declared.FeatureRepository, view: declared.FeatureView, entities: dict[str, Entity]
) -> FeatureView:
    keys = [repository.entities[name] for name in view.entities]
    return FeatureView(
        name=view.name,
        entities=[entities[name] for name in view.entities],
        ttl=view.ttl,
        schema=[
            *(Field(name=key.key, dtype=FEAST_TYPES[key.type], description=key.description) for key in keys),
            *(
                Field(name=name, dtype=FEAST_TYPES[feature.type], description=feature.description)
                for name, feature in view.features.items()
            ),
        ],
        source=LakeTable(
            name=view.name,
            path=lake_table(view.name),
            file_format=DeltaFormat(),
            timestamp_field=EVENT_TIME,
            created_timestamp_column=AVAILABLE_AT,
        ),
        description=view.description,
        owner=view.owner,
        tags=view.tags,
    )


def _service(
    repository: declared.FeatureRepository, name: str, views: dict[str, FeatureView]
) -> FeatureService:
    service = repository.services[name]
    taken = repository.views_of(name)
    return FeatureService(
        name=name,
        features=[views[view][[one.feature for one in served]] for view, served in taken.items()],
        description=service.description,
        owner=service.owner,
        tags=service.tags,
    )
