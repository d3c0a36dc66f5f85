"""Which part of an audit pack supports which section of a text that auditors hold a model against.

A line says what a section asks for, in few words of our own, and what in a pack supports an answer to it. That there is
evidence says that somebody may look at it: never that it is enough, and never that anything complies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Answer = Literal["supports", "supports in part", "no evidence"]

# The texts as they were read. None of this is legal advice.
ACT = "EU AI Act"
SUPERVISORS = "SR 11-7"
TEXTS = {
    ACT: (
        "Regulation (EU) 2024/1689, Official Journal L, 12 July 2024, Annex IV and Article 12; amendments since then "
        "were not read. Both are asked of high-risk systems; whether this is one is for its provider to say."
    ),
    SUPERVISORS: (
        "Supervisory Guidance on Model Risk Management, Board of Governors of the Federal Reserve System and OCC, "
        "4 April 2011, by its sections. SR 26-2 of 17 April 2026 replaced it for the banks that it addresses; it "
        "is not mapped."
    ),
}


@dataclass(frozen=True)
class Line:
    """A section, what it asks for, and the kinds of evidence that support an answer, by the names in KINDS.

    beyond: what it asks for that no record of the platform tells, whatever is in a pack.
    """

    text: str
    section: str
    asks: str
    kinds: tuple[str, ...] = ()
    beyond: str = ""


@dataclass(frozen=True)
class Mapped:
    """A line with what a pack has for it: kind -> path; and the kinds that it lacks."""

    line: Line
    found: Mapping[str, str]
    lacks: tuple[str, ...]

    @property
    def answer(self) -> Answer:
        if not self.found:
            return "no evidence"
        return "supports in part" if self.lacks or self.line.beyond else "supports"

    @property
    def missing(self) -> str:
        """What would have to come to it, in words."""
        wanted = [f"{kind} ({KINDS[kind]})" for kind in self.lacks]
        return "; ".join([*wanted, *([self.line.beyond] if self.line.beyond else [])])


# Every kind of evidence that a pack may have, and what would bring it there where it is missing.
KINDS: dict[str, str] = {
    "description": "declare `description`",
    "intended use": "declare `card.intended_use`",
    "out of scope": "declare `card.out_of_scope`",
    "considerations": "declare `card.considerations`",
    "limitations": "declare `card.limitations`",
    "release": "release a version",
    "contract": "release a version",
    "packages": "train the model again",
    "recipe": "train the model again",
    "data versions": "materialize what it is made from",
    "raw files": "read the sources from files that land",
    "checks": "declare expectations of its tables",
    "feature versions": "release a version",
    "feature definitions": "make the pack while the features are declared as they were released",
    "evaluation": "materialize its evaluation_report",
    "slices": "declare `evaluation.slices`",
    "groups": "declare `evaluation.groups`",
    "behaviour": "declare `evaluation.invariances` or `evaluation.directions`",
    "numeric": "materialize its evaluation_report",
    "latency": "materialize its evaluation_report",
    "gates": "materialize its release",
    "decision": "materialize its release",
    "approvals": "change requests that others approved",
    "policy": "a policy of access that was adopted",
    "overrides": "nothing was overridden",
    "reigns": "let it reign",
    "earlier versions": "release more than one version",
    "verifications": "materialize its verification after labels have come",
    "monitoring": "materialize its drift_report and performance_report",
    "drift": "materialize its drift_report",
    "performance": "materialize its performance_report",
    "retraining": "turn on its retraining sensor",
    "certificates": "`mlops reproduce`",
    "incidents": "nothing failed, was refused, overridden or taken back",
    "ledger": "release a version",
    "anchors": "`mlops ledger anchor`",
    "predictions": "batches of predictions that are sealed in the ledger",
}

ELSEWHERE = "nothing that the platform records is about this"

LINES: tuple[Line, ...] = (
    Line(
        ACT,
        "Annex IV 1(a)",
        "purpose, provider, version and how it relates to earlier ones",
        ("intended use", "release", "earlier versions"),
        beyond="the provider, beyond the owner that its contract names",
    ),
    Line(
        ACT,
        "Annex IV 1(b)",
        "how it interacts with hardware and software that are not part of it",
        ("contract",),
        beyond="systems beside it, beyond what callers send and are answered",
    ),
    Line(
        ACT,
        "Annex IV 1(c)",
        "versions of software, and what updates require",
        ("packages",),
        beyond="firmware, and what updates require",
    ),
    Line(ACT, "Annex IV 1(d)", "the forms in which it is put into service", beyond=ELSEWHERE),
    Line(
        ACT,
        "Annex IV 1(e)",
        "the hardware on which it is to run",
        ("contract",),
        beyond="the hardware itself, beyond the resources that its contract asks for",
    ),
    Line(ACT, "Annex IV 1(f)", "pictures of the product of which it is a component", beyond=ELSEWHERE),
    Line(ACT, "Annex IV 1(g)", "the user interface that deployers are given", beyond=ELSEWHERE),
    Line(
        ACT,
        "Annex IV 1(h)",
        "instructions for use",
        ("intended use", "out of scope", "contract"),
        beyond="the instructions themselves, beyond purpose, limits and contract",
    ),
    Line(
        ACT,
        "Annex IV 2(a)",
        "methods and steps of development, third-party tools and pre-trained parts",
        ("recipe", "packages", "feature definitions"),
        beyond="steps that people took before the first training",
    ),
    Line(
        ACT,
        "Annex IV 2(b)",
        "general logic, key design choices, assumptions, what it optimises, trade-offs",
        ("description", "recipe", "feature versions", "considerations"),
        beyond="why it was designed so",
    ),
    Line(
        ACT,
        "Annex IV 2(c)",
        "architecture and computational resources",
        ("recipe", "contract"),
        beyond="the architecture of the whole system, and what developing it took",
    ),
    Line(
        ACT,
        "Annex IV 2(d)",
        "data: provenance, scope, characteristics, labelling, cleaning",
        ("data versions", "raw files", "checks", "contract"),
        beyond="how labels were made, and where files came from before they landed",
    ),
    Line(
        ACT,
        "Annex IV 2(e)",
        "human oversight measures",
        ("approvals", "overrides"),
        beyond="who oversees its use, and what helps them to understand an answer",
    ),
    Line(
        ACT,
        "Annex IV 2(f)",
        "changes that are determined beforehand, and how it stays as it should be",
        ("retraining", "gates", "verifications"),
    ),
    Line(
        ACT,
        "Annex IV 2(g)",
        "validation and testing: data, metrics, signed and dated reports",
        ("evaluation", "slices", "groups", "behaviour", "gates", "decision"),
        beyond="signatures of those responsible for the tests",
    ),
    Line(
        ACT,
        "Annex IV 2(h)",
        "cybersecurity measures",
        ("ledger", "anchors"),
        beyond="everything but that records cannot be rewritten unseen",
    ),
    Line(
        ACT,
        "Annex IV 3",
        "monitoring, functioning, control: capabilities and limits, accuracy for groups, risks",
        ("evaluation", "groups", "limitations", "considerations", "monitoring"),
        beyond="risks to health, safety and fundamental rights, beyond what its card says",
    ),
    Line(
        ACT,
        "Annex IV 4",
        "why the performance metrics are appropriate",
        ("evaluation", "gates"),
        beyond="the argument why these metrics are right for it",
    ),
    Line(ACT, "Annex IV 5", "the risk management system of Article 9", beyond=ELSEWHERE),
    Line(
        ACT,
        "Annex IV 6",
        "changes that the provider made through its lifecycle",
        ("earlier versions", "reigns", "decision", "retraining"),
    ),
    Line(ACT, "Annex IV 7", "harmonised standards that were applied", beyond=ELSEWHERE),
    Line(ACT, "Annex IV 8", "the EU declaration of conformity", beyond=ELSEWHERE),
    Line(
        ACT,
        "Annex IV 9",
        "how it is monitored after it is put on the market, and the plan for that",
        ("monitoring", "verifications", "retraining"),
        beyond="the plan itself",
    ),
    Line(
        ACT, "Article 12(1)", "events are recorded automatically over its lifetime", ("ledger", "predictions")
    ),
    Line(
        ACT,
        "Article 12(2)(a)",
        "events that tell risks and substantial modifications",
        ("ledger", "incidents", "reigns", "decision"),
    ),
    Line(
        ACT,
        "Article 12(2)(b)",
        "events for monitoring after it is put on the market",
        ("monitoring", "verifications"),
    ),
    Line(
        ACT,
        "Article 12(2)(c)",
        "events for monitoring how deployers use it",
        ("predictions",),
        beyond="what deployers do with its answers",
    ),
    Line(
        ACT,
        "Article 12(3)",
        "remote biometric identification: each use, what was matched, who verified",
        beyond=ELSEWHERE,
    ),
    Line(
        SUPERVISORS,
        "IV Development: purpose",
        "a clear statement of purpose, and of methods and theory",
        ("description", "intended use", "recipe"),
        beyond="the theory, beyond the name of the estimator",
    ),
    Line(
        SUPERVISORS,
        "IV Development: data",
        "quality and relevance of data, proxies, and their documentation",
        ("data versions", "checks", "raw files"),
        beyond="whether the data are right for the purpose",
    ),
    Line(
        SUPERVISORS,
        "IV Development: testing",
        "accuracy, robustness, stability, limits, behaviour over inputs",
        ("evaluation", "slices", "behaviour", "numeric"),
    ),
    Line(
        SUPERVISORS,
        "IV Use",
        "used as intended; changes are controlled; conservative where uncertain",
        ("contract", "out of scope", "reigns"),
        beyond="what users do with it",
    ),
    Line(
        SUPERVISORS,
        "V Validation: conceptual soundness",
        "evidence for design choices, by people who did not make it",
        ("recipe", "evaluation", "approvals"),
        beyond="a review by people who did not make it",
    ),
    Line(
        SUPERVISORS,
        "V Validation: ongoing monitoring",
        "that it works as intended, process verification, overrides",
        ("monitoring", "verifications", "certificates", "overrides"),
    ),
    Line(
        SUPERVISORS,
        "V Validation: outcomes analysis",
        "outputs beside outcomes, back-testing, benchmarks",
        ("performance", "verifications", "evaluation"),
    ),
    Line(
        SUPERVISORS,
        "V Validation: vendor products",
        "products of others are validated too",
        ("packages",),
        beyond="their validation, beyond which versions are used",
    ),
    Line(
        SUPERVISORS,
        "VI Governance: policies",
        "policies and procedures",
        ("policy", "gates", "approvals"),
        beyond="the policies of the organisation",
    ),
    Line(
        SUPERVISORS,
        "VI Governance: roles",
        "who owns, controls and approves",
        ("contract", "decision", "approvals"),
        beyond="the organisation's own roles",
    ),
    Line(SUPERVISORS, "VI Governance: internal audit", "an audit of the framework itself", beyond=ELSEWHERE),
    Line(
        SUPERVISORS,
        "VI Governance: external resources",
        "how work of third parties is governed",
        beyond=ELSEWHERE,
    ),
    Line(
        SUPERVISORS,
        "VI Governance: inventory",
        "an inventory of models, in use and retired",
        ("release", "earlier versions", "reigns"),
        beyond="models that are not on this platform",
    ),
    Line(
        SUPERVISORS,
        "VI Governance: documentation",
        "so detailed that others understand how it works and its limits",
        ("description", "limitations", "recipe", "contract"),
    ),
)


def mapped(present: Mapping[str, str]) -> Iterator[Mapped]:
    """Every line with what a pack has for it. present: kind of evidence -> its path in the pack."""
    for line in LINES:
        found = {kind: present[kind] for kind in line.kinds if kind in present}
        yield Mapped(line, found, tuple(kind for kind in line.kinds if kind not in present))
