"""Which blocking checks must have spoken about what a model is made from."""

from mlops_assets.data.leaks import NO_LEAK
from mlops_assets.data.validation import blocking
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.steps.inputs import Required


def of_tables(catalog: Catalog) -> Required:
    """Those of every validated table."""
    return {
        keys.table_name(keys.validated(name)): blocking(declared.table)
        for name, declared in catalog.tables.items()
    }


def of_training_set(model: Model) -> Required:
    """The proof that it leaks nothing."""
    return {keys.table_name(keys.of_model(model.name, "training_set")): (NO_LEAK,)}


def of_model(catalog: Catalog, model: Model) -> Required:
    """All below a trained model."""
    return {**of_tables(catalog), **of_training_set(model)}
