"""Does retraining pay? Policies replayed on a year of flights, from 1 March.

`never` keeps the first model; `always` trains at each date, `schedule` each thirty days and `article` whenever the
literal rules of many articles tell drift, and whatever they train reigns. `declared` trains when flight_delay's
`retraining` says so, and its gates decide. All share trainings, days and labels.

What flight_delay declares was chosen on as-of dates up to the end of June (docs/decisions/0017 says how); July to
November had been looked at once before, when an earlier choice had failed. Intervals are of 95%, paired by day, and
allow for days that come in runs. `losing a month` counts promotions that lost as much as the model before or more
on the thirty days after. The best in hindsight is the best model that anybody had trained by then, each week.
"""

import math
from collections.abc import Mapping
from datetime import date

from rich.console import Console

from bench.hindsight import home, options, tell

MODEL, FIRST, LAST = "flight_delay", date(2013, 3, 1), date(2013, 12, 20)
TITLE = "flight_delay: does retraining pay?"
PARTS = {
    "March to June, on which it was chosen": ("2013-03-01", "2013-06-30"),
    "July to December, on which it is reported": ("2013-07-01", "2013-12-31"),
}
LOSSES_ONLY = 6
ASKED = 0.9


def main() -> None:
    arguments = options("flight_backtest", __doc__, every=1)
    with home(arguments.home):
        found = replayed(arguments.every)
    from mlops_assets.steps.backtest import HEADS

    doc = f"{__doc__.strip()}\n\nDecisions are {rhythm(arguments.every)}."
    tables = [(TITLE, HEADS, found.rows())]
    for name, (first, last) in PARTS.items():
        rows = [row[:LOSSES_ONLY] for row in found.between(first, last).rows()]
        tables.append((name, (name, *HEADS[1:LOSSES_ONLY]), rows))
    whole = {"March to December": ("2013-03-01", "2013-12-31"), **PARTS}
    asked = (
        "of always' gain over never",
        "declared kept",
        "95% interval",
        f"less {ASKED:.0%} of it",
        "interval",
    )
    kept = [[name, *share(found.between(*days))] for name, days in whole.items()]
    tables.append(("How much of the gain is kept", asked, kept))
    declared = next(one for one in found.replays if one.policy == "declared")
    steps = [[one.as_of, one.reason, one.verdict, one.reigns] for one in declared.steps if one.trained]
    tables.append(("When the declared policy trained", ("as of", "reason", "verdict", "reigns"), steps))
    tell(TITLE, doc, tables, arguments.markdown)


def replayed(every: int):
    from mlops_assets.cli.backtest import show_backtest
    from mlops_assets.cli.deployment import deployment

    with deployment() as opened:
        return show_backtest(opened, MODEL, FIRST, LAST, every_days=every, asked=[], console=Console())


def share(found) -> list[str]:
    """The share of always' gain that the declared policy kept, and whether that is at least what is asked."""
    from mlops_assets.governance.backtest import Gain

    daily = {one.policy: one.daily for one in found.replays}
    ours, theirs = saved(daily["never"], daily["declared"]), saved(daily["never"], daily["always"])
    beyond = Gain.of({day: ASKED * theirs[day] for day in theirs}, ours)
    kept = mean(ours) / mean(theirs)
    return [
        f"{kept:.0%}",
        fieller(ours, theirs),
        f"{beyond.mean:+.4f}",
        f"{beyond.low:+.4f} to {beyond.high:+.4f}",
    ]


def fieller(ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    """The shares that the days do not refute (Fieller 1954): ours less such a share of theirs may be zero."""
    from mlops_assets.governance.backtest import Gain

    shares = [n / 100 for n in range(-300, 401)]
    possible = [
        one for one in shares if may_be_zero(Gain.of({day: one * theirs[day] for day in theirs}, ours))
    ]
    if not possible:
        return "none"
    low = "unbounded" if possible[0] == shares[0] else f"{possible[0]:.0%}"
    high = "unbounded" if possible[-1] == shares[-1] else f"{possible[-1]:.0%}"
    return f"{low} to {high}"


def may_be_zero(gain) -> bool:
    return gain.low <= 0 <= gain.high


def saved(never: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {day: never[day] - other[day] for day in never}


def mean(daily: Mapping[str, float]) -> float:
    return math.fsum(daily.values()) / len(daily)


def rhythm(every: int) -> str:
    return "taken each day" if every == 1 else f"{every} days apart"


if __name__ == "__main__":
    main()
