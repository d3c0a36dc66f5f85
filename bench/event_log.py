"""What an event costs in Dagster's SQLite event logs and in ours, in one run; trust the ratios.

`store` is the log alone: a materialization with tags, then a check verdict, again and again.
`run` is a range run in one process: a chain of assets, a materialization and a verdict for each day.
"""

import argparse
import logging
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage, SqliteEventLogStorage

from bench.machine import described
from mlops_assets.resources.event_log import EmbeddedEventLog

LOGS = {
    "stock SQLite": SqliteEventLogStorage,
    "stock consolidated": ConsolidatedSqliteEventLogStorage,
    "ours": EmbeddedEventLog,
}
FIRST_DAY = "2013-01-01"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main() -> None:
    arguments = _arguments()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    job = chain(arguments.assets, arguments.days)
    asset_events = 2 * arguments.assets * arguments.days
    store: dict[str, list[float]] = {name: [] for name in LOGS}
    run: dict[str, list[float]] = {name: [] for name in LOGS}
    for _ in range(arguments.rounds):  # in turns, so that a noisy minute falls on all of them
        for name, log in LOGS.items():
            with instance_with(log) as instance:
                store[name].append(seconds_to_store(instance, arguments.events) / arguments.events)
                run[name].append(seconds_to_run(instance, job) / asset_events)
    title = f"ms per event, best of {arguments.rounds}"
    print(described())
    print(f"{title:<28}{'store':>8}{'ratio':>8}{'run':>8}{'ratio':>8}")
    for name in LOGS:
        columns = ""
        for measured in (store, run):
            here, reference = min(measured[name]), min(measured["stock SQLite"])
            columns += f"{here * 1000:8.2f}{reference / here:7.1f}x"
        print(f"{name:<28}{columns}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--assets", type=int, default=3, help="assets in the chain (default: %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="days in the range (default: %(default)s)")
    parser.add_argument("--events", type=int, default=200, help="events to store (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=2, help="repeat, and keep the best (default: %(default)s)"
    )
    return parser.parse_args()


@contextmanager
def instance_with(log: type) -> Iterator[dg.DagsterInstance]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        storage = {"module": log.__module__, "class": log.__name__, "config": {"base_dir": f"{home}/log"}}
        overrides = {"event_log_storage": storage, "telemetry": {"enabled": False}}
        with dg.DagsterInstance.local_temp(home, overrides=overrides) as instance:
            assert type(instance.event_log_storage) is log
            yield instance


def seconds_to_store(instance: dg.DagsterInstance, events: int) -> float:
    run, log = str(uuid.uuid4()), instance.event_log_storage
    log.store_event(materialization(run, 0))  # the first one of a run makes its file
    started = time.perf_counter()
    for number in range(events // 2):
        log.store_event(materialization(run, number))
        log.store_event(verdict(run, number))
    return time.perf_counter() - started


def materialization(run: str, number: int) -> dg.EventLogEntry:
    it = dg.AssetMaterialization("stored", partition=str(number), tags={DATA_VERSION_TAG: str(number)})
    return _entry(run, DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(it, []))


def verdict(run: str, number: int) -> dg.EventLogEntry:
    it = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("stored"), check_name="sane", passed=True, metadata={}, partition=str(number)
    )
    return _entry(run, DagsterEventType.ASSET_CHECK_EVALUATION, it)


def _entry(run: str, kind: DagsterEventType, data: object) -> dg.EventLogEntry:
    event = DagsterEvent(kind.value, "job", event_specific_data=data, step_key="step")  # type: ignore[arg-type]
    return dg.EventLogEntry(None, 10, "", run, time.time(), "step", "job", event)


def seconds_to_run(instance: dg.DagsterInstance, job: dg.JobDefinition) -> float:
    first, last = job.partitions_def.get_first_partition_key(), job.partitions_def.get_last_partition_key()
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    started = time.perf_counter()
    job.execute_in_process(instance=instance, tags=tags, run_config=QUIET)
    return time.perf_counter() - started


def chain(assets: int, days: int) -> dg.JobDefinition:
    partitions = dg.TimeWindowPartitionsDefinition(
        start=FIRST_DAY, end=_days_later(days), fmt="%Y-%m-%d", cron_schedule="0 0 * * *"
    )
    job = dg.define_asset_job("chain", executor_def=dg.in_process_executor)
    links = [link(number, partitions) for number in range(assets)]
    return dg.Definitions(assets=links, jobs=[job]).resolve_job_def("chain")


def _days_later(days: int) -> str:
    return f"{dg.DailyPartitionsDefinition(FIRST_DAY).get_partition_keys()[days]}"


def link(number: int, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    name = f"link_{number}"

    @dg.asset(
        name=name,
        partitions_def=partitions,
        deps=[f"link_{number - 1}"] if number else [],
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("sane", asset=name, blocking=True, partitions_def=partitions)],
    )
    def of_the_chain(context: dg.AssetExecutionContext):
        yield dg.MaterializeResult()
        yield dg.Output(None, output_name=f"{name}_sane")
        for day in context.partition_keys:
            yield dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(name), check_name="sane", passed=True, metadata={}, partition=day
            )

    return of_the_chain


if __name__ == "__main__":
    main()
