"""A pack verifies by itself, and whatever is changed in it is found and named."""

import ast
import csv
import io
import json
import sys
import zipfile
from hashlib import sha256

import pytest

from mlops_assets.errors import ArtifactMismatch, BadRequest, NotMaterialized
from mlops_assets.governance.audit_mapping import KINDS
from mlops_assets.steps.audit import audit
from mlops_assets.steps.ledger import accept, note
from mlops_assets.stores.ledger import Draft
from mlops_assets_tests.steps.audit_world import DAYS, FILE, MOMENT, NEXT, Tamperer, bare, shop, world
from mlops_assets_tests.stores.ledger_world import Owner


def packed(stores, to, version=1, **more):
    project = shop()
    return audit(stores, project.catalog, project.model("returned"), version, to, at=MOMENT, **more)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    home = tmp_path_factory.mktemp("audited")
    return world(home / "home", f"sqlite:///{home / 'platform.db'}")


@pytest.fixture(scope="module")
def pack(stores, tmp_path_factory):
    to = tmp_path_factory.mktemp("packs") / "pack"
    packed(stores, to)
    return to


@pytest.fixture
def tamperer(pack, tmp_path):
    return Tamperer(pack, tmp_path / "tampered")


def test_it_verifies_by_itself_on_either_database(database_url, tmp_path):
    made = packed(world(tmp_path / "home", database_url), tmp_path / "pack")
    code, printed = bare(tmp_path / "pack", "--digest", made.digest)
    assert (code, "Nothing was changed" in printed) == (0, True), printed
    assert made.digest in printed
    assert made.files == len([one for one in (tmp_path / "pack").rglob("*") if one.is_file()])


def test_the_verifier_imports_nothing_but_the_standard_library(pack):
    imported = [
        line.split()[1]
        for line in (pack / "verify.py").read_text().splitlines()
        if line.startswith(("import", "from"))
    ]
    assert {one.partition(".")[0] for one in imported} <= sys.stdlib_module_names


def test_the_verifier_reads_as_python_3_9(pack):
    ast.parse((pack / "verify.py").read_text(), feature_version=(3, 9))


def test_what_the_version_was_made_from_is_there_down_to_the_file(pack):
    lines = [json.loads(line) for line in (pack / "data" / "materializations.jsonl").read_text().splitlines()]
    assert {one["table"] for one in lines} == {
        "raw/orders", "validated/orders", "returned/training_set", "returned/model", "returned/evaluation_report",
    }  # fmt: skip
    assert {one["partition"] for one in lines if one["table"] == "raw/orders"} == set(DAYS)
    (file,) = (json.loads(line) for line in (pack / "data" / "files.jsonl").read_text("utf-8").splitlines())
    assert (file["file"], file["digest"]) == (FILE.table, FILE.fingerprint)


def test_what_is_of_others_is_not_told(pack):
    watched = [json.loads(line) for line in (pack / "monitoring" / "reports.jsonl").read_text().splitlines()]
    assert {one["table"] for one in watched} == {"returned/drift_report", "returned/performance_report"}
    bodies = (pack / "ledger" / "bodies.jsonl").read_text()
    assert "returned_twice" not in bodies
    assert "raw/other" not in bodies


def test_change_requests_about_the_model_are_told_with_their_votes(tmp_path):
    stores = world(tmp_path / "home", f"sqlite:///{tmp_path}/p.db")
    for number, resource in ((1, "model:returned"), (2, "model:returned_twice")):
        asked = {"id": number, "kind": "promote", "resource": resource, "by": "gate", "reason": "better"}
        vote = {"request_id": number, "by": "Zoë 王", "answer": "approve", "reason": "gelesen"}
        stores.ledger.append(
            Draft("change_request", str(number), asked, "gate"),
            Draft("vote", str(number), vote, "Zoë 王"),
            Draft("application", str(number), {"request_id": number, "by": "sensor"}, "sensor"),
            Draft(
                "role_grant",
                str(number),
                {"request_id": number, "role": "reader", "reason": "störung"},
                "zoë",
            ),
            Draft("role_withdrawal", str(number), {"request_id": number, "reason": "done"}, "ada"),
        )
    packed(stores, tmp_path / "pack")
    assert bare(tmp_path / "pack")[0] == 0
    lines = (tmp_path / "pack" / "approval" / "requests.jsonl").read_text("utf-8").splitlines()
    told = [(one["kind"], one["by"]) for one in map(json.loads, lines)]
    assert told == [("change_request", "gate"), ("vote", "Zoë 王"), ("application", "sensor")]
    lines = (tmp_path / "pack" / "approval" / "grants.jsonl").read_text("utf-8").splitlines()
    told = [(one["kind"], one["by"]) for one in map(json.loads, lines)]
    assert told == [("role_grant", "zoë"), ("role_withdrawal", "ada")]
    assert "störung" in (tmp_path / "pack" / "index.html").read_text("utf-8")
    assert "approve, gelesen" in (tmp_path / "pack" / "index.html").read_text("utf-8")


def test_incidents_are_told_with_the_entry_that_tells_of_them(pack):
    found = [json.loads(line) for line in (pack / "incidents.jsonl").read_text("utf-8").splitlines()]
    assert {one["kind"] for one in found} == {
        "check failed", "refused", "hold", "override", "released by a person", "rollback",
    }  # fmt: skip
    entries = {
        json.loads(line)["number"] for line in (pack / "ledger" / "bodies.jsonl").read_text().splitlines()
    }
    assert {one["entry"] for one in found} <= entries
    assert any("Zoë 王 allowed gate of returned/release" in one["said"] for one in found)
    assert any("no byte – ö" in one["said"] for one in found)


def test_equal_databases_make_equal_packs_but_for_the_moment(stores, pack, tmp_path):
    packed(stores, tmp_path / "again")
    for path in pack.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(pack)).read_bytes(), path
    first, second = packed(stores, tmp_path / "1.zip"), packed(stores, tmp_path / "2.zip")
    assert first.digest == second.digest
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_a_zip_holds_the_same_and_verifies_without_being_unpacked(stores, pack, tmp_path):
    packed(stores, tmp_path / "pack.zip")
    with zipfile.ZipFile(tmp_path / "pack.zip") as found:
        assert {one: found.read(one) for one in found.namelist()} == {
            path.relative_to(pack).as_posix(): path.read_bytes() for path in pack.rglob("*") if path.is_file()
        }
    assert bare(pack, str(tmp_path / "pack.zip"))[0] == 0


def test_without_the_model_its_files_are_named_by_digest(stores, tmp_path):
    packed(stores, tmp_path / "pack", with_model=False)
    assert not (tmp_path / "pack" / "model" / "model.skops").exists()
    code, printed = bare(tmp_path / "pack")
    assert (code, "named by their digests" in printed) == (0, True), printed


def test_it_is_written_over_nothing_and_leaves_nothing_half_done(stores, tmp_path):
    for name in ("pack", "pack.zip"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(BadRequest, match="never written over"):
            packed(stores, tmp_path / name)
    folder = stores.artifacts.folder(stores.releases.version("returned", 1).artifact_digest)
    kept = (folder / "model.skops").read_bytes()
    (folder / "model.skops").write_bytes(b"another")
    try:
        with pytest.raises(ArtifactMismatch):
            packed(stores, tmp_path / "new")
    finally:
        (folder / "model.skops").write_bytes(kept)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["pack", "pack.zip"]
    with pytest.raises(BadRequest, match="cannot be written"):
        packed(stores, tmp_path / "pack" / "below")


def test_a_version_that_is_not_there_is_told_with_those_that_are(stores, tmp_path):
    with pytest.raises(NotMaterialized, match=r"returned has no version 7.*Known: 1, 2"):
        packed(stores, tmp_path / "pack", version=7)


def test_each_section_has_its_evidence_or_says_that_there_is_none(pack):
    rows = list(csv.DictReader(io.StringIO((pack / "mapping.csv").read_text())))
    answers = {row["section"]: row for row in rows if row["section"]}
    assert {row["answer"] for row in answers.values()} == {"supports", "supports in part", "no evidence"}
    assert answers["Annex IV 8"]["answer"] == "no evidence"
    assert answers["Annex IV 6"]["answer"] == "supports"
    assert answers["Annex IV 2(d)"]["answer"] == "supports in part"
    assert "how labels were made" in answers["Annex IV 2(d)"]["missing"]
    assert all(row["missing"] for row in answers.values() if row["answer"] != "supports")
    assert "declare `card.intended_use`" in answers["Annex IV 1(a)"]["missing"]
    for row in answers.values():
        for one in filter(None, row["evidence"].split("; ")):
            assert (pack / one.partition(": ")[2]).stat().st_size > 0, one
    told = "".join(
        (pack / one).read_text("utf-8") for one in ("mapping.csv", "mapping.html", "index.html")
    ).lower()
    assert "compliant" not in told
    assert "no legal advice" in told


def test_every_kind_of_evidence_that_a_line_names_has_a_way_to_it():
    from mlops_assets.governance.audit_mapping import LINES

    assert {kind for line in LINES for kind in line.kinds} <= KINDS.keys()


def test_the_page_names_people_as_they_are_spelled(pack):
    page = (pack / "index.html").read_text("utf-8")
    assert "Zoë 王" in page
    assert "bestellungen-ö-订单.csv" in page
    for target in {one.split('"')[0] for one in page.split('href="')[1:]}:
        assert (pack / target).is_file(), target


# Each changes a copy of a pack; the word that the verifier must say beside CHANGED.


def edits_a_page(one):
    one.write("card.md", one.read("card.md") + "It is perfect.\n")
    return "card.md"


def removes_a_file(one):
    (one.pack / "incidents.jsonl").unlink()
    return "incidents.jsonl"


def adds_a_file(one):
    one.write("approval/blessing.txt", "yes")
    return "approval/blessing.txt"


def drops_a_line_of_the_manifest(one):
    one.write(
        "MANIFEST", "".join(line for line in one.read("MANIFEST").splitlines(True) if "card.md" not in line)
    )
    return "card.md"


def edits_a_record(one):
    lines = one.lines("approval/decisions.jsonl")
    lines[1]["said"]["verdict"] = "promote"
    one.write_lines("approval/decisions.jsonl", lines)
    one.list_anew()
    return "approval/decisions.jsonl"


def signs_as_another(one):
    lines = one.lines("approval/overrides.jsonl")
    lines[0]["by"] = "Ada"
    one.write_lines("approval/overrides.jsonl", lines)
    one.list_anew()
    return "approval/overrides.jsonl"


def drops_a_record(one):
    one.write_lines("approval/overrides.jsonl", [])
    one.list_anew()
    return "approval/overrides.jsonl"


def invents_a_record(one):
    lines = one.lines("approval/overrides.jsonl")
    one.write_lines("approval/overrides.jsonl", [*lines, {**lines[0], "entry": 1}])
    one.list_anew()
    return "approval/overrides.jsonl"


def edits_what_an_entry_says(one):
    lines = one.lines("ledger/bodies.jsonl")
    at = next(at for at, line in enumerate(lines) if "Zoë" in line["body"])
    lines[at]["body"] = lines[at]["body"].replace("Zoë", "Ada")
    one.write_lines("ledger/bodies.jsonl", lines)
    one.list_anew()
    return "ledger/bodies.jsonl"


def edits_an_entry_with_its_digest(one):
    lines, chain = one.lines("ledger/bodies.jsonl"), one.lines("ledger/chain.jsonl")
    lines[3]["body"] = lines[3]["body"].replace("2024", "2025")
    chain[lines[3]["number"] - 1]["body_digest"] = sha256(lines[3]["body"].encode()).hexdigest()
    one.write_lines("ledger/bodies.jsonl", lines)
    one.write_lines("ledger/chain.jsonl", chain)
    one.list_anew()
    return "ledger/chain.jsonl"


def drops_an_entry(one):
    chain = one.lines("ledger/chain.jsonl")
    one.write_lines("ledger/chain.jsonl", chain[:5] + chain[6:])
    one.list_anew()
    return "ledger/chain.jsonl"


def swaps_two_entries(one):
    chain = one.lines("ledger/chain.jsonl")
    chain[4], chain[5] = chain[5], chain[4]
    one.write_lines("ledger/chain.jsonl", chain)
    one.list_anew()
    return "ledger/chain.jsonl"


def cuts_the_end_off(one):
    one.write_lines("ledger/chain.jsonl", one.lines("ledger/chain.jsonl")[:-1])
    one.list_anew()
    return "ledger/chain.jsonl"


def seals_the_whole_ledger_anew(one):
    chain = one.lines("ledger/chain.jsonl")
    chain[2]["by"] = "nobody"
    one.write_lines("ledger/chain.jsonl", one.sealed_anew(chain))
    about = json.loads(one.read("pack.json"))
    about["head"]["hash"] = one.lines("ledger/chain.jsonl")[-1]["hash"]
    one.write("pack.json", json.dumps(about))
    one.list_anew()
    return "ledger/anchors/0-home.jsonl"


def edits_an_anchor(one):
    one.write(
        "ledger/anchors/0-home.jsonl", one.read("ledger/anchors/0-home.jsonl").replace("2026-", "2025-", 1)
    )
    one.list_anew()
    return "ledger/anchors/0-home.jsonl"


def spoils_an_anchor(one):
    one.write("ledger/anchors/0-home.jsonl", one.read("ledger/anchors/0-home.jsonl") + "{\n")
    one.list_anew()
    return "ledger/anchors/0-home.jsonl"


def spoils_a_record(one):
    one.write("approval/decisions.jsonl", "{")
    return "approval/decisions.jsonl"


def swaps_the_model(one):
    one.write("model/model.skops", b"another")
    one.list_anew()
    return "model/model.skops"


def swaps_the_model_and_its_list(one):
    swaps_the_model(one)
    listed = {**json.loads(one.read("model/manifest.json")), "model.skops": sha256(b"another").hexdigest()}
    one.write("model/manifest.json", json.dumps(listed, indent=2))
    one.list_anew()
    return "model/manifest.json"


def takes_the_model_out(one):
    (one.pack / "model" / "model.skops").unlink()
    one.list_anew()
    return "model/model.skops"


def edits_the_contract(one):
    one.write("contract/contract.json", one.read("contract/contract.json").replace("500.0", "50000.0"))
    one.list_anew()
    return "contract/contract.json"


def edits_how_it_was_made(one):
    one.write("training/made.json", one.read("training/made.json").replace("3.11.7", "3.12.0"))
    one.list_anew()
    return "training/made.json"


def betters_a_metric(one):
    one.write("evaluation/evidence.json", one.read("evaluation/evidence.json").replace("0.4", "0.1", 1))
    one.list_anew()
    return "evaluation/evidence.json"


def passes_a_gate(one):
    lines = one.lines("evaluation/gates.jsonl")
    one.write_lines(
        "evaluation/gates.jsonl", [{**lines[0], "sentence": "nobody is treated worse"}, *lines[1:]]
    )
    one.list_anew()
    return "evaluation/gates.jsonl"


def edits_the_packages(one):
    one.write("training/packages.txt", one.read("training/packages.txt").replace("numpy==2.4", "numpy==2.5"))
    one.list_anew()
    return "training/packages.txt"


def names_another_decision(one):
    about, decisions = json.loads(one.read("pack.json")), one.lines("approval/decisions.jsonl")
    other = next(line for line in decisions if line["said"]["version"] == 2)
    one.write("pack.json", json.dumps({**about, "decision": other["entry"]}))
    one.write("evaluation/evidence.json", json.dumps(other["said"]["measured"]))
    one.write_lines("evaluation/gates.jsonl", other["said"]["reasons"])
    one.list_anew()
    return "pack.json"


def has_a_name_twice(one):
    folder, one.pack = one.pack, one.pack.with_suffix(".zip")
    with zipfile.ZipFile(one.pack, "w") as packed:
        packed.writestr("card.md", "It is perfect.\n")
        for path in folder.rglob("*"):
            if path.is_file() and path.name != "card.md":
                packed.write(path, path.relative_to(folder))
        with pytest.warns(UserWarning, match="Duplicate name"):
            packed.write(folder / "card.md", "card.md")
    return "card.md"


def passes_a_check(one):
    one.write(
        "monitoring/reports.jsonl",
        one.read("monitoring/reports.jsonl").replace('"passed": false', '"passed": true'),
    )
    one.list_anew()
    return "monitoring/reports.jsonl"


def hides_a_day(one):
    lines = one.lines("data/materializations.jsonl")
    one.write_lines("data/materializations.jsonl", [line for line in lines if line["table"] != "raw/orders"])
    one.list_anew()
    return "data/files.jsonl"


def swaps_a_raw_file(one):
    one.write_lines(
        "data/files.jsonl", [{**line, "digest": "0" * 64} for line in one.lines("data/files.jsonl")]
    )
    one.list_anew()
    return "data/files.jsonl"


TAMPERINGS = [
    edits_a_page, removes_a_file, adds_a_file, drops_a_line_of_the_manifest, edits_a_record, signs_as_another,
    drops_a_record, invents_a_record, edits_what_an_entry_says, edits_an_entry_with_its_digest, drops_an_entry,
    swaps_two_entries, cuts_the_end_off, seals_the_whole_ledger_anew, edits_an_anchor, spoils_an_anchor,
    spoils_a_record, swaps_the_model, swaps_the_model_and_its_list, takes_the_model_out, edits_the_contract,
    edits_how_it_was_made, betters_a_metric, passes_a_gate, edits_the_packages,
    names_another_decision, has_a_name_twice, passes_a_check, hides_a_day, swaps_a_raw_file,
]  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda one: one.__name__)
def test_a_change_is_found_and_named(pack, tamperer, tamper):
    named = tamper(tamperer)
    code, printed = bare(tamperer.pack, verifier=pack / "verify.py")
    assert code == 3, printed
    assert f"CHANGED {named}: " in printed


def test_a_page_that_was_changed_with_its_line_is_found_by_the_digest(stores, tamperer, tmp_path):
    digest = packed(stores, tmp_path / "pack").digest
    edits_a_page(tamperer)
    tamperer.list_anew()
    assert bare(tamperer.pack)[0] == 0
    code, printed = bare(tamperer.pack, "--digest", digest)
    assert (code, f"expected {digest}" in printed) == (3, True)


def test_a_ledger_made_anew_with_its_anchors_is_found_by_an_anchor_that_was_kept(stores, tamperer, tmp_path):
    (place,) = stores.anchors
    (tmp_path / "held.jsonl").write_text("".join(f"{line}\n" for line in place.lines()))
    assert bare(tamperer.pack, "--anchors", str(tmp_path / "held.jsonl"))[0] == 0
    tamperer.write("ledger/anchors/0-home.jsonl", "")
    seals_the_whole_ledger_anew(tamperer)
    assert bare(tamperer.pack)[0] == 0
    code, printed = bare(tamperer.pack, "--anchors", str(tmp_path / "held.jsonl"))
    assert (code, "it noted another entry" in printed) == (3, True)


@pytest.fixture
def later(tmp_path):
    """A pack, and the lines of its anchors after the ledger went on."""
    stores = world(tmp_path / "home", f"sqlite:///{tmp_path}/p.db")
    stores.ledger.append(Draft("note", "x", {}))
    packed(stores, tmp_path / "pack")
    for _ in range(2):
        stores.ledger.append(Draft("note", "x", {}))
        note(stores)
    return tmp_path / "pack", stores.anchors[0].lines()


@pytest.mark.parametrize("which", [slice(None), slice(-3, -2), slice(-3, None), slice(1, -1)])
def test_anchors_that_were_noted_since_say_nothing_against_a_pack(later, tmp_path, which):
    pack, lines = later
    (tmp_path / "held.jsonl").write_text("\n".join(lines[which]))
    code, printed = bare(pack, "--anchors", str(tmp_path / "held.jsonl"))
    assert (code, "Nothing was changed" in printed) == (0, True), printed
    seals_the_whole_ledger_anew(tampered := Tamperer(pack, tmp_path / "tampered"))
    tampered.write("ledger/anchors/0-home.jsonl", "")
    tampered.list_anew()
    code, printed = bare(tampered.pack, "--anchors", str(tmp_path / "held.jsonl"))
    assert (code, "CHANGED the anchors that were given: it noted another" in printed) == (3, True), printed


def test_what_was_accepted_since_is_of_no_concern_to_a_pack(later, tmp_path):
    pack, lines = later
    accepted = {**json.loads(lines[-1]), "by": "Zoë 王", "reason": "die Platte"}
    (tmp_path / "held.jsonl").write_text("\n".join([*lines[:-1], json.dumps(accepted)]))
    assert bare(pack, "--anchors", str(tmp_path / "held.jsonl"))[0] == 0


@pytest.mark.parametrize("which", [slice(-2, None), slice(-1, None), slice(0)])
def test_anchors_none_of_which_is_about_a_pack_do_not_verify_it(later, tmp_path, which):
    pack, lines = later
    (tmp_path / "held.jsonl").write_text("\n".join(lines[which]))
    code, printed = bare(pack, "--anchors", str(tmp_path / "held.jsonl"))
    assert (code, "none is about this pack" in printed, "Nothing was changed" in printed) == (1, True, False)
    edits_a_record(tampered := Tamperer(pack, tmp_path / "tampered"))
    assert bare(tampered.pack, "--anchors", str(tmp_path / "held.jsonl"))[0] == 3


def test_an_anchor_stands_where_a_pack_ends_and_the_reader_is_told_which_to_ask_for(later):
    pack, _ = later
    *_, anchor = ((pack / "ledger" / "anchors" / "0-home.jsonl").read_text()).splitlines()
    end = json.loads((pack / "pack.json").read_text())["head"]["number"]
    # After the anchor, the entry that tells of it.
    assert json.loads(anchor)["number"] == end - 1
    assert f"the newest at or before entry {end}, or all lines" in (pack / "README.md").read_text()
    assert "ask for the newest anchor at or before it, or for all lines" in bare(pack)[1]


def test_the_pack_of_a_ledger_that_lost_its_end_says_so(tmp_path):
    url = f"sqlite:///{tmp_path}/p.db"
    stores, owner = world(tmp_path / "home", url), Owner(url)
    owner.run("DELETE FROM ledger WHERE number >= :n", n=owner.number_of("anchor", -1) - 1)
    packed(stores, tmp_path / "pack")
    code, printed = bare(tmp_path / "pack")
    assert (code, "CHANGED ledger/anchors/0-home.jsonl: it noted another entry" in printed) == (3, True), (
        printed
    )


@pytest.mark.parametrize("damaged", ["{", ""])
def test_what_was_accepted_of_anchors_is_over_in_later_packs_and_what_follows_is_not(tmp_path, damaged):
    stores = world(tmp_path / "home", f"sqlite:///{tmp_path}/p.db")
    path = stores.anchors[0].path
    first, _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, damaged, *rest, ""]))
    packed(stores, tmp_path / "before")
    assert bare(tmp_path / "before")[0] == 3
    accept(stores, by="Zoë 王", reason="die Platte")
    stores.ledger.append(Draft("note", "x", {}))
    note(stores)
    packed(stores, tmp_path / "pack")
    code, printed = bare(tmp_path / "pack")
    assert (code, "Nothing was changed" in printed) == (0, True), printed
    later = Tamperer(tmp_path / "pack", tmp_path / "tampered")
    spoils_an_anchor(later)
    assert bare(later.pack)[0] == 3


def test_what_is_no_pack_is_told(pack, tmp_path):
    for at in (tmp_path, tmp_path / "gone"):
        code, printed = bare(pack, str(at))
        assert (code, "cannot be verified" in printed) == (1, True)


def test_a_model_that_was_trained_again_meanwhile_changes_nothing_that_is_told_of_the_version(stores, pack):
    entries = [json.loads(line) for line in (pack / "history" / "releases.jsonl").read_text().splitlines()]
    assert [one["said"]["as_of"] for one in entries] == ["2024-03-29", NEXT]
