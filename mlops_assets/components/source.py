"""The door for sources."""

from typing import Self

import dagster as dg
from pydantic import BaseModel

from mlops_assets.components.door import at_its_line, declared, schema_of
from mlops_assets.declaration.installed import require_installed
from mlops_assets.declaration.source import Source
from mlops_assets.graph.assemble import source_definitions


class GovernedSource(dg.Component):
    """A source: tables that come in raw and leave validated, or quarantined."""

    def __init__(self, source: Source, context: dg.ComponentLoadContext | None = None) -> None:
        """context: where it was loaded from; None when it was made in Python."""
        self.source = source
        self.context = context

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """What ``attributes`` may say."""
        return schema_of(Source)

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """From YAML; SQL files stand beside it."""
        source = declared(Source, context)
        with at_its_line(context):
            return cls(source.with_sql_from(context.path), context)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The source's assets."""
        with at_its_line(context):
            require_installed(self.source)
        return source_definitions(self.source)
