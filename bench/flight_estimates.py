"""A champion that is never replaced, March to December: what was estimated without labels, and what these said later.

Version 1 of flight_delay, as of 1 March 2013, is looked at again and again. Each look estimates the day before it,
whose labels are not there, from days whose labels are, and audits the newest 28 mature days as they would have been
estimated then. An estimate is shown only where its audit holds. `the mean` is who takes each day for one like the
mean of the days that were known. `seconds` are those of the whole look.
"""

import time
from collections.abc import Iterator
from datetime import date, timedelta

from rich.console import Console

from bench.hindsight import home, options, tell

MODEL, CHAMPION_AS_OF = "flight_delay", date(2013, 3, 1)
FIRST, LAST = date(2013, 3, 29), date(2013, 12, 31)
TITLE = "flight_delay version 1, estimated without labels"
METRICS = ("log_loss", "brier", "roc_auc", "precision", "recall")
SUMMARY_TITLE = "Every day that a look audited, once"
SUMMARY_HEADS = (
    "metric",
    "days",
    "in their 95% interval",
    "real less estimated",
    "off by",
    "the mean is off by",
    "half an interval",
)
SHOWN_TITLE = "What the looks showed, and whether it came true"
SHOWN_HEADS = (
    "metric",
    "looks",
    "too few days",
    "switched off",
    "in the interval",
    "shown",
    "in the interval",
)
HEADS = (
    "as of",
    "calibrated",
    "estimated log loss",
    "real",
    "in it",
    "audited days",
    "in theirs",
    "shown",
    "seconds",
)


def main() -> None:
    arguments = options("flight_estimates", __doc__, every=7)
    with home(arguments.home):
        looks = list(looked(arguments.every))
    real = came_true(looks)
    tables = [
        (SUMMARY_TITLE, SUMMARY_HEADS, summed(looks)),
        (SHOWN_TITLE, SHOWN_HEADS, shown(looks, real)),
        (TITLE, HEADS, [told(look, real) for look in looks]),
    ]
    tell(TITLE, __doc__, tables, arguments.markdown)


def looked(every: int) -> Iterator[dict]:
    """One row for each look: what it estimated, and the seconds that it took."""
    from mlops_assets.cli.commands import bring_data_up_to, bring_up_to
    from mlops_assets.cli.deployment import deployment
    from mlops_assets.steps.labels import label_window
    from mlops_assets.steps.performance import judge_performance
    from mlops_assets.steps.question import pinned_question

    console = Console()
    with deployment() as opened:
        bring_up_to(opened, MODEL, [CHAMPION_AS_OF], again=False, console=console)
        stores, catalog, model = opened.stores, opened.project.catalog, opened.project.model(MODEL)
        bring_data_up_to(opened, model, [LAST], again=False, console=console)
        as_of = FIRST
        while as_of <= LAST:
            day, began = as_of.isoformat(), time.perf_counter()
            pinned = pinned_question(stores, catalog, model, label_window(catalog, model, day))
            report = judge_performance(stores, catalog, model, *pinned, day).report
            seconds = time.perf_counter() - began
            console.print(f"{day}: {seconds:.1f} s")
            yield {"as_of": as_of, "found": report.estimates, "seconds": seconds}
            as_of += timedelta(days=every)


def audited(looks: list[dict]) -> dict:
    """Day -> its estimate as the day after would have made it, by whichever look audited it last."""
    return {one.day: one for look in looks for one in look["found"].audited}


def came_true(looks: list[dict]) -> dict:
    """Day and metric -> what its labels said."""
    return {
        (day, name): one.real
        for day, estimated in audited(looks).items()
        for name, one in estimated.metrics.items()
        if one.real is not None
    }


def summed(looks: list[dict]) -> list[list[str]]:
    """How every audited day was estimated, metric by metric."""
    rows, days = [], audited(looks)
    usual = {one.metric: [] for look in looks for one in look["found"].audits}
    for look in looks:
        for one in look["found"].audits:
            usual[one.metric].append((one.days, one.usual_error))
    for name in METRICS:
        found = [
            day.metrics[name]
            for day in days.values()
            if name in day.metrics and day.metrics[name].real is not None
        ]
        errors = [one.real - one.value for one in found]
        weighed = usual[name]
        rows.append(
            [
                name,
                str(len(found)),
                f"{mean([one.covered for one in found]):.1%}",
                f"{mean(errors):+.4f}",
                f"{mean([abs(one) for one in errors]):.4f}",
                f"{sum(days * error for days, error in weighed) / sum(days for days, _ in weighed):.4f}",
                f"{mean([(one.high - one.low) / 2 for one in found]):.4f}",
            ]
        )
    return rows


def shown(looks: list[dict], real: dict) -> list[list[str]]:
    """How often each metric was shown for the day before the look, and how often it was right, shown or not."""
    rows = []
    for name in METRICS:
        few, right = 0, {True: [], False: []}
        for look in looks:
            audit = {one.metric: one for one in look["found"].audits}.get(name)
            if audit is None or (not audit.shown and not audit.off):
                few += 1
            elif (covered := newest_covered(look, name, real)) is not None:
                right[audit.shown].append(covered)
        rows.append(
            [name, str(len(looks)), str(few)]
            + [cell for which in (False, True) for cell in (str(len(right[which])), share(right[which]))]
        )
    return rows


def newest_covered(look: dict, name: str, real: dict) -> bool | None:
    """Whether the day before the look fell into its interval; None where nobody knows."""
    estimated = look["found"].ahead[-1]
    if name not in estimated.metrics or (estimated.day, name) not in real:
        return None
    one = estimated.metrics[name]
    return one.low <= real[estimated.day, name] <= one.high


def told(look: dict, real: dict) -> list[str]:
    found, seconds = look["found"], f"{look['seconds']:.1f}"
    if not found.ahead:
        return [look["as_of"].isoformat(), *["–"] * 7, seconds]
    newest, audit = found.ahead[-1], {one.metric: one for one in found.audits}.get("log_loss")
    one, covered = newest.metrics["log_loss"], newest_covered(look, "log_loss", real)
    later = real.get((newest.day, "log_loss"))
    return [
        look["as_of"].isoformat(),
        newest.by,
        f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})",
        "–" if later is None else f"{later:.4f}",
        "–" if covered is None else "yes" if covered else "no",
        "0" if audit is None else str(audit.days),
        "–" if audit is None else str(audit.covered),
        "no" if audit is None or not audit.shown else "yes",
        seconds,
    ]


def mean(values: list) -> float:
    return sum(values) / len(values) if values else float("nan")


def share(values: list[bool]) -> str:
    return f"{mean(values):.0%}" if values else "–"


if __name__ == "__main__":
    main()
