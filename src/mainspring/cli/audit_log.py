"""`mainspring audit-log list|verify`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import exits, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.output import Column
from mainspring.domain.plain import decoded
from mainspring.insight import words

if TYPE_CHECKING:
    from mainspring.store.views import AuditView

_PAGE = 500


def _state(view: "AuditView") -> str:
    """Return "refused" or "done"."""
    answer = decoded(view.result)
    return "refused" if isinstance(answer, dict) and answer.get("type") == "refused" else "done"


@command("list", "list acts of people and programs, newest first")
@click.option("--state", "states", type=click.Choice(["done", "refused"]), multiple=True, help="only these")
@click.option(
    "--name",
    metavar="TEXT",
    multiple=True,
    callback=params.once,
    help="only acts whose subject or actor holds this text",
)
@params.since
@params.limit
@click.option("--after", type=int, metavar="SEQ", help="continue the list behind this act")
@pass_invocation
def list_command(
    invocation: Invocation,
    states: tuple[str, ...],
    name: str | None,
    since: str | None,
    limit: int,
    after: int | None,
) -> None:
    """Refused acts stand there too."""
    since_at, cursor = params.since_at(invocation, since), after
    found: list[AuditView] = []
    if invocation.is_there():
        while len(found) <= limit:
            page = invocation.reads.audit_rows(limit=_PAGE, cursor=cursor)
            found += [
                view
                for view in page
                if (not states or _state(view) in states)
                and (name is None or name in view.subject or name in view.actor)
                and (since_at is None or view.at >= since_at)
            ]
            if len(page) < _PAGE or (since_at is not None and page[-1].at < since_at):
                break
            cursor = page[-1].seq
    now = invocation.clock.now()
    columns = [
        Column("SEQ", lambda view: str(view.seq), right=True),
        Column("WHEN", lambda view: words.ago(view.at, now)),
        Column("ACTOR", lambda view: words.one_line(view.actor, 24)),
        Column("ACT", lambda view: words.one_line(view.verb)),
        Column("SUBJECT", lambda view: words.one_line(view.subject, 40)),
        Column("ANSWER", _state, lambda view: "red" if _state(view) == "refused" else None),
        Column("REASON", lambda view: words.one_line(view.reason or "-", 60)),
    ]
    shown = invocation.opened(lambda opening: [opening.act(view) for view in found[:limit]])
    invocation.output.rows(shown, columns, empty="No acts yet.")
    if len(found) > limit:
        invocation.output.hint(f"There are more: --after {found[limit - 1].seq}")


@command("verify", "check that nothing in the log was changed")
@pass_invocation
def verify(invocation: Invocation) -> int:
    """Ends with 9 if a row does not continue the chain. Keep the last hash elsewhere to see that nothing was cut off."""
    from mainspring.service.audit import audit_verify

    found = audit_verify(invocation.reads)

    def text() -> None:
        output = invocation.output
        if found.broken_at is None:
            acts = words.many(found.rows, "act")
            output.line(f"{output.paint(words.GOOD, 'green')} {acts}, the chain is whole. Last hash {found.last_hash}")
        else:
            output.line(
                f"{output.paint(words.BAD, 'red')} act {found.broken_at} does not continue the chain: the log was changed."
            )

    invocation.output.document(
        {
            "whole": found.broken_at is None,
            "broken_seq": found.broken_at,
            "rows": found.rows,
            "last_hash": found.last_hash,
        },
        text,
    )
    return exits.OK if found.broken_at is None else exits.CHECK_FAILED
