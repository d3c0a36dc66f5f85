"""The door for features: a whole feature repository."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import dagster as dg
from pydantic import BaseModel

from mlops_assets.components.door import at_its_line, declared, only, schema_of, told_from
from mlops_assets.components.source import GovernedSource
from mlops_assets.declaration.base import Declaration
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.repository import at_its_place, read_feature_repository
from mlops_assets.errors import DeclarationError
from mlops_assets.graph.assemble import feature_definitions


class RepositoryFolder(Declaration):
    """Where the feature repository is, from the root of the project."""

    folder: str = "feature_repo"


class GovernedFeatures(dg.Component):
    """Every feature view of a feature repository, as assets that all models share."""

    def __init__(self, folder: RepositoryFolder) -> None:
        self.folder = folder
        self._catalog: Catalog | None = None

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """What ``attributes`` may say."""
        return schema_of(RepositoryFolder)

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """From YAML."""
        return cls(declared(RepositoryFolder, context))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """An asset per view."""
        return feature_definitions(self.catalog(context))

    def catalog(self, context: dg.ComponentLoadContext) -> Catalog:
        """All sources and features of the project, every name resolved; read once."""
        if self._catalog is None:
            self._catalog = self._read(context)
        return self._catalog

    def _read(self, context: dg.ComponentLoadContext) -> Catalog:
        doors = context.component_tree.get_all_components(GovernedSource)
        folder = context.project_root / self.folder.folder
        if not folder.is_dir():
            with at_its_line(context):
                raise DeclarationError(f"there is no feature repository at {folder}", field=("folder",))
        with told_from(context.project_root):
            features = read_feature_repository(folder)
            try:
                return Catalog.of([door.source for door in doors], features)
            except DeclarationError as error:
                _at_its_source(doors, error)
                raise at_its_place(folder, error) from error


def _at_its_source(doors: Sequence[GovernedSource], error: DeclarationError) -> None:
    """Raise the error with file and line, when its field names a source that is declared in YAML."""
    for door in reversed(doors):
        if door.context is not None and error.field[:2] == ("sources", door.source.name):
            with at_its_line(door.context):
                raise DeclarationError(str(error), field=error.field[2:]) from error


def project_catalog(context: dg.ComponentLoadContext) -> Catalog:
    """The catalog of the project's only feature repository."""
    doors = context.component_tree.get_all_components(GovernedFeatures)
    return only(doors, "GovernedFeatures", context).catalog(context)


def project_feature_repository(context: dg.ComponentLoadContext) -> Path:
    """The folder of the project's only feature repository."""
    doors = context.component_tree.get_all_components(GovernedFeatures)
    return context.project_root / only(doors, "GovernedFeatures", context).folder.folder
