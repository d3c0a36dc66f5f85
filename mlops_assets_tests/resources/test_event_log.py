"""The embedded event log says what Dagster's own says, and keeps it through crowds and kills."""

import multiprocessing
import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.events import (
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage, SqliteEventLogStorage
from dagster._core.test_utils import instance_for_test

from mlops_assets.resources.event_log import EmbeddedEventLog

pytestmark = pytest.mark.filterwarnings(
    "ignore::dagster.BetaWarning",
    "ignore::dagster.PreviewWarning",
    # Dagster's own storages leave theirs to the garbage collector.
    "ignore::ResourceWarning",
)

DAYS = dg.DailyPartitionsDefinition("2013-01-01", end_date="2013-01-07")
BAD_DAY = "2013-01-05"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
EXECUTORS = {
    "in process": {"in_process": {}},
    "forkserver": {"multiprocess": {"start_method": {"forkserver": {}}}},
    "spawn": {"multiprocess": {"start_method": {"spawn": {}}}},
}
POOLS = [f"pool {number:02}" for number in range(40)]
spawn = multiprocessing.get_context("spawn")


# --- the same job on Dagster's log and on ours --------------------------------------------------------------


def small_job() -> dg.JobDefinition:
    @dg.asset(
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="1",
        check_specs=[dg.AssetCheckSpec("sane", asset="raw", blocking=True, partitions_def=DAYS)],
    )
    def raw(context: dg.AssetExecutionContext) -> Iterator[Any]:
        context.log.info("looking at the days")
        for day in context.partition_keys:
            context.add_asset_metadata({"rows": int(day[-2:])}, partition_key=day)
        yield dg.MaterializeResult(tags={"kept": "yes"})
        yield dg.Output(None, output_name="raw_sane")
        for day in context.partition_keys:
            yield dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("raw"),
                check_name="sane",
                passed=day != BAD_DAY,
                metadata={"rows": 1},
                blocking=True,
                partition=day,
                severity=dg.AssetCheckSeverity.ERROR,
            )

    @dg.asset(
        partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), code_version="1", deps=[raw]
    )
    def clean() -> None: ...

    days = dg.define_asset_job("days", selection=["raw", "clean"])
    return dg.Definitions(assets=[raw, clean], jobs=[days]).resolve_job_def("days")


def gated_job() -> dg.JobDefinition:
    @dg.asset(code_version="1")
    def summary() -> None: ...

    @dg.asset_check(asset=summary, blocking=True)
    def gate() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, metadata={"why": "too few rows"})

    @dg.asset(code_version="1", deps=[summary])
    def behind_the_gate() -> None: ...

    definitions = dg.Definitions(
        assets=[summary, behind_the_gate], asset_checks=[gate], jobs=[dg.define_asset_job("gated")]
    )
    return definitions.resolve_job_def("gated")


@contextmanager
def dagster_with(log: type, home: Path) -> Iterator[dg.DagsterInstance]:
    storage = {"module": log.__module__, "class": log.__name__, "config": {"base_dir": str(home / "log")}}
    home.mkdir()
    with instance_for_test(temp_dir=str(home), overrides={"event_log_storage": storage}) as instance:
        assert type(instance.event_log_storage) is log
        yield instance


def run_the_days(instance: dg.DagsterInstance, executor: str) -> list[str]:
    """A range run, a day again, a day whose blocking check fails, and a gate that closes: their run ids."""
    a_range = {
        "dagster/asset_partition_range_start": "2013-01-01",
        "dagster/asset_partition_range_end": "2013-01-04",
    }
    launches: list[tuple[Callable[[], dg.JobDefinition], dict[str, str]]] = [
        (small_job, a_range),
        (small_job, {"dagster/partition": "2013-01-02"}),
        (small_job, {"dagster/partition": BAD_DAY}),
        (gated_job, {}),
    ]
    runs = []
    for job, tags in launches:
        config = {**QUIET, "execution": {"config": EXECUTORS[executor]}}
        with dg.execute_job(dg.reconstructable(job), instance=instance, tags=tags, run_config=config) as done:
            runs.append(done.run_id)
    return runs


def told(instance: dg.DagsterInstance, runs: list[str]) -> dict[str, Any]:
    """What the platform asks an event log, without what differs each time (ids, times, process ids)."""
    log = instance.event_log_storage
    name = {run: number for number, run in enumerate(runs)}
    days, once = (
        [dg.AssetKey("raw"), dg.AssetKey("clean")],
        [dg.AssetKey("summary"), dg.AssetKey("behind_the_gate")],
    )
    checks = [dg.AssetCheckKey(days[0], "sane"), dg.AssetCheckKey(once[0], "gate")]

    def materialization(record: dg.EventLogRecord) -> Any:
        it = record.asset_materialization
        assert it is not None
        pointers = {key for key in it.tags or {} if "input_event_pointer" in key}
        tags = {key: value for key, value in (it.tags or {}).items() if key not in pointers}
        return name[record.run_id], it.partition, it.metadata, tags, pointers

    def execution(record: Any) -> Any:
        evaluation = record.evaluation
        of = evaluation.target_materialization_data if evaluation else None
        return (
            name[record.run_id],
            record.partition,
            record.status,
            evaluation and (evaluation.passed, evaluation.metadata, evaluation.blocking),
            of and name[of.run_id],
        )

    def line(record: dg.EventLogRecord) -> Any:
        entry = record.event_log_entry
        event = entry.dagster_event
        if event is None:
            return "message", entry.user_message
        return event.event_type_value, event.step_key, event.asset_key, event.partition

    return {
        "materializations": {
            key.to_user_string(): [
                materialization(r) for r in instance.fetch_materializations(key, limit=99).records
            ]
            for key in (*days, *once)
        },
        "check history": {
            check.name: [execution(r) for r in log.get_asset_check_execution_history(check, limit=99)]
            for check in checks
        },
        "latest checks": {
            check.name: execution(r)
            for check, r in log.get_latest_asset_check_execution_by_key(checks).items()
        },
        "checks by day": sorted(
            (info.partition_key or "", info.latest_execution_status, name[info.latest_planned_run_id])
            for info in log.get_asset_check_partition_info(checks[:1])
        ),
        # Steps of one run are processes of their own: their lines come in any order.
        "run logs": [sorted(map(repr, map(line, log.get_records_for_run(run).records))) for run in runs],
        "run stats": [
            (stats.steps_succeeded, stats.steps_failed, stats.materializations)
            for stats in map(log.get_stats_for_run, runs)
        ],
        "step stats": [
            sorted((s.step_key, s.status, s.attempts) for s in log.get_step_stats_for_run(run))
            for run in runs
        ],
        "asset records": {
            record.asset_entry.asset_key.to_user_string(): (
                record.asset_entry.last_run_id and name[record.asset_entry.last_run_id],
                record.asset_entry.last_materialization_record
                and materialization(record.asset_entry.last_materialization_record),
            )
            for record in instance.get_asset_records()
        },
        "materialized days": {
            key.to_user_string(): sorted(instance.get_materialized_partitions(key)) for key in days
        },
        "data versions": {
            key.to_user_string(): log.get_latest_tags_by_partition(
                key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
            )
            for key in days
        },
        "status changes": [
            [name[r.run_id] for r in instance.fetch_run_status_changes(kind, limit=99).records]
            for kind in (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE)
        ],
    }


@pytest.fixture(scope="module", params=EXECUTORS)
def told_twice(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What Dagster's log and ours tell of the same runs."""
    both = []
    for log in (SqliteEventLogStorage, EmbeddedEventLog):
        with dagster_with(log, tmp_path_factory.mktemp("both") / "home") as instance:
            both.append(told(instance, run_the_days(instance, request.param)))
    return both[0], both[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "subject",
    [
        "materializations",
        "check history",
        "latest checks",
        "checks by day",
        "run logs",
        "run stats",
        "step stats",
        "asset records",
        "materialized days",
        "data versions",
        "status changes",
    ],
)
def test_it_tells_what_dagsters_own_log_tells(subject: str, told_twice: tuple[dict[str, Any], ...]) -> None:
    theirs, ours = told_twice
    assert theirs[subject]
    assert ours[subject] == theirs[subject]


# --- the log by itself --------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedEventLog]:
    with opened(tmp_path) as log:
        yield log


@contextmanager
def opened(folder: Path) -> Iterator[EmbeddedEventLog]:
    log = EmbeddedEventLog(str(folder))
    try:
        yield log
    finally:
        log.dispose()


def entry(run: str, kind: DagsterEventType, data: Any) -> dg.EventLogEntry:
    event = DagsterEvent(kind.value, "job", event_specific_data=data, step_key="step")
    return dg.EventLogEntry(
        error_info=None,
        level=10,
        user_message="",
        run_id=run,
        timestamp=time.time(),
        job_name="job",
        step_key="step",
        dagster_event=event,
    )


def materialized(run: str, day: str, asset: str = "raw") -> dg.EventLogEntry:
    it = dg.AssetMaterialization(asset, partition=day, tags={DATA_VERSION_TAG: f"{run} {day}"})
    return entry(run, DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(it, []))


def stored(log: EmbeddedEventLog) -> list[tuple[int, str, str | None]]:
    """Id, run and partition of every event, in order, as a sensor with a cursor comes to know them."""
    found, cursor = [], -1
    while page := log.get_logs_for_all_runs_by_log_id(after_cursor=cursor, limit=7):
        for cursor, it in page.items():
            found.append((cursor, it.run_id, it.dagster_event.partition if it.dagster_event else None))
    return found


def count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "events.db")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def together(target: Callable[..., None], *arguments: tuple[Any, ...]) -> None:
    """Run the target once for each tuple, in as many processes, all starting at the same moment."""
    barrier = spawn.Barrier(len(arguments))
    processes = [spawn.Process(target=_after, args=(barrier, target, some)) for some in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def _after(barrier: Any, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    barrier.wait()
    target(*arguments)


def test_a_cursor_sees_the_events_of_all_runs_in_order(log: EmbeddedEventLog) -> None:
    told = [(f"run {number % 3}", f"day {number}") for number in range(30)]
    for run, day in told:
        log.store_event(materialized(run, day))
    found = stored(log)
    assert [(run, day) for _, run, day in found] == told
    assert not log.is_run_sharded


def test_the_ids_of_a_deleted_run_are_not_used_again(log: EmbeddedEventLog) -> None:
    for run in ("kept", "deleted"):
        log.store_event(materialized(run, "day"))
    cursor = log.get_maximum_record_id()
    assert cursor is not None
    log.delete_events("deleted")
    log.store_event(materialized("new", "day"))
    assert [it.run_id for it in log.get_logs_for_all_runs_by_log_id(after_cursor=cursor).values()] == ["new"]


def test_an_event_that_fails_half_way_leaves_nothing(log: EmbeddedEventLog, tmp_path: Path) -> None:
    raw = dg.AssetKey("raw")
    plan = AssetCheckEvaluationPlanned(asset_key=raw, check_name="sane")
    verdict = dg.AssetCheckEvaluation(asset_key=raw, check_name="sane", passed=True, metadata={})
    for _ in range(2):
        log.store_event(entry("run", DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, plan))
    batch = [
        materialized("run", "day"),
        entry("run", DagsterEventType.ASSET_CHECK_EVALUATION, verdict),  # ambiguous: it was planned twice
    ]
    with pytest.raises(DagsterInvariantViolationError, match="duplicate"):
        log.store_event_batch(batch)
    assert [day for _, _, day in stored(log)] == [None, None]
    assert count(tmp_path, "asset_event_tags") == count(tmp_path, "asset_keys") == 0


def test_the_tables_are_dagsters_but_for_the_ids(log: EmbeddedEventLog, tmp_path: Path) -> None:
    theirs = ConsolidatedSqliteEventLogStorage(str(tmp_path / "theirs"))

    def schema(path: str) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
            return {(name, " ".join(sql.split())) for name, sql in rows}

    differing = schema(log.get_db_path()) ^ schema(theirs.get_db_path())
    assert {name for name, _ in differing} == {"event_logs"}
    ids = re.compile(" PRIMARY KEY AUTOINCREMENT|, PRIMARY KEY \\(id\\)")
    assert len({ids.sub("", sql) for _, sql in differing}) == 1


def test_it_is_born_at_the_newest_revision(log: EmbeddedEventLog) -> None:
    log.upgrade()  # which would otherwise start from Dagster's first migration
    log.reindex_events()
    log.reindex_assets()


# --- in a crowd ---------------------------------------------------------------------------------------------


def _store_many(folder: Path, run: str) -> None:
    with opened(folder) as log:
        for number in range(50):
            log.store_event(materialized(run, f"{number:02}", asset=run))
        log.store_event_batch([materialized(run, f"{number:02}") for number in range(50, 60)])


def test_four_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    runs = [f"run {number}" for number in range(4)]
    together(_store_many, *[(tmp_path, run) for run in runs])
    with opened(tmp_path) as log:
        found = stored(log)
        assert [number for number, _, _ in found] == list(range(1, 4 * 60 + 1))
        for run in runs:
            assert [day for _, by, day in found if by == run] == [f"{number:02}" for number in range(60)]
        newest = {record.asset_entry.asset_key.to_user_string(): record for record in log.get_asset_records()}
        assert newest["raw"].asset_entry.last_materialization_storage_id == max(
            number for number, _, day in found if day == "59"
        )
    assert count(tmp_path, "asset_event_tags") == 4 * 60


def _open_and_store(folder: Path, run: str) -> None:
    with opened(folder) as log:
        log.store_event(materialized(run, "day"))


def test_several_processes_may_open_a_new_folder_at_once(tmp_path: Path) -> None:
    together(_open_and_store, *[(tmp_path / "new" / "folder", f"run {number}") for number in range(6)])
    with opened(tmp_path / "new" / "folder") as log:
        assert {run for _, run, _ in stored(log)} == {f"run {number}" for number in range(6)}
    assert count(tmp_path / "new" / "folder", "alembic_version") == 1


def _claim(folder: Path, run: str, claimed: Any) -> None:
    with opened(folder) as log:
        for pool in POOLS:
            if log.claim_concurrency_slot(pool, run, "step").is_claimed:
                claimed.put(pool)


def test_a_pool_gives_out_no_more_slots_than_it_has(tmp_path: Path) -> None:
    runs = [f"run {number}" for number in range(4)]
    with opened(tmp_path) as log:
        for pool in POOLS:
            log.set_concurrency_slots(pool, 1)
            for run in runs:  # all have been told that it is their turn
                log.add_pending_step(pool, run, "step", should_assign=True)
    with spawn.Manager() as manager:
        claimed = manager.Queue()
        together(_claim, *[(tmp_path, run, claimed) for run in runs])
        assert sorted(claimed.get() for _ in range(claimed.qsize())) == POOLS


def _connection(log: EmbeddedEventLog) -> Any:
    with log.index_connection() as connection:
        return connection.connection.driver_connection


def _store_fork_store(folder: Path) -> None:
    with opened(folder) as log:
        log.store_event(materialized("parent", "before"))
        inherited = _connection(log)
        child = os.fork()
        assert (_connection(log) is inherited) == (child != 0)
        for number in range(50):
            log.store_event(materialized("child" if child == 0 else "parent", f"{number:02}"))
        if child == 0:
            log.dispose()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_a_forked_child_and_its_parent_both_write(tmp_path: Path) -> None:
    together(_store_fork_store, (tmp_path,))
    with opened(tmp_path) as log:
        runs = [run for _, run, _ in stored(log)]
        assert (runs.count("parent"), runs.count("child")) == (51, 50)
    with closing(sqlite3.connect(tmp_path / "events.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_threads_share_a_log(log: EmbeddedEventLog) -> None:
    def write(run: str) -> None:
        for number in range(20):
            log.store_event(materialized(run, f"{number:02}"))
            log.get_records_for_run(run)

    threads = [threading.Thread(target=write, args=(f"run {number}",)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored(log)) == 12 * 20


def _store_until_killed(folder: Path, acknowledged: Any) -> None:
    with opened(folder) as log:
        for number in range(100_000):
            log.store_event_batch([materialized("run", f"{number} {part}") for part in range(3)])
            acknowledged.send(number)


def test_a_killed_writer_leaves_every_event_it_stored_and_no_half_ones(tmp_path: Path) -> None:
    receiver, sender = spawn.Pipe(duplex=False)
    writer = spawn.Process(target=_store_until_killed, args=(tmp_path, sender))
    writer.start()
    newest = -1
    while newest < 40:
        newest = receiver.recv()
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    while receiver.poll():
        newest = receiver.recv()
    with opened(tmp_path) as log:
        log.store_event(materialized("after", "day"))
        days = [day for _, run, day in stored(log) if run == "run"]
        assert len(days) % 3 == 0
        assert days == [f"{number} {part}" for number in range(len(days) // 3) for part in range(3)]
        assert newest < len(days) // 3
        assert count(tmp_path, "asset_event_tags") == len(days) + 1
    with closing(sqlite3.connect(tmp_path / "events.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_watcher_hears_what_another_process_stores_until_it_stops(
    log: EmbeddedEventLog, tmp_path: Path
) -> None:
    heard: list[str] = []
    both = threading.Event()

    def hear(event: dg.EventLogEntry, cursor: str) -> None:
        heard.append(f"{event.run_id} {cursor}")
        if len(heard) == 2:
            both.set()

    log.store_event(materialized("watched", "before"))
    cursor = log.get_records_for_run("watched").cursor
    log.watch("watched", cursor, hear)
    together(_open_and_store, (tmp_path, "watched"), (tmp_path, "other"), (tmp_path, "watched"))
    assert both.wait(20)
    log.end_watch("watched", hear)
    log.store_event(materialized("watched", "after"))
    time.sleep(0.6)
    assert len(heard) == 2
    assert all(line.startswith("watched ") for line in heard)
