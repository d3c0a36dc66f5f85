"""A champion is measured on days whose labels are there, as they were known, and on no others."""

import re
from contextlib import contextmanager
from datetime import date, timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from mlops_assets.cli import releases
from mlops_assets.cli.deployment import Deployment
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets.modeling.evaluation import log_losses
from mlops_assets.modeling.frames import score
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps.evaluation import loaded_model
from mlops_assets.steps.hindsight import known_events
from mlops_assets.steps.labels import label_window
from mlops_assets.steps.past import Past
from mlops_assets.steps.performance import judge_performance, recorded_performance
from mlops_assets.steps.question import pinned_question
from mlops_assets_tests.end_to_end.deployment import Deployed
from mlops_assets_tests.sandbox import REAL, SHOP, land_orders, load_project, make_project, sandbox

pytestmark = pytest.mark.slow

FIRST, DAYS, LAST = date(2024, 3, 1), 59, "2024-04-28"
# As-of dates: of the version, two days later, before and after the world changed.
CHAMPION, YOUNG, CALM, CHANGED = "2024-03-29", "2024-03-31", "2024-04-14", "2024-04-29"
SECOND = "2024-04-06"
NO_LABELS, CHANGES_ON = "2024-04-05", "2024-04-12"
# One order in ten is settled so many days later, and it is one that came back.
LATE = 9
ORDERS = [keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")]
CUSTOMERS = [keys.raw("customers"), keys.validated("customers"), keys.quarantine("customers")]
VIEWS = [keys.features("customer_orders")]
STORY = [keys.of_model("returned", stage) for stage in STAGES]
REPORT = keys.of_model("returned", "performance_report")
VIEW = "feature_repo/views/customer_orders.yaml"
TRANSFORM, MODEL = "feature_repo/on_demand/order_habits.py", "PACKAGE/defs/returned/defs.yaml"


def project(folder, more=None):
    """more: path -> what is declared there, and what instead."""
    changes = {VIEW: ("orders: 11d", "orders: 20d"), **(more or {})}
    texts = {path: (SHOP / path.replace("PACKAGE/", "")).read_text() for path in changes}
    assert all(before in texts[path] for path, (before, _) in changes.items())
    changed = {path: texts[path].replace(*change) for path, change in changes.items()}
    return load_project(make_project(folder, like=SHOP, more=changed))


def rewrite(home, day, change):
    path = home / "landing" / "orders" / f"{day}.csv"
    path.write_text(change(pd.read_csv(path, dtype=str)).to_csv(index=False))


def late_labels(day):
    def change(rows):
        late = np.arange(len(rows)) % 10 == 0
        rows.loc[late, "settled_at"] = f"{day + timedelta(days=LATE)}T12:00:00+02:00"
        rows.loc[late, "returned"] = "true"
        if day.isoformat() >= CHANGES_ON:
            rows.loc[~late, "returned"] = rows["returned"].map({"true": "false", "false": "true"})
        return rows.assign(returned="") if day.isoformat() == NO_LABELS else rows

    return change


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with sandbox(project(tmp_path_factory.mktemp("project")), home) as opened:
        land_orders(home, FIRST, DAYS)
        for offset in range(DAYS):
            day = FIRST + timedelta(days=offset)
            rewrite(home, day, late_labels(day))
        opened.run(*CUSTOMERS, keys.features("customer_profile"))
        opened.run(*ORDERS, *VIEWS, first=FIRST.isoformat(), last=LAST)
        opened.run(*STORY, first=CHAMPION)
        assert opened.stores.releases.champion("returned") is not None
        for as_of in (CHAMPION, YOUNG, CALM, CHANGED):
            opened.run(REPORT, first=as_of)
        yield opened


@contextmanager
def copy(box, folder):
    with sandbox(box.project, Deployed(REAL, box.home).copied_to(folder / "home").home) as other:
        yield other


def report(box, as_of):
    return recorded_performance(box.stores, box.project.model("returned"), [as_of])[as_of]


def evaluation(box, as_of, check="decay") -> dg.AssetCheckEvaluation:
    found = box.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(REPORT, check), limit=20
    )
    events = [one.event.dagster_event.event_specific_data for one in found if one.event]
    return next(one for one in events if one.partition == as_of)


def orders(box, as_of):
    """Every order of the files with its day and whether its label was known when a date began."""
    path = box.home / "landing" / "orders"
    rows = pd.concat(pd.read_csv(one, dtype=str).assign(day=one.stem) for one in sorted(path.glob("*.csv")))
    settled = pd.to_datetime(rows["settled_at"], utc=True).dt.tz_convert("Europe/Berlin")
    known = (settled < pd.Timestamp(as_of, tz="Europe/Berlin")) & rows["returned"].isin(["true", "false"])
    return rows.assign(known=known)


def test_before_a_version_reigned_the_report_says_so_and_how_labels_arrive(box):
    found = report(box, CHAMPION)
    assert (found.verdict, found.champion) == ("not enough data", None)
    assert "no version of returned reigned before 2024-03-29" in found.why
    assert found.mature_after == LATE + 1
    assert evaluation(box, CHAMPION).passed
    assert found.losses == found.metrics == {}


@pytest.mark.parametrize("as_of", [CALM, CHANGED])
def test_labels_are_counted_as_they_were_known(box, as_of):
    truth, found = orders(box, as_of), report(box, as_of)
    counted = truth[truth["day"] < as_of].groupby("day")["known"].agg(["size", "sum"])
    for day in found.days:
        assert (day.events, day.labels) == tuple(counted.loc[day.day]), day.day
    assert len(found.days) == 28


def test_the_curve_is_that_of_complete_days_although_young_days_are_read_too(box):
    found = report(box, CALM)
    # Of forty labels four come after nine days, and the others within three.
    assert found.arrival[2:9] == pytest.approx([0.9] * 6 + [0.9], abs=0.01)
    assert found.arrival[-1] == 1.0
    assert len(found.arrival) == LATE + 1


def test_days_whose_late_labels_are_missing_are_not_measured(box):
    found = report(box, CALM)
    mature = [one.day for one in found.days if one.mature]
    assert mature[-1] == "2024-04-04"
    assert list(found.losses) == [f"2024-03-{day}" for day in (29, 30, 31)] + [
        f"2024-04-0{day}" for day in range(1, 5)
    ]
    young = [one for one in found.days if not one.mature]
    assert all(one.log_loss is None and 0 <= one.expected < 0.99 for one in young)
    assert sum(one.labels for one in young) > 0


def test_a_day_without_any_label_is_shown_and_not_measured(box):
    found = report(box, CHANGED)
    (day,) = [one for one in found.days if one.day == NO_LABELS]
    assert (day.events, day.labels, day.mature, day.log_loss) == (40, 0, True, None)
    assert NO_LABELS not in found.losses


def test_what_a_version_lost_is_what_its_scores_say(box):
    found = report(box, CHANGED)
    release = box.stores.releases.champion("returned")
    loaded = loaded_model(box.stores, release.artifact_digest)
    # Another way than the step's: one day alone, from whole tables, scored by itself.
    catalog, model = box.project.catalog, box.project.model("returned")
    views = {
        view: box.stores.lake.pin(f"features/{view}") for view in ("customer_orders", "customer_profile")
    }
    days = [date.fromisoformat(day) for day in ("2024-04-18", "2024-04-19", CHANGED)]
    known = known_events(box.stores, catalog, model, box.stores.lake.pin("validated/orders"), views, *days)
    assert len(known.labels) == 40
    lost = log_losses(known.labels, score(loaded.model, loaded.inputs, known.rows)).mean()
    assert found.losses["2024-04-18"] == pytest.approx(lost)


def past(box):
    dates, model = [CHAMPION, YOUNG, CALM, CHANGED], box.project.model("returned")
    return Past(box.stores, box.project.catalog, model, dates, LAST, lambda _: None)


@pytest.mark.parametrize("as_of", [YOUNG, CALM, CHANGED])
def test_the_backtest_sees_the_same_growth(box, as_of):
    found = report(box, as_of).grown
    seen = past(box)._grown(CHAMPION, as_of)
    assert (found is None) == (seen is None) == (as_of == YOUNG)
    if found is not None:
        assert seen == pytest.approx(found, abs=1e-12)


def test_a_calm_month_is_steady_and_a_world_that_turned_is_decay(box):
    calm, changed = report(box, CALM), report(box, CHANGED)
    assert (calm.verdict, changed.verdict) == ("steady", "decayed")
    assert calm.grown < 0 < 0.1 < changed.grown < changed.growth
    assert evaluation(box, CALM).passed
    said = evaluation(box, CHANGED)
    assert (said.passed, said.severity, said.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert "which is more than 0" in said.description
    low, high = changed.intervals["log_loss"]
    assert low < changed.metrics["log_loss"] < high


def test_days_without_labels_are_estimated_and_past_ones_audited_as_they_were_known(box):
    found = report(box, CHANGED).estimates
    assert [one.day for one in found.ahead] == [f"2024-04-{day}" for day in range(20, 29)]
    assert found.audited[-1].day == "2024-04-19"
    # Of all forty orders of a day, whatever is known of their labels.
    assert {one.events for one in (*found.ahead, *found.audited)} == {40}
    (one,) = [day for day in found.audited if day.day == "2024-04-14"]
    assert one.metrics["log_loss"].real == pytest.approx(report(box, CHANGED).losses["2024-04-14"])


def test_a_world_that_turned_switches_estimates_off_and_nothing_else(box):
    calm, changed = report(box, CALM), report(box, CHANGED)
    # Until labels of a week are old enough to learn from, no day could have been estimated.
    assert (calm.estimates.audited, calm.estimates.audits) == ((), ())
    assert evaluation(box, CALM, "estimate_holds").passed
    (loss,) = [audit for audit in changed.estimates.audits if audit.metric == "log_loss"]
    assert loss.off
    assert all("log_loss" not in shown for shown in changed.estimates.shown.values())
    said = evaluation(box, CHANGED, "estimate_holds")
    assert (said.passed, said.severity, said.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert "switched off" in said.description
    assert evaluation(box, CHAMPION, "estimate_holds").passed


def test_too_few_mature_days_are_not_enough(box):
    found = report(box, YOUNG)
    assert found.verdict == "not enough data"
    assert "7 of each are needed" in found.why
    assert evaluation(box, YOUNG).passed


def test_labels_that_became_known_since_the_version_was_made_are_counted(box):
    before, now = orders(box, CHAMPION), orders(box, CALM)
    window = (now["day"] >= "2024-03-17") & (now["day"] < CALM)
    assert report(box, CALM).new_labels == int((now["known"] & ~before["known"] & window).sum())


def test_the_check_and_the_page_show_days_and_pictures(box):
    shown = evaluation(box, CHANGED).metadata
    assert shown["verdict"].value == "decayed"
    assert shown["daily_loss_and_arrival"].value.count("data:image/svg+xml;base64,") == 3
    assert f"| {NO_LABELS} | 40 | 0 | 100.00% | – |" in shown["days"].value
    assert sum(len(str(value.value)) for value in shown.values()) < 50_000
    page = (box.home / "reports" / "returned" / CHANGED / "performance.html").read_text()
    assert page.count("<svg") == 3
    assert "concept drift" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_report_records_what_it_was_made_from_and_a_restated_day_outdates_it(box, tmp_path):
    (content,) = box.stores.records.contents("returned/performance_report", partitions=[CHANGED])
    read = {(one.table, one.partition) for one in box.stores.records.reads(content)}
    # The window, and the days on which the version was evaluated.
    assert {("validated/orders", day) for day in ("2024-04-28", "2024-04-01", "2024-03-22")} <= read
    assert ("validated/orders", "2024-03-20") not in read
    with copy(box, tmp_path) as other:
        assert other.stores.records.outdated("returned/performance_report") == set()
        day = "2024-03-22"
        before = report(other, CHANGED)
        rewrite(other.home, day, lambda rows: rows.assign(returned="true"))
        other.run(*ORDERS, first=day)
        # The views of the day and later read it too, and are as they were: their rows are older by now.
        outdated = other.stores.records.outdated("returned/performance_report")
        assert outdated == {CHAMPION, YOUNG, CALM, CHANGED}
        other.run(*VIEWS, first=day, last=LAST)
        other.run(REPORT, first=CHANGED)
        after = report(other, CHANGED)
        assert after.evaluated[day] > before.evaluated[day] + 0.2
        assert CHANGED not in other.stores.records.outdated("returned/performance_report")


def test_the_version_before_is_scored_on_the_same_days_since_both_were_made(box, tmp_path, monkeypatch):
    assert (report(box, CHANGED).predecessor, report(box, CHANGED).without) == (
        None,
        "no version reigned before it",
    )
    with copy(box, tmp_path) as other:
        monkeypatch.setenv(HOME, str(other.home))
        monkeypatch.setenv(MLFLOW, f"sqlite:///{other.home / 'mlflow.db'}")
        other.run(*STORY, first=SECOND)
        if other.stores.releases.champion("returned").version == 1:
            opened = Deployment(other.project, other.instance, other.stores, other.tracking)
            releases.override(
                opened,
                f"returned@{SECOND}",
                None,
                by="Ada",
                reason="to be compared",
                console=Console(quiet=True),
            )
        other.run(REPORT, first=CHANGED)
        found = report(other, CHANGED)
        assert (found.champion, found.predecessor) == (2, 1)
        before = report(box, CHANGED).losses
        assert found.predecessors == pytest.approx(
            {day: loss for day, loss in before.items() if day >= SECOND}
        )
        assert found.improvement[CHANGES_ON] == pytest.approx(
            found.predecessors[CHANGES_ON] - found.losses[CHANGES_ON]
        )
        assert set(found.improvement) == set(found.losses)


def judged(box, folder, as_of, more):
    """What a project that declares something otherwise says on the same home; nothing is written."""
    declared = project(folder, more)
    model = declared.model("returned")
    window = label_window(declared.catalog, model, as_of)
    pinned = pinned_question(box.stores, declared.catalog, model, window)
    return judge_performance(box.stores, declared.catalog, model, *pinned, as_of).report


@pytest.mark.parametrize(
    ("path", "before", "after", "why"),
    [
        (
            TRANSFORM,
            "DEAR = 100.0",
            "DEAR = 120.0",
            r"version 1 was trained on other features \(order_habits: code\)",
        ),
        (
            MODEL,
            "positive: returned",
            "positive: NOT returned",
            "a label or a moment that are declared otherwise",
        ),
    ],
    ids=["features", "label"],
)
def test_a_version_that_answers_another_question_is_not_measured(box, tmp_path, path, before, after, why):
    found = judged(box, tmp_path, CHANGED, {path: (before, after)})
    assert (found.verdict, found.losses, found.mature_after) == ("not enough data", {}, LATE + 1)
    assert re.search(why, found.why)


def test_a_share_that_is_declared_lower_measures_younger_days_and_changes_no_question(box, tmp_path):
    lower = {MODEL: ("positive: returned}", "positive: returned, mature_at: 0.85}")}
    found = judged(box, tmp_path, CALM, lower)
    assert (found.champion, found.mature_after) == (1, 3)
    assert max(found.losses) == "2024-04-11"


def test_no_report_where_there_is_none(box):
    assert recorded_performance(box.stores, box.project.model("returned"), ["2024-04-20"]) == {}
