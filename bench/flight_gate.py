"""A challenger a month, March to December: what the gate decided from what was known then, and what came of it.

Each month's model is trained, evaluated and judged as of the first, beside the champion of that moment. The month
that followed, which nobody knew, then shows which of the two would have lost less: the mean difference of their
daily log loss, with its 95% interval, which allows for days that come in runs. A gate is wrong when it promotes what
then was worse, or holds what then was better.
"""

from collections.abc import Iterator
from datetime import date

import numpy as np
from rich.console import Console

from bench.hindsight import daily_losses, home, options, tell

MODEL = "flight_delay"
MONTHS = [date(2013, month, 1) for month in range(3, 13)]
TITLE = "flight_delay, a challenger a month"
HEADS = (
    "as of",
    "verdict",
    "beside",
    "better by",
    "surely by",
    "the month after",
    "better by",
    "the gate was",
)
SUMMARY_TITLE = "How often it was right, by what the month after showed"
SUMMARY_HEADS = ("the gate", "months", "right", "wrong, surely", "wrong, not surely")


def main() -> None:
    arguments = options("flight_gate", __doc__)
    with home(arguments.home):
        months = list(judged())
    tables = [
        (SUMMARY_TITLE, SUMMARY_HEADS, summed(months)),
        (TITLE, HEADS, [told(month) for month in months]),
    ]
    tell(TITLE, __doc__, tables, arguments.markdown)


def judged() -> Iterator[dict]:
    """One row for each month: the verdict with its evidence, and both models' losses in the month after."""
    from mlops_assets.cli.commands import bring_up_to
    from mlops_assets.cli.deployment import deployment
    from mlops_assets.governance.paired import improvement_bound
    from mlops_assets.steps.training import trained_record

    console = Console()
    with deployment() as opened:
        # One by one, so that nothing of a later month is there when a month is judged.
        for as_of in MONTHS:
            bring_up_to(opened, MODEL, [as_of], again=False, console=console)
        through = date(MONTHS[-1].year + 1, 1, 1)
        data_until(opened, through, console)
        model, stores = opened.project.model(MODEL), opened.stores
        decided = {one["as_of"]: one for one in stores.releases.history(MODEL)}
        for as_of, until in zip(MONTHS, [*MONTHS[1:], through], strict=True):
            decision, day = decided[as_of.isoformat()], as_of.isoformat()
            record = trained_record(stores, stores.lake.pin(f"{MODEL}/model", [day]))
            beside = decision["measured"]["champion"]
            found = {"as_of": day, "verdict": decision["verdict"], "beside": None}
            if beside is not None:
                champion = stores.releases.version(MODEL, beside["champion_version"])
                ours, theirs = daily_losses(
                    opened,
                    model,
                    until,
                    (until - as_of).days,
                    [record.artifact_digest, champion.artifact_digest],
                )
                known, after = beside["daily_improvement"]["log_loss"], theirs - ours
                found |= {
                    "beside": beside["champion_version"],
                    "known": (float(np.mean(known)), improvement_bound(known, 0.975)[1]),
                    "after": (float(after.mean()), *bounds(after)),
                }
            yield found


def data_until(opened, through: date, console: Console) -> None:
    """The days and labels up to a date, of which no model is made."""
    from mlops_assets.cli.commands import bring_data_up_to

    bring_data_up_to(opened, opened.project.model(MODEL), [through], again=False, console=console)


def bounds(daily: np.ndarray) -> tuple[float, float]:
    """The 95% interval of a mean daily difference."""
    from mlops_assets.governance.paired import improvement_bound

    return improvement_bound(list(daily), 0.975)[1], -improvement_bound(list(-daily), 0.975)[1]


def verdict_of_the_gate(month: dict) -> str:
    """right; or wrong, and whether the month after says so surely."""
    mean, low, high = month["after"]
    promoted = month["verdict"] == "promote"
    if promoted == (mean > 0):
        return "right"
    return "wrong, surely" if (high < 0 if promoted else low > 0) else "wrong, not surely"


def told(month: dict) -> list[str]:
    if month["beside"] is None:
        return [month["as_of"], month["verdict"], "none", *["–"] * 5]
    mean, low, high = month["after"]
    return [
        month["as_of"],
        month["verdict"],
        f"version {month['beside']}",
        f"{month['known'][0]:+.4f}",
        f"{month['known'][1]:+.4f}",
        f"{low:+.4f} to {high:+.4f}",
        f"{mean:+.4f}",
        verdict_of_the_gate(month),
    ]


def summed(months: list[dict]) -> list[list[str]]:
    """How often each answer was right, and how often a rule that takes whatever scored better would have been."""
    compared = [month for month in months if month["beside"] is not None]
    takes_better = [
        {**month, "verdict": "promote" if month["known"][0] > 0 else "hold"} for month in compared
    ]
    rows = []
    for name, of in (("of ours", compared), ("that takes what scored better", takes_better)):
        for verdicts, said in ((("promote",), "promoted"), (("hold", "not enough data"), "held")):
            answers = [verdict_of_the_gate(month) for month in of if month["verdict"] in verdicts]
            counts = [answers.count(answer) for answer in ("right", "wrong, surely", "wrong, not surely")]
            rows.append([f"{name}: {said}", str(len(answers)), *map(str, counts)])
    return rows


if __name__ == "__main__":
    main()
