"""The feature repository as Feast's own objects, so that its registry, commands and clients know it."""

from __future__ import annotations

from typing import Any, TypeAlias

from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.data_format import DeltaFormat
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.transformation.pandas_transformation import PandasTransformation
from feast.types import Bool, FeastType, Float64, Int64, String, UnixTimestamp

from mlops_assets.data.on_demand import loaded
from mlops_assets.declaration import features as declared
from mlops_assets.declaration.on_demand import OnDemandTransform
from mlops_assets.declaration.python_code import FUNCTION
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.declaration.versions import Version, declared_version

FEAST_TYPES: dict[str, FeastType] = {
    "string": String,
    "integer": Int64,
    "number": Float64,
    "boolean": Bool,
    "timestamp": UnixTimestamp,
}
# The function that Feast runs of an on-demand transform.
AS_DECLARED = "as_declared"
# The tag of a table that says which version of its view is meant.
VERSION = "mlops/version"
VALUE_TYPES = {"string": ValueType.STRING, "integer": ValueType.INT64}


class LakeTable(FileSource):
    """A table of the lake, named as the lake names it: the offline store knows where the lake is.

    Its tags say which version of the view must have computed the rows, as far as the view itself declares it.
    """

    @classmethod
    def of(cls, view: str, path: str, version: Version) -> LakeTable:
        """The table that holds a view's rows."""
        return cls(
            name=view,
            path=path,
            file_format=DeltaFormat(),
            timestamp_field=EVENT_TIME,
            created_timestamp_column=AVAILABLE_AT,
            tags={VERSION: str(version)},
        )

    @staticmethod
    def from_proto(data_source: Any) -> LakeTable:
        """Itself again; Feast's own reading would make a plain file of it, and that a change to apply."""
        return LakeTable.of(data_source.name, data_source.file_options.uri, version_meant(data_source))

    def validate(self, config: RepoConfig) -> None:
        """A view may be registered before its asset was ever materialized."""


FeastObject: TypeAlias = Entity | FeatureView | OnDemandFeatureView | FeatureService


class DeclaredTransform(OnDemandFeatureView):
    """An on-demand transform whose features are declared, and checked whenever it runs."""

    def infer_features(self) -> None:
        """Nothing to guess from a row that Feast makes up."""


def feast_objects(repository: declared.FeatureRepository) -> dict[str, FeastObject]:
    """Every entity, view, on-demand transform and service, by a name that is unique among all of them."""
    entities = {name: _entity(entity) for name, entity in repository.entities.items()}
    views = {name: _view(repository, view, entities) for name, view in repository.views.items()}
    on_demand = {name: _on_demand(repository, one, views) for name, one in repository.on_demand.items()}
    services = {name: _service(repository, name, {**views, **on_demand}) for name in repository.services}
    return {
        **{f"entity_{name}": entity for name, entity in entities.items()},
        **{f"view_{name}": view for name, view in views.items()},
        **{f"on_demand_{name}": transform for name, transform in on_demand.items()},
        **{f"service_{name}": service for name, service in services.items()},
    }


def version_meant(source: Any) -> Version:
    """The version that must have computed a table's rows; without a part where Feast's registry says none.

    source: what ``LakeTable`` made, a message of Feast's or what it reads from one, which is a plain file.
    """
    return Version.read(source.tags.get(VERSION, ""))


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
        source=LakeTable.of(view.name, lake_table(view.name), declared_version(repository, view.name)),
        description=view.description,
        owner=view.owner,
        tags=view.tags,
    )


def _on_demand(
    repository: declared.FeatureRepository, transform: OnDemandTransform, views: dict[str, FeatureView]
) -> OnDemandFeatureView:
    """Feast keeps the code and runs it wherever it reads it, under the same checks as we do."""
    request = [Field(name=name, dtype=FEAST_TYPES[kind]) for name, kind in transform.inputs.request.items()]
    read = dict.fromkeys(reference.partition(":")[0] for reference in transform.inputs.views)
    code = _code_for_feast(repository, transform)
    return DeclaredTransform(
        name=transform.name,
        sources=[
            *(views[view] for view in read),
            *([RequestSource(name=f"{transform.name}_request", schema=request)] if request else []),
        ],
        # Feast loses what is said of them on the way through its registry, and then no service finds its features.
        schema=[
            Field(name=name, dtype=FEAST_TYPES[feature.type]) for name, feature in transform.features.items()
        ],
        feature_transformation=PandasTransformation(
            udf=loaded(code, transform.name, AS_DECLARED), udf_string=code
        ),
        mode="pandas",
        description=transform.description,
        owner=transform.owner,
        tags=transform.tags,
    )


def _code_for_feast(repository: declared.FeatureRepository, transform: OnDemandTransform) -> str:
    """The declared code, and after it the function that Feast calls: what the code returns, as it is declared."""
    gives = {name: feature.type for name, feature in transform.features.items()}
    return f"""{transform.python}


def {AS_DECLARED}(rows):
    from mlops_assets.data.on_demand import computed
    return computed(
        {FUNCTION},
        rows,
        takes={repository.input_types(transform)!r},
        gives={gives!r},
        called={transform.called!r},
    )
"""


def _service(
    repository: declared.FeatureRepository, name: str, known: dict[str, FeatureView | OnDemandFeatureView]
) -> FeatureService:
    service = repository.services[name]
    taken: dict[tuple[str, str], list[str]] = {}
    for served in repository.served(name):
        taken.setdefault((served.view, served.name), []).append(served.feature)
    joined = repository.joined(name)
    features = []
    for (view, alias), wanted in taken.items():
        projected = known[view][wanted]
        if isinstance(projected, FeatureView) and any(other for _, other in taken):
            # By its own name too: Feast sorts these by their names, and cannot sort one that is None.
            keys = {key: column for key, column in joined[alias or view].keys.items() if key != column}
            projected = projected.with_name(alias or view).with_join_key_map(keys)
        features.append(projected)
    return FeatureService(
        name=name,
        features=features,
        description=service.description,
        owner=service.owner,
        tags=service.tags,
    )
