"""Which runs bring a model up to a date: what is missing, what other code made, and nothing else."""

from datetime import date, timedelta
from types import MappingProxyType

import pytest
import yaml

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.source import Source
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES, PlannedRun, Written, data_runs, is_made, model_run
from mlops_assets_tests.sandbox import REAL, SHOP, load_project, make_project

# The shop: a window of 28 days, values that live 7 days, a history of 11 days; it opens on 1 March.
AS_OF = date(2024, 3, 29)
SNAPSHOTS = {
    keys.raw("customers"),
    keys.validated("customers"),
    keys.quarantine("customers"),
    keys.features("customer_profile"),
}
TABLES = {keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")}
# Rows that were read are not read again.
JUDGED = TABLES - {keys.raw("orders")}
VIEW = keys.features("customer_orders")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return load_project(make_project(tmp_path_factory.mktemp("plan"), like=SHOP))


def days(first: str, last: str) -> list[str]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(begin + timedelta(days=n)).isoformat() for n in range((end - begin).days + 1)]


def everything(code: str = "now") -> dict[str, dict[str, str]]:
    made = {keys.table_name(key): {"all": code} for key in SNAPSHOTS}
    made |= {
        keys.table_name(key): dict.fromkeys(days("2024-03-01", "2024-03-28"), code) for key in (*TABLES, VIEW)
    }
    return made


def planned(
    shop, made: dict[str, dict[str, str]], as_of: date = AS_OF, outdated=MappingProxyType({}), **options
) -> list[PlannedRun]:
    written = Written(
        code=lambda table: made.get(table, {}),
        current=lambda key: "now",
        outdated=lambda table: set(outdated.get(table, ())),
    )
    return data_runs(
        shop.catalog, shop.model("returned"), written, first_as_of=as_of, last_as_of=as_of, **options
    )


def test_from_nothing_snapshots_come_first_and_all_days_of_the_window_are_one_run(shop):
    snapshots, daily = planned(shop, {})
    assert set(snapshots.assets) == SNAPSHOTS
    assert (snapshots.first, snapshots.last) == (None, None)
    assert set(daily.assets) == {*TABLES, VIEW}
    assert (daily.first, daily.last) == ("2024-03-01", "2024-03-28")


def test_nothing_is_made_twice(shop):
    assert planned(shop, everything()) == []


def test_what_was_made_from_other_rows_is_made_again(shop):
    (run,) = planned(shop, everything(), outdated={"validated/orders": ["2024-03-07"]})
    assert set(run.assets) == JUDGED
    assert (run.first, run.last) == ("2024-03-07", "2024-03-07")


def test_what_landed_again_is_read_and_judged_in_one_run(shop):
    (run,) = planned(shop, everything(), outdated={"raw/orders": ["2024-03-07"]})
    assert set(run.assets) == TABLES
    assert (run.first, run.last) == ("2024-03-07", "2024-03-07")


@pytest.mark.parametrize(
    ("made", "outdated", "expected"),
    [
        (STAGES, set(), True),
        (STAGES[:-1], set(), False),
        (STAGES, {"returned/training_set"}, False),
    ],
)
def test_a_model_is_made_when_every_stage_is_there_from_the_rows_of_now(shop, made, outdated, expected):
    written = Written(
        code=lambda table: {"2024-03-29": "now"} if table.removeprefix("returned/") in made else {},
        current=lambda key: "now",
        outdated=lambda table: {"2024-03-29"} if table in outdated else set(),
    )
    assert is_made(shop.model("returned"), "2024-03-29", written) is expected


def test_what_other_code_made_is_made_again(shop):
    made = everything() | {"features/customer_profile": {"all": "before"}}
    (again,) = planned(shop, made)
    assert again.assets == (keys.features("customer_profile"),)


def test_asking_again_makes_everything_again(shop):
    assert planned(shop, everything(), again=True) == planned(shop, {})


def test_only_the_days_that_lack_something_are_made(shop):
    made = everything()
    for day in ("2024-03-20", "2024-03-22"):
        del made["validated/orders"][day]
    runs = planned(shop, made)
    assert [set(run.assets) for run in runs] == [JUDGED, JUDGED]
    assert [(run.first, run.last) for run in runs] == [("2024-03-20",) * 2, ("2024-03-22",) * 2]


def test_tables_reach_further_back_than_the_views_that_need_their_history(shop):
    tables, views = planned(shop, everything("before"), date(2024, 5, 31))[1:]
    assert (set(tables.assets), tables.first, tables.last) == (TABLES, "2024-04-15", "2024-05-30")
    assert (views.assets, views.first, views.last) == ((VIEW,), "2024-04-26", "2024-05-30")


def test_the_shipped_model_is_brought_up_in_two_runs_of_data_and_one_of_the_model():
    project = load_project(REAL / "mlops_assets")
    (model,) = project.models.values()
    written = Written(lambda table: {}, project.code_version, lambda table: set())
    first = project.catalog.first_as_of(model)
    runs = data_runs(project.catalog, model, written, first_as_of=first, last_as_of=first)
    assert [run.first for run in runs] == [
        None,
        project.catalog.tables[model.label.table].source.start.isoformat(),
    ]
    assert model_run(model, "2013-03-01").assets == tuple(
        keys.of_model(model.name, stage) for stage in STAGES
    )


def test_what_rows_refer_to_is_made_before_them_however_far_away(tmp_path):
    far = "{name: it, references: {table: ABOVE, columns: {customer_id: customer_id}}}"
    project = load_project(make_project(tmp_path, like=SHOP))
    source = project.catalog.tables["orders"].source
    said = source.model_dump()
    orders, customers = said["tables"]
    orders["expectations"] = [yaml.safe_load(far.replace("ABOVE", "customers"))]
    customers["expectations"] = [yaml.safe_load(far.replace("ABOVE", "people"))]
    people = {**customers, "name": "people", "expectations": []}
    extended = Source.model_validate({**said, "tables": [orders, customers, people]})
    catalog = Catalog.of([extended], project.catalog.features)
    assert catalog.with_referred("orders") == ["people", "customers", "orders"]
