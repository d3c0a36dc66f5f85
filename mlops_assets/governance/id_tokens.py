"""Who somebody is, by an OpenID Connect ID token that a declared provider signed. Offline: its keys are declared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mlops_assets.declaration.access import SERVICE, Policy, Provider, is_service, one_spelling
from mlops_assets.errors import AccessDenied
from mlops_assets.governance.access import Who

# What a key of a kind may sign with. A secret that two share signs for either, and "none" signs nothing.
ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
# By so much may two clocks differ.
LEEWAY = timedelta(seconds=60)
# An ID token says who just signed in; one that is good for longer is something else.
LONGEST = timedelta(days=1)
LARGEST = 16_384


def read_id_token(text: str, policy: Policy, *, at: str) -> Who:
    """Who an ID token says that its bearer is, at a moment in UTC. Raises AccessDenied with the reason."""
    # Imported here: it takes as long as a whole command that needs none of it.
    import jwt

    try:
        if len(text) > LARGEST:
            raise _refused(f"it has {len(text):,} characters, expected at most {LARGEST:,}")
        name, provider = _provider(policy, jwt.decode(text, options={"verify_signature": False}))
        claims = jwt.decode(
            text,
            _key(provider, jwt.get_unverified_header(text)),
            algorithms=[_algorithm(provider, jwt.get_unverified_header(text))],
            issuer=provider.issuer,
            audience=provider.audience,
            # Its moments are compared with the one that is asked about, not with a clock.
            options={
                "require": ["iss", "aud", "sub", "iat", "exp"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "enforce_minimum_key_length": True,
            },
        )
    # ValueError: bytes that are no token and no key.
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused(str(error)) from error
    _refuse_other_times(claims, datetime.fromisoformat(at))
    _refuse_another_party(claims, provider)
    return Who(_named(claims, provider), f"an ID token of {name}", name, _groups(claims, provider))


def _provider(policy: Policy, claims: Mapping[str, Any]) -> tuple[str, Provider]:
    """The declared provider that a token, unverified yet, says it is of."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    for name, provider in policy.identity.items():
        if provider.issuer == claims.get("iss") and provider.audience in audiences:
            return name, provider
    known = ", ".join(f"{one.issuer} for {one.audience}" for one in policy.identity.values())
    raise _refused(
        f"it is of {claims.get('iss')!r} for {audience!r}; providers of the policy: {known or 'none'}"
    )


def _declared_key(provider: Provider, header: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in provider.jwks.keys:
        if key["kid"] == header.get("kid") and key.get("use", "sig") == "sig":
            return key
    raise _refused(
        f"it is signed with key {header.get('kid')!r}, which the policy does not have; where the provider has "
        "new keys, the policy has to be changed"
    )


def _key(provider: Provider, header: Mapping[str, Any]) -> Any:
    import jwt

    return jwt.PyJWK(dict(_declared_key(provider, header)), algorithm=_algorithm(provider, header)).key


def _algorithm(provider: Provider, header: Mapping[str, Any]) -> str:
    """What the token says it is signed with, where its key may sign so."""
    key, said = _declared_key(provider, header), header.get("alg")
    able = (key["alg"],) if "alg" in key else ALGORITHMS[key["kty"]]
    if said not in able or said not in ALGORITHMS[key["kty"]]:
        raise _refused(f"it is signed by {said!r}; its key signs by {', '.join(able)}")
    return str(said)


def _refuse_other_times(claims: Mapping[str, Any], now: datetime) -> None:
    begins = max(
        _moment(claims, "iat"), _moment(claims, "nbf") if "nbf" in claims else _moment(claims, "iat")
    )
    ends = _moment(claims, "exp")
    if now >= ends + LEEWAY:
        raise _refused(f"it expired at {ends.isoformat()}")
    if now < begins - LEEWAY:
        raise _refused(f"it begins at {begins.isoformat()}")
    if ends - begins > LONGEST:
        raise _refused(f"it is good for {ends - begins}, expected an ID token of at most {LONGEST}")


def _moment(claims: Mapping[str, Any], claim: str) -> datetime:
    said = claims[claim]
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise _refused(f"{claim} is {said!r}, expected seconds since 1970")
    try:
        return datetime.fromtimestamp(said, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise _refused(f"{claim} is {said!r}, expected seconds since 1970") from error


def _refuse_another_party(claims: Mapping[str, Any], provider: Provider) -> None:
    """A token for several audiences was made for one of them."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != provider.audience:
        raise _refused(f"it was made for {claims.get('azp')!r}, expected {provider.audience!r}")


def _named(claims: Mapping[str, Any], provider: Provider) -> str:
    said = claims.get(provider.name_claim)
    if not isinstance(said, str):
        raise _refused(f"its claim {provider.name_claim!r} is {said!r}, expected a name")
    if provider.name_claim == "email" and claims.get("email_verified") is not True:
        raise _refused(f"nobody verified its email {said!r}: email_verified is not true")
    if is_service(said):
        raise _refused(f"it names {said!r}; service accounts are those of a provider with `services: true`")
    try:
        return one_spelling(f"{SERVICE}{said}" if provider.services else said)
    except ValueError as error:
        raise _refused(str(error)) from error


def _groups(claims: Mapping[str, Any], provider: Provider) -> tuple[str, ...]:
    """Those of its groups that the policy knows."""
    said = claims.get(provider.groups_claim, [])
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise _refused(f"its claim {provider.groups_claim!r} is {said!r}, expected a list of names")
    return tuple(sorted(set(said) & provider.groups.keys()))


def _refused(why: str) -> AccessDenied:
    return AccessDenied(f"the ID token (MLOPS_ID_TOKEN) is refused: {why}")
