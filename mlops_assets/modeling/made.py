"""How a model was made: recipe, rows, code and environment, kept with its files so that it can be made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from mlops_assets.declaration.recipe import Recipe
from mlops_assets.errors import ArtifactMismatch
from mlops_assets.modeling.serialization import MADE


@dataclass(frozen=True)
class Rows:
    """The partition of a table of the lake that was learned from. version: of the table."""

    table: str
    partition: str
    version: int
    fingerprint: str


@dataclass(frozen=True)
class Made:
    """code: the version of what computed it, spelled. environment: Python, machine and packages."""

    recipe: Recipe
    rows: Rows
    code: str
    environment: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        body = {**asdict(self), "recipe": self.recipe.model_dump(mode="json")}
        # Not sorted: a model is another when its inputs come in another order.
        return json.dumps(body, indent=2).encode()

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        """What the files of a model say of it. Raises ArtifactMismatch when they say nothing."""
        if MADE not in files:
            raise ArtifactMismatch("the files of this model do not say how it was made: train it again")
        body = json.loads(files[MADE])
        return cls(
            Recipe.model_validate(body["recipe"]), Rows(**body["rows"]), body["code"], body["environment"]
        )
