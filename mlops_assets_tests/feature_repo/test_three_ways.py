"""A feature is one value wherever it is computed: in a training set, in Feast's history, and online."""

import shutil
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.declaration.source import Source
from mlops_assets.declaration.versions import declared_version
from mlops_assets.resources.environment import DATABASE, HOME, ONLINE, REGISTRY
from mlops_assets.steps.training_set import assemble_training_set
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.feature_repo.test_feast_repository import feast
from mlops_assets_tests.sandbox import REAL

REPOSITORY = {
    "entities.yaml": "- {name: airport, key: origin}\n",
    "views/weather.yaml": """\
name: weather
owner: team:x
entities: [airport]
reads: {observed: 2d}
sql: SELECT origin, wind, snow, seen, icy, sky, event_time, available_at FROM observed
ttl: 1d
features:
  wind: {type: number}
  snow: {type: integer}
  seen: {type: timestamp}
  icy: {type: boolean}
  sky: {type: string}
""",
    # Of one view some features are only an input, and one is served too.
    "on_demand/ground.yaml": """\
name: ground
owner: team:x
inputs:
  request: {distance: integer, carrier: string}
  views: [weather:wind, weather:snow, weather:seen, weather:icy, weather:sky]
features:
  slow: {type: number, description: Minutes}
  layers: {type: integer}
  unsafe: {type: boolean}
  told: {type: string}
  next: {type: timestamp}
python: ground.py
""",
    "on_demand/ground.py": '''\
"""Comments and docstrings count for nothing."""
import pandas as pd


def transform(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({
        "slow": inputs["weather__wind"] * inputs["distance"] / 100,
        "layers": inputs["weather__snow"] // 2,
        "unsafe": inputs["weather__icy"] & (inputs["weather__wind"] > 10),
        "told": inputs["carrier"] + ":" + inputs["weather__sky"],
        "next": inputs["weather__seen"] + pd.Timedelta(hours=1),
    })
''',
    "services.yaml": """\
- name: flight
  owner: team:x
  features:
  - ground
  - weather:wind
  - {view: weather, name: arrival_weather, keys: {origin: dest}, features: [wind, sky]}
- {name: slowness, owner: "team:x", features: ["ground:slow"]}
""",
}
COLUMNS = {"origin": "string", "dest": "string", "distance": "integer", "carrier": "string"}
WEATHER = {"origin": "string", "wind": "number", "snow": "integer", "seen": "timestamp", "icy": "boolean"}
MODEL = {
    "name": "late",
    "owner": "team:x",
    "features": "flight",
    "label": {"table": "flights", "positive": "distance > 150"},
    "estimator": {"path": "sklearn.dummy.DummyClassifier"},
    "window": {"train_days": 1, "evaluate_days": 3},
    "gates": {"champion": {"at_least_days": 3}},
}
# Values live as long online as they do offline, so these are of today.
NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
DAYS = [(NOON.date() + timedelta(days=day)).isoformat() for day in range(-2, 2)]
AS_OF = (NOON.date() + timedelta(days=2)).isoformat()
MOMENT = pa.timestamp("us", tz="UTC")
FLIGHTS = pa.table(
    {
        "partition": [DAYS[2]] * 5,
        "id": pa.array(range(5), pa.int64()),
        "origin": ["EWR", "JFK", "LGA", "JFK", "EWR"],
        "dest": ["JFK", "EWR", "JFK", "LGA", None],
        "distance": pa.array([100, 200, 300, None, 2**53 + 1], pa.int64()),
        "carrier": ["AA", "ÖÖ", None, "B6", "AA"],
        "event_time": pa.array([NOON] * 5, MOMENT),
        "available_at": pa.array([NOON] * 5, MOMENT),
    }
)
# Of one airport the values are missing, and of another there is no row.
OBSERVED = pa.table(
    {
        "partition": [DAYS[2]] * 2,
        "origin": ["EWR", "JFK"],
        "wind": [12.5, None],
        "snow": pa.array([5, None], pa.int64()),
        "seen": pa.array([NOON - timedelta(hours=3), None], MOMENT),
        "icy": [True, None],
        "sky": ["grey", None],
        "event_time": pa.array([NOON - timedelta(hours=2)] * 2, MOMENT),
        "available_at": pa.array([NOON - timedelta(hours=1)] * 2, MOMENT),
    }
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository on disk, its catalog, and a lake with a few rows."""
    place = tmp_path_factory.mktemp("ways")
    folder = place / "feature_repo"
    for name, text in REPOSITORY.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("feature_store.yaml", "repository.py"):
        shutil.copy(REAL / "feature_repo" / name, folder)
    (folder / "data").mkdir()
    stores = Stores.open(Places.below(place / ".mlops"))
    code = str(declared_version(read_feature_repository(folder), "weather"))
    for table, rows in (("features/weather", OBSERVED), ("validated/flights", FLIGHTS)):
        stores.lake.write(table, Produced(rows, DAYS), Provenance(code, "run", "now"))
    feast(folder, "apply")
    # Feast's plan calls every view changed that was materialized since.
    as_applied = tmp_path_factory.mktemp("copy") / "as_applied"
    shutil.copytree(place, as_applied)
    catalog = Catalog.of([source()], read_feature_repository(folder))
    return folder, catalog, stores, as_applied / "feature_repo"


def source() -> Source:
    tables = [
        table("flights", {"id": "integer", **COLUMNS}, key="id"),
        table("observed", {**WEATHER, "sky": "string"}, key="origin"),
    ]
    return Source.model_validate({"name": "air", "owner": "team:x", "start": DAYS[0], "tables": tables})


def table(name, columns, *, key):
    declared = {column: {"type": kind, "known": "ahead"} for column, kind in columns.items()}
    read = {"reads": {"landing": "a.csv"}, "select": "SELECT 1", "key": [key]}
    return {"name": name, "columns": declared, **read}


@pytest.fixture(scope="module")
def training_set(project):
    _, catalog, stores, _ = project
    events = stores.lake.pin("validated/flights", DAYS)
    views = {"weather": stores.lake.pin("features/weather", DAYS)}
    model = Model.model_validate(MODEL)
    made = assemble_training_set(stores.engine, catalog, model, events, views, AS_OF)
    return made.produced.rows


@pytest.fixture(scope="module")
def store(project):
    from feast import FeatureStore

    folder, *_ = project
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.delenv(HOME, raising=False)
        patched.delenv(DATABASE, raising=False)
        patched.delenv(ONLINE, raising=False)
        patched.delenv(REGISTRY, raising=False)
        yield FeatureStore(".")


SERVED = [
    *(f"ground__{name}" for name in ("slow", "layers", "unsafe", "told", "next")),
    "weather__wind",
    "arrival_weather__wind",
    "arrival_weather__sky",
]


def values(rows: dict[str, list[object]]) -> dict[str, list[object]]:
    return {column: [None if pd.isna(one) else one for one in rows[column]] for column in SERVED}


def test_the_training_set_has_what_the_service_delivers_and_not_what_only_a_transform_needs(training_set):
    asked = ["id", "origin", "dest", "distance", "carrier"]
    assert set(training_set.column_names) >= {*asked, *SERVED}
    assert "weather__snow" not in training_set.column_names
    assert [one for one in training_set.column_names if "__" in one] == SERVED
    # A request whose distance is missing has no label, so it is not learned from.
    assert training_set["id"].to_pylist() == [0, 1, 2, 4]
    assert values(training_set.to_pydict()) == {
        "ground__slow": [12.5, None, None, 12.5 * (2**53 + 1) / 100],
        "ground__layers": [2, None, None, 2],
        # Neither strong wind nor any other makes a flight unsafe that is known not to be.
        "ground__unsafe": [True, False, False, True],
        "ground__told": ["AA:grey", None, None, "AA:grey"],
        "ground__next": [NOON - timedelta(hours=2), None, None, NOON - timedelta(hours=2)],
        "weather__wind": [12.5, None, None, 12.5],
        "arrival_weather__wind": [None, 12.5, None, None],
        "arrival_weather__sky": [None, "grey", None, None],
    }


def test_feasts_history_has_the_same(store, training_set):
    requests = training_set.select(["origin", "dest", "distance", "carrier"]).to_pandas()
    requests["event_timestamp"] = NOON
    answer = store.get_historical_features(
        requests, store.get_feature_service("flight"), full_feature_names=True
    )
    assert values(answer.to_arrow().to_pydict()) == values(training_set.to_pydict())


def test_one_feature_of_a_transform_can_be_asked_for_alone(store, training_set):
    requests = training_set.select(["origin", "distance", "carrier"]).to_pandas()
    requests["event_timestamp"] = NOON
    answer = store.get_historical_features(requests, ["ground:slow"], full_feature_names=True).to_df()
    assert answer["ground__slow"].iloc[0] == 12.5


def test_the_online_answer_is_the_same(store, training_set):
    store.materialize(NOON - timedelta(days=1), NOON)
    # Online, Feast asks for nothing by a key that is missing.
    expected = training_set.filter(pc.is_valid(training_set["dest"]))
    asked = expected.select(["origin", "dest", "distance", "carrier"]).to_pylist()
    answer = store.get_online_features(
        store.get_feature_service("flight"), asked, full_feature_names=True
    ).to_dict()
    assert len(asked) == 3
    assert values(answer) == values(expected.to_pydict())


def test_a_comment_changes_nothing_and_code_does(project):
    *_, changed = project
    code = changed / "on_demand" / "ground.py"
    code.write_text(code.read_text().replace("import pandas as pd", "import pandas as pd  # as always"))
    assert "No changes to registry" in feast(changed, "plan")
    code.write_text(code.read_text().replace("/ 100", "/ 10"))
    assert "ground" in feast(changed, "plan")
