"""Features that are computed when they are asked for, from the request and from features of views."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, StringConstraints, model_validator

from mlops_assets.declaration.base import Declaration, InputName, Name, Owner
from mlops_assets.declaration.python_code import python_code

FeatureType = Literal["string", "integer", "number", "boolean", "timestamp"]
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$")]


class Feature(Declaration):
    """One value of a view or of an on-demand transform."""

    type: FeatureType
    description: str = ""


class Inputs(Declaration):
    """What an on-demand transform computes from.

    request: columns that come with the request, each with its type; known ahead of the event.
    views: features of views, each as ``view:feature``, joined by the view's own keys.
    """

    request: dict[Name, FeatureType] = {}
    views: tuple[Reference, ...] = ()

    @model_validator(mode="after")
    def _are_some(self) -> Self:
        if not self.request and not self.views:
            raise ValueError("found no inputs, expected columns of the 'request' or features of 'views'")
        return self

    def references(self) -> list[tuple[str, str]]:
        """The view and the feature of each reference."""
        return [(view, feature) for view, _, feature in (one.partition(":") for one in self.views)]


class OnDemandTransform(Declaration):
    """A function of one row, written for many: ``transform(inputs: pd.DataFrame) -> pd.DataFrame``.

    python: the name of a ``.py`` file beside; once read, its code without comments and docstrings.
    inputs: what the function is given: request columns by their names, a view's as ``view__feature``.
    features: the columns it returns, each with its type. In a training set they are ``name__feature``.
    """

    name: InputName
    description: str = ""
    owner: Owner
    inputs: Inputs
    features: dict[Name, Feature] = Field(min_length=1)
    python: str
    tags: dict[str, str] = {}
    _python_file: str = PrivateAttr("")

    @property
    def called(self) -> str:
        """Its name in a sentence, with the file of its code when it has one."""
        return f"on-demand transform {self.name!r}" + (f" ({self._python_file})" if self._python_file else "")

    def with_code_from(self, folder: Path) -> OnDemandTransform:
        """The same transform with its file name replaced by what the file says. Raises DeclarationError."""
        code = python_code(self.python, folder, field=("python",))
        transform = self.model_copy(update={"python": code})
        transform._python_file = self.python
        return transform
