"""The audit log, `mainspring audit-log list|verify`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mainspring.cli import exits, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.access.permissions import EntryPoint
from mainspring.domain.errors import MainspringError
from mainspring.domain.values.plain_json import decode_value
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.domain.integrity.audit_head import AuditHead
    from mainspring.store.read.audit_pages import AuditFilter
    from mainspring.store.views import AuditView

_PAGE_SIZE = 500


def _operation_state(view: "AuditView") -> str:
    """Return "refused" or "done"."""
    result = decode_value(view.result)
    return "refused" if isinstance(result, dict) and result.get("type") == "refused" else "done"


def _is_selected(view: "AuditView", states: tuple[str, ...], name: str | None) -> bool:
    return (not states or _operation_state(view) in states) and (
        name is None or name in view.subject or name in view.actor
    )


def _read_rows(
    invocation: Invocation,
    audit_filter: "AuditFilter",
    cursor: int | None,
    limit: int,
    is_selected: Callable[["AuditView"], bool],
) -> "list[AuditView]":
    """Return the newest matching operations: all, or more than `limit` of them."""
    operations: list[AuditView] = []
    while len(operations) <= limit:
        page = invocation.reads.audit_page(audit_filter, limit=_PAGE_SIZE, cursor=cursor)
        operations += filter(is_selected, page.rows)
        cursor = page.cursor
        if cursor is None:
            break
    return operations


@command("list", "list operations of people and programs, newest first")
@click.option("--state", "states", type=click.Choice(["done", "refused"]), multiple=True, help="only with this result")
@click.option(
    "--name",
    metavar="TEXT",
    multiple=True,
    callback=params.read_single_value,
    help="only operations whose subject or actor contains this text",
)
@click.option(
    "--who",
    metavar="NAME",
    multiple=True,
    callback=params.read_single_value,
    help="only by this actor: web:ana, or ann",
)
@click.option(
    "--act",
    metavar="ACT",
    multiple=True,
    callback=params.read_single_value,
    help="only this operation: retry, pause, ...",
)
@click.option(
    "--subject",
    metavar="SUBJECT",
    multiple=True,
    callback=params.read_single_value,
    help="only with this subject: a run, or noun:name, as lock:nightly",
)
@click.option(
    "--automation",
    type=params.AUTOMATION,
    multiple=True,
    callback=params.read_single_value,
    help="only for this automation, its runs or its incidents",
)
@click.option("--way", type=click.Choice([way.value for way in EntryPoint]), help="only those that came in this way")
@params.since_option
@params.until_option
@params.limit_option
@click.option("--after", type=int, metavar="SEQ", help="continue the list after this operation")
@pass_invocation
def list_command(
    invocation: Invocation,
    *,
    states: tuple[str, ...],
    name: str | None,
    who: str | None,
    act: str | None,
    subject: str | None,
    automation: str | None,
    way: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    after: int | None,
) -> None:
    """Refused operations are listed, too."""
    from mainspring.store.read.audit_pages import AuditFilter

    since_at, until_at = params.read_instant(invocation, since), params.read_instant(invocation, until)
    audit_filter = AuditFilter(
        who=who,
        act=act,
        subject=subject if subject is None or ":" in subject else invocation.run_id(subject),
        automation=automation,
        way=None if way is None else EntryPoint(way),
        since_at=since_at,
        until_at=until_at,
    )
    operations = _read_rows(invocation, audit_filter, after, limit, lambda view: _is_selected(view, states, name))
    now = invocation.clock.now()
    columns = [
        TableColumn("SEQ", lambda view: str(view.seq), right=True),
        TableColumn("WHEN", lambda view: formatting.format_distance(view.at, now)),
        TableColumn("ACTOR", lambda view: formatting.escape_line(view.actor), cut=True, most=24),
        TableColumn("OPERATION", lambda view: formatting.escape_line(view.verb), cut=True),
        TableColumn("SUBJECT", lambda view: formatting.escape_line(view.subject), cut=True, most=40),
        TableColumn("RESULT", _operation_state, lambda view: "red" if _operation_state(view) == "refused" else None),
        TableColumn("REASON", lambda view: formatting.escape_line(view.reason or "-"), cut=True, spare=True, most=60),
    ]
    unsealed = invocation.unseal(lambda unsealer: [unsealer.act(view) for view in operations[:limit]])
    invocation.output.rows(unsealed, columns, empty="No operations yet.")
    if len(operations) > limit:
        invocation.output.hint(f"There are more: --after {operations[limit - 1].seq}")


def _read_heads(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> "list[AuditHead]":
    from mainspring.domain.integrity.audit_head import read_audit_head

    try:
        return [read_audit_head(value) for value in values]
    except MainspringError as error:
        raise click.BadParameter(str(error)) from None


@command("verify", "check that no row of the audit log was changed")
@click.option(
    "--head",
    "heads",
    metavar="HEAD",
    multiple=True,
    callback=_read_heads,
    help="check that this saved head is in the log",
)
@click.option(
    "--head-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="check the head in this file, then save the present one in it",
)
@pass_invocation
def verify(invocation: Invocation, *, heads: "list[AuditHead]", head_file: Path | None) -> int:
    """Ends with 9 if a row does not continue the chain, or if a saved head is not in it. The chain alone does not show that its end was cut
    off, so save the head elsewhere: --head-file saves it, best on another machine. Notifications and `status` show it.
    """
    from mainspring.app.stores.audit_head_file import read_audit_heads, write_audit_head
    from mainspring.service.audit import check_audit_chain
    from mainspring.store.read.status import status

    given_heads = [*heads, *(read_audit_heads(head_file) if head_file is not None else ())]
    chain = check_audit_chain(invocation.reads)
    head: AuditHead | None = invocation.read(status.audit_head)
    missing = [gap for given_head in given_heads if (gap := _explain_gap(invocation, given_head)) is not None]
    is_whole = chain.broken_at is None and not missing
    if is_whole and head is not None and head_file is not None:
        write_audit_head(head_file, head)

    def print_text() -> None:
        output = invocation.output
        for gap in missing:
            output.line(f"{output.paint(formatting.BAD, 'red')} {gap}")
        if chain.broken_at is None and not missing:
            icon, colour, chain_text = (
                formatting.GOOD,
                "green",
                f"{formatting.format_count(chain.rows, 'operation')}, the chain is complete",
            )
            if output.is_partial:
                icon, colour, chain_text = (
                    formatting.WARN,
                    "yellow",
                    f"{formatting.format_count(chain.rows, 'operation')} can be read, in one chain",
                )
            output.line(f"{output.paint(icon, colour)} {chain_text}. Last hash {chain.last_hash}")
            if head is not None:
                output.hint(f"head {head}: save it elsewhere, and check it later with --head")
        elif chain.broken_at is not None:
            output.line(
                f"{output.paint(formatting.BAD, 'red')} operation {chain.broken_at} does not continue the chain: "
                "the log was changed."
            )

    invocation.output.document(
        {
            "whole": is_whole,
            "head": None if head is None else str(head),
            "cut_off": missing,
            "broken_seq": chain.broken_at,
            "rows": chain.rows,
            "last_hash": chain.last_hash,
        },
        print_text,
    )
    return exits.OK if is_whole else exits.CHECK_FAILED


def _explain_gap(invocation: Invocation, head: "AuditHead") -> str | None:
    from mainspring.store.read.status import status

    return invocation.read(lambda reader: status.explain_audit_gap(reader, head))
