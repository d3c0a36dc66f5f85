"""Tokens: known by a secret that is stored nowhere, until they expire or are revoked."""

import hashlib
import re

import pytest
import sqlalchemy as sa

from mlops_assets.errors import AccessDenied, BadRequest
from mlops_assets.governance.access import scope
from mlops_assets.stores.database import SCHEMA, open_database
from mlops_assets.stores.ledger import Ledger
from mlops_assets.stores.tokens import Tokens
from mlops_assets_tests.stores.ledger_world import MOMENT

MADE = {"days": 30, "by": "otto@example.org", "at": MOMENT}
LAST, EXPIRED = "2024-01-30T23:59:59.999999+00:00", "2024-01-31T00:00:00+00:00"


@pytest.fixture
def tokens(database_url):
    return Tokens(open_database(database_url))


def everything(url):
    """All that the database holds, as text."""
    with open_database(url).connect() as connection:
        return repr([connection.execute(sa.select(table)).all() for table in SCHEMA.sorted_tables])


def test_who_shows_it_is_known_until_it_expires(tokens):
    made, text = tokens.make("zoë@example.org", scopes=[scope("run@model:*")], **MADE)
    assert tokens.shown(text, MOMENT) == made
    assert tokens.shown(f" {text}\n", LAST) == made
    assert (made.name, made.scopes, made.expires) == ("zoë@example.org", (scope("run@model:*"),), EXPIRED)
    with pytest.raises(
        AccessDenied, match=re.escape(f"token {made.id} of zoë@example.org expired at {EXPIRED}")
    ):
        tokens.shown(text, EXPIRED)
    assert [made.state(at) for at in (MOMENT, LAST, EXPIRED)] == ["good", "good", "expired"]


def test_its_secret_is_256_bits_and_only_its_digest_is_stored(tokens, database_url):
    texts = [tokens.make("ana", **MADE)[1] for _ in range(20)]
    secrets = {text.split("_", 2)[2] for text in texts}
    assert {len(one) for one in secrets} == {43}
    assert len(secrets) == 20
    stored = everything(database_url)
    assert not [one for one in secrets if one in stored]
    assert all(hashlib.sha256(one.encode()).hexdigest() in stored for one in secrets)


WRONG = (
    *(
        "",
        "_",
        "mlops",
        "mlops_x_y",
        "{id}",
        "mlops_{id}_",
        "mlops_{id}_{other}",
        "other_{id}_{secret}",
        "{secret}",
    ),
    *("mlops_{id}_{secret}x", "mlops_{id}_{secret}é", "mlops_{id}_\udcff", "mlops_\udcff_{secret}"),
    *("mlops_{other_id}_{secret}", "mlops_' OR 1=1 --_{secret}", "mlops_%_{secret}"),
)


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_the_whole_token_is_none_and_is_not_told(tokens, wrong):
    made, text = tokens.make("ana", **MADE)
    another, other = tokens.make("ben", **MADE)
    secret, other = (one.split("_", 2)[2] for one in (text, other))
    shown = wrong.format(id=made.id, secret=secret, other=other, other_id=another.id)
    with pytest.raises(AccessDenied, match="not one of this platform") as refused:
        tokens.shown(shown, MOMENT)
    assert secret not in str(refused.value)


def test_one_that_was_revoked_is_good_for_nothing_and_the_ledger_says_who_did_what(tokens, database_url):
    made, text = tokens.make("ana", **MADE)
    revoked = tokens.revoke(made.id, by="otto", reason="lost", at=LAST)
    assert revoked.state(MOMENT) == "revoked"
    for at in (MOMENT, EXPIRED):
        with pytest.raises(AccessDenied, match=re.escape(f"of ana was revoked: by otto at {LAST}: lost")):
            tokens.shown(text, at)
    with pytest.raises(BadRequest, match="was revoked before: by otto"):
        tokens.revoke(made.id, by="ben", reason="again", at=LAST)
    told = [(one.kind, one.subject, one.by) for one in Ledger(open_database(database_url)).newest(9)]
    assert told == [("revocation", made.id, "otto"), ("token", f"ana:{made.id}", "otto@example.org")]
    assert tokens.all() == [revoked]


def test_no_token_lasts_longer_than_ninety_days(tokens):
    for days in (0, 91, -1):
        with pytest.raises(BadRequest, match="expected 1 to 90"):
            tokens.make("ana", **MADE | {"days": days})
    assert tokens.make("ana", **MADE | {"days": 90})[0].expires == "2024-03-31T00:00:00+00:00"


def test_a_token_that_is_not_there_cannot_be_revoked(tokens):
    with pytest.raises(BadRequest, match="there is no token 'x'"):
        tokens.revoke("x", by="otto", reason="lost", at=MOMENT)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE token SET expires = '2999'",
        "UPDATE token SET name = 'mallory'",
        "UPDATE token SET secret_digest = 'x'",
        "DELETE FROM revocation",
        "DELETE FROM token",
        "UPDATE revocation SET at = '2999'",
        "INSERT INTO revocation SELECT * FROM revocation",
    ],
)
def test_the_database_refuses_to_make_one_good_again(tokens, database_url, statement):
    made, _ = tokens.make("ana", **MADE)
    tokens.revoke(made.id, by="otto", reason="lost", at=LAST)
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(sa.text(statement))
