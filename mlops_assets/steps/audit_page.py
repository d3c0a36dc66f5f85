"""What a person reads first of an audit pack: what is in it, how it is verified, and what it may support."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops_assets.data.legible import in_html
from mlops_assets.data.page import section, table, whole
from mlops_assets.declaration.model import Model
from mlops_assets.governance.audit_mapping import TEXTS, Mapped, mapped
from mlops_assets.governance.ledger import body_of
from mlops_assets.steps.audit_trail import Recorded, Written

SHORT = 12
# Kinds of entries that let a version reign, or somebody read, or say no.
APPROVING = (
    *("decision", "override", "change_request", "vote", "application"),
    *("role_grant", "role_withdrawal"),
)
# Incidents that the page shows; the file has all.
SHOWN = 200
DISCLAIMER = (
    "It says what in this pack supports an answer, and where there is none. It never says that anything complies, "
    "and is no legal advice."
)
PLACES = {
    "pack.json": "what this is of, and which entry of the ledger it ends with",
    "data/materializations.jsonl": "each partition that the version was made from: table, version, rows, fingerprint, "
    "code, run, what it read, what its checks said",
    "data/files.jsonl": "each raw file with its SHA-256",
    "features/": "what each feature meant, as hashes; SQL and declaration of those that are declared so still",
    "training/": "recipe, seed, code, environment; every installed package; certificates of training it again",
    "model/": "the model's files, or the list of them with their SHA-256",
    "evaluation/": "what was measured, what each gate said of it, and the page with plots while that is there",
    "contract/, card.md": "what it takes, answers and promises; the model card, gaps as gaps",
    "approval/": "decisions, overrides; policies of access, change requests with their votes, roles held on the model "
    "for a time, where there are any",
    "deployment/": "every reign and rollout of its model, and what later days said of each",
    "monitoring/": "what the reports that watch it said; batches of predictions that were sealed",
    "retraining/": "every reason to look, and the answer",
    "incidents.jsonl": "failing checks, refusals, overrides, rollbacks, releases by a person",
    "history/": "every release of its model; attestations; what else the ledger says of it",
    "ledger/": "the chain of all entries by their digests, those of this version in full, and the anchors",
    "mapping.csv, mapping.html": 'sections of the EU AI Act and SR 11-7, each with evidence or "no evidence"',
}


def pages(
    model: Model,
    recorded: Recorded,
    evidence: Mapping[str, str],
    about: Mapping[str, Any],
    files: Mapping[str, bytes],
) -> dict[str, str]:
    """The pages for people, by their names in the pack. evidence: kind -> path."""
    lines = list(mapped(evidence))
    return {
        "README.md": _readme(about),
        "index.html": _index(model, recorded, lines, about, files),
        "mapping.html": whole("What this pack may support", *_mapping(lines)),
        "mapping.csv": _csv(lines),
    }


def _readme(about: Mapping[str, Any]) -> str:
    return f"""# {about["model"]} version {about["version"]}: audit pack

Made at {about["made_at"]}. Open `index.html`; it needs no network.

## Verify it

    python3 -I verify.py

needs Python 3.9 or newer and nothing else, neither a network nor the platform that made this. It looks at every file
(`MANIFEST`, also as `sha256sum -c MANIFEST`), every entry of the ledger (`ledger/chain.jsonl`: each one's hash covers
the hash before it), what those entries say that are about this version (`ledger/bodies.jsonl`), the anchors
(`ledger/anchors/`), every record that was taken from them, all that the version was made from down to its files
(`data/`), and the files of the model and its contract. Exit code 0: nothing was changed; 3: something was, by name;
1: this is no pack, or none of the anchors that were given is about it.

What it cannot know by itself:

- Whether all of this was made anew by who could write everything. Ask for anchors from a place that he could not
  write, the newest at or before entry {about["head"]["number"]}, or all lines, and give them with `--anchors FILE`:
  they cover the entries up to the newest of these. And ask for the digest that was told when the pack was made, and
  give it with `--digest`: it covers everything, also what is written for people (this file, `index.html`, `card.md`,
  `mapping.*`, `incidents.jsonl`, the texts below `features/` and `evaluation/page.html`).
- Whether `verify.py` itself was changed: take it from another pack, or read it.
- The rows of tables and raw files are not in the pack. Their fingerprints and SHA-256 are.

## What is where

{chr(10).join(f"- `{path}`: {what}" for path, what in PLACES.items())}

The chain names the subjects of all entries, also of other models, for without them their hashes cannot be checked; what
those entries say is not in the pack.
"""


def _index(
    model: Model,
    recorded: Recorded,
    lines: Sequence[Mapped],
    about: Mapping[str, Any],
    files: Mapping[str, bytes],
) -> str:
    release, decided = recorded.release, body_of(recorded.decided)
    facts = [
        ("model", f"{release.model}: {model.description}"),
        ("version", str(release.version)),
        ("owner", model.owner),
        ("as of", release.as_of),
        ("released", release.released_at),
        (
            "decision",
            f"{decided['verdict']}, entry {recorded.decided.number} of the ledger, by {recorded.decided.by}",
        ),
        ("artifact", release.artifact_digest),
        ("contract", release.contract),
        ("features", release.feature_hash),
        ("ledger", f"{recorded.head.number} entries, head {recorded.head.hash}"),
        ("made at", about["made_at"]),
    ]
    return whole(
        f"{release.model} version {release.version}: audit pack",
        table(["", ""], facts),
        f"<p>Verify it with <code>python3 -I verify.py</code>; {_link('README.md')} says what that proves.</p>",
        section(
            "Who let it be released",
            _approval(recorded),
            _links("approval/decisions.jsonl", "approval/overrides.jsonl"),
        ),
        section("What each gate said", table(["gate", "answer", "reason"], _reasons(decided))),
        section("When it reigned", _reigns(recorded), _links("deployment/reigns.jsonl")),
        section(
            "What it was made from",
            _tables(recorded.made_from.written),
            _links("data/materializations.jsonl"),
        ),
        section("Raw files", table(["file", "SHA-256"], _raw(recorded)), _links("data/files.jsonl")),
        section("What watches it", _tables(recorded.monitored), _links("monitoring/reports.jsonl")),
        section("Incidents", _incidents(files["incidents.jsonl"]), _links("incidents.jsonl")),
        section("What it may support", *_mapping(lines)),
        section("All files", _links(*sorted({*files, "ledger/chain.jsonl", "verify.py", "MANIFEST"}))),
    )


def _approval(recorded: Recorded) -> str:
    rows = [
        (str(one.number), one.at, one.kind, one.by, one.subject, _in_short(body_of(one)))
        for one in recorded.told
        if one.kind in APPROVING
    ]
    return table(["entry", "at", "what", "by", "of", "said"], rows)


def _in_short(said: Mapping[str, Any]) -> str:
    """A verdict with the version that it made, or what a person answered and why."""
    made = f"version {said['version']}" if said.get("version") else ""
    return ", ".join(filter(None, (said.get("verdict"), said.get("answer"), said.get("reason"), made)))


def _reasons(decided: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["gate"], one["answer"], one["sentence"]) for one in decided["reasons"]]


def _reigns(recorded: Recorded) -> str:
    reigns = [body_of(one) for one in recorded.of("reign")]
    ends = [one["since"] for one in reigns[1:]] + ["it lasts"]
    rows = [
        (str(one["version"]), one["since"], end, one["by"], one["reason"])
        for one, end in zip(reigns, ends, strict=True)
    ]
    return table(["version", "since", "until", "by", "why"], rows)


def _tables(written: Iterable[Written]) -> str:
    """How much of each table, and what its checks said."""
    by_table: dict[str, list[Written]] = {}
    for one in written:
        by_table.setdefault(one.content.table, []).append(one)
    rows = []
    for name, found in sorted(by_table.items()):
        said = [verdict for one in found for verdict in one.record.verdicts]
        partitions = sorted(one.content.partition for one in found)
        rows.append(
            (
                name,
                f"{len(found)}: {partitions[0]} to {partitions[-1]}",
                f"{sum(one.content.rows for one in found):,}",
                str(sum(one.passed for one in said)),
                str(sum(not one.passed for one in said)),
            )
        )
    return table(["table", "partitions", "rows", "checks passed", "failed"], rows)


def _raw(recorded: Recorded) -> list[tuple[str, str]]:
    return sorted({(one.table, one.fingerprint or "had not landed") for one in recorded.made_from.files})


def _incidents(lines: bytes) -> str:
    found = [json.loads(line) for line in lines.decode().split("\n") if line]
    rows = [(str(one["entry"]), one["at"], one["kind"], one["said"]) for one in found[-SHOWN:]]
    more = len(found) - len(rows)
    return table(["entry", "at", "what", ""], rows) + (f"<p>… and {more} earlier ones.</p>" if more else "")


def _mapping(lines: Sequence[Mapped]) -> Iterable[str]:
    yield f"<p>{DISCLAIMER}</p>"
    for text, read in TEXTS.items():
        yield f"<h3>{in_html(text)}</h3><p>{in_html(read)}</p>"
        rows = "".join(_row(one) for one in lines if one.line.text == text)
        heads = "".join(
            f"<th>{one}</th>" for one in ("section", "asks for", "", "evidence", "what is missing")
        )
        yield f"<table><tr>{heads}</tr>{rows}</table>"


def _row(one: Mapped) -> str:
    links = "; ".join(f"{in_html(kind)}: {_link(path)}" for kind, path in one.found.items())
    style = "warn" if one.answer == "no evidence" else "words"
    cells = (in_html(one.line.section), in_html(one.line.asks), one.answer, links, in_html(one.missing))
    return (
        "<tr>"
        + "".join(f'<td class="{style if at == 2 else "words"}">{cell}</td>' for at, cell in enumerate(cells))
        + "</tr>"
    )


def _csv(lines: Sequence[Mapped]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["text", "section", "asks for", "answer", "evidence", "missing"])
    for one in lines:
        evidence = "; ".join(f"{kind}: {path}" for kind, path in one.found.items())
        rows.writerow([one.line.text, one.line.section, one.line.asks, one.answer, evidence, one.missing])
    for name, read in TEXTS.items():
        rows.writerow([name, "", read, "", "", DISCLAIMER])
    return text.getvalue()


def _links(*paths: str) -> str:
    return "<p>" + " · ".join(_link(path) for path in paths) + "</p>"


def _link(path: str) -> str:
    return f'<a href="{in_html(path)}">{in_html(path)}</a>'
