"""All that is recorded of a released version, as files that verify without the platform (``verify_pack.py``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import view_versions
from mlops_assets.errors import LedgerBroken, NotMaterialized, nearest
from mlops_assets.governance.ledger import Entry, body_of
from mlops_assets.modeling.made import Made
from mlops_assets.modeling.serialization import MADE
from mlops_assets.steps import verify_pack
from mlops_assets.steps.audit_evidence import kinds_of_evidence
from mlops_assets.steps.audit_incidents import incidents
from mlops_assets.steps.audit_page import pages
from mlops_assets.steps.audit_trail import Recorded, Written, recorded_of
from mlops_assets.steps.card import card_of, markdown
from mlops_assets.steps.definitions import changed_views
from mlops_assets.steps.evaluation_page import PAGE
from mlops_assets.steps.ledger import note
from mlops_assets.stores.artifacts import MANIFEST
from mlops_assets.stores.packs import write_pack
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

FORMAT = 1


@dataclass(frozen=True)
class Packed:
    """A pack that was written. digest: of all of it, by which whoever is told it knows the pack again."""

    to: Path
    digest: str
    files: int


def audit(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    version: int,
    to: Path,
    *,
    at: str,
    with_model: bool = True,
) -> Packed:
    """Write the pack of a version to a folder, or to a .zip.

    at: the moment that it says it was made. with_model: whether the model's own files are in it, or their digests only.
    Raises NotMaterialized when there is no such version, ArtifactMismatch when its files are not what was released, and
    BadRequest when something is at that place already.
    """
    release = stores.releases.version(model.name, version)
    if release is None:
        known = [str(one.version) for one in stores.releases.versions(model.name)]
        raise NotMaterialized(f"{model.name} has no version {version}. {nearest(str(version), known)}")
    # That the ledger is broken, so that nothing is noted, the pack tells too.
    with suppress(LedgerBroken):
        # So that an anchor stands where the pack ends, by which those who hold anchors verify it.
        note(stores)
    # Before the ledger, which then has all that they noted, unless somebody took it out.
    anchors = _of_anchors(stores)
    recorded = recorded_of(stores, release)
    found = anchors | _files(stores, catalog, model, recorded, with_model)
    about = {
        "format": FORMAT,
        "model": model.name,
        "version": version,
        "made_at": at,
        "with_model": with_model,
        "release": recorded.released.number,
        "decision": recorded.decided.number,
        "head": {"number": recorded.head.number, "hash": recorded.head.hash},
    }
    evidence = kinds_of_evidence(model, recorded, found)
    found |= {name: text.encode() for name, text in pages(model, recorded, evidence, about, found).items()}
    found |= {"pack.json": _json(about), "verify.py": Path(verify_pack.__file__).read_bytes()}
    files: dict[str, Iterable[bytes]] = {name: [content] for name, content in found.items()}
    files[verify_pack.CHAIN] = _chain(stores, recorded.head)
    return Packed(to, write_pack(to, files), len(files) + 1)


def _chain(stores: Stores, head: Entry) -> Iterator[bytes]:
    """Every entry but what it says, for which its digest stands."""
    for entry in stores.ledger.all(up_to=head.number):
        sealed = {name: getattr(entry, name) for name in (*verify_pack.SEALED, "hash")}
        yield _line(sealed)


def _files(
    stores: Stores, catalog: Catalog, model: Model, recorded: Recorded, with_model: bool
) -> dict[str, bytes]:
    release = recorded.release
    return {
        **_of_records(recorded),
        **_of_artifacts(stores, release, with_model=with_model),
        **_of_features(catalog, model, release),
        **_of_evaluation(stores, recorded),
        "card.md": markdown(release, card_of(stores, model, release)).encode(),
        "incidents.jsonl": b"".join(map(_line, incidents(recorded))),
    }


def _of_records(recorded: Recorded) -> dict[str, bytes]:
    """What entries say, entry by entry, and what the version was made from."""
    kinds: dict[str, list[Entry]] = {}
    for name in (*verify_pack.RECORDS.values(), verify_pack.OTHERS):
        kinds.setdefault(name, [])
    for entry in recorded.told:
        if entry.kind not in verify_pack.ELSEWHERE:
            kinds[verify_pack.RECORDS.get(entry.kind, verify_pack.OTHERS)].append(entry)
    files = [
        {"file": one.table, "partition": one.partition, "digest": one.fingerprint}
        for one in recorded.made_from.files
    ]
    return {
        **{name: b"".join(_line(_said(one)) for one in entries) for name, entries in kinds.items()},
        verify_pack.MADE_FROM: _written(recorded.made_from.written),
        verify_pack.MONITORED: _written(recorded.monitored),
        verify_pack.FILES: b"".join(map(_line, files)),
        verify_pack.BODIES: b"".join(
            _line({"number": one.number, "body": one.body}) for one in recorded.entries()
        ),
    }


def _said(entry: Entry) -> dict[str, Any]:
    return {
        "entry": entry.number,
        "kind": entry.kind,
        "at": entry.at,
        "by": entry.by,
        "said": body_of(entry),
    }


def _written(written: Iterable[Written]) -> bytes:
    return b"".join(_line(one.to_dict()) for one in written)


def _of_artifacts(stores: Stores, release: Release, *, with_model: bool) -> dict[str, bytes]:
    """The files of the model, or their list; how it was made; its contract."""
    files = stores.artifacts.load(release.artifact_digest)
    packages = verify_pack.packages(Made.of(files).environment)
    listed = stores.artifacts.folder(release.artifact_digest) / MANIFEST
    contract = stores.artifacts.load(release.contract)
    return {
        **({f"model/{name}": content for name, content in files.items()} if with_model else {}),
        f"model/{MANIFEST}": listed.read_bytes(),
        verify_pack.MADE: files[MADE],
        verify_pack.PACKAGES: packages.encode(),
        **{f"contract/{name}": content for name, content in contract.items()},
        f"contract/{MANIFEST}": (stores.artifacts.folder(release.contract) / MANIFEST).read_bytes(),
    }


def _of_features(catalog: Catalog, model: Model, release: Release) -> dict[str, bytes]:
    """What its features meant; of views that mean the same as they are declared now, their SQL and declaration."""
    versions = {"feature_hash": release.feature_hash, "view_versions": dict(release.view_versions)}
    found = {"features/versions.json": _json(versions)}
    changed = changed_views(release, view_versions(catalog, model.features))
    for name in sorted(release.view_versions.keys() - changed.keys()):
        if name in catalog.features.views:
            view = catalog.features.views[name]
            found[f"features/{name}.sql"] = view.sql.encode()
            found[f"features/{name}.json"] = _json(view.model_dump(mode="json", exclude={"sql"}))
    for transform in catalog.features.on_demand_of(model.features):
        if transform.name in release.view_versions.keys() - changed.keys():
            found[f"features/{transform.name}.py"] = transform.python.encode()
            found[f"features/{transform.name}.json"] = _json(
                transform.model_dump(mode="json", exclude={"python"})
            )
    return found


def _of_evaluation(stores: Stores, recorded: Recorded) -> dict[str, bytes]:
    """What was measured, what each gate said of it, and the page with its pictures while that is there."""
    decided, release = body_of(recorded.decided), recorded.release
    found = {
        verify_pack.EVIDENCE: _json(decided["measured"]),
        verify_pack.GATES: b"".join(map(_line, decided["reasons"])),
    }
    page = stores.reports.root / release.model / release.as_of / PAGE
    if page.is_file():
        found["evaluation/page.html"] = page.read_bytes()
    return found


def _of_anchors(stores: Stores) -> dict[str, bytes]:
    """The lines of every place that notes the ledger's head."""
    found = {}
    for at, place in enumerate(stores.anchors):
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", place.name)
        found[f"ledger/anchors/{at}-{name}.jsonl"] = "".join(f"{one}\n" for one in place.lines()).encode()
    return found


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2).encode() + b"\n"
