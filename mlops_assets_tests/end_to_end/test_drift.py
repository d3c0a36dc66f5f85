"""A champion is watched: calm weeks are calm, a changed week is told, with what changed and how it looks."""

import json
import shutil
from datetime import date

import dagster as dg
import pandas as pd
import pytest

from mlops_assets.errors import BadRequest, GateRefusal, NotMaterialized, UnknownName
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets.monitoring.findings import DriftReport
from mlops_assets.steps.skew import skew_of_rows, skew_of_version
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

pytestmark = pytest.mark.slow

CHAMPION, BEFORE, CALM, CHANGED = "2024-03-29", "2024-03-28", "2024-04-12", "2024-04-19"
FIRST, DAYS, LAST = date(2024, 3, 1), 56, "2024-04-25"
CHANGED_DAYS = [f"2024-04-{day}" for day in range(12, 26)]
ORDERS = [keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")]
CUSTOMERS = [keys.raw("customers"), keys.validated("customers"), keys.quarantine("customers")]
VIEWS = [keys.features("customer_orders")]
REPORT = keys.of_model("returned", "drift_report")
DRIFT = {"window_days": 7, "limits": {"rows_at_least": 120}}

OWN_POLICY = """
from mlops_assets.monitoring.findings import Finding, report


def amounts_only(reference, batch, history):
    sides = [sum(side.columns["amount"].counts) for side in (reference, batch)]
    sentence = f"amount: {sides[1]} amounts beside {sides[0]}, after {len(history)} reports"
    return report("amounts_only", batch.rows, [Finding("amount", "count", "drift", "warn", "rows", 1.0, sentence)])


def wrong(reference, batch, history):
    return batch.columns["amuont"]
"""


def project(folder, more=None, **drift):
    package = make_project(folder, like=SHOP, more={"PACKAGE/policies.py": OWN_POLICY, **(more or {})})
    declared = package / "defs" / "returned" / "defs.yaml"
    said = {**DRIFT, **drift}
    if "policy" in said:
        said = {**said, "policy": said["policy"].replace("PACKAGE", package.name), "limits": {}}
    declared.write_text(declared.read_text() + f"  drift: {json.dumps(said)}\n")
    return load_project(package)


def change(home):
    """From 12 April on orders are dearer, nobody calls any more, and a tenth of the amounts is lost."""
    for day in CHANGED_DAYS:
        path = home / "landing" / "orders" / f"{day}.csv"
        rows = pd.read_csv(path, dtype=str)
        rows["amount"] = (rows["amount"].astype(float) * 1.8).round(2).astype(str)
        rows["channel"] = rows["channel"].replace("phone", "app")
        path.write_text(rows.to_csv(index=False))


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with sandbox(project(tmp_path_factory.mktemp("project")), home) as opened:
        land_orders(home, FIRST, DAYS)
        change(home)
        opened.run(*CUSTOMERS, keys.features("customer_profile"))
        opened.run(*ORDERS, *VIEWS, first=FIRST.isoformat(), last=LAST)
        opened.run(*[keys.of_model("returned", stage) for stage in STAGES], first=CHAMPION)
        assert opened.stores.releases.champion("returned") is not None
        for as_of in (CHAMPION, CALM, CHANGED):
            opened.run(REPORT, first=as_of)
        yield opened


def report(box, as_of) -> DriftReport:
    (row,) = box.rows("returned/drift_report", [as_of])
    return DriftReport.from_dict(json.loads(row["report"]))


def evaluations(box, as_of) -> dict[str, dg.AssetCheckEvaluation]:
    found = box.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(REPORT, "drift"), limit=20
    ) + box.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(REPORT, "shift"), limit=20
    )
    events = [one.event.dagster_event.event_specific_data for one in found if one.event]
    return {one.check_name: one for one in events if one.partition == as_of}


def test_a_calm_week_is_calm(box):
    assert report(box, CALM).severity is None
    assert all(one.passed for one in evaluations(box, CALM).values())


def test_before_a_version_reigned_there_is_nothing_to_compare_with(box):
    (row,) = box.rows("returned/drift_report", [CHAMPION])
    assert (row["verdict"], row["champion_version"]) == ("not enough data", 0)
    assert "no version of returned reigned" in evaluations(box, CHAMPION)["drift"].description


def test_what_changed_is_told_and_nothing_else(box):
    found = report(box, CHANGED)
    drifted = {finding.column for finding in found.findings if finding.severity == "error"}
    # And what is computed from these on demand.
    changed = {"amount", "channel", "order_habits__is_dear"}
    assert changed <= drifted <= {*changed, "order_habits__way", "predicted probability"}
    assert found.severity == "error"


def test_correlations_are_compared_with_those_of_the_training_data(box):
    (calm,) = [finding for finding in report(box, CALM).findings if finding.test == "correlation"]
    assert (calm.column, calm.verdict) == ("all pairs", "not enough data")
    assert "280 rows, at least 500 are needed" in calm.sentence


def test_the_checks_say_error_and_warn_for_that_date_only(box):
    said = evaluations(box, CHANGED)
    assert {name: (one.passed, one.severity, one.blocking) for name, one in said.items()} == {
        "drift": (False, dg.AssetCheckSeverity.ERROR, False),
        "shift": (False, dg.AssetCheckSeverity.WARN, False),
    }


def test_the_check_shows_the_worst_columns_their_pictures_and_why_in_little_space(box):
    shown = evaluations(box, CHANGED)["drift"].metadata
    assert "| channel | distribution | error |" in shown["worst"].value
    assert shown["distributions"].value.count("data:image/svg+xml;base64,") == 4
    assert "is an error" in shown["why"].value
    assert sum(len(str(value.value)) for value in shown.values()) < 100_000


def test_the_page_needs_no_network(box):
    page = (box.home / "reports" / "returned" / CHANGED / "drift.html").read_text()
    assert page.count("<svg") == len(
        {finding.column for finding in report(box, CHANGED).findings if finding.test != "correlation"}
    )
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "channel" in page


def test_the_report_records_what_it_was_made_from(box):
    (content,) = box.stores.records.contents("returned/drift_report", partitions=[CHANGED])
    read = {(one.table, one.partition) for one in box.stores.records.reads(content)}
    assert {("validated/orders", day) for day in CHANGED_DAYS[:7]} <= read
    assert ("validated/orders", CALM.replace("12", "11")) not in read
    assert ("features/customer_profile", "all") in read
    # The calm week before is its history.
    assert ("returned/drift_report", CALM) in read


@pytest.mark.parametrize(
    ("from_day", "severity"), [(7, "error"), (11, None)], ids=["they stopped", "they are not due yet"]
)
def test_labels_that_stop_coming_are_told_and_inputs_are_watched_all_the_same(
    box, tmp_path, from_day, severity
):
    home = tmp_path / "home"
    shutil.copytree(box.home, home)
    for day in CHANGED_DAYS[from_day:]:
        path = home / "landing" / "orders" / f"{day}.csv"
        rows = pd.read_csv(path, dtype=str)
        path.write_text(rows.assign(returned="").to_csv(index=False))
    with sandbox(box.project, home) as other:
        other.run(*ORDERS, *VIEWS, first=CHANGED_DAYS[7], last=LAST)
        model = other.project.model("returned")
        found = skew_of_version(other.stores, other.project.catalog, model, 1, "2024-04-26").report
    assert found.rows == 280
    assert found.of("channel", "distribution").severity == "error"
    assert found.of("label", "missing").severity == severity
    if severity:
        assert found.of("label", "missing").effect == 1.0
        assert found.of("label", "distribution").verdict == "not enough data"


def test_a_version_of_which_another_platform_kept_the_profile_is_to_be_trained_again(box, monkeypatch):
    monkeypatch.setattr("mlops_assets.monitoring.profile.FORMAT", 3)
    model = box.project.model("returned")
    with pytest.raises(
        NotMaterialized, match=r"returned version 1 was trained by another version .* --again"
    ):
        skew_of_version(box.stores, box.project.catalog, model, 1, CHANGED)


def test_skew_by_name_says_what_the_check_says(box):
    model = box.project.model("returned")
    found = skew_of_version(box.stores, box.project.catalog, model, 1, CHANGED)
    asked = {(one.column, one.test): one.severity for one in found.report.findings}
    assert asked == {(one.column, one.test): one.severity for one in report(box, CHANGED).findings}


def test_features_of_another_meaning_are_not_put_beside_what_a_version_was_trained_on(box, tmp_path):
    view = "feature_repo/views/customer_orders.yaml"
    said = (SHOP / view).read_text().replace("604800 SECONDS", "518400 SECONDS")
    other, home = project(tmp_path / "other", {view: said}), tmp_path / "home"
    shutil.copytree(box.home, home)
    changed = r"version 1 was trained on other features \(customer_orders: sql\)"
    with sandbox(other, home) as opened:
        opened.run(*VIEWS, first="2024-04-11", last=LAST)
        with pytest.raises(BadRequest, match=changed):
            skew_of_version(opened.stores, other.catalog, other.model("returned"), 1, CHANGED)
        opened.run(REPORT, first=CHANGED)
        assert report(opened, CHANGED).verdict == "not enough data"
    with sandbox(box.project, home) as opened, pytest.raises(GateRefusal, match="another version of its SQL"):
        skew_of_version(opened.stores, box.project.catalog, box.project.model("returned"), 1, CHANGED)


def test_rows_of_a_table_are_compared_by_name(box):
    orders = "validated/orders"
    calm = skew_of_rows(
        box.stores,
        box.project.catalog,
        f"{orders}@2024-03-01..2024-03-25",
        f"{orders}@2024-03-26..2024-04-11",
        named="calibrated",
    )
    changed = skew_of_rows(
        box.stores,
        box.project.catalog,
        f"{orders}@2024-03-01..2024-04-11",
        f"{orders}@2024-04-12..2024-04-25",
        named="calibrated",
    )
    assert calm.report.severity is None
    assert changed.report.of("channel", "distribution").verdict == "drift"


def test_a_column_that_is_gone_or_of_another_type_is_drift(box):
    found = skew_of_rows(
        box.stores, box.project.catalog, "validated/orders", "raw/orders", named="calibrated"
    ).report
    assert found.severity == "error"
    assert found.of("amount", "schema").sentence == "amount: double in the baseline, string in the batch"
    gone = skew_of_rows(
        box.stores, box.project.catalog, "validated/orders", "validated/customers", named="calibrated"
    ).report
    assert "and not in the batch" in gone.of("channel", "schema").sentence


def test_a_blocked_day_refuses_those_comparisons_only_that_read_it(box, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(box.home, home)
    path = home / "landing" / "orders" / f"{LAST}.csv"
    path.write_text(pd.read_csv(path, dtype=str).assign(amount="lost").to_csv(index=False))
    with sandbox(box.project, home) as other:
        other.run(*ORDERS, first=LAST, raise_on_error=False)
        catalog, model = other.project.catalog, other.project.model("returned")

        def rows(last):
            batch = f"validated/orders@2024-04-12..{last}"
            return skew_of_rows(other.stores, catalog, "validated/orders@2024-03-01", batch, named="article")

        assert rows("2024-04-24").report.rows == 13 * 40
        with pytest.raises(GateRefusal, match=LAST):
            rows(LAST)
        assert skew_of_version(other.stores, catalog, model, 1, CHANGED).report.severity == "error"
        with pytest.raises(GateRefusal, match=LAST):
            skew_of_version(other.stores, catalog, model, 1, "2024-04-26")


@pytest.mark.parametrize(
    ("baseline", "batch", "said"),
    [
        ("validated/orders@2023-01-01", "validated/orders", "it has 2024-03-01 to 2024-04-25"),
        (
            "validated/orders@2024-03..2024-04",
            "validated/orders",
            "found '2024-03' in .*, expected a whole part",
        ),
        ("validated/orders@2024-03-01..20240401", "validated/orders", "found '20240401' in "),
        ("validated/orders@2024-03-01..2024-03-32", "validated/orders", "found '2024-03-32' in "),
        ("validated/customers@all", "validated/orders@2024-04", "found '2024-04' in "),
        ("validated/orders@a@b", "validated/orders", "expected MODEL or MODEL:VERSION"),
    ],
)
def test_rows_that_are_not_there_are_told(box, baseline, batch, said):
    with pytest.raises(BadRequest, match=said):
        skew_of_rows(box.stores, box.project.catalog, baseline, batch, named="calibrated")


@pytest.mark.parametrize(
    ("version", "as_of", "kind", "said"),
    [
        (7, CHANGED, UnknownName, "version of returned '7'"),
        (1, "last week", BadRequest, "as-of date"),
        (1, "2024-05-01", NotMaterialized, "no partition"),
    ],
)
def test_a_version_or_date_that_is_not_there_is_told(box, version, as_of, kind, said):
    with pytest.raises(kind, match=said):
        skew_of_version(box.stores, box.project.catalog, box.project.model("returned"), version, as_of)


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        ({"policy": "PACKAGE.policies.amounts_only"}, "amount: 280 amounts beside"),
        ({"policy": "article"}, "below 0.05 is drift"),
        ({"season": {"every_days": 7, "periods": 2}}, "amount: Kolmogorov-Smirnov D"),
    ],
    ids=["own", "article", "season"],
)
def test_a_model_declares_the_policy_and_what_to_compare_with(box, tmp_path, drift, said):
    declared = project(tmp_path, **drift)
    found = skew_of_version(box.stores, declared.catalog, declared.model("returned"), 1, CHANGED)
    assert found.report.verdict == "drift"
    assert any(said in sentence for sentence in found.report.told())


def test_a_policy_that_fails_is_named_and_leaves_the_report_as_it_was(box, tmp_path):
    declared = project(tmp_path / "project", policy="PACKAGE.policies.wrong")
    model = declared.model("returned")
    with pytest.raises(
        BadRequest, match=r"policies.wrong' failed with KeyError: 'amuont'; expected a DriftRep"
    ):
        skew_of_version(box.stores, declared.catalog, model, 1, CHANGED)
    home = tmp_path / "home"
    shutil.copytree(box.home, home)
    with sandbox(declared, home) as other:
        before = other.stores.records.contents("returned/drift_report", partitions=[CHANGED])
        assert not other.run(REPORT, first=CHANGED, raise_on_error=False).success
        assert other.stores.records.contents("returned/drift_report", partitions=[CHANGED]) == before


@pytest.mark.parametrize(
    ("season", "compared_with", "why"),
    [
        (
            {"every_days": 7, "periods": 8},
            "4 of 8 earlier windows, 7 days apart; scores by version 1",
            "tests",
        ),
        (
            {"every_days": 60},
            "0 of 4 earlier windows",
            "no window 60 days or more before that of 2024-04-11 lies in the data, which begin on 2024-03-01",
        ),
    ],
    ids=["some windows", "none"],
)
def test_a_season_that_reaches_before_the_data_takes_the_windows_there_are(
    box, tmp_path, season, compared_with, why
):
    declared = project(tmp_path / "project", season=season)
    home = tmp_path / "home"
    shutil.copytree(box.home, home)
    with sandbox(declared, home) as other:
        assert other.run(REPORT, first="2024-04-11").success
        said = evaluations(other, "2024-04-11")["drift"]
    assert said.passed
    assert said.metadata["compared_with"].value.startswith(compared_with)
    assert why in said.metadata["why"].value


def test_skew_with_no_earlier_window_is_refused(box, tmp_path):
    declared = project(tmp_path, season={"every_days": 60})
    with pytest.raises(BadRequest, match="no window 60 days or more before"):
        skew_of_version(box.stores, declared.catalog, declared.model("returned"), 1, CALM)
