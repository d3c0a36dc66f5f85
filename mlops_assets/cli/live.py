"""``mlops demo --live``: days of the past replayed against a running service, and the loop that watches it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from filelock import FileLock, Timeout
from rich.console import Console

from mlops_assets.cli.commands import UI, bring_data_up_to, bring_up_to, require_possible
from mlops_assets.cli.compaction import compact_predictions
from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import bury_dead_runs, execute
from mlops_assets.cli.live_service import LiveService, live_service
from mlops_assets.declaration.model import Model
from mlops_assets.errors import BadRequest, NotMaterialized
from mlops_assets.governance.ml_test_score import STAGE as SCORE
from mlops_assets.graph import keys
from mlops_assets.graph.features import view_code
from mlops_assets.graph.plan import LINEAGE, STAGES, PlannedRun
from mlops_assets.graph.retraining import BY, EVIDENCE, LOG, REASON
from mlops_assets.graph.settling import settle
from mlops_assets.monitoring.service import REPORT as SERVICE_REPORT
from mlops_assets.steps.due import REPORTS, WATCHES, due, newest_judged
from mlops_assets.steps.online import put_online
from mlops_assets.steps.replay import answered, day_begins, in_slots, questions
from mlops_assets.steps.replay_page import in_words, show, summary
from mlops_assets.steps.retraining import decide_all, unanswered
from mlops_assets.steps.seen import seen_in
from mlops_assets.stores.prediction_log import log_folder
from mlops_assets.stores.releases import Release
from mlops_assets.stores.replays import ReplayedDay, Replays
from mlops_assets.stores.retrainings import RetrainingDecision
from mlops_assets.stores.tail import Tail

QUIET = Console(quiet=True)
A_DAY = timedelta(days=1)
# Steps of a rollout that say with which share it goes on.
BEGINS = ("started", "share changed")


@dataclass(frozen=True)
class Pace:
    """speed: seconds of the replay in one second, at most. online_each: between two times that features go online."""

    speed: float
    online_each: timedelta


def show_live(
    opened: Deployment,
    name: str,
    first: date,
    count: int,
    pace: Pace,
    *,
    port: int,
    console: Console,
) -> None:
    """Replay so many days from ``first`` on, or those of them that were not yet; then tell what became of them.

    Raises BadRequest when the home is beyond these days or another replay is at it, and RunFailed, with the reason,
    when a step of a day fails; what was done before is whole, and the next replay goes on from it.
    """
    model, replays = opened.project.model(name), Replays.below(opened.stores.places.home, name)
    days = [first + n * A_DAY for n in range(count)]
    require_possible(opened.project.catalog, model, [first, days[-1] + A_DAY])
    with _alone(replays):
        _prepare(opened, model, replays, first, console)
        done = {one.day for one in replays.days()}
        left = [day for day in days if day.isoformat() not in done]
        if left:
            _replay(opened, model, replays, left, pace, port, console)
            _tell_the_loop(opened, model)
        _take_over(opened, model, days)
        found = [one for one in replays.days() if days[0].isoformat() <= one.day <= days[-1].isoformat()]
        page = show(opened.stores, name, found)
        for line in summary(found):
            console.print(line, highlight=False)
        console.print(
            f"All of it: {page}\nThe measures of the service when it ended: {replays.folder / 'metrics.txt'}\n"
            f"In Dagster's UI: [bold]MLOPS_HOME={opened.stores.places.home} make dev[/], then "
            f"{UI}/assets/{name}/retraining_log",
            highlight=False,
            soft_wrap=True,
        )


@contextmanager
def _alone(replays: Replays) -> Iterator[None]:
    try:
        with FileLock(replays.folder / "lock", timeout=0):
            yield
    except Timeout as error:
        raise BadRequest(f"another replay is at it in {replays.folder}; wait for it, or end it") from error


def _prepare(opened: Deployment, model: Model, replays: Replays, first: date, console: Console) -> None:
    """Let a version reign that knows nothing of the days to come, and the clock show when the first of them begins."""
    for run_id in bury_dead_runs(opened.instance):
        console.print(f"[yellow]Run {run_id} was killed; what it made is made again where needed.[/]")
    settle(opened.instance, opened.stores, opened.tracking)
    if newest_judged(opened.stores, model) is None:
        bring_up_to(opened, model.name, [first], again=False, console=console)
    judged = newest_judged(opened.stores, model)
    done = replays.days()
    if not done and judged is not None and judged > first.isoformat():
        raise BadRequest(
            f"{model.name} was judged as of {judged} already, so it may know of the days from {first} on; replay from "
            f"{judged} on (--from), or in a home of its own (MLOPS_HOME)"
        )
    replays.set_clock(day_begins(opened.project.catalog, model, first))


def _replay(
    opened: Deployment,
    model: Model,
    replays: Replays,
    days: list[date],
    pace: Pace,
    port: int,
    console: Console,
) -> None:
    # A service does not start without features.
    _land(opened, model, days[0])
    _put_online(opened, model, day_begins(opened.project.catalog, model, days[0]))
    with live_service(model.name, replays, opened.project.feature_repository, port) as service:
        console.print(
            f"The service answers on {service.address}, its measures are {service.address}/metrics",
            highlight=False,
        )
        tail = Tail(log_folder(opened.stores.places.home, model.name), {})
        for day in days:
            begun, since = time.monotonic(), opened.stores.ledger.now()
            found = _ask(opened, model, replays, service, tail, day, pace)
            found = _look(opened, model, service, found, day, console)
            tried = _tried(opened, model, since)
            found = replace(found, tried=tried, seconds=round(time.monotonic() - begun, 1))
            replays.keep(found)
            console.print(in_words(found), highlight=False, soft_wrap=True)
            (replays.folder / "metrics.txt").write_text(service.metrics())


def _take_over(opened: Deployment, model: Model, days: list[date]) -> None:
    """What the service answered, and how it did, as assets, now that its log is whole."""
    compact_predictions(opened, model.name, console=QUIET)
    report = keys.of_model(model.name, SERVICE_REPORT)
    reported = {one.partition for one in opened.stores.records.contents(keys.table_name(report))}
    for day in (one.isoformat() for one in days):
        if day not in reported:
            execute(opened, PlannedRun(f"{model.name} was served", (report,), day, day), QUIET)


def _land(opened: Deployment, model: Model, day: date) -> None:
    """The day's rows and features, with all that is told of them; nobody reads what is not known yet."""
    bring_data_up_to(opened, model, [day, day + A_DAY], again=False, console=QUIET)


def _put_online(opened: Deployment, model: Model, moment: datetime) -> None:
    """What was known at a moment, unless later things are online."""
    catalog, online = opened.project.catalog, opened.stores.online
    for view in catalog.features.views_of(model.features):
        version = view_code(catalog, view)
        there = online.view(view, version)
        if there is None or there.known_until < moment:
            put_online(opened.stores, catalog.features, view, version=version, until=moment)


def _ask(
    opened: Deployment,
    model: Model,
    replays: Replays,
    service: LiveService,
    tail: Tail,
    day: date,
    pace: Pace,
) -> ReplayedDay:
    """Send the requests of a day, each at its moment, with features online as known not long before."""
    catalog = opened.project.catalog
    begins, ends = (day_begins(catalog, model, one) for one in (day, day + A_DAY))
    _land(opened, model, day)
    now = replays.now() or begins
    refused: dict[int, int] = {}
    asked = [one for one in questions(opened.stores, catalog, model, day) if one.at >= now]
    for moment, of_slot in in_slots(asked, begins, pace.online_each):
        _put_online(opened, model, moment)
        started = time.monotonic()
        for one in of_slot:
            replays.set_clock(one.at)
            _wait((one.at - of_slot[0].at).total_seconds() / pace.speed - (time.monotonic() - started))
            status = service.ask(one.id, one.row)
            if status != 200:
                refused[status] = refused.get(status, 0) + 1
    records = (event.record for event in tail.events())
    return answered(records, ReplayedDay(day.isoformat(), refused=refused), begins, ends)


def _wait(seconds: float) -> None:
    if seconds > 0:
        time.sleep(seconds)


def _look(
    opened: Deployment,
    model: Model,
    service: LiveService,
    found: ReplayedDay,
    day: date,
    console: Console,
) -> ReplayedDay:
    """When a day is over: the reports that are due, the decision, what follows from it, and who answers then."""
    stores, as_of = opened.stores, (day + A_DAY).isoformat()
    before = _champion(opened, model)
    for one in due(stores, opened.project.catalog, model, now=datetime.now(UTC)).due:
        watches = tuple(keys.of_model(model.name, watch) for watch in WATCHES)
        execute(opened, PlannedRun(f"{model.name} is looked at", watches, one.as_of, one.as_of), QUIET)
    if stores.records.contents(f"{model.name}/{REPORTS[0]}", partitions=[as_of]):
        (seen,) = seen_in(stores, model, before, [as_of])
        found = replace(found, drift=seen.drift or "", grown=seen.grown)
    decide_all(stores, opened.project.catalog, model, at=datetime.now(UTC).isoformat(timespec="microseconds"))
    for decided in unanswered(stores, model):
        _train(opened, model, decided, console)
    service.comes_to(lambda: _answering(opened, model))
    verdicts = [one["verdict"] for one in stores.releases.history(model.name) if one["as_of"] == as_of]
    return replace(
        found,
        decision="; ".join(
            one.reason for one in stores.retrainings.history(model.name) if one.as_of == as_of
        ),
        verdict=verdicts[-1] if verdicts else "",
        champion=_champion(opened, model).version,
    )


def _answering(opened: Deployment, model: Model) -> tuple[int, int | None]:
    """The version that reigns, and the one that is tried."""
    tried = opened.stores.rollouts.current(model.name)
    return _champion(opened, model).version, tried.version if tried else None


def _tried(opened: Deployment, model: Model, since: str) -> tuple[str, ...]:
    """What became of versions beside the champion, since a moment."""
    return tuple(
        f"version {one.version} {step.state}"
        + (f" with {step.share:.0%} of the requests" if step.state in BEGINS else f": {step.reason}")
        for one in opened.stores.rollouts.history(model.name)
        for step in one.steps
        if step.at >= since
    )


def _champion(opened: Deployment, model: Model) -> Release:
    found = opened.stores.releases.champion(model.name)
    if found is None:
        raise NotMaterialized(
            f"no version of {model.name} reigns: its gate held the first one. `mlops status {model.name}` says why"
        )
    return found


def _train(opened: Deployment, model: Model, decided: RetrainingDecision, console: Console) -> None:
    """A challenger, its gate, its release if that allows it, and what the loop says of it."""
    story = tuple(keys.of_model(model.name, stage) for stage in (*STAGES, LINEAGE, SCORE))
    tags = {REASON: decided.reason, EVIDENCE: decided.evidence, BY: decided.by}
    console.print(f"  as of {decided.as_of}: {decided.reason}", highlight=False, markup=False)
    challenger = PlannedRun(f"  {model.name} as of {decided.as_of}", story, decided.as_of, decided.as_of)
    execute(opened, challenger, console, tags=tags)
    _tell_the_loop(opened, model)


def _tell_the_loop(opened: Deployment, model: Model) -> None:
    execute(opened, PlannedRun("the loop is told", (keys.of_model(model.name, LOG),)), QUIET)
