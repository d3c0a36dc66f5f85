"""The demonstration live, on the made-up shop: killed on the way, it goes on, and everything is asked once."""

import json
import re
import shutil
from datetime import date, datetime, timedelta

import pytest
import yaml

from mlops_assets.resources.processes import is_alive
from mlops_assets.steps.predictions import served
from mlops_assets.stores.prediction_log import log_folder, read_log, segments
from mlops_assets.stores.replays import Replays
from mlops_assets_tests.end_to_end.deployment import Deployed, clone_of_the_repository, until
from mlops_assets_tests.sandbox import SHOP, land_orders

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

FIRST, AS_OF, DAYS = date(2024, 3, 1), date(2024, 3, 29), 4
# A challenger after three days, which answers half of a day's requests and then all, unless it did worse.
QUICK = {
    "retraining": {"drift": None, "decay": None, "age_days": 3, "cool_down_days": 1, "a_month": 9},
    "serving": {"canary": {"share": 0.5, "at_least": 10, "apart": 1.0}},
    "gates": {"champion": {"prefer": "challenger", "at_least_days": 3}, "at_least_rows": 100},
}
LIVE = ["demo", "--live", "--days", str(DAYS), "--speed", "100000000"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    content = tmp_path_factory.mktemp("quick") / "shop"
    shutil.copytree(SHOP, content)
    path = content / "defs" / "returned" / "defs.yaml"
    declared = yaml.safe_load(path.read_text())
    declared["attributes"] |= QUICK
    path.write_text(yaml.safe_dump(declared))
    clone = clone_of_the_repository(tmp_path_factory.mktemp("clone"), content=content)
    shown = {"title": "Orders", "model": "returned", "as_of": [AS_OF.isoformat()]}
    live = {"title": "Orders, live", "first": AS_OF.isoformat(), "days": 40}
    path = clone / "mlops_assets" / "defs" / "platform" / "demo.yaml"
    path.write_text(yaml.safe_dump({**shown, "live": live}))
    found = Deployed(clone, tmp_path_factory.mktemp("live_home") / "home")
    land_orders(found.home, FIRST, 40)
    return found


def finished(deployed, *command):
    """What a command printed that takes its time, and ended well."""
    started = deployed.start("mlops", *command)
    try:
        assert started.process.wait(timeout=900) == 0, started.printed
    finally:
        started.stop()
    return started.printed


def rows_of_days(deployed):
    return served(deployed.stores, "returned")


def test_a_replay_that_is_killed_goes_on_and_asks_everything_once(deployed):
    replays = Replays.below(deployed.home, "returned")
    log = log_folder(deployed.home, "returned")
    started = deployed.start("mlops", *LIVE)
    try:
        until(
            lambda: started.runs and replays.days() and len(list(read_log(segments(log)))) > 45,
            seconds=600,
            what="the second day is asked",
            every=0.02,
        )
    finally:
        started.kill()
    assert len(replays.days()) < DAYS, started.printed
    before = {one["id"]: datetime.fromisoformat(one["at"]) for one in read_log(segments(log))}
    left = (replays.folder / "service").read_text()
    printed = finished(deployed, *LIVE)
    assert not is_alive(left)
    assert not is_alive((replays.folder / "service").read_text())

    days = [(AS_OF + n * timedelta(days=1)).isoformat() for n in range(DAYS)]
    found = {one.day: one for one in replays.days()}
    assert list(found) == days
    events = {one.partition: one.rows for one in deployed.stores.records.contents("validated/orders")}
    assert {day: one.requests for day, one in found.items()} == {day: events[day] for day in days}
    assert not any(one.refused for one in found.values())

    # What the log held has become rows of days, each request in one of them and once.
    assert segments(log, finished=True) == []
    rows = rows_of_days(deployed)
    assert {day: len(of_day) for day, of_day in rows.items()} == {day: events[day] for day in days}
    asked = {one.request_id: datetime.fromisoformat(one.predicted_at) for day in days for one in rows[day]}
    assert len(asked) == sum(events[day] for day in days)
    later = [at for request, at in asked.items() if request not in before]
    assert min(later) >= max(before.values()), "the clock never went back"

    assert found[days[2]].verdict == "promote", found[days[2]]
    assert [one.champion for one in found.values()] == [1, 1, 1, 2]
    assert [set(one.answers) for one in found.values()] == [{1}, {1}, {1}, {1, 2}]
    assert found[days[2]].tried == ("version 2 started with 50% of the requests",)
    (passed,) = found[days[3]].tried
    assert re.match(
        r"version 2 passed: \d+ requests beside \d+ of the champion .*; version 2 reigns$", passed
    )
    (rollout,) = deployed.stores.rollouts.history("returned")
    assert [step.state for step in rollout.steps] == ["started", "passed"]
    (asked,) = [one for one in deployed.stores.retrainings.history("returned") if one.trains]
    assert asked.as_of == days[3]
    with deployed.instance() as instance:
        tagged = [run for run in instance.get_runs() if run.tags.get("retrain/reason") == asked.reason]
        assert [run.status.value for run in tagged][:1] == ["SUCCESS"]
        assert all(run.is_finished for run in instance.get_runs())
    assert 'version="2"' in (replays.folder / "metrics.txt").read_text()
    assert "Challengers that were trained: 1, " in printed
    page = re.search(r"All of it: (.*live\.html)", printed)[1]
    with open(page, encoding="utf-8") as stream:
        assert ">version 2</text>" in stream.read()


def test_what_was_served_is_what_was_known_when_features_went_online(deployed):
    one = rows_of_days(deployed)[(AS_OF + (DAYS - 1) * timedelta(days=1)).isoformat()][-1]
    at = datetime.fromisoformat(one.predicted_at)
    # Three hours, as the slots have them, from the day's beginning in Berlin (summer time by then).
    slot = at.replace(hour=(at.hour + 2) // 3 * 3 - 2, minute=0, second=0)
    said = [f"{name}={value}" for name, value in json.loads(one.request).items()]
    code, printed = deployed.run(
        "mlops", "features", "get", "at_checkout", *said, "--at", slot.isoformat(), "--json"
    )
    assert code == 0, printed
    assert json.loads(one.features) == json.loads(printed)["features"]


def test_a_replay_that_is_done_tells_it_again_and_asks_nothing(deployed):
    before = (deployed.home / "live" / "returned" / "serve.log").stat().st_mtime_ns
    printed = finished(deployed, *LIVE)
    assert "4 days, 2024-03-29 to 2024-04-01" in printed
    assert (deployed.home / "live" / "returned" / "serve.log").stat().st_mtime_ns == before


def test_days_that_a_version_may_know_of_are_not_replayed(deployed):
    shutil.rmtree(deployed.home / "live")
    code, printed = deployed.run("mlops", *LIVE)
    assert code == 1
    assert "was judged as of 2024-04-01 already" in printed
    code, printed = deployed.run("mlops", *LIVE, "--from", "2024-03-05")
    assert code == 1
    assert "ImpossibleDate" in printed
