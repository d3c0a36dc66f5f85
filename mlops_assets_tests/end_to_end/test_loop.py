"""The loop, tick by tick: nothing is lost, nothing is done twice, and every answer is told in words."""

import json
import os
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import dagster as dg
import pandas as pd
import pytest
from dagster._core.test_utils import create_run_for_test
from rich.console import Console

from mlops_assets.cli import releases
from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.retraining import ask_for_training, show_loop
from mlops_assets.errors import ArtifactMismatch, BadRequest, ImpossibleDate
from mlops_assets.graph import keys
from mlops_assets.graph.backtest import TRAINED
from mlops_assets.graph.plan import STAGES
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps import verification
from mlops_assets.steps.performance import recorded_performance
from mlops_assets.steps.retraining import ask as word
from mlops_assets.steps.retraining import ask_by_the_clock
from mlops_assets.steps.retraining_log import turns
from mlops_assets_tests.end_to_end.deployment import Deployed
from mlops_assets_tests.sandbox import REAL, SHOP, land_orders, load_project, make_project, sandbox

pytestmark = pytest.mark.slow

FIRST, LAST, CHAMPION = date(2024, 3, 1), "2024-03-19", "2024-03-16"
DATES = ["2024-03-17", "2024-03-18", "2024-03-19", "2024-03-20"]
TRAINS = "2024-03-19"
ORDERS = [keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")]
CUSTOMERS = [keys.raw("customers"), keys.validated("customers"), keys.quarantine("customers")]
VIEWS = [keys.features("customer_orders")]
STORY = [keys.of_model("returned", stage) for stage in STAGES]
VIEW = "feature_repo/views/customer_orders.yaml"
# The reason is the model's age, so that what is to be said on which day is known.
AGE = {"drift": None, "decay": None, "age_days": 3, "cool_down_days": 0, "a_month": 9}


def project(folder, sql=None, **retraining):
    more = {} if sql is None else {VIEW: (SHOP / VIEW).read_text().replace(*sql)}
    package = make_project(folder, like=SHOP, more=more)
    declared = package / "defs" / "returned" / "defs.yaml"
    said = declared.read_text()
    for before, after in (
        ("train_days: 20, evaluate_days: 8", "train_days: 8, evaluate_days: 4"),
        (
            "at_least_rows: 100",
            "at_least_rows: 100, champion: {at_least_days: 3, confidence: 0.6, per_days: 1}",
        ),
    ):
        assert before in said
        said = said.replace(before, after)
    declared.write_text(
        said + f"  retraining: {json.dumps({**AGE, **retraining})}\n  drift: {{policy: article}}\n"
    )
    return load_project(package)


def days(first, last):
    begin = date.fromisoformat(first)
    count = (date.fromisoformat(last) - begin).days + 1
    return [(begin + timedelta(days=n)).isoformat() for n in range(count)]


@pytest.fixture(scope="module")
def declared(tmp_path_factory):
    return project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def released(declared, tmp_path_factory):
    """A champion, and days of data after it, at which nobody has looked."""
    with sandbox(declared, tmp_path_factory.mktemp("released")) as box:
        land_orders(box.home, FIRST, 19)
        box.run(*CUSTOMERS, keys.features("customer_profile"))
        box.run(*ORDERS, *VIEWS, first=FIRST.isoformat(), last=LAST)
        box.run(*STORY, first=CHAMPION)
        assert box.stores.releases.champion("returned").version == 1
        yield box


@pytest.fixture(scope="module")
def looked(released, tmp_path_factory):
    """The same, and its four as-of dates were looked at."""
    with copy(released, tmp_path_factory.mktemp("looked")) as box:
        for request in tick(box, "returned_watching").run_requests:
            assert launch(box, "returned_watch", request).success
        yield box


@contextmanager
def copy(box, folder, declared=None):
    with sandbox(declared or box.project, Deployed(REAL, box.home).copied_to(folder / "home").home) as other:
        yield other


@pytest.fixture
def at_rest(looked, tmp_path):
    with copy(looked, tmp_path) as box:
        yield box


def tick(box, sensor, cursor=None):
    """What a sensor says, as the daemon asks it."""
    repository = box.project.definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=box.instance, cursor=cursor, repository_def=repository, resources={"stores": box.stores}
    ) as context:
        return repository.get_sensor_def(sensor).evaluate_tick(context)


def asked(said):
    return [(request.partition_key, request.run_key) for request in said.run_requests]


def launch(box, job, request):
    """The run that a request asks for, in this process."""
    os.environ[HOME] = str(box.home)
    os.environ.pop(MLFLOW, None)
    definitions = box.project.definitions
    found = definitions.resolve_job_def(job) if job else definitions.resolve_implicit_global_asset_job_def()
    return found.execute_in_process(
        instance=box.instance,
        partition_key=request.partition_key,
        asset_selection=request.asset_selection,
        tags={**request.tags, "dagster/run_key": request.run_key},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def run_of(box, request, status):
    """What the daemon leaves of a run that was launched, and that ended so or has not."""
    return create_run_for_test(
        box.instance, job_name="job", status=status, tags={**request.tags, "dagster/run_key": request.run_key}
    )


def opened(box):
    return Deployment(box.project, box.instance, box.stores, box.tracking)


def ask(box, as_of=None, by="Ada", reason="a new shop"):
    console = Console(file=StringIO(), width=200)
    ask_for_training(
        opened(box), "returned", as_of and date.fromisoformat(as_of), by=by, reason=reason, console=console
    )
    return console.file.getvalue()


def rewrite(box, day, change):
    path = box.home / "landing" / "orders" / f"{day}.csv"
    path.write_text(change(pd.read_csv(path, dtype=str)).to_csv(index=False))


def history(box):
    return [(one.as_of, one.kind, one.trains) for one in box.stores.retrainings.history("returned")]


FOUR = [(day, "look", day == TRAINS) for day in DATES]


def test_before_anything_is_there_each_sensor_says_what_to_do(declared, tmp_path):
    with sandbox(declared, tmp_path) as box:
        said = {name: tick(box, name) for name in ("returned_watching", "returned_retraining", "land_shop")}
        assert not any(one.run_requests for one in said.values())
        assert said["returned_watching"].skip_message == (
            "no version of returned was ever judged: materialize its release as of a day from 2024-03-13 on first"
        )
        assert said["returned_retraining"].skip_message.startswith("no version of returned reigns yet")
        assert said["land_shop"].skip_message == "every file that has landed is read"
        assert history(box) == []


def test_four_dates_between_two_ticks_are_four_looks_in_order(released):
    said = tick(released, "returned_watching")
    assert [day for day, _ in asked(said)] == DATES
    # As after a crash between a tick and what it launches.
    assert asked(tick(released, "returned_watching")) == asked(said)
    assert len({key for _, key in asked(said)}) == 4


def test_what_was_looked_at_is_not_asked_for_again(looked):
    said = tick(looked, "returned_watching")
    assert asked(said) == []
    assert said.skip_message == "every day up to 2024-03-19 was looked at"


def test_four_looks_are_four_decisions_and_a_tick_again_decides_nothing_again(at_rest):
    said = tick(at_rest, "returned_retraining")
    assert history(at_rest) == FOUR
    assert [day for day, _ in asked(said)] == [TRAINS]
    (request,) = said.run_requests
    assert request.tags["retrain/reason"] == "the last training is 3 days old"
    assert request.tags["retrain/by"] == "sensor"
    (told,) = said.asset_events
    assert (told.metadata["looks"].value, told.metadata["trainings"].value) == (4, 1)
    again = tick(at_rest, "returned_retraining", said.cursor)
    assert asked(again) == asked(said)
    assert history(at_rest) == FOUR
    assert again.asset_events == []
    assert again.cursor == said.cursor


def test_a_training_that_was_decided_is_launched_told_while_it_is_at_it_and_then_done(at_rest):
    said = tick(at_rest, "returned_retraining")
    (request,) = said.run_requests
    with copy(at_rest, at_rest.home.parent / "meanwhile") as other:
        run_of(other, request, dg.DagsterRunStatus.STARTED)
        meanwhile = tick(other, "returned_retraining", said.cursor)
        assert asked(meanwhile) == []
        assert "as of 2024-03-19: the last training is 3 days old; run " in meanwhile.skip_message
        assert meanwhile.skip_message.endswith(" is at it")
    assert launch(at_rest, "returned_release", request).success
    done = tick(at_rest, "returned_retraining", said.cursor)
    assert asked(done) == []
    assert done.skip_message.startswith("nothing new was found about version ")
    assert history(at_rest) == FOUR
    log = {turn.as_of: turn for turn in turns(at_rest.stores, "returned")}
    assert list(log) == [CHAMPION, *DATES]
    assert (log[CHAMPION].by, log[CHAMPION].trained, log[CHAMPION].version) == ("by hand", True, 1)
    assert (log[TRAINS].asks, log[TRAINS].trained) == (True, True)
    assert log[TRAINS].verdict in ("promote", "hold")
    assert not log[DATES[3]].trained
    (told,) = done.asset_events
    assert told.metadata["trainings"].value == 2


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_run_that_failed_is_told_and_not_launched_again_by_itself(at_rest, status):
    (request,) = tick(at_rest, "returned_retraining").run_requests
    run = run_of(at_rest, request, status)
    said = tick(at_rest, "returned_retraining")
    assert asked(said) == []
    assert f"run {run.run_id[:8]} has failed; launch it again when its cause is mended" in said.skip_message


def test_looks_that_failed_are_told(released, tmp_path):
    with copy(released, tmp_path) as box:
        *_, request = tick(box, "returned_watching").run_requests
        run = run_of(box, request, dg.DagsterRunStatus.FAILURE)
        said = tick(box, "returned_watching")
        assert [day for day, _ in asked(said)] == DATES[:3]
        for other in said.run_requests:
            run_of(box, other, dg.DagsterRunStatus.STARTED)
        said = tick(box, "returned_watching")
        assert asked(said) == []
        assert f"as of 2024-03-20: run {run.run_id[:8]} has failed" in said.skip_message
        assert "as of 2024-03-17: run " in said.skip_message


def test_a_look_that_was_killed_before_its_verification_is_asked_for_again(released, tmp_path):
    with copy(released, tmp_path) as box:
        watches = [keys.of_model("returned", one) for one in ("drift_report", "performance_report")]
        box.run(*watches, first=DATES[0])
        assert [day for day, _ in asked(tick(box, "returned_watching"))] == DATES


def test_quiet_hours_hold_what_was_decided_and_lose_none_of_it(looked, tmp_path):
    now = datetime.now(UTC)
    hours = {"begin": f"{now - timedelta(hours=2):%H:%M}", "end": f"{now + timedelta(hours=2):%H:%M}"}
    quiet = project(tmp_path / "quiet", quiet_hours=hours)
    with copy(looked, tmp_path, quiet) as box:
        said = tick(box, "returned_retraining")
        assert asked(said) == []
        assert f"quiet hours until {hours['end']} UTC: 1 training waits" in said.skip_message
        assert history(box) == FOUR
        other = {"begin": hours["end"], "end": f"{now + timedelta(hours=3):%H:%M}"}
        later = project(tmp_path / "later", quiet_hours=other)
        with sandbox(later, box.home) as awake:
            assert [day for day, _ in asked(tick(awake, "returned_retraining"))] == [TRAINS]
            assert history(awake) == FOUR


@pytest.mark.parametrize(
    ("retraining", "held"),
    [
        ({"cool_down_days": 30}, "but the last training is 3 days old, and 30 are waited"),
        ({"a_month": 1}, "in thirty days are the most that are allowed"),
    ],
    ids=["cool-down", "budget"],
)
def test_what_holds_a_training_back_is_decided_once_and_told(looked, tmp_path, retraining, held):
    with copy(looked, tmp_path, project(tmp_path / "project", **retraining)) as box:
        said = tick(box, "returned_retraining")
        assert asked(said) == []
        assert held in said.skip_message
        assert history(box) == [(day, "look", False) for day in DATES]
        assert tick(box, "returned_retraining").skip_message.startswith(
            "nothing new was found about version 1"
        )


def test_a_training_that_was_never_judged_is_not_one_that_was_held(looked, tmp_path):
    patient = project(tmp_path / "project", age_days=1, cool_down_days=1, back_off=3, a_month=9)
    with copy(looked, tmp_path, patient) as box:
        tick(box, "returned_retraining")
        assert history(box) == [(day, "look", True) for day in DATES]


def test_what_a_person_asks_for_is_launched_in_their_name_and_once(at_rest):
    tick(at_rest, "returned_retraining")
    said = ask(at_rest)
    assert "returned is to be trained as of 2024-03-20, by Ada." in said
    assert "mlops run returned --as-of 2024-03-20" in said
    ask(at_rest, by="Bob", reason="the same")
    requests = tick(at_rest, "returned_retraining").run_requests
    assert [one.partition_key for one in requests] == [TRAINS, "2024-03-20"]
    assert requests[1].tags["retrain/by"] == "Bob"
    assert [one.run_key for one in tick(at_rest, "returned_retraining").run_requests] == [
        one.run_key for one in requests
    ]
    with copy(at_rest, at_rest.home.parent / "first") as other:
        ada = next(one for one in other.stores.retrainings.history("returned") if one.by == "Ada")
        create_run_for_test(other.instance, job_name="job", tags={"dagster/run_key": ada.run_key})
        said = tick(other, "returned_retraining")
        assert [day for day, _ in asked(said)] == [TRAINS]
    assert launch(at_rest, "returned_release", requests[1]).success
    assert [day for day, _ in asked(tick(at_rest, "returned_retraining"))] == [TRAINS]
    told = {turn.by: turn for turn in turns(at_rest.stores, "returned")}
    assert told["Bob"].trained
    assert told["Ada"].trained


def test_a_look_at_a_date_before_a_training_that_was_asked_for_asks_for_no_older_one(at_rest):
    ask(at_rest)
    said = tick(at_rest, "returned_retraining")
    assert [day for day, _ in asked(said)] == ["2024-03-20"]
    assert history(at_rest) == [
        ("2024-03-20", "person", True),
        *((day, "look", False) for day in DATES),
    ]
    reasons = [one.reason for one in at_rest.stores.retrainings.history("returned") if one.kind == "look"]
    assert set(reasons) == {"a training as of 2024-03-20 was asked for already"}


def test_a_look_that_comes_after_the_training_of_a_later_date_has_its_answer_too(released, tmp_path):
    with copy(released, tmp_path) as box:
        looks = {one.partition_key: one for one in tick(box, "returned_watching").run_requests}
        for day in (DATES[0], TRAINS):
            assert launch(box, "returned_watch", looks[day]).success
        (request,) = tick(box, "returned_retraining").run_requests
        assert launch(box, "returned_release", request).success
        assert launch(box, "returned_watch", looks[DATES[1]]).success
        for _ in range(2):
            assert asked(tick(box, "returned_retraining")) == []
            assert history(box) == [
                (DATES[0], "look", False),
                (TRAINS, "look", True),
                (DATES[1], "look", False),
            ]
        late = box.stores.retrainings.history("returned")[-1]
        assert late.reason == f"a training as of {TRAINS} was asked for already"
        log = {turn.as_of: turn for turn in turns(box.stores, "returned")}
        assert not log[DATES[1]].trained
        assert log[TRAINS].trained


def test_the_first_look_of_all_has_its_answer_too_when_it_comes_late(released, tmp_path):
    with copy(released, tmp_path) as box:
        looks = {one.partition_key: one for one in tick(box, "returned_watching").run_requests}
        assert launch(box, "returned_watch", looks[TRAINS]).success
        (request,) = tick(box, "returned_retraining").run_requests
        assert launch(box, "returned_release", request).success
        assert launch(box, "returned_watch", looks[DATES[0]]).success
        for _ in range(2):
            assert asked(tick(box, "returned_retraining")) == []
            assert history(box) == [(TRAINS, "look", True), (DATES[0], "look", False)]


def test_a_training_whose_evaluation_failed_is_told_although_the_model_is_there(at_rest):
    (request,) = tick(at_rest, "returned_retraining").run_requests
    at_rest.run(*STORY[:2], first=TRAINS)
    run = run_of(at_rest, request, dg.DagsterRunStatus.FAILURE)
    said = tick(at_rest, "returned_retraining")
    assert asked(said) == []
    assert f"run {run.run_id[:8]} has failed" in said.skip_message
    at_rest.run(*STORY[2:], first=TRAINS)
    assert tick(at_rest, "returned_retraining").skip_message.startswith("nothing new was found")


def test_a_clock_asks_once_for_each_moment_also_when_days_came_since(at_rest):
    def clock(moment):
        return ask_by_the_clock(at_rest.stores, at_rest.project.model("returned"), at=moment)

    said = clock("2024-04-01T06:00:00+00:00")
    assert said == "returned is to be trained as of 2024-03-20"
    land_orders(at_rest.home, date(2024, 3, 20), 1)
    at_rest.run(*ORDERS, first="2024-03-20")
    assert clock("2024-04-01T06:00:00+00:00") == said
    assert history(at_rest) == [("2024-03-20", "clock", True)]
    assert clock("2024-05-01T06:00:00+00:00") == "returned is to be trained as of 2024-03-21"


def test_a_person_may_ask_for_dates_that_are_to_come_and_nobody_else_waits(at_rest):
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    person(at_rest, tomorrow)
    said = tick(at_rest, "returned_retraining")
    assert [day for day, _ in asked(said)] == [TRAINS]
    run_of(at_rest, said.run_requests[0], dg.DagsterRunStatus.STARTED)
    said = tick(at_rest, "returned_retraining")
    assert asked(said) == []
    assert f"as of {tomorrow}: soon; it waits for that date to begin" in said.skip_message


def person(box, as_of):
    return word(box.stores, box.project.model("returned"), as_of, by="Ada", reason="soon", at="2026-01-01")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"by": " "}, "needs the name of who asks"),
        ({"reason": ""}, "needs the name of who asks"),
        ({"by": "Sensor"}, "signs its own verdicts"),
        ({"by": "gate"}, "signs its own verdicts"),
        ({"as_of": "2024-03-12"}, "cannot be trained as of 2024-03-12"),
        ({"as_of": "2999-01-01"}, "cannot be trained as of 2999-01-01"),
    ],
)
def test_a_word_that_cannot_be_acted_upon_is_refused(looked, said, told):
    with pytest.raises((BadRequest, ImpossibleDate), match=told):
        ask(looked, **said)
    assert [one for one in history(looked) if one[1] == "person"] == []


def test_what_people_read_of_the_loop_in_a_terminal(at_rest, tmp_path):
    console = Console(file=StringIO(), width=200)
    show_loop(opened(at_rest), "returned", None, console=console)
    assert "2024-03-16" in console.file.getvalue()
    tick(at_rest, "returned_retraining")
    ask(at_rest, reason="[bold]退货[/] <script>")
    show_loop(opened(at_rest), "returned", None, console=console)
    shown = console.file.getvalue()
    assert "[bold]退货[/] <script>" in shown
    assert "not yet" in shown
    show_loop(opened(at_rest), "returned", tmp_path / "loop.svg", console=console)
    assert "&lt;script&gt;" in (tmp_path / "loop.svg").read_text(encoding="utf-8")


def test_restated_days_wait_like_other_reasons_and_are_not_forgotten_meanwhile(looked, tmp_path):
    said = {"age_days": None, "restated": True}
    waits = project(tmp_path / "waits", **said, cool_down_days=30)
    asks = project(tmp_path / "asks", **said, a_month=2)
    calm = [(day, "look", False) for day in DATES]
    with copy(looked, tmp_path, waits) as box:
        rewrite(box, "2024-03-10", lambda rows: rows.assign(amount="10.0"))
        box.run(*ORDERS, first="2024-03-10")
        for _ in range(2):
            told = tick(box, "returned_retraining").skip_message
            assert "version 1 was trained on 1 day of validated/orders that holds other rows by now" in told
            assert "but the last training is 4 days old, and 30 are waited" in told
            assert history(box) == calm
        with sandbox(asks, box.home) as other:
            restated = ("2024-03-20", "restated", True)
            for _ in range(2):
                tick(other, "returned_retraining")
                assert history(other) == [*calm, restated]
            # The next day that is restated is within the same month, of which the budget is spent.
            rewrite(other, "2024-03-11", lambda rows: rows.assign(amount="10.0"))
            other.run(*ORDERS, first="2024-03-11")
            told = tick(other, "returned_retraining").skip_message
            assert "2 days of validated/orders that hold other rows by now" in told
            assert "but 2 trainings in thirty days are the most that are allowed" in told
            assert history(other) == [*calm, restated]


def test_quiet_hours_do_not_hide_what_was_launched_before(looked, tmp_path):
    with copy(looked, tmp_path) as box:
        (request,) = tick(box, "returned_retraining").run_requests
        run = run_of(box, request, dg.DagsterRunStatus.FAILURE)
        now = datetime.now(UTC)
        hours = {"begin": f"{now - timedelta(hours=2):%H:%M}", "end": f"{now + timedelta(hours=2):%H:%M}"}
        with sandbox(project(tmp_path / "quiet", quiet_hours=hours), box.home) as quiet:
            assert f"run {run.run_id[:8]} has failed" in tick(quiet, "returned_retraining").skip_message


def test_what_a_backtest_trains_is_no_training_of_the_loop(looked, tmp_path):
    """It trains by the same assets; nothing is judged, so it neither answers a look nor holds one back."""
    with copy(looked, tmp_path) as box:
        for as_of in DATES[1], DATES[3]:
            box.run(*(keys.of_model("returned", one) for one in TRAINED), first=as_of)
        tick(box, "returned_retraining")
        assert history(box) == FOUR


def test_enough_new_labels_ask_for_a_training(looked, tmp_path):
    reports = recorded_performance(looked.stores, looked.project.model("returned"), DATES)
    counts = [reports[day].new_labels for day in DATES]
    assert counts[0] < counts[-1]
    enough = {"age_days": None, "new_labels": counts[-1], "looks": 2, "of_looks": 2}
    with copy(looked, tmp_path, project(tmp_path / "project", **enough)) as box:
        first = next(day for day, count in zip(DATES, counts, strict=True) if count >= counts[-1])
        (request,) = tick(box, "returned_retraining").run_requests
        assert request.partition_key == first
        assert (
            request.tags["retrain/reason"] == f"{counts[-1]} labels became known since the champion was made"
        )


def test_definitions_that_changed_are_told_once_and_wait_for_their_data(looked, tmp_path):
    other = project(tmp_path / "other", sql=("604800 SECONDS", "518400 SECONDS"))
    with copy(looked, tmp_path, other) as box:
        said = tick(box, "returned_retraining")
        changed = ("2024-03-20", "changed", True)
        assert history(box) == [*FOUR, changed]
        assert asked(said) == []
        assert (
            "changed since version 1 was trained: customer_orders (sql); it waits for features/customer_orders"
            in (said.skip_message)
        )
        watching = tick(box, "returned_watching")
        assert asked(watching) == []
        box.run(*VIEWS, first=FIRST.isoformat(), last=LAST)
        said = tick(box, "returned_retraining")
        assert [day for day, _ in asked(said)] == [TRAINS, "2024-03-20"]
        assert history(box) == [*FOUR, changed]
        run_of(box, said.run_requests[0], dg.DagsterRunStatus.FAILURE)
        assert launch(box, "returned_release", said.run_requests[1]).success
        assert asked(tick(box, "returned_retraining")) == []
        assert history(box) == [*FOUR, changed]


def test_a_view_of_another_version_is_waited_for_although_its_rows_are_the_same(released, tmp_path):
    """What a look would refuse is not asked for: it would fail, and be asked for never again."""
    said = (SHOP / VIEW).read_text()
    sql = next(line for line in said.splitlines() if "604800 SECONDS" in line)
    other = project(
        tmp_path / "other", sql=(sql, sql.replace("604800 SECONDS", "604800 SECONDS + INTERVAL 0 SECONDS"))
    )
    with copy(released, tmp_path, other) as box:
        waiting = tick(box, "returned_watching")
        assert asked(waiting) == []
        assert "as of 2024-03-17 it lacks features/customer_orders of " in waiting.skip_message
        assert waiting.skip_message.endswith(", as declared now")
        box.run(*VIEWS, first=FIRST.isoformat(), last=LAST)
        assert [day for day, _ in asked(tick(box, "returned_watching"))] == DATES


def test_a_day_that_is_restated_is_read_and_the_look_that_decides_is_due_again(at_rest):
    tick(at_rest, "returned_retraining")
    before = at_rest.stores.records.contents("returned/performance_report")
    cursor = tick(at_rest, "land_shop").cursor
    assert tick(at_rest, "land_shop", cursor).skip_message == "every file that has landed is read"
    rewrite(at_rest, "2024-03-18", lambda rows: rows.assign(amount="10.0"))
    landed = tick(at_rest, "land_shop", cursor)
    (request,) = landed.run_requests
    assert asked(tick(at_rest, "land_shop", cursor)) == asked(landed)
    assert launch(at_rest, None, request).success
    assert asked(tick(at_rest, "land_shop", landed.cursor)) == []
    at_rest.run(*VIEWS, first="2024-03-18", last=LAST)
    said = tick(at_rest, "returned_watching")
    # Looks as of 2024-03-19 and later hold it, and a decision looks at the newest only.
    assert [day for day, _ in asked(said)] == DATES[-1:]
    for one in said.run_requests:
        assert launch(at_rest, "returned_watch", one).success
    assert asked(tick(at_rest, "returned_watching")) == []
    assert at_rest.stores.records.contents("returned/performance_report") != before
    # Looked at anew it is another decision, about the same training.
    said = tick(at_rest, "returned_retraining")
    assert [day for day, _ in asked(said)] == [TRAINS]
    assert {one[:2] for one in history(at_rest)} == {one[:2] for one in FOUR}
    # And as it was before: each time is news.
    keys_used = {request.run_key}
    for amount in ("20.0", "10.0", "20.0"):
        rewrite(at_rest, "2024-03-18", lambda rows, amount=amount: rows.assign(amount=amount))
        landed = tick(at_rest, "land_shop", landed.cursor)
        (request,) = landed.run_requests
        assert request.run_key not in keys_used
        keys_used.add(request.run_key)
        assert launch(at_rest, None, request).success


def test_files_that_land_while_others_are_read_and_those_that_failed_are_told(released, tmp_path):
    with copy(released, tmp_path) as box:
        cursor = tick(box, "land_shop").cursor
        land_orders(box.home, date(2024, 3, 20), 2)
        first = tick(box, "land_shop", cursor)
        (request,) = first.run_requests
        assert (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        ) == (
            "2024-03-20",
            "2024-03-21",
        )
        # The customers' file was written anew with them, and holds the same.
        run = run_of(box, request, dg.DagsterRunStatus.STARTED)
        meanwhile = tick(box, "land_shop", first.cursor)
        assert asked(meanwhile) == []
        assert meanwhile.skip_message == f"orders of 2024-03-20 to 2024-03-21: run {run.run_id[:8]} is at it"
        land_orders(box.home, date(2024, 3, 22), 1)
        second = tick(box, "land_shop", meanwhile.cursor)
        assert [one.tags["dagster/asset_partition_range_start"] for one in second.run_requests] == [
            "2024-03-22"
        ]
        assert launch(box, None, second.run_requests[0]).success
        box.instance.report_run_failed(box.instance.get_run_by_id(run.run_id))
        failed = tick(box, "land_shop", second.cursor)
        assert asked(failed) == []
        assert f"orders of 2024-03-20 to 2024-03-21: run {run.run_id[:8]} has failed" in failed.skip_message
        # A cursor that is lost, as when a sensor is reset, loses nothing.
        assert len(tick(box, "land_shop").run_requests) == 1
        box.instance.delete_run(run.run_id)
        assert launch(box, None, tick(box, "land_shop", failed.cursor).run_requests[0]).success
        assert tick(box, "land_shop", failed.cursor).skip_message == "every file that has landed is read"


# A world in which dear orders come back, but from 17 to 27 March it is the cheap ones: a version as of the 28th has
# learned what holds no more.
TURNED, BACK, NOW = "2024-03-17", "2024-03-28", "2024-04-07"
LOOKS = {"after_days": [3, 5]}


def comes_back(*, dear):
    """Nearly all dear orders, or nearly all cheap ones."""

    def change(rows):
        exceptions = rows["order_id"].astype(int) % 7 == 0
        returned = (rows["amount"].astype(float) > 70) ^ exceptions ^ (not dear)
        return rows.assign(returned=returned.map({True: "true", False: "false"}))

    return change


@pytest.fixture(scope="module")
def worse(tmp_path_factory):
    """A version that the gate let reign, and ten days on which it is worse than the one before it."""
    declared = project(tmp_path_factory.mktemp("project"), verification=LOOKS)
    with sandbox(declared, tmp_path_factory.mktemp("worse")) as box:
        land_orders(box.home, FIRST, 37)
        for day in days(FIRST.isoformat(), "2024-04-06"):
            rewrite(box, day, comes_back(dear=not TURNED <= day < BACK))
        box.run(*CUSTOMERS, keys.features("customer_profile"))
        box.run(*ORDERS, *VIEWS, first=FIRST.isoformat(), last="2024-04-06")
        for as_of in (CHAMPION, BACK):
            box.run(*STORY, first=as_of)
        assert [(one.version, one.by) for one in box.stores.reigns.history("returned")] == [
            (1, "gate"),
            (2, "gate"),
        ]
        yield box


WATCH = [keys.of_model("returned", one) for one in ("drift_report", "performance_report", "verification")]


def said_of(box, as_of=NOW):
    (row,) = box.rows("returned/verification", [as_of])
    return row


def alias(box):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{box.home / 'mlflow.db'}", f"sqlite:///{box.home / 'mlflow.db'}")
    (model,) = client.search_registered_models()
    return str(client.get_model_version_by_alias(model.name, "champion").version)


def test_a_release_that_was_wrong_is_taken_back_for_good(worse, tmp_path):
    with copy(worse, tmp_path) as box:
        assert alias(box) == box.stores.releases.version("returned", 2).mlflow_version
        box.run(*WATCH, first="2024-03-30")
        assert said_of(box, "2024-03-30")["answer"] in ("waiting", "nothing to verify")
        assert box.stores.reigns.current("returned").version == 2
        box.run(*WATCH, first=NOW)
        reign = box.stores.reigns.current("returned")
        assert (reign.number, reign.version, reign.by) == (3, 1, "verification")
        assert "days since its release its loss was" in reign.reason
        assert alias(box) == box.stores.releases.version("returned", 1).mlflow_version
        assert said_of(box)["answer"] == "rolled back"
        found = box.instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(WATCH[-1], "release_was_right"), limit=1
        )
        evaluation = found[0].event.dagster_event.event_specific_data
        assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
        said = box.stores.retrainings.verifications("returned")
        # Said again it is not done again.
        box.run(*WATCH, first=NOW)
        assert box.stores.reigns.current("returned") == reign
        assert box.stores.retrainings.verifications("returned") == said
        # And the gate does not bring it back.
        box.run(*STORY, first=BACK)
        assert box.stores.reigns.current("returned") == reign
        assert box.stores.releases.history("returned")[-1]["verdict"] == "hold"
        assert any(
            "verification ended the reign of version 2" in one["sentence"]
            for one in box.stores.releases.history("returned")[-1]["reasons"]
        )
        by_date = {turn.as_of: turn for turn in turns(box.stores, "returned")}
        assert by_date[BACK].verified.startswith("rolled back: on the first ")
        assert by_date[BACK].verified_as_of == NOW
        told = tick(box, "returned_retraining").asset_events[0].metadata
        assert "rolled back" in told["loop"].value


def test_what_a_person_let_reign_is_told_of_and_stays(worse, tmp_path):
    with copy(worse, tmp_path) as box:
        for version in (1, 2):
            releases.roll_back_to(
                opened(box), "returned", version, by="Ada", reason="to see", console=Console(quiet=True)
            )
        box.run(*WATCH, first=NOW)
        assert said_of(box)["answer"] == "worse"
        reign = box.stores.reigns.current("returned")
        assert (reign.version, reign.by) == (2, "Ada")
        assert [one.answer for one in box.stores.retrainings.verifications("returned")] == ["worse"]


def test_a_declaration_may_leave_it_to_people(worse, tmp_path):
    declared = project(tmp_path / "project", verification={**LOOKS, "rollback": False})
    with copy(worse, tmp_path, declared) as box:
        box.run(*WATCH, first=NOW)
        assert said_of(box)["answer"] == "worse"
        assert box.stores.reigns.current("returned").version == 2


def test_a_version_whose_files_are_not_whole_is_not_said_to_reign_again(worse, tmp_path, monkeypatch):
    def broken(stores, release):
        raise ArtifactMismatch(f"version {release.version} is not whole")

    with copy(worse, tmp_path) as box:
        monkeypatch.setattr(verification, "require_whole", broken)
        done = box.run(*WATCH, first=NOW, raise_on_error=False)
        assert not done.success
        assert box.stores.retrainings.verifications("returned") == []
        assert box.stores.reigns.current("returned").version == 2
        monkeypatch.undo()
        box.run(*WATCH, first=NOW)
        assert box.stores.reigns.current("returned").version == 1


def test_a_version_that_another_overtakes_is_not_said_to_be_taken_back(worse, tmp_path, monkeypatch):
    with copy(worse, tmp_path) as box:
        reigns = box.stores.reigns

        def overtaken(stores, release):
            reigns.begin("returned", 1, after=2, by="Ada", reason="to see", at="2024-04-07", run_id="")

        monkeypatch.setattr(verification, "require_whole", overtaken)
        assert not box.run(*WATCH, first=NOW, raise_on_error=False).success
        assert box.stores.retrainings.verifications("returned") == []
        assert reigns.current("returned").by == "Ada"


def test_the_first_version_has_nothing_to_verify(released, tmp_path):
    with copy(released, tmp_path) as box:
        box.run(*WATCH, first=DATES[0])
        row = said_of(box, DATES[0])
        assert row["answer"] == "nothing to verify"
        assert row["sentence"] == (
            "version 1 has none before it to be compared with: no version reigned before it"
        )
