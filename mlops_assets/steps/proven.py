"""Which blocking checks must have passed for what a model is made from. No caller chooses them."""

from __future__ import annotations

from mlops_assets.data import ingestion, validation
from mlops_assets.data.leaks import NO_LEAK
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.steps.inputs import Required


def of_tables(catalog: Catalog) -> Required:
    """Those of every table, as it was found and as it was validated."""
    found = {f"raw/{name}": ingestion.BLOCKING for name in catalog.tables}
    judged = {f"validated/{name}": validation.blocking(one.table) for name, one in catalog.tables.items()}
    return {**found, **judged}


def of_training_set(model: Model) -> Required:
    """The proof that it leaks nothing."""
    return {f"{model.name}/training_set": (NO_LEAK,)}


def of_model(catalog: Catalog, model: Model) -> Required:
    """All below a trained model."""
    return {**of_tables(catalog), **of_training_set(model)}


def made_from(model: Model) -> tuple[str, ...]:
    """The tables that every training set is made from, down to the raw rows."""
    return f"validated/{model.label.table}", f"raw/{model.label.table}"
