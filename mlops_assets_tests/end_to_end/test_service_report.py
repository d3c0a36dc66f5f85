"""What a service served is held against what batch scoring knows of the same requests, and a day is judged by both."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.serving import Serving
from mlops_assets.errors import NotMaterialized
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets.monitoring.service import CLASSES, ERRORS, LATENCY, SAME
from mlops_assets.steps import served_parity
from mlops_assets.steps.scoring import named_predictions
from mlops_assets.steps.service_report import judge_service
from mlops_assets.stores.prediction_log import PredictionLog, log_folder, windows_folder
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

pytestmark = pytest.mark.slow

FIRST, DAYS, LAST = date(2024, 3, 1), 34, "2024-04-03"
CHAMPION, DAY = "2024-03-30", "2024-04-02"
ORDERS = [keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")]
CUSTOMERS = [keys.raw("customers"), keys.validated("customers"), keys.quarantine("customers")]
PREDICTIONS, REPORT = (keys.of_model("returned", name) for name in ("predictions", "service_report"))
EACH = Serving(requests_at_least=1, rows_at_least=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with a champion, and a day that it scored as a batch."""
    home = tmp_path_factory.mktemp("home")
    project = load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP))
    with sandbox(project, home) as opened:
        land_orders(home, FIRST, DAYS)
        opened.run(*CUSTOMERS, keys.features("customer_profile"))
        opened.run(*ORDERS, keys.features("customer_orders"), first=FIRST.isoformat(), last=LAST)
        opened.run(*(keys.of_model("returned", stage) for stage in STAGES), first=CHAMPION)
        opened.run(keys.of_model("returned", "batch_predictions"), first=DAY)
    return project, home


@pytest.fixture
def box(made, tmp_path):
    project, home = made
    shutil.copytree(home, tmp_path / "home")
    with sandbox(project, tmp_path / "home") as opened:
        yield opened


def records(box):
    """The day's orders as a service would have answered them, each when it was made."""
    catalog, model = box.project.catalog, box.project.model("returned")
    types = catalog.input_types(model)
    columns = [one.column for one in catalog.features.served(model.features)]
    asked_with = dict.fromkeys(
        [*(one.name for one in catalog.features.request_columns(model.features)), *model.request]
    )
    orders = {one["order_id"]: one for one in box.rows("validated/orders", [DAY])}
    views = {}
    for view in catalog.features.views_of(model.features):
        computed = box.stores.records.code_versions(f"features/{view}")
        views[view] = computed[max(computed)]
    for _, said in named_predictions(box.stores, "returned", DAY):
        order, known = json.loads(said.entity)["order_id"], json.loads(said.features)
        features = {
            name: float(known[name]) if types[name] == "number" and known[name] is not None else known[name]
            for name in columns
        }
        yield {
            "id": f"order-{order}",
            "at": said.predicted_at,
            "version": said.version,
            "views": views,
            "milliseconds": 3.0,
            "request": [{name: orders[order][name] for name in asked_with}],
            "features": [features],
            "probability": [said.score],
        }


def answer(box, *said):
    log = PredictionLog(log_folder(box.home, "returned"))
    for one in said:
        log.append(one)
    log.close()
    box.run(PREDICTIONS, first=DAY)


def judged(box, serving=EACH):
    model = box.project.model("returned").model_copy(update={"serving": serving})
    found = judge_service(box.stores, box.project.catalog, model, DAY)
    return found.report, {one.check: one for one in found.produced.verdicts[DAY]}


def test_what_was_served_as_it_was_known_is_the_same_to_the_last_bit(box):
    answer(box, *records(box))
    report, said = judged(box)
    assert (report.requests, report.rows, report.parity.rows) == (40, 40, 40)
    assert sum(one.present for one in report.parity.features) > 40
    assert said[SAME].passed, said[SAME].reason
    assert report.parity.why_not == ()
    assert {one.version for one in report.classes} == {1}
    assert sum(one.rows for one in report.classes) == 40
    (expected,) = {one.expected for one in report.classes}
    assert 0 < expected < 1
    assert said[CLASSES].reason.startswith("the classes diverge by more than 0.15 bits in ")
    assert "no minute had 1 requests, of 0" in said[LATENCY].reason
    (content,) = box.stores.records.contents("returned/predictions", partitions=[DAY])
    assert all(one.passed for one in box.stores.records.verdicts(content))


def test_a_report_reads_of_a_view_the_days_that_can_answer_and_finds_what_all_days_say(box, monkeypatch):
    answer(box, *records(box))
    box.run(REPORT, first=DAY)
    (content,) = box.stores.records.contents("returned/service_report", partitions=[DAY])
    read = box.stores.records.reads(content)
    days = [one.partition for one in read if one.table == "features/customer_orders"]
    # Values live for seven days; those of the day after are there, and were not known.
    assert days == [f"{date.fromisoformat(DAY) - timedelta(days=ago)}" for ago in range(7, -1, -1)]
    assert len(box.stores.records.contents("features/customer_orders")) == DAYS
    assert [one.partition for one in read if one.table == "features/customer_profile"] == [WHOLE]
    found, _ = judged(box)
    monkeypatch.setattr(served_parity, "_alive", lambda catalog, view, computed, rows: computed)
    assert judged(box)[0] == found


def test_a_value_that_was_not_the_known_one_is_told_with_its_request(box):
    found = list(records(box))
    feature, was = next((name, value) for name, value in found[7]["features"][0].items() if value is not None)
    found[7]["features"][0][feature] = None
    answer(box, *found)
    report, said = judged(box)
    assert not said[SAME].passed
    assert f"{feature} most, in 1" in said[SAME].reason
    (example,) = report.parity.examples
    assert (example.feature, example.request_id, example.served) == (feature, found[7]["id"], None)
    assert example.known == was
    assert judged(box, Serving(differing=0.05))[1][SAME].passed


def test_what_cannot_be_compared_says_why_and_passes_nothing(box):
    first, second, third, *_ = records(box)
    other = {**second, "views": {**second["views"], "customer_orders": "sql=0000"}}
    answer(box, first, other, {**third, "views": {}, "version": 9})
    report, said = judged(box)
    assert report.parity.rows == 1
    told = " ".join(report.parity.why_not)
    assert "features/customer_orders has no row of the version that was asked" in told
    assert "version 9 of returned is not recorded" in told
    assert said[SAME].passed
    assert "version 9" in said[SAME].reason


def test_windows_of_the_day_are_judged_whichever_process_wrote_them(box):
    answer(box, *records(box))
    folder = windows_folder(box.home, "returned")
    # The day in Berlin begins at 22:00 of the day before in UTC; what is before and after it is another day's.
    for day, minute, count in (
        ("2024-04-01", "21:59", 5),
        ("2024-04-01", "22:00", 30),
        ("2024-04-02", "12:30", 40),
        ("2024-04-02", "22:00", 7),
    ):
        log = PredictionLog(folder / day)
        log.append(
            {
                "id": minute,
                "at": f"{day}T{minute}:00+00:00",
                "statuses": {"200": count, "503": 1},
                "kinds": {"busy": 1},
                "milliseconds": {"p50": 1.0, "p95": 600.0 if count == 40 else 2.0, "p99": 3.0, "most": 4.0},
            }
        )
        log.close()
    report, said = judged(box)
    assert (report.statuses, report.kinds) == ({"200": 70, "503": 2}, {"busy": 2})
    assert (said[LATENCY].passed, said[LATENCY].error) == (False, True)
    assert "in 1 of 2 minutes; at most 600.0 ms, at 2024-04-02T12:30" in said[LATENCY].reason
    assert not said[ERRORS].passed
    box.run(REPORT, first=DAY)
    told = box.latest(REPORT).metadata
    assert told["statuses"].value == "200: 70, 503: 2"
    assert "data:image/svg+xml" in told["at_a_glance"].value
    assert "p95 by minute" in Path(told["report"].value).read_text()


def test_a_day_that_nobody_took_over_cannot_be_judged_and_an_empty_one_passes_nothing(box):
    with pytest.raises(NotMaterialized):
        judged(box)
    box.run(PREDICTIONS, first=DAY)
    box.run(REPORT, first=DAY)
    (content,) = box.stores.records.contents("returned/service_report", partitions=[DAY])
    said = box.stores.records.verdicts(content)
    assert [(one.passed, one.error, one.blocking) for one in said] == [(False, False, False)] * 4
    assert box.latest(REPORT).metadata["requests"].value == "0 answered, with 0 rows"
