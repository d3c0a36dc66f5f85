"""A replay for people: a line for each day, a summary, and a page with what happened over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

from mlops_assets.data.page import listed, section, table, whole
from mlops_assets.monitoring.lines import Line, lines
from mlops_assets.monitoring.timeline import Colour, Mark, Stretch, timeline
from mlops_assets.stores.replays import ReplayedDay
from mlops_assets.stores.stores import Stores

PAGE = "live.html"
DRIFT, DECAY, CHALLENGER, TRIED, REFUSED = "drift", "daily loss", "challenger", "beside", "refused"
REIGNS = "reigns"
HEADS = (
    "day",
    "requests",
    "answered by",
    "refused",
    "p50 ms",
    "p95 ms",
    "mean score",
    "drift",
    "decision",
    "verdict",
    "beside the champion",
    "s",
)


def in_words(one: ReplayedDay) -> str:
    """A day in one line."""
    told = [f"{one.day}: {one.requests:,} requests answered by {_versions(one) or 'no version'}"]
    if one.refused:
        told.append(f"{sum(one.refused.values()):,} refused ({_refused(one)})")
    if one.milliseconds is not None:
        told.append(f"p95 {one.milliseconds[1]:.1f} ms")
    if one.drift:
        told.append(f"drift ({one.drift})")
    if one.verdict:
        told.append(f"a challenger: {one.verdict}")
    told += one.tried
    if one.verdict:
        told.append(f"version {one.champion} reigns")
    return f"{', '.join(told)}; {one.seconds:.0f} s"


def summary(days: Sequence[ReplayedDay]) -> list[str]:
    """What became of all days, in sentences."""
    if not days:
        return ["No day was replayed."]
    answers = sum((Counter(one.answers) for one in days), Counter[int]())
    refused = sum((Counter(one.refused) for one in days), Counter[int]())
    by = ", ".join(f"{count:,} by version {version}" for version, count in sorted(answers.items()))
    of_status = ", ".join(f"{count:,} with {status}" for status, count in sorted(refused.items()))
    worst = max((one.milliseconds[1] for one in days if one.milliseconds), default=0.0)
    drifted = [one.day for one in days if one.drift]
    judged = [one for one in days if one.verdict]
    return [
        f"{len(days)} days, {days[0].day} to {days[-1].day}, in {sum(one.seconds for one in days):,.0f} seconds",
        f"{answers.total():,} requests were answered: {by or 'none'}; refused: {of_status or 'none'}",
        f"The 95% of a day's requests that were answered soonest took {worst:.1f} ms at most",
        f"Days at whose end drift was seen: {len(drifted)}",
        f"Challengers that were trained: {len(judged)}, "
        + (
            "; ".join(f"as of the day after {one.day}, {one.verdict}" for one in judged)
            or "nothing gave a reason"
        ),
        *(f"On {one.day} {said}" for one in days for said in one.tried),
        f"Version {days[-1].champion} reigns",
    ]


def show(stores: Stores, model: str, days: Sequence[ReplayedDay]) -> Path:
    """Write the page; where it is."""
    title = f"{model}, live: {days[0].day} to {days[-1].day}" if days else f"{model}, live"
    parts = [
        listed(summary(days)),
        drawn(model, days),
        section("Time for an answer", _over_days(days, "milliseconds of the service", _half, _most)),
        section("What was answered", _over_days(days, "mean score of a day", _score)),
        section("Day by day", table(HEADS, [_row(one) for one in days])),
    ]
    return stores.reports.save(f"{model}/live/{PAGE}", whole(title, *parts))


def drawn(model: str, days: Sequence[ReplayedDay]) -> str:
    """What was seen and done on each day, and which version reigned when it was over."""
    marks = [mark for one in days for mark in _marks(one)]
    reigns = [list(of) for _, of in groupby(days, lambda one: one.champion)]
    stretches = [
        Stretch(first.day, _after([first, *more][-1].day), f"version {first.champion}")
        for first, *more in reigns
    ]
    rows = (DRIFT, DECAY, CHALLENGER, TRIED, REFUSED)
    return timeline(f"{model}: what was seen, and what reigned", rows, marks, REIGNS, stretches)


def _marks(one: ReplayedDay) -> list[Mark]:
    found = []
    if one.drift:
        found.append(_mark(one, DRIFT, "red" if one.drift == "error" else "amber", f"drift ({one.drift})"))
    if one.grown is not None and one.grown > 0:
        found.append(_mark(one, DECAY, "amber", f"it surely grew by {one.grown:.4f}"))
    if one.verdict:
        colour: Colour = "green" if one.verdict == "promote" else "grey"
        found.append(_mark(one, CHALLENGER, colour, f"{one.verdict}; {one.decision}"))
    if one.tried:
        found.append(_mark(one, TRIED, "grey", "; ".join(one.tried)))
    if one.refused:
        found.append(_mark(one, REFUSED, "red", _refused(one)))
    return found


def _mark(one: ReplayedDay, row: str, colour: Colour, told: str) -> Mark:
    return Mark(one.day, row, colour, f"{one.day}: {told}")


def _over_days(
    days: Sequence[ReplayedDay], title: str, *asked: Callable[[ReplayedDay], tuple[str, float]]
) -> str:
    if not days:
        return ""
    drawn = []
    for ask in asked:
        told = [ask(one) for one in days]
        drawn.append(Line(told[0][0], [(float(at), value) for at, (_, value) in enumerate(told)]))
    ticks = [(float(at), days[at].day) for at in sorted({0, len(days) - 1})]
    return lines(title, drawn, ticks)


def _half(one: ReplayedDay) -> tuple[str, float]:
    return "half", one.milliseconds[0] if one.milliseconds else float("nan")


def _most(one: ReplayedDay) -> tuple[str, float]:
    return "95%", one.milliseconds[1] if one.milliseconds else float("nan")


def _score(one: ReplayedDay) -> tuple[str, float]:
    return "score", float("nan") if one.scores is None else one.scores


def _row(one: ReplayedDay) -> list[str]:
    half, most = one.milliseconds or (float("nan"), float("nan"))
    score = "" if one.scores is None else f"{one.scores:.3f}"
    return [
        one.day,
        f"{one.requests:,}",
        _versions(one),
        _refused(one),
        f"{half:.2f}",
        f"{most:.2f}",
        score,
        one.drift,
        one.decision,
        one.verdict,
        "; ".join(one.tried),
        f"{one.seconds:.0f}",
    ]


def _versions(one: ReplayedDay) -> str:
    return ", ".join(f"version {version} ({count:,})" for version, count in one.answers.items())


def _refused(one: ReplayedDay) -> str:
    return ", ".join(f"{count:,} with {status}" for status, count in sorted(one.refused.items()))


def _after(day: str) -> str:
    return date.fromordinal(date.fromisoformat(day).toordinal() + 1).isoformat()
