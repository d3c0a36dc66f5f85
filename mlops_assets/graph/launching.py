"""What sensors launch, each run once: its key names what it acts upon."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

# Tags of runs that nobody asked for by hand: one whose process dies is started again, whole, so often; one of which a
# step fails is not.
RETRIES = {
    "dagster/max_retries": "2",
    "dagster/retry_strategy": "ALL_STEPS",
    "dagster/retry_on_asset_or_op_failure": "false",
}
FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def runs_of(instance: dg.DagsterInstance, run_keys: Iterable[str]) -> dict[str, dg.DagsterRun]:
    """The newest run that was launched for each of these keys, of those for which one was."""
    asked = sorted(set(run_keys))
    if not asked:
        return {}
    found: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: asked})):
        found.setdefault(run.tags[RUN_KEY_TAG], run)
    return found


def how(run: dg.DagsterRun) -> str:
    """What a run does or did, in words."""
    name = f"run {run.run_id[:8]}"
    if run.status in FAILED:
        return f"{name} has failed; launch it again when its cause is mended"
    return f"{name} is done" if run.status is dg.DagsterRunStatus.SUCCESS else f"{name} is at it"


def is_active(run: dg.DagsterRun | None) -> bool:
    """Whether a run may still do what it was launched for."""
    return run is not None and not run.is_finished


def never_launched(
    instance: dg.DagsterInstance, requests: Mapping[str, dg.RunRequest]
) -> tuple[list[dg.RunRequest], list[str]]:
    """What is to be launched, and what to say of what was launched before.

    requests: what each is about, in words -> the request.
    """
    runs = runs_of(instance, (str(one.run_key) for one in requests.values()))
    new = [one for one in requests.values() if str(one.run_key) not in runs]
    told: Sequence[str] = [
        f"{about}: {how(runs[str(one.run_key)])}"
        for about, one in requests.items()
        if str(one.run_key) in runs
    ]
    return new, list(told)
