"""Whoever owns the database can change it. What they did is found, and where it begins."""

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from mlops_assets.errors import BadRequest, LedgerBroken
from mlops_assets.governance.ledger import Entry
from mlops_assets.steps.ledger import accept, guard, note, verify
from mlops_assets.stores.ledger import Draft
from mlops_assets_tests.stores.ledger_world import (
    MOMENT,
    Owner,
    commit,
    found,
    made,
    opened,
    release,
    resealed,
    saying,
    sealed,
)


@pytest.fixture
def stores(database_url, tmp_path):
    world = made(opened(tmp_path / "home", database_url))
    assert found(world) == ()
    return world


@pytest.fixture
def owner(database_url):
    return Owner(database_url)


# Each does something to a world, and says which entry is the first bad one, and what was done to it.


def edits_a_body(stores, owner):
    number = owner.number_of("release", 1)
    owner.run("UPDATE ledger SET body = replace(body, '2024', '2025') WHERE number = :n", n=number)
    return number, "edited"


def edits_a_body_and_its_digest(stores, owner):
    number, entries = owner.number_of("release", 1), owner.entries()
    one = saying(entries[number - 1], artifact_digest="mine")
    digest = resealed(one, number, one.previous).body_digest
    owner.run(
        "UPDATE ledger SET body = :body, body_digest = :digest WHERE number = :n",
        body=one.body,
        digest=digest,
        n=number,
    )
    return number, "edited"


def edits_an_entry_and_seals_it(stores, owner):
    number, entries = owner.number_of("release", 1), owner.entries()
    entries[number - 1] = resealed(
        saying(entries[number - 1], run_id="mine"), number, entries[number - 1].previous
    )
    owner.rewrite(entries)
    return number, "edited"


def signs_as_another(stores, owner):
    number = owner.number_of("reign", 2)
    owner.run("""UPDATE ledger SET "by" = 'gate' WHERE number = :n""", n=number)
    return number, "edited"


def calls_it_something_else(stores, owner):
    number = owner.number_of("override")
    owner.run("UPDATE ledger SET kind = 'note' WHERE number = :n", n=number)
    return number, "edited"


def moves_an_entry_to_another_subject(stores, owner):
    number = owner.number_of("release", 0)
    owner.run("UPDATE ledger SET subject = 'other:1' WHERE number = :n", n=number)
    return number, "edited"


def drops_one(stores, owner):
    number = owner.number_of("override")
    owner.run("DELETE FROM ledger WHERE number = :n", n=number)
    return number, "dropped"


def drops_the_first(stores, owner):
    owner.run("DELETE FROM ledger WHERE number = 1")
    return 1, "dropped"


def drops_several(stores, owner):
    owner.run("DELETE FROM ledger WHERE number BETWEEN 4 AND 7")
    return 4, "dropped"


def drops_one_and_numbers_the_others_anew(stores, owner):
    number, entries = owner.number_of("override"), owner.entries()
    del entries[number - 1]
    owner.rewrite([replace(one, number=at) for at, one in enumerate(entries, 1)])
    return number, "dropped"


def drops_one_and_seals_the_others_anew(stores, owner):
    # After the second anchor and before the third.
    number, entries = owner.number_of("override"), owner.entries()
    del entries[number - 1]
    owner.rewrite(sealed(entries, number))
    owner.run('DELETE FROM "override"')
    return number_of_anchored(owner, 1) + 1, "rewritten"


def swaps_two(stores, owner):
    entries = owner.entries()
    entries[5], entries[6] = replace(entries[6], number=6), replace(entries[5], number=7)
    owner.rewrite(entries)
    return 6, "reordered"


def moves_one_far(stores, owner):
    entries = owner.entries()
    entries[3], entries[11] = replace(entries[11], number=4), replace(entries[3], number=12)
    owner.rewrite(entries)
    return 4, "reordered"


def puts_one_in(stores, owner):
    owner.without_constraints()
    entries = owner.entries()
    forged = Entry.after(entries[6], kind="note", subject="x", body="{}", by="me", at=entries[6].at)
    later = [replace(one, number=one.number + 1) for one in entries[7:]]
    owner.rewrite([*entries[:7], forged, *later])
    return 8, "inserted"


def has_one_number_twice(stores, owner):
    owner.without_constraints()
    entries = owner.entries()
    owner.rewrite([*entries, resealed(replace(entries[4], body="{}"), 5, entries[3].hash)])
    return 5, "duplicated"


def has_one_entry_twice(stores, owner):
    owner.without_constraints()
    owner.rewrite([*owner.entries(), owner.entries()[4]])
    return 5, "duplicated"


def cuts_the_end_off(stores, owner):
    number = owner.number_of("anchor", 2) - 2
    owner.run("DELETE FROM ledger WHERE number >= :n", n=number)
    return number, "truncated"


def empties_it(stores, owner):
    owner.run("DELETE FROM ledger")
    return 1, "truncated"


def dates_one_back(stores, owner):
    number = owner.number_of("reign", 2)
    owner.run("UPDATE ledger SET at = :at WHERE number = :n", at=MOMENT, n=number)
    return number, "backdated"


def dates_one_back_and_seals_what_follows(stores, owner):
    # What no anchor has seen yet, so that only the order of moments tells.
    entries = owner.entries()
    entries[-1] = replace(entries[-1], at=MOMENT)
    owner.rewrite(sealed(entries, len(entries)))
    return len(entries), "backdated"


def rewrites_all_of_it(stores, owner):
    number, entries = owner.number_of("release", 0), owner.entries()
    entries[number - 1] = saying(entries[number - 1], run_id="mine")
    entries[0] = replace(entries[0], by="me")
    owner.rewrite(sealed(entries))
    owner.run("UPDATE release SET run_id = 'mine' WHERE version = 1")
    return 1, "rewritten"


def rewrites_the_end_of_it(stores, owner):
    number, entries = owner.number_of("override"), owner.entries()
    entries[number - 1] = saying(entries[number - 1], reason="none of mine")
    owner.rewrite(sealed(entries, number))
    owner.run("""UPDATE "override" SET reason = 'none of mine'""")
    return number_of_anchored(owner, 1) + 1, "rewritten"


def number_of_anchored(owner, nth):
    """The entry that an anchor notes."""
    return json.loads(owner.entries()[owner.number_of("anchor", nth) - 1].body)["number"]


def edits_a_release(stores, owner):
    owner.run("UPDATE release SET artifact_digest = 'mine' WHERE version = 2")
    return owner.number_of("release", 1), "state edited"


def edits_what_was_measured(stores, owner):
    owner.run("UPDATE decision SET spent = 0.5 WHERE as_of = '2024-02-01'")
    return owner.number_of("decision", 1), "state edited"


def edits_json(stores, owner):
    owner.run("""UPDATE certificate SET environment = '["same machine"]'""")
    return owner.number_of("certificate"), "state edited"


def drops_a_reign(stores, owner):
    owner.run("DELETE FROM reign WHERE number = 3")
    return owner.number_of("reign", 2), "state dropped"


def adds_an_override(stores, owner):
    owner.run(
        """INSERT INTO "override" (what, partition, digest, check_name, "by", reason, at)
        VALUES ('good/t', 'z', 'f', 'wide', 'Ada', 'no', :at)""",
        at=MOMENT,
    )
    return 0, "state added"


def edits_a_fingerprint(stores, owner):
    owner.run(
        "UPDATE materialization SET fingerprint = 'mine' WHERE table_name = 'good/t' AND partition = 'a'"
    )
    return owner.number_of("commit", 1), "state edited"


def turns_a_verdict(stores, owner):
    owner.run(
        "UPDATE verdict SET passed = :yes WHERE id = (SELECT min(id) FROM verdict WHERE NOT passed)", yes=True
    )
    return owner.number_of("commit", 0), "state edited"


def forgets_a_reading(stores, owner):
    owner.run("DELETE FROM reading WHERE id = (SELECT max(id) FROM reading)")
    return owner.number_of("commit", 1), "state edited"


def links_a_reading_to_another(stores, owner):
    owner.run(
        "UPDATE reading SET source_id = (SELECT max(id) FROM materialization) WHERE source_id IS NOT NULL"
    )
    return 0, "state edited"


def cuts_the_lineage(stores, owner):
    owner.run("UPDATE reading SET source_id = NULL")
    return 0, "state edited"


def forgets_a_refusal(stores, owner):
    owner.run("DELETE FROM refusal")
    return owner.number_of("commit", 2), "state edited"


def forgets_a_partition(stores, owner):
    owner.run(
        "DELETE FROM verdict WHERE materialization_id = (SELECT max(id) FROM materialization)",
        "DELETE FROM materialization WHERE id = (SELECT max(id) FROM materialization)",
    )
    return owner.number_of("commit", 3), "state dropped"


def adds_a_partition(stores, owner):
    owner.run(
        """INSERT INTO materialization
        (table_name, version, partition, rows, fingerprint, code_version, run_id, written_at)
        VALUES ('raw/t', 2, 'z', 1, 'f', 'c', 'r', 'w')"""
    )
    return 0, "state added"


def lets_a_table_begin_anew(stores, owner):
    owner.run("UPDATE lake_table SET delta_id = 'mine' WHERE table_name = 'raw/t'")
    return owner.number_of("table", 0), "state edited"


def leaves_the_guards_off(stores, owner):
    with owner.unguarded(restored=False):
        pass
    return 0, "unguarded"


def leaves_the_guards_off_and_edits(stores, owner):
    with owner.unguarded(restored=False) as connection:
        connection.exec_driver_sql("UPDATE release SET run_id = 'mine' WHERE version = 1")
    return owner.number_of("release", 0), "state edited"


def swaps_the_bytes_of_a_model(stores, owner):
    folder = stores.artifacts.folder(stores.releases.version("model", 2).artifact_digest)
    (folder / "model").write_bytes(b"mine")
    return owner.number_of("release", 1), "artifact changed"


def swaps_the_bytes_and_the_list_of_them(stores, owner):
    folder = stores.artifacts.folder(stores.releases.version("model", 2).artifact_digest)
    other = stores.artifacts.folder(stores.artifacts.save({"model": b"mine"}))
    for path in other.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return owner.number_of("release", 1), "artifact changed"


def loses_a_model(stores, owner):
    folder = stores.artifacts.folder(stores.releases.version("model", 1).artifact_digest)
    folder.rename(folder.with_name("elsewhere"))
    return owner.number_of("release", 0), "artifact changed"


def edits_an_anchor(stores, owner):
    path = stores.anchors[0].path
    first, second, *rest = path.read_text().splitlines()
    other = second.replace('"number":', '"number":1')
    path.write_text("\n".join([first, other, *rest, ""]))
    return owner.number_of("anchor", 1), "anchor edited"


def drops_an_anchor(stores, owner):
    path = stores.anchors[0].path
    first, _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, *rest, ""]))
    return owner.number_of("anchor", 1), "anchor edited"


def cuts_the_anchors_short(stores, owner):
    path = stores.anchors[0].path
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))
    return owner.number_of("anchor", 1), "anchor truncated"


def deletes_the_anchors(stores, owner):
    stores.anchors[0].path.unlink()
    return owner.number_of("anchor", 0), "anchor truncated"


ATTACKS = [
    edits_a_body,
    edits_a_body_and_its_digest,
    edits_an_entry_and_seals_it,
    signs_as_another,
    calls_it_something_else,
    moves_an_entry_to_another_subject,
    drops_one,
    drops_the_first,
    drops_several,
    drops_one_and_numbers_the_others_anew,
    drops_one_and_seals_the_others_anew,
    swaps_two,
    moves_one_far,
    puts_one_in,
    has_one_number_twice,
    has_one_entry_twice,
    cuts_the_end_off,
    empties_it,
    dates_one_back,
    dates_one_back_and_seals_what_follows,
    rewrites_all_of_it,
    rewrites_the_end_of_it,
    edits_a_release,
    edits_what_was_measured,
    edits_json,
    drops_a_reign,
    adds_an_override,
    edits_a_fingerprint,
    turns_a_verdict,
    forgets_a_reading,
    links_a_reading_to_another,
    cuts_the_lineage,
    forgets_a_refusal,
    forgets_a_partition,
    adds_a_partition,
    lets_a_table_begin_anew,
    leaves_the_guards_off,
    leaves_the_guards_off_and_edits,
    swaps_the_bytes_of_a_model,
    swaps_the_bytes_and_the_list_of_them,
    loses_a_model,
    edits_an_anchor,
    drops_an_anchor,
    cuts_the_anchors_short,
    deletes_the_anchors,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_what_was_done_is_told_with_the_first_bad_entry(stores, owner, attack):
    expected = attack(stores, owner)
    told = found(stores)
    assert told, "nothing was found"
    assert (told[0].number, told[0].tampering) == expected, told
    # It stays found, whatever honest work follows; what was cut off goes on elsewhere then.
    commit(stores, "raw/t", 3, ["e"])
    later = [(one.number, one.tampering) for one in found(stores)]
    assert expected in later or (expected[1], (expected[0], "forked") in later) == ("truncated", True)


def backup(url, tmp_path):
    """A copy of a database as it is now; what restoring it gives is the copy."""
    if url.startswith("sqlite"):
        copy = f"sqlite:///{tmp_path / 'restored.db'}"
        with Owner(url).database.connect() as connection:
            connection.exec_driver_sql(f"VACUUM INTO '{tmp_path / 'restored.db'}'")
        return copy, lambda: None
    name = sa.make_url(url).database
    server = sa.create_engine(sa.make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(sa.text(ended), {"name": name})
        connection.execute(sa.text(f"CREATE DATABASE {name}_restored TEMPLATE {name}"))

    def drop():
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}_restored WITH (FORCE)"))
        server.dispose()

    return f"{url}_restored", drop


@pytest.fixture
def restored(stores, database_url, tmp_path):
    """The same home with the database of before two more releases, which the anchors have seen."""
    head = stores.ledger.head().number
    copy, drop = backup(database_url, tmp_path)
    stores = opened(stores.places.home, database_url)
    release(stores, 4)
    note(stores)
    yield head, opened(stores.places.home, copy)
    drop()


def test_a_backup_that_was_restored_is_told(restored):
    head, stores = restored
    (told,) = [one for one in found(stores) if one.tampering != "artifact changed"]
    assert (told.number, told.tampering) == (head + 1, "restored")
    with pytest.raises(LedgerBroken, match="does not continue what home noted"):
        note(stores)


def test_what_goes_on_after_a_restored_backup_is_a_fork_from_there(restored):
    head, stores = restored
    for version in range(3, 12):
        commit(stores, "raw/t", version, ["a"])
    (told,) = found(stores)
    assert (told.number, told.tampering) == (head + 1, "forked")


def test_a_restored_backup_is_accepted_by_name_and_that_stays_told(restored):
    _, stores = restored
    commit(stores, "raw/t", 3, ["a"])
    accept(stores, by="Ada", reason="the disk died")
    assert note(stores) == []
    commit(stores, "raw/t", 4, ["a"])
    assert len(note(stores)) == 1
    told = verify(stores)
    assert told.findings == ()
    ((_, accepted),) = told.accepted
    assert (accepted.by, accepted.reason) == ("Ada", "the disk died")
    Owner(str(stores.places.database)).run("UPDATE release SET run_id = 'mine' WHERE version = 1")
    assert found(stores)[0].tampering == "state edited"


@pytest.mark.parametrize(
    "attack", [edits_an_anchor, drops_an_anchor, cuts_the_anchors_short, deletes_the_anchors]
)
def test_what_was_done_to_anchors_is_accepted_by_name_and_that_stays_told(stores, owner, attack):
    attack(stores, owner)
    accept(stores, by="Ada", reason="the disk died")
    is_settled(stores)


def test_an_object_that_is_gone_is_accepted_by_name_and_that_stays_told(database_url, tmp_path):
    stores = made(opened(tmp_path / "home", database_url, f"folder:{tmp_path / 'bucket'}"))
    objects = sorted((tmp_path / "bucket").iterdir())
    objects[1].unlink()
    assert [one.tampering for one in found(stores)] == ["anchor edited"] * 2
    accept(stores, by="Ada", reason="the disk died")
    is_settled(stores)
    assert objects[0].exists()


def is_settled(stores):
    """What was accepted is over, and told; the place notes on, and what is done to it next is found."""
    commit(stores, "raw/t", 3, ["a"])
    assert len(note(stores)) == 1
    told = verify(stores)
    assert told.findings == ()
    ((_, accepted),) = told.accepted
    assert (accepted.by, accepted.reason) == ("Ada", "the disk died")
    with pytest.raises(BadRequest, match="nothing to accept"):
        accept(stores, by="Ada", reason="again")


def test_who_could_not_accept_is_told(stores, owner, monkeypatch):
    deletes_the_anchors(stores, owner)
    monkeypatch.setattr(type(stores.anchors[0]), "add", lambda self, line, after: False)
    with pytest.raises(BadRequest, match="nothing was accepted at home"):
        accept(stores, by="Ada", reason="the disk died")


def test_an_anchor_is_not_noted_beside_one_that_was_changed(stores, owner):
    edits_an_anchor(stores, owner)
    lines = stores.anchors[0].lines()
    with pytest.raises(LedgerBroken, match="line 3 does not follow"):
        note(stores)
    assert stores.anchors[0].lines() == lines


def test_two_that_contradict_each_other_show_which_place_was_changed(database_url, tmp_path):
    elsewhere = f"folder:{tmp_path / 'bucket'}"
    stores = made(opened(tmp_path / "home", database_url, f"file:{tmp_path / 'a.jsonl'}", elsewhere))
    assert found(stores) == ()
    (tmp_path / "a.jsonl").write_text("")
    (told,) = found(stores)
    assert (told.tampering, told.subject) == ("anchor truncated", f"file:{tmp_path / 'a.jsonl'}")


def disables(owner, connection):
    if owner.is_postgres:
        connection.exec_driver_sql("ALTER TABLE release DISABLE TRIGGER ALL")
        connection.exec_driver_sql("DROP TRIGGER reign_never_goes ON reign")
    else:
        for name in (
            "release_never_changes",
            "release_never_goes",
            "release_is_not_replaced",
            "reign_never_goes",
        ):
            connection.exec_driver_sql(f"DROP TRIGGER {name}")


def test_guards_are_put_back_by_name_and_that_stays_recorded(stores, owner):
    with owner.database.begin() as connection:
        disables(owner, connection)
    assert {(one.tampering, one.subject) for one in found(stores)} == {
        ("unguarded", "table release"),
        ("unguarded", "table reign"),
    }
    put_back = guard(stores, by="Ada", reason="the migration dropped them")
    assert {"release_never_changes", "release_never_goes", "reign_never_goes"} <= set(put_back)
    assert found(stores) == ()
    assert guard(stores, by="Ada", reason="again") == []
    head = stores.ledger.head()
    assert (head.kind, head.by) == ("guard", "Ada")
    with pytest.raises(sa.exc.IntegrityError), owner.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM release")


def test_a_forged_entry_of_a_commit_that_is_none_is_told(stores):
    stores.ledger.append(Draft("commit", "raw/t", {"version": "many"}))
    (told,) = found(stores)
    assert (told.number, told.tampering, told.said) == (
        stores.ledger.head().number,
        "edited",
        "what it says is no commit",
    )
