"""No column of a training set is called like another."""

import pytest

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureService, FeatureView
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import Source
from mlops_assets.declaration.training_columns import ADDED
from mlops_assets.errors import DeclarationError

TAKEN = sorted(set(ADDED) - {"event_time", "partition"})


def check(*, key="id", request="channel", entity="customer", view="profile"):
    """The training set of a model whose columns have these names."""
    names = (key, request, entity, "other")
    columns = {name: {"type": "string", "known": "ahead"} for name in names}
    table = {"name": "orders", "reads": {"landing": "a.csv"}, "select": "SELECT 1", "key": [key]}
    source = {"name": "shop", "owner": "team:x", "start": "2024-01-01"}
    shop = Source.model_validate({**source, "tables": [{**table, "columns": columns}]})
    declared = FeatureView.model_validate(
        {
            "name": view,
            "owner": "team:x",
            "entities": ["one"],
            "reads": {"orders": "0d"},
            "sql": f'SELECT "{entity}", other AS age, event_time, available_at FROM orders',
            "ttl": "1d",
            "features": {"age": {"type": "string"}},
        }
    )
    service = FeatureService(name="service", owner="team:x", features=(view,))
    repository = FeatureRepository.of([Entity(name="one", key=entity)], [declared], [service])
    model = {
        "name": "late",
        "owner": "team:x",
        "label": {"table": "orders", "positive": "other = 'a'"},
        "features": "service",
        "request": [request],
        "estimator": {"path": "sklearn.linear_model.LogisticRegression"},
        "window": {"train_days": 28, "evaluate_days": 7},
    }
    Catalog.of([shop], repository).model_tables(Model.model_validate(model))


def test_a_column_may_be_key_request_and_key_of_a_view_at_once():
    check(key="customer", request="customer", entity="customer")


@pytest.mark.parametrize("column", TAKEN)
@pytest.mark.parametrize(
    ("part", "whose", "field"),
    [
        ("key", "a key column of 'orders'", ("label", "table")),
        ("request", "the request column", ("request", 0)),
        ("entity", "a key of feature view 'profile'", ("features",)),
    ],
)
def test_a_column_called_like_one_of_the_platform_is_refused(column, part, whose, field):
    with pytest.raises(DeclarationError) as refused:
        check(**{part: column})
    assert str(refused.value).startswith(f"model 'late': {whose}")
    assert f"called {column!r}, like a column that every training set has" in str(refused.value)
    assert refused.value.field == field


@pytest.mark.parametrize("part", ["key", "request", "entity"])
def test_a_feature_called_like_a_column_of_the_events_is_refused(part):
    with pytest.raises(
        DeclarationError, match="the feature 'age' of 'profile' would be called 'profile__age'"
    ):
        check(**{part: "profile__age"})
