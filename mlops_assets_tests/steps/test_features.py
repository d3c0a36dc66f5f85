"""From validated tables to the rows of a view."""

import pyarrow as pa
import pytest

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureView
from mlops_assets.declaration.source import Source
from mlops_assets.errors import ViewUncomputable
from mlops_assets.steps.features import compute_view
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")

SOURCE = Source.model_validate(
    {
        "name": "shop",
        "owner": "team:shop",
        "start": "2024-03-01",
        "tables": [
            {
                "name": "customers",
                "reads": {"landing": "customers.csv"},
                "select": "SELECT 1",
                "key": ["id"],
                "partitions": "none",
                "columns": {"id": {"type": "integer"}, "age": {"type": "string"}},
            }
        ],
    }
)
VIEW = FeatureView.model_validate(
    {
        "name": "profile",
        "owner": "team:shop",
        "entities": ["customer"],
        "reads": {"customers": "0d"},
        "sql": "profile.sql",
        "ttl": "1d",
        "features": {"age": {"type": "integer"}},
    }
)
CUSTOMERS = pa.table(
    {
        "partition": ["all"],
        "id": [1],
        "age": ["many"],
        "event_time": ["2024-03-01"],
        "available_at": ["2024-03-01"],
    }
)


def test_a_row_that_stops_the_sql_of_a_view_is_told_with_view_file_and_reason(tmp_path):
    (tmp_path / "profile.sql").write_text(
        "SELECT id, CAST(age AS BIGINT) AS age, event_time, available_at FROM customers\n"
    )
    view = VIEW.with_sql_from(tmp_path)
    entity = Entity(name="customer", key="id", type="integer")
    catalog = Catalog.of([SOURCE], FeatureRepository.of([entity], [view], []))
    stores = Stores.open(Places.below(tmp_path))
    stores.lake.write("validated/customers", Produced(CUSTOMERS, ["all"]), PROVENANCE)
    customers = stores.lake.pin("validated/customers")
    with pytest.raises(ViewUncomputable, match=r"feature view 'profile' \(profile.sql\): .*'many'"):
        compute_view(stores.engine, catalog, view, {"customers": customers}, ["all"])
