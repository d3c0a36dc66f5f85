"""Which events a model may learn from, and when a day begins."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.data.training_set import Horizon, labelled_events, usable, use_counts
from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.model import Label, Model, Window
from mlops_assets.stores.engine import Engine

NEW_YORK = "America/New_York"
MOMENT = pa.timestamp("us", tz="UTC")
WINDOW = Window(train_days=3, evaluate_days=2)
# Clocks in New York went forward on 2013-03-10 and back on 2013-11-03.
SPRING, AUTUMN = date(2013, 3, 12), date(2013, 11, 5)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine(tmp_path_factory.mktemp("spill"))


def model(before="0s"):
    return Model(
        name="late",
        owner="team:x",
        label=Label(table="flights", positive="delay > 15"),
        predict_before=before,
        features="service",
        estimator=Estimator(path="sklearn.dummy.DummyClassifier"),
        window=Window(train_days=28, evaluate_days=7),
    )


def events(*rows):
    """Rows of (id, delay, event_time, available_at)."""
    ids, delays, happened, known = zip(*rows, strict=True)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "delay": pa.array(delays, pa.float64()),
            "carrier": pa.array(["AA"] * len(ids)),
            "event_time": pa.array(happened, MOMENT),
            "available_at": pa.array(known, MOMENT),
        }
    )


def labelled(engine, table, as_of, *, before="0s", timezone=NEW_YORK):
    horizon = Horizon.of(as_of, WINDOW, ZoneInfo(timezone))
    sql = labelled_events(model(before), ("id",), ("carrier", "id"), horizon, timezone)
    return engine.rows(f"{sql} ORDER BY id", {"flights": table})


def local(day, hour, minute=0, *, timezone=NEW_YORK, fold=0):
    return datetime(day.year, day.month, day.day, hour, minute, fold=fold, tzinfo=ZoneInfo(timezone))


@pytest.mark.parametrize(
    ("as_of", "timezone", "starts", "ends"),
    [
        (SPRING, "UTC", "2013-03-10T00:00+00:00", "2013-03-12T00:00+00:00"),
        # Two days of 23 and 24 hours, then of 25 and 24.
        (SPRING, NEW_YORK, "2013-03-10T05:00+00:00", "2013-03-12T04:00+00:00"),
        (AUTUMN, NEW_YORK, "2013-11-03T04:00+00:00", "2013-11-05T05:00+00:00"),
        # On this day São Paulo's clocks jumped over midnight.
        (date(2013, 10, 22), "America/Sao_Paulo", "2013-10-20T03:00+00:00", "2013-10-22T02:00+00:00"),
        # Samoa had no 30 December 2011.
        (date(2012, 1, 1), "Pacific/Apia", "2011-12-30T10:00+00:00", "2011-12-31T10:00+00:00"),
    ],
)
def test_days_begin_at_the_midnight_of_the_source(as_of, timezone, starts, ends):
    horizon = Horizon.of(as_of, WINDOW, ZoneInfo(timezone))
    assert horizon.evaluation_starts.astimezone(UTC) == datetime.fromisoformat(starts)
    assert horizon.as_of.astimezone(UTC) == datetime.fromisoformat(ends)


def test_the_window_ends_the_day_before_and_its_parts_touch():
    horizon = Horizon.of(date(2013, 3, 1), Window(train_days=28, evaluate_days=7), ZoneInfo("UTC"))
    assert horizon.first == date(2013, 1, 25)
    assert horizon.evaluate_from == date(2013, 2, 22)
    assert horizon.last == date(2013, 2, 28)


@pytest.mark.parametrize("as_of", [SPRING, AUTUMN])
def test_events_belong_to_their_local_day_across_a_change_of_clocks(engine, as_of):
    first, evaluate_from = as_of - timedelta(5), as_of - timedelta(2)
    second = timedelta(seconds=1)
    moments = [
        local(first, 0) - second,
        local(first, 0),
        local(evaluate_from, 0) - second,
        local(evaluate_from, 0),
        local(evaluate_from, 23, 59),
        local(as_of, 0) - second,
        local(as_of, 0),
    ]
    found = labelled(engine, events(*((i, 0.0, m, m) for i, m in enumerate(moments))), as_of)
    assert dict(zip(found["id"].to_pylist(), found["use"].to_pylist(), strict=True)) == {
        1: "train",
        2: "train",
        3: "evaluate",
        4: "evaluate",
        5: "evaluate",
    }


@pytest.mark.parametrize(
    ("day", "delay", "known", "use"),
    [
        pytest.param(-1, 20.0, local(SPRING, 0) - timedelta(microseconds=1), "evaluate", id="just known"),
        pytest.param(-1, 20.0, local(SPRING, 0), "not_known_yet", id="known at the as-of moment"),
        pytest.param(-4, 20.0, local(SPRING, 9), "not_known_yet", id="an old event known too late"),
        pytest.param(-4, 20.0, local(date(2013, 3, 10), 0), "overlaps_evaluation", id="known in evaluation"),
        pytest.param(
            -4, 20.0, local(date(2013, 3, 10), 0) - timedelta(microseconds=1), "train", id="known before it"
        ),
        pytest.param(-4, None, local(date(2013, 3, 8), 0), "unlabelled", id="never labelled"),
        pytest.param(-4, None, local(SPRING, 9), "unlabelled", id="neither labelled nor known"),
        pytest.param(-4, 20.0, None, "not_known_yet", id="no moment of knowledge"),
    ],
)
def test_a_label_is_used_only_as_it_was_known(engine, day, delay, known, use):
    found = labelled(engine, events((1, delay, local(SPRING + timedelta(day), 12), known)), SPRING)
    assert found["use"].to_pylist() == [use]


@pytest.mark.parametrize(("delay", "label"), [(15.0, False), (15.5, True), (None, None)])
def test_the_label_is_what_the_declared_condition_says(engine, delay, label):
    moment = local(date(2013, 3, 10), 12)
    assert labelled(engine, events((1, delay, moment, moment)), SPRING)["label"].to_pylist() == [label]


def test_features_are_asked_for_before_the_event_by_elapsed_time(engine):
    # Half past three, an hour and a half after the clocks left out the hour from two to three.
    moment = local(date(2013, 3, 10), 3, 30)
    found = labelled(engine, events((1, 1.0, moment, moment)), SPRING, before="2h")
    assert found["predicted_at"].to_pylist() == [local(date(2013, 3, 10), 0, 30).astimezone(UTC)]


def test_a_row_carries_its_key_what_was_asked_for_once_and_its_times(engine):
    moment = local(date(2013, 3, 10), 12)
    found = labelled(engine, events((1, 1.0, moment, moment)), SPRING)
    assert found.column_names == [
        "id", "carrier", "event_time", "predicted_at", "label_known_at", "label", "use"
    ]  # fmt: skip


HOURS = st.integers(-200, 60)


@given(rows=st.lists(st.tuples(HOURS, HOURS, st.none() | st.booleans()), min_size=1, max_size=15))
def test_every_event_of_the_window_has_one_use_and_is_counted(engine, rows):
    end = local(SPRING, 0).astimezone(UTC)
    table = events(
        *(
            (i, label, end + timedelta(hours=happened), end + timedelta(hours=max(known, happened)))
            for i, (happened, known, label) in enumerate(rows)
        )
    )
    found = labelled(engine, table, SPRING)
    days = [moment.astimezone(ZoneInfo(NEW_YORK)).date() for moment in table["event_time"].to_pylist()]
    inside = [i for i, day in enumerate(days) if SPRING - timedelta(5) <= day < SPRING]
    assert found["id"].to_pylist() == inside

    counts = engine.rows(use_counts("events"), {"events": found}).to_pylist()
    assert sum(count["rows"] for count in counts) == len(inside)
    used = engine.rows(usable("events"), {"events": found}).to_pylist()
    assert {row["use"] for row in used} <= {"train", "evaluate"}
    starts = local(date(2013, 3, 10), 0)
    for row in used:
        assert row["label"] is not None
        assert row["label_known_at"] < (starts if row["use"] == "train" else end)
        assert (row["event_time"] < starts) == (row["use"] == "train")
