"""What a provider says counts only if it is for us, for this sign-in and of now."""

import json
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.access import Role
from mainspring.domain.errors import ArgumentError
from mainspring.domain.oidc import Asked, Provider, check_claims, claims_of, leave_for, name_of, read_provider, role_of

ISSUER = "https://login.example.com"
GOOD = {"iss": ISSUER, "aud": "ms", "nonce": "n", "exp": 1_060, "iat": 1_000}


def check(**said):
    claims = {name: value for name, value in {**GOOD, **said}.items() if value is not None}
    check_claims(claims, issuer=ISSUER, client_id="ms", nonce="n", now_s=1_000)


@pytest.mark.parametrize(
    "said", [{}, {"aud": ["ms"]}, {"aud": ["ms", "other"], "azp": "ms"}, {"exp": 900}, {"iat": 500.5}]
)
def test_claims_for_us_are_taken(said):
    """One audience or a list; clocks may differ a little."""
    check(**said)


@pytest.mark.parametrize(
    "said",
    [
        {"iss": ISSUER + "/"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"aud": ["other"]}, {"aud": ["ms", "other"]},
        {"azp": "other"}, {"nonce": "m"}, {"nonce": None}, {"exp": 879}, {"exp": None}, {"exp": "2000"}, {"exp": True},
        {"iat": None}, {"iat": 1_200}, {"iat": 300}, {"aud": {"ms": 1}},
    ],
)  # fmt: skip
def test_claims_for_others_are_refused(said):
    """Another issuer, client, sign-in or time."""
    with pytest.raises(ArgumentError):
        check(**said)


@given(st.binary(max_size=60))
def test_answer_that_is_no_token_is_refused(data):
    """Whatever a provider answers is an error of ours, and never another."""
    for answer in (
        data,
        json.dumps({"id_token": data.hex()}).encode(),
        json.dumps({"id_token": f"a.{data.hex()}.c"}).encode(),
    ):
        with pytest.raises(ArgumentError):
            claims_of(answer)


def test_claims_are_read_from_the_answer():
    """The middle part, whatever its length."""
    for number in range(4):
        part = urlsafe_b64encode(json.dumps({"sub": "x" * number}).encode()).decode().rstrip("=")
        assert claims_of(json.dumps({"id_token": f"h.{part}.s"}).encode()) == {"sub": "x" * number}


def test_provider_speaks_for_its_issuer_over_tls_only():
    """Else somebody on the way could say who is who."""
    said = {"issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/a", "token_endpoint": f"{ISSUER}/t"}
    assert read_provider(json.dumps(said).encode(), ISSUER).takes_basic
    for wrong in (
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://login.example.com/t"},
        {"token_endpoint": 1},
    ):
        with pytest.raises(ArgumentError):
            read_provider(json.dumps(said | wrong).encode(), ISSUER)


def test_browser_leaves_with_what_has_to_come_back():
    """State, nonce, the hash of the verifier and not the verifier."""
    asked = Asked(
        state="s", nonce="n", verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", browser="b", next="", until_at=0
    )
    address = leave_for(Provider(ISSUER, f"{ISSUER}/a?x=1", f"{ISSUER}/t"), "ms", "https://ops/back", asked)
    query = parse_qs(urlsplit(address).query)
    assert query["code_challenge"] == ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"]
    assert (query["x"], query["state"], query["nonce"], query["redirect_uri"]) == (
        ["1"],
        ["s"],
        ["n"],
        ["https://ops/back"],
    )
    assert asked.verifier not in address


def test_name_is_one_that_somebody_proved_to_have():
    """A missing one, or an address that was not verified, is nobody's."""
    assert name_of({"email": "Ana@Example.com"}, "email") == "ana@example.com"
    assert name_of({"sub": "7"}, "sub") == "7"
    for claims in (
        {},
        {"email": ""},
        {"email": 1},
        {"email": "a@b", "email_verified": False},
        {"email": "a@b", "email_verified": "true"},
    ):
        with pytest.raises(ArgumentError):
            name_of(claims, "email")


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["ops"], Role.ADMIN),
        (["dev", "ops"], Role.ADMIN),
        (["all", "dev"], Role.OPERATOR),
        ("all", Role.VIEWER),
        (["x"], None),
        ([], None),
        (None, None),
        ([["ops"]], None),
        ({"ops": 1}, None),
    ],
)
def test_role_is_the_highest_of_the_groups(groups, role):
    """Whoever is in none of them has none."""
    assert role_of({"groups": groups}, "groups", {"ops": "admin", "dev": "operator", "all": "viewer"}) is role
