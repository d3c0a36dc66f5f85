"""Files that land are read by themselves: a sensor per source whose files land."""

import json
from collections.abc import Iterator
from itertools import groupby

import dagster as dg

from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.source import LandedFile, Source
from mlops_assets.graph import keys, partitions
from mlops_assets.graph.automation import SECONDS
from mlops_assets.graph.launched import RETRIES
from mlops_assets.graph.plan import stretches
from mlops_assets.stores.stores import Stores


def landing_sensor(source: Source) -> dg.SensorDefinition | None:
    """Reads what has landed of a source; None when nothing of it lands."""
    landing = [table for table in source.tables if isinstance(table.reads, LandedFile)]
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
        from mlops_assets.steps.landing import landed

        found, since = landed(stores, source, int(json.loads(context.cursor or "0")))
        of_table = groupby(found, key=lambda one: one.table)
        digests = {table: {one.partition: one.digest for one in files} for table, files in of_table}
        requests = [run for table, read in digests.items() for run in _runs(table, read, table in daily)]
        return dg.SensorResult(
            run_requests=requests,
            cursor=json.dumps(since),
            skip_reason=None if requests else "every file that has landed is read",
        )

    return land


def _runs(table: str, digests: dict[str, str], is_daily: bool) -> Iterator[dg.RunRequest]:
    """One run for every stretch of days. Its key is what it reads, so that asking again starts nothing."""
    assets = list(keys.of_table(table))
    if not is_daily:
        yield dg.RunRequest(run_key=f"{table}/{digests[WHOLE]}", asset_selection=assets, tags=RETRIES)
        return
    for first, last in stretches(sorted(digests)):
        inside = [digest for day, digest in digests.items() if first <= day <= last]
        yield dg.RunRequest(
            run_key=f"{table}/{first}/{last}/{meaning(*inside)}",
            asset_selection=assets,
            tags={**RETRIES, partitions.RANGE_START: first, partitions.RANGE_END: last},
        )
