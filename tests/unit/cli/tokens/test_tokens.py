"""`mainspring tokens`: a program gets a token on the command line."""

from mainspring.domain.access.permissions import Role
from mainspring.store.read.people import tokens
from mainspring.store.read.status.status import audit_rows


def test_token_is_created_listed_and_revoked(cli, stage):
    """The output is the token alone; the store has only its hash."""
    created = cli("tokens", "create", "deploy-bot", "--role", "operator", "--only", "back*", "--until", "90d")
    assert (created.code, created.out.startswith("ms_"), created.out.count("\n")) == (0, True, 1)
    (token,) = tokens(stage.store.reader)
    assert (token.name, token.role, token.automations) == ("deploy-bot", Role.OPERATOR, ("back*",))
    listed = cli("tokens", "list")
    assert created.out.strip() not in listed.out
    assert token.hash not in listed.out + cli("tokens", "list", "--json").out
    assert ("deploy-bot" in listed.out, "never" in listed.out) == (True, True)
    assert [row["name"] for row in cli("tokens", "list", "--json").json] == ["deploy-bot"]
    assert cli("tokens", "revoke", "deploy-bot").out == "Token deploy-bot is revoked.\n"
    assert tokens(stage.store.reader) == []
    assert [row.verb for row in audit_rows(stage.store.reader) if row.subject.startswith("token:")] == [
        "revoke",
        "make",
    ]
    assert "No program has a token." in cli("tokens", "list").err


def test_token_that_cannot_be_created_names_the_reason(cli, stage):
    """A taken name, an end in the past, a role that does not exist; an unknown name names the nearest."""
    cli("tokens", "create", "deploy-bot", "--role", "viewer")
    assert cli("tokens", "create", "deploy-bot", "--role", "viewer").code == 8
    assert "expired already" in cli("tokens", "create", "other", "--role", "viewer", "--until", "2001-01-01").err
    assert cli("tokens", "create", "other", "--role", "king").code == 2
    assert "deploy-bot" in cli("tokens", "revoke", "deploy-bt").err
