"""The join against the same question asked of every row in Python."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_assets.data import point_in_time
from mlops_assets.data.point_in_time import JoinedView
from mlops_assets.errors import BadRequest
from mlops_assets.stores.as_known import features_as_known
from mlops_assets.stores.engine import Engine

START = datetime(2013, 3, 10, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")
KEYS = st.none() | st.sampled_from(["a", "b"])
# A few moments close together, so that ties, restatements and the edge of the TTL are common.
MINUTES = st.integers(0, 6)

REQUESTS = st.lists(st.tuples(KEYS, st.none() | MINUTES), min_size=1, max_size=5)
ROWS = st.lists(st.tuples(KEYS, st.none() | MINUTES, st.none() | MINUTES), max_size=20)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine(tmp_path_factory.mktemp("spill"))


def minute(count):
    return None if count is None else START + timedelta(minutes=count)


def requests_of(rows):
    return pa.table(
        {
            "id": pa.array(range(len(rows)), pa.int64()),
            "k": pa.array([key for key, _ in rows], pa.string()),
            "at": pa.array([minute(at) for _, at in rows], MOMENT),
        }
    )


def view_of(rows):
    """Each row has a value of its own, except that rows equal in key and both times are one."""
    rows = list(dict.fromkeys(rows))
    return pa.table(
        {
            "k": pa.array([key for key, _, _ in rows], pa.string()),
            "value": pa.array(range(len(rows)), pa.int64()),
            "event_time": pa.array([minute(event) for _, event, _ in rows], MOMENT),
            "available_at": pa.array([minute(known) for _, _, known in rows], MOMENT),
        }
    )


def known_at(key, at, view, ttl):
    """The value that the docstring of newest_known asks for, found by looking at every row."""
    counting = [
        row
        for row in view.to_pylist()
        if None not in (key, at, row["k"], row["event_time"], row["available_at"])
        and row["k"] == key
        and row["event_time"] <= at
        and row["available_at"] <= at
    ]
    if not counting:
        return None
    newest = max(counting, key=lambda row: (row["event_time"], row["available_at"]))
    return newest["value"] if at - newest["event_time"] <= ttl else None


def answered(engine, requests, at, declared, at_once=1000, **views):
    with engine.session(views) as session:
        return features_as_known(session, requests, at, declared, at_once=at_once)


def joined(engine, requests, ttl, at_once=1000, **views):
    declared = [JoinedView(name, ("k",), {"value": f"{name}__value"}, ttl) for name in views]
    return answered(engine, requests, "at", declared, at_once, **views).to_pylist()


@settings(max_examples=150)
@given(requests=REQUESTS, one=ROWS, two=ROWS, ttl=st.integers(1, 4), at_once=st.sampled_from([1, 4, 1000]))
# The newest event arrives late and its older one is restated in between.
@example(
    requests=[("a", m) for m in range(7)],
    one=[("a", 2, 5), ("a", 1, 1), ("a", 1, 4)],
    two=[],
    ttl=4,
    at_once=1000,
)
# Two events become known at the same moment.
@example(requests=[("a", 3)], one=[("a", 1, 3), ("a", 2, 3)], two=[], ttl=4, at_once=1000)
# A forecast: known before it happens.
@example(requests=[("a", 2), ("a", 3)], one=[("a", 3, 1), ("a", 3, 2)], two=[], ttl=1, at_once=1000)
# When it could be known is not known, so it never counts.
@example(requests=[("a", 6)], one=[("a", 5, None), ("a", 4, 4)], two=[], ttl=4, at_once=1000)
def test_the_join_answers_as_a_look_at_every_row_does(engine, requests, one, two, ttl, at_once):
    asked, views = requests_of(requests), {"one": view_of(one), "two": view_of(two)}
    span = timedelta(minutes=ttl)
    expected = [
        row | {f"{name}__value": known_at(row["k"], row["at"], view, span) for name, view in views.items()}
        for row in asked.to_pylist()
    ]
    assert joined(engine, asked, span, at_once, **views) == expected


@pytest.mark.parametrize(("age", "value"), [(0, 7), (59_999_999, 7), (60_000_000, 7), (60_000_001, None)])
def test_a_value_lives_to_the_last_microsecond_of_its_ttl(engine, age, value):
    view = pa.table(
        {
            "k": ["a"],
            "value": [7],
            "event_time": pa.array([START], MOMENT),
            "available_at": pa.array([START], MOMENT),
        }
    )
    at = pa.array([START + timedelta(microseconds=age)], MOMENT)
    found = joined(engine, pa.table({"id": [0], "k": ["a"], "at": at}), timedelta(minutes=1), one=view)
    assert found[0]["one__value"] == value


def test_an_expired_newest_value_is_not_replaced_by_an_older_one_known_later(engine):
    view = view_of([("a", 0, 5), ("a", 1, 1)])
    assert joined(engine, requests_of([("a", 6)]), timedelta(minutes=1), one=view)[0]["one__value"] is None


def test_a_restatement_counts_from_the_moment_it_is_known(engine):
    view = view_of([("a", 1, 1), ("a", 1, 3), ("a", 1, 5)])
    found = joined(engine, requests_of([("a", m) for m in range(7)]), timedelta(hours=1), one=view)
    assert [row["one__value"] for row in found] == [None, 0, 0, 1, 1, 2, 2]


def test_a_null_that_is_the_newest_known_value_is_the_answer(engine):
    view = view_of([("a", 1, 1), ("a", 2, 2)]).set_column(1, "value", pa.array([7, None], pa.int64()))
    found = joined(engine, requests_of([("a", 1), ("a", 2)]), timedelta(hours=1), one=view)
    assert [row["one__value"] for row in found] == [7, None]


def test_views_with_two_keys_need_both_to_match(engine):
    times = {"event_time": pa.array([START] * 3, MOMENT), "available_at": pa.array([START] * 3, MOMENT)}
    view = pa.table({"k": ["a", "a", None], "l": [1, 2, 1], "value": [10, 20, 30], **times})
    at = pa.array([START] * 4, MOMENT)
    asked = pa.table({"id": range(4), "k": ["a", "a", "b", None], "l": [1, 2, 1, 1], "at": at})
    declared = [JoinedView("v", ("k", "l"), {"value": "x"}, timedelta(1))]
    rows = answered(engine, asked, "at", declared, v=view)
    assert rows["x"].to_pylist() == [10, 20, None, None]


UNICODE = st.none() | st.sampled_from(["a", "ä", "a\u0308", "", "日本"])
NUMBERS = st.none() | st.sampled_from([0, 1, -1, 2**31 - 1])


def together(text, number):
    return None if None in (text, number) else f"{text} {number}"


@settings(max_examples=100)
@given(
    requests=st.lists(st.tuples(UNICODE, NUMBERS, st.none() | MINUTES), max_size=6),
    rows=st.lists(st.tuples(UNICODE, NUMBERS, MINUTES, MINUTES), max_size=30),
    ttl=st.integers(1, 4),
    at_once=st.sampled_from([1, 8, 1000]),
    room=st.sampled_from([1, 2**30, 2**62]),
    wide=st.booleans(),
)
def test_entities_of_several_keys_are_told_apart(engine, requests, rows, ttl, at_once, room, wide):
    rows, span = list(dict.fromkeys(rows)), timedelta(minutes=ttl)
    times = [pa.array([minute(row[n]) for row in rows], MOMENT) for n in (2, 3)]
    view = pa.table(
        {
            "text": pa.array([row[0] for row in rows], pa.string()),
            "number": pa.array([row[1] for row in rows], pa.int64()),
            "value": pa.array(range(len(rows)), pa.int64()),
            "event_time": times[0],
            "available_at": times[1],
        }
    )
    asked = pa.table(
        {
            "number": pa.array([row[1] for row in requests], pa.int64() if wide else pa.int32()),
            "text": pa.array([row[0] for row in requests], pa.large_string() if wide else pa.string()),
            "at": pa.array([minute(row[2]) for row in requests], pa.timestamp("ms", tz="Asia/Tokyo")),
        }
    )
    one = view.append_column("k", pa.array([together(*row[:2]) for row in rows], pa.string()))
    expected = [known_at(together(*row[:2]), minute(row[2]), one, span) for row in requests]
    declared = [JoinedView("v", ("text", "number"), {"value": "x"}, span)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(point_in_time, "ROOM", room)
        found = answered(engine, asked, "at", declared, at_once, v=view)
    assert found.drop_columns("x") == asked
    assert found["x"].to_pylist() == expected


def test_a_value_of_every_type_is_handed_over_and_settles_a_tie(engine):
    values = {
        "integer": pa.array([None, 2, 1], pa.int64()),
        "number": pa.array([None, float("nan"), 1.5]),
        "text": pa.array([None, "b", "a"]),
        "truth": pa.array([None, True, False]),
        "moment": pa.array([None, minute(2), minute(1)], MOMENT),
    }
    for feature, column in values.items():
        view = view_of([("a", 1, 1)]).take([0, 0, 0]).set_column(1, feature, column)
        declared = [JoinedView("v", ("k",), {feature: "x"}, timedelta(hours=1))]
        assert answered(engine, requests_of([("a", 1)]), "at", declared, v=view)["x"].to_pylist() == [
            column[2].as_py()
        ]


def test_a_lifetime_longer_than_the_calendar_is_no_end(engine):
    view = view_of([("a", 1, 1)])
    assert joined(engine, requests_of([("a", 5)]), timedelta(days=2_000_000), v=view)[0]["v__value"] == 0


def test_keys_that_are_no_keys_of_a_view_are_refused(engine):
    view = view_of([("a", 1, 1)]).set_column(0, "k", pa.array([1], pa.int64()))
    with pytest.raises(BadRequest, match=r"'v' is joined by k \(int64\); what is asked is no such key"):
        joined(engine, requests_of([("a", 5)]), timedelta(days=1), v=view)


def test_a_view_may_be_asked_by_other_columns_than_its_keys(engine):
    asked = requests_of([("a", 1)]).rename_columns(["k", "other", "at"])
    declared = [JoinedView("v", ("k",), {"value": "x"}, timedelta(1), asked_with=("other",))]
    assert answered(engine, asked, "at", declared, v=view_of([("a", 1, 1)]))["x"].to_pylist() == [0]


def test_names_that_sql_would_not_take_unquoted_are_taken(engine):
    view = view_of([("a", 1, 1)]).rename_columns(["the key", 'va"lue', "event_time", "available_at"])
    asked = requests_of([("a", 1)]).rename_columns(["id", "the key", "select"])
    declared = [JoinedView("features/a view", ("the key",), {'va"lue': "from"}, timedelta(1))]
    rows = answered(engine, asked, "select", declared, **{"features/a view": view})
    assert rows["from"].to_pylist() == [0]


def test_without_views_the_requests_come_back(engine):
    asked = requests_of([("a", 1), (None, None)])
    assert answered(engine, asked, "at", []) == asked


def test_many_requests_come_out_once_each(engine):
    asked = requests_of([("ab"[i % 2], i % 5) for i in range(5000)])
    rows = joined(engine, asked, timedelta(hours=1), one=view_of([("a", 1, 1), ("a", 1, 2), ("b", 3, 3)]))
    assert [row["id"] for row in rows] == list(range(5000))


def test_rows_that_differ_only_in_their_value_give_the_same_answer_in_whatever_order_they_lie(engine):
    requests = requests_of([("a", 5)])
    answers = set()
    for values in ([3, 1, 2], [1, 2, 3], [2, 3, 1]):
        view = pa.table(
            {
                "k": ["a"] * 3,
                "value": pa.array(values, pa.int64()),
                "event_time": pa.array([minute(1)] * 3, MOMENT),
                "available_at": pa.array([minute(1)] * 3, MOMENT),
            }
        )
        answers.update(row["v__value"] for row in joined(engine, requests, timedelta(hours=1), v=view))
    assert answers == {1}
