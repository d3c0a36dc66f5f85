"""A tick reads records, and not much more of them when there is a long past."""

import time
from datetime import date, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.versions import view_version
from mlops_assets.governance.evidence import Evidence
from mlops_assets.steps.due import REPORTS
from mlops_assets.stores.commit import Commit, PartitionRecord, Provenance
from mlops_assets.stores.database import decision, open_database, reign, release
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.retrainings import RetrainingDecision
from mlops_assets_tests.sandbox import SHOP, load_project, make_project, sandbox

PAST, WINDOW = 500, 28
DAYS = [(date(2024, 3, 1) + timedelta(days=n)).isoformat() for n in range(PAST + WINDOW)]
LOOKS = DAYS[WINDOW:]


def content(table, partition):
    return Content(table, partition, 0, 1, f"rows of {partition}")


def before(table, day, count):
    end = DAYS.index(day)
    return [content(table, one) for one in DAYS[max(0, end - count) : end]]


def write(stores, table, partitions, reads=lambda partition: (), code="code"):
    """What is recorded of partitions that were written, without the rows."""
    made = {one: PartitionRecord(1, f"rows of {one}", tuple(reads(one))) for one in partitions}
    stores.records.adopt(0, Commit(table, Provenance(code, "run", "2024-01-01T00:00:00+00:00"), made))


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A model that was looked at on five hundred days, of which one version reigns; as the records have it."""
    project = load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP))
    with sandbox(project, tmp_path_factory.mktemp("home")) as box:
        stores, catalog, model = box.stores, project.catalog, project.model("returned")
        write(stores, "raw/orders", DAYS)
        write(stores, "validated/orders", DAYS, lambda day: [content("raw/orders", day)])
        _, views = catalog.model_tables(model)
        for name, view in views.items():
            days = ["all"] if catalog.view_calendar(view) is None else DAYS
            write(stores, f"features/{name}", days, code=str(view_version(catalog, name)))
        for report in (*REPORTS, "verification", "model"):
            write(
                stores,
                f"returned/{report}",
                LOOKS if report != "model" else LOOKS[::10],
                lambda day: [
                    *before("validated/orders", day, WINDOW),
                    *before("features/customer_orders", day, WINDOW),
                ],
            )
        for day in LOOKS:
            evidence = meaning([f"rows of {day}"] * len(REPORTS))
            stores.retrainings.decide(
                RetrainingDecision(
                    "returned", day, evidence, "look", False, "nothing", "sensor", "2025-01-01"
                )
            )
        _reigns(open_database(f"sqlite:///{box.home / 'platform.db'}"))
        yield box


def _reigns(database):
    """One version, as of the first date."""
    evidence = Evidence(
        model="returned",
        as_of=LOOKS[0],
        model_digest="digest",
        rows=1,
        positives=1,
        first_day=DAYS[0],
        last_day=DAYS[1],
        metrics={},
        baseline={},
    )
    version = {"model": "returned", "version": 1, "as_of": LOOKS[0]}
    empty = {one.name: "" for one in release.columns if one.name not in ("version", "view_versions")}
    with database.begin() as connection:
        connection.execute(sa.insert(release).values(**empty | version | {"view_versions": {}}))
        connection.execute(
            sa.insert(reign).values(
                model="returned",
                number=1,
                version=1,
                since="2024",
                by="gate",
                reason="",
                run_id="",
                shown=True,
            )
        )
        connection.execute(
            sa.insert(decision).values(
                **version,
                model_digest="digest",
                evidence="evidence",
                asked="asked",
                measured=evidence.to_dict(),
                verdict="promote",
                reasons=[],
                spent=0.0,
                override_id=0,
                decided_at="2024",
                run_id="",
            )
        )


@pytest.mark.parametrize(
    ("sensor", "told"),
    [
        # The day after the last one is due.
        ("returned_watching", None),
        ("returned_retraining", "nothing new was found about version 1"),
    ],
)
def test_a_tick_with_five_hundred_dates_behind_it_takes_a_moment(past, sensor, told, monkeypatch):
    # What a version was trained on is in its files, which there are none of here.
    monkeypatch.setattr("mlops_assets.steps.retraining.changed_definitions", lambda *_: None)
    repository, cursor, spent = past.project.definitions.get_repository_def(), None, []
    for _ in range(3):
        with dg.build_sensor_context(
            instance=past.instance,
            cursor=cursor,
            repository_def=repository,
            resources={"stores": past.stores},
        ) as context:
            begun = time.process_time()
            said = repository.get_sensor_def(sensor).evaluate_tick(context)
            spent.append(time.process_time() - begun)
        cursor = said.cursor
    # It takes a tenth to a fifth of a second on one core of 2024.
    assert min(spent) < 0.6
    if told is None:
        (request,) = said.run_requests
        assert request.partition_key == (date.fromisoformat(LOOKS[-1]) + timedelta(days=1)).isoformat()
    else:
        assert said.skip_message.startswith(told)
