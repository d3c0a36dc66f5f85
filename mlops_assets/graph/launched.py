"""Runs that a sensor asks for: each once, and what became of those that it asked for before."""

import dagster as dg

# Tags of runs that nobody asked for by hand: one whose process dies is started again, whole, so often; one of which a
# step fails is not.
RETRIES = {
    "dagster/max_retries": "2",
    "dagster/retry_strategy": "ALL_STEPS",
    "dagster/retry_on_asset_or_op_failure": "false",
}
RUN_KEY = "dagster/run_key"
FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def became(instance: dg.DagsterInstance, request: dg.RunRequest) -> str | None:
    """What became of the run of a request, in words; None when there is none yet and it is to be launched."""
    found = instance.get_runs(dg.RunsFilter(tags={RUN_KEY: request.run_key or ""}), limit=1)
    if not found:
        return None
    (run,) = found
    if run.status in FAILED:
        return f"run {run.run_id[:8]} has failed; launch it again when its cause is mended"
    return f"run {run.run_id[:8]} {'is done' if run.is_finished else 'is at it'}"
