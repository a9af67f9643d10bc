"""An id token counts only if the provider signed it, for us, for this sign-in and of now."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey, RSAKey

from mainspring.domain.access.id_token import ALGORITHMS, read_signing_keys, verify_claims
from mainspring.domain.access.oidc import PendingSignIn, TokenResponse
from mainspring.domain.errors import ArgumentError
from tests.oidc_provider import FORGERIES, encoded, key_of, public, signed

ISSUER = "https://login.example.com"
GOOD = {"iss": ISSUER, "aud": "ms", "nonce": "n", "exp": 1_060, "iat": 1_000, "sub": "7"}
PENDING = PendingSignIn(state="s", nonce="n", verifier="v", browser="b", next="", until_at=0)
KEY = key_of("ES256", "first")
PUBLIC_KEYS = read_signing_keys(public(KEY))


def read(token, keys=PUBLIC_KEYS, access=None):
    return verify_claims(TokenResponse(token, access), keys, PENDING, issuer=ISSUER, client_id="ms", now_s=1_000)


def check(**claims):
    return read(signed({name: value for name, value in {**GOOD, **claims}.items() if value is not None}, KEY))


@pytest.mark.parametrize(
    "claims", [{}, {"aud": ["ms"]}, {"aud": ["ms", "other"], "azp": "ms"}, {"exp": 900}, {"iat": 500.5}, {"nbf": 1_100}]
)
def test_claims_for_us_are_taken(claims):
    """One audience or a list; clocks may differ a little."""
    assert check(**claims)["sub"] == "7"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        *(({"iss": issuer}, "another issuer") for issuer in (ISSUER + "/", None, 1)),
        *(({"aud": aud}, "another client") for aud in ("other", None, "", [], ["other"], ["ms", "other"], {"ms": 1}, ["ms", 1])),
        *(({"azp": azp}, "another client") for azp in ("other", 1, ["ms"])),
        *(({"nonce": nonce}, "another sign-in") for nonce in ("m", None, "", ["n"])),
        *(({"exp": at}, "another time") for at in (879, None, "2000", True, float("nan"), float("inf"))),
        *(({"iat": at}, "another time") for at in (None, 1_200, 300, "1000", False, float("nan"))),
        *(({"nbf": at}, "another time") for at in (1_200, "1000", True)),
        *(({"sub": sub}, "another client") for sub in (None, 1)),
    ],
)  # fmt: skip
def test_claims_for_others_are_refused(claims, reason):
    """Another issuer, client, sign-in or time; the sentence says which."""
    with pytest.raises(ArgumentError, match=f"^the answer of the identity provider is for {reason}$"):
        check(**claims)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signature_by_a_key_of_the_provider_counts(algorithm):
    """By each of the four, beside keys of other kinds; the access token is the one that it was made for."""
    key = key_of(algorithm, "signer")
    keys = read_signing_keys(public(key_of("ES256", "other"), key))
    digest = hashlib.new("sha512" if algorithm == "EdDSA" else "sha256", b"access").digest()
    token = signed(GOOD | {"at_hash": encoded(digest[: len(digest) // 2])}, key)
    assert read(token, keys, "access")["sub"] == "7"
    assert read(token, keys)["sub"] == "7"
    with pytest.raises(ArgumentError, match="another access token"):
        read(token, keys, "another")


@pytest.mark.parametrize(
    ("algorithm", "forgery"),
    [("ES256", name) for name in FORGERIES] + [("RS256", "the public key as a secret"), ("RS256", "something else")],
)
def test_forgery_is_refused(algorithm, forgery):
    """No signature, another key, one of its own, the public key as a secret, a text that was changed."""
    key = key_of(algorithm, "signer")
    token = FORGERIES[forgery](GOOD, key)
    if forgery in {"a key that it does not show", "a key of its own header"}:
        assert read(token, read_signing_keys(public(key))) is None
        return
    with pytest.raises(ArgumentError, match="is not signed by"):
        read(token, read_signing_keys(public(key)))


def test_key_signs_by_its_own_algorithm_only():
    """And a header that wants something to be understood which is not is refused; one that says more is not."""
    key = key_of("RS256", "signer")
    keys = read_signing_keys(public(key))
    pss = RSAKey.import_key({**key.as_dict(private=True), "alg": "PS256"})
    assert read(signed(GOOD, pss), keys) is None
    any_algorithm = {name: value for name, value in key.as_dict(private=False).items() if name != "alg"}
    with pytest.raises(ArgumentError, match="not signed by"):
        read(signed(GOOD, KEY, kid="signer"), read_signing_keys(json.dumps({"keys": [any_algorithm]}).encode()))
    with pytest.raises(ArgumentError, match="not signed by"):
        read(signed(GOOD, KEY, crit=["exp"], exp=2_000))
    assert read(signed(GOOD, KEY, more="x"))["sub"] == "7"


def test_token_that_names_no_key_is_signed_by_the_only_one():
    """Where there are several it could be anyone's."""
    token = signed(GOOD, KEY, kid=None)
    assert read(token)["sub"] == "7"
    assert read(token, read_signing_keys(public(KEY, key_of("EdDSA", "signer")))) is None


def test_keys_that_cannot_sign_are_omitted():
    """Secrets, keys that encrypt, kinds of tomorrow, and those that are too short; where none is left that is reported."""
    first, secret = KEY.as_dict(private=False), OctKey.generate_key(256, {"kid": "first"}).as_dict()
    with pytest.warns(SecurityWarning):
        short = RSAKey.generate_key(1_024, {"kid": "short"}).as_dict(private=False)
    useless = [
        secret, first | {"use": "enc"}, first | {"kty": "AKP"}, first | {"kty": ["EC"]}, first | {"x": 1}, first | {"x": "AA"}, {},
        first | {"use": ["sig"]}, first | {"crv": "P-1"}, first | {"kid": 1},
    ]  # fmt: skip
    (only,) = read_signing_keys(json.dumps({"keys": [*useless, first]}).encode())
    assert only.kid == "first"
    with pytest.warns(SecurityWarning):
        (only,) = read_signing_keys(json.dumps({"keys": [short, first]}).encode())
    assert only.kid == "first"
    for answer in (json.dumps({"keys": useless}).encode(), b'{"keys": {}}', b"[]", b"\xff", b'{"a":' + b"[" * 100_000):
        with pytest.raises(ArgumentError, match="no key"):
            read_signing_keys(answer)


TEXT = st.text("a.~\u00e9", max_size=5)
ANYTHING = st.one_of(
    st.booleans(),
    st.floats(),
    TEXT,
    st.lists(TEXT | st.integers(), max_size=3),
    st.dictionaries(TEXT, TEXT, max_size=2),
)


@given(TEXT | st.lists(st.binary(max_size=20).map(encoded), min_size=3, max_size=3).map(".".join))
def test_invalid_token_is_refused(text):
    """Whatever a provider answers is an error of ours, and never another."""
    with pytest.raises(ArgumentError):
        read(text)


@given(ANYTHING | st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "typ"]), ANYTHING))
def test_header_that_is_none_is_refused(header):
    """Likewise where the rest is a token."""
    _, body, signature = signed(GOOD, KEY).split(".")
    with pytest.raises(ArgumentError):
        read(f"{encoded(json.dumps(header).encode())}.{body}.{signature}")


@given(st.sampled_from(["sub", "at_hash", "azp", "auth_time", "amr", "jti", "aud"]), ANYTHING)
def test_claim_of_any_kind_is_read_or_refused(name, value):
    """A provider that signs nonsense is refused as well."""
    try:
        assert read(signed(GOOD | {name: value}, KEY), access="access")["iss"] == ISSUER
    except ArgumentError as error:
        assert error.message.startswith("the answer of the identity provider is for ")  # noqa: PT017 - both ways are right
