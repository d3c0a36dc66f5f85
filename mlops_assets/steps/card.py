"""The card of a released version, from what is recorded of it."""

from __future__ import annotations

from pathlib import Path

from mlops_assets.data.legible import in_html, in_markdown
from mlops_assets.data.page import section, whole
from mlops_assets.declaration.model import Model
from mlops_assets.errors import NotMaterialized
from mlops_assets.governance.card import Known, Part, Statement, card, gaps
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.reasons import Reason
from mlops_assets.modeling.made import Made
from mlops_assets.modeling.serialization import searched_parameters
from mlops_assets.steps.contract import kept_contract
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

PAGE = "card.html"


def card_of(stores: Stores, model: Model, release: Release) -> list[Part]:
    """What can be said of a version, and what cannot."""
    files = stores.artifacts.load(release.artifact_digest)
    made, chosen = Made.of(files), searched_parameters(files)
    decided = [one for one in stores.releases.history(release.model) if one["version"] == release.version]
    if not decided:
        raise NotMaterialized(
            f"no decision is recorded that made version {release.version} of {release.model}"
        )
    decision = decided[0]
    reigns = [one for one in stores.reigns.history(release.model) if one.version == release.version]
    return card(
        Known(
            version=release.version,
            released_at=release.released_at,
            description=model.description,
            words=model.card.model_dump(),
            contract=kept_contract(stores, release.contract),
            contracted=f"contract {release.contract[:12]}",
            evidence=Evidence.from_dict(decision["measured"]),
            evaluated=f"{release.model}/evaluation_report, partition {release.as_of}",
            verdict=decision["verdict"],
            reasons=[Reason(**reason) for reason in decision["reasons"]],
            decided=f"decision of {decision['decided_at']} in run {decision['run_id']}",
            estimator=made.recipe.estimator.made_by,
            parameters=f"{made.recipe.estimator.parameters | chosen or 'its own defaults'}, seed {made.recipe.seed}",
            made=f"artifact {release.artifact_digest[:12]}",
            reigns=[f"It reigned from {one.since} by the word of {one.by}: {one.reason}." for one in reigns],
            certificates=stores.certificates.of(release.model, release.version),
            drift=_drift(stores, release),
        )
    )


def markdown(release: Release, parts: list[Part]) -> str:
    """The card as Markdown, the evidence of each sentence behind it."""
    lines = [f"# {release.model} version {release.version}", ""]
    for part in parts:
        lines += [f"## {part.title}", ""]
        lines += [
            f"- {_said(one, in_markdown(one.text), in_markdown(one.evidence))}" for one in part.statements
        ]
        lines.append("")
    return "\n".join(lines)


def page(release: Release, parts: list[Part]) -> str:
    """The card as one page, gaps in red."""
    found = len(gaps(parts))
    lead = f'<p class="{"warn" if found else "calm"}">{found} gaps</p>'
    body = (
        section(
            part.title,
            "<ul>",
            *(
                f'<li class="{"error" if one.is_gap else "words"}">'
                f"{_said(one, in_html(one.text), in_html(one.evidence))}</li>"
                for one in part.statements
            ),
            "</ul>",
        )
        for part in parts
    )
    return whole(f"{release.model} version {release.version}", lead, *body)


def keep_card(stores: Stores, model: Model, release: Release) -> Path:
    """Write the page; where it is."""
    text = page(release, card_of(stores, model, release))
    return stores.reports.save(f"{release.model}/version-{release.version}/{PAGE}", text)


def _said(one: Statement, text: str, evidence: str) -> str:
    return f"GAP: {text}" if one.is_gap else f"{text} [{evidence}]"


def _drift(stores: Stores, release: Release) -> Statement | None:
    """The newest comparison with what this version learned; others were made while another one reigned."""
    table = f"{release.model}/drift_report"
    later = [one.partition for one in stores.records.contents(table) if one.partition > release.as_of]
    if not later:
        return None
    own = [
        row
        for row in stores.engine.rows(
            "SELECT as_of, champion_version, verdict FROM reports", {"reports": stores.lake.pin(table, later)}
        ).to_pylist()
        if row["champion_version"] == release.version
    ]
    if not own:
        return None
    newest = max(own, key=lambda row: str(row["as_of"]))
    return Statement(
        f"As of {newest['as_of']} the world's drift was: {newest['verdict']}.",
        f"{table}, partition {newest['as_of']}",
    )
