"""How often gates swap models that are equal, and how soon they let a better one in.

Every as-of date a challenger is trained anew and looked at, on the newest fourteen days; so the windows of
following dates share all days but one. A model's loss of a day is its truth, plus how that day suits it, plus
the noise of the rows; what all models share cancels, since they are compared on the same rows. Following
challengers are as different as any two, which gives chance the most tries. Where trainings have luck that lasts,
the models are equal on the whole, but half of the challengers are better, by that little.

`ours` is the product's own decision; `ours, alone` the same with `pool_days: 0`. `Student's` shares one risk
among looks as ours does, but takes days for independent. `higher wins` swaps whenever the mean is better.
`p < 0.05` asks Student's paired test over the days at every look, with no memory of earlier ones.
"""

import argparse
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats
from scipy.special import stdtrit

from bench.machine import described
from mlops_assets.declaration.model import ChampionGate, Gates
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.gates import Reigning, decide
from mlops_assets.governance.looks import Look, affordable

WINDOW = 14
MONTH = 30
PATIENCE = 90
FIRST = date(2024, 1, 1)
GATES = Gates()
ALONE = Gates(champion=ChampionGate(pool_days=0))
METRIC = GATES.champion.metric
IMPROVEMENTS = (0.005, 0.01, 0.02)
EVERY = {"daily": 1, "weekly": 7, "monthly": 30}


@dataclass(frozen=True)
class World:
    """What separates models of equal truth, in nats of log loss.

    suits: how much a day suits one model more than another. rows: the noise of a day's rows. luck: how much a
    training differs for good, by chance. runs: how much a day remembers of the day before. tails: degrees of
    freedom of Student's distribution for how a day suits; infinite for a normal one.
    """

    name: str
    suits: float = 0.006
    rows: float = 0.0075
    luck: float = 0.0
    runs: float = 0.0
    tails: float = math.inf

    def losses(self, random: np.random.Generator, models: int, days: int) -> np.ndarray:
        """The loss of each model on each day, apart from what all share."""
        # The difference of two models has the noise that is declared.
        suits = self._suits(random, (models, days)) * self.suits / math.sqrt(2)
        rows = random.normal(0, self.rows / math.sqrt(2), (models, days))
        return suits + rows + random.normal(0, self.luck / math.sqrt(2), (models, 1))

    def _suits(self, random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        if math.isinf(self.tails):
            fresh = random.normal(size=shape)
        else:
            fresh = random.standard_t(self.tails, shape) / math.sqrt(self.tails / (self.tails - 2))
        for day in range(1, shape[1]):
            remembered = self.runs * fresh[:, day - 1]
            fresh[:, day] = remembered + math.sqrt(1 - self.runs**2) * fresh[:, day]
        return fresh


WORLDS = (
    World("independent days"),
    World("luck of training", luck=0.0005),
    World("heavy tails", tails=3.0),
    World("days in runs (0.3)", runs=0.3),
    World("days in runs (0.6)", runs=0.6),
)


@dataclass(frozen=True)
class Champion:
    """Which model reigns, since when, and what it was looked at."""

    model: int
    since: int
    looks: tuple[Look, ...] = ()


# Whether a challenger wins: the day, the improvement of each day of the window, the champion; and what it spent.
Rule = Callable[[int, Sequence[float], Champion], tuple[bool, float]]


def ours(day: int, daily: Sequence[float], champion: Champion) -> tuple[bool, float]:
    """The product's decision on the evidence that it would be given."""
    return _decided(day, daily, champion, GATES)


def alone(day: int, daily: Sequence[float], champion: Champion) -> tuple[bool, float]:
    """The same, where only the challenger's own days count."""
    return _decided(day, daily, champion, ALONE)


def _decided(day: int, daily: Sequence[float], champion: Champion, gates: Gates) -> tuple[bool, float]:
    evidence = Evidence(
        model="model",
        as_of=_date(day),
        model_digest=str(day),
        rows=GATES.at_least_rows,
        positives=GATES.at_least_rows // 2,
        first_day=_date(day - WINDOW),
        last_day=_date(day - 1),
        metrics={METRIC: 0.4},
        baseline={METRIC: 0.5},
        champion=Comparison(champion.model, {}, {METRIC: list(daily)}, days=_days(day)),
    )
    reigning = Reigning(champion.model, _date(champion.since), champion.looks)
    decision = decide(evidence, gates, reigning=reigning)
    return decision.verdict == "promote", decision.spent


def students(day: int, daily: Sequence[float], champion: Champion) -> tuple[bool, float]:
    """Student's one-sided paired test over days, at the level that looks at this champion have left."""
    risk, per_days = 1 - GATES.champion.confidence, GATES.champion.per_days
    since, as_of = _date(champion.since), _date(day)
    spent = affordable(champion.looks, since=since, as_of=as_of, risk=risk, per_days=per_days)
    return _surely_better(daily, 1 - spent), spent


def higher_wins(_day: int, daily: Sequence[float], _champion: Champion) -> tuple[bool, float]:
    """The higher score wins."""
    return math.fsum(daily) > 0, 0.0


def p_below(_day: int, daily: Sequence[float], _champion: Champion) -> tuple[bool, float]:
    """Student's one-sided paired test over days, at every look."""
    return _surely_better(daily, 0.95), 0.0


def _surely_better(daily: Sequence[float], confidence: float) -> bool:
    error = np.std(daily, ddof=1) / math.sqrt(len(daily))
    return bool(np.mean(daily) > stdtrit(len(daily) - 1, confidence) * error)


RULES: dict[str, Rule] = {
    "ours": ours,
    "ours, alone": alone,
    "Student's": students,
    "higher wins": higher_wins,
    "p < 0.05": p_below,
}


def swaps(rule: Rule, losses: np.ndarray, days: Sequence[int]) -> Iterator[int]:
    """The days on which the champion is replaced. losses: of the first champion, and of each day's challenger."""
    champion = Champion(0, 0)
    for number, day in enumerate(days, start=1):
        window = slice(day, day + WINDOW)
        daily = (losses[champion.model, window] - losses[number, window]).tolist()
        wins, spent = rule(day, daily, champion)
        if wins:
            yield day
            champion = Champion(number, day)
        elif spent:
            seen = {METRIC: dict(zip(_days(day), daily, strict=True))}
            looks = (*champion.looks, Look(_date(day), spent, daily=seen))
            champion = Champion(champion.model, champion.since, looks)


def months_of_equals(world: World, months: int, random: np.random.Generator) -> dict[str, list[int]]:
    """For each rule, how many swaps each month of daily looks at models of equal truth had."""
    days = range(1, MONTH + 1)
    counted: dict[str, list[int]] = {name: [] for name in RULES}
    for _ in range(months):
        losses = world.losses(random, MONTH + 1, MONTH + WINDOW)
        for name, rule in RULES.items():
            counted[name].append(sum(1 for _ in swaps(rule, losses, days)))
    return counted


def until_promoted(
    rule: Rule, world: World, better: float, every: int, times: int, random: np.random.Generator
) -> list[int]:
    """After how many days a better challenger reigned; beyond PATIENCE where none did."""
    days = range(every, PATIENCE + 1, every)
    found = []
    for _ in range(times):
        losses = world.losses(random, len(days) + 1, PATIENCE + WINDOW)
        losses[1:] -= better
        found.append(next(swaps(rule, losses, days), PATIENCE + 1))
    return found


def interval(hits: int, times: int) -> tuple[float, float]:
    """Clopper and Pearson's 95% interval of a share."""
    found = stats.binomtest(hits, times).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


def main() -> None:
    arguments = _arguments()
    random = np.random.default_rng(arguments.seed)
    console = Console(width=160)
    console.print(described())
    console.print(_table_of_equals(arguments.months, random))
    console.print(_table_of_better_ones(arguments.times, random))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench gates",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--months", type=int, default=5000, help="of each world (default: %(default)s)")
    parser.add_argument("--times", type=int, default=200, help="of each improvement (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=27_182, help="default: %(default)s")
    return parser.parse_args()


def _table_of_equals(months: int, random: np.random.Generator) -> Table:
    asked = f"at most {100 * (1 - GATES.champion.confidence):.0f}% is asked of ours"
    table = Table(
        title=f"{months:,} months of {MONTH} daily looks at equal models: months with a swap; {asked}"
    )
    table.add_column("world")
    for name in RULES:
        table.add_column(f"{name}, %", justify="right")
        table.add_column("swaps", justify="right")
    for world in WORLDS:
        row = [world.name]
        for counts in months_of_equals(world, months, random).values():
            hits = sum(count > 0 for count in counts)
            low, high = interval(hits, months)
            row += [f"{100 * hits / months:.1f} ({100 * low:.1f} to {100 * high:.1f})"]
            row += [f"{sum(counts) / months:.2f}"]
        table.add_row(*row)
    return table


def _table_of_better_ones(times: int, random: np.random.Generator) -> Table:
    table = Table(
        title=f"a challenger that is better, {times} times: half are promoted by day (within {PATIENCE} days, %)"
    )
    table.add_column("world")
    table.add_column("rule")
    table.add_column("better by", justify="right")
    for rhythm in EVERY:
        table.add_column(f"looked at {rhythm}", justify="right")
    for world in (WORLDS[0], WORLDS[-1]):
        for name, better in itertools.product(("ours", "ours, alone"), IMPROVEMENTS):
            found = [
                until_promoted(RULES[name], world, better, every, times, random) for every in EVERY.values()
            ]
            table.add_row(world.name, name, f"{better:g}", *map(_told, found))
    return table


def _told(days: list[int]) -> str:
    middle = sorted(days)[len(days) // 2]
    promoted = sum(day <= PATIENCE for day in days) / len(days)
    return f"{middle if middle <= PATIENCE else 'later'} ({100 * promoted:.0f})"


def _days(day: int) -> list[str]:
    """The days of the window that ends before an as-of date."""
    return [_date(at) for at in range(day - WINDOW, day)]


def _date(day: int) -> str:
    return (FIRST + timedelta(days=day)).isoformat()


if __name__ == "__main__":
    main()
