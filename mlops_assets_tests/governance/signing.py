"""A provider of identities as there may be one: keys of its own, and tokens that it signs."""

import json
from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mlops_assets.declaration.access import Policy

ISSUER, AUDIENCE = "https://login.example.org", "mlops"
NOW = "2026-03-02T10:00:00.000000+00:00"
KEYS = {
    "rsa": (rsa.generate_private_key(65537, 2048), "RS256", jwt.algorithms.RSAAlgorithm),
    "ec": (ec.generate_private_key(ec.SECP256R1()), "ES256", jwt.algorithms.ECAlgorithm),
    "ed": (ed25519.Ed25519PrivateKey.generate(), "EdDSA", jwt.algorithms.OKPAlgorithm),
}


def public(kid, **more):
    """The public half of a key, as a provider publishes it."""
    key, _, algorithm = KEYS[kid]
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid, **more}


def policy(*keys, **more):
    """A policy whose people are those of a provider."""
    company = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks": {"keys": list(keys) or [public(kid) for kid in KEYS]},
        "groups": {"ml": ["developer"]},
        **more,
    }
    return Policy.model_validate(
        {
            "roles": {"developer": [{"resource": "model:*", "actions": ["run"]}]},
            "identity": {"company": company},
        }
    )


def claims(**other):
    """What a good token says; None leaves a claim out."""
    issued = datetime.fromisoformat(NOW).astimezone(UTC)
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "1234",
        "iat": int(issued.timestamp()),
        "exp": int((issued + timedelta(hours=1)).timestamp()),
        "email": "Ana@example.org",
        "email_verified": True,
        "groups": ["ml", "others"],
    }
    return {name: value for name, value in {**said, **other}.items() if value is not None}


def signed(said=None, kid="rsa", *, key=None, alg=None, named="as it is", **header):
    """A token, by default a good one. named: the key that it says it is signed with."""
    private, algorithm, _ = KEYS[kid]
    named = kid if named == "as it is" else named
    return jwt.encode(
        claims() if said is None else said,
        private if key is None else key,
        algorithm=alg or algorithm,
        headers={**({} if named is None else {"kid": named}), **header},
    )
