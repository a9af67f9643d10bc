"""What a provider says counts only if it is for us, for this sign-in and of now."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.access.oidc import (
    TokenResponse,
    check_installed,
    read_person_name,
    read_provider,
    read_token_response,
    select_role,
)
from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConfigError
from mainspring.domain.extras import install_command

ISSUER = "https://login.example.com"


@given(st.binary(max_size=60))
def test_answer_that_is_no_token_is_refused(data):
    """Whatever a provider answers is an error of ours, and never another."""
    for answer in (data, json.dumps({"id_token": [data.hex()]}).encode(), b'{"a":' + b"[" * 100_000):
        with pytest.raises(ArgumentError):
            read_token_response(answer)
        with pytest.raises(ArgumentError):
            read_provider(answer, ISSUER)


def test_tokens_are_read_from_the_answer():
    """The one for access may be missing."""
    assert read_token_response(b'{"id_token": "a.b.c", "token_type": "Bearer"}') == TokenResponse("a.b.c")
    assert read_token_response(b'{"id_token": "a.b.c", "access_token": "d"}') == TokenResponse("a.b.c", "d")


def test_provider_speaks_for_its_issuer_over_tls_only():
    """Else someone on the way could say who is who."""
    metadata = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/a",
        "token_endpoint": f"{ISSUER}/t",
        "jwks_uri": f"{ISSUER}/k",
    }
    assert read_provider(json.dumps(metadata).encode(), ISSUER).accepts_basic_auth
    for invalid in (
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://login.example.com/t"},
        {"token_endpoint": 1},
        {"jwks_uri": "http://login.example.com/k"},
        {"jwks_uri": None},
    ):
        with pytest.raises(ArgumentError):
            read_provider(json.dumps(metadata | invalid).encode(), ISSUER)


@pytest.mark.parametrize("name", ["authlib.oidc.core", "joserfc.jwt"])
def test_missing_extra_is_reported_with_the_line_that_installs_it(monkeypatch, name):
    """By the first line already."""
    check_installed()
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"\[web.oidc\] needs .*, which is not installed") as refused:
        check_installed()
    assert refused.value.hint == install_command("oidc")


def test_name_must_be_verified():
    """A missing one, or an address that was not verified, is no one's."""
    assert read_person_name({"email": "Ana@Example.com", "email_verified": True}, "email") == "ana@example.com"
    assert read_person_name({"sub": "7"}, "sub") == "7"
    for claims in (
        {},
        {"email": ""},
        {"email": 1},
        {"email": "a@b"},
        {"email": "a@b", "email_verified": None},
        {"email": "a@b", "email_verified": False},
        {"email": "a@b", "email_verified": "true"},
    ):
        with pytest.raises(ArgumentError):
            read_person_name(claims, "email")


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
    """Anyone who is in none of them has none."""
    assert select_role({"groups": groups}, "groups", {"ops": "admin", "dev": "operator", "all": "viewer"}) is role


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "127.8.9.1", "localhost.", "a.localhost", "[::ffff:127.0.0.1]"]
)
@pytest.mark.parametrize("field", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_loopback_endpoints_are_for_a_loopback_issuer_only(host, field):
    """Else a provider outside could make us send codes, and our secret, to whatever listens on this machine."""
    outside, inside = "https://login.example.com", "http://localhost:9000"

    def endpoints(issuer, scheme):
        endpoints = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), f"{issuer}/x")
        return json.dumps({"issuer": issuer, **endpoints, field: f"{scheme}://{host}:9000/x"}).encode()

    with pytest.raises(ArgumentError):
        read_provider(endpoints(outside, "https"), outside)
    assert read_provider(endpoints(inside, "https"), inside).issuer == inside
