"""What came true is looked at where it had the time to; moments are watched as how long ago they were."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from mlops_assets.data.training_set import Horizon, labelled_events
from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.model import Label, Model, Window
from mlops_assets.steps.population import asked, came_true
from mlops_assets.stores.engine import Engine

MODEL = Model(
    name="late",
    owner="team:x",
    label=Label(table="flights", positive="came_back"),
    features="service",
    estimator=Estimator(path="sklearn.dummy.DummyClassifier"),
    window=Window(train_days=28, evaluate_days=7),
)
AS_OF = datetime(2024, 3, 8, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine(tmp_path_factory.mktemp("spill"))


def events() -> pa.Table:
    """Every hour of a week; a third is positive, which is known at once, what is not after three days."""
    hours = np.arange(7 * 24)
    happened = [AS_OF - timedelta(hours=int(hour) + 1) for hour in hours]
    positive = (hours % 3 == 0).tolist()
    known = [
        moment if yes else moment + timedelta(days=3) for moment, yes in zip(happened, positive, strict=True)
    ]
    return pa.table(
        {
            "id": hours,
            "came_back": positive,
            "event_time": pa.array(happened, MOMENT),
            "available_at": pa.array(known, MOMENT),
        }
    )


def labels(engine, table: pa.Table, until: datetime) -> list[bool | None]:
    horizon = Horizon.watched(date(2024, 3, 8), 7, ZoneInfo("UTC"))
    known = labelled_events(MODEL, ("id",), (), horizon, "UTC")
    sql = came_true(f"({known})", "evaluate", until, "UTC")
    return engine.rows(sql, {"flights": table}).column("label").to_pylist()


def test_labels_that_one_class_makes_wait_for_look_like_drift_unless_old_enough(engine):
    at_once = labels(engine, events(), AS_OF)
    settled = labels(engine, events(), AS_OF - timedelta(days=3, hours=1))
    assert np.mean([one for one in at_once if one is not None]) > 0.4
    assert None not in settled
    assert np.mean(settled) == pytest.approx(1 / 3, abs=0.01)


def test_labels_that_should_have_come_and_did_not_are_missing(engine):
    table = events()
    never = table.set_column(1, "came_back", pa.nulls(len(table), pa.bool_()))
    late = table.set_column(3, "available_at", pa.array([AS_OF] * len(table), MOMENT))
    for without in (never, late):
        assert set(labels(engine, without, AS_OF - timedelta(days=3))) == {None}


def test_a_moment_is_watched_as_how_long_ago_it_was(engine):
    class Catalog:
        def input_types(self, model):
            return {"ordered_at": "timestamp", "amount": "number"}

    table = events().append_column(
        "ordered_at", pa.array([t - timedelta(days=2) for t in events()["event_time"].to_pylist()], MOMENT)
    )
    rows = engine.rows(
        asked(Catalog(), MODEL, "flights", "UTC"), {"flights": table.append_column("amount", table["id"])}
    )
    assert set(rows.column("ordered_at").to_pylist()) == {2 * 86_400.0}
    assert rows.column("amount").to_pylist() == table["id"].to_pylist()
