"""From labelled events and feature rows to a training set, whatever the tables are called."""

import pyarrow as pa
import pytest

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureService, FeatureView
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import Source
from mlops_assets.steps.training_set import assemble_training_set
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")
DAYS = ["2024-03-01", "2024-03-02"]
WINDOW = [*DAYS, "2024-03-03", "2024-03-04"]
MODEL = {
    "name": "late",
    "owner": "team:x",
    "features": "service",
    "estimator": {"path": "sklearn.linear_model.LogisticRegression"},
    "window": {"train_days": 1, "evaluate_days": 3},
    "gates": {"champion": {"at_least_days": 3}},
}


def declared(table: str, view: str):
    columns = {name: {"type": "integer", "known": "ahead"} for name in ("id", "customer")}
    one = {
        "name": table,
        "reads": {"landing": "a.csv"},
        "select": "SELECT 1",
        "key": ["id"],
        "columns": columns,
    }
    source = {"name": "shop", "owner": "team:x", "start": "2024-03-01", "tables": [one]}
    seen = {
        "name": view,
        "owner": "team:x",
        "entities": ["customer"],
        "reads": {table: "0d"},
        "sql": f"SELECT customer, id AS known_at, event_time, available_at FROM {table}",
        "ttl": "30d",
        "features": {"known_at": {"type": "integer"}},
    }
    features = FeatureRepository.of(
        [Entity(name="customer", key="customer", type="integer")],
        [FeatureView.model_validate(seen)],
        [FeatureService(name="service", owner="team:x", features=(view,))],
    )
    model = Model.model_validate({**MODEL, "label": {"table": table, "positive": "id > 1"}})
    return Catalog.of([Source.model_validate(source)], features), model


def rows(**columns) -> pa.Table:
    moments = pa.array([f"{day}T06:00:00+00:00" for day in DAYS]).cast(pa.timestamp("us", "UTC"))
    return pa.table({"partition": DAYS, **columns, "event_time": moments, "available_at": moments})


@pytest.mark.parametrize(
    ("table", "view"), [("events", "seen"), ("requests", "requests"), ("features_seen", "seen")]
)
def test_tables_and_views_may_be_called_like_anything(tmp_path, table, view):
    catalog, model = declared(table, view)
    lake = Stores.open(Places.below(tmp_path)).lake
    lake.write("events", Produced(rows(id=[1, 2], customer=[7, 7]), WINDOW), PROVENANCE)
    # A feature called like a step of the join: the larger value is the older one.
    lake.write("seen", Produced(rows(customer=[7, 7], known_at=[9, 3]), WINDOW), PROVENANCE)
    engine = Stores.open(Places.below(tmp_path)).engine
    views = {view: lake.pin("seen", WINDOW)}
    found = assemble_training_set(engine, catalog, model, lake.pin("events", WINDOW), views, "2024-03-05")
    assert found.produced.rows.column(f"{view}__known_at").to_pylist() == [9, 3]
