"""Commands on the API tokens of programs: `mainspring tokens create|list|revoke`."""

from typing import TYPE_CHECKING, Final

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import UnknownNameError
from mainspring.insight.text import formatting
from mainspring.insight.text.typed_instants import parse_instant

if TYPE_CHECKING:
    from mainspring.store.base import StoreReader
    from mainspring.store.read.people import TokenView


def _read_tokens(reader: "StoreReader") -> "list[TokenView]":
    from mainspring.store.read.people import tokens

    return tokens(reader)


_STATES: Final = ("valid", "expired")
_TOKEN = params.StoredNameType(lambda reader: [token.name for token in _read_tokens(reader)], "token")


@command("create", "create a token for a program, and print it once")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="the role of the program")
@click.option(
    "--only", "patterns", multiple=True, metavar="PATTERN", help="only these automations (repeatable): billing-*"
)
@click.option("--until", metavar="TIME", help="it expires then: 90d, 2030-03-01; without it, when it is revoked")
@pass_invocation
def create(invocation: Invocation, name: str, *, role: str, patterns: tuple[str, ...], until: str | None) -> None:
    """The output is the token alone. Mainspring stores only its hash, so it cannot be shown again.

    A program sends it as `Authorization: Bearer TOKEN`. The audit log names it: api:NAME.
    """
    from mainspring.service.access.people import make_token

    now = invocation.clock.now()
    until_at = None if until is None else parse_instant(until, now, invocation.zone, back=False)
    token = make_token(
        invocation.store, name, Role(role), patterns or None, until_at, clock=invocation.clock, act=invocation.act
    )
    document = {"name": name, "role": role, "automations": list(patterns) or None, "until_at": until_at, "token": token}
    invocation.output.document(document, token)
    invocation.output.hint(f"It is shown only now. Revoke it: mainspring tokens revoke {formatting.shell_word(name)}")


@command("list", "list the tokens of programs; never a token itself")
@short_lists.add_list_options(*_STATES, default_limit=100)
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """USED is the last request of a program with the token, to the minute. --since compares the creation."""
    now = invocation.clock.now()
    columns = [
        TableColumn("NAME", lambda token: formatting.escape_line(token.name), cut=True),
        TableColumn("ROLE", lambda token: token.role),
        TableColumn("ONLY", lambda token: formatting.escape_line(", ".join(token.automations or ())) or "-", cut=True),
        TableColumn("BY", lambda token: formatting.escape_line(token.by), cut=True, most=40),
        TableColumn("USED", lambda token: _describe_instant(token.used_at, now)),
        TableColumn("UNTIL", lambda token: _describe_end(token, now)),
    ]
    tokens = short_lists.filter_rows(
        invocation,
        invocation.read(_read_tokens),
        name_of=lambda token: token.name,
        state=lambda token: _STATES[token.until_at is not None and token.until_at <= now],
        at=lambda token: token.made_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    if invocation.output.is_json:
        fields = ("id", "name", "role", "automations", "by", "made_at", "until_at", "used_at")
        invocation.output.json([{field: getattr(token, field) for field in fields} for token in tokens])
        return
    invocation.output.rows(tokens, columns, empty="No program has a token.")


@command("revoke", "revoke a token, from the next request on")
@click.argument("name", type=_TOKEN)
@pass_invocation
def revoke(invocation: Invocation, name: str) -> None:
    """NAME is that of `tokens list`. The operations of its program stay in the audit log."""
    from mainspring.service.access.people import revoke_token

    tokens = {token.name: token.id for token in invocation.read(_read_tokens)}
    if name not in tokens:
        raise UnknownNameError("token", name, sorted(tokens))
    revoke_token(invocation.store, tokens[name], act=invocation.act)
    text = f"Token {formatting.escape_line(name)} is revoked."
    invocation.output.document({"name": name, "revoked": True}, text)


def _describe_instant(at: int | None, now: int) -> str:
    return "never" if at is None else formatting.format_distance(at, now)


def _describe_end(token: "TokenView", now: int) -> str:
    if token.until_at is None:
        return "-"
    return "expired" if token.until_at <= now else formatting.format_distance(token.until_at, now)
