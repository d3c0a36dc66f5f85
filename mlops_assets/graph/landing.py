"""Files that land are read by themselves: a sensor per source whose files land."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.source import Source
from mlops_assets.graph import keys, partitions
from mlops_assets.graph.automation import SECONDS
from mlops_assets.graph.launching import RETRIES, how, runs_of
from mlops_assets.graph.plan import stretches
from mlops_assets.stores.stores import Stores

if TYPE_CHECKING:
    from mlops_assets.steps.landing import Landed


def landing_sensor(source: Source) -> dg.SensorDefinition | None:
    """Reads what has landed of a source; None when no file of it says when to read it."""
    landing = [table for table in source.tables if table.lands]
    if not landing:
        return None
    daily = {table.name for table in landing if table.is_daily}

    @dg.sensor(
        name=f"land_{source.name}",
        target=dg.AssetSelection.assets(*(key for table in landing for key in keys.of_table(table.name))),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Reads and validates the files of {source.name} that landed or hold something else by now.",
    )
    def land(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult:
        from mlops_assets.steps.landing import Landed, landed

        cursor = json.loads(context.cursor or '{"since": 0, "asked": []}')
        asked = {Landed(*one): run_key for *one, run_key in cursor["asked"]}
        runs = runs_of(context.instance, asked.values())
        found, since = landed(stores, source, cursor["since"], asked, now=datetime.now(UTC))
        waiting = {one: asked[one] for one in found if asked.get(one) in runs}
        launched = list(_runs([one for one in found if one not in waiting], daily))
        asked = waiting | {one: str(request.run_key) for request, files in launched for one in files}
        told = [
            f"{table} of {_spelled(files)}: {how(runs[run_key])}"
            for (table, run_key), files in _together(waiting).items()
        ]
        return dg.SensorResult(
            run_requests=[request for request, _ in launched],
            cursor=json.dumps(
                {"since": since, "asked": [[*astuple(one), key] for one, key in asked.items()]}
            ),
            skip_reason=None if launched else "; ".join(told) or "every file that has landed is read",
        )

    return land


def _runs(files: Sequence["Landed"], daily: set[str]) -> Iterator[tuple[dg.RunRequest, list["Landed"]]]:
    """One run for every stretch of days. Its key is what it reads and replaces, so that asking again starts nothing."""
    for table, of_table in groupby(files, key=lambda one: one.table):
        assets, by_partition = list(keys.of_table(table)), {one.partition: one for one in of_table}
        if table not in daily:
            read = list(by_partition.values())
            yield (
                dg.RunRequest(
                    run_key=f"{table}/{meaning(*map(astuple, read))}", asset_selection=assets, tags=RETRIES
                ),
                read,
            )
            continue
        for first, last in stretches(by_partition):
            inside = [one for day, one in by_partition.items() if first <= day <= last]
            tags = {**RETRIES, partitions.RANGE_START: first, partitions.RANGE_END: last}
            run_key = f"{table}/{first}/{last}/{meaning(*map(astuple, inside))}"
            yield dg.RunRequest(run_key=run_key, asset_selection=assets, tags=tags), inside


def _together(waiting: dict["Landed", str]) -> dict[tuple[str, str], list["Landed"]]:
    found: dict[tuple[str, str], list[Landed]] = {}
    for one, run_key in waiting.items():
        found.setdefault((one.table, run_key), []).append(one)
    return found


def _spelled(files: Sequence["Landed"]) -> str:
    first, last = files[0].partition, files[-1].partition
    return first if first == last else f"{first} to {last}"
