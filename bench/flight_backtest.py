"""Does retraining pay? Policies replayed on a year of flights, week by week, from 1 March.

`never` keeps the first model; `always` trains each week, `schedule` each thirty days and `article` whenever the
literal rules of many articles tell drift, and whatever they train reigns. `declared` trains when flight_delay's
`retraining` says so, and its gates decide. All share trainings, days and labels. Nothing was tuned on these months:
the declared triggers are the defaults. Regret is beside the best model that anybody had trained by then, each week.
"""

from datetime import date

from rich.console import Console

from bench.hindsight import home, options, tell

MODEL, FIRST, LAST, EVERY = "flight_delay", date(2013, 3, 1), date(2013, 12, 20), 7
TITLE = "flight_delay: does retraining pay?"
HEADS = ("policy", "days", "log loss", "regret", "trainings", "promotions", "pointless", "CPU s")
HALVES = {"March to June": ("2013-03-01", "2013-06-30"), "July to December": ("2013-07-01", "2013-12-31")}


def main() -> None:
    arguments = options("flight_backtest", __doc__)
    with home(arguments.home):
        replays, best = replayed()
    whole = [row(one, best) for one in replays]
    tables = [(TITLE, HEADS, whole)]
    for name, (first, last) in HALVES.items():
        tables.append(
            (name, ("policy", "log loss", "regret"), [half(one, best, first, last) for one in replays])
        )
    declared = next(one for one in replays if one.policy == "declared")
    steps = [[one.as_of, one.reason, one.verdict, one.reigns] for one in declared.steps if one.trained]
    tables.append(("When the declared policy trained", ("as of", "reason", "verdict", "reigns"), steps))
    tell(TITLE, __doc__, tables, arguments.markdown)


def replayed():
    from mlops_assets.cli.backtest import show_backtest
    from mlops_assets.cli.deployment import deployment

    with deployment() as opened:
        return show_backtest(opened, MODEL, FIRST, LAST, every_days=EVERY, asked=[], console=Console())


def row(one, best: dict[str, float]) -> list[str]:
    return [
        one.policy,
        str(len(one.daily)),
        f"{one.loss:.4f}",
        f"{one.loss - mean(best, '', '9'):+.4f}",
        str(one.trainings),
        str(one.promotions),
        str(one.pointless),
        f"{one.cpu_seconds:.0f}",
    ]


def half(one, best: dict[str, float], first: str, last: str) -> list[str]:
    lost = mean(one.daily, first, last)
    return [one.policy, f"{lost:.4f}", f"{lost - mean(best, first, last):+.4f}"]


def mean(daily: dict[str, float], first: str, last: str) -> float:
    inside = [value for day, value in daily.items() if first <= day <= last]
    return sum(inside) / len(inside)


if __name__ == "__main__":
    main()
