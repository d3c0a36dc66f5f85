"""The door for models."""

from typing import Self

import dagster as dg
from pydantic import BaseModel

from mlops_assets.components.door import at_its_line, declared, schema_of
from mlops_assets.components.feature_repository import project_catalog
from mlops_assets.declaration.model import Model
from mlops_assets.errors import DeclarationError
from mlops_assets.graph.assemble import model_definitions


class GovernedModel(dg.Component):
    """A model: from training set to release, governed."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """What ``attributes`` may say."""
        return schema_of(Model)

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """From YAML."""
        return cls(declared(Model, context))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The model's assets. Names it does not find are reported at their line."""
        catalog = project_catalog(context)
        with at_its_line(context):
            self._refuse_equal_names(context)
            return model_definitions(catalog, self.model)

    def _refuse_equal_names(self, context: dg.ComponentLoadContext) -> None:
        doors = context.component_tree.get_all_components(GovernedModel)
        count = [door.model.name for door in doors].count(self.model.name)
        if count > 1:
            raise DeclarationError(
                f"{count} models are called {self.model.name!r}, expected one; give each a name of its own",
                field=("name",),
            )
