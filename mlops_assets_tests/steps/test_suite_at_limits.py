"""Our SQL and Great Expectations give one answer exactly at a limit, and just beside it."""

import math

import pytest

from mlops_assets.declaration.source import Source
from mlops_assets.steps.ingestion import ingest
from mlops_assets.steps.validation import judge, validate_with_suite
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.stores import Places, Stores

DAY = "2024-03-30"
NOON = f"{DAY}T12:00:00Z"
PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]  # Great Expectations and its imports have many


def results(tmp_path, columns: dict[str, list], expectations: dict[str, dict]):
    """What ours and theirs say of each expectation of a day that has these columns; None is missing."""
    rows = len(next(iter(columns.values())))
    kinds = {
        name: "number" if any(isinstance(value, float) for value in values) else "integer"
        for name, values in columns.items()
    }
    table = {
        "name": "numbers",
        "reads": {"landing": "numbers.csv"},
        "select": "SELECT *, moment AS event_time, moment AS available_at FROM source",
        "key": ["id"],
        "quarantine_at_most": 1.0,
        "columns": {"id": {"type": "integer"}, **{name: {"type": kind} for name, kind in kinds.items()}},
        "expectations": [{"name": name, **said} for name, said in expectations.items()],
    }
    source = Source.model_validate(
        {"name": "shop", "owner": "team:x", "start": DAY, "end": DAY, "tables": [table]}
    )
    stores = Stores.open(Places.below(tmp_path))
    stores.files.landing.mkdir(parents=True)
    lines = [f"id,moment,{','.join(columns)}"]
    for n in range(rows):
        cells = ("" if values[n] is None else str(values[n]) for values in columns.values())
        lines.append(f"{n},{NOON},{','.join(cells)}")
    (stores.files.landing / "numbers.csv").write_text("\n".join(lines) + "\n")
    stores.lake.write("raw/numbers", ingest(stores, source, source.tables[0], [DAY]), PROVENANCE)
    told = (stores, source, source.tables[0], stores.lake.pin("raw/numbers", [DAY]))
    ours = {one.expectation: one for one in judge(*told, [DAY]).outcomes[DAY]}
    _, found = validate_with_suite(*told, DAY)
    theirs = {one.expectation: one for one in found if one.expectation in ours}
    assert ours.keys() == theirs.keys()
    return ours, theirs


def verdicts(tmp_path, columns, expectations) -> dict[str, tuple[bool, bool]]:
    ours, theirs = results(tmp_path, columns, expectations)
    assert not [one for one in theirs.values() if one.error]
    return {name: (ours[name].passed, theirs[name].passed) for name in ours}


@pytest.mark.parametrize(
    ("rows", "limits"), [(3, range(4)), (7, range(8)), (10, range(11)), (100, (7, 10, 29, 57, 58, 99))]
)
def test_as_many_may_miss_as_was_said_and_not_one_more(tmp_path, rows, limits):
    columns, expectations = {}, {}
    for k in limits:
        columns[f"c{k}"] = [None] * k + [1] * (rows - k)
        at, below = k / rows, (k - 1) / rows
        condition = f"c{k} IS NOT NULL"
        expectations[f"at{k}"] = {"completeness": {"column": f"c{k}", "missing_at_most": at}}
        expectations[f"rows_at{k}"] = {"rows": {"condition": condition, "at_most": at}}
        if k:
            expectations[f"below{k}"] = {"completeness": {"column": f"c{k}", "missing_at_most": below}}
            expectations[f"rows_below{k}"] = {"rows": {"condition": condition, "at_most": below}}
    found = verdicts(tmp_path, columns, expectations)
    assert found == {name: (("_at" in f"_{name}"),) * 2 for name in expectations}


MEANS = {
    "tenths": ([0.1] * 10, 0.1),
    "three_tenths": ([0.1, 0.2, 0.3], 0.2),
    "cents": ([n / 100 for n in range(1, 1000)], 5.0),
    "integers": ([1, 2, 3, 4], 2.5),
}
QUANTILES = {
    "median": ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
    "near": ([100.001] * 4, 0.9, 100.001),
    "first": ([5, 6, 7, 8, 9, 10, 11, 12, 13, 14], 0.1, 5),
    "last": ([5, 6, 7, 8, 9, 10, 11, 12, 13, 14], 0.9, 13),
    "large": ([2**53 + 1] * 3, 0.5, None),
}


@pytest.mark.parametrize("name", MEANS)
def test_a_mean_is_within_its_limits_exactly(tmp_path, name):
    values, mean = MEANS[name]
    above, below = mean * (1 + 1e-14), mean * (1 - 1e-14)
    said = {
        "both": [mean, mean],
        "low": [mean, None],
        "high": [None, mean],
        "too_high": [above, None],
        "too_low": [None, below],
    }
    found = verdicts(
        tmp_path, {"x": values}, {k: {"mean": {"column": "x", "between": v}} for k, v in said.items()}
    )
    assert found == {k: (not k.startswith("too"),) * 2 for k in said}


@pytest.mark.parametrize("name", QUANTILES)
def test_a_quantile_is_within_its_limits_exactly(tmp_path, name):
    values, at, found = QUANTILES[name]
    if found is None:
        said = {"too_low": [None, float(2**53)], "low": [float(2**53), None]}
    else:
        near = [
            found * (1 + 1e-5),
            found * (1 - 1e-5),
            math.nextafter(found, math.inf),
            math.nextafter(found, 0),
        ]
        said = {"both": [found, found], "too_high": [near[0], None], "too_low": [None, near[1]]}
        said |= {"too_high_by_a_bit": [near[2], None], "too_low_by_a_bit": [None, near[3]]}
    asked = {k: {"quantile": {"column": "x", "at": at, "between": v}} for k, v in said.items()}
    assert verdicts(tmp_path, {"x": values}, asked) == {k: (not k.startswith("too"),) * 2 for k in said}


def test_counts_and_moments_are_within_their_limits_exactly(tmp_path):
    asked = {
        "rows": {"row_count": {"between": [4, 4]}},
        "rows_too_few": {"row_count": {"between": [5, None]}},
        "kinds": {"distinct": {"column": "x", "between": [3, 3]}},
        "kinds_too_many": {"distinct": {"column": "x", "between": [None, 2]}},
        "fresh": {"freshness": {"within": "12h"}},
        "fresh_too_old": {"freshness": {"within": "43199s"}},
    }
    found = verdicts(tmp_path, {"x": [1, 2, 2, 3]}, asked)
    assert found == {name: ("too" not in name,) * 2 for name in asked}


def test_nothing_is_in_no_limits(tmp_path):
    asked = {
        "mean": {"mean": {"column": "x", "between": [None, 1e300]}},
        "middle": {"quantile": {"column": "x", "at": 0.5, "between": [-1e300, None]}},
    }
    assert verdicts(tmp_path, {"x": [None, None]}, asked) == dict.fromkeys(asked, (False, False))


def test_rows_are_set_aside_for_what_can_be_evaluated_and_the_others_are_measured(tmp_path):
    asked = {
        "broken": {"severity": "critical", "rows": {"condition": "CAST(concat(x, 'a') AS INTEGER) > 1"}},
        "small": {"severity": "critical", "rows": {"condition": "x < 10", "at_most": 0.5}},
        "kinds": {"distinct": {"column": "x", "between": [3, 3]}},
        "average": {"mean": {"column": "x", "between": [2, 2]}},
        "largest": {"quantile": {"column": "x", "at": 1, "between": [3, 3]}},
        "told": {"completeness": {"column": "x", "missing_at_most": 0.25}},
    }
    ours, theirs = results(tmp_path, {"x": [1, 2, 3, 1000, "many"]}, asked)
    assert [name for name, one in theirs.items() if one.error] == ["broken"]
    assert {name: one.passed for name, one in ours.items()} == {name: name != "broken" for name in asked}
    assert {name: one.passed for name, one in theirs.items()} == {name: name != "broken" for name in asked}


def test_a_mean_beyond_doubles_could_not_run_for_both(tmp_path):
    asked = {
        "mean": {"mean": {"column": "x", "between": [0, None]}},
        "many": {"row_count": {"between": [2, 2]}},
    }
    ours, theirs = results(tmp_path, {"x": [1e308, 1.7e308]}, asked)
    assert (ours["mean"].could_run, bool(theirs["mean"].error)) == (False, True)
    assert ours["many"].passed
    assert theirs["many"].passed
