"""An ML Test Score for people: rows with a link to the evidence of each point, a page, and plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from mlops_assets.data import legible
from mlops_assets.data.legible import in_html
from mlops_assets.data.page import section, table, whole
from mlops_assets.governance.ml_test_score import TESTS, Place, Score, Standing

HEADS = ("test", "points", "", "evidence")


def to_dict(score: Score) -> dict[str, Any]:
    """The score as plain values, every test with its evidence or the way to it."""
    return {
        "model": score.model,
        "at": score.at,
        "score": score.total,
        "means": score.means,
        "sections": score.sections,
        "tests": [
            {
                "section": one.test.section,
                "name": one.test.name,
                "asks": one.test.asks,
                "points": one.points,
                "why": one.why,
                "evidence": None if one.found is None else asdict(one.found),
                "way": one.way(score.model) if one.points < 1 else None,
            }
            for one in score.standings
        ],
    }


def link(place: Place) -> str:
    """Where evidence is in Dagster's UI, from its root; or the address that a person gave."""
    if place.url or not place.table:
        return place.url
    asset = "/assets/" + "/".join(quote(part, safe="") for part in place.table.split("/"))
    if place.check:
        return f"{asset}?view=checks&checkDetail={quote(place.check, safe='')}"
    if not place.partition:
        return asset
    return f"{asset}?view=partitions&partition={quote(place.partition, safe='')}"


def told(standing: Standing, model: str) -> str:
    """What there is, since when; and where a point is missing, why and what would bring it."""
    found = standing.found
    parts: list[str] = [] if standing.why == "there" else [standing.why]
    if found is not None:
        entry = f", entry {found.place.entry} of the ledger" if found.place.entry else ""
        parts.append(f"{found.said} ({found.at}{entry})")
    if standing.points < 1:
        parts.append(standing.way(model))
    return "; ".join(parts)


def in_markdown(score: Score) -> str:
    """A table for Dagster's UI, in which each point leads to its evidence."""
    lines = ["| section | test | points | evidence, or the way to it |", "| --- | --- | --- | --- |"]
    for one in score.standings:
        where = link(one.found.place) if one.found else ""
        points = f"[{one.points:g}]({where})" if where else f"{one.points:g}"
        said = legible.in_markdown(told(one, score.model))
        lines.append(f"| {one.test.section} | {one.test.asks} | {points} | {said} |")
    return "\n".join(lines)


def page(score: Score, *, ui: str) -> str:
    """The whole page. ui: the address of Dagster's UI, which the links lead to."""
    return whole(
        f"{score.model}: ML Test Score {score.total:g}",
        f"<p>{in_html(score.means)}. At {in_html(score.at)}; the least of {_sums(score)}.</p>",
        *(
            section(
                name,
                "<table>",
                "".join(_row(one, score.model, ui) for one in score.standings if one.test.section == name),
                "</table>",
            )
            for name in score.sections
        ),
        section("What the points are", table(["", ""], _points())),
    )


def _row(one: Standing, model: str, ui: str) -> str:
    style = "calm" if one.points == 1 else "warn" if one.points else "error"
    return (
        f'<tr><td class="words">{in_html(one.test.asks)}</td><td class="number {style}">{_linked(one, ui)}</td>'
        f'<td class="words">{in_html(told(one, model))}</td></tr>'
    )


def _linked(one: Standing, ui: str) -> str:
    where = link(one.found.place) if one.found else ""
    address = (
        where if where.startswith(("http://", "https://")) else f"{ui.rstrip('/')}{where}" if where else ""
    )
    return f'<a href="{in_html(address)}">{one.points:g}</a>' if address else f"{one.points:g}"


def _sums(score: Score) -> str:
    return ", ".join(f"{name} {points:g} of 7" for name, points in score.sections.items())


def _points() -> list[tuple[str, str]]:
    return [
        ("1", "a machine ran the test, it passed, and the record of that has not expired"),
        ("0.5", "a person ran it, or asked for it, and said where the results are"),
        ("0", "there is no evidence, it has expired, or the test did not pass"),
        (
            "",
            f"{len(TESTS)} tests in four sections; the score is the least of their sums (Breck et al. 2017)",
        ),
    ]
