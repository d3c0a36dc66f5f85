"""The whole project as the command line sees it: definitions, catalog and models, loaded once."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster.components.core.component_tree import ComponentTree, ComponentTreeException

from mlops_assets.components.feature_repository import project_catalog, project_feature_repository
from mlops_assets.components.malformed import malformed_files_told
from mlops_assets.components.model import GovernedModel
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.errors import DeclarationError, UnknownName


@dataclass(frozen=True)
class Project:
    """Everything that is declared below one project root."""

    definitions: dg.Definitions
    catalog: Catalog
    models: dict[str, Model]
    feature_repository: Path

    @classmethod
    def load(cls, path_within_project: Path) -> "Project":
        """Load the project that a path belongs to. Raises DeclarationError with file and line."""
        tree = ComponentTree.for_project(path_within_project)
        with malformed_files_told(tree):
            return cls._loaded(tree)

    @classmethod
    def _loaded(cls, tree: ComponentTree) -> "Project":
        try:
            models = [door.model for door in tree.get_all_components(GovernedModel)]
            return cls(
                definitions=tree.build_defs(),
                catalog=project_catalog(tree.load_context),
                models={model.name: model for model in models},
                feature_repository=project_feature_repository(tree.load_context),
            )
        except ComponentTreeException as error:
            mistake = _declaration_error(error)
            if mistake is None:
                raise
            raise DeclarationError(str(mistake)) from error

    def model(self, name: str) -> Model:
        """The model of that name, or an error that says which there are."""
        if name not in self.models:
            raise UnknownName.among(name, self.models, what="model", asked_by="the command")
        return self.models[name]

    def code_version(self, key: dg.AssetKey) -> str | None:
        """The version of the code that makes an asset now."""
        return self.definitions.resolve_asset_graph().get(key).code_version


def _declaration_error(error: BaseException) -> DeclarationError | None:
    """The team's own mistake that Dagster's error was raised from, if there is one."""
    cause = error.__cause__
    if cause is None or isinstance(cause, DeclarationError):
        return cause
    return _declaration_error(cause)
