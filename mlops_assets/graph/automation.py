"""When Dagster makes data by itself, and the sensor that does it once somebody turns it on."""

import dagster as dg

from mlops_assets.graph.launching import RETRIES

AUTOMATION = "keep_data_up_to_date"
SECONDS = 30


def when_inputs_are_good(*inputs: dg.AssetKey) -> dg.AutomationCondition[dg.AssetKey]:
    """A partition is made when one that it reads was written, all are there, and their blocking checks passed.

    And what is there is made again when other code would make it.

    inputs: the assets whose news count. A snapshot's news would ask for every day there ever was, so an asset that
    has days names only the inputs that have days. Every day of the past may be asked for: a late row opens exactly
    the days that read it.
    """
    condition = dg.AutomationCondition
    news = condition.any_deps_updated().allow(dg.AssetSelection.assets(*inputs))
    other_code = condition.code_version_changed() & ~condition.missing()
    return (
        (news | other_code).since_last_handled()
        & ~condition.any_deps_missing()
        & ~condition.any_deps_in_progress()
        & ~condition.in_progress()
        & condition.all_deps_blocking_checks_passed()
    ).with_label("its inputs are new and good")


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Asks every asset that has a condition; data only, for models have reasons of their own."""
    return dg.AutomationConditionSensorDefinition(
        AUTOMATION,
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=SECONDS,
        run_tags=RETRIES,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Validates rows and computes features when what they read was written and may be built upon.",
    )
