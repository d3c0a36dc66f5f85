"""All that is declared of how a model is trained; with the rows, it decides what comes of it."""

from __future__ import annotations

from mlops_assets.declaration.base import Declaration, Name, Whole
from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.search import Search


class Recipe(Declaration):
    """inputs: each input of the model with its type, in order; of strings are categories, of others numbers."""

    model: Name
    estimator: Estimator
    search: Search | None = None
    baseline: Estimator
    seed: Whole
    inputs: dict[str, str]
