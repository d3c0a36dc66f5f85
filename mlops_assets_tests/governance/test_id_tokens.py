"""An ID token says who somebody is when the declared provider signed it, for us, for now; any other is refused."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.warnings import InsecureKeyLengthWarning

from mlops_assets.errors import AccessDenied
from mlops_assets.governance.access import Who
from mlops_assets.governance.id_tokens import read_id_token
from mlops_assets_tests.governance.signing import AUDIENCE, KEYS, NOW, claims, policy, public, signed

AT = claims()["iat"]
HOUR = 3600


def part(value):
    text = json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def unsigned(**header):
    return f"{part({'alg': 'none', 'kid': 'rsa', **header})}.{part(claims())}."


def signed_with_the_public_key():
    """The classic forgery: what everybody knows, used as the secret of another algorithm."""
    known = (
        KEYS["rsa"][0]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    said = f"{part({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{part(claims())}"
    seal = hmac.new(known, said.encode(), hashlib.sha256).digest()
    return f"{said}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"


def with_other_claims():
    """A good token whose middle says another name."""
    head, _, seal = signed().split(".")
    return f"{head}.{part(claims(email='boss@example.org'))}.{seal}"


def with_its_own_key():
    """A token that brings the key it is to be verified with."""
    other = rsa.generate_private_key(65537, 2048)
    return signed(key=other, jwk=public("rsa"), jku="https://evil.example.org/keys")


@pytest.mark.parametrize("kid", KEYS)
def test_a_good_token_says_who_and_which_of_the_known_groups(kid):
    who = read_id_token(signed(kid=kid), policy(), at=NOW)
    assert who == Who("ana@example.org", "an ID token of company", "company", ("ml",))


FORGED = {
    "nothing": ("", "Not enough segments"),
    "no token": ("a.b.c", "refused"),
    "bytes that are no text": ("\udcff.\udcff.\udcff", "refused"),
    "too long": ("x" * 20_000, "expected at most 16,384"),
    "unsigned": (unsigned(), "signed by 'none'"),
    "unsigned, in other letters": (unsigned(alg="NoNe"), "signed by 'NoNe'"),
    "the public key as a secret": (signed_with_the_public_key(), "signed by 'HS256'"),
    "other claims": (with_other_claims(), "Signature verification failed"),
    "another key": (signed(key=rsa.generate_private_key(65537, 2048)), "Signature verification failed"),
    "a key of its own": (with_its_own_key(), "Signature verification failed"),
    "the name of another key": (signed(kid="ec", key=KEYS["ec"][0], named="rsa"), "signed by 'ES256'"),
    "a key nobody declared": (signed(named="other"), "key 'other', which the policy does not have"),
    "no key named": (signed(named=None), "key None"),
    "another issuer": (
        signed(claims(iss="https://evil.example.org")),
        "providers of the policy: https://login",
    ),
    "another audience": (signed(claims(aud="shop")), "for 'shop'"),
    "made for another of its audiences": (signed(claims(aud=[AUDIENCE, "shop"])), "made for None"),
    "made for another": (signed(claims(azp="shop")), "made for 'shop'"),
    "expired": (signed(claims(iat=AT - 2 * HOUR, exp=AT - 61)), "it expired at"),
    "of the future": (signed(claims(iat=AT + 61, exp=AT + HOUR)), "it begins at"),
    "not before later": (signed(claims(nbf=AT + 61)), "it begins at"),
    "good for a year": (signed(claims(exp=AT + 365 * 24 * HOUR)), "expected an ID token of at most 1 day"),
    "without an end": (signed(claims(exp=None)), 'missing the "exp" claim'),
    "without a begin": (signed(claims(iat=None)), 'missing the "iat" claim'),
    "an end that is a word": (signed(claims(exp="never")), "refused"),
    "an end beyond calendars": (signed(claims(exp=10**18)), "expected seconds since 1970"),
    "an end that is not a number": (signed(claims(exp=float("nan"))), "refused"),
    "an email nobody verified": (signed(claims(email_verified=False)), "nobody verified"),
    "an email verified by a word": (signed(claims(email_verified="true")), "nobody verified"),
    "without a name": (signed(claims(email=None)), "expected a name"),
    "a name that is a list": (signed(claims(email=["ana@example.org"])), "expected a name"),
    "the name of a service": (signed(claims(email="svc:nightly")), "service accounts are those"),
    "the name of a machine": (signed(claims(email="gate")), "signs its own verdicts"),
    "a name in fullwidth letters": (signed(claims(email="\uff41na@example.org")), "another spelling"),
    "groups that are a text": (signed(claims(groups="ml")), "expected a list"),
}


@pytest.mark.parametrize("case", FORGED)
def test_any_other_is_refused_with_the_reason(case):
    token, said = FORGED[case]
    with pytest.raises(AccessDenied, match="refused") as refused:
        read_id_token(token, policy(), at=NOW)
    assert said in str(refused.value)
    assert len(token) < 50 or token not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ({"exp": AT - 59}, True),
        ({"exp": AT - 60}, False),
        ({"nbf": AT + 60}, True),
        ({"nbf": AT + 61}, False),
    ],
)
def test_clocks_may_differ_by_a_minute(said, good):
    token = signed(claims(iat=AT - HOUR, **said))
    if good:
        assert read_id_token(token, policy(), at=NOW).name == "ana@example.org"
    else:
        with pytest.raises(AccessDenied):
            read_id_token(token, policy(), at=NOW)


def test_a_key_signs_only_as_it_is_declared_to():
    with pytest.raises(AccessDenied, match="signed by 'PS256'; its key signs by RS256"):
        read_id_token(signed(alg="PS256"), policy(public("rsa", alg="RS256")), at=NOW)
    with pytest.raises(AccessDenied, match="which the policy does not have"):
        read_id_token(signed(), policy(public("rsa", use="enc")), at=NOW)
    assert read_id_token(signed(alg="PS256"), policy(public("rsa", use="sig")), at=NOW).provider == "company"


def test_a_key_that_is_too_short_proves_nothing():
    short = rsa.generate_private_key(65537, 1024)
    declared = json.loads(RSAAlgorithm.to_jwk(short.public_key())) | {"kid": "rsa"}
    with pytest.warns(InsecureKeyLengthWarning):
        token = signed(key=short)
    with pytest.raises(AccessDenied, match="1024"):
        read_id_token(token, policy(declared), at=NOW)


def test_a_key_that_is_none_is_told_and_lets_nobody_in():
    with pytest.raises(AccessDenied, match="refused"):
        read_id_token(signed(), policy({"kty": "RSA", "kid": "rsa"}), at=NOW)


def test_who_a_provider_of_services_names_is_a_service():
    who = read_id_token(signed(claims(sub="Nightly")), policy(services=True, name_claim="sub"), at=NOW)
    assert who.name == "svc:nightly"


def test_another_claim_may_name_people_whose_email_nobody_verified():
    token = signed(claims(email_verified=False, sub="a-1"))
    assert read_id_token(token, policy(name_claim="sub"), at=NOW).name == "a-1"
