"""The ML Test Score of a model: 28 tests of its production readiness, counted by evidence that is really there.

Breck, Cai, Nielsen, Salib and Sculley, "The ML Test Score: A Rubric for ML Production Readiness and Technical Debt
Reduction", IEEE Big Data 2017. A test that a machine runs counts one, one that a person ran and documented a half; each
of the four sections is summed, and the score is the least of the sums, for all four are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Section = Literal["data", "model", "infrastructure", "monitoring"]
# Who ran a test: a machine whenever what it tests is made; or a person, who says so or asked for it.
By = Literal["machine", "person"]
Why = Literal["there", "absent", "expired", "not passed"]

# The asset that shows it.
STAGE = "ml_test_score"
SECTIONS: tuple[Section, ...] = ("data", "model", "infrastructure", "monitoring")
POINTS: Mapping[By, float] = {"machine": 1.0, "person": 0.5}
# Evidence counts for so many days; an attestation for as many as it says.
UNEXPIRED_DAYS = 90
# Upper bound of a score, included -> what it means (Table V).
BANDS: tuple[tuple[float, str], ...] = (
    (0.0, "more of a research project than a productionized system"),
    (
        1.0,
        "not totally untested, but it is worth considering the possibility of serious holes in reliability",
    ),
    (2.0, "a first pass at basic productionization, but additional investment may be needed"),
    (3.0, "reasonably tested, but more of those tests and procedures may be automated"),
    (5.0, "strong levels of automated testing and monitoring, appropriate for mission-critical systems"),
    (7.0, "exceptional levels of automated testing and monitoring"),
)


@dataclass(frozen=True)
class Criterion:
    """One of the 28. asks: the test in the paper's words. way: what would bring evidence; empty: only a person can."""

    section: Section
    name: str
    asks: str
    way: str = ""


TESTS: tuple[Criterion, ...] = (
    Criterion(
        "data",
        "feature_schema",
        "Feature expectations are captured in a schema",
        "declare expectations, and materialize the validated tables",
    ),
    Criterion(
        "data",
        "features_beneficial",
        "All features are beneficial",
        "mlops evaluate MODEL --as-of DATE, without the features that are not",
    ),
    Criterion("data", "feature_cost", "No feature's cost is too much"),
    Criterion("data", "meta_requirements", "Features adhere to meta-level requirements"),
    Criterion("data", "privacy", "The data pipeline has appropriate privacy controls"),
    Criterion("data", "quick_features", "New features can be added quickly"),
    Criterion("data", "feature_code", "All input feature code is tested"),
    Criterion(
        "model",
        "specs_reviewed",
        "Model specs are reviewed and submitted",
        "adopt a policy whose tier for promote asks for approvals, release, and mlops changes approve",
    ),
    Criterion(
        "model",
        "offline_online",
        "Offline and online metrics correlate",
        "materialize MODEL/verification when labels have come since the release",
    ),
    Criterion(
        "model",
        "tuned",
        "All hyperparameters have been tuned",
        "declare `search`, and mlops run MODEL --as-of DATE",
    ),
    Criterion(
        "model",
        "staleness_known",
        "The impact of model staleness is known",
        "mlops run MODEL as of two dates: the later evaluation asks the earlier model too",
    ),
    Criterion("model", "simpler_model", "A simpler model is not better", "mlops register MODEL --as-of DATE"),
    Criterion(
        "model",
        "slices",
        "Model quality is sufficient on important data slices",
        "declare `evaluation.slices`, and mlops run MODEL --as-of DATE",
    ),
    Criterion(
        "model",
        "inclusion",
        "The model is tested for considerations of inclusion",
        "declare `evaluation.groups` and `gates.fairness`, and mlops run MODEL --as-of DATE",
    ),
    Criterion("infrastructure", "reproducible", "Training is reproducible", "mlops reproduce MODEL"),
    Criterion("infrastructure", "specs_tested", "Model specs are unit tested"),
    Criterion("infrastructure", "integration_tested", "The ML pipeline is integration tested"),
    Criterion(
        "infrastructure",
        "validated",
        "Model quality is validated before serving",
        "mlops register MODEL --as-of DATE",
    ),
    Criterion("infrastructure", "debuggable", "The model is debuggable"),
    Criterion(
        "infrastructure",
        "canaried",
        "Models are canaried before serving",
        "mlops rollout start MODEL VERSION --share 0.1 --then promote --by NAME --reason TEXT",
    ),
    Criterion(
        "infrastructure",
        "rollback",
        "Serving models can be rolled back",
        "mlops rollback MODEL --by NAME --reason TEXT, as an exercise",
    ),
    Criterion(
        "monitoring",
        "dependencies",
        "Dependency changes result in notification",
        "turn on MODEL_retraining: it answers changed definitions and restated days",
    ),
    Criterion(
        "monitoring",
        "invariants",
        "Data invariants hold for inputs",
        "materialize the validated tables of days after the release",
    ),
    Criterion("monitoring", "skew", "Training and serving are not skewed", "launch MODEL_online"),
    Criterion(
        "monitoring",
        "not_stale",
        "Models are not too stale",
        "turn on MODEL_retraining: it looks at the champion's age",
    ),
    Criterion(
        "monitoring",
        "numerically_stable",
        "Models are numerically stable",
        "mlops register MODEL --as-of DATE",
    ),
    Criterion(
        "monitoring",
        "computing_performance",
        "Computing performance has not regressed",
        "mlops register MODEL --as-of DATE",
    ),
    Criterion(
        "monitoring",
        "prediction_quality",
        "Prediction quality has not regressed on served data",
        "launch MODEL_watch",
    ),
)
NAMES = tuple(test.name for test in TESTS)


@dataclass(frozen=True)
class Place:
    """Where evidence is. table: of the lake, which is an asset too; what else there is of it is empty or zero.

    run: of Dagster. entry: of the ledger. url: where an attestation points.
    """

    table: str = ""
    partition: str = ""
    check: str = ""
    run: str = ""
    entry: int = 0
    url: str = ""


@dataclass(frozen=True)
class Found:
    """Evidence for a test. at: a moment in UTC, with its offset.

    until: when the word of a person expires; None for what ran, which does so many days later.
    """

    test: str
    by: By
    passed: bool
    at: str
    said: str
    place: Place
    until: str | None = None

    @property
    def rank(self) -> tuple[bool, bool, datetime]:
        """Of two that count, the greater decides: a machine's before a person's, what ran before a word, the newest."""
        return self.by == "machine", self.until is None, datetime.fromisoformat(self.at)

    def counts_until(self, days: int) -> datetime:
        """When it expires."""
        if self.until is not None:
            return datetime.fromisoformat(self.until)
        return datetime.fromisoformat(self.at) + timedelta(days=days)


@dataclass(frozen=True)
class Standing:
    """How a model stands in a test. found: the evidence that decided; None where there is none."""

    test: Criterion
    points: float
    why: Why
    found: Found | None = None

    def way(self, model: str) -> str:
        """What would bring a point, or a whole one."""
        attest = f"mlops score {model} --attest {self.test.name} --by NAME --evidence TEXT"
        own = self.test.way.replace("MODEL", model)
        # A person's word does not heal what a machine found to fail.
        return f"{own}; or {attest}" if own and self.why in ("absent", "expired") else own or attest


@dataclass(frozen=True)
class Score:
    """The whole of it, at a moment."""

    model: str
    at: str
    standings: tuple[Standing, ...]

    @property
    def sections(self) -> dict[Section, float]:
        """The sum of each section."""
        return {
            section: sum(one.points for one in self.standings if one.test.section == section)
            for section in SECTIONS
        }

    @property
    def total(self) -> float:
        """The least of the sums."""
        return min(self.sections.values())

    @property
    def means(self) -> str:
        """What the paper says of such a score."""
        return next(said for most, said in BANDS if self.total <= most)

    def missing(self) -> Iterator[Standing]:
        """The tests that count less than one."""
        yield from (one for one in self.standings if one.points < POINTS["machine"])


def score(model: str, found: Iterable[Found], *, at: str, days: int = UNEXPIRED_DAYS) -> Score:
    """Count the evidence that has not expired at a moment.

    What ran and failed, whoever asked for it, does not count by the word of a person; nor does an older pass. days: how
    long evidence counts that does not say it.
    """
    now = datetime.fromisoformat(at)
    by_test: dict[str, list[Found]] = {name: [] for name in NAMES}
    for one in found:
        by_test[one.test].append(one)
    return Score(model, at, tuple(_standing(test, by_test[test.name], now, days) for test in TESTS))


def _standing(test: Criterion, found: list[Found], now: datetime, days: int) -> Standing:
    if not found:
        return Standing(test, 0, "absent")
    counts = [one for one in found if one.counts_until(days) > now]
    if not counts:
        return Standing(test, 0, "expired", max(found, key=lambda one: one.counts_until(days)))
    *_, last = sorted(counts, key=lambda one: one.rank)
    return Standing(
        test, POINTS[last.by] if last.passed else 0, "there" if last.passed else "not passed", last
    )
