"""Our SQL and Great Expectations give one answer exactly at a limit, and just beside it."""

import math

import pytest

from mlops_assets.declaration.source import Source
from mlops_assets.steps.ingestion import ingest
from mlops_assets.steps.validation import judge, validate_with_suite
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.stores import Places, Stores

DAY = "2024-03-30"
ENDS = f"{DAY}T12:00:00Z"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]  # Great Expectations and its imports have many


def verdicts(
    tmp_path, columns: dict[str, list], expectations: dict[str, dict]
) -> dict[str, tuple[bool, bool]]:
    """What ours and theirs say of each expectation of a day that has these columns; None is missing."""
    rows = len(next(iter(columns.values())))
    kinds = {
        name: "integer" if all(isinstance(v, int | None) for v in values) else "number"
        for name, values in columns.items()
    }
    table = {
        "name": "numbers",
        "reads": {"landing": "numbers.csv"},
        "select": "SELECT *, moment AS event_time, moment AS available_at FROM source",
        "key": ["id"],
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
        cells = ("" if values[n] is None else repr(values[n]) for values in columns.values())
        lines.append(f"{n},{ENDS},{','.join(cells)}")
    (stores.files.landing / "numbers.csv").write_text("\n".join(lines) + "\n")
    stores.lake.write("raw/numbers", ingest(stores, source, source.tables[0], [DAY]), Provenance("", "", ""))
    raw = stores.lake.pin("raw/numbers", [DAY])
    ours = {
        one.expectation: one.passed
        for one in judge(stores, source, source.tables[0], raw, [DAY]).outcomes[DAY]
    }
    _, results = validate_with_suite(stores, source, source.tables[0], raw, DAY)
    assert not [one for one in results if one.error]
    theirs = {one.expectation: one.passed for one in results if one.expectation in ours}
    assert ours.keys() == theirs.keys()
    return {name: (ours[name], theirs[name]) for name in ours}


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
