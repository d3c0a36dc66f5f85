"""<model>/release: the gate's verdict, and the version it makes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.governance.gates import GATE
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.graph import keys
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.metadata import say_of_partitions, table
from mlops_assets.graph.stage import ModelStage
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.releases import Judged
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

CODE = (
    "mlops_assets.governance.evaluation_gates",
    "mlops_assets.governance.gates",
    "mlops_assets.governance.looks",
    "mlops_assets.governance.paired",
    "mlops_assets.governance.contract",
    "mlops_assets.steps.release",
)


def release_asset(catalog: Catalog, declared: Model) -> dg.AssetsDefinition:
    """The asset that asks the gate, and releases only if it says so."""
    stage = ModelStage.of(catalog, declared, "release")
    asked = {"gates": declared.gates, "contract": declared.contract, "question": question(catalog, declared)}
    judged_by = Version.of(asked)

    @dg.asset(
        **stage.settings,
        ins={
            "model": dg.AssetIn(keys.of_model(declared.name, "model")),
            "evaluation_report": dg.AssetIn(keys.of_model(declared.name, "evaluation_report")),
        },
        check_specs=check_specs(
            stage.key, {GATE: "The evidence allows a release."}, partitions=stage.as_of_dates
        ),
        code_version=judged_by.made_by(*CODE),
        kinds={"mlflow"},
        description="Whether this model may replace the champion, why, and the version that came of it.",
    )
    def release(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
        model: Pinned,
        evaluation_report: Pinned,
    ) -> Iterator[Any]:
        from mlops_assets.steps.card import keep_card
        from mlops_assets.steps.release import produced, release_if_allowed
        from mlops_assets.steps.standing import waits_for

        judged = release_if_allowed(
            stores,
            tracking,
            catalog,
            declared,
            model,
            evaluation_report,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            run_id=context.run.run_id,
        )
        as_of = context.partition_key
        card = keep_card(stores, declared, judged.release) if judged.release else None
        waits = waits_for(stores, judged.release) if judged.release else None
        shown = {"card": card and dg.MetadataValue.path(card), "waits": waits}
        told = {**_told(judged), **{name: value for name, value in shown.items() if value}}
        say_of_partitions(context, stage.key, {as_of: told})
        made = produced(judged, as_of, (_verdict(judged),), model, evaluation_report)
        yield from write_and_tell(context, {stage.key: made})

    return release


def _verdict(judged: Judged) -> Verdict:
    return Verdict(GATE, judged.decision.verdict == "promote", "; ".join(judged.decision.told()))


def _told(judged: Judged) -> dict[str, Any]:
    reasons = [(reason.gate, reason.answer, reason.sentence) for reason in judged.decision.reasons]
    return {
        "verdict": judged.decision.verdict,
        "version": judged.release.version if judged.release else "none",
        "reasons": table(["gate", "answer", "reason"], reasons),
    }
